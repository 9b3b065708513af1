"""The figures of what oracles see, in `04_oracle_benchmark` and `06_rca_analysis`, beside those in `charts`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from kpop_rca.plots.charts import BESIDE, CHANCE, GENERATED, INK, REAL, WIDTH, as_text, bar_lengths

LOOKS = {
    "oracle": (REAL, "trained on other faces\nthan the generator"),
    "train": (CHANCE, "trained on the\ngenerator's"),
}


def oracle_accuracies(
    table: pd.DataFrame, *, headline: str, chance: float, ceiling: tuple[str, float, float, float] | None
) -> Figure:
    """Accuracy on real test faces of every oracle, with its interval: oracle, trained_on, test_accuracy, low, high.

    Args:
        headline: the oracle that is marked.
        chance: level.
        ceiling: name, accuracy, low and high of a pretrained face network, if it was asked.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.32 * len(table)))
    for way, rows in table.groupby("trained_on", sort=False):
        (colour, label), ends = LOOKS[way], bar_lengths(rows, "test_accuracy")
        ax.errorbar(rows["test_accuracy"], rows.index, xerr=ends, fmt="o", color=colour, capsize=3, label=label)
    own = table[table["oracle"] == headline]
    ax.plot(own["test_accuracy"], own.index, "o", ms=13, mfc="none", mec=GENERATED, mew=2, label="headline oracle")
    ax.axvline(chance, color=CHANCE, ls="--", lw=1, label="chance")
    if ceiling:
        name, value, low, high = ceiling
        ax.axvspan(low, high, color=INK, alpha=0.08, lw=0)
        ax.axvline(value, color=INK, ls=":", label=f"{as_text(name)}, pretrained")
    ax.set_yticks(table.index, labels=table["oracle"])
    ax.set(title="How often real faces are recognised (95 % intervals)", xlabel="accuracy on test faces", xlim=(0, 1))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(**BESIDE)
    return figure


def accuracy_by_size(table: pd.DataFrame, *, title: str) -> Figure:
    """Accuracy against the number of training faces: n_train, accuracy, low, high."""
    figure, ax = plt.subplots(figsize=(WIDTH * 0.6, 3))
    ax.errorbar(
        table["n_train"], table["accuracy"], yerr=bar_lengths(table, "accuracy"), fmt="o-", color=REAL, capsize=3
    )
    ax.set(title=title, xlabel="training faces", ylabel="accuracy on test faces", xscale="log", ylim=(0, 1))
    ax.set_xticks(table["n_train"], labels=[f"{n:,}" for n in table["n_train"]])
    ax.minorticks_off()
    return figure


def embedding(points: np.ndarray, labels: np.ndarray, names: Sequence[str], *, title: str) -> Figure:
    """Faces as points of the plane, float (N, 2), in the colour of their identity, int (N,), whose name is there."""
    figure, ax = plt.subplots(figsize=(WIDTH * 0.75, 5))
    for label, colour in enumerate(sns.color_palette("husl", len(names))):
        own = points[labels == label]
        ax.scatter(*own.T, s=12, color=colour, alpha=0.75, lw=0)
        place = np.median(own, axis=0)
        box = {"fc": "white", "ec": colour, "alpha": 0.85, "pad": 1.5}
        ax.annotate(as_text(names[label]), place, ha="center", va="center", fontsize=9, bbox=box)
    ax.set(title=title, xticks=[], yticks=[])
    return figure


def confidences(real: pd.DataFrame, generated: pd.DataFrame, *, chance: float) -> Figure:
    """How sure an oracle is of real and of generated faces, a panel for those that it predicts right and wrong.

    Args:
        real, generated: label, predicted and confidence, one row per face.
        chance: the least that a largest probability can be.
    """
    figure, axes = plt.subplots(ncols=2, figsize=(WIDTH, 3), sharey=True, layout="constrained")
    bins = np.linspace(chance, 1, 19)
    for ax, right in zip(axes, (True, False), strict=True):
        for name, colour, table in (("real", REAL, real), ("generated", GENERATED, generated)):
            own = table.loc[(table["label"] == table["predicted"]) == right, "confidence"]
            heights = np.histogram(own, bins)[0] / len(table)
            look = {"color": colour, "alpha": 0.35, "fill": True}
            ax.stairs(heights, bins, label=f"{name}, {len(own) / len(table):.0%} of them", **look)
            ax.stairs(heights, bins, color=colour)
        ax.set(title="Predicted as " + ("requested" if right else "another"), xlabel="confidence", xlim=(chance, 1))
        ax.legend(loc="upper left" if right else "upper right")
    axes[0].set_ylabel("fraction of the faces")
    return figure


def rca_by_quality(table: pd.DataFrame, *, overall: float, chance: float) -> Figure:
    """RCA by groups of images from low to high quality, a panel for each measure: measure, group, rca, low, high.

    Args:
        overall, chance: RCA of all images, and of a generator that ignores the condition.
    """
    panels = list(table.groupby("measure", sort=False))
    figure, axes = plt.subplots(ncols=len(panels), figsize=(WIDTH, 3), sharey=True, squeeze=False, layout="constrained")
    for ax, (measure, rows) in zip(axes.flat, panels, strict=True):
        ax.errorbar(rows["group"], rows["rca"], yerr=bar_lengths(rows, "rca"), fmt="o-", color=GENERATED, capsize=3)
        ax.axhline(overall, color=GENERATED, lw=1, label="all images")
        ax.axhline(chance, color=CHANCE, ls="--", label="chance")
        ax.set(title=f"By {as_text(measure)}", xlabel="images of an identity, from lowest to highest")
        ax.set_xticks(rows["group"], labels=[f"{group:.0f}" for group in rows["group"]])
        ax.set_ylim(bottom=0)
    axes.flat[0].set_ylabel("RCA (95 % intervals)")
    axes.flat[-1].legend(**BESIDE)
    return figure
