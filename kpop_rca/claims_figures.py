"""The figures of `08_claims`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.claims.verdicts import means_by_level
from kpop_rca.figures import CHANCE, GENERATED, INK, REAL, WIDTH

COLOURS = {"supported": REAL, "contradicted": GENERATED, "inconclusive": CHANCE}
LETTERS = 36  # of the names of all levels that find room below a panel beside each other
TITLES = {
    "rca": "RCA",
    "confusion_corrected_accuracy": "confusion-corrected accuracy",
    "accuracy_real": "judge's accuracy, real faces",
    "within_group_excess": "taken for a look-alike,\nless the judge's own",
    "pull": "others' images judged to be the first",
    "first_rca": "RCA of the first identity",
    "recall": "recall (variety)",
    "precision": "precision",
    "frechet": "Fréchet distance",
}


def verdicts(table: pd.DataFrame, *, margin: float) -> Figure:
    """Every claim's effect with its interval, in the colour of its verdict.

    Args:
        table: from `claims.verdict_table`.
        margin: of equivalence, drawn as a band for the claims of no difference. The intervals are those of 95 %; what
            is supported by two one-sided tests at 5 % has the interval of 90 % in the band, and may stick out of it.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.42 * len(table)))
    for place, row in enumerate(table.itertuples()):
        if row.expected == 0:
            ax.fill_betweenx([place - 0.4, place + 0.4], -margin, margin, color=CHANCE, alpha=0.18, lw=0)
        ax.plot([row.low, row.high], [place, place], color=COLOURS[row.verdict], lw=2, solid_capstyle="butt")
        ax.plot(row.effect, place, "o", color=COLOURS[row.verdict], ms=7)
    ax.axvline(0, color=INK, lw=1)
    signs = {1: "expected above 0", -1: "expected below 0", 0: "expected within the band"}
    names = [f"{row.claim}\n{row.level} against {row.reference}, {signs[row.expected]}" for row in table.itertuples()]
    ax.set_yticks(range(len(table)), labels=names)
    ax.set(title="Effects with 95 % intervals over the seeds", xlabel="change of the response")
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    for name, colour in COLOURS.items():
        ax.plot([], [], "o-", color=colour, label=name)
    ax.plot([], [], lw=8, color=CHANCE, alpha=0.25, label="counts as no\ndifference")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def levels(table: pd.DataFrame, experiment: str, responses: Sequence[str], *, title: str, xlabel: str) -> Figure:
    """Responses against the levels of one experiment: a thin line a seed, a bold one for `claims.means_by_level`.

    Args:
        table: from `claims.mean_over_oracles`.
        experiment: which.
        responses: columns of the table, a panel each.
        title: of the figure.
        xlabel: what the levels are.
    """
    part = table[table["experiment"] == experiment]
    means = means_by_level(table, experiment, list(responses))
    figure, axes = plt.subplots(1, len(responses), figsize=(WIDTH, 3.2), squeeze=False, layout="constrained")
    for ax, response in zip(axes[0], responses, strict=True):
        _lines(ax, part, means, response)
        ax.set(title=TITLES[response], xlabel=xlabel)
        ax.axhline(0, color=INK, lw=1)  # counts as a value, so that the margin above is a share of the whole axis
        if not (part[response] < 0).any():
            ax.set_ylim(0)
    figure.suptitle(title, fontweight="bold")
    return figure


def _lines(ax: Axes, part: pd.DataFrame, means: pd.DataFrame, response: str) -> None:
    names = means["level"].tolist()
    wide = part.pivot(index="level", columns="seed", values=response).loc[names]
    for seed in wide:
        ax.plot(range(len(names)), wide[seed], "o-", color=CHANCE, lw=0.8, ms=4, alpha=0.7)
    ax.plot(range(len(names)), means[response], "D-", color=GENERATED, lw=2.2, ms=7)
    ax.set_xticks(range(len(names)), labels=names)
    if sum(map(len, names)) > LETTERS:
        ax.tick_params(axis="x", rotation=35)
        plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    ax.margins(x=0.12)


def trade_off(table: pd.DataFrame, *, costs: Sequence[str]) -> Figure:
    """RCA against what guidance costs, a curve a seed and a bold one for their mean, with the weight at each point.

    Args:
        table: from `claims.mean_over_oracles`.
        costs: columns of the table, such as "recall" and "frechet", a panel each.
    """
    part = table[table["experiment"] == "guidance"]
    mean = means_by_level(table, "guidance", [*costs, "rca"]).set_index("level")
    figure, axes = plt.subplots(1, len(costs), figsize=(WIDTH, 4), squeeze=False, sharey=True, layout="constrained")
    for ax, cost in zip(axes[0], costs, strict=True):
        for _, of_seed in part.groupby("seed"):
            ax.plot(of_seed[cost], of_seed["rca"], "o-", color=CHANCE, lw=0.8, ms=4, alpha=0.7)
        ax.plot(mean[cost], mean["rca"], "D-", color=GENERATED, lw=2.2, ms=7)
        for name, row in mean.iterrows():
            ax.annotate(f"w = {name}", (row[cost], row["rca"]), xytext=(9, 5), textcoords="offset points")
        ax.set(xlabel=f"{TITLES[cost]}, judge's features")
        ax.margins(0.14)
    axes[0, 0].set_ylabel("RCA")
    figure.suptitle("What guidance buys, and what it costs", fontweight="bold")
    return figure
