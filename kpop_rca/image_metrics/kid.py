"""The kernel distance of two sets of features; KID on Inception's pooled features."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

KERNEL_SUBSETS = 100
KERNEL_SUBSET_SIZE = 1000  # images at most
# And as many columns, of kernel values held at once. More leave holes in the heap that the allocator keeps, up to
# a hundred megabytes of them.
KERNEL_ROWS = 250


def subset_size(features_a: np.ndarray, features_b: np.ndarray) -> int:
    """Images in a subset of each: KERNEL_SUBSET_SIZE, or half of the smaller set."""
    return min(KERNEL_SUBSET_SIZE, len(features_a) // 2, len(features_b) // 2)


def kernel_distance(
    features_a: np.ndarray, features_b: np.ndarray, *, generator: np.random.Generator
) -> tuple[float, float]:
    """Squared maximum mean discrepancy with the cubic kernel of KID, in float64; unbiased at any number of images.

    k(x, y) = (x . y / D + 1)^3,  MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b), on random subsets

    A subset holds 1,000 images, or half of the smaller set: were it all of them, every subset would be the same.
    Kernel values are computed once for each pair of images, or, where there are so many that this would be more work,
    for each subset; a block at a time, so that memory does not grow with the number of images.

    Args:
        features_a: float (N, D), N of 4 or more.
        features_b: float (M, D), M of 4 or more.
        generator: of the subsets.

    Returns:
        Mean over 100 subsets, about 0 (and as often below as above) for sets from one distribution, and the standard
        deviation over the subsets, which overlap: it is no standard error.

    Raises:
        ValueError: fewer than four images.

    Source: Bińkowski et al. (2018). The subsets are those of torchmetrics.

    >>> a, b = np.array([[-1.0]] * 4), np.array([[1.0]] * 4)  # k(a, a) = k(b, b) = 8, k(a, b) = 0
    >>> kernel_distance(a, b, generator=np.random.default_rng(0))
    (16.0, 0.0)
    """
    size = subset_size(features_a, features_b)
    if size < 2:
        raise ValueError(f"need 4 or more rows, got {features_a.shape} and {features_b.shape}")
    sets = [torch.as_tensor(part) for part in (features_a, features_b)]
    with torch.random.fork_rng(devices=[]):  # the subsets come from torch's own state
        torch.manual_seed(int(generator.integers(2**31)))
        n, m = map(len, sets)
        of_pairs, of_subsets = n**2 + m**2 + n * m, 3 * KERNEL_SUBSETS * size**2  # kernel values
        scores = (_by_pairs if of_pairs <= of_subsets else _by_subsets)(*sets, size)
    return scores.mean().item(), scores.std(unbiased=False).item()


def whole_kernel_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """`kernel_distance` of all pairs at once, which its subsets estimate: unbiased, and without anything random.

    Args:
        features_a: float (N, D), N of 2 or more.
        features_b: float (M, D), M of 2 or more.

    Source: Gretton et al. (2012), lemma 6.

    >>> whole_kernel_distance(np.array([[-1.0]] * 2), np.array([[1.0]] * 3))
    16.0
    """
    sets = [torch.as_tensor(part) for part in (features_a, features_b)]
    if min(map(len, sets)) < 2:
        raise ValueError(f"need 2 or more rows, got {features_a.shape} and {features_b.shape}")
    every = [torch.ones(1, len(part), dtype=torch.bool) for part in sets]
    within = [_kernel_sums(part, part, of, of, same=True) for part, of in zip(sets, every, strict=True)]
    within = sum(total / (len(part) * (len(part) - 1)) for total, part in zip(within, sets, strict=True))
    return (within - 2 * _kernel_sums(*sets, *every) / (len(sets[0]) * len(sets[1]))).item()


def _by_subsets(a: Tensor, b: Tensor, size: int) -> Tensor:
    """The discrepancy in every subset, each with its own kernel values: float64 (subsets,)."""
    whole = torch.ones(1, size, dtype=torch.bool)
    # One tensor that is there from the start: results made on the way would lie between the large blocks.
    scores = torch.empty(KERNEL_SUBSETS, dtype=torch.float64)
    for k in range(KERNEL_SUBSETS):
        subsets = [part[torch.randperm(len(part))[:size]] for part in (a, b)]
        scores[k] = _discrepancies(*subsets, whole, whole, size)
    return scores


def _by_pairs(a: Tensor, b: Tensor, size: int) -> Tensor:
    """The same from one kernel value for each pair of images; most are in several subsets."""
    chosen = [torch.zeros(KERNEL_SUBSETS, len(part), dtype=torch.bool) for part in (a, b)]
    for subset in range(KERNEL_SUBSETS):
        for part in chosen:
            part[subset, torch.randperm(part.shape[1])[:size]] = True
    return _discrepancies(a, b, *chosen, size)


def _discrepancies(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, size: int) -> Tensor:
    """The squared maximum mean discrepancy in each subset of `size` images; `of_a` and `of_b` as in `_kernel_sums`."""
    within = sum(_kernel_sums(part, part, of, of, same=True) for part, of in ((a, of_a), (b, of_b)))
    return within / (size * (size - 1)) - 2 * _kernel_sums(a, b, of_a, of_b) / size**2


def _kernel_sums(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, *, same: bool = False) -> Tensor:
    """Sum of the kernel over the pairs of each subset, float64 (subsets,), a block of rows and columns at a time.

    of_a and of_b, bool (subsets, N) and (subsets, M), say whether an image is in the subset. Where the two sets are the
    same, no image is paired with itself, and half of the pairs are enough.
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
