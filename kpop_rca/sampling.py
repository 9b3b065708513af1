"""Generating the images that are judged: so many per identity, each from a seed of its own, resumable."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca import artifacts, diffusion
from kpop_rca.errors import StudyError


@dataclass(frozen=True)
class Plan:
    """What to generate; see the parameters of `05_generation`.

    Attributes:
        sampler: "ddpm" or "ddim".
        steps: denoising steps an image.
        guidance: classifier-free guidance weight w, 0 for none.
        images_per_identity: how many.
        batch_size: the one shape of every batch. The last batch is padded to it, since another shape may change
            a pixel by one grey level.
        seed: image i of class c follows from (seed, c, i) alone.
    """

    sampler: str
    steps: int
    guidance: float
    images_per_identity: int
    batch_size: int
    seed: int


def generate_batch(unet: UNet2DModel, forward: DDPMScheduler, plan: Plan, *, label: int, first: int) -> np.ndarray:
    """Images `first` to `first + batch_size - 1` of a class, fewer where the plan ends.

    Returns:
        uint8 (n, H, W, 3) with n up to `plan.batch_size`.
    """
    indices = range(first, first + plan.batch_size)
    images = diffusion.sample(
        unet,
        diffusion.sampling_process(forward, plan.sampler),
        torch.full((plan.batch_size,), label, device=unet.device),
        generators=[diffusion.image_generator(seed=plan.seed, label=label, index=i) for i in indices],
        steps=plan.steps,
        guidance=plan.guidance,
    )
    return images[: plan.images_per_identity - first]


def _identity_file(folder: Path, label: int) -> Path:
    return folder / f"identity_{label:04d}.npy"


def _batch_file(folder: Path, label: int, first: int) -> Path:
    return folder / "batches" / f"identity_{label:04d}_from_{first:06d}.npy"


def _missing_batches(folder: Path, plan: Plan, labels: range) -> Iterator[tuple[int, int]]:
    """(label, first index) of every batch that no file holds yet."""
    for label in labels:
        for first in range(0, plan.images_per_identity, plan.batch_size):
            if not _identity_file(folder, label).is_file() and not _batch_file(folder, label, first).is_file():
                yield label, first


def generate(
    unet: UNet2DModel, forward: DDPMScheduler, plan: Plan, *, n_classes: int, folder: Path, progress: Callable
) -> None:
    """Generate every image of the plan that is not there yet: a file an identity, batch by batch.

    Args:
        unet: in evaluation mode, on its device.
        forward: the forward process that it was trained on.
        plan: what to generate.
        n_classes: K.
        folder: the stage's own; a stopped run left its finished batches there.
        progress: wraps the list of batches, `tqdm` for example.
    """
    labels = range(n_classes)
    for label, first in progress(list(_missing_batches(folder, plan, labels))):
        images = generate_batch(unet, forward, plan, label=label, first=first)
        _save(_batch_file(folder, label, first), images)
        if first + plan.batch_size >= plan.images_per_identity:
            _join_batches(folder, plan, label)


def _save(path: Path, images: np.ndarray) -> None:
    with artifacts.atomic(path) as temporary:
        np.save(temporary, images, allow_pickle=False)


def _join_batches(folder: Path, plan: Plan, label: int) -> None:
    """One file an identity from its batches, in the order of the images."""
    files = [_batch_file(folder, label, first) for first in range(0, plan.images_per_identity, plan.batch_size)]
    _save(_identity_file(folder, label), np.concatenate([np.load(f, allow_pickle=False) for f in files]))
    for file in files:
        file.unlink()


def load_generated(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All generated images, identities in the order of their labels.

    Returns:
        uint8 (N, H, W, 3) and int64 conditions (N,).

    Raises:
        StudyError: there is none.
    """
    files = sorted(folder.glob("identity_*.npy"))
    if not files:
        raise StudyError(f"no generated images in {folder}; run 05_generation")
    arrays = [np.load(file, allow_pickle=False) for file in files]
    return np.concatenate(arrays), np.repeat(np.arange(len(arrays)), [len(a) for a in arrays])
