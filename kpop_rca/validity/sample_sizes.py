"""How many images are enough: how wide the intervals would be with others, and which side of the study limits them."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from kpop_rca import rca
from kpop_rca.rca.bootstrap import at_both_ends
from kpop_rca.rca.confusion_corrected import label_shares
from kpop_rca.rca.estimators import TITLES, usable

WIDEST, WIDEST_OF_A_CLASS = 0.1, 0.2  # of an interval that is worth having: a global figure known to about 0.05


def with_own(numbers: Sequence[int], own: float) -> list[int]:
    """Numbers of images to try, and that of the study among them.

    Args:
        numbers: to try in any study.
        own: images of each identity that the study has, in the mean.

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
    *classes, whole = (
        high - low for low, high in (rca.ratio_interval(*sample) for sample in zip(*samples, strict=True))
    )
    low, high = rca.class_fidelity_intervals(real_counts, generated_counts)
    return {"rca": whole, "class_rca": _median(classes), "class_fidelity": _median(high - low)}


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
        generator: of the bootstrap.

    Returns:
        One row a pair of numbers: n_real, n_generated (of each identity), rca and fidelity (widths of the interval of
        the global figure), class_rca and class_fidelity (median width over the classes that have one). The intervals
        are those of `estimators.estimate` and `rca.class_rca`, of the counts that the shares lead to expect. NaN where
        there is none: a judge that can't be inverted, or not from so few real images.
    """
    shares, absent = [label_shares(counts) for counts in (real_counts, generated_counts)], {}
    if not usable(real_counts):
        absent = dict.fromkeys(("fidelity", "class_fidelity"), np.nan)
    rows = []
    for sizes in product(n_real, n_generated):
        expected = [n * share for n, share in zip(sizes, shares, strict=True)]
        drawn = [rca.redrawn(counts, n_replicates, generator=generator) for counts in expected]
        low, high = rca.intervals(at_both_ends(*drawn)["fidelity"])
        widths = _score_widths(*expected)
        widths |= {"fidelity": float(high - low)} | absent
        row = dict(zip(("n_real", "n_generated"), sizes, strict=True))
        rows.append(row | {name: widths[name] for name in ("rca", "fidelity", "class_rca", "class_fidelity")})
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


def _needed(widths: pd.DataFrame, name: str, widest: float, *, n_real: int) -> str:
    """From how many of the numbers of images tried on an interval is narrow enough."""
    most_first = widths.sort_values("n_generated", ascending=False)
    narrow = most_first[(most_first[name] <= widest).groupby(most_first["n_real"]).cummin()]
    fewest = narrow.groupby("n_real")["n_generated"].min()
    if n_real in fewest:
        return f"at most {widest:g} from {fewest[n_real]} generated ones on"
    more = fewest[fewest.index > n_real]
    if more.empty:
        return f"at most {widest:g} with none of the numbers tried"
    return f"at most {widest:g} only with more real ones: with {more.index[0]}, from {more.iloc[0]} generated ones on"


def recommendation(real_counts: np.ndarray, generated_counts: np.ndarray, widths: pd.DataFrame) -> str:
    """How many images to generate with as many real faces as the study has, and why no more.

    Args:
        real_counts: (K, K) of the study.
        generated_counts: (K, K) of the study.
        widths: from `interval_widths`, with the numbers of the study among those tried (`with_own`).

    Returns:
        Sentences: how wide the intervals of the study are; what WIDEST and WIDEST_OF_A_CLASS need, estimator by
        estimator; and what limits the interval of RCA, by `balanced_generated`.

    Raises:
        KeyError: the study's own numbers were not tried.
    """
    n_classes, found = len(real_counts), balanced_generated(real_counts, generated_counts)
    real, drawn, equal, enough = (found[k] / n_classes for k in ("n_real", "n_generated", "n_equal", "n_enough"))
    n_real, n_generated = _whole(real), _whole(drawn)
    own = widths.set_index(["n_real", "n_generated"]).loc[(n_real, n_generated)]
    said = [f"The study has {n_real} real test faces and {n_generated} generated ones of each identity."]
    for kind, prefix, widest in (("", "", WIDEST), (" of a class (median)", "class_", WIDEST_OF_A_CLASS)):
        for name in ("rca", "fidelity"):
            width = own[prefix + name]
            as_found = "missing" if np.isnan(width) else f"{width:.2f} wide"
            needed = _needed(widths, prefix + name, widest, n_real=n_real)
            said.append(f"The interval of {TITLES[name]}{kind} is {as_found}, and {needed}.")
    said.append(
        f"Up to {equal:.0f} of each the generated images are what limits the interval of RCA, beyond that the real "
        f"faces; from {enough:.0f} on, further ones narrow it by less than 5 %."
    )
    return " ".join(said)
