"""Verification by similarity, in the terms of ISO/IEC 19795-1: thresholds, false match rates, equal error rates.

A *comparison* is the cosine of two embeddings: mated, of one person's distinct images, or non-mated, of two people's.
"""

import math

import numpy as np

ERRORS_FOR_A_RATE = 30
ROUNDING = 1e-9


def normalised(embeddings: np.ndarray) -> np.ndarray:
    """Rows of length 1, float64 (N, D); a row with a number that is not finite is NaN altogether, as is one of zeros.

    >>> normalised(np.array([[3.0, 4.0], [np.nan, 1.0]]))
    array([[0.6, 0.8],
           [nan, nan]])
    """
    embeddings = np.asarray(embeddings, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.where(np.isfinite(unit).all(axis=1, keepdims=True), unit, np.nan)


def threshold_at(non_mated: np.ndarray, rate: float) -> float:
    """The lowest threshold above which at most `rate` of the non-mated comparisons (n,) lie; a match is above it.

    >>> threshold_at(np.array([0.1, 0.2, 0.3, 0.4]), 0.25)  # one of four, 0.4, is above
    0.3
    """
    last = len(non_mated) - 1 - math.floor(rate * len(non_mated) + ROUNDING)
    return float(np.partition(non_mated, last)[last])


def unsupported(rate: float, n_comparisons: int) -> str:
    """Why a false match rate can't be set from so many non-mated comparisons; empty where it can.

    Source: Doddington (1998), the rule of 30: 30 errors place a rate within 30 % of itself at a confidence of 90 %.

    >>> unsupported(0.01, 3000), unsupported(0.01, 250)
    ('', '250 non-mated comparisons of photographs; a false match rate of 0.01 needs 3000 (rule of 30)')
    """
    needed = math.ceil(ERRORS_FOR_A_RATE / rate - ROUNDING)
    if n_comparisons >= needed:
        return ""
    found = f"{n_comparisons} non-mated comparisons of photographs"
    return f"{found}; a false match rate of {rate:g} needs {needed} (rule of 30)"


def equal_error_rate(mated: np.ndarray, non_mated: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """Where as many mated comparisons are rejected as non-mated ones accepted, in [0, 1]; smaller is better.

    Between two thresholds at which the two rates cross, it is where the lines between them do.

    Args:
        mated: float (n,); -inf for a failed image, which is always rejected.
        non_mated: float (m,).
        weights: of the mated comparisons, (n,); equal by default.

    Source: ISO/IEC 19795-1; the rates are those of scikit-learn's `roc_curve`.

    >>> equal_error_rate(np.array([0.9, 0.8, 0.7, 0.3]), np.array([0.6, 0.2, 0.1, 0.0]))
    0.25
    """
    order = np.argsort(mated)
    cumulative = np.append(0.0, np.cumsum(np.ones(len(mated)) if weights is None else weights[order]))
    thresholds = np.unique(np.concatenate([mated, non_mated]))
    accepted = 1 - np.searchsorted(np.sort(non_mated), thresholds, side="right") / len(non_mated)
    rejected = cumulative[np.searchsorted(mated[order], thresholds, side="right")] / cumulative[-1]
    return float(crossing(np.append(1.0, accepted), np.append(0.0, rejected)))


def crossing(falling: np.ndarray, rising: np.ndarray) -> np.ndarray:
    """Height at which two curves (..., G) cross, lines between their points; the last mean where they do not.

    >>> float(crossing(np.array([1.0, 0.6, 0.0]), np.array([0.0, 0.2, 0.4])).round(3))
    0.3
    """
    gap = falling - rising
    after = np.where((gap <= 0).any(axis=-1), (gap <= 0).argmax(axis=-1), gap.shape[-1] - 1)[..., None]
    before = np.maximum(after - 1, 0)
    falls, rises = (np.take_along_axis(curve, before, axis=-1)[..., 0] for curve in (falling, rising))
    fell, rose = (np.take_along_axis(curve, after, axis=-1)[..., 0] for curve in (falling, rising))
    closed = (falls - rises) - (fell - rose)
    along = np.clip(np.divide(falls - rises, closed, out=np.ones_like(closed), where=closed != 0), 0, 1)
    return (falls + along * (fell - falls) + rises + along * (rose - rises)) / 2


def conformal_threshold(values: np.ndarray, rate: float) -> tuple[float, float]:
    """A threshold that one more value, exchangeable with the n given, exceeds at most at a rate; and that rate.

    Below 1 / rate - 1 values it is the largest of them, and the rate 1 / (n + 1).

    Source: Vovk et al. (2005), section 2.2.

    >>> conformal_threshold(np.arange(199.0), 0.01), conformal_threshold(np.arange(9.0), 0.01)
    ((197.0, 0.01), (8.0, 0.1))
    """
    rank = max(1, math.floor(rate * (len(values) + 1) + ROUNDING))
    return float(np.sort(values)[-rank]), rank / (len(values) + 1)
