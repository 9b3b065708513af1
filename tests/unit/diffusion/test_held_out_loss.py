"""The gap between held-out and training faces, and samples to look at."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import small_unet

from kpop_rca.diffusion import answers, held_out_loss, shown_samples
from kpop_rca.diffusion.generation import GenerationPlan
from kpop_rca.diffusion.objective import forward_process

FORWARD = forward_process("linear", "eps")
PLAN = GenerationPlan("ddim", 2, 1.0, images_per_identity=2, batch_size=2, seed=0)


def losses_of(held_out, training):
    parts = {"held out": held_out, "training": training}
    rows = [(name, i, t, loss) for name, part in parts.items() for i, loss in enumerate(part) for t in (10, 900)]
    return pd.DataFrame(rows, columns=["faces", "image", "t", "loss"])


def test_a_gap_is_shown_only_where_it_exceeds_the_scatter():
    scatter = np.random.default_rng(0).normal(0, 0.01, 50)
    same = held_out_loss.loss_difference(losses_of(0.5 + scatter, 0.5 - scatter), of="held out", less="training")
    gap = held_out_loss.loss_difference(losses_of(0.6 + scatter, 0.5 - scatter), of="held out", less="training")
    for table, shown in ((same, False), (gap, True)):
        row = table.set_index("t").loc["mean"]
        assert (row["low"] > 0) == shown
        assert row["low"] < row["difference"] < row["high"]
    log = pd.DataFrame({"training": [0] * 10 + [1] * 10, "step": 2 * [*range(10, 110, 10)], "loss": [0.5] * 20})
    assert "With 50 faces a side the mean difference is not distinguishable from 0; " in said(log, same)
    assert "the mean difference is not 0; 2 of 2 timesteps are above 0, 2 of them" in said(log, gap)
    assert said(log, gap).startswith("2 trainings of 100 steps")


def said(log, difference):
    return " ".join(answers.about_training(log, difference, n_faces=50))


def test_timesteps_that_all_lean_one_way_are_counted_though_their_mean_may_be_0():
    """The audit's case: no interval without 0, and yet every timestep above it."""
    rows = [("10", 0.01, -0.01, 0.03), ("900", 0.02, -0.01, 0.05), ("mean", 0.015, -0.005, 0.035)]
    table = pd.DataFrame(rows, columns=["t", "difference", "low", "high"])
    log = pd.DataFrame({"training": 0, "step": [10, 20], "loss": 0.5})
    assert "not distinguishable from 0; 2 of 2 timesteps are above 0, 0 of them" in said(log, table)
    assert "no gap" not in said(log, table)


def test_one_face_has_no_interval():
    table = held_out_loss.loss_difference(losses_of([0.5], [0.4]), of="held out", less="training")
    assert table[["low", "high"]].isna().all(axis=None)


@pytest.fixture
def model():
    torch.manual_seed(0)
    unet = small_unet(n_classes=3).eval()
    torch.nn.init.normal_(unet.conv_out.weight, std=0.1)
    return unet, FORWARD


def test_a_row_has_one_noise(model):
    """A network that has not been trained hardly sees the class: along a row images are alike, down a column not."""
    images = shown_samples.of_one_noise(model, PLAN, n_classes=3, noises=2)
    assert images.shape[:2] == (2, 3)
    of_class, of_noise = shown_samples.effect_of_class_and_noise(images)
    assert of_class < of_noise / 2
    assert (shown_samples.of_one_noise(model, PLAN, n_classes=3, noises=1)[0] == images[0]).all()


def test_weights_differ_and_the_plans_own_is_among_them(model):
    by_weight = shown_samples.by_guidance(model, PLAN, n_classes=3)
    own = shown_samples.of_one_noise(model, PLAN, n_classes=3, noises=1)[0]
    assert (by_weight[shown_samples.WEIGHTS.index(1.0)] == own).all()


def test_a_random_sheet_shows_none_twice():
    images = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 1, 3), dtype=np.uint8)
    sheet = shown_samples.random_sheet(images, rows=4, columns=10, generator=np.random.default_rng(0))
    assert sheet.shape[:2] == (3, 10)
    assert len(np.unique(sheet)) == 30
    few = shown_samples.random_sheet(images[:4], rows=4, columns=10, generator=np.random.default_rng(0))
    assert few.shape[:2] == (1, 4)
