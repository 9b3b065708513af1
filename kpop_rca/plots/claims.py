"""The figures of `08_claims`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.plots.charts import BESIDE, CHANCE, GENERATED, INK, REAL, WIDTH

COLOURS = {"supported": REAL, "contradicted": GENERATED, "negligible": INK, "inconclusive": CHANCE}
SIGNS = {1: "expected above 0", -1: "expected below 0", 0: "expected within the band"}
LETTERS = 36  # of the names of all levels that find room below a panel beside each other
TITLES = {
    "rca": "RCA",
    "confusion_corrected_accuracy": "confusion-corrected accuracy",
    "accuracy_real": "oracle's accuracy, real faces",
    "within_group_excess": "predicted as a look-alike,\nbeyond real faces",
    "within_group_generated": "predicted as a look-alike",
    "pull": "others' images predicted\nas the first identity",
    "first_rca": "RCA of the first identity",
    "recall": "recall (diversity)",
    "precision": "precision",
    "frechet": "Fréchet distance",
    "n_steps": "training steps",
    "held_out_loss": "held-out loss",
}
KINDS = {"rewarding": GENERATED, "same architecture": CHANCE, "held out": REAL}  # of oracles
OF_A_SEED = {"color": CHANCE, "lw": 0.8, "ms": 4, "alpha": 0.7}
OF_THE_MEAN = {"color": GENERATED, "lw": 2.2, "ms": 7}


def verdicts(table: pd.DataFrame, *, margin: float) -> Figure:
    """Every claim's effect with its interval, in the colour of its verdict.

    The margin is a band where the response is a fraction. The intervals are of each row alone; verdicts are corrected
    for the number of rows.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.42 * len(table)))
    for place, row in enumerate(table.itertuples()):
        if pd.notna(row.p_within):
            ax.fill_betweenx([place - 0.4, place + 0.4], -margin, margin, color=CHANCE, alpha=0.18, lw=0)
        ax.plot([row.low, row.high], [place, place], color=COLOURS[row.verdict], lw=2, solid_capstyle="butt")
        ax.plot(row.effect, place, "o", color=COLOURS[row.verdict], ms=7)
    ax.axvline(0, color=INK, lw=1)
    names = [f"{row.claim}\n{row.level} against {row.reference}, {SIGNS[row.expected]}" for row in table.itertuples()]
    ax.set_yticks(range(len(table)), labels=names)
    ax.set(title="Effects with 95 % intervals over the seeds", xlabel="change of the response")
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    for name, colour in COLOURS.items():
        ax.plot([], [], "o-", color=colour, label=name)
    ax.plot([], [], lw=8, color=CHANCE, alpha=0.25, label="counts as no\ndifference")
    ax.legend(**BESIDE)
    return figure


def levels(part: pd.DataFrame, means: pd.DataFrame, responses: Sequence[str], *, title: str, xlabel: str) -> Figure:
    """Responses against the levels of one experiment: a thin line for each seed, a bold one for their mean.

    Args:
        part: the experiment's rows of `claims.mean_over_oracles`.
        means: its `claims.means_by_level`.
        responses: columns of both, a panel each.
    """
    figure, axes = plt.subplots(1, len(responses), figsize=(WIDTH, 3.2), squeeze=False, layout="constrained")
    for ax, response in zip(axes[0], responses, strict=True):
        _lines(ax, part, means, response)
        ax.set(title=TITLES[response], xlabel=xlabel)
        ax.axhline(0, color=INK, lw=1)  # counts as a value, so that the margin above is a fraction of the whole axis
        if not (part[response] < 0).any():
            ax.set_ylim(0)
    figure.suptitle(title, fontweight="bold")
    return figure


def _lines(ax: Axes, part: pd.DataFrame, means: pd.DataFrame, response: str) -> None:
    names = means["level"].tolist()
    wide = part.pivot(index="level", columns="seed", values=response).loc[names]
    ax.plot(range(len(names)), wide, "o-", **OF_A_SEED)
    ax.plot(range(len(names)), means[response], "D-", **OF_THE_MEAN)
    ax.set_xticks(range(len(names)), labels=names)
    if sum(map(len, names)) > LETTERS:
        ax.tick_params(axis="x", rotation=35)
        plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    ax.margins(x=0.12)


def identity_loss(means: pd.DataFrame, responses: Sequence[str]) -> Figure:
    """Responses against the weight of an identity loss, by the oracle that rewards and by others.

    Args:
        means: from `claims.by_kind`.
        responses: columns of it, a panel each.
    """
    figure, axes = plt.subplots(1, len(responses), figsize=(WIDTH, 3.6), squeeze=False, layout="constrained")
    weights = means["weight"].unique().tolist()
    for ax, response in zip(axes[0], responses, strict=True):
        for kind, colour in KINDS.items():
            part = means[means["kind"] == kind]
            wide = part.pivot(index="weight", columns="seed", values=response).loc[weights]
            ax.plot(range(len(weights)), wide, "o-", **OF_A_SEED | {"color": colour, "alpha": 0.4})
            ax.plot(range(len(weights)), wide.mean(axis=1), "D-", **OF_THE_MEAN | {"color": colour}, label=kind)
        ax.set(title=TITLES[response], xlabel="weight of the loss")
        ax.set_xticks(range(len(weights)), labels=weights)
        ax.set_ylim(0)
        ax.margins(x=0.12)
    axes[0, -1].legend(title="oracles", **BESIDE)
    figure.suptitle("An identity loss by the oracle that rewards, and by others", fontweight="bold")
    return figure
