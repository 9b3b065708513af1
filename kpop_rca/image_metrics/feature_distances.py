"""How alike two sets of features are: Fréchet and kernel distance, precision and recall, density and coverage.

Features are float arrays of one row an image, from any network; everything here knows two such sets, and nothing of
where they come from. `feature_measures` makes a study's figures of these.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.stats import linregress
from torch import Tensor, nn

from kpop_rca.image_metrics.frechet import Normal
from kpop_rca.image_metrics.prdc import DENSITY_NEIGHBOUR, PRECISION_NEIGHBOUR, Neighbourhoods, compare

KERNEL_SUBSETS = 100
KERNEL_SUBSET_SIZE = 1000  # images, or half of those that there are
# And as many columns, of kernel values held at once. More leave holes in the heap that the allocator keeps, up to
# a hundred megabytes of them.
KERNEL_ROWS = 250
LINE_POINTS = 10
LINE_SMALLEST = 0.25  # of the images; Chong and Forsyth have 0.1 of 50,000
LINE_IMAGES = 12  # at least, so that the ten sizes differ
# Of all that a Fréchet distance is the sum of: points of the line that differ by less differ by rounding alone.
LINE_ROUNDING = 1e-9
NO_FIT = ("standard_error_why", "r_squared_why")
NO_SLOPE = "the distance is the same at every number of images, as of images that are all alike"


def as_features(features: np.ndarray) -> nn.Module:
    """A stand-in for torchmetrics' network: features go in and come out, so that they are computed once.

    Args:
        features: float (N, D).
    """
    network = nn.Identity()
    network.num_features = features.shape[1]
    return network


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance of the normal distributions fitted to two sets of features, in float64.

    d^2 = |mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))

    It is biased upward on few images, the more the more features there are: compare it only at equal counts.

    Args:
        features_a: float (N, D), N of 2 or more.
        features_b: float (M, D), M of 2 or more.

    Returns:
        0 or more. With Inception's pooled features this is FID.

    Raises:
        ValueError: fewer than two images, or features of other lengths.

    Source: Dowson and Landau (1982); Heusel et al. (2017).

    >>> round(frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])), 6)  # equal spread, 3 apart
    9.0
    """
    if features_a.shape[1:] != features_b.shape[1:] or min(len(features_a), len(features_b)) < 2:
        raise ValueError(f"need 2 or more rows of equal length, got {features_a.shape} and {features_b.shape}")
    return Normal.of(features_a).frechet_distance(features_b)


def kernel_distance(
    features_a: np.ndarray, features_b: np.ndarray, *, generator: np.random.Generator
) -> tuple[float, float]:
    """Squared maximum mean discrepancy with the cubic kernel of KID, in float64; unbiased at any number of images.

    k(x, y) = (x . y / D + 1)^3,  MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b), on random subsets

    A subset holds 1,000 images, or half of the smaller set: were it all of them, every subset would be the same.

    Args:
        features_a: float (N, D), N of 4 or more.
        features_b: float (M, D), M of 4 or more.
        generator: of the subsets.

    Returns:
        Mean over 100 subsets, about 0 (and as often below as above) for sets from one distribution, and the standard
        deviation over the subsets, which overlap: it is no standard error. With Inception's pooled features, KID.

    Raises:
        ValueError: fewer than four images.

    Kernel values are computed once for each pair of images, or, where there are so many that this would be more work,
    for each subset; a block at a time, so that memory does not grow with the number of images.

    Source: Bińkowski et al. (2018). The subsets are those of torchmetrics.

    >>> a, b = np.array([[-1.0]] * 4), np.array([[1.0]] * 4)  # k(a, a) = k(b, b) = 8, k(a, b) = 0
    >>> kernel_distance(a, b, generator=np.random.default_rng(0))
    (16.0, 0.0)
    """
    size = min(KERNEL_SUBSET_SIZE, len(features_a) // 2, len(features_b) // 2)
    if size < 2:
        raise ValueError(f"need 4 or more rows, got {features_a.shape} and {features_b.shape}")
    sets = [torch.as_tensor(part) for part in (features_a, features_b)]
    with torch.random.fork_rng(devices=[]):  # the subsets are drawn from torch's own state
        torch.manual_seed(int(generator.integers(2**31)))
        n, m = map(len, sets)
        of_pairs, of_subsets = n**2 + m**2 + n * m, 3 * KERNEL_SUBSETS * size**2  # kernel values
        scores = (_by_pairs if of_pairs <= of_subsets else _by_subsets)(*sets, size)
    return scores.mean().item(), scores.std(unbiased=False).item()


def _by_subsets(a: Tensor, b: Tensor, size: int) -> Tensor:
    """The discrepancy in every subset, each with its own kernel values: float64 (subsets,)."""
    whole = torch.ones(1, size, dtype=torch.bool)
    # One tensor that is there from the start: results made on the way would lie between the large blocks.
    scores = torch.empty(KERNEL_SUBSETS, dtype=torch.float64)
    for k in range(KERNEL_SUBSETS):
        drawn = [part[torch.randperm(len(part))[:size]] for part in (a, b)]
        scores[k] = _discrepancies(*drawn, whole, whole, size)
    return scores


def _by_pairs(a: Tensor, b: Tensor, size: int) -> Tensor:
    """The same, float64 (subsets,), from one kernel value for each pair of images; most are in several subsets."""
    drawn = [torch.zeros(KERNEL_SUBSETS, len(part), dtype=torch.bool) for part in (a, b)]
    for subset in range(KERNEL_SUBSETS):
        for part in drawn:
            part[subset, torch.randperm(part.shape[1])[:size]] = True
    return _discrepancies(a, b, *drawn, size)


def _discrepancies(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, size: int) -> Tensor:
    """The squared maximum mean discrepancy in each subset of `size` images, who is in it as in `_kernel_sums`."""
    within = sum(_kernel_sums(part, part, of, of, same=True) for part, of in ((a, of_a), (b, of_b)))
    return within / (size * (size - 1)) - 2 * _kernel_sums(a, b, of_a, of_b) / size**2


def _kernel_sums(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, *, same: bool = False) -> Tensor:
    """Sum of the kernel over the pairs of each subset, a block of rows and columns at a time.

    Args:
        a: float (N, D).
        b: float (M, D).
        of_a: bool (subsets, N), whether an image is in the subset.
        of_b: bool (subsets, M), likewise.
        same: whether the two sets are one: no image is then paired with itself, and half of the pairs tell all.

    Returns:
        float64 (subsets,).
    """
    total = torch.zeros(len(of_a), dtype=torch.float64)
    for rows in _blocks(len(a)):
        of_rows, some = a[rows].double(), of_a[:, rows].double()
        for columns in _blocks(len(b), first=rows.start if same else 0):
            values = (of_rows @ b[columns].double().T).div_(a.shape[1]).add_(1).pow_(3)
            if same:
                values = (values.triu_(1) if columns == rows else values).mul_(2)
            total += ((some @ values) * of_b[:, columns]).sum(dim=1)
    return total


def _blocks(n: int, *, first: int = 0) -> Iterator[slice]:
    return (slice(start, min(start + KERNEL_ROWS, n)) for start in range(first, n, KERNEL_ROWS))


def precision_recall(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """How much of the generated lies among the real images, and the other way round.

    precision = share of generated images within the ball of some real image that reaches to its third neighbour
    recall    = share of real images within the ball of some generated image, likewise

    Args:
        real: float (N, D), N of 4 or more.
        generated: float (G, D), G of 4 or more.

    Returns:
        precision and recall in [0, 1]. Balls shrink as images are added: compare them only at equal counts.

    Raises:
        ValueError: too few images.

    Source: Kynkäänniemi et al. (2019), eq. 1 to 3, k = 3.

    >>> real, generated = np.arange(8.0)[:, None], np.array([[3.0], [3.1], [3.2], [3.3]])  # all in the middle
    >>> precision_recall(real, generated)
    {'precision': 1.0, 'recall': 0.125}
    """
    _need(PRECISION_NEIGHBOUR + 1, real, generated)
    return compare(Neighbourhoods(real), Neighbourhoods(generated), measures=["precision"])


def density_coverage(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """How densely generated images lie among the real ones, and how many real ones have one beside them.

    density  = (1 / k G) sum over generated g and real x of 1[g lies within x's ball]
    coverage = share of real images x with a generated one within x's ball,  ball of x: to its k-th real neighbour

    Unlike precision and recall they have known values where both sets come from one distribution: 1, and
    1 - (N-1)...(N-k) / ((N+G-1)...(N+G-k)), which is 0.97 for N = G.

    Args:
        real: float (N, D), N of 6 or more.
        generated: float (G, D).

    Returns:
        density, 0 or more and possibly above 1; coverage in [0, 1].

    Raises:
        ValueError: too few images.

    Source: Naeem et al. (2020), eq. 3 and 4, k = 5.

    >>> real, generated = np.arange(12.0)[:, None], np.array([[0.0], [0.0], [0.0], [0.0], [50.0], [50.0]])
    >>> {name: round(value, 3) for name, value in density_coverage(real, generated).items()}
    {'density': 0.533, 'coverage': 0.333}
    """
    _need(DENSITY_NEIGHBOUR + 1, real)
    _need(1, generated)
    return compare(Neighbourhoods(real), Neighbourhoods(generated), measures=["density"])


def neighbourhood_measures(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """`precision_recall` and `density_coverage` together, at about half the cost.

    Args:
        real: float (N, D), N of 6 or more.
        generated: float (G, D), G of 4 or more.

    Returns:
        precision, recall, density and coverage.

    Raises:
        ValueError: too few images.
    """
    _need(DENSITY_NEIGHBOUR + 1, real)
    _need(PRECISION_NEIGHBOUR + 1, generated)
    return compare(Neighbourhoods(real), Neighbourhoods(generated))


def _need(n: int, *sets: np.ndarray) -> None:
    if min(map(len, sets)) < n:
        raise ValueError(f"need {n} or more rows, got {' and '.join(str(part.shape) for part in sets)}")


def frechet_line(real: np.ndarray | Normal, generated: np.ndarray, *, generator: np.random.Generator) -> dict[str, Any]:
    """The Fréchet distance carried on to infinitely many generated images (FID-infinity).

    d^2(n) = d^2(infinity) + slope / n, fitted by least squares to ten sizes n from a quarter of the images to all

    At each size it is the mean over as many draws as there are images for without using one twice, 4 to 1 of them.

    The reference stays as it is, so that its own share of the bias remains. With fewer images than features the
    points bend away from a line: look at them.

    Args:
        real: float (N, D), the reference, or what was fitted to it.
        generated: float (G, D), G of 12 or more.
        generator: of the draws.

    Returns:
        value (the line at 1/n = 0; a good set may come out below 0), standard_error (of the line's end, with the
        points taken as independent: they share images and the reference, so it is too small), slope, r_squared, and
        points, a list of {n, frechet}. Where all points are equal, as of images that are all alike, the line is flat,
        and standard_error and r_squared are None, with `standard_error_why` and `r_squared_why`.

    Raises:
        ValueError: too few images.

    Source: Chong and Forsyth (2020), section 3 and algorithm 1, here with random draws in place of Sobol' sequences.

    >>> rng = np.random.default_rng(0)
    >>> line = frechet_line(rng.normal(size=(5000, 4)), rng.normal(size=(400, 4)), generator=rng)
    >>> line["value"] < line["points"][-1]["frechet"] < line["points"][0]["frechet"]
    True
    """
    _need(LINE_IMAGES, generated)
    reference = Normal.of(real)
    sizes = np.linspace(LINE_SMALLEST * len(generated), len(generated), LINE_POINTS).round().astype(int)
    distances = [_mean_distance(reference, generated[generator.permutation(len(generated))], n) for n in sizes]
    points = [{"n": int(n), "frechet": value} for n, value in zip(sizes, distances, strict=True)]
    size = max(distances) + reference.variance + float((reference.mean**2).sum())
    if np.ptp(distances) <= LINE_ROUNDING * size:
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
