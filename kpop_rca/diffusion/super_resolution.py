"""The second stage of a cascade: a network that makes images of twice the side, and its training.

What it learns is the residual, the image less its enlarged version. In training that is noised by a random level
(conditioning augmentation), since a generator's images are not as clean as a real one's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import Tensor, nn

from kpop_rca.data import tensors
from kpop_rca.diffusion import objective
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer, batch_indices
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.system import devices, seeds
from kpop_rca.system.seeds import Purpose

LARGEST_LEVEL = 0.6  # of conditioning augmentation
CLEAN = 0.75  # fraction of a batch at level 0, at which identity is seen best
VARIANCE = 0.25  # of a face's values in [-1, 1], about
RESIDUAL = 0.4  # the residual of a clean image that counts as 1; it is hardly ever larger
LEFT = 0.1  # of a clean image, about the error by which its loss is weighed


def super_resolution_recipe(*, steps: int, batch_size: int, seed: int) -> DiffusionRecipe:
    """How a second stage is trained, and the regression beside it; `seed` is the study's."""
    return DiffusionRecipe(
        steps=steps,
        batch_size=batch_size,
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        label_dropout=0.1,
        ema_half_life=1000,
        ema_ramp_up=0.1,
        gradient_clip=1.0,
        weight_decay=0.01,
        flip=True,
        noise_schedule="squaredcos_cap_v2",
        mixed_precision="no",
        seed=seeds.number(Purpose.SUPER_RESOLUTION, seed),
        prediction="x_0",
        timestep_sampling="logit_normal",
        optimizer="muon",
        muon_learning_rate=0.02,
    )


def enlarged(low: Tensor) -> Tensor:
    """Twice the side, bicubic, as Pillow does it: (B, 3, H, W) to (B, 3, 2 H, 2 W)."""
    return F.interpolate(low, scale_factor=2, mode="bicubic", antialias=True)


def condition(low: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """What the network is shown beside x_t, (B, 4, 2 H, 2 W): the enlarged image at a level s, and that level.

        sqrt(1 - s^2) x + s eps,   noised before it is enlarged

    Args:
        low: x, (B, 3, H, W) in [-1, 1].
        level: s, (B,) in [0, 1).
        noise: eps, as low.

    Source: Ho et al. (2022), section 4.2, "Gaussian noise augmentation".
    """
    s = level.view(-1, 1, 1, 1)
    image = enlarged((1 - s**2) ** 0.5 * low + s * noise)
    return torch.cat([image, s.expand(-1, 1, *image.shape[2:])], dim=1)


def _line(shown: Tensor) -> tuple[Tensor, Tensor]:
    """Offset and unit of the residual: the best guess that is linear in the image shown, and about its largest error.

    E x = a v / (a^2 v + s^2) (a x + s eps),   a = sqrt(1 - s^2)
    """
    image, s = shown[:, :3], shown[:, 3:4]
    variance = (1 - s**2) * VARIANCE
    return image * (variance / (variance + s**2)) / (1 - s**2) ** 0.5, RESIDUAL + s


def residual(image: Tensor, shown: Tensor) -> Tensor:
    """What is learned of an image, (B, 3, H, W) in [-1, 1], beside the `condition` that is shown."""
    offset, unit = _line(shown)
    return (image - offset) / unit


def restored(residuals: Tensor, shown: Tensor) -> Tensor:
    """The image of which `residual` made this."""
    offset, unit = _line(shown)
    return offset + unit * residuals


def training_levels(n: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
    """Levels of a batch, (n,): 0 for about CLEAN of it, else uniform up to LARGEST_LEVEL."""
    return LARGEST_LEVEL * ((torch.rand(n, generator=generator, device=device) - CLEAN) / (1 - CLEAN)).clamp(min=0)


def beside(task: objective.NoisedBatch, shown: Tensor) -> objective.NoisedBatch:
    """A task with the condition as further channels of its images."""
    return replace(task, image=torch.cat([task.image, shown], dim=1))


def regression_task(target: Tensor, shown: Tensor, class_labels: Tensor) -> objective.NoisedBatch:
    """The task of predicting the residual at once, with nothing for x_t."""
    none = torch.zeros(len(target), device=target.device)
    nothing = objective.noised("sample", target, target, class_labels, t=none, a=none, b=none)
    return beside(nothing, shown)


def relative_squared_error(unet: nn.Module, task: objective.NoisedBatch) -> Tensor:
    """The mean squared error, of each image relative to LEFT + s; else the noised ones would be all that counts."""
    (predicted,) = unet(task.image, task.time, class_labels=task.class_labels, return_dict=False)
    level = task.image[:, -1:, :1, :1]
    return F.mse_loss(
        *((RESIDUAL + level) / (LEFT + level) * residuals for residuals in (predicted.float(), task.target))
    )


def absolute_error(unet: nn.Module, task: objective.NoisedBatch) -> Tensor:
    """The mean absolute error, of the regression."""
    (predicted,) = unet(task.image, task.time, class_labels=task.class_labels, return_dict=False)
    return F.l1_loss(predicted.float(), task.target)


class SuperResolutionTrainer(Trainer):
    """The training of a second stage, or of a regression, which is resumed as that of the first stage is.

    `fit` takes the large images; here are the small ones, in their order.
    """

    def __init__(
        self,
        unet: UNet2DModel,
        small: np.ndarray,
        *,
        regression: bool,
        recipe: DiffusionRecipe,
        folder: Path,
        device: torch.device,
    ):
        """For the rest see `Trainer`.

        Args:
            small: uint8 (N, H, W, 3), of half the side.
            regression: whether the residual is predicted at once, without noise: the baseline.
        """
        super().__init__(unet, recipe=recipe, folder=folder, device=device)
        self.small, self.regression = torch.as_tensor(small, device=self.accelerator.device), regression
        self.loss = absolute_error if regression else relative_squared_error

    def _task(self, step: int, images: Tensor, labels: Tensor) -> objective.NoisedBatch:
        recipe, device = self.recipe, self.accelerator.device
        chosen = batch_indices(step, n=len(images), batch_size=recipe.batch_size, seed=recipe.seed)
        chosen = devices.sent(torch.as_tensor(chosen), device)
        generator = torch.Generator(device).manual_seed(seeds.number(Purpose.SUPER_RESOLUTION, recipe.seed, step))
        low, high = tensors.to_model(self.small[chosen]), tensors.to_model(images[chosen])
        flipped = torch.rand(len(low), 1, 1, 1, generator=generator, device=device) < 0.5 * recipe.flip
        low, high = (torch.where(flipped, x.flip(-1), x) for x in (low, high))
        noise = torch.randn(low.shape, generator=generator, device=device)
        levels = training_levels(len(low), generator=generator, device=device)
        shown = condition(low, torch.zeros_like(levels) if self.regression else levels, noise)
        if self.regression:
            return regression_task(residual(high, shown), shown, labels[chosen])
        task = objective.training_task(
            residual(high, shown),
            labels[chosen],
            forward=self.forward,
            no_class=self.no_class,
            label_dropout=recipe.label_dropout,
            flip=False,  # above, with the condition
            timestep_sampling=recipe.timestep_sampling,
            generator=generator,
        )
        return beside(task, shown)


def train_super_resolution(
    small: np.ndarray,
    large: np.ndarray,
    labels: np.ndarray,
    *,
    regression: bool,
    channels: Sequence[int],
    recipe: DiffusionRecipe,
    folder: Path,
    device: torch.device,
    checkpoint_minutes: float,
    bar: Callable,
) -> pd.DataFrame:
    """Train a second stage, or the regression, to its last step from wherever an earlier run stopped.

    Args:
        small: uint8 (N, H, W, 3).
        large: uint8 (N, 2 H, 2 W, 3), the same faces.
        labels: int64 (N,).
        regression: whether to train that.
        channels: of the network's levels, the first of which has the side of the small images.
        folder: for what `load_trained` reads.

    Returns:
        The log, see `Trainer.fit`.
    """
    torch.manual_seed(seeds.number(Purpose.NETWORK, recipe.seed))
    unet = build_unet(
        image_size=large.shape[1],
        channels=channels,
        layers_per_block=1,
        attention_size=0,
        n_classes=int(labels.max()) + 1,
        stem="super_resolution",
        prediction=recipe.prediction,
    )
    trainer = SuperResolutionTrainer(unet, small, regression=regression, recipe=recipe, folder=folder, device=device)
    return trainer.fit(large, labels, checkpoint_minutes=checkpoint_minutes, sample_grids=0, bar=bar)
