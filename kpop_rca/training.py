"""Training the class-conditional DDPM: the noise mean squared error of paper eq. 4, resumable at any step."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from kpop_rca import artifacts, diffusion
from kpop_rca.errors import StudyError

WARM_UP = 0.05  # share of the steps over which the cosine schedule's learning rate rises
GRID_STEPS = 20  # DDIM steps of the sample grids
COMPARED_TIMESTEPS = (10, 50, 100, 200, 350, 500, 700, 900)
LOG_EVERY = 10  # steps between two readings of the loss, each of which waits for the device


@dataclass(frozen=True)
class Recipe:
    """How to train; see the parameters of `03_ddpm_training` for units and the paper's values."""

    steps: int
    batch_size: int
    learning_rate: float
    learning_rate_schedule: str
    label_dropout: float
    ema_decay: float
    flip: bool
    noise_schedule: str
    mixed_precision: str
    seed: int


@dataclass
class Progress:
    """Where training stands; saved with each checkpoint."""

    step: int = 0
    seconds: float = 0.0
    log: list[list[float]] = field(default_factory=list)  # step, loss, learning rate, seconds

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        self.step, self.seconds, self.log = state["step"], state["seconds"], state["log"]


@lru_cache(maxsize=2)
def _epoch_order(epoch: int, *, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def batch_indices(step: int, *, n: int, batch_size: int, seed: int) -> np.ndarray:
    """Which images the batch of a step holds: epochs in random order, end to end, known from the step alone.

    Args:
        step: from 0.
        n: number of images.
        batch_size: of all processes together.
        seed: of the order.

    Returns:
        int64 (batch_size,), values in [0, n).
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // n
    chosen = [_epoch_order(int(e), n=n, seed=seed)[positions[epochs == e] % n] for e in np.unique(epochs)]
    return np.concatenate(chosen)


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate of a step: constant, or a linear rise over the first 5 % and half a cosine down to 0."""
    if recipe.learning_rate_schedule == "constant":
        return recipe.learning_rate
    rise = max(1, round(WARM_UP * recipe.steps))
    if step < rise:
        return recipe.learning_rate * (step + 1) / rise
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, recipe.steps - rise)))


def noise_loss(
    unet: nn.Module,
    x_0: Tensor,
    class_labels: Tensor,
    *,
    forward: DDPMScheduler,
    no_class: int,
    recipe: Recipe,
    generator: torch.Generator,
    share: slice = slice(None),
) -> Tensor:
    """L_simple = E || eps - eps_theta(sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, t, c) ||^2.

    The randomness is drawn for the whole batch and then cut to this process's share, so that the number of
    processes changes nothing.

    Args:
        unet: the noise predictor.
        x_0: (B, 3, H, W) in [-1, 1], the whole batch.
        class_labels: int64 (B,); a random share of them becomes `no_class`.
        forward: the forward process.
        no_class: the label that means "no class".
        recipe: label dropout and flips.
        generator: on the device of x_0.
        share: which part of the batch this process works on.

    Returns:
        Scalar.

    Source: paper eqs. 2 and 4; label dropout after Ho and Salimans (2022).
    """
    batch, device = len(x_0), x_0.device
    t = torch.randint(diffusion.TIMESTEPS, (batch,), generator=generator, device=device)
    eps = torch.randn(x_0.shape, generator=generator, device=device)
    dropped = torch.rand(batch, generator=generator, device=device) < recipe.label_dropout
    flipped = torch.rand(batch, generator=generator, device=device) < 0.5 * recipe.flip
    x_0 = torch.where(flipped[:, None, None, None], x_0.flip(-1), x_0)
    class_labels = torch.where(dropped, no_class, class_labels)
    x_t = forward.add_noise(x_0, eps, t)
    return F.mse_loss(unet(x_t[share], t[share], class_labels=class_labels[share]).sample.float(), eps[share])


class Trainer:
    """One training, from its first step or from where its last checkpoint stands.

    Everything random follows from the seed and the number of the step, so a training that was stopped goes on as
    if it had not been.
    """

    def __init__(self, unet: UNet2DModel, *, recipe: Recipe, folder: Path, device: torch.device):
        """Prepare model, optimiser and average on the device, and load the last checkpoint if there is one.

        Args:
            unet: freshly initialised.
            recipe: how to train.
            folder: where checkpoints, sample grids and the result go.
            device: to train on; more devices come from `accelerate launch`.

        Raises:
            StudyError: the batch can't be shared evenly among the processes.
        """
        self.recipe, self.folder = recipe, folder
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=recipe.mixed_precision)
        processes = self.accelerator.num_processes
        if recipe.batch_size % processes:
            raise StudyError(f"batch_size {recipe.batch_size} can't be shared by {processes} processes")
        self.no_class = diffusion.no_class(unet)
        self.forward = diffusion.forward_process(recipe.noise_schedule)
        unet.to(memory_format=torch.channels_last)  # convolutions are faster so
        optimizer = torch.optim.AdamW(unet.parameters(), lr=recipe.learning_rate)
        self.unet, self.optimizer = self.accelerator.prepare(unet, optimizer)
        self.bare_unet = self.accelerator.unwrap_model(self.unet)
        self.ema = EMAModel(self.bare_unet.parameters(), decay=recipe.ema_decay, use_ema_warmup=True, foreach=True)
        self.ema.to(self.accelerator.device)
        self.progress = Progress()
        self.accelerator.register_for_checkpointing(self.ema, self.progress)
        self._resume()

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        checkpoint_minutes: float,
        sample_grids: int,
        bar: Callable,
    ) -> pd.DataFrame:
        """Train to the last step; write checkpoints and sample grids on the way and the averaged weights at the end.

        Args:
            images: uint8 (N, H, W, 3).
            labels: int64 (N,).
            checkpoint_minutes: time between checkpoints.
            sample_grids: number of grids, evenly spaced over the training, the last at its end.
            bar: makes a progress bar, `tqdm` for example.

        Returns:
            The log: step, loss (mean since the line before), learning_rate, seconds.
        """
        device, recipe = self.accelerator.device, self.recipe
        data = torch.as_tensor(images, device=device), torch.as_tensor(labels, device=device)
        grid_at = {round(recipe.steps * k / sample_grids) for k in range(1, sample_grids + 1)}
        begun, saved, losses = time.monotonic() - self.progress.seconds, time.monotonic(), []
        steps = bar(range(self.progress.step, recipe.steps), initial=self.progress.step, total=recipe.steps)
        for step in steps:
            losses.append(self._step(step, *data))
            done = step + 1
            if done % LOG_EVERY == 0 or done == recipe.steps:
                self._log(done, losses, seconds=time.monotonic() - begun)
                steps.set_postfix(loss=f"{self.progress.log[-1][1]:.4f}")
                losses = []
            if done in grid_at:
                self._draw_grid(done)
            if done == recipe.steps or (time.monotonic() - saved > 60 * checkpoint_minutes and not losses):
                self._save_checkpoint(done)
                saved = time.monotonic()
        return self._save_result()

    def _step(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        recipe, accelerator = self.recipe, self.accelerator
        chosen = batch_indices(step, n=len(images), batch_size=recipe.batch_size, seed=recipe.seed)
        chosen = torch.as_tensor(chosen, device=accelerator.device)
        seed = int(np.random.SeedSequence([recipe.seed, step]).generate_state(1, np.uint64)[0])
        size = recipe.batch_size // accelerator.num_processes
        self.optimizer.param_groups[0]["lr"] = learning_rate_at(step, recipe)
        with accelerator.autocast():
            loss = noise_loss(
                self.unet,
                diffusion.to_model(images[chosen]),
                labels[chosen],
                forward=self.forward,
                no_class=self.no_class,
                recipe=recipe,
                generator=torch.Generator(accelerator.device).manual_seed(seed),
                share=slice(accelerator.process_index * size, (accelerator.process_index + 1) * size),
            )
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.bare_unet.parameters())
        return loss.detach()

    def _log(self, done: int, losses: list[Tensor], *, seconds: float) -> None:
        mean = self.accelerator.reduce(torch.stack(losses).mean(), reduction="mean").item()
        if not math.isfinite(mean):
            raise StudyError(f"the loss is {mean} at step {done}; lower learning_rate, or set mixed_precision to no")
        rate = learning_rate_at(done - 1, self.recipe)
        self.progress.log.append([done, mean, rate, round(seconds, 2)])
        self.progress.seconds = seconds

    def _draw_grid(self, done: int) -> None:
        """One image of each class from the averaged weights, always from the same noise."""
        if not self.accelerator.is_main_process:
            return
        self.ema.store(self.bare_unet.parameters())
        self.ema.copy_to(self.bare_unet.parameters())
        self.bare_unet.eval()
        labels = torch.arange(self.no_class, device=self.accelerator.device)
        grid = diffusion.sample(
            self.bare_unet,
            diffusion.sampling_process(self.forward, "ddim"),
            labels,
            generators=[diffusion.image_generator(seed=self.recipe.seed, label=int(c), index=0) for c in labels],
            steps=GRID_STEPS,
            guidance=0.0,
        )
        self.bare_unet.train()
        self.ema.restore(self.bare_unet.parameters())
        with artifacts.atomic(self.folder / "samples" / f"step_{done:07d}.npy") as temporary:
            np.save(temporary, grid, allow_pickle=False)

    def _checkpoints(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint_*"))

    def _save_checkpoint(self, done: int) -> None:
        """Write a checkpoint beside the last one, then drop the last: there is always a whole one."""
        self.progress.step = done
        final, unfinished = self.folder / f"checkpoint_{done:07d}", self.folder / "unfinished_checkpoint"
        if self.accelerator.is_main_process:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(unfinished))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            earlier = self._checkpoints()
            unfinished.rename(final)
            for folder in earlier:
                shutil.rmtree(folder)

    def _resume(self) -> None:
        checkpoints = self._checkpoints()
        if checkpoints:
            self.accelerator.load_state(str(checkpoints[-1]))
            self.ema.to(self.accelerator.device)

    def _save_result(self) -> pd.DataFrame:
        """Write the averaged weights (`unet/`), the forward process (`scheduler/`) and `loss_log.csv`."""
        log = pd.DataFrame(self.progress.log, columns=["step", "loss", "learning_rate", "seconds"])
        self.ema.copy_to(self.bare_unet.parameters())
        if self.accelerator.is_main_process:
            self.bare_unet.save_pretrained(self.folder / "unet")
            self.forward.save_pretrained(self.folder / "scheduler")
            with artifacts.atomic(self.folder / "loss_log.csv") as temporary:
                log.to_csv(temporary, index=False)
        return log


def load_trained(folder: Path, device: torch.device) -> tuple[UNet2DModel, DDPMScheduler]:
    """The averaged noise predictor in evaluation mode, and the forward process that it was trained on."""
    unet = UNet2DModel.from_pretrained(folder / "unet").to(device, memory_format=torch.channels_last)
    return unet.eval(), DDPMScheduler.from_pretrained(folder / "scheduler")


@torch.inference_mode()
def loss_by_timestep(
    unet: UNet2DModel, images: np.ndarray, labels: np.ndarray, *, forward: DDPMScheduler, seed: int
) -> pd.DataFrame:
    """The noise loss (paper eq. 4) at single timesteps.

    Args:
        unet: in evaluation mode.
        images: uint8 (N, H, W, 3), taken as one batch.
        labels: int64 (N,).
        forward: the forward process.
        seed: of the noise; the same seed and N give the same noise.

    Returns:
        Columns t and loss.
    """
    generator = torch.Generator().manual_seed(seed)
    x_0, class_labels = diffusion.to_model(torch.as_tensor(images)), torch.as_tensor(labels).to(unet.device)
    rows = []
    for t in COMPARED_TIMESTEPS:
        eps = torch.randn(x_0.shape, generator=generator)
        x_t = forward.add_noise(x_0, eps, torch.full((len(x_0),), t)).to(unet.device)
        predicted = unet(x_t, t, class_labels=class_labels).sample
        rows.append({"t": t, "loss": F.mse_loss(predicted, eps.to(unet.device)).item()})
    return pd.DataFrame(rows)


def compare_losses(
    unet: UNet2DModel, sets: dict[str, tuple[np.ndarray, np.ndarray]], *, forward: DDPMScheduler, seed: int
) -> pd.DataFrame:
    """`loss_by_timestep` of several sets of faces, with the same noise where they are of the same size.

    Args:
        unet: in evaluation mode.
        sets: name to images and labels.
        forward: the forward process.
        seed: of the noise.

    Returns:
        Columns t, loss, faces (the set's name).
    """
    tables = [loss_by_timestep(unet, *data, forward=forward, seed=seed).assign(faces=n) for n, data in sets.items()]
    return pd.concat(tables, ignore_index=True)
