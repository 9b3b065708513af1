"""The second stage of a cascade: its network, its task, and its training at a size of seconds."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from small_stage import faces, network
from small_training import CPU, RECIPE, Bar

from kpop_rca.diffusion import super_resolution, trainer
from kpop_rca.diffusion.super_resolution import SuperResolutionTrainer
from kpop_rca.diffusion.unet import load_unet

SMALL = dataclasses.replace(RECIPE, prediction="x_0", optimizer="muon", timestep_sampling="logit_normal")


def shown(level, n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(n, 3, 8, 8, generator=generator) * 2 - 1
    noise = torch.randn(low.shape, generator=generator)
    return super_resolution.condition(low, torch.full((n,), float(level)), noise)


def outputs(unet, condition, labels):
    time = torch.full((len(condition),), 500.0)
    return unet(torch.cat([torch.ones(len(condition), 3, 16, 16), condition], 1), time, labels, return_dict=False)[0]


def test_it_is_enlarged_as_pillow_does_it():
    small, _, _ = faces(2)
    by_pillow = np.stack(
        [np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC)) for image in small]
    )
    ours = super_resolution.enlarged(torch.as_tensor(small).permute(0, 3, 1, 2).float()).clamp(0, 255).round()
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - by_pillow).max() <= 1  # Pillow's weights are of eight bits


def test_the_network_sees_the_label_the_condition_and_its_level():
    unet, labels = network().eval(), torch.zeros(4, dtype=torch.int64)
    clean = shown(0.0)
    before = outputs(unet, clean, labels)
    assert not torch.equal(before, outputs(unet, clean, labels + 1))
    assert not torch.equal(before, outputs(unet, shown(0.0, seed=1), labels))
    level_alone = clean.clone()
    level_alone[:, 3] = 0.5
    assert not torch.equal(before, outputs(unet, level_alone, labels))


def test_it_is_loaded_as_it_was_saved(tmp_path):
    unet, labels = network().eval(), torch.zeros(4, dtype=torch.int64)
    unet.save_pretrained(tmp_path)
    again = load_unet(tmp_path).eval()
    assert type(again) is type(unet)
    assert torch.equal(outputs(unet, shown(0.3), labels), outputs(again, shown(0.3), labels))


@pytest.mark.parametrize("level", [0.0, 0.3, 0.6])
def test_the_residual_gives_the_image_again(level):
    condition = shown(level)
    image = torch.rand(4, 3, 16, 16) * 2 - 1
    residual = super_resolution.residual(image, condition)
    assert torch.allclose(super_resolution.restored(residual, condition), image, atol=1e-5)


def test_of_a_clean_image_the_residual_is_counted_from_the_enlarged_one():
    condition = shown(0.0)
    assert torch.allclose(super_resolution.restored(torch.zeros(4, 3, 16, 16), condition), condition[:, :3], atol=1e-6)


def test_the_offset_is_the_best_linear_guess():
    """Of flat images, whose values vary as faces' do: no other multiple of the noised image is nearer to them."""
    torch.manual_seed(0)
    level, n = 0.6, 4000
    low = (torch.randn(n, 3, 1, 1) * super_resolution.VARIANCE**0.5).expand(-1, -1, 2, 2).contiguous()
    noise = torch.randn(n, 3, 1, 1).expand(-1, -1, 2, 2).contiguous()
    condition = super_resolution.condition(low, torch.full((n,), level), noise)
    guess, truth = (
        super_resolution.restored(torch.zeros_like(condition[:, :3]), condition),
        super_resolution.enlarged(low),
    )
    error = (guess - truth).square().mean()
    assert error < (1.1 * guess - truth).square().mean()
    assert error < (0.9 * guess - truth).square().mean()


def test_most_of_the_levels_are_zero_and_none_is_too_large():
    levels = super_resolution.training_levels(4000, generator=torch.Generator().manual_seed(0), device=CPU)
    assert (levels == 0).float().mean().item() == pytest.approx(super_resolution.CLEAN, abs=0.03)
    assert 0.5 < levels.max() <= super_resolution.LARGEST_LEVEL


def train(regression, folder, reset, *, bar=Bar, checkpoint_minutes=60.0, recipe=SMALL):
    reset(reset_partial_state=True)
    how = {"regression": regression, "channels": [8, 16], "recipe": recipe, "folder": folder, "device": CPU}
    return super_resolution.train_super_resolution(*faces(), checkpoint_minutes=checkpoint_minutes, bar=bar, **how)


def weights(folder):
    return trainer.load_trained(folder, CPU)[0].state_dict()


def killed_at(step):
    class Killed(Bar):
        def __iter__(self):
            for number in self.steps:
                if number == step:
                    raise RuntimeError("killed")
                yield number

    return Killed


@pytest.mark.parametrize("regression", [False, True])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(regression, tmp_path, fresh_accelerate):
    log = train(regression, tmp_path / "whole", fresh_accelerate)
    with pytest.raises(RuntimeError, match="killed"):
        train(regression, tmp_path / "stopped", fresh_accelerate, bar=killed_at(11), checkpoint_minutes=1e-9)
    resumed = train(regression, tmp_path / "stopped", fresh_accelerate)
    assert resumed["loss"].tolist() == log["loss"].tolist()
    first, again = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_seed_decides(tmp_path, fresh_accelerate):
    runs = [dataclasses.replace(SMALL, seed=seed, steps=2) for seed in (0, 0, 1)]
    found = []
    for number, recipe in enumerate(runs):
        train(False, tmp_path / str(number), fresh_accelerate, recipe=recipe)
        found.append(weights(tmp_path / str(number))["conv_in.1.weight"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_small_and_large_faces_are_mirrored_together(tmp_path, fresh_accelerate):
    fresh_accelerate(reset_partial_state=True)
    small, large, labels = faces()
    one = SuperResolutionTrainer(network(), small, regression=False, recipe=SMALL, folder=tmp_path, device=CPU)
    task = one._task(0, torch.as_tensor(large), torch.as_tensor(labels))
    clean = task.image[:, 6, 0, 0] == 0
    enlarged_truth = super_resolution.restored(task.target, task.image[:, 3:])
    off = (super_resolution.enlarged(torch.nn.functional.avg_pool2d(enlarged_truth, 2)) - task.image[:, 3:6])[clean]
    assert len(off) >= 2
    assert off.abs().max() < 0.02  # one grey level is 0.008
