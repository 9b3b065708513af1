"""Sampling guided by a score: strength 0 is sampling, and more strength scores higher."""

import copy

import numpy as np
import pytest
import torch
from small_training import sampled, small_unet

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.samplers import guided, image_generator
from kpop_rca.preferences import guidance


@pytest.fixture(scope="module")
def model():
    return small_unet(n_classes=3).eval(), forward_process("squaredcos_cap_v2", "flow")


def bright(x_0, labels):
    return 50 * x_0.mean(dim=(1, 2, 3))


def made(model, strength, *, sampler="ddim", **how):
    generators = [image_generator(seed=1, label=c, index=0) for c in (0, 1, 2)]
    how = {"generators": generators, "sampler": sampler, "steps": 3, "guidance": 0.0} | how
    return guidance.guided_sample(*model, torch.arange(3), bright, strength=strength, **how)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp", "ddpm"])
def test_without_strength_it_is_sampling(model, sampler):
    assert np.array_equal(made(model, 0.0, sampler=sampler), sampled(*model, [0, 1, 2], [0, 0, 0], sampler=sampler))


def test_more_strength_scores_higher_and_is_clamped(model):
    plain, some, much = (made(model, strength).mean() for strength in (0.0, 1.0, 1e6))
    assert plain < some < much
    assert np.array_equal(made(model, 1e6), made(model, 1e9))
    assert made(model, 1e6, largest=0.01).mean() < much
    assert np.array_equal(made(model, 1e6, guidance_interval=(2.0, 3.0)), made(model, 0.0))


def test_a_negative_condition_takes_the_place_of_no_class(model):
    worse, labels = copy.deepcopy(model[0]), torch.arange(3)
    with torch.no_grad():
        worse.conv_out.bias += 0.5
    away = guidance.NegativeCondition(model[0], worse)
    image, time = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor(10)
    with torch.no_grad():
        found = guided(away, image, time, labels, guidance=1.5)
        good, bad = (net(image, time, class_labels=labels, return_dict=False)[0] for net in (model[0], worse))
    assert torch.allclose(found, good + 1.5 * (good - bad), atol=1e-6)
    plain = sampled(*model, [0, 1, 2], [0, 0, 0], guidance=0.0)
    assert np.array_equal(sampled(away, model[1], [0, 1, 2], [0, 0, 0], guidance=0.0), plain)
    assert not np.array_equal(sampled(away, model[1], [0, 1, 2], [0, 0, 0], guidance=1.5), plain)
