"""The figures of `10_face_score`: scorers on pairs and on ladders, rewards along a tuning, and what tunings changed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from kpop_rca.plots.charts import BESIDE, CHANCE, GENERATED, INK, REAL, WIDTH


def pairs_and_ladders(table: pd.DataFrame, *, pairs: str, title: str, highlighted: dict[str, str]) -> Figure:
    """Each scorer's fraction of pairs ordered right (a circle) and of each ladder's steps (ticks): a row each.

    Args:
        table: scorer, kind ("pairs", "ladder"), name, fraction.
        pairs: name of the pairs.
        highlighted: scorers to the colours of their names.
    """
    own = table[(table["kind"] == "pairs") & (table["name"] == pairs)].set_index("scorer")["fraction"]
    ladders = table[table["kind"] == "ladder"]
    worst = ladders.groupby("scorer")["fraction"].min()
    order = worst.sort_values().index
    figure, ax = plt.subplots(figsize=(WIDTH, 0.36 * len(order) + 1.2), layout="constrained")
    place = {scorer: row for row, scorer in enumerate(order)}
    rows = ladders["scorer"].map(place)
    ax.hlines(range(len(order)), worst[order], ladders.groupby("scorer")["fraction"].max()[order], color=CHANCE, lw=1)
    ax.plot(ladders["fraction"], rows, "|", color=GENERATED, ms=11, mew=2, label="each ladder")
    ax.plot(own[order], np.arange(len(order)), "o", color=REAL, ms=7, label=f"held-out pairs, {pairs}")
    ax.axvline(0.5, color=CHANCE, ls=":", lw=1.2)
    ax.set_yticks(range(len(order)), labels=order)
    for label in ax.get_yticklabels():
        label.set_color(highlighted.get(label.get_text(), INK))
        label.set_fontweight("bold" if label.get_text() in highlighted else "normal")
    ax.set(xlim=(-0.02, 1.02), xlabel="fraction ordered right; dotted: chance")
    ax.set_title(title, loc="left")
    ax.grid(axis="y", visible=False)
    ax.legend(**BESIDE)
    return figure


def rewards_on_the_way(curves: pd.DataFrame, *, reward: str, title: str) -> Figure:
    """A reward along each tuning, by the network that rewards and by one that does not: a panel each.

    Args:
        curves: tuning, step, `<reward>_own` and `<reward>_held_out`.
        reward: its name.
    """
    tunings = curves["tuning"].unique()
    wide = {"figsize": (WIDTH, 3.2), "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(ncols=len(tunings), sharey=True, **wide)
    for ax, tuning in zip(axes[0], tunings, strict=True):
        rows = curves[curves["tuning"] == tuning]
        for kind, colour, style in (("own", GENERATED, "-"), ("held_out", REAL, "--")):
            name = {"own": "the rewarding network", "held_out": "another network"}[kind]
            ax.plot(rows["step"], rows[f"{reward}_{kind}"], style, color=colour, marker="o", ms=4, label=name)
        ax.set_title(tuning, loc="left")
        ax.set(xlabel="step")
    axes[0, 0].set(ylabel=f"mean reward: {reward}")
    axes[0, -1].legend(title="reward by", **BESIDE)
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure


def own_against_held_out(rises: pd.DataFrame, *, rewards: dict[str, str], title: str) -> Figure:
    """How far a reward rises by the network that rewards, and by another: a panel for each reward, a line per tuning.

    On the dotted line both rise alike; below it the generator fits the rewarding network alone.

    Args:
        rises: reward, tuning, step, own, held_out; changes since step 0.
        rewards: their names in words.
    """
    shown = [reward for reward in rewards if (rises["reward"] == reward).any()]
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(WIDTH, 3.8 * lines), squeeze=False, layout="constrained")
    for ax in axes.flat[len(shown) :]:
        ax.remove()
    colours = dict(
        zip(rises["tuning"].unique(), sns.color_palette("colorblind", rises["tuning"].nunique()), strict=True)
    )
    for ax, reward in zip(axes.flat, shown, strict=False):
        for tuning, rows in rises[rises["reward"] == reward].groupby("tuning", sort=False):
            ax.plot(rows["own"], rows["held_out"], "-o", color=colours[tuning], ms=4, label=tuning)
            ax.plot(*rows[["own", "held_out"]].iloc[-1], "o", color=colours[tuning], ms=9)
        ax.axline((0, 0), slope=1, color=CHANCE, ls=":", lw=1.2)
        ax.set(title=rewards[reward], xlabel="change by the rewarding network", ylabel="change by another network")
    handles = {
        label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside center right", frameon=False)
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure


def score_and_identity(table: pd.DataFrame, *, title: str) -> Figure:
    """What each tuning changes in the held-out face score and in RCA under held-out oracles: a cross per tuning.

    Args:
        table: tuning, score and rca with <name>_low and <name>_high; changes from the generator before the tuning.
    """
    figure, ax = plt.subplots(figsize=(WIDTH * 0.8, 4.2), layout="constrained")
    colours = sns.color_palette("colorblind", len(table))
    for colour, row in zip(colours, table.itertuples(), strict=True):
        ax.hlines(row.rca, row.score_low, row.score_high, color=colour, lw=1.5)
        ax.vlines(row.score, row.rca_low, row.rca_high, color=colour, lw=1.5)
        ax.plot(row.score, row.rca, "o", color=colour, ms=7, label=row.tuning)
    ax.axhline(0, color=CHANCE, ls=":", lw=1.2)
    ax.axvline(0, color=CHANCE, ls=":", lw=1.2)
    ax.set(xlabel="change in face score (held-out scorer)", ylabel="change in RCA (held-out oracles)")
    ax.set_title(title, loc="left")
    ax.legend(**BESIDE)
    return figure


def changes_by_tuning(verdicts: pd.DataFrame, *, words: str, title: str) -> Figure:
    """What each tuning changed, with its interval over seeds: a row each; 0 is the generator before the tuning.

    Args:
        verdicts: claim ("change in <words>: <tuning>"), mean, low, high.
        words: of the quantity.
    """
    start = f"change in {words}: "
    own = verdicts[verdicts["claim"].str.startswith(start)].iloc[::-1]
    figure, ax = plt.subplots(figsize=(WIDTH, 0.36 * len(own) + 1.2), layout="constrained")
    rows = np.arange(len(own))
    ax.hlines(rows, own["low"], own["high"], color=GENERATED, lw=2)
    ax.plot(own["mean"], rows, "o", color=GENERATED, ms=7)
    ax.axvline(0, color=CHANCE, ls=":", lw=1.2)
    ax.set_yticks(rows, labels=own["claim"].str.removeprefix(start))
    ax.set(xlabel=f"change in {words}; bar: 95 % interval over seeds")
    ax.set_title(title, loc="left")
    ax.grid(axis="y", visible=False)
    return figure
