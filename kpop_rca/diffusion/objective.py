"""What the DDPM is trained on: finding the noise in an image; and how well it does at single noise levels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor, nn

from kpop_rca.data import tensors
from kpop_rca.diffusion.samplers import TIMESTEPS
from kpop_rca.errors import StudyError
from kpop_rca.system import finite, seeds

COMPARED_TIMESTEPS = (10, 50, 100, 200, 350, 500, 700, 900)


@dataclass(frozen=True)
class NoisedBatch:
    """A batch as the network is shown it, and the noise that it should find.

    Attributes:
        x_t: (B, 3, H, W).
        t: int64 (B,), timesteps.
        class_labels: int64 (B,).
        eps: (B, 3, H, W).
    """

    x_t: Tensor
    t: Tensor
    class_labels: Tensor
    eps: Tensor

    def part(self, rows: slice) -> "NoisedBatch":
        return NoisedBatch(self.x_t[rows], self.t[rows], self.class_labels[rows], self.eps[rows])


def training_task(
    x_0: Tensor,
    class_labels: Tensor,
    *,
    forward: DDPMScheduler,
    no_class: int,
    label_dropout: float,
    flip: bool,
    generator: torch.Generator,
) -> NoisedBatch:
    """A batch at random timesteps, with random flips and without some of its labels.

    The randomness is that of the whole batch, before any process or thread takes its part, so that the number of
    these changes nothing.

    Args:
        x_0: (B, 3, H, W) in [-1, 1].
        class_labels: int64 (B,).
        forward: the forward process.
        no_class: the label that means "no class".
        label_dropout: fraction of the labels that become `no_class`.
        flip: whether to mirror half of the images.
        generator: on the device of x_0.

    Source: paper eq. 2; label dropout after Ho and Salimans (2022).
    """
    batch, device = len(x_0), x_0.device
    t = torch.randint(TIMESTEPS, (batch,), generator=generator, device=device)
    eps = torch.randn(x_0.shape, generator=generator, device=device)
    dropped = torch.rand(batch, generator=generator, device=device) < label_dropout
    flipped = torch.rand(batch, generator=generator, device=device) < 0.5 * flip
    x_0 = torch.where(flipped[:, None, None, None], x_0.flip(-1), x_0)
    return NoisedBatch(forward.add_noise(x_0, eps, t), t, torch.where(dropped, no_class, class_labels), eps)


def noise_loss(unet: nn.Module, task: NoisedBatch) -> Tensor:
    """L_simple = E || eps - eps_theta(x_t, t, c) ||^2 with x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, a scalar.

    Source: paper eq. 4.
    """
    (predicted,) = unet(task.x_t, task.t, class_labels=task.class_labels, return_dict=False)
    return F.mse_loss(predicted.float(), task.eps)


@torch.inference_mode()
def loss_by_timestep(
    unet: UNet2DModel, images: np.ndarray, labels: np.ndarray, *, forward: DDPMScheduler, seed: int
) -> pd.DataFrame:
    """The noise loss (paper eq. 4) at `COMPARED_TIMESTEPS`: columns t and loss.

    The images, uint8 (N, H, W, 3), are one batch; the same seed and N give the same noise.

    Raises:
        StudyError: a loss is not finite.
    """
    generator = torch.Generator().manual_seed(seeds.number(seeds.Purpose.COMPARED_NOISE, seed))
    x_0, class_labels = tensors.to_model(torch.as_tensor(images)), torch.as_tensor(labels).to(unet.device)
    rows = []
    for t in COMPARED_TIMESTEPS:
        eps = torch.randn(x_0.shape, generator=generator)
        x_t = forward.add_noise(x_0, eps, torch.full((len(x_0),), t)).to(unet.device)
        predicted = unet(x_t, t, class_labels=class_labels).sample
        rows.append({"t": t, "loss": F.mse_loss(predicted, eps.to(unet.device)).item()})
    bad = finite.first_bad(torch.tensor([row["loss"] for row in rows]))
    if bad is not None:
        raise StudyError(f"the loss at t = {rows[bad]['t']} is not finite; train again with a lower learning_rate")
    return pd.DataFrame(rows)


def compare_losses(
    unet: UNet2DModel, sets: dict[str, tuple[np.ndarray, np.ndarray]], *, forward: DDPMScheduler, seed: int
) -> pd.DataFrame:
    """`loss_by_timestep` of several sets of images and labels, with a column `faces` for the name of the set."""
    tables = [loss_by_timestep(unet, *data, forward=forward, seed=seed).assign(faces=n) for n, data in sets.items()]
    return pd.concat(tables, ignore_index=True)
