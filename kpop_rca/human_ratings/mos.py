"""Mean opinion scores: z-scores on 0 to 100 (F-Bench, equations 1 to 3), their intervals, and means of groups."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

LEAST_RATINGS = 15  # valid ratings of an image, as F-Bench has


def z_scores(ratings: np.ndarray) -> np.ndarray:
    """Each rater's ratings in standard deviations from the rater's mean, scaled by 100 (z + 3) / 6.

    Nothing is clipped: a rating beyond 3 standard deviations lies outside of 0 to 100. A rater who answers always the
    same has no z-scores (NaN).

    Args:
        ratings: float (..., J images, I raters), NaN where there is none.

    >>> z_scores(np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]])).round(2).tolist()
    [[33.33, nan], [50.0, nan], [66.67, nan]]
    """
    count = (~np.isnan(ratings)).sum(axis=-2, keepdims=True)
    count = np.where(count > 1, count, np.nan)
    mean = np.nansum(ratings, axis=-2, keepdims=True) / count
    variance = np.nansum((ratings - mean) ** 2, axis=-2, keepdims=True) / (count - 1)
    z = (ratings - mean) / np.sqrt(np.where(variance > 1e-12, variance, np.nan))
    return 100 * (z + 3) / 6


def means_over_raters(scores: np.ndarray, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, half width of Student's interval over the raters, and number of ratings of each image, (..., J) each.

    Student's, not 1.96 s/√n, which covers too seldom with the raters that a panel has. NaN below two ratings.
    """
    count = (~np.isnan(scores)).sum(axis=-1)
    divisor = np.where(count > 1, count, np.nan)
    mean = np.nansum(scores, axis=-1) / divisor
    spread = np.sqrt(np.nansum((scores - mean[..., None]) ** 2, axis=-1) / (divisor - 1))
    return mean, stats.t.ppf((1 + confidence) / 2, divisor - 1) * spread / np.sqrt(divisor), count


def by_image(scores: pd.DataFrame, *, least_ratings: int = LEAST_RATINGS, confidence: float = 0.95) -> pd.DataFrame:
    """MOS of each image with its interval over raters: image, ratings, mos, low, high, reason.

    Args:
        scores: images by raters, raw or z-scores, of the raters that count.
        least_ratings: an image with fewer has no MOS, and a reason.
    """
    mean, half, count = means_over_raters(scores.to_numpy(), confidence=confidence)
    enough = count >= max(least_ratings, 2)
    table = pd.DataFrame(
        {"image": scores.index, "ratings": count, "mos": mean, "low": mean - half, "high": mean + half}
    )
    table.loc[~enough, ["mos", "low", "high"]] = np.nan
    few = [f"{number} valid ratings, {least_ratings} needed" for number in count]
    return table.assign(reason=np.where(enough, "", few))


def long(scores: pd.DataFrame) -> pd.DataFrame:
    """A matrix of images by raters as rows of image, rater, score."""
    table = scores.rename_axis(index="image", columns="rater").stack().rename("score")
    return table.dropna().reset_index()


def group_replicates(
    table: pd.DataFrame,
    group: str,
    value: str,
    *,
    clusters: Sequence[str],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Bootstrap replicates of each group's mean, over several kinds of units at once, such as raters and images.

    A unit's weight is how often it is drawn, and a row's weight the product over its units. Units that belong to one
    group each (images of a generator) are resampled within it; those that stand in several (raters of all of them) are
    resampled once for all, so that a difference of two groups has its own interval.

    Args:
        table: one row per observation: `group`, `value` and the columns of `clusters`.

    Returns:
        replicates by groups, sorted by name.

    Source: Owen (2007), "The pigeonhole bootstrap"; with two kinds of units it is conservative.
    """
    table = table.sort_values([group, *clusters], kind="stable")
    groups, names = pd.factorize(table[group], sort=True)
    weights = np.ones((n_replicates, len(table)), dtype=np.float32)
    for cluster in clusters:
        weights *= _weights(table[cluster], groups, n_replicates, generator)
    values = table[value].to_numpy(dtype=float)
    ends = np.flatnonzero(np.diff(groups, prepend=-1))
    total = np.add.reduceat(weights * values, ends, axis=1)
    return pd.DataFrame(total / np.add.reduceat(weights, ends, axis=1, dtype=float), columns=names)


def _weights(units: pd.Series, groups: np.ndarray, n_replicates: int, generator: np.random.Generator) -> np.ndarray:
    """How often each row's unit is drawn, (replicates, rows)."""
    codes, _ = pd.factorize(units, sort=True)
    pairs = np.unique(np.stack([codes, groups], axis=1), axis=0)
    nested = len(pairs) == codes.max() + 1
    drawn = np.empty((n_replicates, codes.max() + 1), dtype=np.float32)
    for chosen in [pairs[pairs[:, 1] == g, 0] for g in np.unique(groups)] if nested else [np.unique(codes)]:
        drawn[:, chosen] = generator.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), size=n_replicates)
    return drawn[:, codes]


def group_means(table: pd.DataFrame, group: str, value: str, replicates: pd.DataFrame) -> pd.DataFrame:
    """Each group's mean and rank with 95 % intervals, best first: group, n, mean, low, high, rank, rank_low, rank_high.

    Rank 1 is the highest mean. The interval of a rank is over the replicates' own rankings.
    """
    means = table.groupby(group)[value].agg(n="size", mean="mean").loc[replicates.columns]
    ranks = replicates.rank(axis=1, ascending=False)
    low, high = np.nanpercentile(replicates, [2.5, 97.5], axis=0)
    first, last = np.percentile(ranks, [2.5, 97.5], axis=0)
    found = means.assign(low=low, high=high, rank=means["mean"].rank(ascending=False).astype(int))
    found = found.assign(rank_low=np.floor(first).astype(int), rank_high=np.ceil(last).astype(int))
    return found.rename_axis(group).sort_values("mean", ascending=False).reset_index()
