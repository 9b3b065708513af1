"""What follows from the times: rates, ratios within a repeat, and whether they clear the bars that were set."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kpop_rca.benchmarks import ceilings, sizes, tasks
from kpop_rca.benchmarks.setting import PAPER_IMAGES
from kpop_rca.benchmarks.tasks import CLASSIFYING, DDIM, DDPM, DETECTION, MEASURES, TRAINING
from kpop_rca.benchmarks.timing import OURS
from kpop_rca.diffusion.samplers import TIMESTEPS

MET, MISSED, UNDECIDED = "met", "missed", "within the spread"
PAPER_TRAINING = 200 * 10_000  # images shown: epochs times images
STUDY = "the default study, 01 to 06"
FLOOR = 0.25  # of the matrix product's rate, in training on a GPU
DIGITS = 3  # of the growth of memory: on a GPU one copy more is one byte a byte within rounding
TOLD_MEGABYTES = 8.0  # of data between the smallest and the largest size, to tell its growth from noise


@dataclass(frozen=True)
class Bar:
    """How many times as fast as a peer ours should be, on a CPU and on a GPU."""

    cpu: float
    cuda: float


BARS = {
    (TRAINING, tasks.DIFFUSERS): Bar(1.3, 3.0),
    (TRAINING, tasks.DENOISING): Bar(1.0, 2.0),
    (DDIM, tasks.DIFFUSERS): Bar(1.3, 3.0),
    (DETECTION, tasks.ONE_BY_ONE): Bar(1.8, 8.0),
    (MEASURES, tasks.SEPARATE): Bar(2.0, 2.0),
}
# Their model is another one: compared at equal floating-point operations.
AT_EQUAL_FLOPS = {tasks.DENOISING}


def with_separate(times: pd.DataFrame) -> pd.DataFrame:
    """The times, and those of the baselines' fastest FID, KID and PRDC run one after another, summed within a repeat.

    Args:
        times: of all tasks; see `tasks.times`.

    Returns:
        With rows of `tasks.SEPARATE` added where each of the three measures has a baseline that ran.
    """
    part = times[(times["task"] == MEASURES) & times["seconds"].notna()]
    medians = part.groupby("who")["seconds"].median()
    fastest = []
    for measure in (tasks.FID, tasks.KID, tasks.PRDC):
        of_measure = medians[medians.index.str.startswith(f"{measure} by ")]
        if of_measure.empty:
            return times
        fastest.append(of_measure.idxmin())
    rows = part[part["who"].isin(fastest)]
    added = rows.drop_duplicates("repeat").assign(who=tasks.SEPARATE)
    added["seconds"] = added["repeat"].map(rows.groupby("repeat")["seconds"].sum())
    return pd.concat([times, added], ignore_index=True)


def rates(times: pd.DataFrame) -> pd.DataFrame:
    """Items a second of every contender: median and quartiles over the repeats, beside the ceiling.

    The ceiling is what a machine as busy could do at most: the rate of the matrix product in the same repeats, over
    the operations of an item; where bytes were counted and not operations, that of the copy over the bytes.

    Args:
        times: of all tasks.

    Returns:
        A row a task and contender: task, unit, who, rate, low, high (quartiles), n (repeats), gflops (an item),
        ceiling (items a second; NaN where neither was counted), share (of it), why (of one without numbers).
    """
    rows = []
    for (task, who), part in times.groupby(["task", "who"], sort=False):
        if who in (ceilings.PRODUCT, ceilings.COPY):
            continue
        per_second = part["items"] / part["seconds"]
        low, rate, high = per_second.quantile([0.25, 0.5, 0.75])
        ceiling = _ceiling(times[times["task"] == task], part.iloc[0])
        row = {"task": task, "unit": part["unit"].iloc[0], "who": who, "rate": rate, "low": low, "high": high}
        row |= {"n": int(part["seconds"].count()), "gflops": part["flops"].iloc[0] / 1e9}
        rows.append(row | {"ceiling": ceiling, "share": rate / ceiling, "why": part["why"].iloc[0]})
    return pd.DataFrame(rows)


def _ceiling(of_task: pd.DataFrame, row: pd.Series) -> float:
    for machine, counted in ((ceilings.PRODUCT, "flops"), (ceilings.COPY, "bytes")):
        reference = of_task[of_task["who"] == machine]
        if np.isfinite(row[counted]) and len(reference):
            return (reference[counted] / reference["seconds"]).median() / row[counted]
    return np.nan


def ratios(times: pd.DataFrame, *, device: str) -> pd.DataFrame:
    """How many times as fast ours is, beside the bar.

    A ratio is taken within each repeat, where both met the same machine; its median is held against the bar. Met or
    missed it is where every repeat says so.

    Args:
        times: of all tasks, from `with_separate`.
        device: "cpu" or "cuda": which bars.

    Returns:
        A row a task and peer (of FID, KID and PRDC, only for all three): task, who, ratio (median), low, high (smallest
        and largest), n, per ("item", or "FLOP" where the peer's model is another), bar (NaN where none was set), asked
        (items a second of ours that would be at the bar), verdict ("" without a bar), why.
    """
    rows = []
    for task, part in times.groupby("task", sort=False):
        ours = part[part["who"] == OURS].set_index("repeat")
        for who in part["who"].unique():
            of_one_measure = task == MEASURES and who != tasks.SEPARATE
            if who not in (OURS, ceilings.PRODUCT, ceilings.COPY) and not of_one_measure:
                rows.append(_ratio(task, who, ours, part[part["who"] == who], device=device))
    return pd.DataFrame(rows)


def _ratio(task: str, who: str, ours: pd.DataFrame, theirs: pd.DataFrame, *, device: str) -> dict:
    per = "flops" if who in AT_EQUAL_FLOPS else "items"
    found = (_done(ours, per) / _done(theirs.set_index("repeat"), per)).dropna()
    bar = BARS.get((task, who))
    wanted = getattr(bar, device) if bar else np.nan
    row = {"task": task, "who": who, "ratio": found.median(), "low": found.min(), "high": found.max()}
    row |= {"n": len(found), "per": {"flops": "FLOP", "items": "item"}[per], "bar": wanted}
    row["asked"] = wanted * _done(ours, "items").median() / row["ratio"]
    return row | {"verdict": verdict(row["low"], row["high"], wanted), "why": theirs["why"].iloc[0]}


def _done(part: pd.DataFrame, per: str) -> pd.Series:
    amount = part["items"] * part["flops"] if per == "flops" else part["items"]
    return amount / part["seconds"]


def verdict(low: float, high: float, bar: float) -> str:
    """Whether everything between low and high is at the bar or above, or below it.

    >>> verdict(1.4, 1.6, 1.3), verdict(1.2, 1.4, 1.3), verdict(1.0, 1.2, 1.3), verdict(1.0, 1.2, float("nan"))
    ('met', 'within the spread', 'missed', '')
    """
    if np.isnan(bar):
        return ""
    if np.isnan(low):
        return "not measured"
    return MET if low >= bar else MISSED if high < bar else UNDECIDED


def whole_runs(rates: pd.DataFrame, *, steps_ddpm: int, study_seconds: float, device: str) -> pd.DataFrame:
    """What the paper's run would take at these rates, and what the default study took, beside their bars.

    Args:
        rates: from `rates`.
        steps_ddpm: steps of the DDPM that was timed; 1,000 take as many times as long.
        study_seconds: wall time of the first six notebooks of the default study; NaN if unknown.
        device: "cpu" or "cuda"; a bar that was set for the other has no verdict.

    Returns:
        what, value, unit, bar (at most, of seconds; at least, of a share; NaN where none was set), set_for (the
        device), verdict.
        The study's time is of a part of what its bar was set for: that it is met is never said.
    """
    ours = rates[rates["who"] == OURS].set_index("task")
    images, training = ours["rate"], ours["share"][TRAINING]
    ddpm = PAPER_IMAGES / images[DDPM] * TIMESTEPS / steps_ddpm
    rows = [
        ("50,000 images by DDIM", PAPER_IMAGES / images[DDIM], "seconds", 60.0, "cuda"),
        ("50,000 images by DDPM-1000", ddpm, "seconds", 1200.0, "cuda"),
        ("200 epochs of 10,000 images", PAPER_TRAINING / images[TRAINING], "seconds", 180.0, "cuda"),
        ("50,000 images shown to an oracle", PAPER_IMAGES / images[CLASSIFYING], "seconds", np.nan, "cuda"),
        ("training, of the machine's limit", training, "share", FLOOR, "cuda"),
        (STUDY, study_seconds, "seconds", 600.0, "cpu"),
    ]
    table = pd.DataFrame(rows, columns=["what", "value", "unit", "bar", "set_for"])
    enough = np.where(table["unit"] == "share", table["value"] >= table["bar"], table["value"] <= table["bar"])
    table["verdict"] = np.where(enough, MET, MISSED)
    table.loc[(table["set_for"] != device) | table[["value", "bar"]].isna().any(axis=1), "verdict"] = ""
    # The bar is for all of `make study`, with 07, the report and the starting of kernels: a part can only miss it.
    table.loc[(table["what"] == STUDY) & (table["verdict"] == MET), "verdict"] = ""
    return table


def memory(growth: pd.DataFrame) -> pd.DataFrame:
    """Whether the peak grows by less than the data's own size, with two standard errors to either side.

    Work that is handed its data in memory holds them once whatever it does: that copy grows by exactly their size, and
    it is what comes on top of it that is held against the bar, a second copy for example. Work that reads files and
    writes files has no such copy.

    Args:
        growth: from `scaling.memory_growth`.

    Returns:
        With `held` (copies of the data that are handed over), `beyond` (growth without them) and `verdict`; data of a
        few megabytes can't be told from what a process varies by, and have none.
    """
    held = growth["what"].map(sizes.HELD)
    growth = growth.assign(held=held, beyond=growth["growth"] - held)
    low, high = ((growth["beyond"] + k * growth["standard_error"]).round(DIGITS) for k in (-2, 2))
    found = np.where(high < 1, MET, np.where(low >= 1, MISSED, UNDECIDED))
    told = (growth["data_megabytes"] >= TOLD_MEGABYTES) & growth["standard_error"].notna()
    return growth.assign(verdict=np.where(told, found, "too little data to tell"))
