"""All that 06 measures on features, of generators that fail in every way: a number, or null and the reason."""

import json
import warnings

import numpy as np
import pytest
from reasons import without_reason

from kpop_rca.image_metrics import diversity, feature_panel, inception
from kpop_rca.oracles import calibration, cas
from kpop_rca.results import tables

CLASSES = ["Ari", "Bo", "Cy", "Di"]
N = 12  # images of each identity


def rng():
    return np.random.default_rng(7)


def images_of(n, *, seed):
    """Small images of four people, each with a colour of its own, and the labels: float (4 n, 48), int (4 n,)."""
    labels = np.repeat(np.arange(len(CLASSES)), n)
    colours = np.random.default_rng(0).uniform(60, 200, (len(CLASSES), 48))
    return (colours[labels] + np.random.default_rng(seed).normal(0, 20, (len(labels), 48))).clip(0, 255), labels


REAL, OTHERS, TRAINING = (images_of(n, seed=n) for n in (N, 6, N + 1))
REQUESTED = np.repeat(np.arange(len(CLASSES)), N)
GENERATORS = {
    "one image": (np.repeat(TRAINING[0][:1], len(REQUESTED), axis=0), REQUESTED),
    "black images": (np.zeros((len(REQUESTED), 48)), REQUESTED),
    "one image of each person": (np.repeat(TRAINING[0][:: N + 1], N, axis=0), REQUESTED),
    "copies of the reference": REAL,
    "noise": (rng().uniform(0, 255, (len(REQUESTED), 48)), REQUESTED),
    "two images of each person": (TRAINING[0][np.arange(len(TRAINING[0])) % (N + 1) < 2], np.repeat(np.arange(4), 2)),
    "an image of one person": (TRAINING[0][: 3 * N + 4], TRAINING[1][: 3 * N + 4]),  # the others have 13
}


def measured(generated, labels, *, real=REAL, others=OTHERS):
    """What stands under `visual` in `metrics.json`, on pixels."""
    how = {"classes": CLASSES, "generator": rng()}
    sets = (real, others, (generated, labels))
    found = feature_panel.feature_measures(
        *(part for part, _ in sets), labels=tuple(of for _, of in sets), features="pixels", **how
    )
    spread = diversity.feature_diversity(generated, labels, real=real, n_pairs=20, words="any", **how)
    return found | {"diversity": spread, "is": {"value": inception.inception_score(generated)}}


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("swapped", [False, True], ids=["generated", "real"])
def test_every_number_is_finite_or_null_with_its_reason(kind, swapped):
    """Of what was generated; and of real images that are no better, such as two photographs of a person."""
    how = {"real": GENERATORS[kind], "others": GENERATORS[kind]} if swapped else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(*(REAL if swapped else GENERATORS[kind]), **how)
    json.dumps(found, allow_nan=False)
    assert list(without_reason(found)) == []
    table = tables.visual_table(found)
    assert not np.isinf(table.select_dtypes("number")).any(axis=None)
    assert table.loc[table["value"].isna(), "why"].all()


@pytest.mark.parametrize("kind", ["one image", "black images"])
def test_images_that_are_all_alike_lie_on_a_flat_line(kind):
    found = measured(*GENERATORS[kind])
    line, distance = found["frechet_infinity"], found["frechet"]["value"]
    assert (line["value"], line["slope"]) == (pytest.approx(distance), 0)
    for name in ("standard_error", "value_at_same_n_standard_error", "r_squared"):
        assert line[name] is None
        assert "the same at every number of images" in line[f"{name}_why"]
    assert line["real_vs_real_standard_error"] > 0
    assert line["standard_error_why"] in tables.about_line(line)
    assert (found["recall"]["value"], found["is"]["value"]) == (0, pytest.approx(1))
    assert (found["diversity"]["mean"], found["diversity"]["ci95"]) == (0, None)
    assert found["diversity"]["ci95_why"] == diversity.ALIKE


def test_a_line_that_is_not_flat_keeps_its_fit():
    line = measured(*TRAINING)["frechet_infinity"]
    assert 0 < line["standard_error"] < line["value"]
    assert 0.5 < line["r_squared"] <= 1


def test_inception_score_of_what_is_certain_beyond_rounding():
    """A class of probability e^-1000 in all images rounds to 0, whose logarithm was taken."""
    assert inception.inception_score(np.array([[1000.0, 0.0], [1000.0, 0.0]])) == 1
    assert inception.inception_score(np.array([[1000.0, 0.0], [0.0, 1000.0]])) == pytest.approx(2)


@pytest.mark.parametrize("right", [0, 12])
def test_an_oracle_of_a_single_confidence_is_calibrated_or_not_by_a_number(right):
    """It predicts the first of two people, as sure each time; the faces are all of that person, or none is."""
    sure, labels = np.tile([0.75, 0.25], (12, 1)), np.repeat([0, 1], [right, 12 - right])
    table = calibration.reliability(sure, labels)
    assert calibration.expected_calibration_error(sure, labels) == pytest.approx(abs(right / 12 - 0.75))
    assert len(table) == 1
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 9), (9, 0), (9, 9)])
def test_classifiers_that_are_right_on_all_faces_or_none_compare_by_numbers_or_say_why(first, second):
    found = cas.compare_on_same_faces(np.arange(9) < first, np.arange(9) < second)
    json.dumps(found, allow_nan=False)
    assert list(without_reason({"ratio": found})) == []
    assert found["ci95"] is None or found["ci95"][0] < found["ci95"][1]
