"""Further trainings beside the intervals of a recipe, from files written by hand."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.results import further
from kpop_rca.study import paths
from kpop_rca.system import files

RECIPE = {"oracles": ["a-0", "a-1"], "value": 0.7, "ci95": [0.6, 0.8], "next_training": [0.5, 0.9]}
USED = {"train_steps": 270, "guidance": 1.0}


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Of three further trainings with ten images each 8, 6 and 2 are right, under both oracles."""
    monkeypatch.setattr(paths, "committed_report", lambda name: tmp_path / name)
    monkeypatch.setattr(further, "recipe_in_use", lambda study: dict(USED))
    folder = tmp_path / further.REPORT
    folder.mkdir()
    label = np.arange(10) % 2
    parts = []
    for training, right in ((5, 8), (6, 6), (7, 2)):
        predicted = np.where(np.arange(10) < right, label, 1 - label)
        columns = {"image": range(10), "label": label, "a-0": predicted, "a-1": predicted, "training": training}
        parts.append(pd.DataFrame(columns))
    files.write_gzip(folder / further.PREDICTIONS, pd.concat(parts).to_csv(index=False))
    about = {"study": "mine", "accuracy_real": {"a-0": 1.0, "a-1": 0.8}, "recipe": USED}
    files.write_json(folder / further.ABOUT, about)
    return folder


def test_who_falls_into_the_interval_is_counted(report):
    table, part = further.further_trainings("mine", RECIPE)
    np.testing.assert_allclose(table["rca"], [0.9, 0.675, 0.225])  # right, times (1 + 1 / 0.8) / 2
    assert table["within"].tolist() == [True, True, False]
    assert part == {"n": 3, "n_within": 2, "mean": pytest.approx(0.6), "mean_within": True}
    assert "2 of 3 in the prediction interval" in further.about_further(part, RECIPE)
    outside = part | {"mean_within": False}
    assert "lies outside the interval of the mean (0.60 to 0.80)" in further.about_further(outside, RECIPE)


def test_trainings_of_another_recipe_are_not_compared_and_it_is_said_what_differs(report, monkeypatch):
    monkeypatch.setattr(further, "recipe_in_use", lambda study: USED | {"train_steps": 500})
    table, part = further.further_trainings("mine", RECIPE)
    assert table.empty and part["n"] is None and "train_steps 270, not 500" in part["why"]
    assert further.about_further(part, RECIPE).startswith("Further trainings are not compared: ")


def test_an_oracle_that_did_not_predict_them_is_named(report):
    _, part = further.further_trainings("mine", RECIPE | {"oracles": ["a-0", "b-0"]})
    assert "without the oracle b-0" in part["why"]


def test_where_there_are_none_the_command_is_named(report):
    (report / further.ABOUT).unlink()
    _, part = further.further_trainings("mine", RECIPE)
    assert part["n"] is None and "validity.further_trainings" in part["why"]


def test_a_recipe_without_intervals_has_nothing_to_compare_with(report):
    _, part = further.further_trainings("mine", RECIPE | {"value": None, "why": "one training"})
    assert part["why"] == "one training"
