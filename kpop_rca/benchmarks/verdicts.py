"""What follows from the times: rates, ratios within a repeat, growth, and whether they reach the targets."""

import numpy as np
import pandas as pd
from scipy.stats import linregress

from kpop_rca.benchmarks import tasks
from kpop_rca.benchmarks.baselines.features import FID, KID, PRDC
from kpop_rca.benchmarks.ceilings import CEILINGS, COPY, PRODUCT
from kpop_rca.benchmarks.setting import PAPER_IMAGES
from kpop_rca.benchmarks.tasks import CLASSIFYING, DDIM, DDPM, DETECTION, MEASURES, TRAINING
from kpop_rca.benchmarks.timing import OURS
from kpop_rca.diffusion.objective import TIMESTEPS

MET, MISSED, UNDECIDED, UNMEASURED = "met", "missed", "within the spread", "not measured"
SEPARATE = "baselines' fastest, one after another"
BY_DDIM, BY_DDPM, EPOCHS = "50,000 images by DDIM", "50,000 images by DDPM-1000", "200 epochs of 10,000 images"
SHOWN, OF_LIMIT = "50,000 images shown to an oracle", "training, of the machine's limit"
STUDY, GROWTH = "the default study but 07", "bytes of peak memory per byte of data"
PAPER_TRAINING = 200 * 10_000  # images shown: epochs times images
LEAST, MOST = "at least", "at most"
# How many times as fast as a baseline ours should be; seconds and fractions of a whole run; and memory, which grows by
# less than the data: below 1 as it is rounded.
TARGETS = pd.DataFrame(
    [
        (TRAINING, tasks.DIFFUSERS, LEAST, 1.45, 3.0),
        (TRAINING, tasks.DENOISING, LEAST, 1.0, 2.0),
        (DDIM, tasks.DIFFUSERS, LEAST, 1.7, 3.0),
        (DETECTION, tasks.ONE_BY_ONE, LEAST, 1.8, 8.0),
        (MEASURES, SEPARATE, LEAST, 2.0, 2.0),
        (BY_DDIM, "", MOST, np.nan, 60.0),
        (BY_DDPM, "", MOST, np.nan, 1200.0),
        (EPOCHS, "", MOST, np.nan, 180.0),
        (OF_LIMIT, "", LEAST, np.nan, 0.25),
        (STUDY, "", MOST, 600.0, np.nan),
        (GROWTH, "", MOST, 0.999, 0.999),
    ],
    columns=["of", "beside", "sense", "cpu", "cuda"],
).set_index(["of", "beside"])
AT_EQUAL_FLOPS = {tasks.DENOISING}  # whose model is another one
# Copies of its data that a kind of work is handed, and holds as long as it lasts; the others read or write files.
HELD = {tasks.STEP: 1, tasks.GENERATION: 0, DETECTION: 0, MEASURES: 1}
TOLD_MEGABYTES = 8.0  # of data between the smallest and the largest size, to tell its growth from noise


def target_of(of: str, beside: str = "", *, device: str) -> float:
    """The number of TARGETS; NaN where none was set."""
    return TARGETS[device].get((of, beside), np.nan)


def verdict(low: float, high: float, of: str, beside: str = "", *, device: str) -> str:
    """Whether everything between low and high reaches the target, or misses it; "" where none was set.

    >>> [verdict(low, low + 0.2, TRAINING, "diffusers", device="cpu") for low in (1.5, 1.4, 1.0, float("nan"))]
    ['met', 'within the spread', 'missed', 'not measured']
    >>> verdict(61.0, 61.0, BY_DDIM, device="cuda"), verdict(61.0, 61.0, BY_DDIM, device="cpu")
    ('missed', '')
    """
    target = target_of(of, beside, device=device)
    if np.isnan(target):
        return ""
    if np.isnan(low):
        return UNMEASURED
    if TARGETS["sense"][of, beside] == MOST:
        low, high, target = -high, -low, -target
    return MET if low >= target else MISSED if high < target else UNDECIDED


def with_separate(times: pd.DataFrame) -> pd.DataFrame:
    """The times, and as SEPARATE those of the fastest FID, KID and PRDC one after another, where each was measured."""
    part = times[(times["task"] == MEASURES) & times["seconds"].notna()]
    medians = part.groupby("who")["seconds"].median()
    of_each = [medians[medians.index.str.startswith(f"{name} by ")] for name in (FID, KID, PRDC)]
    if any(found.empty for found in of_each):
        return times
    rows = part[part["who"].isin([found.idxmin() for found in of_each])]
    added = rows.drop_duplicates("repeat").assign(who=SEPARATE)
    added["seconds"] = added["repeat"].map(rows.groupby("repeat")["seconds"].sum())
    return pd.concat([times, added], ignore_index=True)


def rates(times: pd.DataFrame) -> pd.DataFrame:
    """Items per second of every program (quartiles, n repeats), and its fraction of the machine's ceiling.

    The ceiling is the matrix product's operations per second over an item's, else the copy's bytes; NaN where neither
    was counted.
    """
    of_each = times[~times["who"].isin(CEILINGS)].assign(speed=lambda part: part["items"] / part["seconds"])
    of_each = of_each.groupby(["task", "who"], sort=False)
    found = of_each.agg({"unit": "first", "seconds": "count", "flops": "first", "bytes": "first", "why": "first"})
    found[["low", "rate", "high"]] = of_each["speed"].quantile([0.25, 0.5, 0.75]).unstack()
    found = found.reset_index().rename(columns={"seconds": "n"})
    found["gflops"], found["ceiling"] = found["flops"] / 1e9, np.nan
    for machine, counted in ((PRODUCT, "flops"), (COPY, "bytes")):
        part = times[times["who"] == machine]
        per_second = (part[counted] / part["seconds"]).groupby(part["task"]).median()
        found["ceiling"] = found["ceiling"].fillna(found["task"].map(per_second) / found[counted])
    found["fraction"] = found["rate"] / found["ceiling"]
    return found[["task", "unit", "who", "low", "rate", "high", "n", "gflops", "ceiling", "fraction", "why"]]


def ratios(times: pd.DataFrame, *, device: str) -> pd.DataFrame:
    """How many times as fast ours is, within each repeat, where both met the same machine; against the target.

    The ratio is the median, low and high the smallest and the largest of n repeats; wanted are items per second of ours
    at the target. The times are from `with_separate`: of FID, KID and PRDC, only all three have a ratio.
    """
    rows = []
    for task, part in times[~times["who"].isin(CEILINGS)].groupby("task", sort=False):
        ours = part[part["who"] == OURS].set_index("repeat")
        for who, theirs in part[part["who"] != OURS].groupby("who", sort=False):
            if task == MEASURES and who != SEPARATE:
                continue
            per = "FLOP" if who in AT_EQUAL_FLOPS else "item"
            found = (_speed(ours, per) / _speed(theirs.set_index("repeat"), per)).dropna()
            ratio, low, high, target = found.median(), found.min(), found.max(), target_of(task, who, device=device)
            row = {"task": task, "who": who, "ratio": ratio, "low": low, "high": high, "n": len(found), "per": per}
            row |= {"target": target, "wanted": target * _speed(ours, "item").median() / ratio}
            row |= {"verdict": verdict(low, high, task, who, device=device), "why": theirs["why"].iloc[0]}
            rows.append(row)
    return pd.DataFrame(rows)


def _speed(part: pd.DataFrame, per: str) -> pd.Series:
    return part["items"] * (part["flops"] if per == "FLOP" else 1) / part["seconds"]


def whole_runs(rates: pd.DataFrame, *, steps_ddpm: int, study_seconds: float, device: str) -> pd.DataFrame:
    """What the paper's run would take at these rates, and what the default study but 07 took.

    A target that was set for another device has no verdict; that of the default study is for 07 as well, so
    that it can only be missed. The DDPM was timed with `steps_ddpm` steps: 1,000 take as many times as long.
    """
    ours = rates[rates["who"] == OURS].set_index("task")
    images = ours["rate"]
    values = {
        BY_DDIM: PAPER_IMAGES / images[DDIM],
        BY_DDPM: PAPER_IMAGES / images[DDPM] * TIMESTEPS / steps_ddpm,
        EPOCHS: PAPER_TRAINING / images[TRAINING],
        SHOWN: PAPER_IMAGES / images[CLASSIFYING],
        OF_LIMIT: ours["fraction"][TRAINING],
        STUDY: study_seconds,
    }
    rows = []
    for what, value in values.items():
        set_for, unit = "cpu" if what == STUDY else "cuda", "fraction" if what == OF_LIMIT else "seconds"
        found = verdict(value, value, what, device=device)
        silent = found == UNMEASURED or (what, found) == (STUDY, MET)
        rows.append((what, value, unit, target_of(what, device=set_for), set_for, "" if silent else found))
    return pd.DataFrame(rows, columns=["what", "value", "unit", "target", "set_for", "verdict"])


def memory(table: pd.DataFrame, *, device: str) -> pd.DataFrame:
    """Whether the peak grows by less than the data's own size, with two standard errors to either side.

    Growth is in bytes of peak per byte of data. Work that is handed its data in memory holds that copy whatever it
    does: what comes `beyond` is held to the target. The span of the sizes is in megabytes of data.
    """
    rows = []
    for what, part in table[table["axis"] == tasks.IMAGES].groupby("what", sort=False):
        there = part.dropna(subset=["peak_bytes", "data_bytes"])
        growth, error = slope(there["data_bytes"], there["peak_bytes"])
        megabytes, beyond = np.ptp(part["data_bytes"]) / 1e6, growth - HELD[what]
        low, high = (round(beyond + k * error, 3) for k in (-2, 2))  # a GPU's peaks are exact but for rounding
        told = megabytes >= TOLD_MEGABYTES and np.isfinite(error)
        found = verdict(low, high, GROWTH, device=device) if told else "too little data to tell"
        row = {"what": what, "growth": growth, "standard_error": error, "data_megabytes": megabytes}
        rows.append(row | {"held": HELD[what], "beyond": beyond, "verdict": found})
    return pd.DataFrame(rows)


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """How seconds and peak_bytes grow along each axis: cost = constant * x ** exponent, by least squares on log-log."""
    rows = []
    for (what, axis), part in table.groupby(["what", "axis"], sort=False):
        for cost in ("seconds", "peak_bytes"):
            there = part[part[cost] > 0]
            exponent, error = slope(np.log(there["x"]), np.log(there[cost]))
            about = {"what": what, "axis": axis, "cost": cost}
            rows.append(about | {"exponent": exponent, "standard_error": error, "n_sizes": len(there)})
    return pd.DataFrame(rows)


def slope(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Of the line by least squares, and its standard error: NaN below two and three points."""
    if x.nunique() < 2:
        return np.nan, np.nan
    fit = linregress(x, y)
    if len(x) < 3:
        return fit.slope, np.nan
    return fit.slope, 0.0 if np.ptp(y) == 0 else fit.stderr  # scipy has none where nothing grows, as on a GPU
