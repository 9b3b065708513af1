"""Fewer training faces, the same steps; calibration in words; points of a figure."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from small_oracle import RECIPE
from tqdm import tqdm

from kpop_rca.oracles import answers, calibration, learning_curve, projection, training

CPU = torch.device("cpu")


@pytest.fixture
def splits():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 16)
    images = generator.integers(0, 60, (48, 16, 16, 3)) + 90 * (labels[:, None, None, None] == np.arange(3))
    faces = images.astype(np.uint8), labels
    return {"train": faces, "oracle": faces, "validation": faces, "test": faces}


def test_sizes_and_the_studys_own_oracle(splits, tmp_path: Path):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    own = training.Training("resnet10", splits, recipe, tmp_path / "resnet10-0", notes={"seed": 0})
    training.train_side_by_side([own], device=CPU, bar=tqdm)
    table = learning_curve.accuracy_by_size(
        splits, "resnet10", folder=tmp_path / "resnet10-0", recipe=recipe, device=CPU, bar=tqdm
    )
    assert table["n_train"].tolist() == [12, 24, 48]
    about = training.read_about(tmp_path / "resnet10-0")
    assert table["accuracy"].iloc[-1] == about["test"]["accuracy"]
    assert (table["low"] <= table["accuracy"]).all()
    assert [path.name for path in tmp_path.glob("*/")] == ["resnet10-0"]


def test_over_and_under_confidence_are_told_apart():
    labels = np.zeros(200, dtype=int)
    for confidence, right, said in (
        (0.6, 190, "under-confident"),
        (0.95, 120, "over-confident"),
        (0.75, 150, "neither"),
    ):
        probabilities = np.full((200, 2), 1 - confidence)
        probabilities[:right, 0] = probabilities[right:, 1] = confidence
        found = calibration.confidence_gap(probabilities, labels)
        assert said in answers.about_calibration(found)
        assert found["ece"] == pytest.approx(abs(confidence - right / 200), abs=1e-5)


def test_a_ceiling_is_below_above_or_neither():
    found = answers.ceiling({"dlib": 90}, n=100)
    for oracle, said in ((0.5, "above"), (0.99, "below"), (0.9, "not shown to differ")):
        assert said in answers.about_ceiling(found, oracle=oracle, missing="")
    assert answers.ceiling({}, n=100) is None


def test_groups_of_features_are_groups_of_points():
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 70)
    features = 20 * np.eye(3, 8)[labels] + generator.normal(size=(210, 8))
    points, shown = projection.projected(features, labels, seed=0)
    assert len(points) == len(shown) == 3 * projection.EACH
    centres = np.stack([points[shown == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == shown).mean() > 0.95
