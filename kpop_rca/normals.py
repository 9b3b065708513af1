"""The normal distribution fitted to features, and the Fréchet distance of others to it."""

from dataclasses import dataclass

import numpy as np


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
        centred, mean = _centred(features)
        return cls(len(centred), mean, _root(centred), float((centred**2).sum() / (len(centred) - 1)))

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
        centred, mean = _centred(features)
        if mean.shape != self.mean.shape:
            raise ValueError(f"need rows of equal length, got {len(mean)} and {len(self.mean)}")
        eigenvalues = np.linalg.eigvalsh(_gram(centred, self.root)) / (len(centred) - 1)
        variance = float((centred**2).sum() / (len(centred) - 1))
        shared = np.sqrt(eigenvalues.clip(0)).sum()  # rounding may leave -1e-16
        return max(0.0, float(((mean - self.mean) ** 2).sum() + self.variance + variance - 2 * shared))


def _centred(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if np.ndim(features) != 2 or len(features) < 2:
        raise ValueError(f"need 2 or more rows of equal length, got {np.shape(features)}")
    mean = features.mean(axis=0, dtype=np.float64)
    return features - mean, mean


def _root(centred: np.ndarray) -> np.ndarray:
    """R with R R^T = cov: the rows themselves where they are few."""
    n, width = centred.shape
    if n <= width:
        return centred.T / np.sqrt(n - 1)
    eigenvalues, vectors = np.linalg.eigh(centred.T @ centred / (n - 1))
    return vectors * np.sqrt(eigenvalues.clip(0))


def _gram(centred: np.ndarray, root: np.ndarray) -> np.ndarray:
    """A matrix with the eigenvalues of R^T X^T X R other than 0, by way of what is smallest."""
    n, width = centred.shape
    if n > width:
        return root.T @ (centred.T @ centred) @ root
    seen = centred @ root
    return seen @ seen.T if n < root.shape[1] else seen.T @ seen
