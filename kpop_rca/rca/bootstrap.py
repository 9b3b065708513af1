"""Intervals by a bootstrap over real and generated images, under one judge or several at once.

Closed forms know two independent proportions and one judge. Here the images are drawn again within each class, because
how many there are of each was fixed by design. All judges saw the same images, so an image that is drawn takes along
what every judge says of it. What is drawn of the judges themselves is in `judge_seeds`.

Of n images n - 1 are drawn. The mean of n that are drawn again varies by (n - 1) / n of what it should; with a hundred
images of a class that is nothing, with three it is a third, and the classes' intervals are all too short together.

A model was trained once, and no bootstrap over its images tells how another training would have turned out: for that,
run the study with other seeds.
"""

import numpy as np
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError
from kpop_rca.rca import fidelity
from kpop_rca.rca.ratio import CONFIDENCE

MOST_UNDEFINED = 0.01  # share of replicates without a value above which an interval is not given


def _patterns(judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different sets of answers that images got from the judges, (P, S), and how many images got each, (P,).

    Drawing images again is drawing these counts from a multinomial, whatever the number of images.
    """
    return np.unique(judged.T, axis=0, return_counts=True)


def redrawn(
    counts: ArrayLike, n_replicates: int, *, generator: np.random.Generator, sizes: ArrayLike | None = None
) -> np.ndarray:
    """Counts of images drawn again with replacement, within each row.

    Args:
        counts: integers (..., P), how many images of a row got each of P answers; every row with an image.
        n_replicates: B, 1 or more.
        generator: of the draws.
        sizes: integers (...) or one for all rows, of the images that are drawn again; as many as there are, by
            default. One less than that is drawn, of one image that one.

    Returns:
        int64 (B, ..., P), rows that sum to `sizes` - 1.

    Source: McCarthy and Snowden (1985), for the means of strata: with n - 1 their variance is unbiased.

    >>> redrawn(np.array([[3, 0], [0, 4]]), 1, generator=np.random.default_rng(0))
    array([[[2, 0],
            [0, 3]]])
    """
    counts = np.asarray(counts)
    found, size = counts.sum(axis=-1), (n_replicates, *counts.shape[:-1])
    drawn = np.maximum((found if sizes is None else np.asarray(sizes)) - 1, 1)
    return generator.multinomial(drawn, counts / found[..., None], size=size)


def resampled_counts(
    labels: np.ndarray,
    judged: np.ndarray,
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Confusion counts of images drawn again with replacement, within each class.

    Args:
        labels: integers (N,) in [0, K): the identity shown, or the one asked for.
        judged: integers (S, N) in [0, K): what each of S judges says of each image.
        n_classes: K.
        n_replicates: B, 1 or more.
        generator: of the draws.

    Returns:
        int64 (B, S, K, K), of every judge on the same images; row sums are the class sizes less 1, see `redrawn`.

    Raises:
        StudyError: a class without images.

    >>> rng = np.random.default_rng(0)
    >>> resampled_counts(np.array([0, 0, 1]), np.array([[0, 0, 1]]), 2, n_replicates=1, generator=rng)
    array([[[[1, 0],
             [0, 1]]]])
    """
    counts = np.zeros((n_replicates, len(judged), n_classes, n_classes), dtype=np.int64)
    for label in range(n_classes):
        of_label = judged[:, labels == label]
        if not of_label.size:
            raise StudyError(f"class {label} has no image that was judged; add some, or leave the identity out")
        answers, occurring = _patterns(of_label)
        drawn = redrawn(occurring, n_replicates, generator=generator)
        for judge, says in enumerate(answers.T):
            counts[:, judge, label] = drawn @ np.eye(n_classes, dtype=np.int64)[says]
    return counts


def statistics(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every estimator on one pair of tables or on a stack of pairs; NaN where one has no value.

    Args:
        real_counts: float (..., K, K).
        generated_counts: float (..., K, K).

    Returns:
        rca, macro_rca, chance_corrected and fidelity, each (...), and class_rca and class_fidelity, each (..., K).
        `fidelity` is the mean over the classes, as for a generator that was asked for each equally often.

    Source: each as the function of its name, in `ratio` and `fidelity`.

    >>> found = statistics(np.array([[8, 2], [2, 8]]), np.array([[35, 65], [15, 85]]))
    >>> {name: found[name].round(3).tolist() for name in ("rca", "chance_corrected", "fidelity", "class_fidelity")}
    {'rca': 0.75, 'chance_corrected': 0.333, 'fidelity': 0.667, 'class_fidelity': [0.25, 1.083]}
    """
    real, generated = fidelity.label_shares(real_counts), fidelity.label_shares(generated_counts)
    right_real, right_generated = (np.trace(c, axis1=-2, axis2=-1) for c in (real_counts, generated_counts))
    accuracy_real = right_real / real_counts.sum(axis=(-2, -1))
    accuracy_generated = right_generated / generated_counts.sum(axis=(-2, -1))
    chance = 1 / real.shape[-1]
    recall_real, recall_generated = (np.diagonal(part, axis1=-2, axis2=-1) for part in (real, generated))
    class_fidelity = np.einsum("...cj,...jc->...c", generated, fidelity.inverses(real))  # the diagonal of Q C^(-1)
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
        n_replicates: B; a percentile interval wants 1000 or more.
        generator: of the draws.

    Returns:
        As `statistics`, with (B, S) in front.

    Raises:
        StudyError: a class without images.
        ValueError: another number of judges on either side.

    >>> rng, labels = np.random.default_rng(0), np.repeat([0, 1], 50)
    >>> real = labels ^ (np.arange(100) % 5 == 0)  # right on 80 %
    >>> drawn = labels ^ (np.arange(100) % 2 == 0)  # as asked for in half of the cases: class-blind
    >>> replicates = bootstrap((labels, real[None]), (labels, drawn[None]), 2, n_replicates=2000, generator=rng)
    >>> low, high = intervals(replicates["fidelity"])
    >>> print(f"[{low[0]:.2f}, {high[0]:.2f}]")
    [0.32, 0.66]

    Source: Efron and Tibshirani (1993).
    """
    if len(generated[1]) != len(real[1]):
        raise ValueError(f"{len(real[1])} judges on real images, {len(generated[1])} on generated ones")
    return statistics(
        *(
            resampled_counts(*part, n_classes, n_replicates=n_replicates, generator=generator)
            for part in (real, generated)
        )
    )


def intervals(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval (95 %) of bootstrap replicates.

    Args:
        replicates: float (B, ...).

    Returns:
        Low and high, each (...); NaN where more than MOST_UNDEFINED of the replicates have no value.

    Source: Efron and Tibshirani (1993), section 13.3.

    >>> low, high = intervals(np.linspace(0, 1, 201))
    >>> print(f"{low:.3f} to {high:.3f}")
    0.025 to 0.975
    """
    tail = (1 - CONFIDENCE) / 2
    undefined = np.isnan(replicates).mean(axis=0) > MOST_UNDEFINED
    filled = np.where(undefined, 0.0, replicates)
    quantile = np.nanquantile if np.isnan(filled).any() else np.quantile  # the second is several times faster
    low, high = quantile(filled, [tail, 1 - tail], axis=0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
