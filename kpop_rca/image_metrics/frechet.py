"""The Fréchet distance of two sets of features, and its limit for infinitely many images.

All sums are in float64. Where there are more rows than columns no copy of the features is made for that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import linregress

ROWS = 500  # converted at once
LINE_POINTS = 10
LINE_SMALLEST = 0.25  # of the images; Chong and Forsyth have 0.1 of 50,000
LINE_IMAGES = 12  # at least, so that the ten sizes differ
# Of all that a Fréchet distance is the sum of: points of the line that differ by less differ by rounding alone.
LINE_ROUNDING = 1e-9
NO_FIT = ("standard_error_why", "r_squared_why")
NO_SLOPE = "the distance is the same at every number of images, as of images that are all alike"


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance of the normal distributions fitted to two sets of features, in float64: 0 or more.

    d^2 = |mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))

    FID on Inception's pooled features. It is biased upward on few images, the more the more features there are: compare
    it only at equal counts.

    Args:
        features_a: float (N, D), N of 2 or more.
        features_b: float (M, D), M of 2 or more.

    Raises:
        ValueError: fewer than two images, or features of other lengths.

    Source: Dowson and Landau (1982); Heusel et al. (2017).

    >>> round(frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])), 6)  # equal spread, 3 apart
    9.0
    """
    return Normal.of(features_a).frechet_distance(features_b)


@dataclass(frozen=True)
class Normal:
    """A normal distribution fitted to features, with what a Fréchet distance to it needs, computed once.

    Attributes:
        n: rows that it was fitted to.
        mean: float64 (D,).
        root: float64 (D, r) with root root^T = cov, r of min(n, D) or fewer.
        variance: the trace of cov.
    """

    n: int
    mean: np.ndarray
    root: np.ndarray
    variance: float

    @classmethod
    def of(cls, features: "np.ndarray | Normal") -> "Normal":
        """Mean and sample covariance of features, float (N, D), N of 2 or more; a distribution is left as it is."""
        if isinstance(features, cls):
            return features
        mean = _mean(features)
        root, variance = _root_and_variance(features, mean)
        return cls(len(features), mean, root, variance)

    def __len__(self) -> int:
        return self.n

    def frechet_distance(self, features: np.ndarray) -> float:
        """Fréchet distance of the normal distribution fitted to other features, see `frechet_distance`.

        Tr (cov_a cov_b)^(1/2) = sum of the roots of the eigenvalues of R^T cov_b R, with cov_a = R R^T

        That matrix is symmetric, and small where either set has fewer rows than columns; cov_a cov_b is neither.
        """
        mean = _mean(features)
        if mean.shape != self.mean.shape:
            raise ValueError(f"need rows of equal length, got {len(mean)} and {len(self.mean)}")
        product, variance = _seen_from(self.root, features, mean)
        shared = np.sqrt(np.linalg.eigvalsh(product).clip(0)).sum()  # rounding may leave -1e-16
        return max(0.0, float(((mean - self.mean) ** 2).sum() + self.variance + variance - 2 * shared))


def frechet_line(real: np.ndarray | Normal, generated: np.ndarray, *, generator: np.random.Generator) -> dict[str, Any]:
    """The Fréchet distance extrapolated to infinitely many generated images (FID-infinity).

    d^2(n) = d^2(infinity) + slope / n, fitted by least squares to ten sizes n from a quarter of the images to all

    At each size it is the mean over as many disjoint sets as there are images for, 4 to 1 of them. The reference stays
    as it is, so that its own part of the bias remains. With fewer images than features the points bend away from a
    line: look at them.

    Args:
        real: float (N, D), the reference, or what was fitted to it.
        generated: float (G, D), G of 12 or more.
        generator: of the sets.

    Returns:
        value (the line at 1/n = 0; a good set may come out below 0), standard_error (of the line's end, with the
        points taken as independent: they share images and the reference, so it is too small), slope, r_squared, and
        points, a list of {n, frechet}. Where all points are equal, the line is flat, and standard_error and r_squared
        are None, with `standard_error_why` and `r_squared_why`.

    Raises:
        ValueError: too few images.

    Source: Chong and Forsyth (2020), section 3 and algorithm 1, here with random sets in place of Sobol' sequences.

    >>> rng = np.random.default_rng(0)
    >>> line = frechet_line(rng.normal(size=(5000, 4)), rng.normal(size=(400, 4)), generator=rng)
    >>> line["value"] < line["points"][-1]["frechet"] < line["points"][0]["frechet"]
    True
    """
    if len(generated) < LINE_IMAGES:
        raise ValueError(f"need {LINE_IMAGES} or more rows, got {generated.shape}")
    reference = Normal.of(real)
    sizes = np.linspace(LINE_SMALLEST * len(generated), len(generated), LINE_POINTS).round().astype(int)
    distances = [_mean_distance(reference, generated[generator.permutation(len(generated))], n) for n in sizes]
    points = [{"n": int(n), "frechet": value} for n, value in zip(sizes, distances, strict=True)]
    scale = max(distances) + reference.variance + float((reference.mean**2).sum())
    if np.ptp(distances) <= LINE_ROUNDING * scale:
        flat = {"value": distances[-1], "slope": 0.0, "points": points}
        return flat | dict.fromkeys(["standard_error", "r_squared"]) | dict.fromkeys(NO_FIT, NO_SLOPE)
    fit = linregress(1 / sizes, distances)
    return {
        "value": float(fit.intercept),
        "standard_error": float(fit.intercept_stderr),
        "slope": float(fit.slope),
        "r_squared": float(fit.rvalue**2),
        "points": points,
    }


def _mean_distance(reference: Normal, shuffled: np.ndarray, n: int) -> float:
    """Mean Fréchet distance of sets of n images that share none."""
    starts = range(0, len(shuffled) - n + 1, n)
    return float(np.mean([reference.frechet_distance(shuffled[start : start + n]) for start in starts]))


def _mean(features: np.ndarray) -> np.ndarray:
    if np.ndim(features) != 2 or len(features) < 2:
        raise ValueError(f"need 2 or more rows of equal length, got {np.shape(features)}")
    return features.mean(axis=0, dtype=np.float64)


def _centred(features: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """Some rows at a time, so that memory does not grow with the number of images: float64, without the mean."""
    for start in range(0, len(features), ROWS):
        yield features[start : start + ROWS] - mean


def _covariance(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sample covariance, float64 (D, D)."""
    return sum(part.T @ part for part in _centred(features, mean)) / (len(features) - 1)


def _rows(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """X with X^T X = cov: the rows themselves, which are few."""
    return (features - mean) / np.sqrt(len(features) - 1)


def _root_and_variance(features: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, float]:
    """R with R R^T = cov, and the trace of cov."""
    n, width = features.shape
    if n <= width:
        rows = _rows(features, mean)
        return rows.T, float((rows**2).sum())
    covariance = _covariance(features, mean)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(eigenvalues.clip(0)), float(np.trace(covariance))


def _seen_from(root: np.ndarray, features: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, float]:
    """A matrix with the eigenvalues of R^T cov R other than 0, by way of what is smallest, and the trace of cov."""
    n, width = features.shape
    if n > width:
        covariance = _covariance(features, mean)
        return root.T @ covariance @ root, float(np.trace(covariance))
    rows = _rows(features, mean)
    seen = rows @ root
    return seen @ seen.T if n < root.shape[1] else seen.T @ seen, float((rows**2).sum())
