"""Trainings of other lengths: which are made, from what seeds, and what real faces get in their place."""

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca.diffusion.trainer import LOG
from kpop_rca.oracles.beside_real import OracleBesideReal
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.study import params, paths
from kpop_rca.validity import further_trainings, training_length


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setenv(paths.OUTPUT_VARIABLE, str(tmp_path))
    size = {"image_size": 16, "channels": [8, 16], "attention_size": 8, "batch_size": 4, "train_steps": 4}
    return params.resolve("smoke") | size | {"trainings": 2, "device": "cpu"}


def faces(n=24, size=16, n_classes=2):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8), np.arange(n) % n_classes


def test_another_length_has_the_seed_of_the_studys_training_and_is_made_once(small):
    device = torch.device("cpu")
    one, two = (training_length.trained(small, 2, number, faces(), device=device) for number in range(2))
    assert one != two and pd.read_csv(one / LOG)["step"].max() == 2
    whole = pd.read_csv(one / LOG)
    (one / LOG).write_text((one / LOG).read_text() + "0,0,9.0,0\n")
    training_length.trained(small, 2, 0, faces(), device=device)
    assert len(pd.read_csv(one / LOG)) == len(whole) + 1  # it was left as it was
    first, again = small | {"train_steps": 2}, one.parent / "again"
    further_trainings.train_alone(first, *faces(), again, device=device)
    assert pd.read_csv(again / LOG)["loss"].tolist() == whole["loss"].tolist()


def test_real_faces_in_place_of_generated_ones_are_those_that_were_trained_on():
    torch.manual_seed(0)
    oracle = SmallImageResNet("resnet10", n_classes=2, width=8).eval()
    real, train = faces(), faces(n=40)
    found = training_length.of_real_faces([OracleBesideReal(oracle, real)], train, seed=0)
    assert found["n"] == 40 and found["frechet"] > 0
    itself = training_length.of_real_faces([OracleBesideReal(oracle, train)], train, seed=0)
    assert itself["rca"] == pytest.approx(1) and itself["frechet"] == pytest.approx(0, abs=1e-3)
