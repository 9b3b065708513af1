"""The figures of `12_cascaded_diffusion`: identity by the way in which faces were enlarged."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kpop_rca.plots.charts import BESIDE, CHANCE, GENERATED, INK, REAL, SPLIT_COLOURS, WIDTH, bar_lengths

COLOURS = {"real": REAL, "generated": GENERATED}
SHIFTS = {"real": -0.1, "generated": 0.1}  # beside each other
MARKERS = "osD^v"  # of the oracles, in their order
ORACLES = [INK, SPLIT_COLOURS["test"], SPLIT_COLOURS["oracle"], CHANCE]


def identity_by_method(table: pd.DataFrame, *, title: str, chance: float) -> Figure:
    """Accuracy and its interval for each way of enlarging: oracle, faces, method, accuracy, low, high; a panel each."""
    oracles, methods = table["oracle"].unique(), list(dict.fromkeys(table["method"]))
    figure, axes = plt.subplots(
        ncols=len(oracles), figsize=(WIDTH, 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, oracle in zip(axes[0], oracles, strict=True):
        for faces, own in table[table["oracle"] == oracle].groupby("faces", sort=False):
            place = [methods.index(method) + SHIFTS[faces] for method in own["method"]]
            ends = bar_lengths(own, "accuracy")
            ax.errorbar(place, own["accuracy"], yerr=ends, fmt="o", capsize=3, color=COLOURS[faces], label=faces)
        ax.axhline(chance, color=CHANCE, ls=":", lw=1)
        ax.set_xticks(np.arange(len(methods)), labels=methods)
        ax.set(title=oracle, ylim=(0, 1.02), xlim=(-0.5, len(methods) - 0.5))
    axes[0, 0].set(ylabel="accuracy, mean over identities")
    axes[0, -1].legend(title="32 px faces", **BESIDE)
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure


def identity_by_level(table: pd.DataFrame, *, title: str) -> Figure:
    """Accuracy and its interval against the level of conditioning augmentation: a panel for each kind of faces."""
    kinds = table["faces"].unique()
    figure, axes = plt.subplots(
        ncols=len(kinds), figsize=(WIDTH, 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, faces in zip(axes[0], kinds, strict=True):
        own = table[table["faces"] == faces]
        for number, (oracle, rows) in enumerate(own.groupby("oracle", sort=False)):
            look = {"color": ORACLES[number], "marker": MARKERS[number], "ms": 5, "capsize": 3}
            ax.errorbar(rows["level"], rows["accuracy"], yerr=bar_lengths(rows, "accuracy"), label=oracle, **look)
        ax.set(title=f"{faces} 32 px faces", xlabel="level of noise on the 32 px image", ylim=(0, 1.02))
    axes[0, 0].set(ylabel="accuracy, mean over identities")
    axes[0, -1].legend(title="oracle", **BESIDE)
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure
