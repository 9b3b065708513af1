"""Degraded faces: blur, noise, an oracle trained again on them, and what each remedy repairs."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from known_oracle import avatars, predict, rng
from tqdm import tqdm

from kpop_rca.degradations import blurred
from kpop_rca.oracles import candidates, training
from kpop_rca.rca.estimators import ESTIMATORS
from kpop_rca.study import params
from kpop_rca.validity import degraded
from kpop_rca.validity.estimators import halves, target

CPU = torch.device("cpu")


def test_the_middle_level():
    assert degraded.middle([1.0, 0.0]) == 1.0
    assert degraded.middle([2.0, 0.0, 0.5]) == 0.5


def test_degraded_faces_mislead_and_both_remedies_help(monkeypatch):
    monkeypatch.setattr(training, "predict", predict)
    test = avatars(3000)
    parts = halves(test[1], generator=rng())
    found = degraded.degradation_trial(
        test,
        "of crisp ones",
        parts=parts,
        blur_sigmas=[0.0, 2.0],
        noise_sds=[0.0],
        retrained=("of blurred ones", 2.0),
        n_replicates=200,
        generator=rng(),
    )
    assert set(found["truth"]) == {1.0}
    assert found.groupby("kind")["remedy"].unique().map(list).to_dict() == {
        "blur": ["none", "confusion", "oracle"],
        "noise": ["none", "confusion"],
    }
    blur = found[found["kind"] == "blur"].set_index(["estimator", "level", "remedy"])["value"]
    for estimator in ESTIMATORS:
        assert blur[estimator, 0.0, "none"] == pytest.approx(1)
        # Blurred, 40 % are mistaken. An accuracy of one half is known to 0.013, the difference of two to 0.018, and
        # the chance-corrected ratio divides that by 0.27: the bounds are three of these.
        assert blur[estimator, 2.0, "none"] == pytest.approx(target(estimator, 0.6, 3), abs=0.06)
        assert blur[estimator, 2.0, "confusion"] == pytest.approx(1, abs=0.2)
        assert abs(blur[estimator, 2.0, "confusion"] - 1) > 1e-6  # as it would be from the same half
        assert blur[estimator, 2.0, "oracle"] == pytest.approx(1)
        assert blur[estimator, 0.0, "oracle"] == pytest.approx(target(estimator, 0.6, 3), abs=0.06)


def test_missed_levels_are_those_of_the_table():
    rows = [
        ("none", "rca", "blur", 0.0, 0.9, 1.1),
        ("none", "rca", "blur", 2.0, 0.5, 0.75),
        ("none", "rca", "noise", 10.0, 1.2, 1.3),
        ("confusion", "rca", "blur", 0.75, np.nan, np.nan),
    ]
    table = pd.DataFrame(rows, columns=["remedy", "estimator", "kind", "level", "low", "high"])
    table["covered"] = ((table["low"] <= 1) & (table["high"] >= 1)).astype(float)
    assert degraded.missed_levels(table).to_numpy().tolist() == [
        ["none", "rca", "blur 2, noise 10", ""],
        ["confusion", "rca", "", "blur 0.75"],
    ]


def test_the_oracle_is_retrained_where_the_default_has_something_to_repair():
    """0.5 pixels mislead nobody, so that an oracle retrained there could only cost."""
    assert degraded.middle(params.declared("07_rca_validity")["blur_sigmas"]) == 1.0


def splits_of(coloured_faces):
    images, labels = coloured_faces
    edges = {"train": (0, 30), "oracle": (30, 60), "validation": (60, 90), "test": (90, 120)}
    return {name: (images[low:high], labels[low:high]) for name, (low, high) in edges.items()}


def selected_oracle(folder, *, trained_on):
    folder.mkdir()
    recipe = {"width": 8, "warmup_epochs": 0, "epochs": 1, "batch_size": 16, "learning_rate": 3e-3}
    recipe |= {"weight_decay": 0.05, "colour_jitter": 0.1, "pretrained": False, "seed": 7}
    about = {"architecture": "resnet10", "trained_on": trained_on, "recipe": recipe}
    (folder / "about.json").write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("trained_on", ["oracle", "train"])
def test_an_oracle_is_trained_again_like_the_selected_one_on_blurred_faces(
    coloured_faces, tmp_path, monkeypatch, trained_on
):
    given = {}

    def train(planned, **how):
        given.update(training=planned, threads=torch.get_num_threads())

    monkeypatch.setattr(training, "train_or_load", train)
    monkeypatch.setattr(training, "load_oracle", lambda folder, device: (folder, device))
    splits = splits_of(coloured_faces)
    like = selected_oracle(tmp_path / "like", trained_on=trained_on)
    how = {"like": like, "seed": 3, "folder": tmp_path / "new", "device": CPU, "bar": tqdm}
    assert degraded.retrained_on_blurred(splits, 1.0, **how) == (tmp_path / "new", CPU)
    assert given["training"].recipe == training.OracleRecipe(8, 0, 1, 16, 3e-3, 0.05, 0.1, False, 7)
    assert given["training"].notes == {"trained_on": trained_on, "blur": 1.0}
    assert given["threads"] == 1  # as the selected one
    expected = candidates.training_faces(splits, seed=3)[trained_on]
    for name, (images, labels) in {"train": expected, "test": splits["test"]}.items():
        np.testing.assert_array_equal(given["training"].splits[name][0], blurred(images, 1.0))
        np.testing.assert_array_equal(given["training"].splits[name][1], labels)


def test_an_oracle_that_was_trained_again_is_not_trained_a_third_time(coloured_faces, tmp_path):
    how = {"like": selected_oracle(tmp_path / "like", trained_on="oracle"), "seed": 0, "folder": tmp_path / "new"}
    made = []
    for _ in range(2):
        oracle = degraded.retrained_on_blurred(splits_of(coloured_faces), 0.5, device=CPU, bar=tqdm, **how)
        made.append((tmp_path / "new" / "oracle.safetensors").stat().st_mtime_ns)
    assert made[0] == made[1]
    assert not oracle.training and oracle.fc.out_features == 3
