"""The imperfect judge taken out: which true identities explain what it says of the images of each condition.

A judge that mistakes real A for B says "B" of a perfect drawing of A too. If it errs on generated images as it does on
real ones of the same identity, then for each condition c the shares q_c of its labels are a mixture of the rows of
its confusion C on real images,

    q_c,k = sum_j pi_c,j C_jk,      in matrices  Q = Pi C,

and the mixture pi_c of true identities follows from solving it. This is black-box shift estimation (Lipton et al. 2018)
with a condition in place of a domain, and what CLEAM (Teo et al. 2023) does for the shares of two attributes. The
assumption fails where generated faces are harder or easier to recognise than real ones for a reason other than their
identity, blur for example: then it is not the identity alone that is measured (`07_rca_validity` shows how far off).

`identity fidelity` of c is pi_c,c: the share of images told to show c that do.
"""

import numpy as np
from numpy.linalg import norm
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from kpop_rca.errors import StudyError
from kpop_rca.rca.counts import checked, class_sizes, class_titles

# An error of one point in the judge's label shares can become as many points in a mixture. With 100 images a class a
# share is known to about five points, so that beyond this nothing would be left of a number between 0 and 1.
LARGEST_CONDITION = 20.0
# Condition number from which a table counts as singular. That of the Frobenius norm, at most K times that of the
# 2-norm: there are millions of tables, and singular values would take most of the time.
SINGULAR = 1e10
SUM_WEIGHT = 1e3  # of "the mixture sums to 1" beside the other equations: large, so that it holds to four digits


def label_shares(counts: ArrayLike) -> np.ndarray:
    """The judge's label shares row by row: C from counts on real images, Q from those on generated ones.

    Args:
        counts: (..., K, K), rows true or asked for, columns judged; every row with an image.

    Returns:
        float64 (..., K, K), rows that sum to 1.

    >>> label_shares([[8, 2], [1, 3]])
    array([[0.8 , 0.2 ],
           [0.25, 0.75]])
    """
    counts = np.asarray(counts, dtype=float)
    return counts / counts.sum(axis=-1, keepdims=True)


def condition_number(real_counts: ArrayLike) -> float:
    """How much solving for the mixtures can magnify errors: the 2-norm condition number of C.

    kappa = |C| |C^(-1)|, the largest over the smallest singular value

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.

    Returns:
        1 (a judge that never errs) or more; infinite where two identities are told apart in no way.

    Raises:
        StudyError: a class without real images; names it.

    Source: Golub and Van Loan (2013), section 2.6.

    >>> round(condition_number([[8, 2], [2, 8]]), 3)
    1.667
    """
    real = checked(real_counts)
    class_sizes(real, class_titles(real, None), kind="real")
    return float(np.linalg.cond(label_shares(real)))


def inverses(real_shares: np.ndarray) -> np.ndarray:
    """C^(-1), for one table or a stack of them.

    Args:
        real_shares: float (..., K, K), C.

    Returns:
        float64 (..., K, K); NaN throughout where C can't be inverted.

    >>> inverses(np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [0.5, 0.5]]]))
    array([[[ 1.5, -0.5],
            [-0.5,  1.5]],
    <BLANKLINE>
           [[ nan,  nan],
            [ nan,  nan]]])
    """
    try:
        inverse = np.linalg.inv(real_shares)
    except np.linalg.LinAlgError:  # which one table of a stack is enough for
        singular = (np.linalg.det(real_shares) == 0)[..., None, None]
        inverse = np.where(
            singular, np.nan, np.linalg.inv(np.where(singular, np.eye(real_shares.shape[-1]), real_shares))
        )
    condition = norm(real_shares, axis=(-2, -1)) * norm(inverse, axis=(-2, -1))
    return np.where((condition < SINGULAR)[..., None, None], inverse, np.nan)


def solve_mixtures(real_shares: np.ndarray, generated_shares: np.ndarray) -> np.ndarray:
    """Pi of Q = Pi C, for one table or a stack of them.

    Args:
        real_shares: float (..., K, K), C.
        generated_shares: float (..., K, K), Q.

    Returns:
        float64 (..., K, K); NaN throughout where C can't be inverted.

    Source: see `identity_mixtures`.

    >>> solve_mixtures(np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.35, 0.65]])).round(2)
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    return generated_shares @ inverses(real_shares)


def _well_conditioned(real_counts: ArrayLike, generated_counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both tables as shares, or the refusal to invert C."""
    real, generated = checked(real_counts), checked(generated_counts)
    class_sizes(generated, class_titles(generated, None), kind="generated")
    condition = condition_number(real)
    if condition > LARGEST_CONDITION:
        raise StudyError(
            "the judge tells the identities apart too badly to take its errors out: its confusion has the condition "
            f"number {condition:.3g}, of use is at most {LARGEST_CONDITION:g}; train it longer or on more faces in 04"
        )
    return label_shares(real), label_shares(generated)


def identity_mixtures(real_counts: ArrayLike, generated_counts: ArrayLike) -> np.ndarray:
    """For each condition, the mixture of true identities that explains the judge's labels.

    Pi = Q C^(-1)

    The plain linear solution: its rows sum to 1, but noise takes single entries below 0 or above 1, and they are not
    clipped, since clipping would bias every mean over them. For drawing, see `simplex_mixtures`.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.

    Returns:
        float64 (K, K): row c holds the shares of true identities among the images asked to be c.

    Raises:
        StudyError: a class without images, or a judge too poor to be inverted (LARGEST_CONDITION).

    Source: Lipton et al. (2018), eq. 2; Teo et al. (2023).

    >>> identity_mixtures([[8, 2], [2, 8]], [[50, 50], [35, 65]]).round(2)  # half of those asked to be 0 are not
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    return solve_mixtures(*_well_conditioned(real_counts, generated_counts))


def identity_fidelity(real_counts: ArrayLike, generated_counts: ArrayLike) -> np.ndarray:
    """The share of images told to show c that show c, with the judge's errors taken out.

    fidelity_c = pi_c,c of `identity_mixtures`

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.

    Returns:
        float64 (K,), between 0 and 1 up to noise; its mean is the global identity fidelity, which is 1/K for a
        generator that ignores the class, whatever the judge.

    Raises:
        StudyError: see `identity_mixtures`.

    Source: see `identity_mixtures`; the name is ours.

    >>> identity_fidelity([[9, 1], [4, 6]], [[90, 10], [65, 35]]).round(2)
    array([1. , 0.5])
    """
    return np.diag(identity_mixtures(real_counts, generated_counts)).copy()


def simplex_mixtures(real_counts: ArrayLike, generated_counts: ArrayLike) -> np.ndarray:
    """The mixtures with every share in [0, 1], for drawing a corrected confusion matrix.

    pi_c = argmin |C^T pi - q_c|^2 with pi >= 0 and sum(pi) = 1

    Near shares of 0 and 1 it is biased inwards, so no number is read from it.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.

    Returns:
        float64 (K, K), rows that sum to 1.

    Raises:
        StudyError: see `identity_mixtures`.

    Source: Lawson and Hanson (1995), as scipy's `nnls`.

    >>> simplex_mixtures([[8, 2], [2, 8]], [[90, 10], [20, 80]]).round(3)  # the linear solution has 1.167 and -0.167
    array([[1., 0.],
           [0., 1.]])
    """
    real, generated = _well_conditioned(real_counts, generated_counts)
    return nearest_on_simplex(real, generated)


def nearest_on_simplex(real_shares: np.ndarray, generated_shares: np.ndarray) -> np.ndarray:
    """`simplex_mixtures` from shares, (K, K) each.

    >>> nearest_on_simplex(np.eye(2), np.array([[0.3, 0.7], [1.0, 0.0]])).round(3)
    array([[0.3, 0.7],
           [1. , 0. ]])
    """
    equations = np.vstack([real_shares.T, np.full(len(real_shares), SUM_WEIGHT)])
    rows = np.stack([nnls(equations, np.append(q, SUM_WEIGHT))[0] for q in generated_shares])
    return rows / rows.sum(axis=1, keepdims=True)
