"""The figures of `11_human_ratings`: opinion scores by generator and person, raters, and metrics against them."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from kpop_rca.plots.charts import BESIDE, CHANCE, GENERATED, INK, REAL, WIDTH, as_text, bar_lengths

DIMENSIONS = {"quality": REAL, "authenticity": GENERATED, "id_fidelity": "#b07d12", "correspondence": "#3d8b45"}
MOS = "MOS (z-scores, scaled)"


def inconsistencies(tables: dict[str, pd.DataFrame], *, planted: Sequence[int]) -> Figure:
    """Inconsistency of every rater, a panel each, by what BT.500 says; planted raters have names.

    Args:
        tables: from `human_ratings.screen`.
    """
    figure, axes = plt.subplots(1, len(tables), figsize=(WIDTH, 3.6), sharey=True, layout="constrained")
    beside = -19, 6  # points: even numbers stand left, odd ones right, so that neighbours have room
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        for rejected, colour, label in ((False, REAL, "kept by BT.500"), (True, GENERATED, "rejected by BT.500")):
            part = table[table["bt500"] == rejected]
            ax.plot(part.index, part["inconsistency"], "o", color=colour, label=label)
        ax.axhline(2 * table["inconsistency"].median(), color=CHANCE, ls="--", label="twice the median")
        for row in table[table["rater"].isin(planted)].itertuples():
            ax.annotate(
                row.rater,
                (row.Index, row.inconsistency),
                xytext=(beside[row.rater % 2], -4),
                textcoords="offset points",
            )
        ax.set(title=title, xlabel="rater", ylabel="inconsistency, points of 1 to 5")
    axes[0].set_ylim(0, 1.1 * max(table["inconsistency"].max() for table in tables.values()))
    axes[-1].legend(**BESIDE)
    return figure


def rankings(tables: dict[str, pd.DataFrame], names: str, *, xlabels: Sequence[str], title: str) -> Figure:
    """Means with their intervals, best first, a panel each; behind each name is its rank with its interval.

    Args:
        tables: from `human_ratings.group_means`.
        names: the column of what is ranked.
        xlabels: of each panel.
    """
    height = 1.3 + 0.33 * max(map(len, tables.values()))
    figure, axes = plt.subplots(1, len(tables), figsize=(WIDTH, height), squeeze=False, layout="constrained")
    for ax, (name, table), xlabel in zip(axes[0], tables.items(), xlabels, strict=True):
        place = np.arange(len(table))
        ax.errorbar(table["mean"], place, xerr=bar_lengths(table, "mean"), fmt="o", color=REAL, capsize=3)
        ranks = [f"{row.rank_low} to {row.rank_high}" for row in table.itertuples()]
        ranks = [
            str(row.rank) if row.rank_low == row.rank_high else ranks[k] for k, row in enumerate(table.itertuples())
        ]
        labels = [f"{as_text(what)} ({rank})" for what, rank in zip(table[names], ranks, strict=True)]
        ax.set_yticks(place, labels=labels)
        ax.set(title=name, xlabel=xlabel)
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
    figure.suptitle(title, fontweight="bold")
    return figure


def dimension_dots(tables: dict[str, pd.DataFrame], *, title: str) -> Figure:
    """Mean of each generator on every dimension, best quality first: dimension to `human_ratings.group_means`."""
    order = tables["quality"]["generator"].tolist()
    figure, ax = plt.subplots(figsize=(WIDTH * 0.8, 1.2 + 0.45 * len(order)), layout="constrained")
    for number, (dimension, table) in enumerate(tables.items()):
        place = np.array([order.index(name) for name in table["generator"]]) + 0.18 * (number - (len(tables) - 1) / 2)
        ends = bar_lengths(table, "mean")
        ax.errorbar(table["mean"], place, xerr=ends, fmt="o", color=DIMENSIONS[dimension], capsize=2, label=dimension)
    ax.set_yticks(range(len(order)), labels=[as_text(name) for name in order])
    ax.set(title=title, xlabel=f"{MOS}, 95 % interval over raters and images")
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(**BESIDE)
    return figure


def mos_densities(table: pd.DataFrame, *, title: str) -> Figure:
    """Distribution of MOS over images by dimension, and of quality by generator: dimension, generator, mos."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), sharex=True, layout="constrained")
    sns.kdeplot(table, x="mos", hue="dimension", palette=DIMENSIONS, common_norm=False, fill=True, alpha=0.2, ax=left)
    quality = table[table["dimension"] == "quality"]
    for generator, colour in zip(quality["generator"].unique(), sns.color_palette("colorblind", 10), strict=False):
        part = quality.loc[quality["generator"] == generator, "mos"]
        if part.nunique() > 2:
            sns.kdeplot(x=part, color=colour, label=as_text(generator), ax=right)
    left.set(title="All images", xlabel=MOS, ylim=(0, 1.4 * left.get_ylim()[1]))
    sns.move_legend(left, "upper left", ncols=2, title=None)
    right.set(title="Quality, by generator", xlabel=MOS)
    right.legend(**BESIDE)
    figure.suptitle(title, fontweight="bold")
    return figure


def mos_violins(table: pd.DataFrame, by: str, *, title: str) -> Figure:
    """MOS of the images of each class as violins with their quartiles, one row for each dimension: dimension, mos."""
    dimensions = table["dimension"].unique()
    figure, axes = plt.subplots(
        len(dimensions),
        1,
        figsize=(WIDTH, 0.6 + 1.9 * len(dimensions)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    order = sorted(table[by].unique())
    for ax, dimension in zip(axes[:, 0], dimensions, strict=True):
        part = table[table["dimension"] == dimension]
        how = {"order": order, "inner": "quart", "cut": 0, "density_norm": "width"}
        sns.violinplot(part, x=by, y="mos", color=DIMENSIONS[dimension], alpha=0.5, ax=ax, **how)
        ax.set(title=dimension, xlabel="", ylabel="MOS")
    axes[-1, 0].set_xlabel(by)
    figure.suptitle(title, fontweight="bold")
    return figure


def metric_scatter(table: pd.DataFrame, metrics: Sequence[str], fit: Callable, *, title: str) -> Figure:
    """MOS against each metric with the fitted logistic: columns mos, generator and the metrics.

    Args:
        fit: `human_ratings.fitted`, from a metric and MOS to the fitted MOS.
    """
    figure, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 3.4), sharey=True, squeeze=False, layout="constrained")
    palette = dict(zip(sorted(table["generator"].unique()), sns.color_palette("colorblind", 10), strict=False))
    for ax, metric in zip(axes[0], metrics, strict=True):
        part = table.dropna(subset=[metric, "mos"]).sort_values(metric)
        for generator, points in part.groupby("generator"):
            ax.plot(points[metric], points["mos"], "o", ms=4, color=palette[generator], alpha=0.7)
        ax.plot(part[metric], fit(part[metric].to_numpy(), part["mos"].to_numpy())[0], color=INK, lw=2)
        ax.set(title=metric.replace("_", " "), xlabel=metric.replace("_", " "))
    axes[0, 0].set_ylabel(MOS)
    for generator, colour in palette.items():
        axes[0, -1].plot([], [], "o", color=colour, label=as_text(generator))
    axes[0, -1].legend(**BESIDE)
    figure.suptitle(title, fontweight="bold")
    return figure
