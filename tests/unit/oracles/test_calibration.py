"""Calibration against hand-computed cases and against simulated oracles of known calibration."""

import numpy as np
import pytest
from scipy.stats import binomtest

from kpop_rca.oracles import calibration


def two_classes(confidence):
    """Probabilities of an oracle that always names class 0, this sure of it."""
    confidence = np.asarray(confidence, dtype=float)
    return np.stack([confidence, 1 - confidence], axis=1)


def test_the_error_by_hand():
    """Two bins: 0.62 (one of four right) and 0.95 (five of six right): 0.4 * 0.37 + 0.6 * (0.95 - 5/6)."""
    probabilities = two_classes([0.62] * 4 + [0.95] * 6)
    labels = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    expected = 0.4 * 0.37 + 0.6 * (0.95 - 5 / 6)
    assert calibration.expected_calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-6)


def test_reliability_by_hand():
    probabilities = two_classes([0.62] * 4 + [0.95] * 6)
    table = calibration.reliability(probabilities, np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 1]))
    assert table["bin"].tolist() == [9, 14]  # of width 1/15: [0.6, 0.667) and [0.933, 1]
    assert table["n"].tolist() == [4, 6]
    np.testing.assert_allclose(table["confidence"], [0.62, 0.95], atol=1e-6)  # float32
    np.testing.assert_allclose(table["accuracy"], [0.25, 5 / 6])
    interval = binomtest(5, 6).proportion_ci(method="wilson")
    np.testing.assert_allclose(table.loc[1, ["low", "high"]].astype(float), [interval.low, interval.high])


def test_the_table_holds_what_the_error_is_made_of():
    """The library's error follows from the table, for confidences of exactly 1 and on the bins' edges too."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.3] * 5, size=400).astype(np.float32)
    probabilities[:40] = np.eye(5)[0]
    probabilities[40:50] = [0.6, 0.4, 0, 0, 0]
    labels = rng.integers(5, size=400)
    table = calibration.reliability(probabilities, labels)
    from_table = (table["n"] * (table["accuracy"] - table["confidence"]).abs()).sum() / 400
    assert table["n"].sum() == 400
    assert table["bin"].max() == 14
    error = calibration.expected_calibration_error(probabilities, labels)
    assert error == pytest.approx(from_table, abs=1e-5)  # float32 sums


def test_a_calibrated_oracle_has_a_small_error_and_an_overconfident_one_a_large_one():
    """Labels drawn from the very probabilities; 20,000 images leave about 15 * 0.5 / sqrt(20000 / 15) / 15 = 0.014."""
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1.0] * 3, size=20_000)
    labels = (rng.random((20_000, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    boastful = honest**4 / (honest**4).sum(axis=1, keepdims=True)
    assert calibration.expected_calibration_error(honest, labels) < 0.014
    assert calibration.expected_calibration_error(boastful, labels) > 0.1


def test_labels_and_oraclements_are_not_exchangeable():
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.1, 0.9]])
    right = calibration.expected_calibration_error(probabilities, np.array([0, 0, 1]))
    wrong = calibration.expected_calibration_error(probabilities, np.array([1, 1, 0]))
    assert right == pytest.approx((0.4 + 0.1) / 3, abs=1e-6)
    assert wrong == pytest.approx((1.6 + 0.9) / 3, abs=1e-6)
