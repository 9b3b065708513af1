"""The figures of `04_oracle_benchmark`, beside those in `charts`."""

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
