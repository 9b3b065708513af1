"""Thresholds and error rates, on numbers written by hand and beside scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from kpop_rca.scoring import verification


def test_no_more_than_the_rate_is_above_the_threshold():
    non_mated = np.random.default_rng(0).normal(size=997)
    for rate in (0.5, 0.1, 0.01, 0.001, 0):
        threshold = verification.threshold_at(non_mated, rate)
        assert (non_mated > threshold).mean() <= rate
        assert (non_mated >= threshold).mean() > rate  # one lower would be too low


def test_ties_are_not_matches():
    assert verification.threshold_at(np.array([0.0, 0.5, 0.5, 0.5]), 0.25) == 0.5


@pytest.mark.parametrize(("rate", "needed"), [(0.1, 300), (0.01, 3000), (0.001, 30000)])
def test_the_rule_of_30(rate, needed):
    assert verification.unsupported(rate, needed) == ""
    assert f"needs {needed} " in verification.unsupported(rate, needed - 1)


@pytest.mark.parametrize("apart", [0, 1, 3])
def test_the_equal_error_rate_is_that_of_the_roc_curve(apart):
    rng = np.random.default_rng(apart)
    mated, non_mated = rng.normal(apart, 1, 400), rng.normal(0, 1, 3000)
    labels = np.repeat([1, 0], [400, 3000])
    false, true, _ = roc_curve(labels, np.concatenate([mated, non_mated]), drop_intermediate=False)
    nearest = np.abs(false - (1 - true)).argmin()
    found = verification.equal_error_rate(mated, non_mated)
    assert found == pytest.approx((false[nearest] + 1 - true[nearest]) / 2, abs=1 / 400)
    assert found == pytest.approx({0: 0.5, 1: 0.3085, 3: 0.0668}[apart], abs=0.04)  # Phi(-d/2); its se is about .02


def test_mated_and_non_mated_are_not_exchangeable():
    assert verification.equal_error_rate(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 0
    assert verification.equal_error_rate(np.array([0.1, 0.2]), np.array([0.9, 0.8])) == 1


def test_a_failed_image_is_rejected_at_every_threshold():
    assert verification.equal_error_rate(np.array([0.9, -np.inf]), np.arange(-4.0, -2.0, 0.01)) == pytest.approx(0.5)


def test_weights_stand_for_repeated_comparisons():
    mated, non_mated = np.array([0.9, 0.4, 0.3]), np.array([0.5, 0.35, 0.1])
    repeated = verification.equal_error_rate(np.repeat(mated, [1, 2, 3]), non_mated)
    assert verification.equal_error_rate(mated, non_mated, weights=np.array([1, 2, 3])) == pytest.approx(repeated)


def test_a_conformal_threshold_is_exceeded_at_its_rate():
    rng = np.random.default_rng(0)
    exceeded = []
    for _ in range(4000):
        *values, another = rng.normal(size=51)
        threshold, rate = verification.conformal_threshold(np.array(values), 0.05)
        exceeded.append(another > threshold)
    assert rate == pytest.approx(2 / 51)
    assert np.mean(exceeded) == pytest.approx(rate, abs=0.01)  # three standard errors of 4000


def test_length_of_an_embedding_does_not_matter():
    rows = np.random.default_rng(0).normal(size=(5, 8))
    np.testing.assert_allclose(verification.normalised(rows * np.arange(1, 6)[:, None]), verification.normalised(rows))
    assert np.isnan(verification.normalised(np.zeros((1, 3)))).all()
