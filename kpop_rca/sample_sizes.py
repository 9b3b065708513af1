"""How many images are enough: how wide the intervals would be with others, and which side of the study limits them."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from kpop_rca import rca, trials
from kpop_rca.rca.bootstrap import statistics
from kpop_rca.rca.fidelity import label_shares

WIDEST, WIDEST_OF_A_CLASS = 0.1, 0.2  # of an interval that is worth having: a global figure known to about 0.05


def interval_widths(
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    *,
    n_real: Sequence[int],
    n_generated: Sequence[int],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """How wide the 95 % intervals would be with other numbers of images, were the shares as they were found.

    Args:
        real_counts: (K, K), rows true: the shares to draw from.
        generated_counts: (K, K), rows asked for.
        n_real: numbers of real images of each identity to try.
        n_generated: numbers of generated images of each identity to try.
        n_replicates: B.
        generator: of the parametric bootstrap.

    Returns:
        One row a pair of numbers: n_real, n_generated (of each identity), rca and fidelity (widths of the interval of
        the global figure), class_rca and class_fidelity (median width over the classes that have one, for the second
        of the score interval). NaN where there is none: a judge that can't be inverted, or not from so few real
        images.
    """
    tables = (real_counts, generated_counts)
    shares, absent = [label_shares(counts) for counts in tables], {}
    if not trials.usable(real_counts):
        absent = dict.fromkeys(("fidelity", "class_fidelity"), np.nan)
    rows = []
    for sizes in product(n_real, n_generated):
        drawn = [rca.redrawn(c, n_replicates, sizes=n, generator=generator) for c, n in zip(tables, sizes, strict=True)]
        found = statistics(*drawn)
        limits = {name: rca.intervals(found[name]) for name in ("rca", "fidelity", "class_rca")}
        limits["class_fidelity"] = rca.class_fidelity_intervals(*(n * c for c, n in zip(shares, sizes, strict=True)))
        row = dict(zip(("n_real", "n_generated"), sizes, strict=True))
        for name, (low, high) in limits.items():
            row[name] = float(pd.Series(np.atleast_1d(high - low)).median())  # leaves out NaN
        rows.append(row | absent)
    return pd.DataFrame(rows)


def balanced_generated(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, float]:
    """From how many generated images on the real ones are what limits the interval of the global RCA.

        var(log RCA) = (1 - a_g) / (n_g a_g) + (1 - a_r) / (n_r a_r),    a accuracies, n numbers of images

    At the n_g that makes the two terms equal, the interval is sqrt(2) times as wide as with endless generated images;
    at ten times as many it is 5 % wider. Half an image is added to those judged right and to those judged wrong, so
    that a judge without an error has a variance too.

    Args:
        real_counts: (K, K).
        generated_counts: (K, K).

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


def _fewest(widths: pd.DataFrame, names: Sequence[str], widest: float) -> str:
    """The smallest number of generated images tried at which all intervals that there are are narrow enough."""
    narrow = ~(widths[list(names)] > widest).any(axis=1)
    if not narrow.any():
        return f"only with more real faces, since {widths['n_generated'].max()} generated ones do not suffice"
    return f"from {widths.loc[narrow, 'n_generated'].min()} generated ones on"


def recommendation(real_counts: np.ndarray, generated_counts: np.ndarray, widths: pd.DataFrame) -> str:
    """How many images to generate with as many real faces as the study has, and why no more.

    Args:
        real_counts: (K, K) of the study.
        generated_counts: (K, K) of the study.
        widths: from `interval_widths`.

    Returns:
        Two sentences: what WIDEST and WIDEST_OF_A_CLASS need, by the widths, and what limits the interval, by
        `balanced_generated`.
    """
    n_classes, found = len(real_counts), balanced_generated(real_counts, generated_counts)
    real, drawn, equal, enough = (found[k] / n_classes for k in ("n_real", "n_generated", "n_equal", "n_enough"))
    nearest = min(widths["n_real"], key=lambda n: abs(np.log(n / real)))
    tried = widths[widths["n_real"] == nearest]
    whole = _fewest(tried, ("rca", "fidelity"), WIDEST)
    single = _fewest(tried, ("class_rca", "class_fidelity"), WIDEST_OF_A_CLASS)
    return (
        f"Of the numbers tried, with {nearest} real test faces of each identity (the study has {real:.0f}), global RCA "
        f"and fidelity get intervals no wider than {WIDEST:g} {whole}, and those of a class no wider than "
        f"{WIDEST_OF_A_CLASS:g} {single}; the study has {drawn:.0f} of each. Up to "
        f"{equal:.0f} of each the generated images are what limits the interval of RCA, beyond that the real faces; "
        f"from {enough:.0f} on, further ones narrow it by less than 5 %."
    )
