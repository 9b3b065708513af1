"""What the trials have in common: targets of the estimators, rows of their tables, and halves of the faces.

Real faces play a generator, so that what it shows is known. The images that do are never those that estimate the
oracle's confusion: an image in both would bias every estimator upward.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kpop_rca.errors import StudyError
from kpop_rca.rca.estimators import ESTIMATORS, Estimates

Parts = tuple[np.ndarray, np.ndarray]  # indices of the images that play the generator, and of those for the confusion


def halves(labels: np.ndarray, *, generator: np.random.Generator) -> Parts:
    """A random half of the images to play the generator; the rest for the confusion.

    Returns:
        Indices of either part, each sorted by identity. The first holds half of what the rarest identity has, of
        every identity: of a generator each is requested equally often.

    Raises:
        StudyError: an identity with a single image.
    """
    n_playing = int(np.bincount(labels).min()) // 2
    if not n_playing:
        raise StudyError("an identity has fewer than two test faces, too few to halve; see test_fraction of 02")
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    return tuple(np.concatenate(part) for part in zip(*(np.split(m, [n_playing]) for m in members), strict=True))


def target(estimator: str, truth: float, n_classes: int) -> float:
    """The value an estimator should have: the truth, for the chance-corrected ratio on its scale, whose 0 is chance.

    >>> target("rca", 0.1, 10), target("chance_corrected", 0.1, 10), target("chance_corrected", 1.0, 10)
    (0.1, 0.0, 1.0)
    """
    chance = 1 / n_classes
    return (truth - chance) / (1 - chance) if estimator == "chance_corrected" else truth


def trial_rows(
    found: Estimates, truth: float, n_classes: int, names: Sequence[str] = ESTIMATORS, **what: Any
) -> list[dict[str, Any]]:
    """What `estimate` found as rows of a table.

    Args:
        truth: probability of showing the requested identity.
        names: which estimators.
        **what: further columns, which come first.

    Returns:
        One row per estimator: what, estimator, truth, target, value, low, high, and covered: 1 where the interval holds
        the target, else 0. Of an estimator of single classes one row per class, with its number as `class`.
    """
    table = []
    for name in names:
        aim, single = target(name, truth, n_classes), np.ndim(found[name][0]) > 0
        about = what | {"estimator": name, "truth": truth, "target": aim}
        for number, (value, low, high) in enumerate(zip(*map(np.atleast_1d, found[name]), strict=True)):
            measured = {"value": float(value), "low": float(low), "high": float(high)}
            measured["covered"] = float(low <= aim <= high)
            table.append(about | ({"class": number} if single else {}) | measured)
    return table
