"""Who lies within whose neighbourhood: distances between two sets of features, each computed once.

A row's neighbourhood is the ball that reaches to its k-th neighbour in its own set. Distances stay squared: whether
one is below another does not change.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

PRECISION_NEIGHBOUR = 3  # k of Kynkäänniemi et al.
DENSITY_NEIGHBOUR = 5  # k of Naeem et al.
MEGABYTES = 16  # of distances held at once


class Neighbourhoods:
    """A set of features and the squared radii of its rows' neighbourhoods."""

    def __init__(self, features: np.ndarray) -> None:
        """Take features, float (N, D), as they are: scikit-learn computes in float64, some of them at a time."""
        self.features = np.asarray(features)

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def _radii(self) -> dict[int, np.ndarray]:
        known = [k for k in (PRECISION_NEIGHBOUR, DENSITY_NEIGHBOUR) if k < len(self)]
        parts = [np.partition(part, known, axis=1)[:, known] for part in _squared(self.features, self.features)]
        return dict(zip(known, np.concatenate(parts).T, strict=True))  # a row itself is its neighbour 0

    def radii(self, k: int) -> np.ndarray:
        """Squared distance of every row to its k-th neighbour, float64 (N,); k as above, fewer than rows."""
        return self._radii[k]


def compare(
    real: Neighbourhoods, generated: Neighbourhoods, *, measures: Sequence[str] = ("precision", "density")
) -> dict[str, float]:
    """Precision and recall, density and coverage, from one pass over the distances between the two sets.

    Args:
        real: N rows, more than the k of the measures.
        generated: G rows, for precision and recall likewise.
        measures: "precision" for precision and recall, "density" for density and coverage.

    Returns:
        The measures by name; for their definitions see `feature_sets`.
    """
    counters = {"precision": _Precision, "density": _Density}
    counted = [counters[name](real, generated) for name in measures]
    start = 0
    for part in _squared(generated.features, real.features):
        for counter in counted:
            counter.add(part, slice(start, start + len(part)))
        start += len(part)
    return {name: value for counter in counted for name, value in counter.found().items()}


def _squared(rows: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances of some rows at a time to all others, and exactly 0 of each to itself."""
    return pairwise_distances_chunked(rows, others, working_memory=MEGABYTES, squared=True)


class _Precision:
    """Precision and recall."""

    def __init__(self, real: Neighbourhoods, generated: Neighbourhoods) -> None:
        self.real_radii, self.radii = (side.radii(PRECISION_NEIGHBOUR) for side in (real, generated))
        self.n_within, self.reached = 0, np.zeros(len(real), dtype=bool)

    def add(self, distances: np.ndarray, rows: slice) -> None:
        self.n_within += int((distances <= self.real_radii).any(axis=1).sum())
        self.reached |= (distances <= self.radii[rows, None]).any(axis=0)

    def found(self) -> dict[str, float]:
        return {"precision": self.n_within / len(self.radii), "recall": float(self.reached.mean())}


class _Density:
    """Density and coverage."""

    def __init__(self, real: Neighbourhoods, generated: Neighbourhoods) -> None:
        self.real_radii, self.n_generated = real.radii(DENSITY_NEIGHBOUR), len(generated)
        self.n_pairs, self.covered = 0, np.zeros(len(real), dtype=bool)

    def add(self, distances: np.ndarray, rows: slice) -> None:
        within = distances <= self.real_radii
        self.n_pairs += int(within.sum())
        self.covered |= within.any(axis=0)

    def found(self) -> dict[str, float]:
        density = self.n_pairs / (DENSITY_NEIGHBOUR * self.n_generated)
        return {"density": density, "coverage": float(self.covered.mean())}
