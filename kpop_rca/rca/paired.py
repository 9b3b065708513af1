"""What becomes of identity when the same images are changed: accuracy before and after, and RCA.

Images are resampled within each class as in `bootstrap`, each with its outcome before and after; one image is added
that takes the difference to its low and to its high end.
"""

import numpy as np

from kpop_rca.rca.bootstrap import intervals, resampled_means
from kpop_rca.rca.ratio import INCONCLUSIVE

NO_CHANGE_LIMIT = 0.05  # change of an accuracy within which it counts as none
RISES, FALLS, NO_CHANGE = "rises", "falls", "no effect"


def _class_means(
    outcomes: np.ndarray, labels: np.ndarray, ends: tuple[list[float], list[float]], **how: object
) -> np.ndarray:
    """Replicates (2, B, P) of the mean over the classes of outcomes (N, P); `ends` are those of the image added."""
    n_classes = int(labels.max()) + 1
    both = tuple(np.tile(np.array(end, dtype=float), (n_classes, 1)) for end in ends)
    added = np.full((1, n_classes), 1 / n_classes)
    return resampled_means(outcomes, labels, n_classes, ends=both, added=added, **how)[0].mean(axis=2)


def _mean(outcomes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean over the classes of the means of each, (P,)."""
    return np.mean([outcomes[labels == label].mean(axis=0) for label in np.unique(labels)], axis=0)


def paired_accuracy(
    before: np.ndarray, after: np.ndarray, labels: np.ndarray, *, n_replicates: int, generator: np.random.Generator
) -> dict[str, float]:
    """Accuracy, macro, of the same images before and after a change, and the difference, with 95 % intervals.

    Args:
        before, after: whether each image is predicted right, bool (N,).
        labels: integers (N,) in [0, K), each of which occurs.
        n_replicates: of the bootstrap.

    Returns:
        before, after and change, each with its `_low` and `_high`.

    >>> before, after = np.arange(100) % 4 == 0, np.arange(100) % 2 == 0
    >>> rng = np.random.default_rng(0)
    >>> found = paired_accuracy(before, after, np.repeat([0, 1], 50), n_replicates=2000, generator=rng)
    >>> {name: round(found[name], 2) for name in ("before", "after", "change", "change_low", "change_high")}
    {'before': 0.25, 'after': 0.5, 'change': 0.25, 'change_low': 0.16, 'change_high': 0.34}
    """
    outcomes = np.stack([before, after, after.astype(float) - before], axis=1).astype(float)
    how = {"n_replicates": n_replicates, "generator": generator}
    low, high = intervals(_class_means(outcomes, labels, ([0, 0, -1], [1, 1, 1]), **how))
    rows = zip(("before", "after", "change"), _mean(outcomes, labels), low, high, strict=True)
    return {
        key: float(v) for name, *of in rows for key, v in zip((name, f"{name}_low", f"{name}_high"), of, strict=True)
    }


def paired_rca(
    real: tuple[np.ndarray, np.ndarray],
    generated: tuple[np.ndarray, np.ndarray],
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> dict[str, float]:
    """RCA, macro accuracy of generated images over that of real ones, before and after both are changed alike.

    Args:
        real: whether each is predicted right before and after, bool (N, 2), and labels (N,).
        generated: the same of generated images.

    Returns:
        before, after, change, change_low and change_high.

    >>> right, labels = np.repeat([[False, True], [True, True]], 50, axis=0), np.arange(100) % 2
    >>> rng = np.random.default_rng(0)
    >>> found = paired_rca((right, labels), (right, labels), n_replicates=2000, generator=rng)
    >>> found["before"], found["after"], found["change"]
    (1.0, 1.0, 0.0)
    """
    sides = [(right.astype(float), labels) for right, labels in (real, generated)]
    opposed = [([0, 1], [1, 0]), ([1, 0], [0, 1])]  # a change of RCA is low where real images gain and others lose
    how = {"n_replicates": n_replicates, "generator": generator}
    of_real, of_generated = (_class_means(*side, ends, **how) for side, ends in zip(sides, opposed, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):  # where no real image is predicted right
        replicates = of_generated / of_real
        low, high = intervals(replicates[..., 1] - replicates[..., 0])
    before, after = _mean(*sides[1]) / _mean(*sides[0])
    values = {"before": before, "after": after, "change": after - before, "change_low": low, "change_high": high}
    return {name: float(value) for name, value in values.items()}


def change_verdict(low: float, high: float) -> str:
    """What an interval of a change says; "no effect" where all of it is within NO_CHANGE_LIMIT.

    >>> [change_verdict(*ends) for ends in ((0.01, 0.2), (-0.2, -0.01), (-0.02, 0.03), (-0.1, 0.1))]
    ['rises', 'falls', 'no effect', 'inconclusive']
    """
    if low >= -NO_CHANGE_LIMIT and high <= NO_CHANGE_LIMIT:
        return NO_CHANGE
    if low > 0:
        return RISES
    return FALLS if high < 0 else INCONCLUSIVE
