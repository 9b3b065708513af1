"""From small images to large ones: each from its own seed, whatever else is made with it."""

import numpy as np
import pytest
import torch
from small_stage import faces, network

from kpop_rca.diffusion import cascade
from kpop_rca.diffusion.objective import forward_process

HOW = {"level": 0.3, "sampler": "ddim", "steps": 2, "guidance": 0.0, "seed": 0}


@pytest.fixture(scope="module")
def model():
    """A network that says something: at first its last layer is 0."""
    unet = network().eval()
    for weight in unet.conv_out.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return unet, forward_process("squaredcos_cap_v2", "x_0")


def made(model, rows=slice(None), **changed):
    small, _, labels = faces(40)
    labels = changed.pop("labels", labels)
    return cascade.super_resolve(*model, small[rows], labels[rows], **HOW | changed)


def test_filters_give_twice_the_side():
    small, _, _ = faces(2)
    found = {name: cascade.enlarged_by(name, small) for name in cascade.FILTERS}
    assert {images.shape for images in found.values()} == {(2, 16, 16, 3)}
    assert (found["bicubic"] != found["lanczos"]).any()


def test_an_image_does_not_depend_on_the_others(model):
    whole = made(model)
    assert whole.shape == (40, 16, 16, 3)
    assert np.array_equal(whole[:3], made(model, slice(0, 3)))
    assert np.array_equal(whole, made(model))


@pytest.mark.parametrize("changed", [{"seed": 1}, {"level": 0.0}, {"steps": 3}, {"guidance": 2.0}])
def test_what_is_asked_for_is_done(model, changed):
    assert (made(model) != made(model, **changed)).any()


def test_a_label_that_is_swapped_shows_only_where_it_is_used(model):
    swapped = (np.arange(40) + 1) % 3
    assert (made(model) != made(model, labels=swapped)).any()
    unet, forward = model
    blind = network().eval()
    blind.load_state_dict(unet.state_dict())
    torch.nn.init.zeros_(blind.class_embedding.labels.weight)
    assert np.array_equal(made((blind, forward)), made((blind, forward), labels=swapped))


def test_without_a_residual_an_image_is_the_bicubic_one():
    small, _, labels = faces(5)
    silent = network().eval()
    for weight in silent.conv_out.parameters():
        torch.nn.init.zeros_(weight)
    assert np.abs(cascade.regress(silent, small, labels).astype(int) - cascade.enlarged_by("bicubic", small)).max() <= 1
