"""The figure of the metric of metrics: what each metric sees."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.plots.charts import CHANCE, GENERATED, INK, REAL, WIDTH, as_text, bar_lengths

ROW = 0.21  # inches
LONGEST = 46  # letters of a metric's name
PANELS = {"quality": "Does it see quality?", "identity": "Does it see identity?"}
LOOKS = {"quality": (REAL, "o"), "identity": (GENERATED, "D"), "both": (INK, "s"), "neither": (CHANCE, "v")}
LOOKS["no ladder of identity"] = ("#b07d12", "^")


def what_is_seen(table: pd.DataFrame, *, sees: float) -> Figure:
    """A row per metric: Kendall's tau with the known order of quality (left) and of identity (right), 95 % intervals.

    Args:
        table: from `metric_panel.what_is_seen`; rows without a value are left out.
        sees: tau from which a metric is said to see.
    """
    order = {name: number for number, name in enumerate(LOOKS)}
    shown = table[table["sees"] != ""]
    shown = shown.sort_values("sees", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(WIDTH, 1.3 + ROW * len(shown)), sharex=True, sharey=True, layout="constrained"
    )
    for ax, (truth, title) in zip(axes, PANELS.items(), strict=True):
        _panel(ax, shown, truth, sees=sees)
        ax.set_title(title)
        ax.set_xlabel("Kendall's τ with the known order")
    axes[0].set_yticks(shown.index, [as_text(title[:LONGEST]) for title in shown["title"]])
    axes[0].set_ylim(len(shown) - 0.4, -0.6)
    axes[0].set_xlim(-1.05, 1.05)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(LOOKS), title="sees")
    return figure


def taus_by_ladder(table: pd.DataFrame) -> Figure:
    """Kendall's tau of each metric (rows) on each ladder (columns); an empty field has no value, and a reason.

    Args:
        table: from `metric_panel.by_ladder`.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 1.6 + 0.25 * len(table)), layout="constrained")
    how = {"cmap": "vlag", "vmin": -1, "vmax": 1, "annot": True, "fmt": ".1f", "annot_kws": {"size": 9}}
    sns.heatmap(table, ax=ax, cbar_kws={"label": "Kendall's τ with the known order", "shrink": 0.5}, **how)
    names = [as_text(title if len(title) <= LONGEST else f"{title[:LONGEST]}…") for title in table.index]
    ax.set_yticks([k + 0.5 for k in range(len(table))], labels=names)
    ax.set(title="Which metric puts which ladder in order?", xlabel="", ylabel="")
    ax.tick_params(axis="x", rotation=40, labeltop=False)
    plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    return figure


def _panel(ax: Axes, shown: pd.DataFrame, truth: str, *, sees: float) -> None:
    for end, style in ((0, "-"), (sees, ":")):
        ax.axvline(end, color=CHANCE, lw=0.8, ls=style, zorder=0)
    for name, (colour, marker) in LOOKS.items():
        part = shown[(shown["sees"] == name) & shown[truth].notna()]
        ends = bar_lengths(part, truth, low=f"{truth}_low", high=f"{truth}_high")
        ax.errorbar(part[truth], part.index, xerr=ends, fmt=marker, ms=4, lw=1, color=colour, capsize=2, label=name)
