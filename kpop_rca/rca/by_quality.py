"""RCA of the images that a measure of quality ranks low and high: does quality tell who is shown?"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from kpop_rca.rca.counts import checked
from kpop_rca.rca.ratio import ratio_interval


def rca_by_quality(
    real_counts: ArrayLike, conditions: ArrayLike, predicted: ArrayLike, quality: ArrayLike, *, groups: int = 5
) -> pd.DataFrame:
    """RCA in groups of equal size, from the images of lowest to those of highest quality under one oracle.

    Images are ranked among those of the same requested identity, so that an identity that is drawn both well and
    recognisably says nothing; ties in the order of the images.

    Args:
        conditions, predicted: of N generated images, int (N,): requested identity, and the one predicted.
        quality: higher is better, float (N,).
        groups: 1 or more.

    Returns:
        One row per group that has an image: group (1 is the lowest), n, rca, low and high (95 %, score method).

    Raises:
        ValueError: lengths differ, or a quality is NaN.

    >>> found = rca_by_quality([[8, 2], [2, 8]], [0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 0, 5], groups=2)
    >>> found[["group", "n", "rca"]].values.tolist()
    [[1.0, 2.0, 0.0], [2.0, 2.0, 1.25]]
    """
    real, right = checked(real_counts), np.asarray(conditions) == np.asarray(predicted)
    place = np.floor(groups * _rank_within(conditions, quality)).astype(int)
    rows = []
    for group in range(groups):
        own = right[place == group]
        if len(own):
            sides = (own.sum(), len(own), np.trace(real), real.sum())
            value = own.mean() * real.sum() / np.trace(real) if np.trace(real) else np.nan
            rows.append((group + 1, len(own), value, *ratio_interval(*sides)))
    return pd.DataFrame(rows, columns=["group", "n", "rca", "low", "high"])


def quality_of_right_images(conditions: ArrayLike, predicted: ArrayLike, quality: ArrayLike) -> tuple[float, float]:
    """Of two images of one requested identity, how often the one that is predicted right has the higher quality.

        probability = sum_c U_c / sum_c r_c w_c,   variance of sum_c U_c = sum_c r_c w_c (r_c + w_c + 1) / 12

    over the requested identities c with r_c right and w_c wrong images, and Mann and Whitney's U_c of the right ones.

    Args:
        conditions, predicted, quality: see `rca_by_quality`.

    Returns:
        The probability, a tie for a half, and the two-sided p of its being 0.5, by the normal distribution. Both NaN
        where no identity has images of either kind.

    Raises:
        ValueError: lengths differ, or a quality is NaN.

    Source: Mann and Whitney (1947); van Elteren (1960) for the sum over strata.

    >>> quality_of_right_images([0, 0, 0, 0], [0, 0, 1, 1], [4, 3, 2, 1])[0]
    1.0
    """
    conditions, quality = _checked(conditions, quality)
    right, above, pairs, variance = conditions == np.asarray(predicted), 0.0, 0, 0.0
    for label in np.unique(conditions):
        own = conditions == label
        n_right, n_wrong = int((own & right).sum()), int((own & ~right).sum())
        above += rankdata(quality[own])[right[own]].sum() - n_right * (n_right + 1) / 2
        pairs += n_right * n_wrong
        variance += n_right * n_wrong * (n_right + n_wrong + 1) / 12
    if not pairs:
        return np.nan, np.nan
    return float(above / pairs), float(2 * norm.sf(abs(above - pairs / 2) / np.sqrt(variance)))


def _rank_within(conditions: ArrayLike, quality: ArrayLike) -> np.ndarray:
    """Rank of each image among those of its condition, (0 to n - 1) / n: float (N,)."""
    conditions, quality = _checked(conditions, quality)
    ranks = pd.Series(quality).groupby(conditions).rank(method="first").to_numpy() - 1
    return ranks / np.bincount(conditions)[conditions]


def _checked(conditions: ArrayLike, quality: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    conditions, quality = np.asarray(conditions), np.asarray(quality, dtype=float)
    if conditions.shape != quality.shape:
        raise ValueError(f"{len(conditions)} images have {len(quality)} values of quality")
    if np.isnan(quality).any():
        raise ValueError(f"the quality of {np.isnan(quality).sum()} images is NaN")
    return conditions, quality
