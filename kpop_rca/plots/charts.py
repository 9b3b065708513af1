"""The study's plots: tables and arrays in, figures out. One palette, identities in the same order everywhere.

Figures of faces are in `contact_sheets`.
"""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from kpop_rca.system import fonts

REAL, GENERATED, PAPER, CHANCE, INK = "#3b6ea5", "#d1495b", "#8d99ae", "#6c757d", "#22252b"
SPLIT_COLOURS = {"train": "#3b6ea5", "oracle": "#59a14f", "validation": "#8fb8de", "test": "#edae49", "hard": "#d1495b"}
WIDTH = 10.0  # inches, the width of a notebook
ANNOTATED = 12  # identities at most, for numbers in the cells of a confusion matrix
LABELS = 40.0  # points of a letter's size an inch that each identity has: names that do not overlap
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1, 1)}  # a legend outside the axes


def use_style() -> None:
    """Set the look of every figure; called once in a notebook."""
    spines = {"axes.spines.top": False, "axes.spines.right": False}
    titles = {"axes.titleweight": "bold", "axes.titlesize": "medium"}
    further = {"figure.dpi": 90, "legend.frameon": False}
    sns.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    fonts.use_installed()
    plt.rcParams.update(spines | titles | further)


def as_text(name: object) -> str:
    """A name as text of a figure, where matplotlib would set what stands between two dollar signs as a formula."""
    return str(name).replace("$", r"\$")


def bar_lengths(table: pd.DataFrame, value: str, *, low: str = "low", high: str = "high") -> np.ndarray:
    """How far an interval's ends lie from a value, below and above, float (2, N); NaN where there is none."""
    return np.abs(table[[low, high]].to_numpy(dtype=float).T - table[value].to_numpy(dtype=float))


def stacked_counts(table: pd.DataFrame, *, title: str, ylabel: str, colours: dict[str, str] | None = None) -> Figure:
    """Counts, one bar for each row of the table and one colour for each column."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    table.plot.bar(stacked=True, ax=ax, width=0.8, color=colours)
    _class_ticks(ax, list(table.index))
    ax.set(title=title, xlabel="identity", ylabel=ylabel)
    ax.legend(**BESIDE)
    return figure


def loss_curves(log: pd.DataFrame) -> Figure:
    """The loss of each training against steps, and the learning rate of all: training, step, loss, learning_rate.

    A single training is shown raw and smoothed, several smoothed, with their mean.
    """
    figure, (top, below) = plt.subplots(2, sharex=True, figsize=(WIDTH, 4), height_ratios=[3, 1], layout="constrained")
    losses = log.pivot(index="step", columns="training", values="loss")
    smooth, several = losses.ewm(span=max(2, len(losses) // 20)).mean(), losses.shape[1] > 1
    thin = (smooth, "each training, moving average") if several else (losses, "mean of 10 steps")
    lines = top.plot(thin[0], color=REAL, alpha=0.4 if several else 0.25, lw=1)
    lines[0].set_label(thin[1])
    top.plot(smooth.mean(axis=1), color=REAL, label=f"mean of {losses.shape[1]}" if several else "moving average")
    top.set(title="Training loss", ylabel="MSE of the prediction", yscale="log")
    top.legend()
    below.plot(log.groupby("step")["learning_rate"].first(), color=CHANCE)
    below.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    return figure


def training_lengths(curve: pd.DataFrame, *, own: int, real: dict[str, float]) -> Figure:
    """Loss, RCA and Fréchet distance against the steps of a training, the study's own length marked.

    Args:
        curve: steps, training, loss, rca and frechet, one row per training.
        own: steps of the study's trainings.
        real: rca and frechet of real faces in place of generated ones.
    """
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.3), layout="constrained")
    named = {"loss": "Loss at the end", "rca": "RCA", "frechet": "Fréchet distance"}
    for ax, (name, title) in zip(axes, named.items(), strict=True):
        ax.axvline(own, color=CHANCE, lw=1, ls=":", label=f"{own:,} steps, the study's")
        ax.plot(curve["steps"], curve[name], "o", color=GENERATED, alpha=0.4, ms=5, label="one training")
        ax.plot(curve.groupby("steps")[name].mean(), color=GENERATED, label="mean")
        if name in real:
            ax.axhline(real[name], color=REAL, lw=1.5, ls="--", label="real faces")
        ax.set(title=title, xscale="log", xlabel="training steps", yscale="log" if name == "frechet" else "linear")
        ax.set_xticks(sorted(curve["steps"].unique()), labels=sorted(curve["steps"].unique()))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", which="minor", length=0)
    axes[0].set_ylabel("MSE of the prediction")
    axes[1].legend(loc="lower right")
    return figure


def loss_by_timestep(table: pd.DataFrame, difference: pd.DataFrame) -> Figure:
    """Loss by timestep on both kinds of faces, and how much higher it is on those that were held out.

    Args:
        table: t, loss, faces ("training" or "held out").
        difference: t, difference, low, high, with a last row for the mean over the timesteps.
    """
    figure, (left, right) = plt.subplots(ncols=2, figsize=(WIDTH, 3.2), layout="constrained")
    palette = {"training": REAL, "held out": SPLIT_COLOURS["test"]}
    sns.lineplot(table, x="t", y="loss", hue="faces", marker="o", palette=palette, ax=left)
    left.set(title="Loss by timestep", ylabel="MSE of the prediction", yscale="log")
    left.legend(title=None)
    place, ends = np.arange(len(difference)), bar_lengths(difference, "difference")
    right.errorbar(place, difference["difference"], yerr=ends, fmt="o", color=INK, capsize=3)
    right.axhline(0, color=CHANCE, ls="--")
    right.set_xticks(place, labels=difference["t"])
    right.set(title="Held out less training (95 % intervals)", xlabel="t", ylabel="difference of the loss")
    return figure


def oracle_histories(histories: dict[str, pd.DataFrame]) -> Figure:
    """Of every oracle by name: epoch, train_loss, validation_loss, validation_accuracy."""
    figure, (left, right) = plt.subplots(ncols=2, figsize=(WIDTH, 3.2), layout="constrained")
    for colour, (name, history) in zip(sns.color_palette("husl", len(histories)), histories.items(), strict=True):
        left.plot(history["epoch"], history["train_loss"], color=colour, label=f"{name}, training")
        left.plot(history["epoch"], history["validation_loss"], color=colour, ls="--", label=f"{name}, validation")
        right.plot(history["epoch"], history["validation_accuracy"], color=colour, label=name)
    left.set(title="Cross-entropy", xlabel="epoch", ylim=(0, None))
    right.set(title="Validation accuracy", xlabel="epoch", ylim=(0, 1))
    left.legend()
    right.legend()
    return figure


def confusion_matrices(
    matrices: dict[str, tuple[np.ndarray, Sequence[str]]], *, rows: str, columns: Sequence[str] = ("predicted as",)
) -> Figure:
    """Confusion matrices side by side, in percent of each row, on one colour scale.

    Args:
        matrices: title to (K, K) counts and their K identities.
        rows, columns: what they are; the latter for all the matrices or for each.
    """
    width = WIDTH / len(matrices)
    figure, axes = plt.subplots(ncols=len(matrices), figsize=(WIDTH, width + 0.4), layout="constrained", squeeze=False)
    for number, (ax, (title, (counts, classes))) in enumerate(zip(axes.flat, matrices.items(), strict=True)):
        last = number == len(matrices) - 1
        _matrix(ax, _percent_of_row(counts), classes, width=width, bar=last)
        ax.set(title=f"{title}, % of row", xlabel=columns[number % len(columns)], ylabel=rows)
    return figure


def who_is_shown(
    real: np.ndarray, generated: np.ndarray, corrected: np.ndarray | None, classes: Sequence[str]
) -> Figure:
    """What a generator adds to its oracle's errors: generated less real confusion, and who is shown.

    Args:
        real, generated: confusion counts (K, K).
        corrected: fractions of the identities shown, (K, K), rows requested; None where the oracle can't be inverted.
    """
    panels, width = 1 if corrected is None else 2, WIDTH / 2
    figure, axes = plt.subplots(
        ncols=panels, figsize=(width * panels, width + 0.4), layout="constrained", squeeze=False
    )
    difference = _percent_of_row(generated) - _percent_of_row(real)
    _matrix(axes[0, 0], difference, classes, width=width, vmin=-100, cmap="RdBu_r", fmt="+.0f")
    axes[0, 0].set(title="Generated less real, points", xlabel="predicted as", ylabel="requested")
    if corrected is not None:
        _matrix(axes[0, 1], 100 * corrected, classes, width=width)
        axes[0, 1].set(title="Who is shown, % of row", xlabel="who is shown", ylabel="requested")
    return figure


def _percent_of_row(counts: np.ndarray) -> np.ndarray:
    return 100 * np.asarray(counts) / np.sum(counts, axis=1, keepdims=True)


def _matrix(
    ax: Axes, percent: np.ndarray, classes: Sequence[str], *, width: float, bar: bool = True, **look: object
) -> None:
    """A matrix (K, K) of percents, with numbers in it or, of many identities, with a bar of the colours.

    Args:
        width: of the panel, inches.
        bar: whether there is one at all.
        look: of seaborn's `heatmap`, other than usual.
    """
    names, crowded = [as_text(name) for name in classes], len(classes) > ANNOTATED
    look = {"vmin": 0, "vmax": 100, "cmap": "Blues", "fmt": ".0f"} | look
    look |= {"square": True, "annot": not crowded, "annot_kws": {"fontsize": 7}}
    look |= {"cbar": crowded and bar, "cbar_kws": {"shrink": 0.6}}
    sns.heatmap(percent, ax=ax, xticklabels=names, yticklabels=names, **look)
    ax.tick_params(axis="y", rotation=0)
    if crowded:
        ax.tick_params(labelsize=max(3.5, LABELS * width / len(names)))
        ax.tick_params(axis="x", rotation=90)


def _class_ticks(ax: Axes, names: Sequence[str]) -> None:
    longest = max(len(str(name)) for name in names)
    crowded = len(names) > 2 * ANNOTATED
    turned = 90 if crowded else 0 if longest < 8 else 30
    ax.set_xticks(np.arange(len(names)), labels=[as_text(name) for name in names], rotation=turned)
    if crowded:
        ax.tick_params(axis="x", labelsize=max(3.5, LABELS * ax.figure.get_figwidth() / len(names)))
    ax.grid(axis="x", visible=False)


def identity(ratios: pd.DataFrame, corrected: pd.DataFrame, *, chance: float, overall: float) -> Figure:
    """Class RCA and confusion-corrected accuracy with their intervals, beside the chance level.

    Args:
        ratios: class, rca, low, high, chance.
        corrected: confusion_corrected_accuracy, low, high, in the same order; empty where the oracle can't be inverted.
        chance, overall: global RCA of a generator that ignores the condition, and of this one.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4))
    place, marks = np.arange(len(ratios)), {"capsize": 3, "ls": ""}
    ax.hlines(ratios["chance"], place - 0.35, place + 0.35, color=CHANCE, lw=2, label="chance of each class")
    ends = bar_lengths(ratios, "rca")
    ax.errorbar(place - 0.12, ratios["rca"], yerr=ends, marker="o", color=GENERATED, label="class RCA", **marks)
    if len(corrected):
        values = corrected["confusion_corrected_accuracy"]
        ends = bar_lengths(corrected, "confusion_corrected_accuracy")
        label = "confusion-corrected\naccuracy"
        ax.errorbar(place + 0.12, values, yerr=ends, marker="D", color=INK, label=label, **marks)
    ax.axhline(1, color=REAL, ls=":", label="recognised as often\nas real faces")
    ax.axhline(overall, color=GENERATED, lw=1, label="global RCA")
    ax.axhline(chance, color=CHANCE, ls="--", label="chance of the\nglobal RCA")
    ax.set(title="Is the requested identity shown? (95 % intervals)", ylabel="RCA, or fraction of images")
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    _class_ticks(ax, ratios["class"])
    ax.legend(**BESIDE)
    return figure


def people(cells: pd.DataFrame, verdicts: pd.DataFrame, *, margin: float) -> Figure:
    """Class RCA of every person, a dot for each training and oracle, with the mean and the verdict.

    Args:
        cells: class, oracle, architecture, training, rca.
        verdicts: class, verdict, rca, low, high, in the order of the rows.
        margin: class RCA that separates non-inferior from inferior.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.42 * len(verdicts)), layout="constrained")
    rows = np.arange(len(verdicts))
    _dots_of_people(ax, cells, dict(zip(verdicts["class"], rows, strict=True)))
    look = {"fmt": "D", "color": INK, "ms": 5, "capsize": 3, "label": "mean, 95 % interval"}
    ax.errorbar(verdicts["rca"], rows, xerr=bar_lengths(verdicts, "rca"), **look)
    ax.axvline(margin, color=GENERATED, ls="--", lw=1, label=f"margin, {margin:g}")
    ax.axvline(1, color=CHANCE, ls=":", label="as real faces")
    ax.set(title="Is each person shown as in real faces? All trainings, all oracles", xlabel="class RCA")
    ax.set(xlim=(0, None), ylim=(len(verdicts) - 0.4, -0.6))
    ax.set_yticks(rows, labels=[as_text(name) for name in verdicts["class"]])
    ax.grid(axis="y", visible=False)
    beside = ax.secondary_yaxis("right")
    beside.set_yticks(rows, labels=list(verdicts["verdict"]))
    beside.spines["right"].set_visible(False)
    beside.tick_params(length=0)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _dots_of_people(ax: Axes, cells: pd.DataFrame, place: dict[str, int]) -> None:
    """A dot for each training and oracle: within a person's row a line for each training, side by side the kinds."""
    kinds, n_trainings = list(cells["architecture"].unique()), cells["training"].max() + 1
    for number, (kind, colour) in enumerate(zip(kinds, sns.color_palette("colorblind", len(kinds)), strict=True)):
        part = cells[cells["architecture"] == kind]
        line = (part["training"] + (number + 0.5) / len(kinds)) / n_trainings - 0.5
        ax.scatter(part["rca"], part["class"].map(place) + 0.7 * line, s=9, color=colour, lw=0, label=as_text(kind))


def rca_by_oracle(table: pd.DataFrame) -> Figure:
    """Global RCA under every oracle: oracle, trained_on, rca, low, high, chance."""
    figure, ax = plt.subplots(figsize=(WIDTH, 1 + 0.33 * len(table)))
    looks = {
        "oracle": (GENERATED, "trained on other faces\nthan the generator"),
        "train": (CHANCE, "trained on the\ngenerator's faces"),
    }
    for way, rows in table.groupby("trained_on", sort=False):
        (colour, label), ends = looks[way], bar_lengths(rows, "rca")
        ax.errorbar(rows["rca"], rows.index, xerr=ends, fmt="o", color=colour, capsize=3, label=label)
    ax.vlines(table["chance"], table.index - 0.35, table.index + 0.35, color=CHANCE, lw=2, label="chance")
    ax.set(title="RCA of one generator under each oracle", xlabel="global RCA, 95 % interval over images")
    ax.set_yticks(table.index, labels=table["oracle"])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(**BESIDE)
    return figure


def rca_by_training(table: pd.DataFrame, *, oracle: str) -> Figure:
    """RCA of the images of each training: training, rca, low, high, mean_over_oracles, chance; the oracle is named."""
    figure, ax = plt.subplots(figsize=(WIDTH * 0.8, 1.4 + 0.33 * len(table)))
    ends, mean = bar_lengths(table, "rca"), table["rca"].mean()
    ax.axvline(mean, color=GENERATED, lw=1, ls=":")
    ax.errorbar(table["rca"], table.index, xerr=ends, fmt="o", color=GENERATED, capsize=3, label=as_text(oracle))
    ax.plot(table["mean_over_oracles"], table.index + 0.2, "D", color=REAL, ms=5, label="mean over\noracles")
    ax.vlines(table["chance"], table.index - 0.35, table.index + 0.35, color=CHANCE, lw=2, label="chance")
    ax.set(
        title="RCA of the images of each training (dotted: mean)", xlabel="global RCA, 95 % interval over its images"
    )
    ax.set_yticks(table.index, labels=[f"training {number}" for number in table["training"]])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(**BESIDE)
    return figure


def frechet_lines(lines: dict[str, pd.DataFrame]) -> Figure:
    """Fréchet distance against 1/N, extrapolated to N → ∞: n and frechet of the generated images, then of real ones."""
    figure, ax = plt.subplots(figsize=(WIDTH * 0.7, 3.6))
    for (name, points), colour in zip(lines.items(), (GENERATED, REAL), strict=False):
        inverse = 1 / points["n"]
        slope, end = np.polyfit(inverse, points["frechet"], 1)
        ax.plot(inverse, points["frechet"], "o", color=colour, label=name)
        ax.plot([0, inverse.max()], [end, end + slope * inverse.max()], color=colour, lw=1)
        ax.plot(0, end, "*", color=colour, ms=11, clip_on=False)
    ax.set(title="Fréchet distance on the oracle's features, extrapolated to N → ∞")
    ax.set(xlabel="1 / number of images N (star: N → ∞)", ylabel="Fréchet distance", xlim=(0, None))
    ax.legend()
    return figure


def beside_real(table: pd.DataFrame) -> Figure:
    """Generated faces beside other real ones in every measure: measure, kind, generated, real.

    Fractions, and left of them, where there are any, ratios to real faces on a logarithmic axis.
    """
    panels = {"ratio": "relative to other real faces (= 1)", "fraction": "fraction"}
    parts = {kind: rows.reset_index(drop=True) for kind, rows in table.groupby("kind", sort=False)}
    figure, axes = plt.subplots(1, len(parts), figsize=(WIDTH, 3.6), layout="constrained", squeeze=False)
    for ax, (kind, rows) in zip(axes.flat, parts.items(), strict=True):
        ax.hlines(rows.index, rows["real"], rows["generated"], color=CHANCE, lw=1.5)
        ax.plot(rows["real"], rows.index, "o", color=REAL, label="other real faces")
        ax.plot(rows["generated"], rows.index, "D", color=GENERATED, label="generated faces")
        ax.set_yticks(rows.index, labels=[textwrap.fill(as_text(name), 24) for name in rows["measure"]])
        ax.set(xlabel=panels[kind], ylim=(len(rows) - 0.4, -0.6))
        if kind == "ratio":
            ax.set(xscale="log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
        else:
            ax.set(xlim=(0, None))
    figure.suptitle("How near generated faces come to real ones", fontweight="bold", fontsize="medium")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def predicted_class_frequencies(table: pd.DataFrame) -> Figure:
    """How often each class is predicted: class, fraction, low, high; fraction_real, of real faces, is marked."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3))
    place, ends = np.arange(len(table)), bar_lengths(table, "fraction")
    ax.bar(place, table["fraction"], yerr=ends, color=GENERATED, alpha=0.8, capsize=3, width=0.7)
    ax.axhline(1 / len(table), color=CHANCE, ls="--", label="requested")
    if "fraction_real" in table:
        ax.plot(place, table["fraction_real"], marker="_", ms=22, mew=2.5, lw=0, color=REAL, label="of real test faces")
    ax.set(title="Predicted-class frequencies of generated images", ylabel="fraction of images")
    _class_ticks(ax, table["class"])
    ax.legend()
    return figure


def guidance_rule(table: pd.DataFrame) -> Figure:
    """RCA against Fréchet distance at every guidance weight, the chosen one marked: guidance, rca, frechet, chosen."""
    figure, ax = plt.subplots(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    ax.plot(table["frechet"], table["rca"], "o-", color=GENERATED)
    own = table[table["chosen"].astype(bool)]
    ax.plot(own["frechet"], own["rca"], "o", ms=13, mfc="none", mec=INK, mew=2, label="what the rule takes")
    for row in table.itertuples():
        near = {"xytext": (9, 7), "textcoords": "offset points", "bbox": {"fc": "white", "ec": "none", "pad": 0.5}}
        ax.annotate(f"w = {row.guidance:g}", (row.frechet, row.rca), **near)
    ax.margins(0.16)
    ax.set(title="On validation oracles", xlabel="Fréchet distance (lower is nearer to real)", ylabel="RCA")
    ax.legend(loc="lower left")
    return figure


def reliability_diagrams(table: pd.DataFrame) -> Figure:
    """Accuracy by confidence, a panel for each architecture and way of training, a line a seed; area follows n.

    One row per bin and oracle: architecture, trained_on, seed, n, confidence, accuracy, low, high.
    """
    panels = list(table.groupby(["architecture", "trained_on"], sort=False))
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(WIDTH, 3.6 * lines), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, ((architecture, trained_on), part) in zip(axes.flat, panels, strict=False):
        ax.plot([0, 1], [0, 1], color=CHANCE, ls="--", label="calibrated")
        for seed, bins in part.groupby("seed"):
            colour = sns.color_palette("deep", 1 + table["seed"].max())[seed]
            place, ends, size = bins["confidence"], bar_lengths(bins, "accuracy"), 100 * bins["n"] / bins["n"].max()
            ax.errorbar(place, bins["accuracy"], yerr=ends, color=colour, lw=1, alpha=0.7, capsize=2)
            ax.scatter(place, bins["accuracy"], s=size, color=colour, label=f"seed {seed}")
        ax.set(title=f"{architecture}, trained on split {trained_on!r}", xlabel="confidence", ylabel="accuracy")
        ax.label_outer()
    axes.flat[0].legend(loc="lower right", markerscale=0.5)
    return figure
