"""Intervals by a bootstrap over real and generated images, under one oracle or several at once.

Images are resampled within each class, whose size was fixed by design, each with its predictions by every oracle.
They are not counted again but weighted, by a Dirichlet distribution, with one more image: a
wrong one for the low end of an interval, a right one for its high end. So images that are all right leave an interval
of some width; of a single proportion these are nearly the limits of Clopper and Pearson, and below some twenty images
wider ones. The weighted counts of both sides are combined as in melded intervals. The weights of n images vary as
fractions of n - 1 do: resampling n images would make intervals too short where n is 3.

Images are taken as independent. Where many photographs are near-duplicates of others the intervals are too short.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError
from kpop_rca.rca.confusion_corrected import inverses
from kpop_rca.rca.counts import row_fractions
from kpop_rca.rca.ratio import CONFIDENCE

MOST_UNDEFINED = 0.01  # fraction of replicates without a value above which an interval is not given
OF_CLASSES = ("class_rca", "class_confusion_corrected_accuracy")  # estimators that have a value for each class


def _one_more(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of an image that is wrong, anyone else alike, and of one that is right; one row per class."""
    right = np.eye(n_classes)
    return (1 - right) / (n_classes - 1), right


def _weights(counts: np.ndarray, n_replicates: int, *, generator: np.random.Generator, fewer: int = 1) -> np.ndarray:
    """Random weights (B, ..., P) of P predictions that sum to n - `fewer` images on average, n as counted in a row."""
    found = counts.sum(axis=-1, keepdims=True)
    shrunk = counts * np.maximum(found - fewer, 0.5) / found
    return generator.standard_gamma(shrunk, size=(n_replicates, *counts.shape))


def _with_one_more(
    weights: np.ndarray, more: np.ndarray, ends: Sequence[np.ndarray], sizes: np.ndarray | int
) -> np.ndarray:
    """The weights (..., P) with one more image, predicted as each of the two ends, scaled to sum to `sizes`."""
    both = np.stack([weights + more[..., None] * end for end in ends])
    return both * (np.asarray(sizes)[..., None] / both.sum(axis=-1, keepdims=True))


def resampled(
    counts: ArrayLike,
    n_replicates: int,
    *,
    generator: np.random.Generator,
    added: float | None = None,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Confusion counts of images weighted at random within each row, with one more at the low and at the high end.

    Args:
        counts: float (..., K, P), images of a class by prediction, one of P; every row with an image.
        n_replicates: B.
        added: images added to each class, in the mean: 1 / K for a mean over the classes (the default), so that it is
            one for all of them; 1 for an interval of each class.
        ends: predictions of an image that takes the estimator to its low and to its high end, (K, P) each, rows that
            sum to 1; by default those of a wrong one, anyone else alike, and of a right one.

    Returns:
        float64 (2, B, ..., K, P), at the low and at the high end; rows sum to what those of `counts` do.

    Source: Fay et al. (2015), section 3, for two proportions; Tiwari et al. (2006) for one image more in a weighted
    sum, of the mean weight; Rubin (1981) for the weights.

    >>> tables = resampled(np.diag([50, 50]), 4000, generator=np.random.default_rng(0))
    >>> low = np.quantile(np.trace(tables[0], axis1=1, axis2=2) / 100, 0.025)
    >>> print(f"{low:.2f}, {np.trace(tables[1], axis1=1, axis2=2).min():.0f}")  # Clopper and Pearson: 0.964 and 1
    0.96, 100
    """
    counts = np.asarray(counts, dtype=float)
    weights = _weights(counts, n_replicates, generator=generator)
    n_classes = counts.shape[-2]
    more = generator.standard_gamma(1 / n_classes if added is None else added, size=weights.shape[:-1])
    return _with_one_more(weights, more, _one_more(n_classes) if ends is None else ends, counts.sum(axis=-1))


def resampled_counts(
    labels: np.ndarray,
    predicted: np.ndarray,
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
    added: float | None = None,
) -> np.ndarray:
    """As `resampled`, of images that several oracles classify; of the one that is added all predict the same.

    Args:
        labels: integers (N,) in [0, K): the identity shown, or the requested one.
        predicted: integers (S, N) in [0, K): the predictions of S oracles.

    Returns:
        float64 (2, B, S, K, K), of every oracle with the same weights; row sums are the class sizes.

    >>> rng = np.random.default_rng(0)
    >>> tables = resampled_counts(np.array([0, 0, 1]), np.array([[0, 0, 1]]), 2, n_replicates=1, generator=rng)
    >>> tables.shape, tables.sum(axis=-1).round(9).tolist()
    ((2, 1, 1, 2, 2), [[[[2.0, 1.0]]], [[[2.0, 1.0]]]])
    """
    ends, tables = _one_more(n_classes), []
    for label in range(n_classes):
        of_label = predicted[:, labels == label]
        if not of_label.size:
            raise StudyError(f"class {label} has no image that was classified; add some, or leave the identity out")
        # Weighting images at random is weighting the numbers of those with the same predictions.
        combinations, occurring = np.unique(of_label.T, axis=0, return_counts=True)
        weights = _weights(occurring.astype(float), n_replicates, generator=generator)
        counts = np.stack([weights @ np.eye(n_classes)[of] for of in combinations.T], axis=1)  # (B, S, K)
        more = generator.standard_gamma(1 / n_classes if added is None else added, size=(n_replicates, 1))
        tables.append(_with_one_more(counts, more, [end[label] for end in ends], of_label.shape[1]))
    return np.stack(tables, axis=-2)


def resampled_means(
    outcomes: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    *,
    ends: tuple[np.ndarray, np.ndarray],
    added: np.ndarray,
    n_replicates: int,
    generator: np.random.Generator,
    fewer: int = 1,
) -> np.ndarray:
    """As `resampled`, means over the images of a class of whatever P numbers each image has.

    Args:
        outcomes: float (N, P). Images with the same ones are weighted together, so that their order changes nothing.
        labels: integers (N,) in [0, K).
        ends: outcomes of the image that is added, at the low and at the high end, float (K, P) each.
        added: images added to each class, in the mean, float (A, K), for A ways at once.
        fewer: how much less than n images the weights sum to; 1 for independent images.

    Returns:
        float64 (A, 2, B, K, P), at the low and at the high end; 0 for a class without images.

    >>> right, ends = np.ones((50, 1)), (np.zeros((1, 1)), np.ones((1, 1)))
    >>> how = {"ends": ends, "added": np.ones((1, 1)), "n_replicates": 4000, "generator": np.random.default_rng(0)}
    >>> means = resampled_means(right, np.zeros(50, dtype=int), 1, **how)[0]
    >>> print(f"{np.quantile(means[0], 0.025):.2f}, {means[1].min():.0f}")  # Clopper and Pearson: 0.93 and 1
    0.93, 1
    """
    means = np.zeros((len(added), 2, n_replicates, n_classes, outcomes.shape[1]))
    for label in np.unique(labels):
        distinct, occurring = np.unique(outcomes[labels == label], axis=0, return_counts=True)
        weights = _weights(occurring.astype(float), n_replicates, generator=generator, fewer=fewer)
        total, weighted = weights.sum(axis=1, keepdims=True), weights @ distinct
        for way, number in enumerate(added[:, label]):
            more = generator.standard_gamma(number, size=total.shape)
            for at, end in enumerate(ends):
                means[way, at, :, label] = (weighted + more * end[label]) / (total + more)
    return means


def statistics(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every estimator on one pair of tables or on stacks that broadcast, float (..., K, K); NaN for no value.

    Returns:
        rca, macro_rca, chance_corrected and confusion_corrected_accuracy (its mean over the classes), each (...), and
        those of OF_CLASSES, each (..., K).

    >>> found = statistics(np.array([[8, 2], [2, 8]]), np.array([[35, 65], [15, 85]]))
    >>> {name: found[name].round(3).tolist() for name in ("rca", "chance_corrected", "confusion_corrected_accuracy")}
    {'rca': 0.75, 'chance_corrected': 0.333, 'confusion_corrected_accuracy': 0.667}
    """
    real, generated = row_fractions(real_counts), row_fractions(generated_counts)
    right_real, right_generated = (np.trace(c, axis1=-2, axis2=-1) for c in (real_counts, generated_counts))
    accuracy_real = right_real / real_counts.sum(axis=(-2, -1))
    accuracy_generated = right_generated / generated_counts.sum(axis=(-2, -1))
    chance = 1 / real.shape[-1]
    recall_real, recall_generated = (np.diagonal(part, axis1=-2, axis2=-1) for part in (real, generated))
    corrected = np.einsum("...cj,...jc->...c", generated, inverses(real))  # the diagonal of Q C^(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        class_ratio = np.where(recall_real > 0, recall_generated / recall_real, np.nan)
        rca = np.where(accuracy_real > 0, accuracy_generated / accuracy_real, np.nan)
        above_chance = (accuracy_generated - chance) / (accuracy_real - chance)
    return {
        "rca": rca,
        "macro_rca": class_ratio.mean(axis=-1),
        "chance_corrected": np.where(accuracy_real > chance, above_chance, np.nan),
        "confusion_corrected_accuracy": corrected.mean(axis=-1),
        "class_rca": class_ratio,
        "class_confusion_corrected_accuracy": corrected,
    }


def at_both_ends(real: np.ndarray, generated: np.ndarray) -> dict[str, np.ndarray]:
    """Every estimator on resampled tables, float (2, B, ..., K, K) each, at the low and at the high end.

    Each falls as a generated image more is wrong. Which way one more real image takes it depends on the generator, so
    both are tried, and the lower or the higher value is kept.

    Returns:
        As `statistics`, with (2, B) in front; NaN where one of the two has no value.

    Source: Fay et al. (2015), eq. 2.
    """
    found = statistics(real[None], generated[:, None])
    return {name: np.stack([of[0].min(axis=0), of[1].max(axis=0)]) for name, of in found.items()}


def bootstrap(
    real: tuple[np.ndarray, np.ndarray],
    generated: tuple[np.ndarray, np.ndarray],
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Replicates of every estimator over real and generated images, under each of S oracles of the same images.

    Args:
        real: labels (N,) and the predictions (S, N) of held-out real images.
        generated: requested identities (G,) and the predictions (S, G) of the same oracles, in the same order.
        n_classes: K.
        n_replicates: B; an interval wants 1000 or more.

    Returns:
        As `statistics`, with (2, B, S) in front: at the low and at the high end, for `intervals`.

    Raises:
        StudyError: a class without images.
        ValueError: another number of oracles on either side.

    Source: Efron and Tibshirani (1993); see `resampled`.

    >>> rng, labels = np.random.default_rng(0), np.repeat([0, 1], 50)
    >>> real = labels ^ (np.arange(100) % 5 == 0)  # right on 80 %
    >>> generated = labels ^ (np.arange(100) % 2 == 0)  # as requested in half of the cases: class-blind
    >>> again = bootstrap((labels, real[None]), (labels, generated[None]), 2, n_replicates=2000, generator=rng)
    >>> low, high = intervals(again["confusion_corrected_accuracy"])
    >>> print(f"[{low[0]:.1f}, {high[0]:.1f}]")
    [0.3, 0.7]
    """
    if len(generated[1]) != len(real[1]):
        raise ValueError(f"{len(real[1])} oracles on real images, {len(generated[1])} on generated ones")
    how, found = {"n_replicates": n_replicates, "generator": generator}, {}
    for added in (1 / n_classes, 1.0):
        tables = [resampled_counts(*part, n_classes, added=added, **how) for part in (real, generated)]
        again = at_both_ends(*tables)
        found |= {name: values for name, values in again.items() if (name in OF_CLASSES) == (added == 1.0)}
    return found


def intervals(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval from replicates (2, B, ...) at its low and at its high end, each (...).

    NaN where more than MOST_UNDEFINED of the replicates have no value.

    Source: Fay et al. (2015), eq. 2.

    >>> low, high = intervals(np.stack([np.linspace(0, 1, 201), np.linspace(0.1, 1.1, 201)]))
    >>> print(f"{low:.3f} to {high:.3f}")
    0.025 to 1.075
    """
    tail = (1 - CONFIDENCE) / 2
    undefined = (np.isnan(replicates).mean(axis=1) > MOST_UNDEFINED).any(axis=0)
    filled = np.where(undefined, 0.0, replicates)
    quantile = np.nanquantile if np.isnan(filled).any() else np.quantile  # the second is several times faster
    low, high = (quantile(of, level, axis=0) for of, level in zip(filled, (tail, 1 - tail), strict=True))
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
