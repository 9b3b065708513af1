"""The assumption of confusion correction: a test of the level that it says, and of power where oracles err anew."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca import rca
from kpop_rca.oracles import assumption
from kpop_rca.oracles.assumption import Seen

K, S = 4, 3


def confusion(accuracy: float, seed: int) -> np.ndarray:
    """Rows of an oracle that errs in its own way."""
    wrong = np.random.default_rng(seed).dirichlet(np.ones(K - 1), size=K)
    table = np.zeros((K, K))
    table[~np.eye(K, dtype=bool)] = ((1 - accuracy) * wrong).ravel()
    return table + accuracy * np.eye(K)


def predicted(shown: np.ndarray, tables: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """One uniform number an image for all oracles, so that they err together more often than by chance."""
    common, own = rng.random(len(shown)), rng.random((len(tables), len(shown)))
    u = np.where(rng.random(len(shown)) < 0.5, common, own)
    return np.stack(
        [(u_of[:, None] > table[shown].cumsum(axis=1)).sum(axis=1) for u_of, table in zip(u, tables, strict=True)]
    ).clip(max=K - 1)


TABLES = [confusion(accuracy, seed) for seed, accuracy in enumerate((0.9, 0.8, 0.75))]


def sides(rng: np.random.Generator, *, truth: float, tables: list[np.ndarray], n: int = 100) -> tuple[Seen, Seen]:
    labels = np.repeat(np.arange(K), n)
    shown = np.where(rng.random(len(labels)) < truth, labels, (labels + 1) % K)
    return Seen(labels, predicted(labels, TABLES, rng)), Seen(labels, predicted(shown, tables, rng))


@pytest.mark.parametrize("truth", [0.3, 0.9])
def test_what_meets_the_assumption_is_rejected_at_the_level(truth):
    rng = np.random.default_rng(0)
    rejected = [
        assumption.agreement_test(*sides(rng, truth=truth, tables=TABLES), K).agree is False for _ in range(400)
    ]
    assert 0.02 < np.mean(rejected) < 0.085  # three standard errors


def test_oracles_that_all_lose_alike_are_found_by_how_often_they_agree():
    """Accuracy falls by the same factor under each, so that their corrected accuracies are equal, and wrong."""
    rng, worse = np.random.default_rng(1), [0.7 * table + 0.3 / K for table in TABLES]
    found = [assumption.agreement_test(*sides(rng, truth=1.0, tables=worse), K) for _ in range(50)]
    assert np.mean([one.agree is False for one in found]) > 0.8
    assert np.mean([one.high for one in found]) < 0.85


def test_the_linear_terms_are_the_changes_of_the_values():
    """Leaving out one image changes theta and D by about its term."""
    real, generated = sides(np.random.default_rng(2), truth=0.6, tables=TABLES, n=400)
    values, of_real, of_generated = assumption._linearised(real, generated, K)
    assert values[:-1] == pytest.approx(
        [
            np.diag(
                rca.identity_mixtures(*(rca.confusion_counts(s.labels, s.predicted[o], K) for s in (real, generated)))
            ).mean()
            for o in range(S)
        ]
    )
    for number in (0, 777, 1500):
        kept = np.arange(len(real.labels)) != number
        less = assumption._linearised(real[kept], generated, K)[0]
        np.testing.assert_allclose(values - less, of_real[number], atol=0.03 * abs(of_real).max())
        less = assumption._linearised(real, generated[kept], K)[0]
        np.testing.assert_allclose(values - less, of_generated[number], atol=0.03 * abs(of_generated).max())


def test_images_twice_in_a_burst_count_once():
    real, generated = sides(np.random.default_rng(3), truth=0.9, tables=[0.9 * t + 0.1 / K for t in TABLES])
    plain = assumption.agreement_test(real, generated, K)
    twice = np.tile(np.arange(len(real.labels)), 2)
    doubled = Seen(real.labels[twice], real.predicted[:, twice], twice)
    assert assumption.agreement_test(doubled, generated, K).statistic == pytest.approx(plain.statistic)
    naive = assumption.agreement_test(doubled._replace(bursts=None), generated, K)
    assert naive.statistic > plain.statistic


def test_fewer_than_two_usable_oracles_are_no_test():
    real, generated = sides(np.random.default_rng(4), truth=0.9, tables=TABLES)
    blind = Seen(real.labels, np.zeros_like(real.predicted))
    found = assumption.agreement_test(blind, generated, K)
    assert found.agree is None and "fewer than two" in found.reason


def test_the_order_of_the_oracles_does_not_matter():
    real, generated = sides(np.random.default_rng(5), truth=0.8, tables=TABLES)
    turned = [side._replace(predicted=side.predicted[[2, 0, 1]]) for side in (real, generated)]
    one, other = assumption.agreement_test(real, generated, K), assumption.agreement_test(*turned, K)
    assert one.statistic == pytest.approx(other.statistic)


def test_predictions_become_a_row_per_oracle():
    table = pd.DataFrame(
        {"oracle": ["a"] * 3 + ["b"] * 3, "image": [0, 1, 2] * 2, "label": [1, 0, 1] * 2, "predicted": range(6)}
    )
    found = assumption.seen_by_all(table, ["b", "a"])
    np.testing.assert_array_equal(found.predicted, [[3, 4, 5], [0, 1, 2]])
    np.testing.assert_array_equal(found.labels, [1, 0, 1])


def test_images_off_the_real_features_are_less_dense_and_further_away():
    rng = np.random.default_rng(6)
    real, same, off = rng.normal(size=(300, 5)), rng.normal(size=(200, 5)), rng.normal(size=(200, 5)) + 1.5
    none = (np.zeros(300, dtype=int), np.zeros(200, dtype=int))
    near, far = (assumption.feature_distances(real, of, predicted=none, n_classes=1) for of in (same, off))
    assert near["density"] == pytest.approx(1, abs=0.15) and near["energy"] == pytest.approx(0, abs=0.01)
    assert far["density"] < 0.5 and far["energy"] > 0.1 and far["coverage"] < near["coverage"]


def test_another_mixture_of_people_is_no_energy_distance():
    """Two people apart, of whom generated images show the first alone."""
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1], 200)
    real = rng.normal(size=(400, 3)) + 8 * labels[:, None]
    generated, zeros = rng.normal(size=(200, 3)), np.zeros(200, dtype=int)
    weighted = assumption.energy_distance(real, generated, predicted=(labels, zeros), n_classes=2)
    plain = assumption.energy_distance(real, generated, predicted=(0 * labels, zeros), n_classes=2)
    assert weighted == pytest.approx(0, abs=0.02) and plain > 0.2
