"""Intervals of the confusion-corrected accuracy of single classes.

A class of which no generated image is right, or of which the oracle never errs, is the same in every resample of its
images. As Wilson's interval of a proportion does, this one takes the variance at each value that might be true.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from kpop_rca.rca.confusion_corrected import inverses, solve_mixtures
from kpop_rca.rca.counts import row_fractions
from kpop_rca.rca.ratio import CONFIDENCE

# Images added to the real ones of each class, spread evenly over the predictions: an error that occurred in none of
# 70 images can still occur. As many as Agresti and Coull add to two outcomes; for the variance alone.
ADDED = 4


def _diagonal(product: np.ndarray) -> np.ndarray:
    return np.diagonal(product, axis1=-2, axis2=-1)


def _shown_instead(mixtures: np.ndarray, n_generated: np.ndarray) -> np.ndarray:
    """Fractions w of the others among the images that do not show the requested identity; even where there are none."""
    n_classes = mixtures.shape[-1]
    images = np.clip(mixtures, 0, None) * n_generated[..., None] + 1 / n_classes  # one more, that might be anyone
    images = images * (1 - np.eye(n_classes))
    return images / images.sum(axis=-1, keepdims=True)


def _variance(
    real: np.ndarray, n_generated: np.ndarray, mixtures: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance of a class's value as a polynomial in the true one, p: the factors of 1, p and p^2, each (..., K)."""
    n_real = real.sum(axis=-1)
    fractions = row_fractions(real + ADDED / real.shape[-1])
    squares = fractions @ inverses(fractions) ** 2  # m_j of the class c at [j, c]
    others = _shown_instead(mixtures, n_generated)
    own, of_others = _diagonal(squares), _diagonal(others @ squares)
    through_oracle = _diagonal(others**2 @ (squares / n_real[..., None]))
    return (
        of_others / n_generated + through_oracle,
        (own - of_others) / n_generated - 2 * through_oracle,
        (own - 1) / n_real - 1 / n_generated + through_oracle,
    )


def class_confusion_corrected_intervals(
    real_counts: ArrayLike, generated_counts: ArrayLike, *, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Score intervals of the confusion-corrected accuracy of single classes, the oracle fixed.

    An image predicted as k has the score v_k = (C^(-1))_kc; the mean score of the images conditioned on c is their
    accuracy f. With m_j = sum_k C_jk v_k^2, and w_j the fractions of the others among the images that do not show c,
    its variance at a true value p is

        var(p) = (p m_c + (1 - p) sum_j w_j m_j - p^2) / n_generated
                 + p^2 (m_c - 1) / n_real,c + (1 - p)^2 sum_j w_j^2 m_j / n_real,j,

    from the generated images, and from those that C is estimated from. The interval is of all p with
    (f - p)^2 <= z^2 var(p); beyond 0 and 1, where f can be by noise, the variance is that at 0 and 1. For an oracle
    that never errs it is Wilson's.

    Args:
        real_counts, generated_counts: (..., K, K), every row with an image.
        confidence: of one interval, in (0, 1).

    Returns:
        Low and high, each (..., K); NaN where C can't be inverted.

    Source: Wilson (1927) and Agresti and Coull (1998) for a proportion; here with the delta method for C.

    >>> real, generated = [[70, 0], [14, 56]], [[40, 0], [20, 20]]
    >>> low, high = class_confusion_corrected_intervals(real, generated)  # of the values 1 and 0.625
    >>> print(low.round(2), high.round(2))
    [0.85 0.42] [1.08 0.85]
    """
    real, generated = (np.asarray(counts, dtype=float) for counts in (real_counts, generated_counts))
    mixtures = solve_mixtures(row_fractions(real), row_fractions(generated))
    value, (at_0, slope, bend) = _diagonal(mixtures), _variance(real, generated.sum(axis=-1), mixtures)
    z = norm.isf((1 - confidence) / 2)
    reach_0, reach_1 = (z * np.sqrt(np.maximum(var, 0)) for var in (at_0, at_0 + slope + bend))
    # (f - p)^2 = z^2 var(p) as a p^2 - 2 b p + c = 0
    a, b, c = 1 - z**2 * bend, value + z**2 * slope / 2, value**2 - z**2 * at_0
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    within = np.where(value - reach_1 >= 1, value - reach_1, (b - root) / a)
    low = np.where(value - reach_0 <= 0, value - reach_0, within)
    within = np.where(value + reach_0 <= 0, value + reach_0, (b + root) / a)
    return low, np.where(value + reach_1 >= 1, value + reach_1, within)
