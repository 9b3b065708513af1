import dataclasses

import numpy as np
import pytest
import torch
from tqdm import tqdm

from kpop_rca import diffusion, training

RECIPE = training.Recipe(
    steps=12,
    batch_size=8,
    learning_rate=2e-3,
    learning_rate_schedule="cosine",
    label_dropout=0.2,
    ema_decay=0.9,
    flip=True,
    noise_schedule="squaredcos_cap_v2",
    mixed_precision="no",
    seed=0,
)


def new_trainer(folder, reset):
    reset(reset_partial_state=True)
    torch.manual_seed(0)
    unet = diffusion.build_unet(image_size=16, channels=[8, 16], layers_per_block=1, attention_size=0, n_classes=3)
    return training.Trainer(unet, recipe=RECIPE, folder=folder, device=torch.device("cpu"))


def fit(trainer, faces, bar=tqdm, checkpoint_minutes=60.0):
    return trainer.fit(*faces, checkpoint_minutes=checkpoint_minutes, sample_grids=2, bar=bar)


def test_an_epoch_shows_every_image_once():
    batches = [training.batch_indices(s, n=10, batch_size=4, seed=3) for s in range(5)]
    order = np.concatenate(batches)
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10].tolist() != order[10:].tolist()


def test_the_cosine_rises_and_falls_to_zero():
    recipe = dataclasses.replace(RECIPE, steps=100, learning_rate=1.0)
    rates = [training.learning_rate_at(step, recipe) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert rates[-1] < 0.001
    constant = dataclasses.replace(recipe, learning_rate_schedule="constant")
    assert {training.learning_rate_at(step, constant) for step in (0, 50, 99)} == {1.0}


class TellsNoise(torch.nn.Module):
    """A noise predictor that knows x_0 = 0 and so tells the noise exactly; it records the labels that it is shown."""

    def __init__(self, forward):
        super().__init__()
        self.forward_process, self.labels, self.times = forward, [], []

    def forward(self, x_t, t, class_labels):
        self.labels.append(class_labels)
        self.times.append(t)
        scale = (1 - self.forward_process.alphas_cumprod[t]).sqrt()
        return type("Output", (), {"sample": x_t / scale[:, None, None, None]})


def noise_loss(model, *, x_0, labels, seed=0, share=slice(None)):
    return training.noise_loss(
        model,
        x_0,
        labels,
        forward=model.forward_process,
        no_class=7,
        recipe=RECIPE,
        generator=torch.Generator().manual_seed(seed),
        share=share,
    ).item()


def test_the_loss_is_the_mean_squared_error_of_the_noise():
    model = TellsNoise(diffusion.forward_process("linear"))
    zeros, labels = torch.zeros(64, 3, 4, 4), torch.zeros(64, dtype=torch.int64)
    assert noise_loss(model, x_0=zeros, labels=labels) == pytest.approx(0, abs=1e-9)
    assert noise_loss(model, x_0=zeros + 0.5, labels=labels) > 0.01


def test_labels_are_dropped_at_the_rate_asked_for():
    model = TellsNoise(diffusion.forward_process("linear"))
    noise_loss(model, x_0=torch.zeros(5000, 3, 1, 1), labels=torch.zeros(5000, dtype=torch.int64))
    dropped = (model.labels[0] == 7).float().mean().item()
    assert dropped == pytest.approx(0.2, abs=0.02)  # three standard errors of a share of 5000
    assert model.times[0].min() < 10
    assert model.times[0].max() > 989


def test_processes_share_one_batch():
    """Two halves of a batch, as two processes see them, average to the loss of the whole."""
    model = TellsNoise(diffusion.forward_process("linear"))
    x_0, labels = torch.rand(8, 3, 4, 4), torch.arange(8)
    halves = [noise_loss(model, x_0=x_0, labels=labels, share=share) for share in (slice(0, 4), slice(4, 8))]
    assert noise_loss(model, x_0=x_0, labels=labels) == pytest.approx(np.mean(halves), rel=1e-5)


def test_a_stopped_training_goes_on_as_if_it_had_not_been(coloured_faces, tmp_path, fresh_accelerate):
    log = fit(new_trainer(tmp_path / "whole", fresh_accelerate), coloured_faces)

    class Stops(tqdm):
        def __iter__(self):
            for step in super().__iter__():
                if step == 11:
                    raise KeyboardInterrupt
                yield step

    with pytest.raises(KeyboardInterrupt):
        fit(new_trainer(tmp_path / "stopped", fresh_accelerate), coloured_faces, bar=Stops, checkpoint_minutes=1e-9)
    trainer = new_trainer(tmp_path / "stopped", fresh_accelerate)
    assert trainer.progress.step == 10
    resumed = fit(trainer, coloured_faces)
    assert resumed["loss"].tolist() == log["loss"].tolist()
    for name in ("diffusion_pytorch_model.safetensors", "config.json"):
        assert (tmp_path / "whole/unet" / name).read_bytes() == (tmp_path / "stopped/unet" / name).read_bytes()
    assert len(list((tmp_path / "stopped").glob("checkpoint_*"))) == 1


def test_training_learns_and_the_result_can_be_loaded(coloured_faces, tmp_path, fresh_accelerate):
    fit(new_trainer(tmp_path, fresh_accelerate), coloured_faces)
    unet, forward = training.load_trained(tmp_path, torch.device("cpu"))
    assert not unet.training
    assert forward.config.beta_schedule == "squaredcos_cap_v2"
    losses = training.compare_losses(unet, {"a": coloured_faces, "b": coloured_faces}, forward=forward, seed=0)
    by_set = losses.pivot(index="t", columns="faces", values="loss")
    assert (by_set["a"] == by_set["b"]).all()  # the same noise
    assert by_set.loc[900, "a"] < 1.0  # better than telling no noise at all
    assert len(list((tmp_path / "samples").glob("*.npy"))) == 2
