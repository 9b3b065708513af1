"""Generating the images that are judged: so many per identity, each from a seed of its own, resumable."""

import math
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca import checksums, devices, diffusion, generated_images, workers
from kpop_rca.errors import StudyError

Batch = tuple[int, int]  # label, and index of the first image

BATCHES = "batches"  # the folder of those whose identity is not complete


@dataclass(frozen=True)
class Plan:
    """What to generate; see the parameters of `05_generation`.

    Attributes:
        sampler: see `diffusion.sampling_process`.
        steps: denoising steps an image.
        guidance: classifier-free guidance weight w, 0 for none.
        images_per_identity: how many.
        batch_size: the one shape of every batch. The last batch is padded to it, since another shape may change
            a pixel by one grey level.
        seed: image i of class c follows from (seed, c, i) alone.
        mixed_precision: of the network: "no", "fp16" or "bf16", as it was trained.
    """

    sampler: str
    steps: int
    guidance: float
    images_per_identity: int
    batch_size: int
    seed: int
    mixed_precision: str = "no"

    @classmethod
    def of(cls, parameters: dict[str, Any], *, mixed_precision: str) -> "Plan":
        """From the parameters of the notebook, where the steps and the batch are those of the sampling."""
        named = parameters | {name: parameters[f"sampling_{name}"] for name in ("steps", "batch_size")}
        named["mixed_precision"] = mixed_precision
        return cls(**{field.name: named[field.name] for field in fields(cls)})

    def network_calls(self, *, n_classes: int) -> int:
        """How often the network is called for all the images, whoever draws which of them and when."""
        return self.steps * n_classes * math.ceil(self.images_per_identity / self.batch_size)


def generate_batch(unet: UNet2DModel, forward: DDPMScheduler, plan: Plan, batch: Batch) -> np.ndarray:
    """The images of a class from a first one on, as many as a batch holds, fewer where the plan ends.

    A batch for which the memory is too small is drawn in halves: a slower study is better than none.

    Returns:
        uint8 (n, H, W, 3) with n up to `plan.batch_size`.

    Raises:
        StudyError: the memory is too small for a single image.
    """
    label, first = batch
    indices = range(first, first + plan.batch_size)
    return _draw(unet, forward, plan, label=label, indices=indices)[: plan.images_per_identity - first]


def _draw(unet: UNet2DModel, forward: DDPMScheduler, plan: Plan, *, label: int, indices: range) -> np.ndarray:
    try:
        return diffusion.sample(
            unet,
            diffusion.sampling_process(forward, plan.sampler),
            torch.full((len(indices),), label, device=unet.device),
            generators=[diffusion.image_generator(seed=plan.seed, label=label, index=i) for i in indices],
            steps=plan.steps,
            guidance=plan.guidance,
            mixed_precision=plan.mixed_precision,
        )
    except RuntimeError as error:
        if not devices.is_out_of_memory(error):
            raise
        if len(indices) == 1:
            raise StudyError("the memory is too small to draw a single image; free some, or draw on the CPU") from None
    # Outside the handler, so that the failed attempt's tensors are gone.
    middle = len(indices) // 2
    warnings.warn(
        f"no memory for {len(indices)} images at once: drawing {middle}; set sampling_batch_size to that, since images "
        "of another batch size may differ in a pixel by one grey level",
        stacklevel=2,
    )
    halves = (indices[:middle], indices[middle:])
    return np.concatenate([_draw(unet, forward, plan, label=label, indices=half) for half in halves])


def _batch_file(folder: Path, label: int, first: int) -> Path:
    return folder / BATCHES / f"identity_{label:04d}_from_{first:06d}.npy"


def missing_batches(folder: Path, plan: Plan, *, n_classes: int) -> list[Batch]:
    """Every batch of the plan that no undamaged file holds yet, in the order of the images."""
    return [
        (label, first)
        for label in range(n_classes)
        if not checksums.is_whole(generated_images.file_of(folder, label))
        for first in range(0, plan.images_per_identity, plan.batch_size)
        if not checksums.is_whole(_batch_file(folder, label, first))
    ]


def generate(
    unet: UNet2DModel, forward: DDPMScheduler, plan: Plan, *, n_classes: int, folder: Path, progress: Callable
) -> None:
    """Generate every image of the plan that is not there yet, and put a file an identity together.

    Args:
        unet: in evaluation mode, on its device.
        forward: the forward process that it was trained on.
        plan: what to generate.
        n_classes: K.
        folder: the stage's own; a stopped run left its finished batches there.
        progress: wraps the list of batches, `tqdm` for example.
    """
    missing = missing_batches(folder, plan, n_classes=n_classes)
    draw_batches(unet, forward, plan, missing, folder, n_classes=n_classes, progress=progress)
    for label in range(n_classes):
        if not checksums.is_whole(generated_images.file_of(folder, label)):
            _join_batches(folder, plan, label)
    shutil.rmtree(folder / BATCHES, ignore_errors=True)  # what a run that was killed while joining left


def draw_batches(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    plan: Plan,
    batches: list[Batch],
    folder: Path,
    *,
    n_classes: int,
    progress: Callable,
) -> None:
    """Draw some batches of a plan, a file each: the part of `generate` that several processes can share.

    Args:
        unet: in evaluation mode, on its device.
        forward: the forward process that it was trained on.
        plan: that the batches are of.
        batches: some of it, no more than are missing.
        folder: the stage's own.
        n_classes: K, of the whole plan.
        progress: wraps the list of batches, `tqdm` for example.
    """
    # By the whole plan: a compiled network rounds otherwise, and an image must not depend on who draws it, or when.
    devices.compile_where_it_pays(unet, unet.device, calls=plan.network_calls(n_classes=n_classes))
    drawn = workers.a_core_each(partial(generate_batch, unet, forward, plan), batches, device=unet.device)
    for (label, first), images in zip(progress(batches), drawn, strict=True):
        _save(_batch_file(folder, label, first), images)


def _save(path: Path, images: np.ndarray) -> None:
    with checksums.recorded(path, size=images.nbytes) as temporary:
        np.save(temporary, images, allow_pickle=False)


def _join_batches(folder: Path, plan: Plan, label: int) -> None:
    """One file an identity from its batches, in the order of the images."""
    files = [_batch_file(folder, label, first) for first in range(0, plan.images_per_identity, plan.batch_size)]
    _save(generated_images.file_of(folder, label), np.concatenate([np.load(f, allow_pickle=False) for f in files]))
    for file in files:
        checksums.remove(file)
