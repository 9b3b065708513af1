"""The figures of `07_rca_validity`, in the style of `figures`: every estimator in one colour and marker throughout."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from kpop_rca.figures import CHANCE, GENERATED, INK, PAPER, REAL, SPLIT_COLOURS, WIDTH
from kpop_rca.rca.estimators import TITLES
from kpop_rca.validity.degraded import REMEDIES

# estimator: label, colour, marker
LOOKS = {
    "rca": (TITLES["rca"], GENERATED, "o"),
    "chance_corrected": (TITLES["chance_corrected"], SPLIT_COLOURS["test"], "s"),
    "confusion_corrected_accuracy": (TITLES["confusion_corrected_accuracy"], INK, "D"),
    "class_confusion_corrected_accuracy": (f"{TITLES['confusion_corrected_accuracy']}, single classes", CHANCE, "v"),
    "simplex": ("the same on the simplex", PAPER, "^"),
}
UNITS = {"blur": "blur, sigma in pixels", "noise": "noise, sd in grey levels"}
LOWEST, HIGHEST = -0.15, 1.6  # of the axis; an arrow shows where an interval goes on beyond it
TITLE_WIDTH = 28  # letters of a line above one of three columns


def _points(ax: Axes, table: pd.DataFrame, x: str | np.ndarray, y: str, estimator: str, *, line: str = "-") -> None:
    """Values with their intervals `<y>_low` and `<y>_high`, or `low` and `high`, in the estimator's looks."""
    label, colour, marker = LOOKS[estimator]
    names = (f"{y}_low", f"{y}_high") if f"{y}_low" in table else ("low", "high")
    error = np.abs(table[list(names)].to_numpy(dtype=float).T - table[y].to_numpy(dtype=float))
    place = table[x] if isinstance(x, str) else x
    ax.errorbar(place, table[y], yerr=error, fmt=f"{marker}{line}", ms=4, lw=1, color=colour, capsize=2, label=label)


def _legend(figure: Figure, estimators: Sequence[str], *further: Line2D) -> None:
    looks = [LOOKS[name] for name in estimators]
    handles = [Line2D([], [], color=colour, marker=marker, ms=5, lw=1, label=label) for label, colour, marker in looks]
    figure.legend(handles=[*handles, *further], loc="outside lower center", ncols=min(4, len(handles) + len(further)))


def mixture_trials(summary: pd.DataFrame, *, wanted: tuple[float, float]) -> Figure:
    """Bias (top) and coverage (bottom) against the truth, a column for each way of swapping.

    Args:
        summary: from `mixtures.trial_summary` by pattern, truth and estimator.
        wanted: lowest and highest coverage that count as right, shaded.
    """
    patterns, estimators = summary["pattern"].unique(), [name for name in LOOKS if name in set(summary["estimator"])]
    figure, axes = plt.subplots(
        2, len(patterns), figsize=(WIDTH, 5.6), sharex=True, sharey="row", squeeze=False, layout="constrained"
    )
    for (top, below), pattern in zip(axes.T, patterns, strict=True):
        for estimator in estimators:
            part = summary[(summary["pattern"] == pattern) & (summary["estimator"] == estimator)]
            if estimator != "class_confusion_corrected_accuracy":  # its mean is that of confusion-corrected accuracy
                _points(top, part, "truth", "bias", estimator)
            if part["coverage"].notna().any():
                _points(below, part, "truth", "coverage", estimator)
        top.axhline(0, color=REAL, ls=":", lw=1.5)
        below.axhspan(*wanted, color=REAL, alpha=0.2, lw=0)
        top.set(title=f"swapped for {pattern}")
        below.set(xlabel="truth: share of the right person", ylim=(-0.03, 1.03))
    axes[0, 0].set(ylabel="bias")
    axes[1, 0].set(ylabel="coverage of 95 % intervals")
    _legend(figure, estimators, Line2D([], [], color=REAL, lw=6, alpha=0.2, label="coverage wanted"))
    return figure


def control_generators(table: pd.DataFrame) -> Figure:
    """What each estimator says of generators whose answer is known: a row a generator, the answer as a tick.

    Args:
        table: from `validity.control_trial`.
    """
    names, estimators = table["control"].unique(), [name for name in LOOKS if name in set(table["estimator"])]
    figure, ax = plt.subplots(figsize=(WIDTH, 0.8 * len(names) + 1.4), layout="constrained")
    for number, estimator in enumerate(estimators):
        part = table[table["estimator"] == estimator].set_index("control").loc[names]
        place = np.arange(len(names)) + 0.2 * (number - (len(estimators) - 1) / 2)
        _, colour, marker = LOOKS[estimator]
        error = np.abs(part[["low", "high"]].to_numpy(dtype=float).T - part["value"].to_numpy(dtype=float))
        ax.errorbar(part["value"], place, xerr=error, fmt=marker, ms=5, color=colour, capsize=2)
        ax.scatter(part["target"], place, marker="|", s=160, color=REAL, lw=2.5, zorder=3)
    ax.set_yticks(np.arange(len(names)), labels=names)
    ax.invert_yaxis()
    ax.set(title="Generators whose answer is known", xlabel="value, 95 % interval")
    ax.grid(axis="y", visible=False)
    answer = Line2D([], [], color=REAL, marker="|", ms=11, mew=2.5, lw=0, label="what it should say")
    _legend(figure, estimators, answer)
    return figure


def _refusals(ax: Axes, table: pd.DataFrame, estimator: str) -> None:
    """A cross at the bottom where the estimator has no value."""
    missing = table[table["value"].isna()]
    ax.scatter(missing["level"], np.full(len(missing), LOWEST / 2), marker="x", s=30, color=LOOKS[estimator][1])


def _cut(ax: Axes, table: pd.DataFrame, estimator: str) -> bool:
    """An arrow at the end of the axis beyond which an interval goes on, and whether there is such an interval."""
    for beyond, edge, marker in ((table["low"] < LOWEST, LOWEST, "v"), (table["high"] > HIGHEST, HIGHEST, "^")):
        level = table.loc[beyond, "level"]
        ax.scatter(
            level, np.full(len(level), edge), marker=marker, s=40, color=LOOKS[estimator][1], clip_on=False, gid="cut"
        )
    return bool(((table["low"] < LOWEST) | (table["high"] > HIGHEST)).any())


def degradations(table: pd.DataFrame, *, sigma: float) -> Figure:
    """What each estimator says of the right people, blurred (top) or noised (bottom), a column for each remedy.

    Args:
        table: from `degraded.degradation_trial`.
        sigma: of the blur on which the judge was trained again.
    """
    estimators = [name for name in LOOKS if name in set(table["estimator"])]
    figure, axes = plt.subplots(
        len(UNITS), len(REMEDIES), figsize=(WIDTH, 6), sharey=True, sharex="row", layout="constrained"
    )
    is_cut = False
    for line, (kind, unit) in zip(axes, UNITS.items(), strict=True):
        for ax, (remedy, words) in zip(line, REMEDIES.items(), strict=True):
            title = f"{words} (sigma {sigma:g})" if remedy == "judge" else words
            part = table[(table["kind"] == kind) & (table["remedy"] == remedy)]
            ax.set_visible(len(part) > 0)
            for estimator in estimators:
                own = part[part["estimator"] == estimator]
                _points(ax, own, "level", "value", estimator)
                is_cut |= _cut(ax, own, estimator)
                _refusals(ax, own, estimator)
            ax.axhline(1, color=REAL, ls=":", lw=1.5)
            ax.set(xlabel=unit, ylim=(LOWEST, HIGHEST), title=textwrap.fill(title, TITLE_WIDTH))
        line[0].set_ylabel("value; the truth is 1")
    refused = Line2D([], [], color=INK, marker="x", ms=5, lw=0, label="no value: the judge can't be inverted")
    cut = Line2D([], [], color=INK, marker="^", ms=6, lw=0, label="goes on beyond the axis")
    _legend(figure, estimators, Line2D([], [], color=REAL, ls=":", label="truth"), refused, *([cut] if is_cut else []))
    return figure


def interval_widths(table: pd.DataFrame, *, studied: tuple[float, float]) -> Figure:
    """Widths of the 95 % intervals against generated images of each identity, a line a number of real ones.

    Args:
        table: from `sample_sizes.interval_widths`.
        studied: real and generated images of each identity that the study has.
    """
    titles = {
        "rca": "global RCA",
        "confusion_corrected_accuracy": "mean confusion-corrected accuracy",
        "class_rca": "RCA of a class (median)",
        "class_confusion_corrected_accuracy": "the same of a class (median)",
    }
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 6), sharex=True, sharey="row", layout="constrained")
    shades = plt.colormaps["Blues"](np.linspace(0.4, 1, table["n_real"].nunique()))
    for ax, (name, title) in zip(axes.flat, titles.items(), strict=True):
        for shade, (n_real, part) in zip(shades, table.groupby("n_real"), strict=True):
            ax.plot(part["n_generated"], part[name], marker="o", ms=4, color=shade, label=f"{n_real}")
        ax.axvline(
            studied[1],
            color=CHANCE,
            ls="--",
            lw=1,
            label=f"this study:\n{studied[0]:.0f} real,\n{studied[1]:.0f} generated",
        )
        ax.set(title=title, xscale="log")
        ax.xaxis.set_major_formatter("{x:g}")
        if (table[name] > 0).any():  # else a log axis has nothing to show: a judge that says the same of everyone
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
        ax.label_outer()
    for ax in axes[1]:
        ax.set_xlabel("generated images of each identity")
    for ax in axes[:, 0]:
        ax.set_ylabel("width of the interval")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), title="real faces of each", loc="outside right center")
    return figure
