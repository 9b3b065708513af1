"""Drift and look-alike groups against hand-computed cases, statsmodels, counting and simulation."""

import math
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import confint_proportions_2indep

from kpop_rca import rca, reference
from kpop_rca.rca import collapse

GENERATED = np.array([[40, 50, 10], [0, 100, 0], [60, 20, 20]])
REAL = np.array([[5, 1, 4], [4, 15, 1], [1, 0, 4]])
NAMES = ["Ari", "Bo", "Cy"]
PAPER_GROUPS = [[0, 1, 2, 7, 8], [3, 4, 5, 6, 9]]


def test_judged_label_shares_by_hand():
    table = rca.judged_label_shares(GENERATED, classes=NAMES)
    np.testing.assert_array_equal(table["n_judged"], [100, 170, 30])
    np.testing.assert_allclose(table["share"], [100 / 300, 170 / 300, 30 / 300])
    np.testing.assert_allclose(table["asked_for"], [1 / 3] * 3)
    expected = binomtest(30, 300).proportion_ci(0.95, method="wilson")
    assert (table["low"][2], table["high"][2]) == pytest.approx((expected.low, expected.high))


def test_strongest_confusions_have_a_direction():
    table = rca.strongest_confusions(GENERATED, 3, classes=NAMES)
    rows = list(table.itertuples(index=False, name=None))
    assert rows == [("Cy", "Ari", 60, 0.6), ("Ari", "Bo", 50, 0.5), ("Cy", "Bo", 20, 0.2)]
    assert len(rca.strongest_confusions(GENERATED, 99)) == 4  # six pairs, two of which never occur
    assert rca.strongest_confusions(np.eye(3, dtype=int), 5).empty
    beside = rca.strongest_confusions(GENERATED, 2, real_counts=REAL)
    np.testing.assert_allclose(beside["share_real"], [0.2, 0.1])  # of the 5 real Cys, and of the 10 real Aris


def test_group_confusion_by_hand():
    found = rca.group_confusion(GENERATED, [[0, 1], [2]])
    # Errors: 60 of Ari (50 to Bo), none of Bo, 80 of Cy, who is alone. An even spread sends half of Ari's to Bo.
    assert (found["n_errors"], found["n_within"]) == (140, 50)
    assert found["share_within"] == pytest.approx(50 / 140)
    assert found["share_if_even"] == pytest.approx(30 / 140)
    nothing = rca.group_confusion(np.eye(3, dtype=int), [[0, 1], [2]])
    assert nothing["n_errors"] == 0
    assert math.isnan(nothing["share_within"])
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
    assert beside.drop(columns="net_real").equals(table)


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


def test_group_excess_of_the_judge_over_itself_is_nothing():
    real = reference.oracle_confusion()
    found = rca.group_excess(real, 5 * real, PAPER_GROUPS, generator=np.random.default_rng(0))
    assert found["share_within_real"] == pytest.approx(174 / 227)
    assert found["excess"] == 0 and found["p"] == 1
    assert found["n_splits"] == 126 and found["all_splits"]


def test_group_excess_finds_confusion_within_groups_and_only_that():
    rng, real = np.random.default_rng(0), np.full((6, 6), 2) + 30 * np.eye(6, dtype=int)
    within = real.copy()
    within[:3, :3] += 20
    within[3:, 3:] += 20
    groups = [[0, 1, 2], [3, 4, 5]]
    assert rca.group_excess(real, within, groups, generator=rng)["p"] == pytest.approx(1 / 10)  # the best of ten splits
    assert rca.group_excess(within, real, groups, generator=rng)["p"] == 1  # swapped: the judge does it, not the model
    crossed = [[0, 1, 3], [2, 4, 5]]
    assert rca.group_excess(real, within, crossed, generator=rng)["excess"] < 0


def test_group_excess_draws_splits_where_there_are_too_many():
    real = np.ones((20, 20), dtype=int) + 20 * np.eye(20, dtype=int)
    groups = [list(range(10)), list(range(10, 20))]
    drawn = real.copy()
    drawn[:10, :10] += 5
    found = rca.group_excess(real, drawn, groups, generator=np.random.default_rng(0))
    assert not found["all_splits"] and found["n_splits"] == collapse.MOST_SPLITS
    # The true split counts, so p is never 0; of 92,378 splits a random one is the true one once in a while.
    assert 1 / collapse.MOST_SPLITS <= found["p"] <= 5 / collapse.MOST_SPLITS


def test_group_excess_without_errors_has_no_value():
    perfect = 9 * np.eye(4, dtype=int)
    found = rca.group_excess(perfect, perfect, [[0, 1], [2, 3]], generator=np.random.default_rng(0))
    assert math.isnan(found["excess"]) and math.isnan(found["p"])
