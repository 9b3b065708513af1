"""The figures of `01_data_audit`."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.plots.charts import CHANCE, GENERATED, INK, REAL, SPLIT_COLOURS, WIDTH

TRUTHS = {"right": REAL, "wrong": GENERATED, "truth not known": CHANCE}
TITLES = {
    "non_facial": "Probability of a face, with its neighbours",
    "identity_mismatch": "Probability of its own label",
    "exchanged labels": "The same, one label in twenty exchanged",
}
CURVES = {"non_facial": REAL, "identity_mismatch": GENERATED, "exchanged labels": SPLIT_COLOURS["test"]}


def flags_found(counts: pd.Series, accuracy: pd.DataFrame, *, n_images: int) -> Figure:
    """How many images carry each flag, and beside it how often that is right, where it is known.

    Args:
        counts: images by flag; one may carry several.
        accuracy: precision and recall by flag, maybe empty.
        n_images: all of them.
    """
    figure, axes = plt.subplots(
        ncols=1 + bool(len(accuracy)), figsize=(WIDTH, 1 + 0.32 * len(counts)), squeeze=False, layout="constrained"
    )
    left = axes[0, 0]
    left.barh(range(len(counts)), counts, color=REAL, height=0.7)
    for place, count in enumerate(counts):
        left.annotate(f"{count:,}", (count, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    left.set_yticks(range(len(counts)), labels=counts.index)
    left.set(title=f"Flagged of {n_images:,} images", xlabel="images", ylim=(len(counts) - 0.4, -0.6))
    left.margins(x=0.12)
    left.grid(axis="y", visible=False)
    if len(accuracy):
        _rightness(axes[0, 1], accuracy)
    return figure


def _rightness(ax: Axes, accuracy: pd.DataFrame) -> None:
    place = range(len(accuracy))
    ax.hlines(place, accuracy["precision"], accuracy["recall"], color=CHANCE, lw=1.2)
    ax.plot(accuracy["precision"], place, "D", color=GENERATED, label="precision")
    ax.plot(accuracy["recall"], place, "o", color=REAL, label="recall")
    ax.set_yticks(place, labels=accuracy.index)
    ax.set(title="How often that is right", xlabel="fraction", xlim=(0, 1.03), ylim=(len(accuracy) - 0.4, -0.6))
    ax.legend(loc="lower left")


def flag_scores(
    histogram: pd.DataFrame, curves: pd.DataFrame, points: pd.DataFrame, *, thresholds: dict[str, float]
) -> Figure:
    """The scores behind the flags with their thresholds, and precision against recall.

    Args:
        histogram: flag, truth, low, high, images.
        curves: flag, precision, recall; may be empty, and so may the next.
        points: flag, precision, recall of the flags as they are raised.
        thresholds: by flag; below it an image is flagged.
    """
    flags = histogram["flag"].unique().tolist()
    n_panels = len(flags) + bool(len(curves))
    rows = -(-n_panels // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 3 * rows), squeeze=False, layout="constrained")
    for ax in axes.flat[n_panels:]:
        ax.remove()
    for ax, flag in zip(axes.flat, flags, strict=False):
        for truth, part in histogram[histogram["flag"] == flag].groupby("truth", sort=False):
            edges = [*part["low"], part["high"].iloc[-1]]
            ax.stairs(part["images"], edges, color=TRUTHS[truth], fill=True, alpha=0.5, label=truth)
        ax.axvline(thresholds[flag], color=INK, ls="--", lw=1.2, label="threshold")
        ax.set(title=TITLES[flag], xlabel="score", ylabel="images", yscale="symlog", ylim=(0, None))
        ax.legend(loc="upper center")
    if len(curves):
        _precision_recall(axes.flat[n_panels - 1], curves, points)
    return figure


def _precision_recall(ax: Axes, curves: pd.DataFrame, points: pd.DataFrame) -> None:
    for flag, part in curves.groupby("flag", sort=False):
        ax.plot(part["recall"], part["precision"], color=CURVES[flag], label=flag)
    for row in points.itertuples():
        ax.plot(row.recall, row.precision, "o", color=CURVES[row.flag], ms=8, mec=INK)
    ax.set(title="Precision against recall (dots: the flags)", xlabel="recall", ylabel="precision")
    ax.set(xlim=(0, 1.03), ylim=(0, 1.03))
    ax.legend(loc="lower left")
