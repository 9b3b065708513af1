"""Trials on known mixtures: an estimator should find the truth, and its 95 % interval cover it in 95 % of the draws."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import binom, norm
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.controls import draw_mixture
from kpop_rca.rca.confusion_corrected import nearest_on_simplex
from kpop_rca.rca.counts import row_fractions
from kpop_rca.rca.estimators import ESTIMATORS, OF_A_CLASS, estimate
from kpop_rca.system import parallel
from kpop_rca.validity.estimators import trial_rows

TRUTHS = (0.0, 0.1, 0.3, 0.7, 0.9, 1.0)
COVERAGE_WANTED = (0.92, 0.98)  # of a 95 % interval; of 300 draws its standard error is 0.0126


def mixture_trial(
    labels: np.ndarray,
    predicted: np.ndarray,
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
        predicted: int (N,), the oracle's predictions.
        patterns: from `controls.swap_patterns`.
        truths: probabilities of showing the requested identity.
        n_draws: of mixtures at each truth and pattern.
        n_per_condition: images requested, of each identity.
        n_replicates: B of the bootstrap in each draw.
        progress: wraps the pairs of a pattern and a truth, `tqdm` for example.

    Returns:
        One row per draw and estimator: pattern, draw, estimator (ESTIMATORS, OF_A_CLASS, simplex), and the columns of
        `trial_rows`. OF_A_CLASS has one row per class, and is alone in having a class. "simplex" has no interval: a
        constrained solution for each of the replicates would take hours, for a worse number.
    """
    cells = list(product(patterns.items(), truths))

    def draw_all(cell: tuple[tuple[tuple[str, np.ndarray], float], np.random.Generator]) -> list[dict]:
        ((pattern, swaps), truth), own = cell
        rows = []
        for number in range(n_draws):
            mixture = draw_mixture(labels, truth, swaps, n_per_condition=n_per_condition, generator=own)
            found = _estimates(labels, predicted, mixture, truth, n_replicates=n_replicates, generator=own)
            rows += [{"pattern": pattern, "draw": number} | row for row in found]
        return rows

    # A random stream for each, so that the number of cores changes nothing; sampling releases Python's lock.
    streams = zip(cells, generator.spawn(len(cells)), strict=True)
    per_cell = parallel.in_order(draw_all, list(streams), workers=parallel.cores(), threads=True)
    table = pd.DataFrame([row for _, rows in zip(progress(cells), per_cell, strict=True) for row in rows])
    return table.astype({"class": "Int64"})  # whole numbers, and missing for the other estimators


def _estimates(
    labels: np.ndarray,
    predicted: np.ndarray,
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray],
    truth: float,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> list[dict]:
    """What every estimator finds in one mixture, a row each."""
    playing, requested, left = mixture
    n_classes = int(labels.max()) + 1
    real = rca.confusion_counts(labels[left], predicted[left], n_classes)
    generated = rca.confusion_counts(requested, predicted[playing], n_classes)
    found = estimate(real, generated, n_replicates=n_replicates, generator=generator)
    nearest = nearest_on_simplex(*map(row_fractions, (real, generated)))
    simplex = {"estimator": "simplex", "truth": truth, "target": truth, "value": float(np.diag(nearest).mean())}
    return [*trial_rows(found, truth, n_classes, (*ESTIMATORS, OF_A_CLASS)), simplex]


def trial_summary(trial: pd.DataFrame, by: Sequence[str] = ("truth", "estimator")) -> pd.DataFrame:
    """How each estimator did: bias, spread, and how often its interval covered the target.

    Args:
        trial: from `mixture_trial`.
        by: columns to group by.

    Returns:
        One row per group: n_draws (of OF_A_CLASS K times that), n_undefined (without a value, left out of bias and sd),
        bias (mean of value - target), bias_low and bias_high (95 % of the mean over the draws), sd, width (mean over
        the intervals that there are), and coverage with coverage_low and coverage_high (Wilson 95 %); NaN for an
        estimator without an interval. Both intervals take the classes of a draw as independent.
    """
    measured = trial.assign(error=trial["value"] - trial["target"], width=trial["high"] - trial["low"])
    groups = measured.groupby(list(by), sort=False)
    n = groups["error"].count()
    half = norm.isf((1 - rca.CONFIDENCE) / 2) * groups["error"].std() / np.sqrt(n)
    found = pd.DataFrame({"n_draws": groups.size(), "n_undefined": groups.size() - n, "bias": groups["error"].mean()})
    found["bias_low"], found["bias_high"] = found["bias"] - half, found["bias"] + half
    found["sd"], found["width"] = groups["error"].std(), groups["width"].mean()
    found["coverage"] = groups["covered"].mean()
    covered, tried = groups["covered"].sum(), groups["covered"].count()
    low, high = proportion_confint(covered, tried.clip(lower=1), method="wilson")
    found["coverage_low"], found["coverage_high"] = low.where(tried > 0), high.where(tried > 0)
    return found.reset_index()


def worst_classes(trial: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The class whose interval covers the truth least often, at each pattern and truth.

    Returns:
        One row per pattern and truth: these, class (its name), and the columns of `trial_summary`.
    """
    found = trial_summary(trial[trial["estimator"] == OF_A_CLASS], by=["pattern", "truth", "class"])
    worst = found.loc[found.groupby(["pattern", "truth"], sort=False)["coverage"].idxmin()]
    return worst.assign(**{"class": [names[number] for number in worst["class"]]}).reset_index(drop=True)


def lowest_by_luck(n_draws: int, n_intervals: int) -> float:
    """The median of the lowest coverage of so many 95 % intervals that are exact, each estimated from n_draws.

    >>> lowest_by_luck(300, 1), round(lowest_by_luck(300, 180), 3)
    (0.95, 0.913)
    """
    # That none of them is lower than this has the probability 1/2.
    return float(binom.ppf(1 - 0.5 ** (1 / n_intervals), n_draws, rca.CONFIDENCE) / n_draws)


def coverage_findings(summary: pd.DataFrame, worst: pd.DataFrame, *, n_classes: int) -> pd.DataFrame:
    """How often intervals of the confusion-corrected accuracy cover the truth, over all cells and in those off target.

    Args:
        summary: from `trial_summary` by pattern, truth and estimator.
        worst: from `worst_classes`.

    Returns:
        The columns of `trial_summary` from pattern to coverage_high, with `what` and `class`: a row for the mean over
        all cells, for each cell whose coverage is outside COVERAGE_WANTED, for the lowest of a single class, and for
        how low luck would make that one.
    """
    cells = summary[summary["estimator"] == "confusion_corrected_accuracy"]
    outside = cells[~cells["coverage"].between(*COVERAGE_WANTED)].assign(what="the mean, cell off target")
    lowest = worst.loc[[worst["coverage"].idxmin()]].assign(what="single classes, lowest")
    n, covered = int(cells["n_draws"].sum()), int((cells["coverage"] * cells["n_draws"]).round().sum())
    low, high = proportion_confint(covered, n, method="wilson")
    whole = {
        "what": "the mean, all cells",
        "n_draws": n,
        "coverage": covered / n,
        "coverage_low": low,
        "coverage_high": high,
    }
    luck = lowest_by_luck(int(lowest["n_draws"].iloc[0]), n_classes * len(worst))
    by_luck = {"what": "single classes, lowest by luck", "n_draws": lowest["n_draws"].iloc[0], "coverage": luck}
    table = pd.concat([pd.DataFrame([whole]), outside, lowest, pd.DataFrame([by_luck])], ignore_index=True)
    columns = ["what", "pattern", "truth", "class", "n_draws", "coverage", "coverage_low", "coverage_high", "width"]
    return table.reindex(columns=columns)


def about_single_classes(findings: pd.DataFrame) -> str:
    """How often the intervals of single classes cover the truth where they do so least, from `coverage_findings`."""
    rows = findings.set_index("what")
    lowest, luck = rows.loc["single classes, lowest"], rows.loc["single classes, lowest by luck", "coverage"]
    verdict = "less often than luck alone explains" if lowest["coverage_high"] < luck else "no less often than by luck"
    return (
        f"Of single classes, the 95 % interval covers the truth in {lowest['coverage']:.0%} of the draws in the "
        f"worst case ({lowest['class']}, swapped for {lowest['pattern']}, truth {lowest['truth']:g}): {verdict} "
        f"({luck:.0%})."
    )


def about_mixtures(summary: pd.DataFrame) -> list[str]:
    """How far RCA and confusion-corrected accuracy are from the truth of mixtures, in a sentence each.

    Args:
        summary: from `trial_summary` by pattern, truth and estimator.
    """
    found = {}
    for name, own in summary.groupby("estimator"):
        if own["bias"].notna().any():
            found[name] = own.loc[own["bias"].abs().idxmax(), "bias"], own["coverage"].mean()
    if missing := {"confusion_corrected_accuracy", "rca"} - found.keys():
        return [f"In no draw could the estimators be computed ({', '.join(sorted(missing))}): too few images."]
    corrected, ratio = found["confusion_corrected_accuracy"], found["rca"]
    return [
        f"In mixtures of real images the oracle errs as it should: confusion-corrected accuracy is off by "
        f"{corrected[0]:+.3f} at most, and its 95 % intervals cover the truth in {corrected[1]:.0%} of the draws.",
        f"RCA is off by up to {ratio[0]:+.3f}, and its intervals cover the truth in {ratio[1]:.0%}.",
    ]
