"""Intervals of the identity fidelity of single classes, which hold where a bootstrap has nothing to draw from.

A class of which no generated image is right, or of which the judge never errs, is the same in every redraw of its
images, so that its bootstrap interval is too narrow. As Wilson's interval of a proportion does, this one takes the
variance at each fidelity that might be true, and not at the one that was found.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from kpop_rca.rca.confusion_corrected import inverses, label_shares, solve_mixtures
from kpop_rca.rca.ratio import CONFIDENCE

# Images added to the real ones of each class, spread evenly over the answers: an error that the judge made in none of
# 70 images it can make all the same. As many as Agresti and Coull add to two answers; for the variance alone.
ADDED = 4


def _diagonal(product: np.ndarray) -> np.ndarray:
    return np.diagonal(product, axis1=-2, axis2=-1)


def _shown_instead(mixtures: np.ndarray, n_generated: np.ndarray) -> np.ndarray:
    """Shares w of the others among the images that do not show the identity asked for; evenly where there are none."""
    n_classes = mixtures.shape[-1]
    images = np.clip(mixtures, 0, None) * n_generated[..., None] + 1 / n_classes  # one more, that might be anyone
    images = images * (1 - np.eye(n_classes))
    return images / images.sum(axis=-1, keepdims=True)


def _variance(
    real: np.ndarray, n_generated: np.ndarray, mixtures: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a class's fidelity as a polynomial in its true value p: the factors of 1, p and p^2, each (..., K)."""
    n_real = real.sum(axis=-1)
    shares = label_shares(real + ADDED / real.shape[-1])
    squares = shares @ inverses(shares) ** 2  # m_j of the class c at [j, c]
    others = _shown_instead(mixtures, n_generated)
    own, of_others = _diagonal(squares), _diagonal(others @ squares)
    through_judge = _diagonal(others**2 @ (squares / n_real[..., None]))
    return (
        of_others / n_generated + through_judge,
        (own - of_others) / n_generated - 2 * through_judge,
        (own - 1) / n_real - 1 / n_generated + through_judge,
    )


def class_fidelity_intervals(
    real_counts: ArrayLike, generated_counts: ArrayLike, *, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Score intervals of the identity fidelity of single classes, the judge fixed.

    An image judged as k has the score v_k = (C^(-1))_kc. Its mean is 1 over images of c and 0 over those of anyone
    else, so that the mean score of the images asked to be c is their fidelity f. With m_j = sum_k C_jk v_k^2, and w_j
    the shares of the others among the images that do not show c, its variance at a true fidelity p is

        var(p) = (p m_c + (1 - p) sum_j w_j m_j - p^2) / n_generated
                 + p^2 (m_c - 1) / n_real,c + (1 - p)^2 sum_j w_j^2 m_j / n_real,j,

    from the generated images, and from those that C is known from. The interval is of all p with
    (f - p)^2 <= z^2 var(p); beyond 0 and 1, where f can be by noise, the variance is that at 0 and 1. For a judge
    that never errs it is Wilson's.

    Args:
        real_counts: (..., K, K) of held-out real images, rows true, every row with an image.
        generated_counts: (..., K, K) of generated images by the same judge, rows asked for, every row with an image.
        confidence: of one interval, in (0, 1).

    Returns:
        Low and high, each (..., K); NaN where C can't be inverted.

    Source: Wilson (1927) and Agresti and Coull (1998) for a proportion; here with the delta method for C.

    >>> real, generated = [[70, 0], [14, 56]], [[40, 0], [20, 20]]
    >>> low, high = class_fidelity_intervals(real, generated)  # of the fidelities 1 and 0.625
    >>> print(low.round(2), high.round(2))
    [0.85 0.42] [1.08 0.85]
    """
    real, generated = (np.asarray(counts, dtype=float) for counts in (real_counts, generated_counts))
    mixtures = solve_mixtures(label_shares(real), label_shares(generated))
    fidelity, (at_0, slope, bend) = _diagonal(mixtures), _variance(real, generated.sum(axis=-1), mixtures)
    z = norm.isf((1 - confidence) / 2)
    reach_0, reach_1 = (z * np.sqrt(np.maximum(var, 0)) for var in (at_0, at_0 + slope + bend))
    # (f - p)^2 = z^2 var(p) as a p^2 - 2 b p + c = 0
    a, b, c = 1 - z**2 * bend, fidelity + z**2 * slope / 2, fidelity**2 - z**2 * at_0
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    within = np.where(fidelity - reach_1 >= 1, fidelity - reach_1, (b - root) / a)
    low = np.where(fidelity - reach_0 <= 0, fidelity - reach_0, within)
    within = np.where(fidelity + reach_0 <= 0, fidelity + reach_0, (b + root) / a)
    return low, np.where(fidelity + reach_1 >= 1, fidelity + reach_1, within)
