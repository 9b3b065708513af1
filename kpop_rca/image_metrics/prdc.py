"""Precision and recall, density and coverage: which features lie within whose neighbourhood.

A row's neighbourhood is the ball that reaches to its k-th neighbour in its own set. Distances stay squared, which
changes no comparison of two of them, and each is computed once.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

PRECISION_NEIGHBOUR = 3  # k of Kynkäänniemi et al.
DENSITY_NEIGHBOUR = 5  # k of Naeem et al.
MEGABYTES = 16  # of distances held at once


class Neighbourhoods:
    """Features, float (N, D), and the squared radii of their neighbourhoods."""

    def __init__(self, features: np.ndarray) -> None:
        self.features = np.asarray(features)  # not as float64: scikit-learn converts some of them at a time

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def radii(self) -> dict[int, np.ndarray]:
        """Squared distance of every row to its k-th neighbour, float64 (N,), by those of the two k that there are."""
        known = [k for k in (PRECISION_NEIGHBOUR, DENSITY_NEIGHBOUR) if k < len(self)]
        parts = [np.partition(part, known, axis=1)[:, known] for part in _squared(self.features, self.features)]
        return dict(zip(known, np.concatenate(parts).T, strict=True))  # a row itself is its neighbour 0


def neighbourhood_measures(
    real: np.ndarray | Neighbourhoods,
    generated: np.ndarray | Neighbourhoods,
    *,
    measures: Sequence[str] = ("precision", "density"),
) -> dict[str, float]:
    """Precision and recall, density and coverage, from one pass over the distances between the two sets.

    precision = fraction of generated images within the ball of some real image that reaches to its third neighbour
    recall    = fraction of real images within the ball of some generated image, likewise
    density   = (1 / k G) sum over generated g and real x of 1[g lies within x's ball]
    coverage  = fraction of real images x with a generated one within x's ball,  ball of x: to its k-th real neighbour

    Balls shrink as images are added: compare precision and recall only at equal counts. Density and coverage have known
    values where both sets come from one distribution: 1, and 1 - (N-1)...(N-k) / ((N+G-1)...(N+G-k)), which is 0.97
    for N = G.

    Args:
        real: float (N, D), N of 4 or more for precision and recall, 6 or more for density and coverage.
        generated: float (G, D), G of 4 or more for precision and recall.
        measures: "precision" for precision and recall, "density" for density and coverage.

    Returns:
        By name, each in [0, 1] but density, which may be above 1.

    Raises:
        ValueError: too few images.

    Source: Kynkäänniemi et al. (2019), eq. 1 to 3, k = 3; Naeem et al. (2020), eq. 3 and 4, k = 5.

    >>> real, generated = np.arange(8.0)[:, None], np.array([[3.0], [3.1], [3.2], [3.3]])  # all in the middle
    >>> neighbourhood_measures(real, generated, measures=["precision"])
    {'precision': 1.0, 'recall': 0.125}
    >>> real, generated = np.arange(12.0)[:, None], np.array([[0.0], [0.0], [0.0], [0.0], [50.0], [50.0]])
    >>> found = neighbourhood_measures(real, generated, measures=["density"])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'density': 0.533, 'coverage': 0.333}
    """
    real, generated = (s if isinstance(s, Neighbourhoods) else Neighbourhoods(s) for s in (real, generated))
    precision, density = "precision" in measures, "density" in measures
    if len(real) <= (DENSITY_NEIGHBOUR if density else PRECISION_NEIGHBOUR):
        raise ValueError(f"need more rows, got {len(real)} of real images")
    if len(generated) <= (PRECISION_NEIGHBOUR if precision else 0):
        raise ValueError(f"need more rows, got {len(generated)} of generated images")
    n_within, reached = 0, np.zeros(len(real), dtype=bool)
    n_pairs, covered = 0, np.zeros(len(real), dtype=bool)
    start = 0
    for distances in _squared(generated.features, real.features):
        rows = slice(start, start + len(distances))
        if precision:
            n_within += int((distances <= real.radii[PRECISION_NEIGHBOUR]).any(axis=1).sum())
            reached |= (distances <= generated.radii[PRECISION_NEIGHBOUR][rows, None]).any(axis=0)
        if density:
            within = distances <= real.radii[DENSITY_NEIGHBOUR]
            n_pairs += int(within.sum())
            covered |= within.any(axis=0)
        start = rows.stop
    found = {}
    if precision:
        found |= {"precision": n_within / len(generated), "recall": float(reached.mean())}
    if density:
        found |= {"density": n_pairs / (DENSITY_NEIGHBOUR * len(generated)), "coverage": float(covered.mean())}
    return found


def _squared(rows: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances of some rows at a time to all others, and exactly 0 of each to itself."""
    return pairwise_distances_chunked(rows, others, working_memory=MEGABYTES, squared=True)
