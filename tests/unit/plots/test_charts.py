"""Names of people are folder names: whatever they hold, every figure shows them as they are."""

import html
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from kpop_rca.plots import charts, contact_sheets

# What matplotlib sets as a formula (and fails at), what formats, and a dollar that is escaped already.
NAMES = [r"$\foo$", "a_$b", "%s{", r"\$5 $6", "{0}_^&<"]
K = len(NAMES)
FACES = np.zeros((K, 2, 16, 16, 3), dtype=np.uint8)
COUNTS = np.eye(K, dtype=int) * 9 + 1
VALUES = {"low": 0.1, "high": 0.9}


PHOTOGRAPHS = pd.DataFrame({"identity": NAMES, "boxes": [[[1, 1, 9, 9]]] * K})
FIGURES = {
    "photographs": lambda: contact_sheets.photographs(FACES[:, 0], PHOTOGRAPHS, title=NAMES[0]),
    "face_rows": lambda: contact_sheets.face_rows(FACES, NAMES, title=NAMES[0]),
    "face_sizes": lambda: contact_sheets.face_sizes({16: FACES[:, :1]}, NAMES),
    "real_beside_generated": lambda: contact_sheets.real_beside_generated(FACES, FACES, NAMES, title=NAMES[0]),
    "columns": lambda: contact_sheets.face_rows(FACES.swapaxes(0, 1), "ab", title="t", columns=NAMES),
    "stacked_counts": lambda: charts.stacked_counts(pd.DataFrame({"n": 1}, index=NAMES), title="t", ylabel="y"),
    "confusion_matrices": lambda: charts.confusion_matrices({"t": (COUNTS, NAMES)}, rows="truth"),
    "who_is_shown": lambda: charts.who_is_shown(COUNTS, COUNTS.T, COUNTS / COUNTS.sum(), NAMES),
    "identity": lambda: charts.identity(
        pd.DataFrame({"class": NAMES, "rca": 0.5, "chance": 0.1} | VALUES), pd.DataFrame(), chance=0.1, overall=0.5
    ),
    "people": lambda: charts.people(
        pd.DataFrame({"class": NAMES, "oracle": "o-0", "architecture": "o", "training": 0, "rca": 0.5}),
        pd.DataFrame({"class": NAMES, "verdict": "inconclusive", "rca": 0.5} | VALUES),
        margin=0.8,
    ),
    "predicted_class_frequencies": lambda: charts.predicted_class_frequencies(
        pd.DataFrame({"class": NAMES, "fraction": 0.5} | VALUES)
    ),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_a_name_is_shown_as_it_is(kind):
    figure = FIGURES[kind]()
    written = io.BytesIO()
    with plt.rc_context({"svg.fonttype": "none"}):  # text as text, a name in one piece
        figure.savefig(written, format="svg")
    plt.close(figure)
    shown = html.unescape(written.getvalue().decode())
    assert [name for name in NAMES if f">{name}</text>" not in shown] == []


def test_ratios_to_real_faces_and_fractions_have_a_panel_each():
    """A generator that has collapsed may have no ratio."""
    row = {"measure": NAMES[0], "kind": "fraction", "generated": 0.2, "real": 0.9}
    for rows in ([row], [row | {"kind": "ratio", "generated": 6.3, "real": 1.0}, row]):
        figure = charts.beside_real(pd.DataFrame(rows))
        figure.draw_without_rendering()
        assert [ax.get_xscale() for ax in figure.axes] == ["log", "linear"][-len(rows) :]
        plt.close(figure)


@pytest.mark.parametrize(("n", "lines"), [(1, 2), (3, 4)])
def test_the_losses_of_all_trainings_are_in_one_figure(n, lines):
    """One raw and smoothed; of several each and their mean."""
    one = pd.DataFrame({"step": [10, 20, 30], "loss": [1.0, 0.5, 0.4], "learning_rate": 1e-3})
    figure = charts.loss_curves(pd.concat([one.assign(training=k) for k in range(n)]))
    assert len(figure.axes[0].lines) == lines
    assert len(figure.axes[1].lines) == 1
    plt.close(figure)


def test_each_length_of_training_has_its_dots_and_the_studys_own_is_marked():
    curve = pd.DataFrame(
        {"steps": [10, 10, 20, 20], "training": [0, 1, 0, 1], "loss": 0.5, "rca": [0.2, 0.4, 0.6, 0.8]}
    )
    figure = charts.training_lengths(curve.assign(frechet=3.0), own=20, real={"rca": 1.0, "frechet": 1.5})
    loss, rca, frechet = figure.axes
    means = next(line for line in rca.lines if line.get_label() == "mean")
    assert means.get_ydata().tolist() == pytest.approx([0.3, 0.7]) and means.get_xdata().tolist() == [10, 20]
    assert [line.get_label() for line in loss.lines] == ["20 steps, the study's", "one training", "mean"]
    assert all("real faces" in [line.get_label() for line in ax.lines] for ax in (rca, frechet))
