"""The figure of the metric of metrics: what each metric sees."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.plots.charts import CHANCE, GENERATED, INK, REAL, WIDTH, as_text, bar_lengths

ROW = 0.21  # inches
LONGEST = 46  # letters of a metric's name
PANELS = {"quality": "Does it see quality?", "identity": "Does it see identity?"}
LOOKS = {"quality": (REAL, "o"), "identity": (GENERATED, "D"), "both": (INK, "s"), "neither": (CHANCE, "v")}


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


def _panel(ax: Axes, shown: pd.DataFrame, truth: str, *, sees: float) -> None:
    for end, style in ((0, "-"), (sees, ":")):
        ax.axvline(end, color=CHANCE, lw=0.8, ls=style, zorder=0)
    for name, (colour, marker) in LOOKS.items():
        part = shown[(shown["sees"] == name) & shown[truth].notna()]
        ends = bar_lengths(part, truth, low=f"{truth}_low", high=f"{truth}_high")
        ax.errorbar(part[truth], part.index, xerr=ends, fmt=marker, ms=4, lw=1, color=colour, capsize=2, label=name)
