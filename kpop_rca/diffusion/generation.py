"""Generating a study's images: a fixed number per identity, each from a seed of its own, resumable."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca.diffusion import generated_images
from kpop_rca.diffusion.samplers import image_generator, sample, sampling_process
from kpop_rca.errors import StudyError
from kpop_rca.study import checksums
from kpop_rca.system import devices, parallel

Batch = tuple[int, int]  # label, and index of the first image
Model = tuple[UNet2DModel, DDPMScheduler]  # of a training

BATCHES = "batches"  # the folder of the batches of identities that are not complete


@dataclass(frozen=True)
class GenerationPlan:
    """What to generate; see the parameters of `05_generation`.

    Of each identity's n images training k of T makes those from k n / T on. The noise of image i of class c follows
    from (seed, c, i) alone. The last batch of a training is padded to the size of the others, since another shape may
    change a pixel by one grey level.
    """

    sampler: str
    steps: int
    guidance: float
    images_per_identity: int
    batch_size: int
    seed: int
    mixed_precision: str = "no"  # of the network, as it was trained
    trainings: int = 1
    guidance_interval: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, parameters: dict[str, Any], *, mixed_precision: str) -> "GenerationPlan":
        """From the parameters of the notebook, where steps and batch_size begin with `sampling_`."""
        named = parameters | {name: parameters[f"sampling_{name}"] for name in ("steps", "batch_size")}
        named |= {"mixed_precision": mixed_precision, "guidance_interval": tuple(parameters["guidance_interval"])}
        return cls(**{field.name: named[field.name] for field in fields(cls)})

    def first_image(self, training: int) -> int:
        """Index of the first image that a training makes of each identity."""
        return generated_images.first_image(training, n=self.images_per_identity, trainings=self.trainings)

    def training_of(self, image: int) -> int:
        """The training that makes an image, by its index."""
        return max(k for k in range(self.trainings) if self.first_image(k) <= image)

    @property
    def first_images(self) -> list[int]:
        """The indices of the first images of an identity's batches."""
        starts = [range(self.first_image(k), self.first_image(k + 1), self.batch_size) for k in range(self.trainings)]
        return [first for of_training in starts for first in of_training]

    def network_calls(self, *, n_classes: int) -> int:
        """How often the network is called for all the images, whichever process generates which of them and when."""
        return self.steps * n_classes * len(self.first_images)


def generate_batch(models: Sequence[Model], plan: GenerationPlan, batch: Batch) -> np.ndarray:
    """One batch, uint8 (n, H, W, 3) with n up to `plan.batch_size`.

    Raises:
        StudyError: the memory is too small for it.
    """
    label, first = batch
    training = plan.training_of(first)
    unet, forward = models[training]
    try:
        images = sample(
            unet,
            sampling_process(forward, plan.sampler),
            torch.full((plan.batch_size,), label, device=unet.device),
            generators=[image_generator(seed=plan.seed, label=label, index=first + i) for i in range(plan.batch_size)],
            steps=plan.steps,
            guidance=plan.guidance,
            guidance_interval=plan.guidance_interval,
            mixed_precision=plan.mixed_precision,
        )
    except RuntimeError as error:
        if not devices.is_out_of_memory(error):
            raise
        raise StudyError(
            f"the memory is too small to generate {plan.batch_size} images at once; lower sampling_batch_size"
        ) from None
    return images[: plan.first_image(training + 1) - first]


def _batch_file(folder: Path, label: int, first: int) -> Path:
    return folder / BATCHES / f"{generated_images.file_of(folder, label).stem}_from_{first:06d}.npy"


def missing_batches(folder: Path, plan: GenerationPlan, *, n_classes: int) -> list[Batch]:
    """Every batch of the plan that no undamaged file holds yet, in the order of the images."""
    return [
        (label, first)
        for label in range(n_classes)
        if not checksums.is_whole(generated_images.file_of(folder, label))
        for first in plan.first_images
        if not checksums.is_whole(_batch_file(folder, label, first))
    ]


def generate(
    unet: UNet2DModel, forward: DDPMScheduler, plan: GenerationPlan, *, n_classes: int, folder: Path, progress: Callable
) -> None:
    """`generate_by_trainings` of a single one, which makes every image of the plan."""
    whole = replace(plan, trainings=1)
    generate_by_trainings([(unet, forward)], whole, n_classes=n_classes, folder=folder, progress=progress)


def generate_by_trainings(
    models: Sequence[Model], plan: GenerationPlan, *, n_classes: int, folder: Path, progress: Callable
) -> None:
    """Generate every image of the plan that the folder does not hold yet, and write one file per identity.

    Args:
        models: of each training, the network in evaluation mode, on its device, and its forward process.
        progress: wraps the list of batches, `tqdm` for example.
    """
    missing = missing_batches(folder, plan, n_classes=n_classes)
    generate_batches(models, plan, missing, folder, n_classes=n_classes, progress=progress)
    for label in range(n_classes):
        if not checksums.is_whole(generated_images.file_of(folder, label)):
            _join_batches(folder, plan, label)
    shutil.rmtree(folder / BATCHES, ignore_errors=True)  # what a run that was killed while joining left


def generate_batches(
    models: Sequence[Model],
    plan: GenerationPlan,
    batches: list[Batch],
    folder: Path,
    *,
    n_classes: int,
    progress: Callable,
) -> None:
    """The part of `generate` that several processes can divide: some batches of the plan, one file each."""
    # Of the whole plan: a compiled network rounds otherwise, and an image must not depend on who makes it, or when.
    calls = plan.network_calls(n_classes=n_classes)
    for unet, _ in models:
        devices.compile_where_it_pays(unet, unet.device, calls=calls // plan.trainings)
    generated = parallel.a_core_each(partial(generate_batch, models, plan), batches, device=models[0][0].device)
    for (label, first), images in zip(progress(batches), generated, strict=True):
        _save(_batch_file(folder, label, first), images)


def _save(path: Path, images: np.ndarray) -> None:
    with checksums.recorded(path) as temporary:
        np.save(temporary, images, allow_pickle=False)


def _join_batches(folder: Path, plan: GenerationPlan, label: int) -> None:
    files = [_batch_file(folder, label, first) for first in plan.first_images]
    _save(generated_images.file_of(folder, label), np.concatenate([np.load(f, allow_pickle=False) for f in files]))
    for file in files:
        checksums.remove(file)
