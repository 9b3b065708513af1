"""Drift and look-alike groups against hand-computed cases, statsmodels, counting and simulation."""

import gc
import math
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import confint_proportions_2indep

from kpop_rca import rca
from kpop_rca.rca import collapse
from kpop_rca.results import paper

GENERATED = np.array([[40, 50, 10], [0, 100, 0], [60, 20, 20]])
REAL = np.array([[5, 1, 4], [4, 15, 1], [1, 0, 4]])
NAMES = ["Ari", "Bo", "Cy"]
PAPER_GROUPS = [[0, 1, 2, 7, 8], [3, 4, 5, 6, 9]]


def test_predicted_class_frequencies_by_hand():
    table = rca.predicted_class_frequencies(GENERATED, classes=NAMES)
    np.testing.assert_array_equal(table["n_predicted"], [100, 170, 30])
    np.testing.assert_allclose(table["fraction"], [100 / 300, 170 / 300, 30 / 300])
    np.testing.assert_allclose(table["requested"], [1 / 3] * 3)
    expected = binomtest(30, 300).proportion_ci(0.95, method="wilson")
    assert (table["low"][2], table["high"][2]) == pytest.approx((expected.low, expected.high))


def test_strongest_confusions_have_a_direction():
    table = rca.strongest_confusions(GENERATED, 3, classes=NAMES)
    rows = list(table.itertuples(index=False, name=None))
    assert rows == [("Cy", "Ari", 60, 0.6), ("Ari", "Bo", 50, 0.5), ("Cy", "Bo", 20, 0.2)]
    assert len(rca.strongest_confusions(GENERATED, 99)) == 4  # six pairs, two of which never occur
    assert rca.strongest_confusions(np.eye(3, dtype=int), 5).empty
    beside = rca.strongest_confusions(GENERATED, 2, real_counts=REAL)
    np.testing.assert_allclose(beside["fraction_real"], [0.2, 0.1])  # of the 5 real Cys, and of the 10 real Aris


def test_group_confusion_by_hand():
    found = rca.group_confusion(GENERATED, [[0, 1], [2]])
    # Errors: 60 of Ari (50 to Bo), none of Bo, 80 of Cy, who is alone. An even spread sends half of Ari's to Bo.
    assert (found["n_errors"], found["n_within"]) == (140, 50)
    assert found["fraction_within"] == pytest.approx(50 / 140)
    assert found["fraction_if_even"] == pytest.approx(30 / 140)
    nothing = rca.group_confusion(np.eye(3, dtype=int), [[0, 1], [2]])
    assert nothing["n_errors"] == 0
    assert math.isnan(nothing["fraction_within"])
    with pytest.raises(ValueError, match="each of the 3 classes once"):
        rca.group_confusion(GENERATED, [[0, 1], [1, 2]])


def test_directed_flows_by_hand():
    table = rca.directed_flows(GENERATED, classes=NAMES)
    assert list(zip(table["source"], table["target"], strict=True)) == [("Ari", "Bo"), ("Cy", "Ari"), ("Cy", "Bo")]
    np.testing.assert_allclose(table["net"], [0.5 - 0.0, 0.6 - 0.1, 0.2 - 0.0])
    expected = confint_proportions_2indep(60, 100, 10, 100, compare="diff", method="newcomb")
    assert (table["low"][1], table["high"][1]) == pytest.approx(expected)
    assert (table["p"] < 1e-4).all()
    beside = rca.directed_flows(GENERATED, classes=NAMES, real_counts=REAL)
    np.testing.assert_allclose(beside["net_real"], [0.1 - 0.2, 0.2 - 0.4, 0.0 - 0.05])
    drift = ["net_real", "drift", "drift_low", "drift_high"]
    assert beside.drop(columns=[*drift, "p"]).equals(table.drop(columns="p"))
    np.testing.assert_allclose(beside["drift"], beside["net"] - beside["net_real"])
    assert (beside["drift_low"] < beside["drift"]).all() and (beside["drift"] < beside["drift_high"]).all()


def test_a_flow_that_real_faces_have_too_is_none_of_the_generators():
    """A perfect generator generates what the oracle errs on: of all its flows none is one beyond the oracle's own."""
    gc.freeze()  # statsmodels collects garbage at every correction: it need not look through all of torch
    rng, oracle = np.random.default_rng(0), np.array([[70, 20, 10], [5, 90, 5], [30, 0, 70]]) / 100
    found = 0
    for _ in range(200):
        real, generated = (np.stack([rng.multinomial(n, row) for row in oracle]) for n in (140, 5000))
        found += (rca.directed_flows(generated, real_counts=real)["p"] < 0.05).any()
        assert rca.directed_flows(generated)["p"].min() < 1e-6  # that they are not 0 is sure, and another question
    gc.unfreeze()
    assert found / 200 < 0.05 + 3 * 0.0154  # standard errors of 200 studies


def test_coverage_of_the_intervals_of_drift_and_of_excess():
    """Of a known oracle and generator: 300 studies estimate a coverage of 0.95 to a standard error of 0.0126.

    The bounds are three of these below and above, the lower with a hundredth for the percentile interval's skewness.
    """
    rng, n_studies = np.random.default_rng(0), 300
    oracle = np.array([[70, 20, 5, 5], [5, 85, 5, 5], [10, 0, 80, 10], [5, 5, 20, 70]]) / 100
    model = np.array([[50, 40, 5, 5], [10, 80, 5, 5], [10, 0, 70, 20], [5, 5, 30, 60]]) / 100
    groups = [[0, 1], [2, 3]]
    excess = (0.4 + 0.1 + 0.2 + 0.3) / 4 - (0.2 + 0.05 + 0.1 + 0.2) / 4
    held = {"drift": 0, "excess": 0}
    gc.freeze()
    for _ in range(n_studies):
        real, generated = (
            np.stack([rng.multinomial(n, row) for row in fractions]) for n, fractions in ((60, oracle), (80, model))
        )
        flows = rca.directed_flows(generated, classes="abcd", real_counts=real)
        flow = flows[flows["source"].isin(["a", "b"]) & flows["target"].isin(["a", "b"])].iloc[0]
        truth = (0.4 - 0.1) - (0.2 - 0.05)
        ends = sorted(flow[["drift_low", "drift_high"]] * (1 if flow["source"] == "a" else -1))
        held["drift"] += ends[0] <= truth <= ends[1]
        low, high = rca.group_excess(real, generated, groups, n_replicates=300, generator=rng)["ci95"]
        held["excess"] += low <= excess <= high
    gc.unfreeze()
    for n in held.values():
        assert 0.90 <= n / n_studies <= 0.99


def test_a_drift_of_the_generator_is_found():
    oracle = np.array([[80, 10, 10], [10, 80, 10], [10, 10, 80]])
    generated = np.array([[300, 150, 50], [50, 400, 50], [50, 50, 400]])
    flows = rca.directed_flows(generated, classes="abc", real_counts=oracle)
    assert (flows.loc[0, "source"], flows.loc[0, "target"]) == ("a", "b") and flows.loc[0, "p"] < 0.05 < flows.loc[
        1, "p"
    ]


def test_mutual_confusion_is_no_flow_and_transposing_turns_it_round():
    mutual = rca.directed_flows([[60, 40], [40, 60]])
    assert mutual["net"][0] == 0 and mutual["p"][0] == 1
    forth, back = (rca.directed_flows(c, classes="ab").iloc[0] for c in ([[60, 40], [5, 95]], [[95, 5], [40, 60]]))
    assert (forth["source"], back["source"]) == ("a", "b")
    assert forth["net"] == pytest.approx(back["net"])


@pytest.mark.parametrize(("sizes", "number"), [((5, 5), comb(10, 5) // 2), ((3, 7), comb(10, 3)), ((2, 2, 2), 15)])
def test_every_equal_split_comes_once(sizes, number):
    splits = list(collapse._equal_splits(sizes, tuple(range(sum(sizes)))))
    assert len(splits) == number
    assert len({frozenset(frozenset(group) for group in split) for split in splits}) == number
    assert all(sorted(len(group) for group in split) == sorted(sizes) for split in splits)


def test_group_excess_of_the_oracle_over_itself_is_nothing():
    real = paper.oracle_confusion()
    found = rca.group_excess(real, 5 * real, PAPER_GROUPS, n_replicates=300, generator=np.random.default_rng(0))
    assert found["rate_within_real"] == pytest.approx(174 / 980, abs=1e-3)  # classes of 93 to 100 faces
    assert found["ci95"][0] < 0 < found["ci95"][1]
    assert found["excess"] == pytest.approx(0, abs=1e-12) and found["p"] == 1
    assert found["n_splits"] == 126 and found["all_splits"]


def test_group_excess_finds_confusion_within_groups_and_only_that():
    rng, real = np.random.default_rng(0), np.full((6, 6), 2) + 30 * np.eye(6, dtype=int)
    within = real.copy()
    within[:3, :3] += 20
    within[3:, 3:] += 20
    groups = [[0, 1, 2], [3, 4, 5]]
    assert rca.group_excess(real, within, groups, n_replicates=300, generator=rng)["p"] == pytest.approx(
        1 / 10
    )  # the best of ten splits
    assert (
        rca.group_excess(within, real, groups, n_replicates=300, generator=rng)["p"] == 1
    )  # swapped: the oracle does it, not the model
    crossed = [[0, 1, 3], [2, 4, 5]]
    found, of_crossed = (
        rca.group_excess(real, within, split, n_replicates=300, generator=rng) for split in (groups, crossed)
    )
    assert of_crossed["excess"] < found["ci95"][0] < found["excess"] < found["ci95"][1]


def test_group_excess_finds_look_alikes_where_the_oracles_own_errors_are_nearly_all_within_groups():
    """Where the fraction of the errors has no room to rise: of the oracle's own 95 of 100 are within."""
    oracle = np.kron(np.eye(2), np.full((5, 5), 0.0475)) + np.kron(1 - np.eye(2), np.full((5, 5), 0.002))
    oracle += np.diag(1 - oracle.sum(axis=1))
    generated = 0.8 * oracle + 0.2 * (np.kron(np.eye(2), np.full((5, 5), 0.25)) - np.kron(np.eye(2), 0.25 * np.eye(5)))
    groups, rng = [list(range(5)), list(range(5, 10))], np.random.default_rng(0)
    counted = [np.stack([rng.multinomial(n, row) for row in rows]) for n, rows in ((140, oracle), (80, generated))]
    found = rca.group_excess(*counted, groups, n_replicates=300, generator=rng)
    assert found["p"] == pytest.approx(1 / 126) and found["ci95"][0] > 0.09


def test_an_excess_of_nothing_over_nothing_has_a_width():
    """With 48 images of either side that are all right, up to 0.074 may be predicted as a look-alike."""
    perfect = np.diag([12] * 4)
    found = rca.group_excess(perfect, perfect, [[0, 1], [2, 3]], n_replicates=4000, generator=np.random.default_rng(0))
    assert found["ci95"] == pytest.approx([-0.077, 0.077], abs=0.01)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.03])
def test_coverage_of_an_excess_at_the_edge(fraction):
    """An oracle that never errs, a generator that seldom shows the look-alike; 200 samples estimate 0.95 to 0.015."""
    rng, held = np.random.default_rng(0), []
    shown = np.kron(np.eye(2), [[1 - fraction, fraction], [fraction, 1 - fraction]])
    for _ in range(200):
        generated = rng.multinomial(12, shown)
        low, high = rca.group_excess(np.diag([12] * 4), generated, [[0, 1], [2, 3]], n_replicates=200, generator=rng)[
            "ci95"
        ]
        held.append(low <= fraction <= high)
    assert np.mean(held) >= 0.93


def test_group_excess_draws_splits_where_there_are_too_many():
    real = np.ones((20, 20), dtype=int) + 20 * np.eye(20, dtype=int)
    groups = [list(range(10)), list(range(10, 20))]
    generated = real.copy()
    generated[:10, :10] += 5
    found = rca.group_excess(real, generated, groups, n_replicates=300, generator=np.random.default_rng(0))
    assert not found["all_splits"] and found["n_splits"] == collapse.MOST_SPLITS
    # The true split counts, so p is never 0; of 92,378 splits a random one is the true one once in a while.
    assert 1 / collapse.MOST_SPLITS <= found["p"] <= 5 / collapse.MOST_SPLITS


def test_group_excess_without_errors_is_none_and_without_images_has_no_value():
    perfect, rng = 9 * np.eye(4, dtype=int), np.random.default_rng(0)
    found = rca.group_excess(perfect, perfect, [[0, 1], [2, 3]], n_replicates=300, generator=rng)
    assert (found["excess"], found["p"]) == (0, 1)
    absent = rca.group_excess(np.diag([9, 9, 9, 0]), perfect, [[0, 1], [2, 3]], n_replicates=300, generator=rng)
    assert math.isnan(absent["excess"]) and math.isnan(absent["p"]) and absent["ci95"] is None
