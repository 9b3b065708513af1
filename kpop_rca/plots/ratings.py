"""The figures of `11_human_ratings`: opinion scores by generator and person, raters, and metrics against them."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.plots.charts import BESIDE, CHANCE, GENERATED, INK, PAPER, REAL, WIDTH, as_text, bar_lengths

DIMENSIONS = {"quality": REAL, "authenticity": GENERATED, "id_fidelity": "#b07d12", "correspondence": "#3d8b45"}
MOS = "MOS (z-scores, scaled)"
BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}  # a legend under the axes


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


def ratings_answer(
    by_generator: dict[str, pd.DataFrame], agree: dict[str, pd.DataFrame], names: Mapping[str, str], *, title: str
) -> Figure:
    """MOS of each generator (left) and how far each metric agrees with the MOS of single images (right), by dimension.

    Args:
        by_generator: dimension to `human_ratings.group_means`, best quality first.
        agree: dimension to `human_ratings.agreement_table`'s first.
        names: metric to its title.
    """
    generators = by_generator["quality"]["generator"].tolist()
    strongest = pd.concat(agree).groupby("metric")["srcc"].agg(lambda values: values.abs().max()).dropna()
    metrics = strongest.sort_values(ascending=False).index.tolist()
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 1.6 + 0.38 * max(len(generators), len(metrics))), layout="constrained"
    )
    _dimension_dots(left, by_generator, "generator", "mean", ("low", "high"), generators)
    _dimension_dots(right, agree, "metric", "srcc", ("srcc_low", "srcc_high"), metrics)
    left.set_yticks(range(len(generators)), labels=[as_text(name) for name in generators])
    right.set_yticks(range(len(metrics)), labels=[as_text(names.get(name, name)) for name in metrics])
    right.axvline(0, color=CHANCE, lw=0.8, ls="--")
    left.set(title="Who is rated best?", xlabel=MOS)
    right.set(title="Which metric agrees?", xlabel="SRCC with the MOS of an image", xlim=(-1, 1))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(title, fontweight="bold")
    return figure


def _dimension_dots(
    ax: Axes, tables: dict[str, pd.DataFrame], name: str, value: str, ends: tuple[str, str], order: list[str]
) -> None:
    """A row per name in an order, with a dot and its interval for each dimension."""
    for number, (dimension, table) in enumerate(tables.items()):
        table = table[table[name].isin(order) & table[value].notna()]
        place = np.array([order.index(each) for each in table[name]]) + 0.18 * (number - (len(tables) - 1) / 2)
        bars = bar_lengths(table, value, low=ends[0], high=ends[1])
        how = {"fmt": "o", "ms": 4, "capsize": 2, "color": DIMENSIONS[dimension], "label": dimension}
        ax.errorbar(table[value], place, xerr=bars, **how)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)


def raters(screened: pd.DataFrame, agreement: pd.DataFrame, *, title: str) -> Figure:
    """Inconsistency of each rater by dimension, those who are rejected crossed out; and how far raters agree.

    Args:
        screened: from `human_ratings.scored`.
        agreement: dimension, and "alpha, all" and "alpha, kept".
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), width_ratios=[2, 1], layout="constrained")
    order = sorted(screened["rater"].unique())
    for dimension, part in screened.groupby("dimension"):
        place = [order.index(rater) for rater in part["rater"]]
        left.plot(place, part["inconsistency"], "o", ms=5, color=DIMENSIONS[dimension], label=dimension)
        out = part[part["rejected"]]
        left.plot([order.index(rater) for rater in out["rater"]], out["inconsistency"], "x", ms=11, color=INK)
    left.plot([], [], "x", ms=11, color=INK, label="rejected")
    left.set_xticks(range(len(order)), labels=[as_text(rater) for rater in order], rotation=90)
    left.set(
        title="Inconsistency of each rater", ylabel="points of 0 to 5", ylim=(0, 1.1 * screened["inconsistency"].max())
    )
    left.legend(ncols=2)
    for number, (column, colour) in enumerate((("alpha, all", CHANCE), ("alpha, kept", REAL))):
        right.barh(np.arange(len(agreement)) + 0.36 * number, agreement[column], 0.34, color=colour, label=column)
    right.set_yticks(np.arange(len(agreement)) + 0.18, labels=agreement["dimension"])
    right.set(title="Krippendorff's alpha", xlim=(0, 1))
    right.invert_yaxis()
    right.legend(**BELOW)
    figure.suptitle(title, fontweight="bold")
    return figure


def comparisons(table: pd.DataFrame, *, title: str) -> Figure:
    """Bradley-Terry strengths with intervals (left), and fractions won, tied and lost (right), best first.

    Args:
        table: from `human_ratings.compared`.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 1.6 + 0.38 * len(table)), sharey=True, layout="constrained"
    )
    place, start = np.arange(len(table)), np.zeros(len(table))
    ends = bar_lengths(table, "log_strength", low="log_strength_low", high="log_strength_high")
    left.errorbar(table["log_strength"], place, xerr=ends, fmt="o", color=REAL, capsize=3)
    left.set_yticks(place, labels=[as_text(name) for name in table["generator"]])
    for outcome, colour in (("win", REAL), ("tie", PAPER), ("lose", GENERATED)):
        right.barh(place, table[outcome], left=start, color=colour, label=outcome)
        ends = bar_lengths(table, outcome, low=f"{outcome}_low", high=f"{outcome}_high")
        if outcome == "win":
            right.errorbar(table[outcome], place, xerr=ends, fmt="none", color=INK, capsize=3)
        start = start + table[outcome].to_numpy()
    left.invert_yaxis()
    left.set(title="Strength (Bradley–Terry with ties)", xlabel="logarithm, mean 0; 95 % interval")
    right.set(title="Outcomes of its comparisons", xlabel="fraction; 95 % interval of the wins", xlim=(0, 1))
    right.legend(**BELOW, ncols=3)
    figure.suptitle(title, fontweight="bold")
    return figure


def content_diversity(table: pd.DataFrame) -> Figure:
    """Relative range (left) and uniformity (right) of each low-level feature, a colour per set of images.

    Args:
        table: from `image_metrics.diversity_of_content`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.2), sharey=True, layout="constrained")
    features = list(dict.fromkeys(table["feature"]))
    for ax, column, label in zip(axes, ("relative_range", "uniformity"), ("eq. 6", "eq. 7"), strict=True):
        sets = table["set"].unique()
        for number, (name, colour) in enumerate(zip(sets, sns.color_palette("colorblind", len(sets)), strict=True)):
            part = table[table["set"] == name]
            place = np.array([features.index(each) for each in part["feature"]]) + 0.11 * (number - (len(sets) - 1) / 2)
            ax.plot(part[column].astype(float), place, "o", color=colour, label=as_text(name))
        ax.set(title=column.replace("_", " ").capitalize(), xlabel=label, xlim=(-0.05, 1.1))
        ax.set_yticks(range(len(features)), labels=features)
    axes[0].invert_yaxis()
    axes[1].legend(**BESIDE)
    figure.suptitle("Diversity of content", fontweight="bold")
    return figure


def mos_of_classes(table: pd.DataFrame, *, title: str) -> Figure:
    """MOS by person (left) and by what is known of avatars (right), with 95 % intervals, by dimension.

    Args:
        table: from `human_ratings.means_by_class`.
    """
    labelled = table.assign(
        label=np.where(table["by"] == "person", table["value"], table["by"] + ": " + table["value"])
    )
    sides = {"By person": labelled[labelled["by"] == "person"], "By attribute": labelled[labelled["by"] != "person"]}
    sides = {name: part for name, part in sides.items() if len(part)}
    longest = max(part["label"].nunique() for part in sides.values())
    figure, axes = plt.subplots(
        1, len(sides), figsize=(WIDTH, 1.6 + 0.36 * longest), sharex=True, squeeze=False, layout="constrained"
    )
    for ax, (name, part) in zip(axes[0], sides.items(), strict=True):
        order = list(dict.fromkeys(part["label"]))
        _dimension_dots(ax, dict(tuple(part.groupby("dimension"))), "label", "mean", ("low", "high"), order)
        ax.set_yticks(range(len(order)), labels=[as_text(label) for label in order])
        ax.set(title=name, xlabel=MOS)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(title, fontweight="bold")
    return figure


def within_groups(table: pd.DataFrame, names: Mapping[str, str], *, title: str) -> Figure:
    """SRCC of each metric with MOS within each generator and each person; an empty field is a null.

    Args:
        table: of, metric and srcc.
        names: metric to its title.
    """
    wide = table.pivot(index="metric", columns="of", values="srcc").loc[:, list(dict.fromkeys(table["of"]))]
    wide = wide.dropna(how="all").astype(float)
    figure, ax = plt.subplots(figsize=(WIDTH, 1.8 + 0.36 * len(wide)), layout="constrained")
    how = {"cmap": "vlag", "vmin": -1, "vmax": 1, "annot": True, "fmt": ".1f", "annot_kws": {"size": 9}}
    sns.heatmap(wide, ax=ax, cbar_kws={"label": "SRCC"}, **how)
    ax.set_yticks(np.arange(len(wide)) + 0.5, labels=[as_text(names.get(name, name)) for name in wide.index])
    ax.set(title=title, xlabel="", ylabel="")
    ax.set_xticks(np.arange(wide.shape[1]) + 0.5, labels=[as_text(name) for name in wide], rotation=90)
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
    wrapped = [textwrap.fill(as_text(str(name)), 14) for name in order]
    for ax, dimension in zip(axes[:, 0], dimensions, strict=True):
        part = table[table["dimension"] == dimension]
        how = {"order": order, "inner": "quart", "cut": 0, "density_norm": "width"}
        sns.violinplot(part, x=by, y="mos", color=DIMENSIONS[dimension], alpha=0.5, ax=ax, **how)
        ax.set(title=dimension, xlabel="", ylabel="MOS")
    axes[-1, 0].set_xticks(range(len(order)), labels=wrapped)
    axes[-1, 0].set_xlabel(by)
    figure.suptitle(title, fontweight="bold")
    return figure


def metric_scatter(
    table: pd.DataFrame, metrics: Sequence[str], fit: Callable, names: Mapping[str, str], *, title: str
) -> Figure:
    """MOS against each metric with the fitted logistic: columns mos, generator and the metrics.

    Args:
        fit: `human_ratings.fitted`, from a metric and MOS to the fitted MOS.
        names: metric to its title.
    """
    across = 4
    down = -(-len(metrics) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(WIDTH, 0.8 + 2.6 * down), sharey=True, squeeze=False, layout="constrained"
    )
    palette = dict(zip(sorted(table["generator"].unique()), sns.color_palette("colorblind", 10), strict=False))
    for ax in axes.flat[len(metrics) :]:
        ax.set_axis_off()
    for ax, metric in zip(axes.flat, metrics, strict=False):
        part = table.dropna(subset=[metric, "mos"]).sort_values(metric)
        for generator, points in part.groupby("generator"):
            ax.plot(points[metric], points["mos"], "o", ms=3, color=palette[generator], alpha=0.7)
        ax.plot(part[metric], fit(part[metric].to_numpy(), part["mos"].to_numpy())[0], color=INK, lw=2)
        ax.set_title(textwrap.fill(as_text(names.get(metric, metric)), 26), fontsize=10)
    for row in axes:
        row[0].set_ylabel("MOS")
    handles = [plt.Line2D([], [], marker="o", ls="", color=c, label=as_text(g)) for g, c in palette.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle(title, fontweight="bold")
    return figure
