"""The estimators that are compared: their values and intervals from one pair of confusion tables, (K, K) each."""

import numpy as np

from kpop_rca.rca.bootstrap import at_both_ends, intervals, resampled, statistics
from kpop_rca.rca.class_intervals import class_confusion_corrected_intervals
from kpop_rca.rca.confusion_corrected import LARGEST_CONDITION, condition_number
from kpop_rca.rca.ratio import ratio_interval

TITLES = {
    "rca": "RCA",
    "chance_corrected": "chance-corrected ratio",
    "confusion_corrected_accuracy": "confusion-corrected accuracy",
}
ESTIMATORS = tuple(TITLES)  # those of one number with an interval
BOOTSTRAPPED = ("chance_corrected", "confusion_corrected_accuracy")  # whose interval is that of `intervals`
OF_A_CLASS = "class_confusion_corrected_accuracy"

Estimates = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # value, low and high by estimator


def usable(real_counts: np.ndarray) -> bool:
    """Whether the oracle can be inverted: whether `confusion_corrected_accuracy` would give a value.

    >>> usable([[80, 20], [20, 80]]), usable([[52, 48], [48, 52]])
    (True, False)
    """
    return condition_number(real_counts) <= LARGEST_CONDITION


def values(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, np.ndarray]:
    """`statistics`, without a confusion-corrected accuracy (NaN) where the oracle is not `usable`."""
    found = statistics(real_counts, generated_counts)
    if usable(real_counts):
        return found
    return found | {name: np.full_like(found[name], np.nan) for name in ("confusion_corrected_accuracy", OF_A_CLASS)}


def estimate(
    real_counts: np.ndarray, generated_counts: np.ndarray, *, n_replicates: int, generator: np.random.Generator
) -> Estimates:
    """ESTIMATORS and OF_A_CLASS, each with its 95 % interval of `06_rca_analysis`.

    Args:
        real_counts, generated_counts: int (K, K), every row with an image.
        n_replicates: B of the bootstrap over both.

    Returns:
        By estimator: value, low, high, numbers, or (K,) for OF_A_CLASS; NaN where there is no value.

    >>> found = estimate(np.array([[80, 20], [20, 80]]), np.array([[50, 50], [50, 50]]), n_replicates=500,
    ...     generator=np.random.default_rng(0))
    >>> {name: round(float(found[name][0]), 3) for name in ESTIMATORS}  # a generator that ignores the class
    {'rca': 0.625, 'chance_corrected': 0.0, 'confusion_corrected_accuracy': 0.5}
    """
    tables = (real_counts, generated_counts)
    again = at_both_ends(*(resampled(counts, n_replicates, generator=generator) for counts in tables))
    low, high = intervals(np.stack([again[name] for name in BOOTSTRAPPED], axis=-1))
    limits = dict(zip(BOOTSTRAPPED, zip(low, high, strict=True), strict=True))
    right_generated, right_real = np.trace(generated_counts), np.trace(real_counts)
    limits["rca"] = ratio_interval(right_generated, generated_counts.sum(), right_real, real_counts.sum())
    limits[OF_A_CLASS] = class_confusion_corrected_intervals(*tables)
    found = values(*tables)
    return {
        name: (found[name], *(np.where(np.isnan(found[name]), np.nan, end) for end in limits[name]))
        for name in (*ESTIMATORS, OF_A_CLASS)
    }
