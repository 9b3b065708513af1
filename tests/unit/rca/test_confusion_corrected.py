"""Confusion-corrected accuracy against hand-computed mixtures, scipy and simulation with the paper's oracle."""

import numpy as np
import pytest
from scipy.optimize import minimize

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.rca import confusion_corrected
from kpop_rca.rca.bootstrap import at_both_ends
from kpop_rca.rca.counts import row_fractions
from kpop_rca.results import paper

ORACLE = np.array([[80, 15, 5], [10, 85, 5], [20, 0, 80]])
MIXTURE = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])


def test_mixtures_are_found_exactly_where_there_is_no_noise():
    generated = MIXTURE @ ORACLE * 10  # a thousand images of each
    np.testing.assert_allclose(rca.identity_mixtures(ORACLE, generated), MIXTURE, atol=1e-12)
    np.testing.assert_allclose(rca.confusion_corrected_accuracy(ORACLE, generated), np.diag(MIXTURE), atol=1e-12)
    np.testing.assert_allclose(rca.simplex_mixtures(ORACLE, generated), MIXTURE, atol=1e-4)


def test_class_sizes_do_not_matter():
    generated = MIXTURE @ ORACLE
    unequal = np.diag([1, 7, 3]) @ ORACLE
    np.testing.assert_allclose(rca.identity_mixtures(unequal, generated), MIXTURE, atol=1e-12)
    np.testing.assert_allclose(rca.identity_mixtures(ORACLE, np.diag([2, 5, 1]) @ generated), MIXTURE, atol=1e-12)


def test_swapping_real_and_generated_or_rows_and_columns_fails():
    generated = MIXTURE @ ORACLE
    assert not np.allclose(rca.identity_mixtures(generated, ORACLE), MIXTURE, atol=0.05)
    assert not np.allclose(rca.identity_mixtures(ORACLE.T, generated), MIXTURE, atol=0.05)


def test_a_class_blind_generator_has_corrected_accuracy_one_over_k_whatever_the_oracle():
    blind = np.full((3, 3), 1 / 3) @ ORACLE
    assert rca.confusion_corrected_accuracy(ORACLE, blind).mean() == pytest.approx(1 / 3)
    assert rca.global_rca(ORACLE, blind) != pytest.approx(1 / 3, abs=0.05)  # RCA's zero depends on the oracle


def test_rows_sum_to_one_and_noise_may_leave_the_range():
    rows = rca.identity_mixtures(ORACLE, [[95, 5, 0], [5, 90, 5], [10, 0, 90]])
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert rows.min() < 0 and rows.max() > 1  # not clipped
    simplex = rca.simplex_mixtures(ORACLE, [[95, 5, 0], [5, 90, 5], [10, 0, 90]])
    assert simplex.min() >= 0
    np.testing.assert_allclose(simplex.sum(axis=1), 1)


def test_simplex_solution_is_that_of_a_general_optimiser():
    fractions, q = row_fractions(ORACLE), np.array([0.95, 0.02, 0.03])
    found = rca.simplex_mixtures(ORACLE, np.round(1000 * np.stack([q, fractions[1], fractions[2]])))[0]
    best = minimize(
        lambda pi: ((fractions.T @ pi - q) ** 2).sum(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda pi: pi.sum() - 1},
        tol=1e-12,
    )
    np.testing.assert_allclose(found, best.x, atol=1e-3)


def test_condition_number():
    assert rca.condition_number(np.eye(4)) == pytest.approx(1)
    assert rca.condition_number([[8, 2], [2, 8]]) == pytest.approx(1 / 0.6)
    assert rca.condition_number(np.ones((3, 3))) > 1e15


@pytest.mark.parametrize(
    "real",
    [
        np.ones((3, 3), dtype=int),  # predicts everyone for everyone
        [[50, 50, 0], [50, 50, 0], [0, 0, 100]],  # can't tell the first two apart
        [[52, 48, 0], [48, 52, 0], [0, 0, 100]],  # hardly can
    ],
)
def test_an_oracle_too_poor_to_be_inverted_is_refused(real):
    with pytest.raises(StudyError, match="too badly"):
        rca.confusion_corrected_accuracy(real, MIXTURE @ ORACLE)


def test_a_class_without_images_is_an_error():
    with pytest.raises(StudyError, match="'1' has no real image"):
        rca.confusion_corrected_accuracy([[9, 1, 0], [0, 0, 0], [1, 1, 8]], ORACLE)
    with pytest.raises(StudyError, match="'2' has no generated image"):
        rca.confusion_corrected_accuracy(ORACLE, [[9, 1, 0], [1, 9, 0], [0, 0, 0]])


def test_one_singular_table_in_a_stack_leaves_the_others_alone():
    stack = np.stack([np.full((3, 3), 1 / 3), row_fractions(ORACLE)])
    found = confusion_corrected.solve_mixtures(stack, np.stack([MIXTURE @ stack[1]] * 2))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], MIXTURE, atol=1e-12)


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0])
def test_unbiased_and_covered_with_the_paper_s_oracle(truth):
    """98 real and 500 generated images of each of ten identities; all that is not the right one is one look-alike.

    300 samples estimate a coverage of 0.95 to a standard error of 0.0126, and the bounds are two to four of these.
    The mean is known to 0.001; the rest of its bound is the bias of the inverse, 0.005 at truth 1. RCA on
    the same samples is off by more.
    """
    rng, n_classes, draws = np.random.default_rng(2), 10, 300
    oracle = row_fractions(paper.oracle_confusion())
    shown = truth * np.eye(n_classes) + (1 - truth) * np.roll(np.eye(n_classes), 1, axis=1)
    held, values, ratios = [], [], []
    for _ in range(draws):
        real, generated = rng.multinomial(98, oracle), rng.multinomial(500, shown @ oracle)
        again = at_both_ends(*(rca.resampled(counts, 300, generator=rng) for counts in (real, generated)))
        low, high = rca.intervals(again["confusion_corrected_accuracy"])
        values.append(rca.confusion_corrected_accuracy(real, generated).mean())
        ratios.append(rca.global_rca(real, generated))
        held.append(low <= truth <= high)
    assert abs(np.mean(values) - truth) < 0.008
    assert 0.90 <= np.mean(held) <= 0.98
    if truth < 1:
        assert abs(np.mean(ratios) - truth) > 0.02


def summary(real, generated, names=("Ari", "Bo"), n_replicates=300):
    rng = np.random.default_rng(0)
    again = at_both_ends(*(rca.resampled(counts, n_replicates, generator=rng) for counts in (real, generated)))
    return rca.confusion_corrected_summary(real, generated, list(names), again)


def test_a_fraction_above_one_refutes_the_assumption_and_is_named():
    """Of real Bo half is recognised, of generated Bo all: no fraction of Bo explains that."""
    found = summary(np.array([[450, 50], [250, 250]]), np.array([[900, 100], [0, 1000]]))
    assert found["per_class"][1]["ci95"][0] > 1
    assert found["outside"] == ["Bo"]
    assert found["mean_on_simplex"] <= 1 < found["mean"]
    assert summary(np.array([[45, 5], [10, 40]]), np.array([[90, 10], [20, 80]]))["outside"] == []


def test_a_corrected_accuracy_that_can_be_anything_is_refused():
    """Its oracle can be inverted, but its predictions of fifteen faces leave a mean fraction between 0 and 1 open."""
    found = summary(np.array([[10, 5], [8, 7]]), np.array([[7, 5], [6, 6]]))
    assert found["condition_number"] < confusion_corrected.LARGEST_CONDITION
    assert found["mean"] is None and found["ci95"] is None and found["per_class"] == []
    assert "too few real faces" in found["why"]
