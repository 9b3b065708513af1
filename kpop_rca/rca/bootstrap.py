"""Intervals by a bootstrap over real and generated images, under one judge or several at once.

Closed forms know two independent proportions and one judge. Here the images are drawn again within each class, because
how many there are of each was fixed by design. All judges saw the same images, so an image that is drawn takes along
what every judge says of it. What is drawn of the judges themselves is in `judge_seeds`.

A plain bootstrap draws nothing but what it has: of images that are all judged right no redraw has a wrong one, and its
interval has no width. So images are not counted again but weighted, by a Dirichlet distribution, and one more image is
added: a wrong one for the low end of an interval, a right one for its high end. For a single proportion these are the
exact limits of Clopper and Pearson; the weighted draws of both sides are combined as in melded intervals.

Weights of n images vary as shares of n - 1 do: the mean of n that are drawn again varies by (n - 1) / n of what it
should, which with a hundred images of a class is nothing, but with three of each makes all intervals too short.

A model was trained once, and no bootstrap over its images tells how another training would have turned out: for that,
run the study with other seeds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError
from kpop_rca.rca.confusion_corrected import inverses, label_shares
from kpop_rca.rca.ratio import CONFIDENCE

MOST_UNDEFINED = 0.01  # share of replicates without a value above which an interval is not given


def _patterns(judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different sets of answers that images got from the judges, (P, S), and how many images got each, (P,).

    Weighting images at random is weighting these counts by a Dirichlet distribution, whatever the number of images.
    """
    return np.unique(judged.T, axis=0, return_counts=True)


def _one_more(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """How an image that is wrong, anyone else alike, and one that is right are judged; (K, K) each, a row a class."""
    right = np.eye(n_classes)
    return (1 - right) / (n_classes - 1), right


def _weights(counts: np.ndarray, n_replicates: int, *, generator: np.random.Generator) -> np.ndarray:
    """Random weights (B, ..., P) of P answers that sum to n - 1 images on average, n as counted in a row."""
    found = counts.sum(axis=-1, keepdims=True)
    shrunk = counts * np.maximum(found - 1, 0.5) / found
    return generator.standard_gamma(shrunk, size=(n_replicates, *counts.shape))


def _with_one_more(
    weights: np.ndarray, more: np.ndarray, ends: Sequence[np.ndarray], sizes: np.ndarray | int
) -> np.ndarray:
    """The weights (..., P) with one more image, judged as each of the two ends (..., P), scaled to sum to `sizes`."""
    both = np.stack([weights + more[..., None] * end for end in ends])
    return both * (np.asarray(sizes)[..., None] / both.sum(axis=-1, keepdims=True))


def redrawn(
    counts: ArrayLike,
    n_replicates: int,
    *,
    generator: np.random.Generator,
    added: float | None = None,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Confusion counts of images weighted at random within each row, with one more at the low and at the high end.

    Args:
        counts: float (..., K, P), how many images of a class got each of P answers; every row with an image.
        n_replicates: B, 1 or more.
        generator: of the weights.
        added: images added to each class, in the mean: 1 / K for a mean over the classes (the default), so that it is
            one for all of them; 1 for an interval of each class.
        ends: how an image is judged that takes the estimator to its low and to its high end, (K, P) each, rows that sum
            to 1; by default (K, K) of a wrong one, anyone else alike, and a right one.

    Returns:
        float64 (2, B, ..., K, P), at the low and at the high end; rows sum to what those of `counts` do.

    Source: Fay et al. (2015), section 3, for two proportions; Tiwari et al. (2006) for one image more in a weighted
    sum, of the mean weight; Rubin (1981) for the weights.

    >>> drawn = redrawn(np.diag([50, 50]), 4000, generator=np.random.default_rng(0))
    >>> low = np.quantile(np.trace(drawn[0], axis1=1, axis2=2) / 100, 0.025)
    >>> print(f"{low:.2f}, {np.trace(drawn[1], axis1=1, axis2=2).min():.0f}")  # Clopper and Pearson: 0.964 and 1
    0.96, 100
    """
    counts = np.asarray(counts, dtype=float)
    weights = _weights(counts, n_replicates, generator=generator)
    n_classes = counts.shape[-2]
    more = generator.standard_gamma(1 / n_classes if added is None else added, size=weights.shape[:-1])
    return _with_one_more(weights, more, _one_more(n_classes) if ends is None else ends, counts.sum(axis=-1))


def resampled_counts(
    labels: np.ndarray,
    judged: np.ndarray,
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
    added: float | None = None,
) -> np.ndarray:
    """As `redrawn`, of images that several judges saw; of the one that is added they all say the same.

    Args:
        labels: integers (N,) in [0, K): the identity shown, or the one asked for.
        judged: integers (S, N) in [0, K): what each of S judges says of each image.
        n_classes: K.
        n_replicates: B, 1 or more.
        generator: of the weights.
        added: see `redrawn`.

    Returns:
        float64 (2, B, S, K, K), of every judge with the same weights; row sums are the class sizes.

    Raises:
        StudyError: a class without images.

    >>> rng = np.random.default_rng(0)
    >>> drawn = resampled_counts(np.array([0, 0, 1]), np.array([[0, 0, 1]]), 2, n_replicates=1, generator=rng)
    >>> drawn.shape, drawn.sum(axis=-1).round(9).tolist()
    ((2, 1, 1, 2, 2), [[[[2.0, 1.0]]], [[[2.0, 1.0]]]])
    """
    ends, tables = _one_more(n_classes), []
    for label in range(n_classes):
        of_label = judged[:, labels == label]
        if not of_label.size:
            raise StudyError(f"class {label} has no image that was judged; add some, or leave the identity out")
        answers, occurring = _patterns(of_label)
        weights = _weights(occurring.astype(float), n_replicates, generator=generator)
        said = np.stack([weights @ np.eye(n_classes)[says] for says in answers.T], axis=1)  # (B, S, K)
        more = generator.standard_gamma(1 / n_classes if added is None else added, size=(n_replicates, 1))
        tables.append(_with_one_more(said, more, [end[label] for end in ends], of_label.shape[1]))
    return np.stack(tables, axis=-2)


def statistics(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every estimator on one pair of tables or on a stack of pairs; NaN where one has no value.

    Args:
        real_counts: float (..., K, K).
        generated_counts: float (..., K, K), of a shape that broadcasts with the other's.

    Returns:
        rca, macro_rca, chance_corrected and fidelity, each (...), and class_rca and class_fidelity, each (..., K).
        `fidelity` is the mean over the classes, as for a generator that was asked for each equally often.

    Source: each as the function of its name, in `ratio` and `fidelity`.

    >>> found = statistics(np.array([[8, 2], [2, 8]]), np.array([[35, 65], [15, 85]]))
    >>> {name: found[name].round(3).tolist() for name in ("rca", "chance_corrected", "fidelity", "class_fidelity")}
    {'rca': 0.75, 'chance_corrected': 0.333, 'fidelity': 0.667, 'class_fidelity': [0.25, 1.083]}
    """
    real, generated = label_shares(real_counts), label_shares(generated_counts)
    right_real, right_generated = (np.trace(c, axis1=-2, axis2=-1) for c in (real_counts, generated_counts))
    accuracy_real = right_real / real_counts.sum(axis=(-2, -1))
    accuracy_generated = right_generated / generated_counts.sum(axis=(-2, -1))
    chance = 1 / real.shape[-1]
    recall_real, recall_generated = (np.diagonal(part, axis1=-2, axis2=-1) for part in (real, generated))
    class_fidelity = np.einsum("...cj,...jc->...c", generated, inverses(real))  # the diagonal of Q C^(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        class_ratio = np.where(recall_real > 0, recall_generated / recall_real, np.nan)
        found = {
            "rca": np.where(accuracy_real > 0, accuracy_generated / accuracy_real, np.nan),
            "macro_rca": class_ratio.mean(axis=-1),
            "chance_corrected": np.where(
                accuracy_real > chance, (accuracy_generated - chance) / (accuracy_real - chance), np.nan
            ),
        }
    return found | {
        "fidelity": class_fidelity.mean(axis=-1),
        "class_rca": class_ratio,
        "class_fidelity": class_fidelity,
    }


OF_CLASSES = ("class_rca", "class_fidelity")  # of the estimators those that have a value for each class


def at_both_ends(real: np.ndarray, generated: np.ndarray) -> dict[str, np.ndarray]:
    """Every estimator on tables drawn again, at the low and at the high end.

    Each falls as a generated image more is wrong. Which way one more real image takes it depends: a judge that errs
    more leaves more to take out, but of a generator that is wrong more often than by chance this leaves less. So both
    are tried, and the lower or the higher value is kept.

    Args:
        real: float (2, B, ..., K, K), from `redrawn` or `resampled_counts`.
        generated: float (2, B, ..., K, K), the same.

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
    """Replicates of every estimator over real and generated images, under each of S judges that see the same images.

    Args:
        real: labels (N,) and the judges' answers (S, N) on held-out real images.
        generated: identities asked for (G,) and the answers (S, G) of the same judges, in the same order.
        n_classes: K.
        n_replicates: B; an interval wants 1000 or more.
        generator: of the draws.

    Returns:
        As `statistics`, with (2, B, S) in front: at the low and at the high end, for `intervals`.

    Raises:
        StudyError: a class without images.
        ValueError: another number of judges on either side.

    >>> rng, labels = np.random.default_rng(0), np.repeat([0, 1], 50)
    >>> real = labels ^ (np.arange(100) % 5 == 0)  # right on 80 %
    >>> drawn = labels ^ (np.arange(100) % 2 == 0)  # as asked for in half of the cases: class-blind
    >>> again = bootstrap((labels, real[None]), (labels, drawn[None]), 2, n_replicates=2000, generator=rng)
    >>> low, high = intervals(again["fidelity"])
    >>> print(f"[{low[0]:.1f}, {high[0]:.1f}]")
    [0.3, 0.7]

    Source: Efron and Tibshirani (1993); see `redrawn`.
    """
    if len(generated[1]) != len(real[1]):
        raise ValueError(f"{len(real[1])} judges on real images, {len(generated[1])} on generated ones")
    how, found = {"n_replicates": n_replicates, "generator": generator}, {}
    for added in (1 / n_classes, 1.0):
        tables = [resampled_counts(*part, n_classes, added=added, **how) for part in (real, generated)]
        again = at_both_ends(*tables)
        found |= {name: values for name, values in again.items() if (name in OF_CLASSES) == (added == 1.0)}
    return found


def intervals(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval (95 %) from replicates at its low and at its high end.

    Args:
        replicates: float (2, B, ...), see `redrawn`.

    Returns:
        Low, the quantile of 2.5 % of the first, and high, that of 97.5 % of the second, each (...); NaN where more than
        MOST_UNDEFINED of the replicates have no value.

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
