"""The normal distribution fitted to features, and the Fréchet distance of others to it.

All sums are in float64. Where there are more rows than columns no copy of the features is made for that: they are
converted some rows at a time, so that memory does not grow with the number of images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

ROWS = 500  # converted at once


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
        """The distribution with the features' mean and sample covariance.

        Args:
            features: float (N, D), N of 2 or more, or what was fitted to them.

        Raises:
            ValueError: fewer than two rows.
        """
        if isinstance(features, cls):
            return features
        mean = _mean(features)
        root, variance = _root_and_variance(features, mean)
        return cls(len(features), mean, root, variance)

    def __len__(self) -> int:
        return self.n

    def frechet_distance(self, features: np.ndarray) -> float:
        """Fréchet distance of the normal distribution fitted to other features, in float64.

        Tr (cov_a cov_b)^(1/2) = sum of the roots of the eigenvalues of R^T cov_b R, with cov_a = R R^T

        That matrix is symmetric, and small where either set has fewer rows than columns; cov_a cov_b is neither.

        Args:
            features: float (M, D), M of 2 or more.

        Raises:
            ValueError: fewer than two rows, or of another length.
        """
        mean = _mean(features)
        if mean.shape != self.mean.shape:
            raise ValueError(f"need rows of equal length, got {len(mean)} and {len(self.mean)}")
        product, variance = _seen_from(self.root, features, mean)
        shared = np.sqrt(np.linalg.eigvalsh(product).clip(0)).sum()  # rounding may leave -1e-16
        return max(0.0, float(((mean - self.mean) ** 2).sum() + self.variance + variance - 2 * shared))


def _mean(features: np.ndarray) -> np.ndarray:
    if np.ndim(features) != 2 or len(features) < 2:
        raise ValueError(f"need 2 or more rows of equal length, got {np.shape(features)}")
    return features.mean(axis=0, dtype=np.float64)


def _centred(features: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """Some rows at a time, float64, without the mean."""
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
