"""The second stage of a cascade at its smallest: from 8 to 16 px."""

import numpy as np
import torch

from kpop_rca.diffusion.unet import build_unet


def network():
    torch.manual_seed(0)
    how = {"layers_per_block": 1, "attention_size": 0, "n_classes": 3, "stem": "super_resolution"}
    return build_unet(image_size=16, channels=[8, 16], **how)


def faces(n=24):
    """Large faces, the small ones (means of 2x2 pixels) and labels."""
    large = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3)).astype(np.uint8)
    small = large.reshape(n, 8, 2, 8, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    return small, large, np.arange(n) % 3
