"""From small images to large ones: by a trained second stage, by a regression, or by Pillow's filters."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from PIL import Image
from torch import Tensor

from kpop_rca.data.tensors import to_images, to_model
from kpop_rca.diffusion.samplers import sample, sampling_process
from kpop_rca.diffusion.super_resolution import condition, regression_task, restored
from kpop_rca.system import parallel, seeds
from kpop_rca.system.seeds import Purpose

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
BATCH = 32  # images; the one shape of all batches, since another may change a pixel by a grey level


def enlarged_by(name: str, images: np.ndarray) -> np.ndarray:
    """Twice the side by one of FILTERS: uint8 (N, H, W, 3) to (N, 2 H, 2 W, 3)."""
    size = (2 * images.shape[2], 2 * images.shape[1])
    return np.stack([np.asarray(Image.fromarray(image).resize(size, FILTERS[name])) for image in images])


class Conditioned:
    """A super-resolution network together with the condition that it is shown: a network for `samplers.sample`."""

    def __init__(self, unet: UNet2DModel, shown: Tensor):
        self.unet, self.shown = unet, shown
        self.config, self.device = unet.config, unet.device

    def __call__(self, image: Tensor, time: Tensor, **labels: Tensor) -> tuple[Tensor]:
        shown = self.shown.repeat(len(image) // len(self.shown), 1, 1, 1)  # guidance asks for two of each
        return self.unet(torch.cat([image, shown], dim=1), time, **labels)


def super_resolve(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    level: float,
    sampler: str,
    steps: int,
    guidance: float,
    seed: int,
    progress: Callable = iter,
) -> np.ndarray:
    """The second stage of a cascade, from a condition at a level of noise.

    Image i follows from (seed, i), its label and its small image alone; at every level x_T is the same.

    Args:
        unet: trained by `train_super_resolution`, in evaluation mode.
        forward: the forward process that it was trained on.
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
        level: of conditioning augmentation, in [0, 1).
        sampler: see `sampling_process`.
        steps: denoising steps.
        guidance: see `samplers.guided`.
        seed: of the study.
        progress: wraps the list of batches, `tqdm` for example.

    Returns:
        uint8 (N, 2 H, 2 W, 3).
    """

    def of_batch(low: Tensor, rows: np.ndarray, class_labels: Tensor) -> np.ndarray:
        generators = [torch.Generator().manual_seed(seeds.number(Purpose.SUPER_RESOLVED, seed, int(i))) for i in rows]
        noise = torch.stack([torch.randn(low.shape[1:], generator=generator) for generator in generators])
        shown = condition(low, torch.full((len(low),), level, device=low.device), noise.to(low.device))
        residuals = sample(
            Conditioned(unet, shown),
            sampling_process(forward, sampler),
            class_labels,
            generators=generators,
            steps=steps,
            guidance=guidance,
        )
        return to_images(restored(to_model(torch.as_tensor(residuals, device=low.device)), shown))

    return _in_batches(of_batch, images, labels, device=unet.device, progress=progress)


def regress(unet: UNet2DModel, images: np.ndarray, labels: np.ndarray, *, progress: Callable = iter) -> np.ndarray:
    """As `super_resolve`, by a regression."""

    @torch.inference_mode()
    def of_batch(low: Tensor, rows: np.ndarray, class_labels: Tensor) -> np.ndarray:
        shown = condition(low, torch.zeros(len(low), device=low.device), torch.zeros_like(low))
        nothing = torch.zeros(len(low), 3, *shown.shape[2:], device=low.device)
        task = regression_task(nothing, shown, class_labels)
        (residuals,) = unet(task.image, task.time, class_labels=class_labels, return_dict=False)
        return to_images(restored(residuals, shown))

    return _in_batches(of_batch, images, labels, device=unet.device, progress=progress)


def _in_batches(
    of_batch: Callable, images: np.ndarray, labels: np.ndarray, *, device: torch.device, progress: Callable
) -> np.ndarray:
    """All images, batch by batch; the last batch is filled up by its last image."""

    def of_rows(rows: np.ndarray) -> np.ndarray:
        low = to_model(torch.as_tensor(images[rows], device=device))
        return of_batch(low, rows, torch.as_tensor(labels[rows], device=device))

    n = len(images)
    batches = [np.arange(first, first + BATCH).clip(max=n - 1) for first in range(0, n, BATCH)]
    made = parallel.a_core_each(partial(of_rows), batches, device=device)
    return np.concatenate([part for _, part in zip(progress(batches), made, strict=True)])[:n]
