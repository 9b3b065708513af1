"""Raters whose answers should not count. All of it is on raw ratings: z-scores first would change who is rejected."""

import numpy as np
import pandas as pd

from kpop_rca.human_ratings import maximum_likelihood

NORMAL_KURTOSIS = (2.0, 4.0)
MOST_BEYOND, LEAST_ONE_SIDED = 0.05, 0.3  # BT.500-14, A1-2.3.1
TIMES_THE_MEDIAN = 2.0  # of the raters' inconsistencies


def bt500(ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The screening of ITU-R BT.500-14: rejected, the fraction of extreme ratings, and how one-sided they are.

    A rating is extreme where it lies 2 standard deviations of its image's ratings from their mean, or √20 where their
    kurtosis is outside [2, 4]. A rater is rejected with more than 5 % extreme ratings, on both sides alike (asymmetry
    below 0.3): a rater who is merely strict stays. If all would be rejected, none is.

    Args:
        ratings: float (..., J images, I raters), raw, NaN where there is none; leading axes are separate panels.

    Returns:
        bool (..., I), float (..., I), float (..., I).
    """
    there = ~np.isnan(ratings)
    count = there.sum(axis=-1, keepdims=True)
    rated = np.where(there, ratings, 0.0)
    deviation = np.where(there, ratings - rated.sum(axis=-1, keepdims=True) / count, 0.0)
    variance = (deviation**2).sum(axis=-1, keepdims=True) / count
    equal = variance < 1e-12  # all agree: nobody is extreme, and there is no kurtosis
    kurtosis = (deviation**4).sum(axis=-1, keepdims=True) / count / np.where(equal, 1.0, variance) ** 2
    normal = (NORMAL_KURTOSIS[0] <= kurtosis) & (kurtosis <= NORMAL_KURTOSIS[1])
    limit = np.sqrt(np.where(normal, 4.0, 20.0) * variance)
    above = ((deviation >= limit) & there & ~equal).sum(axis=-2)
    below = ((deviation <= -limit) & there & ~equal).sum(axis=-2)
    extreme = above + below
    beyond = extreme / there.sum(axis=-2)
    asymmetry = np.abs(above - below) / np.maximum(extreme, 1)
    rejected = (beyond > MOST_BEYOND) & (asymmetry < LEAST_ONE_SIDED)
    return rejected & ~rejected.all(axis=-1, keepdims=True), beyond, asymmetry


def inconsistent(ratings: np.ndarray, *, times: float = TIMES_THE_MEDIAN) -> tuple[np.ndarray, np.ndarray]:
    """Raters whose inconsistency (ITU-T P.910's model) is `times` the median or more: rejected, inconsistency.

    Args:
        ratings: float (..., J images, I raters), raw; see `bt500`.
    """
    found = maximum_likelihood.fit(ratings).inconsistency
    return found >= times * np.median(found, axis=-1, keepdims=True), found


def screen(matrix: pd.DataFrame, *, rule: str = "inconsistent") -> pd.DataFrame:
    """Both screenings of one matrix, images by raters, one row per rater, with P.910's bias; `rejected` is by the rule.

    "bt500" is F-Bench's rule. "inconsistent" finds more of those who answer at random, and rejects fewer others
    (`simulated.trial_table`); "either" is both.
    """
    by_bt500, beyond, asymmetry = bt500(matrix.to_numpy())
    by_inconsistency, inconsistency = inconsistent(matrix.to_numpy())
    columns = {"rater": matrix.columns, "ratings": matrix.notna().sum().to_numpy(), "beyond": beyond}
    columns |= {"asymmetry": asymmetry, "inconsistency": inconsistency}
    columns["bias"] = maximum_likelihood.fit(matrix.to_numpy()).bias
    rules = {"bt500": by_bt500, "inconsistent": by_inconsistency, "either": by_bt500 | by_inconsistency}
    columns |= {"bt500": by_bt500, "inconsistent": by_inconsistency, "rejected": rules[rule]}
    return pd.DataFrame(columns)
