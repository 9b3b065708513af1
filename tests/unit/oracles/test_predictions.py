"""Choosing oracles, and the long table of their predictions."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_oracle import long, write_oracle

from kpop_rca.errors import StudyError
from kpop_rca.oracles import predictions

CPU = torch.device("cpu")


def write_oracles(folder, validation):
    for name, accuracy in validation.items():
        write_oracle(
            folder, name, [0], np.array([0]), validation=accuracy, trained_on="train" if "seen" in name else "oracle"
        )


def test_the_best_architecture_by_its_mean_and_its_median_seed(tmp_path):
    """resnet18 has the best single oracle and the lower mean; the oracles that have seen are out of it."""
    validation = {"resnet10-0": 0.85, "resnet10-1": 0.82, "resnet10-2": 0.80, "resnet18-0": 0.60, "resnet18-1": 0.90}
    write_oracles(tmp_path, validation | {"resnet10-0-seen": 0.99})
    assert predictions.select(tmp_path, "best") == "resnet10-1"
    assert predictions.select(tmp_path, "resnet18") == "resnet18-0"  # the lower of two
    assert predictions.select(tmp_path, "resnet18-1") == "resnet18-1"
    assert predictions.select(tmp_path, "resnet10-0-seen") == "resnet10-0-seen"


def test_the_test_split_has_no_say(tmp_path):
    labels = np.zeros(4, dtype=int)
    write_oracle(tmp_path, "resnet10-0", [0, 0, 1, 1], labels, validation=0.8)
    write_oracle(tmp_path, "resnet18-0", [0, 0, 0, 0], labels, validation=0.7)
    assert predictions.select(tmp_path, "best") == "resnet10-0"


def test_where_all_have_seen_the_faces_all_are_eligible(tmp_path):
    write_oracle(tmp_path, "resnet10-0", [0], np.array([0]), trained_on="train")
    assert predictions.select(tmp_path, "best") == "resnet10-0"
    assert predictions.trained(tmp_path)["eligible"].all()


def test_an_oracle_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyError, match="no oracle has been trained"):
        predictions.select(tmp_path, "best")
    write_oracles(tmp_path, {"resnet10-0": 0.8, "resnet18-0-seen": 0.8})
    # The last was trained, but only on the generator's faces.
    for requested in ("resnet34", "resnet10-1", "resnet18"):
        with pytest.raises(
            StudyError, match=f"headline_oracle is '{requested}', but the oracles are resnet10-0, resnet18-0"
        ):
            predictions.select(tmp_path, requested)


def test_oracles_come_in_the_order_of_their_numbers(tmp_path):
    write_oracles(tmp_path, {f"resnet10-{seed}": 0.5 for seed in (9, 0, 2)} | {"resnet10-0-seen": 0.5})
    assert predictions.trained(tmp_path)["oracle"].tolist() == [
        "resnet10-0",
        "resnet10-2",
        "resnet10-9",
        "resnet10-0-seen",
    ]


def test_predictions_are_one_long_table(tmp_path):
    labels = np.array([0, 1, 2])
    write_oracle(tmp_path, "resnet10-1", [0, 1, 1], labels)
    write_oracle(tmp_path, "resnet18-0", [2, 1, 0], labels, sure=0.9)
    table = predictions.load_predictions(tmp_path)
    assert table["oracle"].tolist() == ["resnet10-1"] * 3 + ["resnet18-0"] * 3
    assert table["image"].tolist() == [0, 1, 2] * 2
    assert table["label"].tolist() == [0, 1, 2] * 2
    assert table["predicted"].tolist() == [0, 1, 1, 2, 1, 0]
    np.testing.assert_allclose(table["confidence"], [0.8] * 3 + [0.9] * 3)
    assert table.columns.tolist() == [*predictions.ORACLE_COLUMNS, "image", "label", "predicted", "confidence"]


def test_stacked_labels_follow_seeds_and_images_whatever_the_order_of_rows():
    parts = [long("a-2", [0, 1, 2, 2], 0), long("a-0", [1, 1, 0, 2], 0), long("b-0", [2, 2, 2, 2], 0)]
    parts.append(long("a-0-seen", [0, 0, 0, 0], 0, trained_on="train"))
    table = pd.concat(parts).sample(frac=1, random_state=0)
    stacked = predictions.stacked_labels(table, architecture="a", trained_on="oracle")
    assert stacked.dtype == np.int64
    np.testing.assert_array_equal(stacked, [[1, 1, 0, 2], [0, 1, 2, 2]])
    with pytest.raises(StudyError, match="no b was trained on the split 'train'"):
        predictions.stacked_labels(table, architecture="b", trained_on="train")
    missing = pd.concat([parts[0], parts[1].iloc[1:]])
    with pytest.raises(ValueError, match="did not classify the same images"):
        predictions.stacked_labels(missing, architecture="a", trained_on="oracle")
