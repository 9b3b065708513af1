"""Estimates and their intervals are those of the analysis."""

import numpy as np
import pytest
from known_oracle import NEXT, ORACLE, counts, rng

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import at_both_ends
from kpop_rca.rca.estimators import estimate


def test_estimates_and_their_asymmetry():
    real, generated = counts(ORACLE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ ORACLE, 1000)
    found = estimate(real, generated, n_replicates=300, generator=rng())
    assert found["rca"][0] == pytest.approx(rca.global_rca(real, generated))
    assert found["chance_corrected"][0] == pytest.approx(rca.chance_corrected_rca(real, generated))
    assert found["confusion_corrected_accuracy"][0] == pytest.approx(0.6)
    np.testing.assert_allclose(
        found["class_confusion_corrected_accuracy"][0], rca.confusion_corrected_accuracy(real, generated)
    )
    for value, low, high in found.values():
        assert np.all((low < value) & (value < high))
    swapped = estimate(generated, real, n_replicates=300, generator=rng())
    assert abs(swapped["rca"][0] - 0.6) > 0.3 and swapped["rca"][1] > found["rca"][2]


def test_each_interval_is_that_of_the_analysis():
    real, generated = counts(ORACLE, 30), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ ORACLE, 20)
    found = estimate(real, generated, n_replicates=300, generator=rng(3))
    published = rca.ratio_interval(np.trace(generated), generated.sum(), np.trace(real), real.sum(), method="score")
    assert (found["rca"][1], found["rca"][2]) == published
    again = rng(3)
    replicates = at_both_ends(*(rca.resampled(table, 300, generator=again) for table in (real, generated)))
    for name in ("chance_corrected", "confusion_corrected_accuracy"):
        np.testing.assert_allclose(found[name][1:], rca.intervals(replicates[name]))
    drawn_again = np.array(rca.intervals(replicates["rca"]))
    assert np.abs(drawn_again - published).max() > 0.005  # another interval than that of the bootstrap
    np.testing.assert_allclose(
        found["class_confusion_corrected_accuracy"][1:], rca.class_confusion_corrected_intervals(real, generated)
    )


def test_the_width_follows_the_side_with_few_images():
    few, many = counts(ORACLE, 40), counts(ORACLE, 4000)
    widths = [
        np.subtract(*estimate(*pair, n_replicates=2000, generator=rng())["confusion_corrected_accuracy"][:0:-1])
        for pair in ((few, many), (many, few), (many, many))
    ]
    assert min(widths[:2]) > 5 * widths[2]


def test_no_corrected_accuracy_from_an_oracle_that_the_analysis_refuses():
    poor = counts([[0.52, 0.48], [0.48, 0.52]], 100)
    found = estimate(poor, poor, n_replicates=100, generator=rng())
    assert (
        np.isnan(found["confusion_corrected_accuracy"]).all()
        and np.isnan(found["class_confusion_corrected_accuracy"]).all()
    )
    assert found["rca"][0] == 1
    with pytest.raises(StudyError):
        rca.confusion_corrected_accuracy(poor, poor)
