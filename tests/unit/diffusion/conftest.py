"""An untrained network for images of 16 px."""

import pytest
import torch

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.unet import build_unet


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    model = build_unet(image_size=16, channels=[8, 16], layers_per_block=1, attention_size=8, n_classes=3)
    return model.eval()


@pytest.fixture(scope="module")
def forward():
    return forward_process("squaredcos_cap_v2")
