"""The parts of `metrics.json` that follow from the predictions: plain numbers, lists and None, ready for JSON."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import intervals
from kpop_rca.rca.class_intervals import class_confusion_corrected_intervals
from kpop_rca.rca.collapse import (
    Groups,
    directed_flows,
    group_confusion,
    group_excess,
    predicted_class_frequencies,
    strongest_confusions,
)
from kpop_rca.rca.confusion_corrected import condition_number, confusion_corrected_accuracy, simplex_mixtures
from kpop_rca.rca.counts import accuracy, checked
from kpop_rca.rca.ratio import (
    CONFIDENCE,
    NO_EFFECT_LIMIT,
    NON_INFERIORITY_LIMIT,
    chance_corrected_rca,
    chance_rca,
    class_rca,
    class_tests,
    global_rca,
    macro_rca,
    perfect_rca,
    ratio_interval,
)

MELDED = "melded bootstrap over images (Fay et al. 2015), the oracle fixed"
SCORE = "score over images, the oracle fixed"
FLOWS = 10  # largest directed flows, and confusions, that are kept
# Width of an interval beyond which a mean fraction is refused: it covers all of 0 to 1.
WIDEST = 1.0


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what has no value is null."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def _interval(replicates: np.ndarray) -> list[float] | None:
    """The interval from the replicates of one number, (2, B); None where it has none."""
    low, high = intervals(replicates)
    return None if np.isnan(low) else [float(low), float(high)]


def _class_entry(row: dict[str, Any], test: dict[str, Any]) -> dict[str, Any]:
    """One class, from `class_rca` and `class_tests`; null with a reason for what has no value."""
    tested = _without_nan(test)
    entry = {"class": row["class"], "n_real": int(row["n_real"]), "n_generated": int(row["n_generated"])}
    entry |= {name: float(row[name]) for name in ("recall_real", "recall_generated")}
    if tested["p_no_effect"] is None:
        tested["why"] = f"{row['recall_real'] * row['n_real']:.0f} of {row['n_real']} real images are recognised"
    if math.isnan(row["rca"]):  # the oracle recognises none, so that it is not tested either: one reason for both
        return entry | {"rca": None, "ci95": None, "chance": None} | tested
    ends = {"ci95": [float(row["low"]), float(row["high"])]}
    return entry | {"rca": float(row["rca"])} | ends | {"chance": float(row["chance"])} | tested


def summary(
    real_counts: ArrayLike, generated_counts: ArrayLike, classes: Sequence[Any], replicates: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """The parts `real`, `generated` and `rca` under one oracle, with intervals and Holm's tests of the classes.

    Args:
        classes: K names.
        replicates: of this oracle, (2, B) or (2, B, K) each, from `bootstrap`.

    >>> replicates = {name: np.zeros((2, 100)) for name in ("macro_rca", "chance_corrected")}
    >>> result = summary([[8, 2], [2, 8]], [[30, 70], [50, 50]], ["Ari", "Bo"], replicates)
    >>> result["real"], result["generated"], result["rca"]["global"], result["rca"]["chance"]
    ({'n': 20, 'accuracy': 0.8}, {'n': 200, 'accuracy': 0.4}, 0.5, 0.625)
    >>> [(c["class"], round(c["rca"], 3)) for c in result["rca"]["per_class"]]
    [('Ari', 0.375), ('Bo', 0.625)]
    """
    real, generated = checked(real_counts), checked(generated_counts)
    table = class_rca(real, generated, classes=classes)
    tests = class_tests(real, generated, classes=classes).drop(columns="class").to_dict("records")
    macro, too_poor = macro_rca(real, generated), ""
    try:
        corrected = chance_corrected_rca(real, generated)
    except StudyError as refusal:
        corrected, too_poor = None, str(refusal)
    rca = {
        "global": global_rca(real, generated),
        "ci95": list(ratio_interval(np.trace(generated), generated.sum(), np.trace(real), real.sum())),
        "ci95_method": "score",
        "macro": None if math.isnan(macro) else macro,
        "macro_ci95": _interval(replicates["macro_rca"]),
        "macro_ci95_method": MELDED,
        "chance": chance_rca(real),
        "perfect": perfect_rca(real, generated),
        "chance_corrected": corrected,
        "chance_corrected_ci95": _interval(replicates["chance_corrected"]),
        "chance_corrected_ci95_method": MELDED,
        "verdict_limits": {"non_inferior": NON_INFERIORITY_LIMIT, "no_effect": NO_EFFECT_LIMIT},
        "per_class": [_class_entry(row, test) for row, test in zip(table.to_dict("records"), tests, strict=True)],
    }
    for name, why in (
        ("macro", "the RCA of a class has no value, see per_class"),
        ("macro_ci95", "the RCA of a class has no value in too many resamples of the images"),
        ("chance_corrected", too_poor),
        ("chance_corrected_ci95", "in too many resamples of its images the oracle is no better than chance"),
    ):
        if rca[name] is None:
            rca[f"{name}_why"] = why
    parts = {"real": real, "generated": generated}
    return {name: {"n": int(part.sum()), "accuracy": accuracy(part)} for name, part in parts.items()} | {"rca": rca}


def confusion_corrected_summary(
    real_counts: ArrayLike, generated_counts: ArrayLike, classes: Sequence[Any], replicates: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The part `confusion_corrected_accuracy`.

    Args:
        classes: K names.
        replicates: of this oracle, (2, B) or (2, B, K) each, from `bootstrap`.

    Returns:
        mean, ci95, ci95_method, chance (1/K), condition_number, and per_class, a list of {class, value, ci95} with
        intervals by `class_ci95_method`; outside, the classes whose interval, widened for there being K (Bonferroni),
        lies wholly below 0 or above 1, so that the oracle seems to err on them in another way than on real faces; and
        mean_on_simplex, with every fraction held between 0 and 1, biased inwards, for comparison.
        Where the oracle is too poor to be inverted, or the interval as wide as all that is possible, the means and
        ci95 are None, the lists are empty, and `why` gives the reason.

    >>> again = {"confusion_corrected_accuracy": np.full((2, 9), 0.6)}
    >>> part = confusion_corrected_summary([[80, 20], [20, 80]], [[50, 50], [35, 65]], ["Ari", "Bo"], again)
    >>> round(part["mean"], 3), part["ci95"], [round(row["value"], 2) for row in part["per_class"]]
    (0.625, [0.6, 0.6], [0.5, 0.75])
    """
    condition = condition_number(real_counts)
    always = {"ci95_method": MELDED, "class_ci95_method": SCORE, "chance": 1 / len(classes)}
    always["condition_number"] = condition if math.isfinite(condition) else None
    nothing = {"mean": None, "mean_on_simplex": None, "ci95": None, "per_class": [], "outside": []}
    try:
        values = confusion_corrected_accuracy(real_counts, generated_counts)
    except StudyError as refusal:
        return nothing | {"why": str(refusal)} | always
    ends = _interval(replicates["confusion_corrected_accuracy"])
    if ends is None or ends[1] - ends[0] > WIDEST:
        found = "has no interval" if ends is None else f"could be anything from {ends[0]:.2f} to {ends[1]:.2f}"
        why = f"it {found}: there are too few real faces for the oracle's errors, or too many errors"
        return nothing | {"why": why} | always
    tables = (real_counts, generated_counts)
    limits = np.stack(class_confusion_corrected_intervals(*tables), axis=1).tolist()
    per_class = [
        {"class": str(name), "value": float(value), "ci95": ci95}
        for name, value, ci95 in zip(classes, values, limits, strict=True)
    ]
    wider = class_confusion_corrected_intervals(*tables, confidence=1 - (1 - CONFIDENCE) / len(classes))
    outside = [row["class"] for row, low, high in zip(per_class, *wider, strict=True) if low > 1 or high < 0]
    on_simplex = float(np.diag(simplex_mixtures(*tables)).mean())
    means = {"mean": float(values.mean()), "mean_on_simplex": on_simplex, "ci95": ends}
    return means | {"per_class": per_class, "outside": outside} | always


def confusion_corrected_table(part: dict[str, Any]) -> pd.DataFrame:
    """The classes of `confusion_corrected_summary` as a table; no rows where it was refused.

    >>> confusion_corrected_table({"per_class": [{"class": "Ari", "value": 0.9, "ci95": None}]})
      class  confusion_corrected_accuracy  low  high
    0   Ari                           0.9  NaN   NaN
    """
    nothing = [math.nan, math.nan]
    rows = [(row["class"], row["value"], *(row["ci95"] or nothing)) for row in part["per_class"]]
    return pd.DataFrame(rows, columns=["class", "confusion_corrected_accuracy", "low", "high"])


def collapse_summary(
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    classes: Sequence[Any],
    groups: Groups,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The parts `collapse` and `within_groups`.

    Args:
        classes: K names.
        groups: look-alike groups; empty for none.
        n_replicates, generator: see `group_excess`.

    Returns:
        collapse: predicted_as, the fraction of each class with its interval beside that of real images; confusions, the
        most frequent; and flows, the largest directed ones, both beside those on real images.
        within_groups: real, generated and excess, None without groups.

    Source: the paper's sections 6.2 and 6.3.

    >>> tables, rng = ([[8, 2], [2, 8]], [[9, 1], [6, 4]]), np.random.default_rng(0)
    >>> parts = collapse_summary(*tables, ["Ari", "Bo"], [], n_replicates=200, generator=rng)
    >>> [(row["class"], row["fraction"], row["fraction_real"]) for row in parts["collapse"]["predicted_as"]]
    [('Ari', 0.75, 0.5), ('Bo', 0.25, 0.5)]
    >>> parts["within_groups_why"]
    'look_alike_groups names none'
    """
    both = {"real": real_counts, "generated": generated_counts}
    found = {name: predicted_class_frequencies(counts, classes=classes) for name, counts in both.items()}
    predicted_as = [
        {"class": row["class"], "fraction": row["fraction"], "ci95": [row["low"], row["high"]], "fraction_real": real}
        for row, real in zip(found["generated"].to_dict("records"), found["real"]["fraction"], strict=True)
    ]
    beside = {"classes": classes, "real_counts": real_counts}
    largest = {
        "confusions": strongest_confusions(generated_counts, FLOWS, **beside).to_dict("records"),
        "flows": directed_flows(generated_counts, **beside).head(FLOWS).to_dict("records"),
    }
    collapse = {"collapse": {"predicted_as": predicted_as} | largest}
    if not groups:
        return collapse | {"within_groups": None, "within_groups_why": "look_alike_groups names none"}
    within = {name: _without_nan(group_confusion(counts, groups)) for name, counts in both.items()}
    excess = group_excess(real_counts, generated_counts, groups, n_replicates=n_replicates, generator=generator)
    for part in within.values():
        if part["fraction_within"] is None:
            part["why"] = "no image is predicted as another identity"
    return collapse | {"within_groups": within | {"excess": _without_nan(excess)}}
