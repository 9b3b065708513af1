"""Figures of 01, 03, 04 and 90 are made with much and with little."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from kpop_rca.plots import audit, benchmarks, charts, contact_sheets, oracles

HISTOGRAM = pd.DataFrame({"flag": "non_facial", "truth": ["right", "wrong"], "low": 0.0, "high": 1.0, "images": [3, 1]})
CURVES = pd.DataFrame({"flag": "non_facial", "precision": [0.5, 1.0], "recall": [1.0, 0.5]})


@pytest.mark.parametrize(("curves", "panels"), [(CURVES, 2), (CURVES.head(0), 1)])
def test_a_curve_has_a_panel_of_its_own(curves, panels):
    figure = audit.flag_scores(HISTOGRAM, curves, curves.head(1), thresholds={"non_facial": 0.8})
    figure.draw_without_rendering()
    assert len(figure.axes) == panels
    plt.close(figure)


@pytest.mark.parametrize("n_known", [0, 2])
def test_flags_of_photographs_have_no_truth_beside_them(n_known):
    accuracy = pd.DataFrame({"precision": [0.5, np.nan], "recall": [1.0, 0.2]}, index=["a", "b"]).head(n_known)
    figure = audit.flags_found(pd.Series({"a": 3, "b": 0}), accuracy, n_images=10)
    figure.draw_without_rendering()
    assert len(figure.axes) == 1 + bool(n_known)
    plt.close(figure)


def test_a_ceiling_is_optional():
    table = pd.DataFrame({"oracle": ["a-0"], "trained_on": "oracle", "test_accuracy": 0.8, "low": 0.7, "high": 0.9})
    for ceiling in (None, ("dlib", 0.9, 0.85, 0.95)):
        figure = oracles.oracle_accuracies(table, headline="a-0", chance=0.1, ceiling=ceiling)
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert ("dlib, pretrained" in labels) == (ceiling is not None)
        plt.close(figure)


def test_ratios_without_a_number_are_left_out():
    row = {"task": "t", "who": "w", "ratio": 2.0, "low": 1.5, "high": 2.5, "per": "FLOP", "target": np.nan}
    figure = benchmarks.ratios(pd.DataFrame([row, row | {"ratio": np.nan}]))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["t: w, at equal FLOPs"]
    plt.close(figure)


def test_the_gap_is_beside_the_losses():
    losses = pd.DataFrame({"faces": ["training", "held out"], "t": 10, "loss": [0.5, 0.6]})
    gap = pd.DataFrame({"t": ["10", "mean"], "difference": 0.1, "low": 0.05, "high": 0.2})
    figure = charts.loss_by_timestep(losses, gap)
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["10", "mean"]
    plt.close(figure)


def test_every_crop_has_its_image_above_it():
    image, boxes = np.zeros((20, 20, 3), dtype=np.uint8), np.array([[5.0, 5, 9, 9]] * 2)
    crops = {8: np.zeros((2, 8, 8, 3), dtype=np.uint8), 4: np.zeros((2, 4, 4, 3), dtype=np.uint8)}
    figure = contact_sheets.crop_steps([image] * 2, boxes, boxes, crops, ["a", "b"], title="t")
    assert len(figure.axes) == 6
    assert figure.shows == "t: 2 images and their crops"
