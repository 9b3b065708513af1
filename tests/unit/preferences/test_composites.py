"""Sets of parts of a face score: weighed on pairs, compared on others."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.degradations import blurred
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments
from kpop_rca.preferences import committed, composites, scorer, trials
from kpop_rca.preferences.pairs import Pairs

RNG = np.random.default_rng(0)
DARK, LIGHT = (RNG.integers(*reach, (40, 4, 4, 3), dtype=np.uint8) for reach in ((0, 120), (100, 256)))
PAIRS = Pairs(LIGHT, DARK, pd.DataFrame(index=range(40)))


def brightness(images):
    return images.mean(axis=(1, 2, 3)).astype(np.float64)


def nothing(images):
    return np.zeros(len(images))


def test_a_composite_weighs_what_orders_the_pairs_whichever_its_sign():
    score = composites.composite({"right": lambda images: -brightness(images), "nothing": nothing}, PAIRS)
    assert (score(LIGHT) > score(DARK)).mean() > 0.95


def test_every_set_is_on_every_pair_and_ladder_and_the_best_comes_first():
    scorers = dict.fromkeys((*composites.TRAINED_PARTS, trials.BRISQUE, trials.SHARPNESS), nothing)
    scorers |= {trials.MSCN: nothing, trials.PAPER: brightness}
    table = composites.compared(scorers, PAIRS, {"pairs": PAIRS}, {"ladder": [LIGHT, DARK]})
    assert len(table) == 2 * len(composites.SETS)
    found = composites.means(table)
    assert trials.PAPER in found.index[0] and found.iloc[0] > 0.95
    assert found[" + ".join((trials.MSCN, trials.SHARPNESS))] == pytest.approx(0.5)


def test_pairs_and_ladders_count_alike_however_many_there_are():
    rows = [("a", "pairs", 1.0), ("a", "ladder", 0.5), ("a", "ladder", 0.7), ("a", "ladder", 0.6)]
    table = pd.DataFrame(rows, columns=["scorer", "kind", "fraction"])
    assert composites.means(table)["a"] == pytest.approx(0.8)


def test_the_parts_in_use_are_among_the_best_of_the_committed_comparison(monkeypatch):
    table = committed._table("composites.csv")
    means = composites.means(table)
    chance = 0.01  # of 150 pairs and of ladders of 100 images
    assert means[" + ".join(composites.IN_USE)] > means.max() - chance
    assert set(table["scorer"]) == {" + ".join(names) for names in composites.SETS}
    assert f"to {means.max():.3f} for the {len(composites.SETS)} sets" in committed.about_parts()
    monkeypatch.setattr(committed, "_table", lambda name: pd.DataFrame())
    assert committed.about_parts() == ""


def test_a_set_is_weighed_as_the_face_score_is():
    """The face score of the second set, without the trained scorers, which are parts like others."""
    real = RNG.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    pairs = Pairs(real, blurred(real, 1.0), pd.DataFrame(index=range(40)))
    own = scorer.fit_face_score([], real, pairs)
    texture = Reference.of(mscn_moments(real))
    parts = {
        trials.MSCN: lambda images: -texture.distance_of_each(mscn_moments(images)),
        trials.SHARPNESS: scorer.log_sharpness,
    }
    assert np.allclose(composites.composite(parts, pairs)(pairs.loss), own(pairs.loss))
    assert (*parts, *trials.IN_FACE_SCORE) == composites.IN_USE
