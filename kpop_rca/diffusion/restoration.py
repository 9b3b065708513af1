"""Restoring degraded faces by a study's own DDPM: noise is added up to a strength, and taken away by the sampler."""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca.data.tensors import to_images, to_model
from kpop_rca.diffusion import objective, samplers
from kpop_rca.diffusion.unet import no_class
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

BATCH = 32  # images; the last batch is padded, since another shape may change a pixel by a grey level


@torch.inference_mode()
def restore(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    images: np.ndarray,
    *,
    strength: float,
    sampler: str,
    steps: int,
    seed: int,
    labels: np.ndarray | None = None,
    progress: Callable = iter,
) -> np.ndarray:
    """Faces that the network finds near degraded ones, which are enlarged to its own size first.

        x_t = a x_low + b eps,   t the first of the sampler's timesteps in [0, strength T)

    From x_t on it is the reverse process. A strength near 0 leaves an image as it is; at 1 nothing of it is left.

    Args:
        unet: in evaluation mode.
        forward: the forward process that it was trained on.
        images: uint8 (N, H, W, 3) at the network's size.
        strength: in (0, 1].
        sampler: see `samplers.sampling_process`.
        steps: of a whole reverse process, of which the part below the strength is taken.
        seed: of the study; image i follows from (seed, i) alone.
        labels: int64 (N,), whom each image is taken to show; without them the network is conditioned on no class.
        progress: wraps the list of batches, `tqdm` for example.

    Returns:
        uint8 (N, H, W, 3).

    Source: Meng et al. (2022), "SDEdit", algorithm 1.
    """
    labels = np.full(len(images), no_class(unet)) if labels is None else labels
    found = []
    for first in progress(range(0, len(images), BATCH)):
        rows = np.arange(first, first + BATCH) % len(images)
        x_low = to_model(torch.as_tensor(images[rows])).to(unet.device)
        generators = [torch.Generator().manual_seed(seeds.number(Purpose.RESTORED, seed, int(i))) for i in rows]
        classes = torch.as_tensor(labels[rows], device=unet.device)
        process = samplers.sampling_process(forward, sampler)
        found.append(to_images(_reversed(unet, process, x_low, classes, generators, strength=strength, steps=steps)))
    return np.concatenate(found)[: len(images)]


def _reversed(unet, process, x_low, classes, generators, *, strength: float, steps: int) -> torch.Tensor:
    """x_0 of the reverse process that begins with a noisy x_low, all (B, 3, H, W)."""
    samplers.set_timesteps(process, steps)
    timesteps = [t for t in process.timesteps if t < strength * objective.TIMESTEPS]

    def noise() -> torch.Tensor:
        return torch.stack([torch.randn(x_low.shape[1:], generator=generator) for generator in generators]).to(x_low)

    if not timesteps:
        return x_low
    a, b = objective.levels(process, timesteps[0])
    x_t = a * x_low + b * noise()
    for t in timesteps:
        x_0 = samplers.denoise(unet, process, x_t, t, classes, guidance=0.0)
        x_t = samplers.step(process, x_t, x_0, t, iter([noise()]))
    return x_t
