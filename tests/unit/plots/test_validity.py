"""The figures of the trials show the tables they are drawn from."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from known_oracle import NEXT, faces_and_oracle, rng

from kpop_rca import validity
from kpop_rca.plots.validity import HIGHEST, LOWEST, control_generators, degradations, interval_widths, mixture_trials


def trial():
    """A trial of two truths, two draws each."""
    labels, predicted = faces_and_oracle()
    how = {"n_draws": 2, "n_per_condition": 40, "n_replicates": 100, "generator": rng(5)}
    return validity.mixture_trial(labels, predicted, {"next": NEXT}, truths=(0.0, 1.0), **how)


def test_figures_show_the_tables_and_survive_what_has_no_value():
    found = trial()
    summary = validity.trial_summary(found, by=["pattern", "truth", "estimator"])
    figure = mixture_trials(summary, target=(0.92, 0.98))
    expected = summary[summary["estimator"] == "rca"]["bias"].tolist()
    assert expected in [list(line.get_ydata()) for line in figure.axes[0].lines]
    labels, predicted = faces_and_oracle()
    parts = validity.halves(labels, generator=rng())
    found = validity.control_trial(labels, predicted, parts=parts, pair=(0, 1), n_replicates=100, generator=rng())
    (axes,) = control_generators(found).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == found["control"].unique().tolist()
    plt.close("all")


def test_the_figure_of_degraded_faces_marks_what_was_refused():
    row = {"estimator": "confusion_corrected_accuracy", "value": 0.9, "low": 0.8, "high": 1.0}
    where = [{"level": level, "remedy": remedy} for level in (0, 1) for remedy in ("none", "oracle")]
    rows = [row | {"kind": "blur"} | place for place in where]
    rows[0] |= {"value": np.nan, "low": np.nan, "high": np.nan}
    figure = degradations(pd.DataFrame(rows), remedies=validity.REMEDIES, sigma=1.0)
    crosses = figure.axes[0].collections[-1].get_offsets()
    assert crosses[:, 0].tolist() == [0]
    assert not figure.axes[4].get_visible()
    plt.close("all")


def test_an_arrow_says_where_an_interval_leaves_the_axis():
    row = {"kind": "blur", "estimator": "confusion_corrected_accuracy", "value": 1.0, "remedy": "oracle"}
    ends = {0.0: (0.9, 1.1), 1.0: (-1.19, 3.78), 2.0: (0.9, 1.7), 3.0: (np.nan, np.nan)}
    table = pd.DataFrame([row | {"level": level, "low": low, "high": high} for level, (low, high) in ends.items()])
    figure = degradations(table, remedies=validity.REMEDIES, sigma=0.5)
    below, above = (part.get_offsets().tolist() for part in figure.axes[2].collections if part.get_gid() == "cut")
    assert below == [[1.0, LOWEST]]
    assert above == [[1.0, HIGHEST], [2.0, HIGHEST]]
    assert "goes on beyond the axis" in [text.get_text() for text in figure.legends[0].texts]
    assert figure.axes[2].get_title().replace("\n", " ") == "oracle retrained on blurred real faces (sigma 0.5)"
    plt.close("all")


def test_the_figure_of_widths_shows_the_study():
    widths = pd.DataFrame({"n_real": [10, 20], "n_generated": 5, "rca": 0.1, "confusion_corrected_accuracy": np.nan})
    widths = widths.assign(class_rca=0.2, class_confusion_corrected_accuracy=np.nan)
    figure = interval_widths(widths, studied=(12.3, 5))
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.1]
    assert "this study:\n12 real,\n5 generated" in [text.get_text() for text in figure.legends[0].texts]
    plt.close("all")
