"""Copies keep what they copy."""

import numpy as np
import torch
from known_oracle import avatars
from small_training import small_unet

from kpop_rca.controls.copies import diffused
from kpop_rca.diffusion.objective import forward_process


def test_what_is_diffused_lightly_is_the_same_photograph_drawn_anew():
    images, labels = avatars(60, seed=0)
    unet, forward = small_unet(n_classes=3), forward_process("squaredcos_cap_v2")
    once, again = (
        diffused((images, labels), unet, forward, generator=torch.Generator().manual_seed(0)) for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)
    away = np.abs(once.astype(float) - images).mean()
    to_another = np.abs(np.roll(images, 3, axis=0).astype(float) - images).mean()
    assert 3 < away < to_another / 2
