"""The figures of what oracles see show the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from kpop_rca.plots import charts, oracles


def test_confidences_count_every_face_once():
    def faces(confidence, right):
        return pd.DataFrame({"label": 0, "predicted": np.where(right, 0, 1), "confidence": confidence})

    sure, unsure = np.linspace(0.9, 1, 6), np.linspace(0.5, 0.6, 4)
    real = faces(np.r_[sure, unsure], [True] * 6 + [False] * 4)
    figure = oracles.confidences(real, faces(unsure, [False] * 4), chance=0.5)
    said = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in figure.axes]
    assert said == [
        ["real, 60% of them", "generated, 0% of them"],
        ["real, 40% of them", "generated, 100% of them"],
    ]
    heights = [patch.get_data().values.sum() for ax in figure.axes for patch in ax.patches[::2]]
    np.testing.assert_allclose(heights, [0.6, 0, 0.4, 1])
    plt.close(figure)


def test_generated_less_real_is_in_points():
    real, generated = np.array([[9, 1], [0, 10]]), np.array([[50, 50], [0, 100]])
    figure = charts.who_is_shown(real, generated, None, ["A", "B"])
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["-40", "+40", "+0", "+0"]
    plt.close(figure)


def test_every_measure_of_quality_has_a_panel():
    rows = {"group": [1, 2], "rca": [0.5, 0.7], "low": [0.4, 0.6], "high": [0.6, 0.8]}
    table = pd.concat([pd.DataFrame({"measure": name} | rows) for name in ("texture", "sharpness")])
    figure = oracles.rca_by_quality(table, overall=0.6, chance=0.1)
    assert [ax.get_title() for ax in figure.axes] == ["By texture", "By sharpness"]
    plt.close(figure)
