"""Restoration by a DDPM: what its strength means, and that an image does not depend on its neighbours."""

import numpy as np
import pytest
import torch

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.restoration import restore
from kpop_rca.diffusion.unet import build_unet

IMAGES = np.random.default_rng(0).integers(60, 200, size=(5, 8, 8, 3), dtype=np.uint8)


class Painter(torch.nn.Module):
    """A network that finds a grey face in whatever it is shown."""

    def __init__(self, unet):
        super().__init__()
        self.config, self.device, self.class_embedding = unet.config, torch.device("cpu"), unet.class_embedding

    def forward(self, image, time, class_labels, return_dict):
        return (torch.zeros_like(image),)


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    found = build_unet(image_size=8, channels=[8, 16], layers_per_block=1, attention_size=0, n_classes=3)
    torch.nn.init.normal_(found.conv_out.weight, std=0.1)
    return found.eval()


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpmpp"])
def test_strength_leads_from_the_image_to_what_the_network_finds(unet, sampler):
    how = {"sampler": sampler, "steps": 10, "seed": 0}
    painter, forward = Painter(unet), forward_process("squaredcos_cap_v2", "x_0")
    assert (restore(painter, forward, IMAGES, strength=0.01, **how) == IMAGES).all()
    whole = restore(painter, forward, IMAGES, strength=1.0, **how)
    assert np.abs(whole.astype(int) - 128).max() <= 1


def test_an_image_depends_on_its_number_alone(unet):
    how = {"sampler": "ddpm", "steps": 4, "strength": 0.6, "seed": 0}
    forward = forward_process("squaredcos_cap_v2", "v")
    found = restore(unet, forward, IMAGES, **how)
    assert found.shape == IMAGES.shape and found.dtype == np.uint8
    assert (restore(unet, forward, IMAGES[:3], **how) == found[:3]).all()
    assert (restore(unet, forward, IMAGES, **how | {"seed": 1}) != found).any()
    asked = restore(unet, forward, IMAGES, labels=np.arange(5) % 3, **how)
    assert (asked != found).any()
