"""How many images are enough: how wide the intervals would be with others, and which side of the study limits them."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from kpop_rca import rca
from kpop_rca.rca.bootstrap import at_both_ends
from kpop_rca.rca.counts import row_fractions
from kpop_rca.rca.estimators import OF_A_CLASS, usable

# Widest interval that is worth having, by column of `interval_widths`: a global figure to about 0.05 either way.
WIDEST = {"rca": 0.1, "confusion_corrected_accuracy": 0.1, "class_rca": 0.2, OF_A_CLASS: 0.2}


def with_own(numbers: Sequence[int], own: float) -> list[int]:
    """Numbers of images of each identity to try, and that of the study among them.

    >>> with_own([25, 100, 200], 139.5)
    [25, 100, 140, 200]
    """
    return sorted({*numbers, _whole(own)})


def _whole(number: float) -> int:
    return max(1, round(number))


def _median(widths: np.ndarray) -> float:
    return float(pd.Series(widths).median())  # leaves out NaN


def _score_widths(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, float]:
    """Of the intervals that have a closed form, for which counts need not be whole."""
    samples = []
    for counts in (generated_counts, real_counts):  # all images after the classes
        samples += [np.append(np.diag(counts), np.trace(counts)), np.append(counts.sum(axis=1), counts.sum())]
    ends = (rca.ratio_interval(*sample) for sample in zip(*samples, strict=True))
    *classes, whole = (high - low for low, high in ends)
    low, high = rca.class_confusion_corrected_intervals(real_counts, generated_counts)
    return {"rca": whole, "class_rca": _median(classes), OF_A_CLASS: _median(high - low)}


def interval_widths(
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    *,
    n_real: Sequence[int],
    n_generated: Sequence[int],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """How wide the 95 % intervals would be with other numbers of images, were the fractions as they were found.

    Args:
        real_counts, generated_counts: (K, K), of the study.
        n_real, n_generated: numbers of images of each identity to try.

    Returns:
        One row per pair of numbers: n_real, n_generated (of each identity), and the widths of WIDEST: of the global
        figures, and the median over the classes that have an interval. NaN where there is none: an oracle that can't be
        inverted, or not from so few real images.
    """
    fractions = [row_fractions(counts) for counts in (real_counts, generated_counts)]
    absent = {} if usable(real_counts) else dict.fromkeys(("confusion_corrected_accuracy", OF_A_CLASS), np.nan)
    rows = []
    for sizes in product(n_real, n_generated):
        expected = [n * of for n, of in zip(sizes, fractions, strict=True)]
        tables = [rca.resampled(counts, n_replicates, generator=generator) for counts in expected]
        low, high = rca.intervals(at_both_ends(*tables)["confusion_corrected_accuracy"])
        widths = _score_widths(*expected) | {"confusion_corrected_accuracy": float(high - low)} | absent
        row = dict(zip(("n_real", "n_generated"), sizes, strict=True))
        rows.append(row | {name: widths[name] for name in WIDEST})
    return pd.DataFrame(rows)


def balanced_generated(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, float]:
    """From how many generated images on the real ones are what limits the interval of the global RCA.

        var(log RCA) = (1 - a_g) / (n_g a_g) + (1 - a_r) / (n_r a_r),    a accuracies, n numbers of images

    At the n_g that makes the two terms equal, the interval is sqrt(2) times as wide as for n_g → ∞; at ten times as
    many it is 5 % wider. Half an image is added to those predicted right and to those predicted wrong.

    Returns:
        n_real and n_generated of the study, n_equal (the terms are equal) and n_enough (ten times that).

    Source: Katz et al. (1978); the added halves, Haldane (1956).

    >>> found = balanced_generated([[8, 2], [2, 8]], [[40, 60], [60, 40]])
    >>> {name: round(n) for name, n in found.items()}  # 20 (120.5 / 80.5) / (4.5 / 16.5)
    {'n_real': 20, 'n_generated': 200, 'n_equal': 110, 'n_enough': 1098}
    """
    sizes, odds_against = {}, {}
    for name, counts in (("n_real", np.asarray(real_counts)), ("n_generated", np.asarray(generated_counts))):
        right = np.trace(counts)
        sizes[name] = int(counts.sum())
        odds_against[name] = (counts.sum() - right + 0.5) / (right + 0.5)
    n_equal = sizes["n_real"] * odds_against["n_generated"] / odds_against["n_real"]
    return sizes | {"n_equal": float(n_equal), "n_enough": float(10 * n_equal)}


def about_balance(balanced: dict[str, float], *, n_classes: int) -> str:
    """From how many generated images on the real faces limit the interval: `balanced_generated`, per identity."""
    each = {name: f"{round(n / n_classes):,}" for name, n in balanced.items()}
    return (
        f"With {each['n_real']} real test faces of each identity, {each['n_equal']} generated images of each make both "
        f"sides count alike; this study has {each['n_generated']}. Beyond {each['n_enough']} more images hardly help."
    )


def recommendation(real_counts: np.ndarray, widths: pd.DataFrame) -> pd.DataFrame:
    """How many generated images each interval needs to be narrow enough with as many real faces as the study has.

    Args:
        real_counts: (K, K) of the study.
        widths: from `interval_widths`.

    Returns:
        One row per column of WIDEST: estimator, widest, n_real and n_generated, from which on all numbers tried are
        narrow enough: with the study's own n_real, else with the next larger one; NA where none is.
    """
    own, rows = _whole(np.sum(real_counts) / len(real_counts)), []
    most_first = widths.sort_values("n_generated", ascending=False)
    for name, widest in WIDEST.items():
        narrow = most_first[(most_first[name] <= widest).groupby(most_first["n_real"]).cummin()]
        fewest = narrow.groupby("n_real")["n_generated"].min()
        fewest = fewest[fewest.index >= own]
        n_real, n_generated = (pd.NA, pd.NA) if fewest.empty else (fewest.index[0], fewest.iloc[0])
        rows.append({"estimator": name, "widest": widest, "n_real": n_real, "n_generated": n_generated})
    return pd.DataFrame(rows).astype({"n_real": "Int64", "n_generated": "Int64"})
