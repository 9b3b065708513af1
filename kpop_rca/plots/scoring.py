"""The figures of scored generators: intervals of one measure, and several measures beside each other.

Each is as wide as the screen of a telephone, so that its letters stay readable there; a page sets two side by side.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpop_rca.plots.charts import CHANCE, INK, as_text

WIDTH = 4.8  # inches
SIZES = {
    "font.size": 11.5,
    "axes.labelsize": 11.5,
    "axes.titlesize": 12.5,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
}
# Okabe and Ito (2008), told apart with any colour vision; in print by the marks.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vPX"
LONGEST = 16  # letters of a name beside an axis


def looks(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and mark of each name, the same in every figure that is given the same names."""
    return {
        name: {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[number % len(MARKS)]}
        for number, name in enumerate(names)
    }


def short(name: str) -> str:
    """A name that fits beside an axis, each of its lines cut.

    >>> short("stable-diffusion-xl-lora-7")
    'stable-diffusio…'
    """
    lines = [line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in name.split("\n")]
    return as_text("\n".join(lines))


def intervals(
    table: pd.DataFrame,
    *,
    rows: str,
    title: str,
    xlabel: str,
    hue: str | None = None,
    lines: dict[str, float] | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Figure:
    """A forest plot: one row per value of `rows`, in the table's order, a mark and an interval for each row of it.

    Args:
        table: value, low, high (NaN where there is none), and the columns `rows` and `hue`.
        hue: what is told apart by colour; `rows` itself by default.
        lines: label to place of dashed verticals.
    """
    names, hues = list(dict.fromkeys(table[rows])), list(dict.fromkeys(table[hue or rows]))
    look, place = looks(hues), {name: number for number, name in enumerate(names)}
    beside = bool(hue) and len(hues) > 1
    lift = {name: 0.5 * (n / (len(hues) - 1) - 0.5) if beside else 0.0 for n, name in enumerate(hues)}
    with plt.rc_context(SIZES):
        height = 1.5 + 0.42 * len(names) * (1.5 if beside else 1)
        figure, ax = plt.subplots(figsize=(WIDTH, height), layout="constrained")
        for row in table.to_dict("records"):
            if pd.isna(row["value"]):
                continue
            y, style = place[row[rows]] + lift[row[hue or rows]], look[row[hue or rows]]
            ax.plot([row["low"], row["high"]], [y, y], color=style["color"], lw=2.2, solid_capstyle="butt")
            ax.plot(row["value"], y, ms=8, ls="", **style)
        _verticals(ax, lines or {})
        ax.set(xlabel=xlabel, xlim=limits, ylim=(len(names) - 0.4, -0.6))
        ax.set_title(title, loc="left", pad=18 if lines else 6)
        ax.set_yticks(range(len(names)), labels=[short(name) for name in names])
        ax.grid(axis="y", visible=False)
        if beside:
            _legend(figure, look)
    return figure


def dots(table: pd.DataFrame, measures: dict[str, str], *, title: str) -> Figure:
    """A dot plot: one row per measure, a mark for each generator (and for the real photographs where they have one).

    Args:
        table: one row per generator: generator, and a column for each measure, in [0, 1].
        measures: column to label.
    """
    look = looks(table["generator"])
    with plt.rc_context(SIZES):
        figure, ax = plt.subplots(figsize=(WIDTH, 1.7 + 0.42 * len(measures)), layout="constrained")
        for row in table.to_dict("records"):
            values = [row[measure] for measure in measures]
            ax.plot(values, range(len(measures)), ls="", ms=8, alpha=0.85, **look[row["generator"]])
        ax.set(
            xlabel="fraction of the images (similarity: of real); higher is better",
            xlim=(min(-0.03, ax.get_xlim()[0]), max(1.03, ax.get_xlim()[1])),
            ylim=(len(measures) - 0.5, -0.5),
        )
        ax.set_title(title, loc="left")
        ax.set_yticks(range(len(measures)), labels=list(measures.values()))
        _legend(figure, look)
    return figure


def _verticals(ax: Axes, lines: dict[str, float]) -> None:
    for label, place in lines.items():
        ax.axvline(place, color=CHANCE, ls="--", lw=1.2, zorder=0)
        above = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "textcoords": "offset points"}
        ax.annotate(label, (place, 1), ha="center", color=INK, fontsize=10, **above)


def _legend(figure: Figure, look: dict[str, dict[str, str]]) -> None:
    marks = [plt.Line2D([], [], ls="", ms=8, **style) for style in look.values()]
    names = [short(name) for name in look]
    figure.legend(marks, names, loc="outside lower center", ncols=2, frameon=False, fontsize=11, handletextpad=0.2)
