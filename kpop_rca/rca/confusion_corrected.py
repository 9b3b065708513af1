"""Confusion-corrected accuracy: how often the requested identity is shown, with the oracle's errors taken out.

An oracle that mistakes real A for B predicts B of a perfect image of A too. If it errs on generated images as it does
on real ones of the same identity, the frequencies of its predictions, Q, are mixtures Pi of the rows of its confusion
on real images, C, both from `row_fractions`:

    q_c,k = sum_j pi_c,j C_jk,      in matrices  Q = Pi C.

This is black-box shift estimation (Lipton et al. 2018) with a condition in place of a domain; CLEAM (Teo et al. 2023)
does it for two attributes. The assumption fails where generated faces are harder or easier to recognise for a reason
other than their identity, such as blur: `07_rca_validity` shows by how much. Functions of counts raise StudyError for a
class without images, and for an oracle too poor to be inverted (LARGEST_CONDITION).
"""

import numpy as np
from numpy.linalg import norm
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from kpop_rca.errors import StudyError
from kpop_rca.rca.counts import checked, class_sizes, row_fractions

# An error of one point in a predicted-class frequency can become as many points in a mixture. With 100 images a class
# a frequency is estimated to about five points, so beyond this nothing would be left of a number between 0 and 1.
LARGEST_CONDITION = 20.0
# Condition number from which a table counts as singular. That of the Frobenius norm, at most K times that of the
# 2-norm: there are millions of tables, and singular values would take most of the time.
SINGULAR = 1e10
SUM_WEIGHT = 1e3  # of "the mixture sums to 1" beside the other equations: large, so that it holds to four digits


def condition_number(real_counts: ArrayLike) -> float:
    """How much solving for the mixtures can magnify errors: |C| |C^(-1)| in the 2-norm.

    It is 1 for an oracle that never errs, and infinite where two identities are predicted alike.

    Source: Golub and Van Loan (2013), section 2.6.

    >>> round(condition_number([[8, 2], [2, 8]]), 3)
    1.667
    """
    real = checked(real_counts)
    class_sizes(real, kind="real")
    return float(np.linalg.cond(row_fractions(real)))


def inverses(real_fractions: np.ndarray) -> np.ndarray:
    """C^(-1) of one table or a stack of them, float64 (..., K, K); NaN throughout where C can't be inverted.

    >>> inverses(np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [0.5, 0.5]]])).tolist()
    [[[1.5, -0.5], [-0.5, 1.5]], [[nan, nan], [nan, nan]]]
    """
    try:
        inverse = np.linalg.inv(real_fractions)
    except np.linalg.LinAlgError:  # which one table of a stack is enough for
        singular = (np.linalg.det(real_fractions) == 0)[..., None, None]
        solvable = np.where(singular, np.eye(real_fractions.shape[-1]), real_fractions)
        inverse = np.where(singular, np.nan, np.linalg.inv(solvable))
    condition = norm(real_fractions, axis=(-2, -1)) * norm(inverse, axis=(-2, -1))
    return np.where((condition < SINGULAR)[..., None, None], inverse, np.nan)


def solve_mixtures(real_fractions: np.ndarray, generated_fractions: np.ndarray) -> np.ndarray:
    """Pi of Q = Pi C, for one table or a stack of them, (..., K, K); NaN throughout where C can't be inverted.

    >>> solve_mixtures(np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.35, 0.65]])).round(2)
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    return generated_fractions @ inverses(real_fractions)


def _well_conditioned(real_counts: ArrayLike, generated_counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """C and Q, or the refusal to invert C."""
    real, generated = checked(real_counts), checked(generated_counts)
    class_sizes(generated, kind="generated")
    condition = condition_number(real)
    if condition > LARGEST_CONDITION:
        raise StudyError(
            "the oracle tells the identities apart too badly to correct for its errors: its confusion has condition "
            f"number {condition:.3g}, above the limit of {LARGEST_CONDITION:g}; train it longer or on more faces in 04"
        )
    return row_fractions(real), row_fractions(generated)


def identity_mixtures(real_counts: ArrayLike, generated_counts: ArrayLike) -> np.ndarray:
    """For each requested identity the mixture of identities shown, Pi = Q C^(-1), float64 (K, K).

    Rows sum to 1. Noise takes single entries below 0 or above 1; they are not clipped, since that would bias every
    mean over them. For a figure, see `simplex_mixtures`.

    Source: Lipton et al. (2018), eq. 2; Teo et al. (2023).

    >>> identity_mixtures([[8, 2], [2, 8]], [[50, 50], [35, 65]]).round(2)  # half of the first row do not show 0
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    return solve_mixtures(*_well_conditioned(real_counts, generated_counts))


def confusion_corrected_accuracy(real_counts: ArrayLike, generated_counts: ArrayLike) -> np.ndarray:
    """The fraction of images conditioned on c that show c, pi_c,c of `identity_mixtures`, float64 (K,).

    Between 0 and 1 up to noise. The mean is 1/K for a generator that ignores the class, whatever the oracle.

    >>> confusion_corrected_accuracy([[9, 1], [4, 6]], [[90, 10], [65, 35]]).round(2)
    array([1. , 0.5])
    """
    return np.diag(identity_mixtures(real_counts, generated_counts)).copy()


def simplex_mixtures(real_counts: ArrayLike, generated_counts: ArrayLike) -> np.ndarray:
    """The mixtures with every fraction in [0, 1], float64 (K, K), for a figure of the corrected confusion.

    pi_c = argmin |C^T pi - q_c|^2 with pi >= 0 and sum(pi) = 1

    Near 0 and 1 it is biased inwards, so no number is read from it.

    Source: Lawson and Hanson (1995), as scipy's `nnls`.

    >>> simplex_mixtures([[8, 2], [2, 8]], [[90, 10], [20, 80]]).round(3)  # the linear solution has 1.167 and -0.167
    array([[1., 0.],
           [0., 1.]])
    """
    return nearest_on_simplex(*_well_conditioned(real_counts, generated_counts))


def nearest_on_simplex(real_fractions: np.ndarray, generated_fractions: np.ndarray) -> np.ndarray:
    """`simplex_mixtures` from C and Q, (K, K) each.

    >>> nearest_on_simplex(np.eye(2), np.array([[0.3, 0.7], [1.0, 0.0]])).round(3)
    array([[0.3, 0.7],
           [1. , 0. ]])
    """
    equations = np.vstack([real_fractions.T, np.full(len(real_fractions), SUM_WEIGHT)])
    rows = np.stack([nnls(equations, np.append(q, SUM_WEIGHT))[0] for q in generated_fractions])
    return rows / rows.sum(axis=1, keepdims=True)
