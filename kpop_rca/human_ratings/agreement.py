"""How far raters agree: Krippendorff's alpha, the SOS hypothesis, and votes of a few annotators on ranks."""

import numpy as np
import pandas as pd


def krippendorff_alpha(ratings: np.ndarray) -> float | None:
    """Krippendorff's alpha for interval data; 1 is agreement, 0 chance; None where all ratings are equal.

    Args:
        ratings: float (J images, I raters), NaN where there is none; images with one rating do not count.

    Source: Krippendorff (2011), "Computing Krippendorff's alpha-reliability", with δ² = (c − k)².

    >>> krippendorff_alpha(np.array([[1.0, 1.0], [2.0, 2.0], [5.0, 5.0]]))
    1.0
    >>> round(krippendorff_alpha(np.array([[1.0, 2.0], [2.0, 1.0], [5.0, 5.0]])), 4)  # 1 - (4 / 6) / (208 / 30)
    0.9038
    """
    count = (~np.isnan(ratings)).sum(axis=1)
    paired, count = ratings[count > 1], count[count > 1]
    values = paired[~np.isnan(paired)]
    if len(values) < 2 or np.ptp(values) == 0:
        return None
    within = count**2 * np.nanvar(paired, axis=1) / (count - 1)  # half of the squared differences of all pairs
    return float(1 - within.sum() / len(values) / values.var(ddof=1))


def sos(ratings: np.ndarray, *, scale: tuple[float, float]) -> float:
    """The SOS hypothesis' a in variance = a (mean − least) (most − mean), by least squares; 0 agree, 1 only extremes.

    Args:
        ratings: float (J images, I raters), raw, NaN where there is none.

    Source: Hossfeld et al. (2011), "SOS: the MOS is not enough!"

    >>> sos(np.array([[0.0, 5.0], [5.0, 5.0]]), scale=(0.0, 5.0))  # variance 12.5 (ddof 1), parabola 6.25
    2.0
    """
    mean, variance = np.nanmean(ratings, axis=1), np.nanvar(ratings, axis=1, ddof=1)
    parabola = (mean - scale[0]) * (scale[1] - mean)
    return float((variance * parabola).sum() / (parabola**2).sum())


def points_by_majority(points: pd.DataFrame, model: pd.Series) -> tuple[pd.DataFrame, float]:
    """FaceScore's Table 1: how often each model has each number of points by majority vote, and the agreement.

    Args:
        points: images by annotators: 1 for the worst of a triplet, 3 for the best, NaN of who did not rank it.
        model: of each image, in the same order.

    Returns:
        one row per model: fractions of images with each number of points, and the mean; and the fraction of images of
        which more than half of the annotators give the same points. Without a majority the smaller median counts.
    """
    counts = np.stack([(points == point).sum(axis=1) for point in (1, 2, 3)], axis=1)
    given = counts.sum(axis=1)
    majority = counts.max(axis=1) * 2 > given
    ascending = np.sort(points.to_numpy(dtype=float), axis=1)  # NaN last
    median = ascending[np.arange(len(points)), (given - 1) // 2].astype(int)
    voted = np.where(majority, counts.argmax(axis=1) + 1, median)
    table = pd.crosstab(np.asarray(model), voted, normalize="index").reindex(columns=[1, 2, 3], fill_value=0.0)
    table = table.rename_axis(index="model", columns=None).rename(
        columns={point: f"score {point}" for point in (1, 2, 3)}
    )
    average = pd.Series(voted).groupby(np.asarray(model)).mean()
    return table.assign(average=average).reset_index(), float(majority.mean())
