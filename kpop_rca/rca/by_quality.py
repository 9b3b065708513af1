"""RCA of the images that a measure of quality ranks low and high: does quality tell who is shown?"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import mannwhitneyu

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
    """Probability that an image that shows the requested identity ranks above one that does not, and its p.

    Ranks are those of `rca_by_quality`. 0.5 where quality tells nothing of identity. The p is two-sided, of 0.5; both
    are NaN where all images are right, or none is.

    Source: Mann and Whitney (1947), as scipy's `mannwhitneyu`.

    >>> quality_of_right_images([0, 0, 0, 0], [0, 0, 1, 1], [4, 3, 2, 1])[0]
    1.0
    """
    right, rank = np.asarray(conditions) == np.asarray(predicted), _rank_within(conditions, quality)
    if right.all() or not right.any():
        return np.nan, np.nan
    found = mannwhitneyu(rank[right], rank[~right])
    return float(found.statistic / (right.sum() * (~right).sum())), float(found.pvalue)


def _rank_within(conditions: ArrayLike, quality: ArrayLike) -> np.ndarray:
    """Rank of each image among those of its condition, (0 to n - 1) / n: float (N,)."""
    conditions, quality = np.asarray(conditions), np.asarray(quality, dtype=float)
    if conditions.shape != quality.shape or np.isnan(quality).any():
        raise ValueError(f"need a quality of each of {len(conditions)} images, got {quality.shape} with NaN or without")
    ranks = pd.Series(quality).groupby(conditions).rank(method="first").to_numpy() - 1
    return ranks / np.bincount(conditions)[conditions]
