"""What the trials of the metric share: estimates with their intervals, what they should say, and halves of the faces.

Real faces play a generator, so that what it "drew" is known. The images that do are never those that estimate the
judge's confusion: an image in both would agree with itself, and flatter every estimator.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import at_both_ends, statistics
from kpop_rca.rca.fidelity import LARGEST_CONDITION

TITLES = {"rca": "RCA", "chance_corrected": "chance-corrected ratio", "fidelity": "identity fidelity"}
ESTIMATORS = tuple(TITLES)  # those of one number with an interval
BOOTSTRAPPED = ("chance_corrected", "fidelity")  # whose interval is that of `rca.intervals`

Parts = tuple[np.ndarray, np.ndarray]  # indices of the images that play the generator, and of those for the confusion
Estimates = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # value, low and high by estimator


def halves(labels: np.ndarray, *, generator: np.random.Generator) -> Parts:
    """A random half of the images, equally many of every identity, to play the generator; the rest for the confusion.

    Args:
        labels: int (N,).
        generator: of the draw.

    Returns:
        Indices of either part, each sorted by identity. The first holds half of what the rarest identity has, of
        every identity: a generator is asked for each equally often.

    Raises:
        StudyError: an identity with a single image.
    """
    n_playing = int(np.bincount(labels).min()) // 2
    if not n_playing:
        raise StudyError("an identity has fewer than two test faces, too few to halve; see test_fraction of 02")
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    return tuple(np.concatenate(part) for part in zip(*(np.split(m, [n_playing]) for m in members), strict=True))


def usable(real_counts: np.ndarray) -> bool:
    """Whether the judge can be inverted: whether `rca.identity_fidelity` would give a value.

    >>> usable([[80, 20], [20, 80]]), usable([[52, 48], [48, 52]])
    (True, False)
    """
    return rca.condition_number(real_counts) <= LARGEST_CONDITION


def values(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every estimator on one pair of tables, without identity fidelity where the judge is not `usable`.

    Args:
        real_counts: (K, K), rows true, every row with an image.
        generated_counts: (K, K), rows asked for, every row with an image.

    Returns:
        As `rca.bootstrap.statistics`; NaN where there is no value.
    """
    found = statistics(real_counts, generated_counts)
    if usable(real_counts):
        return found
    return found | {name: np.full_like(found[name], np.nan) for name in ("fidelity", "class_fidelity")}


def estimate(
    real_counts: np.ndarray, generated_counts: np.ndarray, *, n_replicates: int, generator: np.random.Generator
) -> Estimates:
    """RCA, the chance-corrected ratio and identity fidelity, each with its 95 % interval of `06_rca_analysis`.

    RCA has the score interval of `rca.ratio_interval`, the fidelity of single classes that of
    `rca.class_fidelity_intervals`, and the other two, for want of a closed form, that of `rca.intervals`.

    Args:
        real_counts: int (K, K), rows true, every row with an image.
        generated_counts: int (K, K), rows asked for, every row with an image.
        n_replicates: B of the bootstrap over both.
        generator: of the bootstrap.

    Returns:
        By estimator (ESTIMATORS and "class_fidelity"): value, low, high, numbers, or (K,) for the last. NaN where
        there is no value, for fidelity where the judge is not `usable`.

    >>> found = estimate(np.array([[80, 20], [20, 80]]), np.array([[50, 50], [50, 50]]), n_replicates=500,
    ...     generator=np.random.default_rng(0))
    >>> {name: round(float(found[name][0]), 3) for name in ESTIMATORS}  # a generator that ignores the class
    {'rca': 0.625, 'chance_corrected': 0.0, 'fidelity': 0.5}
    """
    tables = (real_counts, generated_counts)
    again = at_both_ends(*(rca.redrawn(counts, n_replicates, generator=generator) for counts in tables))
    low, high = rca.intervals(np.stack([again[name] for name in BOOTSTRAPPED], axis=-1))
    limits = dict(zip(BOOTSTRAPPED, zip(low, high, strict=True), strict=True))
    right_generated, right_real = np.trace(generated_counts), np.trace(real_counts)
    limits["rca"] = rca.ratio_interval(right_generated, generated_counts.sum(), right_real, real_counts.sum())
    limits["class_fidelity"] = rca.class_fidelity_intervals(*tables)
    found = values(*tables)
    return {
        name: (found[name], *(np.where(np.isnan(found[name]), np.nan, end) for end in limits[name]))
        for name in (*ESTIMATORS, "class_fidelity")
    }


def target(estimator: str, truth: float, n_classes: int) -> float:
    """What an estimator should say: the truth, for the chance-corrected ratio on its scale, whose 0 is chance.

    >>> target("fidelity", 0.1, 10), target("chance_corrected", 0.1, 10), target("chance_corrected", 1.0, 10)
    (0.1, 0.0, 1.0)
    """
    chance = 1 / n_classes
    return (truth - chance) / (1 - chance) if estimator == "chance_corrected" else truth


def rows(
    found: Estimates, truth: float, n_classes: int, names: Sequence[str] = ESTIMATORS, **what: Any
) -> list[dict[str, Any]]:
    """What `estimate` found as rows of a table.

    Args:
        found: from `estimate`.
        truth: probability of showing the identity asked for.
        n_classes: K.
        names: estimators wanted.
        **what: further columns, which come first.

    Returns:
        One row an estimator: what, estimator, truth, target (see `target`), value, low, high, and held, 1 where the
        interval holds the target, else 0. Of class_fidelity one row a class, with its number as `class`.
    """
    table = []
    for name in names:
        aim, single = target(name, truth, n_classes), np.ndim(found[name][0]) > 0
        about = what | {"estimator": name, "truth": truth, "target": aim}
        for number, (value, low, high) in enumerate(zip(*map(np.atleast_1d, found[name]), strict=True)):
            measured = {"value": float(value), "low": float(low), "high": float(high)}
            table.append(about | ({"class": number} if single else {}) | measured | {"held": float(low <= aim <= high)})
    return table
