"""Estimates of generators against hand-computed cases, known truths and each other."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.scoring.cross_fitting import NOBODY, CrossFitted, cross_fit
from kpop_rca.scoring.estimates import MEASURES, estimate

CORRECTED = "confusion_corrected_accuracy"


def fitted(person, predicted, generated):
    """As if every photograph had been held out from the same classifier, which says this."""
    person, n = np.asarray(person), len(person)
    out = np.ones((1, n), dtype=bool)
    return CrossFitted(person, np.arange(n), out, np.array([predicted]), np.array([generated]))


def overall(found, generator, measure=CORRECTED, oracle="oracle"):
    rows = found.measures
    chosen = rows[(rows["oracle"] == oracle) & (rows["generator"] == generator) & (rows["person"] == "")]
    return chosen.set_index("measure").loc[measure]


def value(found, generator, measure=CORRECTED):
    return float(overall(found, generator, measure)["value"])


def width(found, generator, measure=CORRECTED):
    row = overall(found, generator, measure)
    return row["high"] - row["low"]


# Ten photographs of each of two people, right on eight; a generator that is right on six of ten, and one on 3 of ten.
PERSON = np.repeat([0, 1], 10)
PREDICTED = np.where(np.tile(np.arange(10) < 8, 2), PERSON, 1 - PERSON)
SIX, THREE = (np.where(np.tile(np.arange(10) < n, 2), PERSON, 1 - PERSON) for n in (6, 3))
ALL = np.tile(PERSON, 2)


@pytest.fixture(scope="module")
def by_hand():
    given = fitted(PERSON, PREDICTED, np.concatenate([SIX, THREE]))
    return estimate({"oracle": given}, ALL, np.repeat(["six", "three"], 20), ["Ari", "Bo"], n_replicates=4000)


def test_hand_computed(by_hand):
    """(0.6 - 0.2) / (0.8 - 0.2), where 0.2 is how often a photograph of the other one is predicted as requested."""
    assert value(by_hand, "six", "accuracy") == pytest.approx(0.6)
    assert value(by_hand, "six", "rca") == pytest.approx(0.75)
    assert value(by_hand, "six") == pytest.approx(2 / 3)
    assert value(by_hand, "three") == pytest.approx(1 / 6)
    assert by_hand.oracles.iloc[0][["oracle", "photographs", "accuracy"]].tolist() == ["oracle", 20, 0.8]
    of_people = by_hand.measures[(by_hand.measures["person"] == "Bo") & (by_hand.measures["generator"] == "six")]
    assert of_people.set_index("measure")["value"].to_dict() == pytest.approx(
        {"images": 10, "failures": 0, "accuracy": 0.6, "rca": 0.75, CORRECTED: 2 / 3}
    )


def test_intervals_are_those_of_known_ones(by_hand):
    """Of accuracy those of Clopper and Pearson, to 0.02: 4000 replicates, and the scale. Of RCA somewhat wider."""
    row = overall(by_hand, "six", "accuracy")
    assert (row["low"], row["high"]) == pytest.approx(proportion_confint(12, 20, method="beta"), abs=0.02)
    row = overall(by_hand, "six", "rca")
    low, high = rca.ratio_interval(12, 20, 16, 20, method="score")
    assert row["low"] <= low + 0.01 and row["high"] >= high
    assert row["high"] - row["low"] < 1.4 * (high - low)


def test_contributions_have_the_corrected_accuracy_as_their_mean(by_hand):
    assert by_hand.contributions["oracle"][:20].mean() == pytest.approx(value(by_hand, "six"))
    assert by_hand.contributions["oracle"][20:].mean() == pytest.approx(value(by_hand, "three"))


def test_swapping_photographs_and_images_fails():
    many = [np.tile(of, 10) for of in (PERSON, SIX, PREDICTED)]
    swapped = estimate({"oracle": fitted(*many)}, many[0], ["g"] * 200, ["Ari", "Bo"], n_replicates=50)
    assert value(swapped, "g", "rca") == pytest.approx(4 / 3)
    assert value(swapped, "g") == pytest.approx(2)


def test_other_names_and_numbers_of_people_change_nothing(by_hand):
    given = fitted(1 - PERSON, 1 - PREDICTED, 1 - SIX)
    renamed = estimate({"oracle": given}, 1 - PERSON, ["six"] * 20, ["Bo", "Ari"], n_replicates=4000)
    for measure in MEASURES:
        one, other = (overall(of, "six", measure)[["value", "low", "high"]].tolist() for of in (renamed, by_hand))
        assert one == pytest.approx(other, abs=1e-9)


def test_the_order_of_the_images_changes_nothing(by_hand):
    order = np.random.default_rng(0).permutation(40)
    given = fitted(PERSON, PREDICTED, np.concatenate([SIX, THREE])[order])
    label = np.repeat(["six", "three"], 20)[order]
    shuffled = estimate({"oracle": given}, ALL[order], label, ["Ari", "Bo"], n_replicates=4000)
    for key, replicates in by_hand.replicates.items():
        np.testing.assert_allclose(shuffled.replicates[key], replicates, atol=1e-12)


def test_every_oracle_has_the_same_weights_and_other_generators_change_nothing(by_hand):
    given = fitted(PERSON, PREDICTED, SIX)
    two = estimate({"oracle": given, "again": given}, PERSON, ["six"] * 20, ["Ari", "Bo"], n_replicates=4000)
    for measure in MEASURES:
        one, other = (two.replicates[measure, oracle, "six"] for oracle in ("oracle", "again"))
        np.testing.assert_allclose(one, other, atol=1e-12)
        np.testing.assert_allclose(one, by_hand.replicates[measure, "oracle", "six"], atol=1e-12)
    one, other = (by_hand.replicates["accuracy", "oracle", name].mean(axis=0) for name in ("six", "three"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(4000)  # of other images


def test_a_generator_without_faces_shows_nobody():
    half = np.where(np.arange(20) % 2, NOBODY, PERSON)
    given = fitted(PERSON, PREDICTED, np.concatenate([np.full(20, NOBODY), half]))
    found = estimate({"oracle": given}, ALL, np.repeat(["none", "half"], 20), ["Ari", "Bo"], n_replicates=400)
    for measure in MEASURES:
        assert value(found, "none", measure) == 0
    assert (value(found, "none", "images"), value(found, "none", "failures")) == (20, 20)
    assert value(found, "half", "failures") == 10
    assert value(found, "half", "accuracy") == 0.5 and value(found, "half", "rca") == pytest.approx(0.5 / 0.8)
    # An image that is always right is 4/3 of one that is right as often as a photograph.
    assert value(found, "half") == pytest.approx(0.5 * 4 / 3)


def test_a_photograph_without_a_face_counts_on_neither_side(by_hand):
    person, predicted = np.append(PERSON, [0, 1]), np.append(PREDICTED, [NOBODY, NOBODY])
    out = np.ones((1, 22), dtype=bool)
    out[:, 20:] = False
    given = CrossFitted(person, np.arange(22), out, predicted[None], SIX[None])
    found = estimate({"oracle": given}, PERSON, ["six"] * 20, ["Ari", "Bo"], n_replicates=50)
    assert value(found, "six", "rca") == pytest.approx(0.75)
    assert found.oracles["photographs"].item() == 20


def test_near_duplicates_of_a_photograph_count_once():
    """Ten copies of one that is predicted wrong."""
    person, predicted = np.append(PERSON, np.zeros(9, dtype=int)), np.append(PREDICTED, np.ones(9, dtype=int))
    unit = np.append(np.arange(20), np.full(9, 9))
    given = CrossFitted(person, unit, np.ones((1, 29), dtype=bool), predicted[None], SIX[None])
    found = estimate({"oracle": given}, PERSON, ["six"] * 20, ["Ari", "Bo"], n_replicates=50)
    assert value(found, "six", "rca") == pytest.approx(0.75)
    assert found.oracles["photographs"].item() == 20


@pytest.mark.parametrize("right", [0, 400])
def test_at_the_edges_of_an_oracle_that_never_errs(right):
    """No wider than 1.3 times a proportion's score interval, and not narrower than its exact limit."""
    person, requested = np.repeat(np.arange(20), 5), np.repeat(np.arange(20), 20)
    generated = requested if right else (requested + 1 + np.arange(400) % 19) % 20
    found = estimate({"oracle": fitted(person, person, generated)}, requested, ["g"] * 400, range(20))
    row, score = overall(found, "g"), np.ptp(proportion_confint(right, 400, method="wilson"))
    assert row["value"] == pytest.approx(right / 400)
    assert row["high"] - row["low"] + 1e-12 >= 1 - 0.025 ** (1 / 400)
    assert row["high"] - row["low"] < 1.3 * score


def test_a_class_blind_generator_has_one_over_k():
    """However the oracle errs: it predicts two of four people rather often."""
    rng = np.random.default_rng(0)
    confusion = np.array([[0.7, 0.3, 0, 0], [0.2, 0.8, 0, 0], [0.2, 0, 0.7, 0.1], [0, 0.3, 0.1, 0.6]])
    person, requested = np.repeat(np.arange(4), 2000), np.repeat(np.arange(4), 1000)
    predicted, generated = (
        np.array([rng.choice(4, p=confusion[who]) for who in shown]) for shown in (person, rng.permutation(requested))
    )
    found = estimate({"oracle": fitted(person, predicted, generated)}, requested, ["g"] * 4000, range(4))
    assert value(found, "g") == pytest.approx(0.25, abs=0.03)
    assert value(found, "g", "rca") > 0.33


def test_an_oracle_at_chance_has_no_value_and_says_why():
    person = np.repeat([0, 1], 10)
    given = fitted(person, np.tile([0, 1], 10), np.tile([0, 1], 10))
    row = overall(estimate({"oracle": given}, person, ["g"] * 20, ["Ari", "Bo"], n_replicates=200), "g")
    assert np.isnan(row[["value", "low", "high"]].astype(float)).all()
    assert row["reason"] == "the oracle does not tell the people apart clearly enough on photographs"


def test_a_person_who_was_never_requested(by_hand):
    given = fitted(PERSON, PREDICTED, SIX[:10])
    found = estimate({"oracle": given}, PERSON[:10], ["six"] * 10, ["Ari", "Bo"], n_replicates=50)
    assert value(found, "six", "rca") == pytest.approx(0.75)
    rows = found.measures[found.measures["person"] == "Bo"].set_index("measure")
    assert rows.loc["images", "value"] == 0 and np.isnan(rows.loc["rca", "value"])
    assert rows.loc["rca", "reason"] == "no image was requested"


def faces(rng, means, person, spread):
    found = means[person] + spread * rng.normal(size=(len(person), means.shape[1])) / np.sqrt(means.shape[1])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def known(n_each, truth, *, spread, seed, n_people=10, alike=0.0, n_images=400):
    """Estimates of a generator of known truth, on people in pairs that are `alike`; and the fraction that is right.

    The one who is shown instead is the other one of the pair if they are alike, else anybody.
    """
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n_people, 32)) / np.sqrt(32)
    means[1::2] = alike * means[::2] + (1 - alike) * means[1::2]
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    person = np.repeat(np.arange(n_people), n_each)
    requested = np.repeat(np.arange(n_people), n_images // n_people)
    anybody = (requested + rng.integers(1, n_people, size=n_images)) % n_people
    shown = np.where(rng.random(n_images) < truth, requested, requested ^ 1 if alike else anybody)
    photographs, generated = (faces(rng, means, who, spread) for who in (person, shown))
    given = cross_fit(photographs, person, np.full(len(person), -1), generated)
    found = estimate({"oracle": given}, requested, ["g"] * n_images, range(n_people), n_replicates=300, seed=seed)
    return found, (shown == requested).mean()


@pytest.mark.parametrize(("n_each", "spread"), [(12, 1.9), (5, 1.6)])
def test_an_oracle_that_errs_is_corrected_and_the_interval_covers(n_each, spread):
    """Raw accuracy is not. Forty trials: a mean of errors of 0.07 is known to 0.011, a coverage to 0.034."""
    errors, raw, covered = [], [], []
    for seed in range(40):
        found, right = known(n_each, 0.8, spread=spread, seed=seed)
        row = overall(found, "g")
        errors.append(row["value"] - right)
        raw.append(value(found, "g", "accuracy") - right)
        covered.append(row["low"] <= 0.8 <= row["high"])
    assert np.mean(raw) < -0.1
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(40)
    assert np.mean(covered) > 0.95 - 3 * 0.034


def test_a_generator_that_shows_look_alikes_is_seen_through():
    """Which RCA is not: it gives 0.1 or so where nobody shows the requested person."""
    errors, uncorrected = [], []
    for seed in range(12):
        found, _ = known(12, 0.0, spread=1.1, seed=seed, alike=0.55)
        errors.append(value(found, "g"))
        uncorrected.append(value(found, "g", "rca"))
    assert abs(np.mean(errors)) < 0.4 * np.mean(uncorrected)


def test_three_photographs_have_the_wide_interval_that_they_deserve():
    widths = {n: np.mean([width(known(n, 0.8, spread=1.0, seed=seed)[0], "g") for seed in range(4)]) for n in (3, 12)}
    assert widths[3] > 1.3 * widths[12]


def test_unequal_numbers_of_photographs():
    n_each = [3, 4, 5, 6, 8, 12, 20, 40, 80, 200]
    errors = [value(found, "g") - right for found, right in (known(n_each, 0.7, spread=1.1, seed=s) for s in range(6))]
    assert abs(np.mean(errors)) < 0.06
