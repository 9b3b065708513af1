"""What a score follows besides quality, on avatars whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpop_rca.avatars import dataset, photograph
from kpop_rca.preferences import analysis


def solo(**kind):
    person = dataset.people(seed=0, n_identities=4, alikeness=0.5)[0]
    shown = {"artifact": "", "hard": ""} | kind
    return photograph.solo(person, **shown, generator=np.random.default_rng(0))


def test_what_is_known_of_an_avatar():
    shot = solo()
    sitter = shot.sitters[-1]
    turned = replace(shot, sitters=(replace(sitter, look=replace(sitter.look, yaw=-30.0), unit=sitter.unit / 2),))
    plain, far = analysis.truth_of(shot), analysis.truth_of(turned)
    assert far["turned"] == 30 and far["face_area"] < plain["face_area"] / 2
    assert plain["hidden"] == 0 and analysis.truth_of(solo(hard="mask"))["hidden"] == 1


def test_a_score_that_follows_area_alone():
    known = pd.DataFrame({"face_area": np.linspace(0.1, 0.9, 20), "hidden": 0.0})
    images = (255 * known["face_area"].to_numpy()[:, None, None, None] * np.ones((1, 4, 4, 3))).astype(np.uint8)
    table = analysis.followed({"bright": lambda images: images.mean(axis=(1, 2, 3))}, images, known)
    found = table.set_index("attribute")["spearman"]
    assert found["face_area"] == pytest.approx(1) and np.isnan(found["hidden"])
