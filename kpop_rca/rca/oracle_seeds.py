"""Estimators under oracles that differ by their random seed alone: their mean, and how far another seed may be off.

A hierarchical bootstrap resamples oracles as it does images, but can't reach beyond the three or five that there are,
and its interval is too short. Student's t allows for there being so few. So the interval here takes the scatter of the
oracles by Student's t and that of the images from the bootstrap; the hierarchical one is given beside it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm, t

from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import intervals, statistics
from kpop_rca.rca.confusion_corrected import confusion_corrected_accuracy
from kpop_rca.rca.ratio import CONFIDENCE

OVER_ORACLES = ("rca", "macro_rca", "chance_corrected", "confusion_corrected_accuracy")
STUDENT = "Student's t over oracles, melded bootstrap over images"
HIERARCHICAL = "hierarchical melded bootstrap over images and oracles"


def seed_interval(values: np.ndarray, replicates: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of an estimator over oracles, for other oracles and other images.

    mean -+ t_df sqrt(u),  u = v + s^2 / S,  df = (S - 1) u^2 / (s^2 / S)^2

    with s the standard deviation of the oracles' values, and sqrt(v) how far, at either end, the interval over images
    reaches from the mean, in units of the normal quantile. Oracles also differ by how they err on these very images,
    which v counts too: u is rather too large than too small.

    Args:
        values: float (S,), under each oracle.
        replicates: float (2, B, S), from `bootstrap`.

    Returns:
        Low and high; NaN for a single oracle, and where the estimator has no value.

    Source: Satterthwaite (1946) for the degrees of freedom of a sum of two variances; Zou and Donner (2008) for
    variances that are recovered from the ends of an interval, one at each end.

    >>> low, high = seed_interval(np.array([0.7, 0.8, 0.9]), np.full((2, 100, 3), 0.8))  # without scatter over images
    >>> round(low, 3), round(high, 3)  # 0.8 -+ 4.303 * 0.1 / sqrt(3)
    (0.552, 1.048)
    """
    n, mean = len(values), float(values.mean())
    ends = np.array(intervals(replicates.mean(axis=-1)))
    if n < 2 or np.isnan(mean) or np.isnan(ends).any():
        return math.nan, math.nan
    tail, of_oracles = (1 - CONFIDENCE) / 2, values.var(ddof=1) / n
    of_images = (np.maximum([mean - ends[0], ends[1] - mean], 0) / norm.isf(tail)) ** 2
    both = of_oracles + of_images
    freedom = (n - 1) * (both / of_oracles) ** 2 if of_oracles else np.inf
    below, above = t.isf(tail, freedom) * np.sqrt(both)
    return mean - float(below), mean + float(above)


def _with_oracles_resampled(replicates: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
    """(2, B) means over oracles resampled with replacement, from (2, B, S)."""
    _, n_replicates, n = replicates.shape
    chosen = generator.integers(n, size=(1, n_replicates, n))
    return np.take_along_axis(replicates, np.repeat(chosen, 2, axis=0), axis=2).mean(axis=2)


def over_oracles(
    oracles: Sequence[str],
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    replicates: dict[str, np.ndarray],
    *,
    classes: Sequence[Any],
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The part `over_oracles` of `metrics.json`: means over oracles, with intervals over images and oracles.

    Args:
        oracles: S names of oracles, which differ by their seed alone.
        real_counts, generated_counts: integers (S, K, K), theirs.
        replicates: from `bootstrap` with these oracles.
        classes: K names.
        generator: of the hierarchical bootstrap over oracles.

    Returns:
        oracles; ci95_method and ci95_bootstrap_method; each of OVER_ORACLES as {value, ci95, ci95_bootstrap}: the mean,
        its interval by `seed_interval` (None for a single oracle, with ci95_why) and by the hierarchical bootstrap; and
        per_class, a list of {class, rca, confusion_corrected_accuracy} with the same three each. Where an estimator
        has no value under one of the oracles all three are None, and `why` gives the reason.

    Source: see `seed_interval`; on bootstraps of crossed factors, Owen (2007).

    >>> real = np.array([[[9, 1], [1, 9]]] * 3)
    >>> generated = np.array([[[6, 4], [4, 6]], [[7, 3], [3, 7]], [[8, 2], [2, 8]]])
    >>> rng, kind = np.random.default_rng(0), "confusion_corrected_accuracy"
    >>> again = {name: np.full((2, 50, 3), 0.7 / 0.9) for name in OVER_ORACLES}
    >>> again |= {f"class_{name}": np.full((2, 50, 3, 2), 0.7) for name in ("rca", kind)}
    >>> found = over_oracles(["a-0", "a-1", "a-2"], real, generated, again, classes=["Ari", "Bo"], generator=rng)
    >>> round(found["rca"]["value"], 3), [round(end, 3) for end in found["rca"]["ci95"]]  # 0.7 / 0.9 -+ 4.303 * 0.0642
    (0.778, [0.502, 1.054])
    """
    values = statistics(real_counts, generated_counts)
    refusal = _refusal(oracles, real_counts, generated_counts)

    def over(name: str, of_oracles: np.ndarray, again: np.ndarray) -> dict[str, Any]:
        why = (refusal if name == "confusion_corrected_accuracy" else "") or _without_value(oracles, of_oracles)
        if why:
            return {"value": None, "ci95": None, "ci95_bootstrap": None, "why": why}
        hierarchical = intervals(_with_oracles_resampled(again, generator=generator))
        found = {"value": float(of_oracles.mean()), "ci95": _pair(seed_interval(of_oracles, again))}
        found["ci95_bootstrap"] = _pair(hierarchical)
        if len(oracles) < 2:
            found["ci95_why"] = "one oracle does not tell how oracles vary; train others by oracle_seeds of 04"
        elif None in found.values():
            found["ci95_why"] = found["ci95_bootstrap_why"] = "it has no value in too many resamples of the images"
        return found

    found: dict[str, Any] = {"oracles": list(oracles), "ci95_method": STUDENT, "ci95_bootstrap_method": HIERARCHICAL}
    found |= {name: over(name, values[name], replicates[name]) for name in OVER_ORACLES}
    found["per_class"] = []
    for c, title in enumerate(classes):
        row = {"class": str(title)}
        for name in ("rca", "confusion_corrected_accuracy"):
            row[name] = over(name, values[f"class_{name}"][:, c], replicates[f"class_{name}"][..., c])
        found["per_class"].append(row)
    return found


def _refusal(oracles: Sequence[str], real_counts: np.ndarray, generated_counts: np.ndarray) -> str:
    """Why there is no confusion-corrected accuracy over the oracles; empty where there is."""
    for oracle, *tables in zip(oracles, real_counts, generated_counts, strict=True):
        try:
            confusion_corrected_accuracy(*tables)
        except StudyError as refusal:
            return f"under {oracle}: {refusal}"
    return ""


def _without_value(oracles: Sequence[str], values: np.ndarray) -> str:
    """Which oracle an estimator has no value under; empty where it has one under all."""
    lacking = [oracle for oracle, value in zip(oracles, values, strict=True) if np.isnan(value)]
    return f"it has no value under {lacking[0]}, which recognises too little" if lacking else ""


def _pair(ends: tuple[float, float]) -> list[float] | None:
    return None if np.isnan(ends[0]) else [float(end) for end in ends]
