"""As whom generated faces are predicted: drift towards some identities, and confusion within look-alike groups.

Groups are a partition of the class numbers 0 to K-1; ValueError for a class that is in none or in two.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm
from statsmodels.stats import proportion

from kpop_rca.rca.bootstrap import intervals, resampled
from kpop_rca.rca.counts import checked, class_sizes, class_titles, row_fractions
from kpop_rca.rca.ratio import CONFIDENCE, difference_interval, equal_proportions, holm

MOST_SPLITS = 10_000  # of the permutation test; beyond that many they are sampled

Groups = Sequence[Sequence[int]]


def predicted_class_frequencies(counts: ArrayLike, *, classes: Sequence[Any] | None = None) -> pd.DataFrame:
    """As whom the images are predicted, whatever was requested; uneven frequencies show a directional collapse.

    fraction_k = sum_c n_ck / sum_cj n_cj, with its Wilson 95 % interval

    Returns:
        One row per class: class, n_predicted, fraction, low, high, and requested, the fraction conditioned on it.

    Source: paper, sections 5.4 and 6.3; Wilson (1927).

    >>> predicted_class_frequencies([[30, 10], [40, 0]])[["class", "n_predicted", "fraction", "requested"]]
      class  n_predicted  fraction  requested
    0     0           70     0.875        0.5
    1     1           10     0.125        0.5
    """
    counts = checked(counts)
    total, n_predicted = counts.sum(), counts.sum(axis=0)
    low, high = proportion.proportion_confint(n_predicted, total, alpha=1 - CONFIDENCE, method="wilson")
    fractions = {"n_predicted": n_predicted, "fraction": n_predicted / total, "low": low, "high": high}
    return pd.DataFrame({"class": class_titles(counts, classes), **fractions, "requested": counts.sum(axis=1) / total})


def strongest_confusions(
    counts: ArrayLike, top: int, *, classes: Sequence[Any] | None = None, real_counts: ArrayLike | None = None
) -> pd.DataFrame:
    """The most frequent errors with their direction: conditioned on this, predicted as that.

    Args:
        top: at most so many rows.
        real_counts: (K, K) of real images by the same oracle, to show which errors are its own.

    Returns:
        One row per pair that occurs, the largest fraction first: condition, predicted_as, count, fraction (of the
        condition's images) and, with `real_counts`, fraction_real, that of the person's real images.

    Source: paper, sections 5.2.3 and 6.2.

    >>> strongest_confusions([[7, 3, 0], [0, 9, 1], [4, 0, 6]], 2)
      condition predicted_as  count  fraction
    0         2            0      4       0.4
    1         0            1      3       0.3
    """
    counts = checked(counts)
    names = np.array(class_titles(counts, classes), dtype=object)
    condition, predicted = np.nonzero(counts * (1 - np.eye(len(counts), dtype=int)))
    count = counts[condition, predicted]
    table = pd.DataFrame({"condition": names[condition], "predicted_as": names[predicted], "count": count})
    table["fraction"] = count / counts.sum(axis=1)[condition]
    if real_counts is not None:
        table["fraction_real"] = row_fractions(checked(real_counts))[condition, predicted]
    return table.sort_values("fraction", ascending=False, kind="stable").head(top).reset_index(drop=True)


def _look_alikes(groups: Groups, n_classes: int) -> np.ndarray:
    """Whether two classes are others of one group, bool (K, K)."""
    if sorted(c for group in groups for c in group) != list(range(n_classes)):
        raise ValueError(f"groups must hold each of the {n_classes} classes once, got {groups}")
    group_of = np.empty(n_classes, dtype=np.int64)
    for number, group in enumerate(groups):
        group_of[list(group)] = number
    return (group_of[:, None] == group_of) & ~np.eye(n_classes, dtype=bool)


def group_confusion(counts: ArrayLike, groups: Groups) -> dict[str, float]:
    """How many of the errors stay within groups of look-alikes, against an even spread over the other classes.

    fraction_within = errors within a group / all errors
    fraction_if_even = sum_c errors_c (|group of c| - 1) / (K - 1) / all errors

    Returns:
        n_errors, n_within, fraction_within and fraction_if_even (both NaN where there are no errors).

    Source: paper, section 6.2 ("intra-gender misclassification").

    >>> group_confusion([[7, 2, 1], [3, 7, 0], [1, 1, 8]], [[0, 1], [2]])
    {'n_errors': 8, 'n_within': 5, 'fraction_within': 0.625, 'fraction_if_even': 0.375}
    """
    counts = checked(counts)
    same = _look_alikes(groups, len(counts))
    errors = counts - np.diag(np.diag(counts))
    total, within = errors.sum(), errors[same].sum()
    even = (errors.sum(axis=1) * same.sum(axis=1)).sum() / (len(counts) - 1)
    fractions = (float(within / total), float(even / total)) if total else (math.nan, math.nan)
    counted = {"n_errors": int(total), "n_within": int(within)}
    return counted | dict(zip(("fraction_within", "fraction_if_even"), fractions, strict=True))


def _net(counts: np.ndarray, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Net flows between pairs of classes, and their variances: those of two proportions with half an image added."""
    sizes, fractions = counts.sum(axis=1), row_fractions(counts)
    padded = (counts + 0.5) / (sizes[:, None] + 1)
    variances = padded * (1 - padded) / sizes[:, None]
    forth, back = (source, target), (target, source)
    return fractions[forth] - fractions[back], variances[forth] + variances[back]


def directed_flows(
    counts: ArrayLike, *, classes: Sequence[Any] | None = None, real_counts: ArrayLike | None = None
) -> pd.DataFrame:
    """The asymmetric part of the confusion: between which two identities the errors run one way.

    net_ab = n_ab / n_a - n_ba / n_b, the fraction of a predicted as b less that of b predicted as a

    A flow of generated images that real ones do not have is a drift of the generator towards b.

    Args:
        real_counts: (K, K) of real images by the same oracle, to show which flows are its own.

    Returns:
        One row for each of the K (K - 1) / 2 pairs, the largest flow first: source (requested), target (predicted),
        forth and back (fractions), net (0 or more), low, high (95 %, one pair at a time), and p of net = 0 (two-sided
        score test), corrected by Holm for the number of pairs. With `real_counts` also net_real, the net flow the same
        way between the real images of the two, drift = net - net_real, drift_low and drift_high (95 %, one pair at a
        time), and p is that of drift = 0.

    Source: paper, section 6.3; Newcombe (1998); Holm (1979). For the variance of a drift half an image is added, as
    Haldane (1956) does, so that what never occurred has one.

    >>> directed_flows([[60, 40, 0], [10, 85, 5], [0, 5, 95]]).round(3)
      source target  forth  back  net    low   high    p
    0      0      1   0.40  0.10  0.3  0.183  0.408  0.0
    1      0      2   0.00  0.00  0.0 -0.037  0.037  1.0
    2      1      2   0.05  0.05  0.0 -0.068  0.068  1.0
    """
    counts = checked(counts)
    names = class_titles(counts, classes)
    sizes = class_sizes(counts, classes=names, kind="generated")
    if real_counts is not None:
        class_sizes(checked(real_counts), classes=names, kind="real")
    rows = []
    for pair in combinations(range(len(counts)), 2):
        a, b = sorted(pair, key=lambda c: counts[c, sum(pair) - c] / sizes[c], reverse=True)
        forth, back = (counts[a, b], sizes[a]), (counts[b, a], sizes[b])
        low, high = difference_interval(forth, back)
        fractions = {"forth": forth[0] / forth[1], "back": back[0] / back[1]}
        ends = {"source": names[a], "target": names[b]}
        rows.append(ends | fractions | {"low": low, "high": high, "p": equal_proportions(forth, back)})
    table = pd.DataFrame(rows)
    table.insert(4, "net", table["forth"] - table["back"])
    if real_counts is not None:
        real, number = checked(real_counts), {name: c for c, name in enumerate(names)}
        ends = [table[end].map(number).to_numpy() for end in ("source", "target")]
        (_, variance), (net_real, variance_real) = _net(counts, *ends), _net(real, *ends)
        drift, error = table["net"] - net_real, np.sqrt(variance + variance_real)
        reach = norm.isf((1 - CONFIDENCE) / 2) * error
        table = table.drop(columns="p").assign(net_real=net_real, drift=drift)
        table = table.assign(drift_low=drift - reach, drift_high=drift + reach, p=2 * norm.sf(np.abs(drift) / error))
    table["p"] = holm(table["p"])
    return table.sort_values("net", ascending=False, kind="stable", ignore_index=True)


def _equal_splits(sizes: Sequence[int], members: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Every way to split the members into groups of these sizes; groups of one size are interchangeable."""
    if not sizes:
        yield []
        return
    first = members[0]  # it lies in exactly one group: that fixes which of the equal groups comes first
    for size in sorted(set(sizes)):
        rest_sizes = list(sizes)
        rest_sizes.remove(size)
        for others in combinations(members[1:], size - 1):
            group = (first, *others)
            rest = tuple(m for m in members if m not in group)
            for split in _equal_splits(rest_sizes, rest):
                yield [group, *split]


def _random_splits(
    sizes: Sequence[int], n_classes: int, n_splits: int, *, generator: np.random.Generator
) -> Iterator[list[tuple[int, ...]]]:
    edges = np.cumsum(sizes)[:-1]
    for _ in range(n_splits):
        yield [tuple(group) for group in np.split(generator.permutation(n_classes), edges)]


def _rate_within(fractions: np.ndarray, look_alikes: np.ndarray) -> np.ndarray:
    """Mean over the classes of the fraction predicted as somebody else of the group; (..., K, K) to (...)."""
    return (fractions * look_alikes).sum(axis=(-2, -1)) / len(look_alikes)


def _seldom_and_often_within(look_alikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How right images are predicted, and images that are predicted as another of the group, (K, K) each."""
    right = np.eye(len(look_alikes))
    n_others = look_alikes.sum(axis=1, keepdims=True)
    return right, np.where(n_others > 0, look_alikes / np.maximum(n_others, 1), right)  # whoever is alone is right


def within_group_rate(counts: ArrayLike, groups: Groups) -> float:
    """How often an image of one person is predicted as a look-alike: the mean over the classes, of their images.

    rate = (1/K) sum_c sum_{j in the group of c, j != c} n_cj / n_c, NaN where a class has no image

    Source: ours, see `group_excess`.

    >>> round(within_group_rate([[7, 2, 1], [3, 7, 0], [1, 1, 8]], [[0, 1], [2]]), 3)  # (0.2 + 0.3 + 0) / 3
    0.167
    """
    counts = checked(counts)
    return float(_rate_within(row_fractions(counts), _look_alikes(groups, len(counts))))


def group_excess(
    real_counts: ArrayLike,
    generated_counts: ArrayLike,
    groups: Groups,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Whether generated faces are confused within look-alike groups more than the oracle confuses real ones.

        excess = within_group_rate(generated) - within_group_rate(real)

    The fraction of the *errors* that stay within the groups can hardly rise where the oracle's own nearly all do.

    Permutation test: the same difference for every other split of the identities into groups of the same sizes. Were
    the generator's additional errors blind to these groups, the true split would be no more extreme than another.

    Args:
        groups: two or more.
        n_replicates: B of the bootstrap.
        generator: of the bootstrap, and of MOST_SPLITS splits where there are more (20 classes in two groups have
            92,378).

    Returns:
        rate_within_real, rate_within_generated, excess, ci95 (over the images of each class, see `resampled`; all four
        None or NaN where a class has no image), p (one-sided: the fraction of splits, the true one among them, with
        an excess at least as large), n_splits, and all_splits, whether these are all that there are.

    Raises:
        ValueError: groups that are no partition, or a single one, which everyone is within.

    Source: paper, section 6.2, whose claim lacks the comparison; Phipson and Smyth (2010) on counting the true split.

    >>> real = [[8, 1, 1, 0], [1, 8, 0, 1], [0, 1, 8, 1], [1, 0, 1, 8]]
    >>> generated = [[20, 70, 5, 5], [70, 20, 5, 5], [5, 5, 20, 70], [5, 5, 70, 20]]
    >>> rng = np.random.default_rng(0)
    >>> found = group_excess(real, generated, [[0, 1], [2, 3]], n_replicates=1000, generator=rng)
    >>> names = ("rate_within_real", "rate_within_generated", "excess", "p", "n_splits")
    >>> [round(found[name], 3) for name in names]  # the best of three splits
    [0.1, 0.7, 0.6, 0.333, 3]
    """
    both = {"real": checked(real_counts), "generated": checked(generated_counts)}
    n_classes = len(both["real"])
    look_alikes = _look_alikes(groups, n_classes)
    if len(groups) < 2:
        raise ValueError("a single group holds every confusion; name two or more")
    sizes = [len(group) for group in groups]
    splits = list(islice(_equal_splits(sizes, tuple(range(n_classes))), MOST_SPLITS + 1))
    all_splits = len(splits) <= MOST_SPLITS
    if not all_splits:
        splits = [groups, *_random_splits(sizes, n_classes, MOST_SPLITS - 1, generator=generator)]
    fractions = {name: row_fractions(counts) for name, counts in both.items()}
    added = fractions["generated"] - fractions["real"]
    excesses = np.array([_rate_within(added, _look_alikes(split, n_classes)) for split in splits])
    excess = float(_rate_within(added, look_alikes))
    found = {f"rate_within_{name}": float(_rate_within(of, look_alikes)) for name, of in fractions.items()}
    found |= {"excess": excess, "ci95": None, "p": math.nan, "n_splits": len(splits), "all_splits": all_splits}
    if math.isnan(excess):
        return found
    ends = _seldom_and_often_within(look_alikes)
    replicates = {name: resampled(c, n_replicates, generator=generator, ends=ends) for name, c in both.items()}
    again = {name: _rate_within(row_fractions(tables), look_alikes) for name, tables in replicates.items()}
    limits = intervals(again["generated"] - again["real"][::-1])  # the fewest of the one less the most of the other
    return found | {"ci95": [float(end) for end in limits], "p": float((excesses >= excess - 1e-12).mean())}
