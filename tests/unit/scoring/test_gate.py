"""Controls that pass where scoring is sound, and fail where it knows its answers or treats the two sides unlike."""

import dataclasses

import numpy as np
import pytest

from kpop_rca.scoring import gate, similarity
from kpop_rca.scoring.cross_fitting import cross_fit

N_PEOPLE, N_PHOTOGRAPHS = 8, 9
PERSON = np.repeat(np.arange(N_PEOPLE), N_PHOTOGRAPHS)
ALONE = np.full(len(PERSON), -1)


@pytest.fixture(scope="module")
def embeddings():
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 1, (N_PEOPLE, 16))[PERSON] + rng.normal(0, 0.8, (len(PERSON), 16))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def calibration(embeddings):
    return similarity.calibrate(embeddings, PERSON, ALONE, n_replicates=50, generator=np.random.default_rng(1))


@pytest.fixture
def controls(embeddings, calibration):
    def run(embeddings=embeddings, person=PERSON, cluster=ALONE, **how):
        how = {"calibration": calibration, "generator": np.random.default_rng(2)} | how
        return gate.run_controls(embeddings, person, cluster, **how).set_index("control")

    return run


def test_sound_scoring_passes(controls):
    found = controls()
    assert found["passed"].tolist() == [True, True, True]
    assert found["reason"].tolist() == ["", "", ""]
    assert found.loc["real", "value"] == pytest.approx(1, abs=0.25)
    assert found.loc["shuffled", "expected"] == pytest.approx(1 / N_PEOPLE, abs=0.03)
    assert found.loc["copies", "value"] > 0.9


def test_classifiers_tested_on_what_they_were_trained_on_fail(controls):
    """A nearest neighbour that saw the photographs is always right about them, whatever their names."""

    def leaking(embeddings, person, cluster, generated):
        fitted = cross_fit(embeddings, person, cluster, generated)
        known = person[(embeddings @ embeddings.T).argmax(axis=1)]
        return dataclasses.replace(fitted, predicted=np.tile(known, (len(fitted.predicted), 1)))

    found = controls(fit=leaking)
    assert found["passed"].to_dict() == {"real": found.loc["real", "passed"], "shuffled": False, "copies": True}
    assert "above chance: a leak" in found.loc["shuffled", "reason"]


def test_generated_images_treated_unlike_photographs_fail(controls):
    """As if they were cropped in another way: their embeddings have lost half of what tells people apart."""

    def unlike(embeddings, person, cluster, generated):
        noise = np.random.default_rng(3).normal(0, 0.8, generated.shape)
        return cross_fit(embeddings, person, cluster, generated + noise)

    found = controls(fit=unlike)
    assert not found.loc["real", "passed"]
    assert found.loc["real", "p"] < gate.LEVEL
    assert found.loc["real", "reason"].startswith("held-out photographs have an RCA of 0.")


def test_a_scorer_that_is_told_the_requested_names_fails(controls, embeddings, monkeypatch):
    """It reads the permuted names of the held-out photographs, which a scorer can't know."""
    given, real_held_out = [], gate.held_out

    def watched(person, unit, *, generator):
        given.append(person)
        return real_held_out(person, unit, generator=generator)

    def knowing(vectors, person, cluster, generated):
        fitted = cross_fit(vectors, person, cluster, generated)
        which = (generated @ embeddings.T).argmax(axis=1)
        return dataclasses.replace(fitted, generated=np.tile(given[-1][which], (len(fitted.generated), 1)))

    monkeypatch.setattr(gate, "held_out", watched)
    row = controls(fit=knowing).loc["shuffled"]
    assert (row["passed"], row["value"]) == (False, 1)
    assert "with permuted names 100% are recognised" in row["reason"]


def test_a_threshold_that_misses_copies_fails(controls, calibration):
    found = controls(calibration=dataclasses.replace(calibration, copy_threshold=(1.5, 0.0)))
    assert found["passed"].tolist() == [True, True, False]
    assert "0% of the photographs themselves" in found.loc["copies", "reason"]


def test_too_few_photographs_are_no_failure(embeddings):
    some = np.flatnonzero(np.arange(len(PERSON)) % N_PHOTOGRAPHS < 2)
    how = {"n_replicates": 20, "generator": np.random.default_rng(0)}
    calibration = similarity.calibrate(embeddings[some], PERSON[some], ALONE[some], **how)
    found = gate.run_controls(
        embeddings[some], PERSON[some], ALONE[some], calibration=calibration, generator=np.random.default_rng(0)
    ).set_index("control")
    assert found["passed"].tolist()[:2] == [None, None]
    assert found["reason"].tolist()[:2] == [gate.TOO_FEW] * 2


def test_near_duplicates_are_held_out_together():
    unit = np.array([0, 0, 1, 2, 3, 3, 4, 5])
    for seed in range(20):
        held = gate.held_out(np.repeat([0, 1], 4), unit, generator=np.random.default_rng(seed))
        assert held[0] == held[1] and held[4] == held[5]
        assert [len(np.unique(unit[:4][held[:4]])), len(np.unique(unit[4:][held[4:]]))] == [1, 1]


def test_photographs_without_a_face_are_left_out(controls, embeddings):
    blank = embeddings.copy()
    blank[::9] = np.nan
    assert controls(embeddings=blank)["passed"].tolist() == [True, True, True]
