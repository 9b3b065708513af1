"""The estimators that are compared: their values and intervals from one pair of confusion tables."""

import numpy as np

from kpop_rca.rca.bootstrap import at_both_ends, intervals, redrawn, statistics
from kpop_rca.rca.class_intervals import class_fidelity_intervals
from kpop_rca.rca.confusion_corrected import LARGEST_CONDITION, condition_number
from kpop_rca.rca.ratio import ratio_interval

TITLES = {"rca": "RCA", "chance_corrected": "chance-corrected ratio", "fidelity": "identity fidelity"}
ESTIMATORS = tuple(TITLES)  # those of one number with an interval
BOOTSTRAPPED = ("chance_corrected", "fidelity")  # whose interval is that of `rca.intervals`

Estimates = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # value, low and high by estimator


def usable(real_counts: np.ndarray) -> bool:
    """Whether the judge can be inverted: whether `rca.identity_fidelity` would give a value.

    >>> usable([[80, 20], [20, 80]]), usable([[52, 48], [48, 52]])
    (True, False)
    """
    return condition_number(real_counts) <= LARGEST_CONDITION


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
    again = at_both_ends(*(redrawn(counts, n_replicates, generator=generator) for counts in tables))
    low, high = intervals(np.stack([again[name] for name in BOOTSTRAPPED], axis=-1))
    limits = dict(zip(BOOTSTRAPPED, zip(low, high, strict=True), strict=True))
    right_generated, right_real = np.trace(generated_counts), np.trace(real_counts)
    limits["rca"] = ratio_interval(right_generated, generated_counts.sum(), right_real, real_counts.sum())
    limits["class_fidelity"] = class_fidelity_intervals(*tables)
    found = values(*tables)
    return {
        name: (found[name], *(np.where(np.isnan(found[name]), np.nan, end) for end in limits[name]))
        for name in (*ESTIMATORS, "class_fidelity")
    }
