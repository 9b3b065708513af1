"""The study's own ResNet on a user's photographs: who is left out of its training, and when it is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.oracles.own_resnet import RECIPE, fit_resnet
from kpop_rca.scoring import own_resnet, pipeline
from kpop_rca.scoring.found import Found

SMALL = replace(RECIPE, width=8, epochs=4)


@pytest.fixture
def seen(monkeypatch):
    """What each network was trained on; it knows the photographs by heart, and takes others for person 0."""
    trainings = []

    def fit(crops, person):
        trainings.append((crops, person))
        by_heart = {crop.tobytes(): who for crop, who in zip(crops, person, strict=True)}
        return lambda images: np.array([by_heart.get(image.tobytes(), 0) for image in images])

    monkeypatch.setattr(own_resnet, "fit_resnet", fit)
    monkeypatch.setattr(own_resnet, "FEWEST", 12)
    return trainings


def fitted(crops, person, *, cluster=None, found=None, generated=None, **options):
    n, generated = len(crops), crops[:4] if generated is None else generated
    return own_resnet.cross_fitted_resnet(
        crops,
        person,
        np.full(n, -1) if cluster is None else cluster,
        generated,
        found=np.ones(n, dtype=bool) if found is None else found,
        generated_found=np.ones(len(generated), dtype=bool),
        **options,
    )


def test_nothing_is_predicted_by_a_network_that_has_seen_it(seen, coloured_faces):
    crops, person = coloured_faces
    cluster = np.where(np.arange(len(crops)) < 30, np.arange(len(crops)) // 6, -1)  # pairs of each person
    result = fitted(crops, person, cluster=cluster)
    assert (result.held_out.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(result.real_counts(), [[40, 0, 0]] * 3)  # not one is known by heart
    for number, (images, _) in enumerate(seen):
        known = {image.tobytes() for image in images}
        out = np.array([crop.tobytes() not in known for crop in crops])
        np.testing.assert_array_equal(out, result.held_out[number])
        assert len(set(result.unit[out]) & set(result.unit[~out])) == 0


def test_generated_images_are_predicted_by_the_same_networks(seen, coloured_faces):
    """A photograph of person 1 among them is known by heart to the four networks that were trained on it."""
    crops, person = coloured_faces
    result = fitted(crops, person, generated=crops[1:2])
    np.testing.assert_allclose(result.generated_counts(np.array([1]))[1], [0.2, 0.8, 0])


def test_order_changes_nothing(seen, coloured_faces):
    crops, person = coloured_faces
    result, order = fitted(crops, person), np.random.default_rng(1).permutation(len(crops))
    again = fitted(crops[order], person[order])
    np.testing.assert_array_equal(again.held_out, result.held_out[:, order])
    np.testing.assert_array_equal(seen[0][0], seen[own_resnet.FOLDS][0])


def test_images_without_a_face_are_nobodys(seen, coloured_faces):
    crops, person = coloured_faces
    found = np.arange(len(crops)) > 2
    result = fitted(crops, person, found=found)
    assert not result.held_out[:, :3].any() and (result.predicted[:, :3] == -1).all()
    assert result.real_counts().sum() == len(crops) - 3


def test_photographs_and_generated_images_are_told_apart(seen, coloured_faces):
    """As they come from `found.find`, of which a generated image has no face."""
    crops, person = coloured_faces
    images = pd.DataFrame({"person": person, "cluster": -1, "face": "found"})
    images.loc[119, "face"] = "none"
    images["generator"] = np.where(np.arange(len(crops)) < 117, "", "g")
    given = pipeline._Seen(Found(["a", "b", "c"], ["g"], images, {}, [], crops), 0)
    fitted, refused = pipeline._cross_fitted(given)
    result = fitted[pipeline.RESNET]
    assert not refused
    assert result.predicted.shape == (5, 117) and result.generated.shape == (5, 3)
    np.testing.assert_array_equal(result.generated[:, 2], -1)
    controls = pipeline._controls(given, {}, fitted)
    assert controls["passed"].isna().all() and controls["reason"].eq(pipeline.NO_CONTROLS).all()


def test_too_few_photographs_are_named(coloured_faces):
    crops, person = coloured_faces
    cluster = np.where(person == 2, 5, -1)  # one scene
    with pytest.raises(StudyError, match=r"a ResNet of your own needs 50 or more: Ann \(40\), 2 \(40\), Zoe \(1\)"):
        fitted(crops, person, cluster=cluster, people=["Ann", 2, "Zoe"])


def test_it_learns_and_repeats_itself(coloured_faces):
    crops, person = coloured_faces
    first, second = (fit_resnet(crops[:90], person[:90], recipe=SMALL)(crops[90:]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first == person[90:]).mean() > 0.8  # chance is a third
