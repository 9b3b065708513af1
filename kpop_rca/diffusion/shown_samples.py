"""Images that are generated to be looked at: one noise for every class, and the same image at several weights."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from kpop_rca.diffusion.generation import GenerationPlan, Model
from kpop_rca.diffusion.samplers import sample, sampling_process
from kpop_rca.system import parallel, seeds

WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0)  # of guidance


def of_one_noise(model: Model, plan: GenerationPlan, *, n_classes: int, noises: int) -> np.ndarray:
    """Every class from the same noises, uint8 (noises, K, H, W, 3): what differs along a row is the class alone.

    Args:
        model: network and forward process of a training.
        plan: its sampler, steps, guidance, seed and precision are used.
        n_classes: K.
        noises: how many, in rows.
    """
    return np.stack(list(parallel.a_core_each(_row_of(model, plan, n_classes), range(noises), device=model[0].device)))


def by_guidance(model: Model, plan: GenerationPlan, *, n_classes: int) -> np.ndarray:
    """One image of each class at every weight of WEIGHTS, from one noise: uint8 (len(WEIGHTS), K, H, W, 3)."""

    def row(weight: float) -> np.ndarray:
        return _row_of(model, replace(plan, guidance=weight), n_classes)(0)

    return np.stack(list(parallel.a_core_each(row, WEIGHTS, device=model[0].device)))


def _row_of(model: Model, plan: GenerationPlan, n_classes: int) -> Callable[[int], np.ndarray]:
    """What generates every class from one noise, by its number: uint8 (K, H, W, 3)."""
    unet, forward = model

    def row(noise: int) -> np.ndarray:
        number = seeds.number(seeds.Purpose.SHARED_NOISE, plan.seed, noise)
        return sample(
            unet,
            sampling_process(forward, plan.sampler),
            torch.arange(n_classes, device=unet.device),
            generators=[torch.Generator().manual_seed(number) for _ in range(n_classes)],
            steps=plan.steps,
            guidance=plan.guidance,
            guidance_interval=plan.guidance_interval,
            mixed_precision=plan.mixed_precision,
        )

    return row


def effect_of_class_and_noise(images: np.ndarray) -> tuple[float, float]:
    """How far two images lie apart that differ in the class alone, and in the noise alone: mean grey levels.

    Args:
        images: from `of_one_noise`, at least two rows and two columns.

    >>> grey = np.array([[0, 10], [4, 14]], dtype=np.uint8)  # rows are noises, columns classes
    >>> effect_of_class_and_noise(np.broadcast_to(grey[..., None, None, None], (2, 2, 1, 1, 3)))
    (10.0, 4.0)
    """
    return _mean_difference(images), _mean_difference(images.swapaxes(0, 1))


def _mean_difference(images: np.ndarray) -> float:
    """Mean absolute difference of two images of a row, over all pairs and rows."""
    first, second = np.triu_indices(images.shape[1], 1)
    whole = images.astype(np.int16)
    return float(np.mean([np.abs(row[first] - row[second]).mean() for row in whole]))


def random_sheet(images: np.ndarray, *, rows: int, columns: int, generator: np.random.Generator) -> np.ndarray:
    """Images at random, none twice: uint8 (rows, columns, H, W, 3), fewer rows where there are too few images."""
    rows = max(1, min(rows, len(images) // columns))
    chosen = generator.permutation(len(images))[: rows * columns]
    return images[chosen].reshape(rows, -1, *images.shape[1:])
