"""The figures of `07_rca_validity`, in the style of `charts`: every estimator in one colour and marker throughout."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from kpop_rca.plots.charts import CHANCE, GENERATED, INK, PAPER, REAL, SPLIT_COLOURS, WIDTH, bar_lengths

# estimator: label, colour, marker
LOOKS = {
    "rca": ("RCA", GENERATED, "o"),
    "chance_corrected": ("chance-corrected ratio", SPLIT_COLOURS["test"], "s"),
    "confusion_corrected_accuracy": ("confusion-corrected accuracy", INK, "D"),
    "class_confusion_corrected_accuracy": ("the same, single classes", CHANCE, "v"),
    "simplex": ("the same, on the simplex", PAPER, "^"),
}
UNITS = {"blur": "blur, sigma in pixels", "noise": "noise, sd in grey levels"}
WIDTHS = {
    "rca": "global RCA",
    "confusion_corrected_accuracy": "mean confusion-corrected accuracy",
    "class_rca": "RCA of a class (median)",
    "class_confusion_corrected_accuracy": "corrected accuracy of a class (median)",
}
LOWEST, HIGHEST = -0.15, 1.6  # of the axis; an arrow shows where an interval goes on beyond it
TITLE_WIDTH = 28  # letters of a line above one of three columns


def _shown(table: pd.DataFrame) -> list[str]:
    return [name for name in LOOKS if name in set(table["estimator"])]


def _points(ax: Axes, table: pd.DataFrame, x: str, y: str, estimator: str) -> None:
    """Values with their intervals `<y>_low` and `<y>_high`, or `low` and `high`, in the estimator's looks."""
    label, colour, marker = LOOKS[estimator]
    before = f"{y}_" if f"{y}_low" in table else ""
    ends = bar_lengths(table, y, low=f"{before}low", high=f"{before}high")
    ax.errorbar(table[x], table[y], yerr=ends, fmt=f"{marker}-", ms=4, lw=1, color=colour, capsize=2, label=label)


def _legend(figure: Figure, estimators: Sequence[str], *further: Line2D) -> None:
    looks = [LOOKS[name] for name in estimators]
    handles = [Line2D([], [], color=colour, marker=marker, ms=5, lw=1, label=label) for label, colour, marker in looks]
    figure.legend(handles=[*handles, *further], loc="outside lower center", ncols=min(4, len(handles) + len(further)))


def mixture_trials(summary: pd.DataFrame, *, target: tuple[float, float]) -> Figure:
    """Bias (top) and coverage (bottom) against the truth, a column for each way of swapping.

    The summary is that of `validity.trial_summary` by pattern, truth and estimator; the `target` coverage is shaded.
    """
    patterns, estimators = summary["pattern"].unique(), _shown(summary)
    figure, axes = plt.subplots(
        2, len(patterns), figsize=(WIDTH, 5.6), sharex=True, sharey="row", squeeze=False, layout="constrained"
    )
    for (top, below), pattern in zip(axes.T, patterns, strict=True):
        for estimator in estimators:
            part = summary[(summary["pattern"] == pattern) & (summary["estimator"] == estimator)]
            if estimator != "class_confusion_corrected_accuracy":  # its mean is that of the mean
                _points(top, part, "truth", "bias", estimator)
            if part["coverage"].notna().any():
                _points(below, part, "truth", "coverage", estimator)
        top.axhline(0, color=REAL, ls=":", lw=1.5)
        below.axhspan(*target, color=REAL, alpha=0.2, lw=0)
        top.set(title=f"swapped for {pattern}")
        below.set(xlabel="truth: fraction of the\nrequested identity", ylim=(-0.03, 1.03))
    axes[0, 0].set(ylabel="bias")
    axes[1, 0].set(ylabel="coverage of 95 % intervals")
    _legend(figure, estimators, Line2D([], [], color=REAL, lw=6, alpha=0.2, label="target coverage"))
    return figure


def control_generators(table: pd.DataFrame) -> Figure:
    """Every estimator's value for generators of known truth (a tick), from `validity.control_trial`."""
    names, estimators = table["control"].unique(), _shown(table)
    figure, ax = plt.subplots(figsize=(WIDTH, 0.8 * len(names) + 1.4), layout="constrained")
    for number, estimator in enumerate(estimators):
        part = table[table["estimator"] == estimator].set_index("control").loc[names]
        place = np.arange(len(names)) + 0.2 * (number - (len(estimators) - 1) / 2)
        _, colour, marker = LOOKS[estimator]
        ax.errorbar(part["value"], place, xerr=bar_lengths(part, "value"), fmt=marker, ms=5, color=colour, capsize=2)
        ax.scatter(part["target"], place, marker="|", s=160, color=REAL, lw=2.5, zorder=3)
    ax.set_yticks(np.arange(len(names)), labels=names)
    ax.invert_yaxis()
    ax.set(title="Generators whose truth is known", xlabel="value, 95 % interval")
    ax.grid(axis="y", visible=False)
    _legend(figure, estimators, Line2D([], [], color=REAL, marker="|", ms=11, mew=2.5, lw=0, label="truth"))
    return figure


def _mark_missing(ax: Axes, table: pd.DataFrame, colour: str) -> None:
    """A cross where there is no value, and an arrow at the end of the axis beyond which an interval goes on."""
    missing = table.loc[table["value"].isna(), "level"]
    below, above = table.loc[table["low"] < LOWEST, "level"], table.loc[table["high"] > HIGHEST, "level"]
    for levels, edge, marker in ((below, LOWEST, "v"), (above, HIGHEST, "^")):
        ax.scatter(levels, [edge] * len(levels), marker=marker, s=40, color=colour, clip_on=False, gid="cut")
    ax.scatter(missing, [LOWEST / 2] * len(missing), marker="x", s=30, color=colour)


def degradations(table: pd.DataFrame, *, remedies: dict[str, str], sigma: float) -> Figure:
    """Every estimator's value for the right people, blurred (top) or noised (bottom), a column for each remedy.

    Args:
        table: from `validity.degradation_trial`.
        remedies: title of each.
        sigma: of the blur on which the oracle was trained again.
    """
    estimators = _shown(table)
    figure, axes = plt.subplots(
        len(UNITS), len(remedies), figsize=(WIDTH, 6), sharey=True, sharex="row", layout="constrained"
    )
    for line, (kind, unit) in zip(axes, UNITS.items(), strict=True):
        for ax, (remedy, words) in zip(line, remedies.items(), strict=True):
            title = f"{words} (sigma {sigma:g})" if remedy == "oracle" else words
            part = table[(table["kind"] == kind) & (table["remedy"] == remedy)]
            ax.set_visible(len(part) > 0)
            for estimator in estimators:
                own = part[part["estimator"] == estimator]
                _points(ax, own, "level", "value", estimator)
                _mark_missing(ax, own, LOOKS[estimator][1])
            ax.axhline(1, color=REAL, ls=":", lw=1.5)
            ax.set(xlabel=unit, ylim=(LOWEST, HIGHEST), title=textwrap.fill(title, TITLE_WIDTH))
        line[0].set_ylabel("value; the truth is 1")
    marks = [Line2D([], [], color=REAL, ls=":", label="truth")]
    marks.append(Line2D([], [], color=INK, marker="x", ms=5, lw=0, label="no value: the oracle can't be inverted"))
    if (table["low"] < LOWEST).any() or (table["high"] > HIGHEST).any():
        marks.append(Line2D([], [], color=INK, marker="^", ms=6, lw=0, label="goes on beyond the axis"))
    _legend(figure, estimators, *marks)
    return figure


def interval_widths(table: pd.DataFrame, *, studied: tuple[float, float]) -> Figure:
    """Widths of the 95 % intervals against generated images of each identity, a line for each number of real ones.

    Args:
        table: from `validity.interval_widths`.
        studied: real and generated images of each identity that the study has.
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 6), sharex=True, sharey="row", layout="constrained")
    shades = plt.colormaps["Blues"](np.linspace(0.4, 1, table["n_real"].nunique()))
    ours = f"this study:\n{studied[0]:.0f} real,\n{studied[1]:.0f} generated"
    for ax, (name, title) in zip(axes.flat, WIDTHS.items(), strict=True):
        for shade, (n_real, part) in zip(shades, table.groupby("n_real"), strict=True):
            ax.plot(part["n_generated"], part[name], marker="o", ms=4, color=shade, label=f"{n_real}")
        ax.axvline(studied[1], color=CHANCE, ls="--", lw=1, label=ours)
        ax.set(title=title, xscale="log", xlabel="generated images of each identity", ylabel="width of the interval")
        ax.xaxis.set_major_formatter("{x:g}")
        if (table[name] > 0).any():  # else a log axis has nothing to show: an oracle that predicts one class for all
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
        ax.label_outer()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), title="real faces of each", loc="outside right center")
    return figure


KIND_LOOKS = {
    "as they are": (REAL, "o"),
    "blur": (GENERATED, "s"),
    "noise": (SPLIT_COLOURS["test"], "^"),
    "diffused": (INK, "D"),
    "morph": (PAPER, "v"),
}


def assumption_tests(trial: pd.DataFrame, altered: pd.DataFrame, *, limit: float, misleading: float) -> Figure:
    """How often oracles disagree by their test (left), and the error of correction against the density (right).

    Args:
        trial: from `validity.agreement_trial`.
        altered: from `validity.altered_trial`.
        limit: density at or below which correction misled.
        misleading: the error that is too large.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.2), layout="constrained")
    colours = (REAL, GENERATED, SPLIT_COLOURS["test"], INK)
    for (name, of_kind), colour in zip(trial.groupby("images", sort=False), colours, strict=False):
        for (pattern, own), marker in zip(of_kind.groupby("pattern", sort=False), "os^", strict=False):
            ends = bar_lengths(own, "rejected", low="rejected_low", high="rejected_high")
            label = f"{name}, wrong ones show {pattern}"
            left.errorbar(own["truth"], own["rejected"], yerr=ends, fmt=f"{marker}-", ms=4, lw=1, capsize=2,
                          color=colour, label=label)  # fmt: skip
    left.axhline(0.05, color=CHANCE, ls=":", lw=1.2)
    left.set(title="How often the oracles are found to disagree", ylim=(-0.03, 1.03))
    left.set(xlabel="truth: fraction of the requested identity", ylabel="fraction of draws rejected at 5 %")
    left.legend(fontsize=8, loc="center left")
    for kind, own in altered.groupby("kind", sort=False):
        colour, marker = KIND_LOOKS[kind]
        right.scatter(own["density"], own["error"], color=colour, marker=marker, s=28, label=kind)
    right.axhline(misleading, color=CHANCE, ls=":", lw=1.2)
    if np.isfinite(limit):
        right.axvspan(0, limit, color=CHANCE, alpha=0.15, lw=0, label="correction may mislead")
    right.set(title="Correction misleads off the real features", xlabel="density of the images (1: as real ones)")
    right.set(ylabel="error of corrected accuracy", ylim=(-0.02, None), xlim=(0, None))
    right.legend(fontsize=8)
    return figure


def dose_responses(altered: pd.DataFrame, *, titles: dict[str, str]) -> Figure:
    """Every estimator against the dose, a panel for each kind of images; from `validity.altered_trial`.

    Args:
        altered: with the kinds of `titles`; a truth that is known is dotted.
        titles: label of the dose, by kind.
    """
    estimators = [name for name in LOOKS if name in altered]
    figure, axes = plt.subplots(
        1, len(titles), figsize=(WIDTH, 4.2), sharey=True, squeeze=False, layout="constrained"
    )  # fmt: skip
    for ax, (kind, label) in zip(axes[0], titles.items(), strict=True):
        own = altered[altered["kind"] == kind]
        for estimator in estimators:
            _points(ax, own, "level", estimator, estimator)
        ax.plot(own["level"], own["truth"], color=REAL, ls=":", marker="_", ms=14, mew=2)
        ax.set(xlabel=label, ylim=(LOWEST, 1.3), title=kind)
    axes[0, 0].set_ylabel("value, 95 % interval")
    _legend(figure, estimators, Line2D([], [], color=REAL, ls=":", marker="_", ms=12, label="truth, where it is known"))
    return figure


def seen_parts(table: pd.DataFrame) -> Figure:
    """Every estimator by what the oracle sees of the faces, from `validity.parts_trial`."""
    estimators = [name for name in LOOKS if name in table]
    figure, ax = plt.subplots(figsize=(WIDTH, 0.7 * len(table) + 1.6), layout="constrained")
    for number, estimator in enumerate(estimators):
        place = np.arange(len(table)) + 0.18 * (number - (len(estimators) - 1) / 2)
        ends = bar_lengths(table, estimator, low=f"{estimator}_low", high=f"{estimator}_high")
        _, colour, marker = LOOKS[estimator]
        ax.errorbar(table[estimator], place, xerr=ends, fmt=marker, ms=5, color=colour, capsize=2)
    labels = [f"{row.sees}\n(real: {row.accuracy_real:.0%} right)" for row in table.itertuples()]
    ax.set_yticks(np.arange(len(table)), labels=labels)
    ax.invert_yaxis()
    ax.set(title="Generated faces, by what the oracle sees of them and of real ones", xlabel="value, 95 % interval")
    ax.grid(axis="y", visible=False)
    _legend(figure, estimators)
    return figure
