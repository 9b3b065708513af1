"""The figures of `90_benchmarks`."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from kpop_rca.plots.charts import GENERATED, INK, PAPER, REAL, WIDTH

TARGET = "#edae49"
COLOURS = (REAL, GENERATED, "#59a14f", "#edae49")
NEAR = 2.5  # times the longest bar; a limit further away is in the title alone
LEAST_SPAN = 8.0
COSTS = {"seconds": "seconds", "peak_bytes": "peak memory in MB"}


def ratios(table: pd.DataFrame) -> Figure:
    """How many times as fast ours is as each baseline, where there is a number.

    Columns are task, who, ratio, low, high, per and target.
    """
    known = table.dropna(subset="ratio").reset_index(drop=True)
    figure, ax = plt.subplots(figsize=(WIDTH, 1.1 + 0.33 * len(known)))
    ax.hlines(known.index, known["low"], known["high"], color=INK, lw=1.2)
    ax.plot(known["ratio"], known.index, "o", color=REAL, label="ours, relative to the baseline")
    ax.plot(known["target"], known.index, "|", color=TARGET, ms=16, mew=3, label="target")
    ax.axvline(1, color=GENERATED, ls="--", lw=1.2, label="as fast as the baseline")
    at = ["" if per == "item" else ", at equal FLOPs" for per in known["per"]]
    names = [f"{task}: {who}{how}" for task, who, how in zip(known["task"], known["who"], at, strict=True)]
    ax.set_yticks(known.index, labels=names)
    ax.set(
        title="How many times as fast ours is", xlabel="ratio of speeds (median and range of the repeats)", xscale="log"
    )
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(len(known) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.set_layout_engine("constrained")
    return figure


def speeds(rates: pd.DataFrame, ratios: pd.DataFrame, *, ours: str) -> Figure:
    """Items per second of every baseline, one panel per task, with ours relative to theirs on each bar.

    The speed target of ours is a mark, and the machine's own limit a line where it is near enough to be drawn.

    Args:
        rates: who, rate, low, high, ceiling … of a task.
        ratios: who, ratio, low, high, per, wanted … of a task.
        ours: how both call the study's own code.
    """
    parts = [part for _, part in rates.groupby("task", sort=False)]
    heights = [len(part) + 1.2 for part in parts]
    figure, axes = plt.subplots(
        len(parts),
        1,
        figsize=(WIDTH, 0.34 * sum(heights) + 0.6),
        gridspec_kw={"height_ratios": heights},
        squeeze=False,
        layout="constrained",
    )
    for ax, part in zip(axes[:, 0], parts, strict=True):
        _panel(ax, part, ratios[ratios["task"] == part["task"].iloc[0]].set_index("who"), ours=ours)
    _legend(figure)
    return figure


def _panel(ax: Axes, part: pd.DataFrame, ratios: pd.DataFrame, *, ours: str) -> None:
    rate, target = part["rate"].fillna(0), _wanted(ax, ratios)
    for place, row in enumerate(part.itertuples()):
        ax.barh(place, rate.iloc[place], color=REAL if row.who == ours else PAPER, height=0.72)
        ax.plot([row.low, row.high], [place, place], color=INK, lw=1.2)
        end = max(row.high, target if row.who == ours else 0) if np.isfinite(row.high) else 0
        look = {"va": "center", "fontsize": 8.5, "bbox": {"fc": "white", "ec": "none", "pad": 1}}
        ax.annotate(_label(row, ratios), (end, place), xytext=(6, 0), textcoords="offset points", **look)
    ceiling = part["ceiling"].iloc[0]
    note = f"; the machine's limit: {_number(ceiling)}" if np.isfinite(ceiling) else ""
    longest = max(part["high"].max(), target)
    if ceiling < NEAR * longest:
        ax.axvline(ceiling, color=GENERATED, lw=1.8)
        longest = max(longest, ceiling)
    ax.set_yticks(range(len(part)), labels=part["who"])
    ax.set(xlim=(0, 1.4 * longest), ylim=(len(part) - 0.4, -0.6))
    ax.set_title(f"{part['task'].iloc[0]}: {part['unit'].iloc[0]} per second{note}", loc="left")
    ax.grid(axis="y", visible=False)


def _wanted(ax: Axes, ratios: pd.DataFrame) -> float:
    """A mark on our bar for every target; the largest speed that is wanted."""
    speeds = [0.0]
    for row in ratios.reset_index().itertuples():
        target = row.wanted
        if np.isfinite(target):
            ax.plot([target, target], [-0.45, 0.45], color=TARGET, zorder=3, lw=3, solid_capstyle="butt")
            speeds.append(target)
    return max(speeds)


def _label(row: tuple, ratios: pd.DataFrame) -> str:
    if not np.isfinite(row.rate):
        return f"not measured: {row.why[:70]}"
    if row.who not in ratios.index:
        return _number(row.rate)
    ratio = ratios.loc[row.who]
    at = " at equal FLOPs" if ratio["per"] == "FLOP" else ""
    return f"{_number(row.rate)}   ours × {ratio['ratio']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f}){at}"


def _number(value: float) -> str:
    """Three digits that count.

    >>> _number(0.01234), _number(12.34), _number(123456.0)
    ('0.0123', '12.3', '123,456')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _legend(figure: Figure) -> None:
    marks = [
        plt.Line2D([], [], color=TARGET, lw=3, label="target of ours"),
        plt.Line2D([], [], color=GENERATED, lw=1.8, label="the machine's limit"),
        plt.Line2D([], [], color=INK, lw=1.2, label="quartiles of the repeats"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))


def growth(table: pd.DataFrame, exponents: pd.DataFrame) -> Figure:
    """Time above and peak memory below against every axis, on log-log, with the exponents of the fits."""
    axes_names = list(table["axis"].unique())
    size = (1.25 * WIDTH, 6.4)
    figure, axes = plt.subplots(len(COSTS), len(axes_names), figsize=size, squeeze=False, layout="constrained")
    for row, (cost, title) in enumerate(COSTS.items()):
        for ax, name in zip(axes[row], axes_names, strict=True):
            fits = exponents[(exponents["axis"] == name) & (exponents["cost"] == cost)].set_index("what")
            _scaled(ax, table[table["axis"] == name], fits, cost=cost)
            ax.set(xlabel=name, ylabel=title if ax is axes[row, 0] else "")
    figure.suptitle("How cost grows", fontweight="bold")
    return figure


def _scaled(ax: Axes, part: pd.DataFrame, fits: pd.DataFrame, *, cost: str) -> None:
    scale = 1e-6 if cost == "peak_bytes" else 1.0
    for colour, (what, points) in zip(COLOURS, part.groupby("what", sort=False), strict=False):
        fit = fits.loc[what]
        error = f" ± {fit['standard_error']:.2f}" if np.isfinite(fit["standard_error"]) else ""
        label = f"{what}: {round(fit['exponent'], 2) + 0.0:.2f}{error}"  # no minus before a zero
        ax.plot(points["x"], scale * points[cost], "o-", color=colour, label=label)
    ax.set(xscale="log", yscale="log")
    _widened(ax)
    ticks = sorted(part["x"].unique())
    if len(ticks) <= 4:
        ax.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        ax.minorticks_off()
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), fontsize=8, handlelength=1.2)


def _widened(ax: Axes) -> None:
    """An axis of at least a factor of LEAST_SPAN, so that what does not grow looks as if it did not."""
    low, high = np.log(ax.get_ylim())
    centre, half = (low + high) / 2, max(high - low, np.log(LEAST_SPAN)) / 2
    ax.set_ylim(np.exp(centre - half), np.exp(centre + half))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if half < np.log(10) else (1,)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def time_to_identity(rows: pd.DataFrame, *, least_rca: float, largest_frechet: float) -> Figure:
    """RCA and Fréchet distance against the CPU-seconds of a training, one line per seed, with both targets.

    Args:
        rows: program, seed, cpu_seconds, rca, frechet; one row per run and step.
        least_rca: target.
        largest_frechet: target.
    """
    figure, axes = plt.subplots(ncols=2, figsize=(WIDTH, 3.6), layout="constrained")
    targets = {"rca": ("RCA", least_rca), "frechet": ("Fréchet distance", largest_frechet)}
    for ax, (column, (label, target)) in zip(axes, targets.items(), strict=True):
        for colour, (program, runs) in zip(COLOURS, rows.groupby("program", sort=False), strict=False):
            for number, (_, run) in enumerate(runs.groupby("seed")):
                line = {"color": colour, "alpha": 0.8, "label": None if number else program}
                ax.plot(run["cpu_seconds"], run[column], "o-", ms=4, **line)
        ax.axhline(target, color=INK, lw=1, ls="--")
        ax.set(xscale="log", xlabel="CPU-seconds of training", title=f"{label}, target {target:g}")
    axes[1].set_yscale("log")
    for axis in (axes[0].xaxis, axes[1].xaxis, axes[1].yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(COLOURS))
    return figure
