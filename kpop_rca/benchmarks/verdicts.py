"""What follows from the times: rates, ratios within a repeat, and whether they reach the targets that were set."""

import numpy as np
import pandas as pd

from kpop_rca.benchmarks import ceilings, scaling, tasks
from kpop_rca.benchmarks.setting import PAPER_IMAGES
from kpop_rca.benchmarks.tasks import CLASSIFYING, DDIM, DDPM, DETECTION, MEASURES, TRAINING
from kpop_rca.benchmarks.timing import OURS
from kpop_rca.diffusion.objective import TIMESTEPS

MET, MISSED, UNDECIDED, UNMEASURED = "met", "missed", "within the spread", "not measured"
PAPER_TRAINING = 200 * 10_000  # images shown: epochs times images
# How many times as fast as a baseline ours should be.
TARGETS = pd.DataFrame(
    [
        (TRAINING, tasks.DIFFUSERS, 1.3, 3.0),
        (TRAINING, tasks.DENOISING, 1.0, 2.0),
        (DDIM, tasks.DIFFUSERS, 1.3, 3.0),
        (DETECTION, tasks.ONE_BY_ONE, 1.8, 8.0),
        (MEASURES, tasks.SEPARATE, 2.0, 2.0),
    ],
    columns=["task", "who", "cpu", "cuda"],
).set_index(["task", "who"])
AT_EQUAL_FLOPS = {tasks.DENOISING}  # whose model is another one
MACHINE = (ceilings.PRODUCT, ceilings.COPY)
# Copies of its data that a kind of work is handed, and holds as long as it lasts; the others read or write files.
HELD = {scaling.TRAINING: 1, scaling.GENERATION: 0, scaling.DETECTION: 0, scaling.MEASURES: 1}
TOLD_MEGABYTES = 8.0  # of data between the smallest and the largest size, to tell its growth from noise


def with_separate(times: pd.DataFrame) -> pd.DataFrame:
    """The times, and those of the fastest FID, KID and PRDC one after another, summed within a repeat.

    `tasks.SEPARATE` is added where each of the three measures has a baseline that ran.
    """
    part = times[(times["task"] == MEASURES) & times["seconds"].notna()]
    medians = part.groupby("who")["seconds"].median()
    of_each = [medians[medians.index.str.startswith(f"{name} by ")] for name in (tasks.FID, tasks.KID, tasks.PRDC)]
    if any(found.empty for found in of_each):
        return times
    rows = part[part["who"].isin([found.idxmin() for found in of_each])]
    added = rows.drop_duplicates("repeat").assign(who=tasks.SEPARATE)
    added["seconds"] = added["repeat"].map(rows.groupby("repeat")["seconds"].sum())
    return pd.concat([times, added], ignore_index=True)


def rates(times: pd.DataFrame) -> pd.DataFrame:
    """Items a second of every contender, beside the ceiling: the rate of the matrix product over an item's operations.

    Where bytes were counted and not operations, it is the rate of the copy over the bytes.

    Returns:
        task, unit, who, rate (median), low, high (quartiles), n (repeats), gflops (an item), ceiling (items a second;
        NaN where neither was counted), share (of it), why (of one without numbers).
    """
    rows = []
    for (task, who), part in times[~times["who"].isin(MACHINE)].groupby(["task", "who"], sort=False):
        first, low_to_high = part.iloc[0], (part["items"] / part["seconds"]).quantile([0.25, 0.5, 0.75])
        ceiling = _ceiling(times[times["task"] == task], first)
        row = {"task": task, "unit": first["unit"], "who": who}
        row |= dict(zip(("low", "rate", "high"), low_to_high, strict=True))
        row |= {"n": int(part["seconds"].count()), "gflops": first["flops"] / 1e9, "ceiling": ceiling}
        rows.append(row | {"share": row["rate"] / ceiling, "why": first["why"]})
    return pd.DataFrame(rows)


def _ceiling(of_task: pd.DataFrame, row: pd.Series) -> float:
    for machine, counted in zip(MACHINE, ("flops", "bytes"), strict=True):
        reference = of_task[of_task["who"] == machine]
        if np.isfinite(row[counted]) and len(reference):
            return (reference[counted] / reference["seconds"]).median() / row[counted]
    return np.nan


def ratios(times: pd.DataFrame, *, device: str) -> pd.DataFrame:
    """How many times as fast ours is, within each repeat, where both met the same machine; against the target.

    Args:
        times: from `with_separate`.
        device: "cpu" or "cuda": which targets.

    Returns:
        task, who (of FID, KID and PRDC, only all three), ratio (median), low, high (smallest and largest), n, per
        ("item" or "FLOP"), target (NaN where none was set), wanted (items a second of ours at the target), verdict
        (met or missed where every repeat says so; "" without a target), why.
    """
    rows = []
    for task, part in times[~times["who"].isin(MACHINE)].groupby("task", sort=False):
        ours = part[part["who"] == OURS].set_index("repeat")
        for who, theirs in part[part["who"] != OURS].groupby("who", sort=False):
            if task != MEASURES or who == tasks.SEPARATE:
                rows.append({"task": task, "who": who} | _ratio(ours, theirs, target=_target(task, who, device)))
    return pd.DataFrame(rows)


def _target(task: str, who: str, device: str) -> float:
    return TARGETS.loc[(task, who), device] if (task, who) in TARGETS.index else np.nan


def _ratio(ours: pd.DataFrame, theirs: pd.DataFrame, *, target: float) -> dict:
    per = "FLOP" if theirs["who"].iloc[0] in AT_EQUAL_FLOPS else "item"
    found = (_speed(ours, per) / _speed(theirs.set_index("repeat"), per)).dropna()
    row = {"ratio": found.median(), "low": found.min(), "high": found.max(), "n": len(found), "per": per}
    row |= {"target": target, "wanted": target * _speed(ours, "item").median() / row["ratio"]}
    return row | {"verdict": verdict(row["low"], row["high"], target), "why": theirs["why"].iloc[0]}


def _speed(part: pd.DataFrame, per: str) -> pd.Series:
    return part["items"] * (part["flops"] if per == "FLOP" else 1) / part["seconds"]


def verdict(low: float, high: float, target: float) -> str:
    """Whether everything between low and high is at the target or above, or below it.

    >>> verdict(1.4, 1.6, 1.3), verdict(1.2, 1.4, 1.3), verdict(1.0, 1.2, 1.3), verdict(1.0, 1.2, float("nan"))
    ('met', 'within the spread', 'missed', '')
    """
    if np.isnan(target):
        return ""
    if np.isnan(low):
        return UNMEASURED
    return MET if low >= target else MISSED if high < target else UNDECIDED


def whole_runs(rates: pd.DataFrame, *, steps_ddpm: int, study_seconds: float, device: str) -> pd.DataFrame:
    """What the paper's run would take at these rates, and what 01 to 06 of the default study took.

    Args:
        rates: of this module.
        steps_ddpm: steps of the DDPM that was timed; 1,000 take as many times as long.
        study_seconds: wall time of 01 to 06; NaN if unknown.
        device: "cpu" or "cuda"; a target that was set for the other has no verdict.

    Returns:
        what, value, unit, target (at most, of seconds; at least, of a fraction; NaN where none was set), set_for (the
        device), verdict. The default study's target is for more than 01 to 06: these can only miss it.
    """
    ours = rates[rates["who"] == OURS].set_index("task")
    images, study = ours["rate"], "the default study, 01 to 06"
    ddpm = PAPER_IMAGES / images[DDPM] * TIMESTEPS / steps_ddpm
    rows = [
        ("50,000 images by DDIM", PAPER_IMAGES / images[DDIM], "seconds", 60.0, "cuda"),
        ("50,000 images by DDPM-1000", ddpm, "seconds", 1200.0, "cuda"),
        ("200 epochs of 10,000 images", PAPER_TRAINING / images[TRAINING], "seconds", 180.0, "cuda"),
        ("50,000 images shown to an oracle", PAPER_IMAGES / images[CLASSIFYING], "seconds", np.nan, "cuda"),
        ("training, of the machine's limit", ours["share"][TRAINING], "fraction", 0.25, "cuda"),
        (study, study_seconds, "seconds", 600.0, "cpu"),
    ]
    table = pd.DataFrame(rows, columns=["what", "value", "unit", "target", "set_for"])
    at_least = table["unit"] == "fraction"
    enough = np.where(at_least, table["value"] >= table["target"], table["value"] <= table["target"])
    table["verdict"] = np.where(enough, MET, MISSED)
    silent = (table["set_for"] != device) | table[["value", "target"]].isna().any(axis=1)
    table.loc[silent | ((table["what"] == study) & enough), "verdict"] = ""
    return table


def memory(table: pd.DataFrame) -> pd.DataFrame:
    """Whether the peak grows by less than the data's own size, with two standard errors to either side.

    Work that is handed its data in memory holds that copy whatever it does: what comes on top is held to the target.

    Args:
        table: from `scaling.measure`.

    Returns:
        what, growth (bytes of peak for a byte of data), standard_error, data_megabytes (the span of the sizes), held
        (copies that are handed over), beyond (growth without them), verdict.
    """
    rows = []
    for what, part in table[table["axis"] == scaling.IMAGES].groupby("what", sort=False):
        there = part.dropna(subset=["peak_bytes", "data_bytes"])
        growth, error = scaling.slope(there["data_bytes"], there["peak_bytes"])
        megabytes, beyond = np.ptp(part["data_bytes"]) / 1e6, growth - HELD[what]
        low, high = (round(beyond + k * error, 3) for k in (-2, 2))  # a GPU's peaks are exact but for rounding
        found = MET if high < 1 else MISSED if low >= 1 else UNDECIDED
        told = megabytes >= TOLD_MEGABYTES and np.isfinite(error)
        row = {"what": what, "growth": growth, "standard_error": error, "data_megabytes": megabytes}
        row |= {"held": HELD[what], "beyond": beyond}
        rows.append(row | {"verdict": found if told else "too little data to tell"})
    return pd.DataFrame(rows)
