"""The parts of `metrics.json` that follow from the judges' answers: plain numbers, lists and None, ready for JSON."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import intervals, statistics
from kpop_rca.rca.class_intervals import class_fidelity_intervals
from kpop_rca.rca.collapse import (
    directed_flows,
    group_confusion,
    group_excess,
    judged_label_shares,
)
from kpop_rca.rca.counts import accuracy, checked
from kpop_rca.rca.fidelity import condition_number, identity_fidelity
from kpop_rca.rca.ratio import (
    chance_corrected_rca,
    chance_rca,
    class_rca,
    class_tests,
    global_rca,
    macro_rca,
    ratio_interval,
)

PERCENTILE = "percentile bootstrap over images, the judge fixed"
SCORE = "score over images, the judge fixed"
FLOWS = 10  # largest directed flows that are kept


def without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what has no value is null."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def interval(replicates: np.ndarray) -> list[float] | None:
    """The percentile interval of the replicates of one number, None where it has none."""
    low, high = intervals(replicates)
    return None if np.isnan(low) else [float(low), float(high)]


def _class_entry(row: dict[str, Any]) -> dict[str, Any]:
    """One class as `metrics.json` holds it: null with a reason where RCA has no value."""
    entry = {"class": row["class"], "n_real": int(row["n_real"]), "n_generated": int(row["n_generated"])}
    entry |= {name: float(row[name]) for name in ("recall_real", "recall_generated")}
    if math.isnan(row["rca"]):
        why = f"the judge recognises none of its {row['n_real']} real images"
        return entry | {"rca": None, "ci95": None, "why": why}
    return entry | {"rca": float(row["rca"]), "ci95": [float(row["low"]), float(row["high"])]}


def summary(real_counts: ArrayLike, generated_counts: ArrayLike, classes: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """The parts `real`, `generated` and `rca` of `metrics.json`, with score intervals and Holm's tests of the classes.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.
        classes: K names.

    Raises:
        StudyError: a class without images, or a judge that is right on no real image.

    >>> result = summary([[8, 2], [2, 8]], [[30, 70], [50, 50]], ["Ari", "Bo"])
    >>> result["real"], result["generated"], result["rca"]["global"], result["rca"]["chance"]
    ({'n': 20, 'accuracy': 0.8}, {'n': 200, 'accuracy': 0.4}, 0.5, 0.625)
    >>> [(c["class"], round(c["rca"], 3), c["verdict"]) for c in result["rca"]["per_class"]]
    [('Ari', 0.375, 'in vain'), ('Bo', 0.625, 'in vain')]
    """
    real, generated = checked(real_counts), checked(generated_counts)
    table = class_rca(real, generated, classes=classes)
    tests = class_tests(real, generated, classes=classes).drop(columns="class").to_dict("records")
    macro = macro_rca(real, generated)
    rca = {
        "global": global_rca(real, generated),
        "ci95": list(ratio_interval(np.trace(generated), generated.sum(), np.trace(real), real.sum())),
        "ci95_method": "score",
        "macro": None if math.isnan(macro) else macro,
        "chance": chance_rca(real),
        "chance_corrected": _chance_corrected(real, generated),
        "per_class": [_class_entry(row) | test for row, test in zip(table.to_dict("records"), tests, strict=True)],
    }
    if rca["macro"] is None:
        rca["macro_why"] = "the RCA of a class has no value, see per_class"
    parts = {"real": real, "generated": generated}
    return {name: {"n": int(part.sum()), "accuracy": accuracy(part)} for name, part in parts.items()} | {"rca": rca}


def _chance_corrected(real: np.ndarray, generated: np.ndarray) -> float | None:
    try:
        return chance_corrected_rca(real, generated)
    except StudyError:  # a judge that knows nobody: `identity_fidelity` says why
        return None


def fidelity_summary(
    real_counts: ArrayLike, generated_counts: ArrayLike, classes: Sequence[Any], replicates: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The part `identity_fidelity` of `metrics.json`.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.
        classes: K names.
        replicates: from `bootstrap` with this judge alone.

    Returns:
        mean, ci95, ci95_method, chance (1/K), condition_number, and per_class, a list of {class, value, ci95}, whose
        intervals are by `class_ci95_method`; where the judge is too poor to be inverted, mean and ci95 are None,
        per_class is empty, and `why` says the reason.
    """
    condition = condition_number(real_counts)
    known = {"ci95_method": PERCENTILE, "class_ci95_method": SCORE, "chance": 1 / len(classes)}
    known["condition_number"] = condition if math.isfinite(condition) else None
    try:
        values = identity_fidelity(real_counts, generated_counts)
    except StudyError as refusal:
        return {"mean": None, "ci95": None, "per_class": [], "why": str(refusal)} | known
    limits = np.stack(class_fidelity_intervals(real_counts, generated_counts), axis=1).tolist()
    per_class = [
        {"class": str(name), "value": float(value), "ci95": ci95}
        for name, value, ci95 in zip(classes, values, limits, strict=True)
    ]
    return {"mean": float(values.mean()), "ci95": interval(replicates["fidelity"]), "per_class": per_class} | known


def fidelity_table(part: dict[str, Any]) -> pd.DataFrame:
    """The classes of `fidelity_summary` as a table: class, fidelity, low, high; no rows where it was refused.

    >>> fidelity_table({"per_class": [{"class": "Ari", "value": 0.9, "ci95": None}]})
      class  fidelity  low  high
    0   Ari       0.9  NaN   NaN
    """
    nothing = [math.nan, math.nan]
    rows = [(row["class"], row["value"], *(row["ci95"] or nothing)) for row in part["per_class"]]
    return pd.DataFrame(rows, columns=["class", "fidelity", "low", "high"])


def over_judges(
    judges: Sequence[str], real_counts: np.ndarray, generated_counts: np.ndarray, replicates: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The part `over_judges` of `metrics.json`: the mean judge, with intervals over images and judges.

    Args:
        judges: names of the judges, which differ by their seed alone.
        real_counts: float (K, K), the mean of their counts on real images.
        generated_counts: float (K, K), the mean of their counts on generated images.
        replicates: from `bootstrap` with these judges.

    Returns:
        judges, and rca, chance_corrected and fidelity, each {value, ci95}, None where it has no value.
    """
    values = statistics(np.asarray(real_counts, dtype=float), np.asarray(generated_counts, dtype=float))
    names = ("rca", "chance_corrected", "fidelity")
    found = {name: without_nan({"value": float(values[name])}) | {"ci95": interval(replicates[name])} for name in names}
    return {"judges": list(judges), "ci95_method": "hierarchical percentile bootstrap over images and judges"} | found


def collapse_summary(
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    classes: Sequence[Any],
    groups: Sequence[Sequence[int]],
    *,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The parts `collapse` and `within_groups` of `metrics.json`.

    Args:
        real_counts: (K, K), rows true, columns judged.
        generated_counts: (K, K), rows asked for, columns judged.
        classes: K names.
        groups: look-alike groups, a partition of the classes; empty where none are known.
        generator: see `group_excess`.

    Returns:
        collapse: judged_as, the share of each class with its interval beside what the judge calls real images; and
        flows, the largest directed ones. within_groups: real, generated and excess, None without groups.
    """
    shares = {name: judged_label_shares(c, classes=classes) for name, c in _both(real_counts, generated_counts)}
    judged_as = [
        {"class": row["class"], "share": row["share"], "ci95": [row["low"], row["high"]], "share_real": real_share}
        for row, real_share in zip(shares["generated"].to_dict("records"), shares["real"]["share"], strict=True)
    ]
    flows = directed_flows(generated_counts, classes=classes).head(FLOWS).to_dict("records")
    found = {"collapse": {"judged_as": judged_as, "flows": flows}, "within_groups": None}
    if groups:
        within = {name: without_nan(group_confusion(c, groups)) for name, c in _both(real_counts, generated_counts)}
        excess = group_excess(real_counts, generated_counts, groups, generator=generator)
        found["within_groups"] = within | {"excess": without_nan(excess)}
    return found


def _both(real_counts: np.ndarray, generated_counts: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("real", real_counts), ("generated", generated_counts)]
