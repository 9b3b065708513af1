"""Oracles compared on real faces, on predictions written by hand and on oracles just trained enough to predict."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from small_oracle import RECIPE, long, write_oracle
from tqdm import tqdm

from kpop_rca.oracles import candidates, predictions, tables, training
from kpop_rca.plots import charts

CPU = torch.device("cpu")


def test_every_oracle_sees_every_image(coloured_faces, tmp_path):
    """The predictions of `predict_all` for the test faces are those that training saved."""
    images, labels = coloured_faces
    splits = {"train": (images[:48], labels[:48]), "oracle": (images[:0], labels[:0])}
    splits |= {"validation": (images[48:96], labels[48:96]), "test": (images[96:], labels[96:])}
    recipe = dataclasses.replace(RECIPE, warmup_epochs=0, epochs=1)
    planned = candidates.list_candidates(["resnet10"], n_seeds=2, seen=[], apart=False)
    training.train_all(planned, splits, recipe=recipe, folder=tmp_path, device=CPU, bar=tqdm)
    again = predictions.predict_all(tmp_path, *splits["test"], device=CPU)
    pd.testing.assert_frame_equal(again, predictions.load_predictions(tmp_path), atol=1e-6)
    hard = tables.hard_case_accuracy(tmp_path, splits["validation"], device=CPU)
    assert hard["oracle"].tolist() == ["resnet10-0", "resnet10-1"]
    assert hard["n_hard"].tolist() == [48, 48]
    about = training.read_about(tmp_path / "resnet10-1")
    assert hard.loc[1, "accuracy_hard"] == pytest.approx(about["validation"]["accuracy"])
    assert hard.loc[1, "accuracy_test"] == pytest.approx(about["test"]["accuracy"])


def test_no_hard_cases_no_rows(tmp_path):
    assert tables.hard_case_accuracy(tmp_path, (np.empty((0, 8, 8, 3)), np.empty(0)), device=CPU).empty


def test_table_1_by_hand(tmp_path):
    """Two of four right, always 0.8 sure: an error of 0.3; F1 of the classes 2/3, 1/2 and 0."""
    write_oracle(tmp_path, "resnet10-0", [0, 1, 1, 1], np.array([0, 0, 1, 2]))
    row = tables.comparison(tmp_path).iloc[0]
    interval = binomtest(2, 4).proportion_ci(method="wilson")
    assert row["test_accuracy"] == 0.5
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["calibration_error"] == pytest.approx(0.3, abs=1e-6)
    assert (row["best_class_f1"], row["worst_class_f1"]) == pytest.approx((2 / 3, 0))
    assert (row["oracle"], row["n_test"], row["n_train"], row["trained_on"]) == ("resnet10-0", 4, 30, "oracle")


def test_the_two_ways_of_training_are_not_averaged():
    table = pd.DataFrame({"architecture": "a", "trained_on": ["oracle", "oracle", "train"], "rca": [0.2, 0.6, 0.9]})
    summary = tables.over_seeds(table, ["rca"]).set_index("trained_on")
    assert summary.loc["oracle", ["n_oracles", "rca_lowest", "rca_highest"]].tolist() == [2, 0.2, 0.6]
    assert summary["rca_mean"].tolist() == pytest.approx([0.4, 0.9])


def test_reliability_of_every_oracle_and_its_diagram(tmp_path):
    labels = np.array([0, 1, 2, 2])
    write_oracle(tmp_path, "resnet10-0", [0, 1, 1, 1], labels)
    write_oracle(tmp_path, "resnet10-0-seen", [0, 1, 2, 2], labels, trained_on="train", sure=0.9)
    table = tables.reliability(tmp_path).set_index("oracle")
    assert table["accuracy"].to_dict() == {"resnet10-0": 0.5, "resnet10-0-seen": 1.0}
    assert table["n"].tolist() == [4, 4]
    figure = charts.reliability_diagrams(table.reset_index())
    assert [ax.get_title() for ax in figure.axes if ax.get_visible()] == [
        "resnet10, trained on split 'oracle'",
        "resnet10, trained on split 'train'",
    ]


def test_architectures_are_compared_seed_by_seed_on_the_same_faces():
    """Seed 0: six faces that only a gets right, one that only b does, p = 2 (1 + 7) / 2^7. Seed 1: two against none."""
    parts = [long("a-0", [0] * 9 + [1], 0), long("b-0", [0] * 3 + [1] * 6 + [0], 0)]
    parts += [long("a-1", [0] * 10, 0), long("b-1", [0] * 8 + [1] * 2, 0)]
    parts.append(long("a-0-seen", [1] * 10, 0, trained_on="train"))
    table = tables.paired_comparisons(pd.concat(parts))
    assert table[["oracle", "other"]].to_numpy().tolist() == [["a-0", "b-0"], ["a-1", "b-1"]]
    assert table[["only_oracle_right", "only_other_right"]].to_numpy().tolist() == [[6, 1], [2, 0]]
    assert table["p"].tolist() == pytest.approx([2 * 8 / 128, 0.5])
    assert table["p_holm"].tolist() == pytest.approx([2 * 2 * 8 / 128, 0.5])


def test_one_architecture_has_none_to_be_compared_with():
    table = tables.paired_comparisons(long("a-0", [0, 1], 0))
    assert table.empty
    assert "p_holm" in table
