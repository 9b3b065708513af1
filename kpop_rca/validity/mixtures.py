"""Known mixtures: real faces play a generator that shows whom it was asked for with a probability that we choose.

An estimator of identity fidelity should find that probability, the truth, and its 95 % interval should hold it in
95 % of the draws.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom, norm
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca, workers
from kpop_rca.controls import draw_mixture
from kpop_rca.rca import confusion_corrected
from kpop_rca.rca.estimators import ESTIMATORS, estimate
from kpop_rca.validity.estimators import trial_rows

TRUTHS = (0.0, 0.1, 0.3, 0.7, 0.9, 1.0)
COVERAGE_WANTED = (0.92, 0.98)  # of a 95 % interval; 300 draws know a coverage to 0.0126 (one standard error)


def mixture_trial(
    labels: np.ndarray,
    judged: np.ndarray,
    patterns: dict[str, np.ndarray],
    *,
    truths: Sequence[float] = TRUTHS,
    n_draws: int,
    n_per_condition: int,
    n_replicates: int,
    generator: np.random.Generator,
    progress: Callable = iter,
) -> pd.DataFrame:
    """Every estimator on the same draws of known mixtures.

    Args:
        labels: int (N,), identities on the real test images.
        judged: int (N,), what the judge says of them.
        patterns: by name, float (K, K), see `controls.swap_patterns`.
        truths: probabilities of showing the identity asked for.
        n_draws: of mixtures at each truth and pattern.
        n_per_condition: images asked for, of each identity.
        n_replicates: B of the bootstrap in each draw.
        generator: of everything.
        progress: wraps the pairs of a pattern and a truth, `tqdm` for example.

    Returns:
        One row a draw and estimator: pattern, draw, estimator (ESTIMATORS, class_fidelity, simplex), truth, target
        (see `estimators.target`), class, value, low, high, and held, 1 where the interval holds the target, else 0.
        class_fidelity has a row a class, and is alone in having a class. "simplex" has no interval: a constrained
        solution for each of the replicates would take hours, for a worse number.
    """
    cells = list(product(patterns.items(), truths))

    def draw_all(cell: tuple[tuple[tuple[str, np.ndarray], float], np.random.Generator]) -> list[dict]:
        ((pattern, swaps), truth), own = cell
        rows = []
        for number in range(n_draws):
            mixture = draw_mixture(labels, truth, swaps, n_per_condition=n_per_condition, generator=own)
            found = _estimates(labels, judged, mixture, truth, n_replicates=n_replicates, generator=own)
            rows += [{"pattern": pattern, "draw": number} | row for row in found]
        return rows

    # A random stream for each, so that the number of cores changes nothing; drawing lets go of Python's lock.
    streams = zip(cells, generator.spawn(len(cells)), strict=True)
    drawn = workers.in_order(draw_all, list(streams), workers=workers.cores(), threads=True)
    table = pd.DataFrame([row for _, rows in zip(progress(cells), drawn, strict=True) for row in rows])
    return table.astype({"class": "Int64"})  # whole numbers, and missing for the other estimators


def _estimates(
    labels: np.ndarray,
    judged: np.ndarray,
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray],
    truth: float,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> list[dict]:
    """What every estimator finds in one mixture, a row each."""
    playing, asked, left = mixture
    n_classes = int(labels.max()) + 1
    real = rca.confusion_counts(labels[left], judged[left], n_classes)
    generated = rca.confusion_counts(asked, judged[playing], n_classes)
    found = estimate(real, generated, n_replicates=n_replicates, generator=generator)
    nearest = confusion_corrected.nearest_on_simplex(*map(confusion_corrected.label_shares, (real, generated)))
    simplex = {"estimator": "simplex", "truth": truth, "target": truth, "value": float(np.diag(nearest).mean())}
    return [*trial_rows(found, truth, n_classes, (*ESTIMATORS, "class_fidelity")), simplex]


def trial_summary(trial: pd.DataFrame, by: Sequence[str] = ("truth", "estimator")) -> pd.DataFrame:
    """How each estimator did: bias, spread, and how often its interval held the target.

    Args:
        trial: from `mixture_trial`.
        by: columns to group by.

    Returns:
        One row a group: n_draws (of class_fidelity, of which a draw has one for each class, that many times more),
        n_undefined (without a value, left out of bias and sd), bias (mean of value - target), bias_low and bias_high
        (95 % of the mean over the draws), sd, width (mean over the intervals that there are), and coverage with
        coverage_low and coverage_high (Wilson 95 %); NaN for an estimator without an interval. Both intervals take
        the classes of a draw for independent; they are but for the confusion of the judge, which they share.
    """
    measured = trial.assign(error=trial["value"] - trial["target"], width=trial["high"] - trial["low"])
    groups = measured.groupby(list(by), sort=False)
    n, half = (
        groups["error"].count(),
        norm.isf((1 - rca.CONFIDENCE) / 2) * groups["error"].std() / np.sqrt(groups["error"].count()),
    )
    found = pd.DataFrame({"n_draws": groups.size(), "n_undefined": groups.size() - n, "bias": groups["error"].mean()})
    found["bias_low"], found["bias_high"] = found["bias"] - half, found["bias"] + half
    found["sd"], found["width"] = groups["error"].std(), groups["width"].mean()
    found["coverage"] = groups["held"].mean()
    held, tried = groups["held"].sum(), groups["held"].count()
    low, high = proportion_confint(held, tried.clip(lower=1), method="wilson")
    found["coverage_low"], found["coverage_high"] = low.where(tried > 0), high.where(tried > 0)
    return found.reset_index()


def worst_classes(trial: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The class whose interval of identity fidelity holds the truth least often, at each pattern and truth.

    Args:
        trial: from `mixture_trial`.
        names: K, of the classes.

    Returns:
        One row a pattern and truth: these, class (its name), and the columns of `trial_summary`.
    """
    found = trial_summary(trial[trial["estimator"] == "class_fidelity"], by=["pattern", "truth", "class"])
    worst = found.loc[found.groupby(["pattern", "truth"], sort=False)["coverage"].idxmin()]
    return worst.assign(**{"class": [names[number] for number in worst["class"]]}).reset_index(drop=True)


def lowest_by_luck(n_draws: int, n_intervals: int) -> float:
    """The lowest coverage of many 95 % intervals that are as good as they say: the median of what luck makes of it.

    Args:
        n_draws: by which each coverage is known.
        n_intervals: of which the lowest is looked at.

    >>> lowest_by_luck(300, 1), round(lowest_by_luck(300, 180), 3)
    (0.95, 0.913)
    """
    # That none of them is lower than this has the probability 1/2.
    return float(binom.ppf(1 - 0.5 ** (1 / n_intervals), n_draws, rca.CONFIDENCE) / n_draws)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _coverage(cell: dict[str, Any]) -> str:
    """A cell of `trial_summary` in words."""
    return (
        f"{_percent(cell['coverage'])} of the draws ({_percent(cell['coverage_low'])} to "
        f"{_percent(cell['coverage_high'])}) at truth {cell['truth']:g} with {cell['pattern']}"
    )


def _width(cell: dict[str, Any]) -> str:
    if np.isnan(cell["width"]):  # a judge that can't be inverted: nothing held the truth
        return "for want of a value"
    return f"where it is {cell['width']:.3f} wide in the mean"


def coverage_findings(summary: pd.DataFrame, worst: pd.DataFrame, *, n_classes: int) -> list[str]:
    """Where the intervals of identity fidelity hold the truth too rarely or too often, cell by cell.

    Args:
        summary: from `trial_summary` by pattern, truth and estimator.
        worst: from `worst_classes`.
        n_classes: K.

    Returns:
        Three sentences: how often the mean's interval holds the truth over all cells; the cells in which it does so
        outside COVERAGE_WANTED, and how wide it is there; and the class and cell of the lowest coverage, beside
        `lowest_by_luck`.
    """
    least, most = COVERAGE_WANTED
    cells = summary[summary["estimator"] == "fidelity"]
    outside = cells[~cells["coverage"].between(least, most)].to_dict("records")
    named = [f"{_coverage(cell)}, {_width(cell)}" for cell in outside]
    lowest = worst.loc[worst["coverage"].idxmin()].to_dict()
    luck = lowest_by_luck(int(lowest["n_draws"]), n_classes * len(worst))
    drawn, held = int(cells["n_draws"].sum()), int((cells["coverage"] * cells["n_draws"]).round().sum())
    low, high = proportion_confint(held, drawn, method="wilson")
    return [
        f"Over all cells the interval of mean identity fidelity, called one of 95 %, holds the truth in "
        f"{_percent(held / drawn)} of the draws ({_percent(low)} to {_percent(high)}).",
        f"Of {len(cells)} cells, a way of swapping and a truth each, the interval of mean identity fidelity holds the "
        f"truth in less than {100 * least:.0f} % or more than {100 * most:.0f} % of the draws in {len(outside)}"
        f"{': ' if named else ''}{'; '.join(named)}.",
        f"Of single classes it is {lowest['class']} whose interval holds the truth least often: in {_coverage(lowest)}."
        f" Were all {n_classes * len(worst)} intervals right, luck would make the lowest {_percent(luck)}.",
    ]
