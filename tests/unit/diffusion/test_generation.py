import dataclasses

import numpy as np
import pytest
import torch
from small_training import sampled

from kpop_rca import devices
from kpop_rca.diffusion import generated_images, generation
from kpop_rca.errors import StudyError


@pytest.fixture
def plan():
    return generation.GenerationPlan(sampler="ddim", steps=2, guidance=0.5, images_per_identity=5, batch_size=2, seed=1)


def generate(unet, forward, plan, folder, progress=list):
    generation.generate(unet, forward, plan, n_classes=2, folder=folder, progress=progress)


def test_generation_gives_the_planned_images_in_order(unet, forward, plan, tmp_path):
    generate(unet, forward, plan, tmp_path)
    images, conditions = generated_images.load(tmp_path)
    assert images.shape == (10, 16, 16, 3)
    assert conditions.tolist() == [0] * 5 + [1] * 5
    assert np.array_equal(images[5:7], sampled(unet, forward, [1, 1], [0, 1], guidance=0.5, steps=2))
    assert not list(tmp_path.glob("batches/*"))


def test_an_interrupted_generation_ends_with_the_same_images(unet, forward, plan, tmp_path):
    generate(unet, forward, plan, tmp_path / "whole")

    def stop_after_four(batches):
        for number, batch in enumerate(batches):
            if number == 4:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        generate(unet, forward, plan, tmp_path / "stopped", progress=stop_after_four)
    done = []
    generate(unet, forward, plan, tmp_path / "stopped", progress=lambda batches: done.extend(batches) or batches)
    assert len(done) == 2  # of six; the four drawn before are not drawn again
    whole, stopped = (generated_images.load(tmp_path / name)[0] for name in ("whole", "stopped"))
    assert np.array_equal(whole, stopped)


def test_whether_to_compile_follows_from_the_whole_plan(unet, forward, plan, tmp_path, monkeypatch):
    """One process, two that share the batches, one that goes on with the last: a compiled network rounds otherwise."""
    asked = []
    monkeypatch.setattr(devices, "compile_where_it_pays", lambda network, device, *, calls: asked.append(calls))
    generate(unet, forward, plan, tmp_path / "whole")
    batches = generation.missing_batches(tmp_path / "shared", plan, n_classes=2)
    for share in (batches[::2], batches[1:-1:2]):
        generation.generate_batches(unet, forward, plan, share, tmp_path / "shared", n_classes=2, progress=list)
    assert len(generation.missing_batches(tmp_path / "shared", plan, n_classes=2)) == 1
    generate(unet, forward, plan, tmp_path / "shared")
    assert asked == [2 * 6] * 4  # steps x batches


def test_images_are_the_same_on_any_number_of_cores(unet, forward, plan, tmp_path, monkeypatch):
    for cores in (1, 3):
        monkeypatch.setattr(generation.workers, "cores", lambda cores=cores: cores)
        generate(unet, forward, plan, tmp_path / str(cores))
    one, three = (generated_images.load(tmp_path / name)[0] for name in ("1", "3"))
    assert np.array_equal(one, three)


class Narrow(torch.nn.Module):
    """A network on a device whose memory holds so many images and no more: the allocator refuses the next."""

    def __init__(self, unet, *, most):
        super().__init__()
        self.unet, self.most, self.config, self.device = unet, most, unet.config, unet.device

    def forward(self, x_t, t, **others):
        if len(x_t) > self.most:
            torch.empty(2**48)
        return self.unet(x_t, t, **others)


def test_a_batch_too_large_for_the_memory_is_drawn_in_halves(unet, forward, plan):
    plan = dataclasses.replace(plan, batch_size=5, guidance=0.0)
    with pytest.warns(UserWarning, match="no memory for 5 images at once: generating 2; set sampling_batch_size"):
        in_halves = generation.generate_batch(Narrow(unet, most=3), forward, plan, (1, 0))
    at_once = generation.generate_batch(unet, forward, plan, (1, 0))
    assert in_halves.shape == at_once.shape
    assert np.abs(in_halves.astype(int) - at_once).max() <= 1


def test_no_memory_for_a_single_image_is_an_error_with_a_remedy(unet, forward, plan):
    with pytest.raises(StudyError, match="too small to generate one image"), pytest.warns(UserWarning):
        generation.generate_batch(Narrow(unet, most=0), forward, plan, (1, 0))
