"""Training the class-conditional diffusion model, by default on paper eq. 4; resumable at any step."""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache, partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch import Tensor

from kpop_rca.data import tensors
from kpop_rca.diffusion import objective
from kpop_rca.diffusion.objective import TIMESTEPS, forward_process
from kpop_rca.diffusion.optimisers import BETAS, EPSILON, MOMENTUM, build_optimizer
from kpop_rca.diffusion.samplers import image_generator, sample, sampling_process
from kpop_rca.diffusion.tensorboard import Curves
from kpop_rca.diffusion.unet import load_unet, no_class
from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, manifests
from kpop_rca.system import console, devices, finite, parallel, seeds
from kpop_rca.system.files import atomic, writing
from kpop_rca.system.seeds import Purpose

WARM_UP = 0.05  # fraction of the steps over which the cosine schedule's learning rate rises
GRID_STEPS = 20  # DDIM steps of the sample grids
PIECES = 2  # of a batch on a CPU; not the number of cores, so that any machine adds up the same numbers
PIXELS_OF_A_PIECE = 8 * 32 * 32  # with fewer, starting its operations takes longer than dividing the batch saves
LOG_EVERY = 10  # steps between two readings of the loss, each of which waits for the device

# A recipe in words.
ADAMW = f"AdamW, betas {BETAS[0]:g} and {BETAS[1]:g}, epsilon {EPSILON:g}"
OPTIMISERS = {
    "adamw": ADAMW,
    "muon": f"Muon, momentum {MOMENTUM:g}, for the hidden weights; for the others {ADAMW}",
}
TARGETS = {"eps": "the noise", "v": "the velocity", "flow": "the noise less the image", "x_0": "the image"}
SAMPLED = {"uniform": f"t uniform in 0 to {TIMESTEPS - 1}", "logit_normal": "logit t normal, stratified"}

# What a training leaves in its folder.
UNET, FORWARD, LOG = "unet", "scheduler", "loss_log.csv"
GRIDS, GRID = "samples", "step_"
CHECKPOINT = "checkpoint_"


@dataclass(frozen=True)
class DiffusionRecipe:
    """How to train; see the parameters of `03_ddpm_training` for units and the paper's values."""

    steps: int
    batch_size: int
    learning_rate: float
    learning_rate_schedule: str
    label_dropout: float
    ema_half_life: int
    ema_ramp_up: float
    gradient_clip: float
    weight_decay: float
    flip: bool
    noise_schedule: str
    mixed_precision: str
    seed: int
    prediction: str = "eps"
    timestep_sampling: str = "uniform"
    optimizer: str = "adamw"
    muon_learning_rate: float = 0.02

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> "DiffusionRecipe":
        """From the parameters of the notebook, where the steps are called train_steps."""
        named = parameters | {"steps": parameters["train_steps"]}
        return cls(**{field.name: named[field.name] for field in fields(cls)})

    def table(self, *, n_images: int) -> pd.DataFrame:
        """What the study sets, what follows from that, and what no study changes: columns setting and value (text)."""
        last, rise = self.steps - 1, max(1, round(WARM_UP * self.steps))
        settings = asdict(self)
        if self.optimizer != "muon":
            del settings["muon_learning_rate"]
        rows = settings | {
            "epochs": f"{self.steps * self.batch_size / n_images:.1f}",
            "optimiser": OPTIMISERS[self.optimizer],
            "rise of the learning rate": f"{rise} steps" if self.learning_rate_schedule == "cosine" else "none",
            "EMA half-life at the last step": f"{half_life_at(last, self):.0f} images",
            "EMA decay of the last step": f"{ema_decay_at(last, self):.5f}",
            "loss": f"mean squared error of {TARGETS[self.prediction]}, {SAMPLED[self.timestep_sampling]}",
        }
        return pd.DataFrame({"setting": rows.keys(), "value": map(str, rows.values())})


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
    return seeds.generator(Purpose.TRAINING_ORDER, seed, epoch).permutation(n)


def batch_indices(step: int, *, n: int, batch_size: int, seed: int) -> np.ndarray:
    """The images of a step's batch, over all processes: int64 (batch_size,) in [0, n).

    Epochs in random order follow each other without a gap; the batch is known from the step alone.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // n
    chosen = [_epoch_order(int(e), n=n, seed=seed)[positions[epochs == e] % n] for e in np.unique(epochs)]
    return np.concatenate(chosen)


def learning_rate_at(step: int, recipe: DiffusionRecipe) -> float:
    """The learning rate of a step: constant, or a linear rise over the first 5 % and half a cosine down to 0."""
    if recipe.learning_rate_schedule == "constant":
        return recipe.learning_rate
    rise = max(1, round(WARM_UP * recipe.steps))
    if step < rise:
        return recipe.learning_rate * (step + 1) / rise
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, recipe.steps - rise)))


def half_life_at(step: int, recipe: DiffusionRecipe) -> float:
    """The half-life of the averaged weights at a step, in images: at most a fraction of those seen before it.

    Source: Karras et al. (2022), "Elucidating the Design Space of Diffusion-Based Generative Models", appendix F.2 and
    its code.
    """
    seen = step * recipe.batch_size
    return min(recipe.ema_half_life, recipe.ema_ramp_up * seen) if recipe.ema_ramp_up else recipe.ema_half_life


def ema_decay_at(step: int, recipe: DiffusionRecipe) -> float:
    """What the average keeps of itself at a step, 0.5^(batch size / half-life); 0 at the first of a ramp."""
    half_life = half_life_at(step, recipe)
    return 0.5 ** (recipe.batch_size / half_life) if half_life else 0.0


class Averaged(EMAModel):
    """The averaged weights, with the recipe's decay: the library's own schedule caps any decay."""

    def __init__(self, weights: list[Tensor], recipe: DiffusionRecipe):
        super().__init__(weights, foreach=True)
        self.recipe = recipe

    def get_decay(self, optimization_step: int) -> float:
        return ema_decay_at(optimization_step - 1, self.recipe)  # the library counts from 1


class Trainer:
    """One training, from its first step or its last checkpoint.

    Everything random follows from the seed and the number of the step, so a stopped training goes on as if it had not
    been stopped.
    """

    def __init__(
        self,
        unet: UNet2DModel,
        *,
        recipe: DiffusionRecipe,
        folder: Path,
        device: torch.device,
        extra_loss: objective.ExtraLoss | None = None,
    ):
        """Prepare a new network, optimiser and average, and load the last checkpoint of the folder if there is one.

        More devices come from `accelerate launch`. An extra loss draws no random numbers, and is part of the loss that
        is logged.

        Raises:
            StudyError: the batch can't be divided evenly among the processes.
        """
        self.recipe, self.folder = recipe, folder
        precision = devices.usable_precision(recipe.mixed_precision, device)
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=precision)
        processes = self.accelerator.num_processes
        if recipe.batch_size % processes:
            raise StudyError(f"batch_size {recipe.batch_size} can't be divided among {processes} processes")
        self.no_class = no_class(unet)
        self.loss = partial(objective.prediction_loss, extra_loss=extra_loss, no_class=self.no_class)
        self.forward = forward_process(recipe.noise_schedule, recipe.prediction)
        unet.to(memory_format=torch.channels_last)  # convolutions are faster so
        devices.compile_where_it_pays(unet, device, calls=recipe.steps)
        optimizer = build_optimizer(
            unet,
            recipe.optimizer,
            learning_rate=recipe.learning_rate,
            muon_learning_rate=recipe.muon_learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.unet, self.optimizer = self.accelerator.prepare(unet, optimizer)
        self.bare_unet = self.accelerator.unwrap_model(self.unet)
        self.weights = list(self.bare_unet.parameters())
        self.ema = Averaged(self.weights, recipe)
        self.ema.to(self.accelerator.device)
        self.forward.alphas_cumprod = self.forward.alphas_cumprod.to(self.accelerator.device)
        size, rest = divmod(recipe.batch_size, PIECES)
        large = size * unet.config.sample_size**2 >= PIXELS_OF_A_PIECE
        self.in_pieces = device.type == "cpu" and processes == 1 and large and not rest
        self.over_pieces: Callable = map  # one after the other, unless `fit` has all cores
        self.progress = Progress()
        self.accelerator.register_for_checkpointing(self.ema, self.progress)
        if checkpoints := self._checkpoints():
            self.accelerator.load_state(str(checkpoints[-1]))
            self.ema.to(self.accelerator.device)

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        checkpoint_minutes: float,
        sample_grids: int,
        bar: Callable,
        curves: Path | None = None,
    ) -> pd.DataFrame:
        """Train to the last step; write checkpoints and sample grids on the way and the averaged weights at the end.

        Ctrl-C stops it at the next line of the log, with a checkpoint.

        Args:
            images: uint8 (N, H, W, 3).
            labels: int64 (N,).
            checkpoint_minutes: between two checkpoints.
            sample_grids: number of grids, evenly spaced over the training, the last at its end.
            bar: makes a progress bar, `tqdm` for example.
            curves: folder for TensorBoard's, if they are wanted.

        Returns:
            The log: step, loss (mean since the line before), learning_rate, seconds.
        """
        if self.in_pieces:
            self.over_pieces = parallel.sharing_the_cores(PIECES).map
        steps = bar(self.steps_left, initial=self.progress.step, total=self.recipe.steps)
        how = {"checkpoint_minutes": checkpoint_minutes, "sample_grids": sample_grids, "curves": curves}
        with console.interrupts_wait() as interrupted:
            for _ in self.lines(steps, images, labels, stops=interrupted, **how):
                steps.set_postfix(loss=f"{self.last_loss:.4f}")
        return self.save_result()

    @property
    def steps_left(self) -> range:
        """Those after the last checkpoint."""
        return range(self.progress.step, self.recipe.steps)

    @property
    def last_loss(self) -> float:
        """Of the last line of the log."""
        return self.progress.log[-1][1]

    def lines(
        self,
        steps: Iterable[int],
        images: np.ndarray,
        labels: np.ndarray,
        *,
        checkpoint_minutes: float,
        sample_grids: int,
        stops: Callable[[], bool],
        curves: Path | None = None,
    ) -> Iterator[int]:
        """Do `steps_left`; after each line of the log, the number of steps done. At the end there is `save_result`.

        A line is saved, where that is due, and `stops` is asked when this is resumed, by any thread. See `fit`.

        Raises:
            KeyboardInterrupt: `stops` was true; where the training stands is saved.
        """
        device, recipe = self.accelerator.device, self.recipe
        data = torch.as_tensor(images, device=device), torch.as_tensor(labels, device=device)
        grid_at = {round(recipe.steps * k / sample_grids) for k in range(1, sample_grids + 1)}
        begun, saved, losses = time.monotonic() - self.progress.seconds, time.monotonic(), []
        shows = curves is not None and self.accelerator.is_main_process
        opened = closing(Curves(curves, step=self.progress.step)) if shows else nullcontext()
        with opened as watched:
            for step in steps:
                losses.append(self._step(step, *data))
                done = step + 1
                if done % LOG_EVERY == 0 or done == recipe.steps:
                    self._log(done, losses, seconds=time.monotonic() - begun)
                    self._add_to(watched)
                    losses = []
                if done in grid_at:
                    self._sample_grid(done, watched)
                if losses:  # stop with a line of the log alone, so that it has the same lines wherever a training stops
                    continue
                worked = time.monotonic() - begun
                yield done
                begun = time.monotonic() - worked  # others may have had their turn
                stopping = self._agreed(stops())
                due = stopping or self._agreed(time.monotonic() - saved > 60 * checkpoint_minutes)
                if due or done == recipe.steps:
                    self._save_checkpoint(done)
                    saved = time.monotonic()
                if stopping or self._agreed(stops()):
                    raise KeyboardInterrupt(f"stopped at step {done}, which is saved")

    def _agreed(self, wished: bool) -> bool:
        """Whether any process wishes it: all of them must do the same."""
        if self.accelerator.num_processes == 1:
            return wished
        wishes = torch.tensor(float(wished), device=self.accelerator.device)
        return self.accelerator.reduce(wishes, reduction="sum").item() > 0

    def _add_to(self, curves: Curves | None) -> None:
        """Show the last line of the log in TensorBoard."""
        if curves:
            step, loss, learning_rate, seconds = self.progress.log[-1]
            earlier = self.progress.log[-2] if len(self.progress.log) > 1 else [0, 0.0, 0.0, 0.0]
            n_images = (step - earlier[0]) * self.recipe.batch_size
            rate = n_images / max(seconds - earlier[3], 0.01)
            curves.add(step, loss=loss, learning_rate=learning_rate, images_per_second=rate)

    def _step(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, self.recipe) * group["relative_rate"]
        try:
            loss = self._backward(self._task(step, images, labels))
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
            raise StudyError(
                f"step {step}: the memory is too small for batch_size {self.recipe.batch_size}; lower it (and the "
                "learning rate with it), or set mixed_precision to bf16"
            ) from None
        with parallel.one_thread(self.accelerator.device):  # hundreds of small operations
            if self.recipe.gradient_clip:
                self.accelerator.clip_grad_norm_(self.weights, self.recipe.gradient_clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.ema.step(self.weights)
        return loss

    def _task(self, step: int, images: Tensor, labels: Tensor) -> objective.NoisedBatch:
        """The whole batch of a step, known from the seed and the number of the step."""
        recipe, device = self.recipe, self.accelerator.device
        chosen = batch_indices(step, n=len(images), batch_size=recipe.batch_size, seed=recipe.seed)
        chosen = devices.sent(torch.as_tensor(chosen), device)
        generator = torch.Generator(device).manual_seed(seeds.number(Purpose.TRAINING_STEP, recipe.seed, step))
        return objective.training_task(
            tensors.to_model(images[chosen]),
            labels[chosen],
            forward=self.forward,
            no_class=self.no_class,
            label_dropout=recipe.label_dropout,
            flip=recipe.flip,
            timestep_sampling=recipe.timestep_sampling,
            generator=generator,
        )

    def _backward(self, task: objective.NoisedBatch) -> Tensor:
        """The loss of this process's part of a batch; leaves its gradient in the weights."""
        if self.in_pieces:
            return self._backward_in_pieces(task)
        size = self.recipe.batch_size // self.accelerator.num_processes
        first = self.accelerator.process_index * size
        with self.accelerator.autocast():
            loss = self.loss(self.unet, task.part(slice(first, first + size)))
        self.accelerator.backward(loss)
        return loss.detach()

    def _backward_in_pieces(self, task: objective.NoisedBatch) -> Tensor:
        """The same on a CPU, where parts of a batch side by side are faster than the threads of each operation.

        They add up to the same numbers one after the other, so that a training has the same result on a single core.
        """
        size = self.recipe.batch_size // PIECES

        def of_piece(piece: int) -> tuple[Tensor, tuple[Tensor, ...]]:
            with self.accelerator.autocast():
                loss = self.loss(self.unet, task.part(slice(piece * size, (piece + 1) * size))) / PIECES
            return loss.detach(), torch.autograd.grad(loss, self.weights)

        losses, gradients = zip(*self.over_pieces(of_piece, range(PIECES)), strict=True)
        for weight, *parts in zip(self.weights, *gradients, strict=True):
            weight.grad = reduce(Tensor.add_, parts)  # in the order of the pieces, whichever was first
        return sum(losses)

    def _log(self, done: int, losses: list[Tensor], *, seconds: float) -> None:
        of_steps = self.accelerator.reduce(torch.stack(losses), reduction="mean")
        bad = finite.first_bad(of_steps)
        if bad is not None:
            step = done - len(losses) + bad + 1
            raise StudyError(f"the loss is {of_steps[bad].item()} at step {step}; {self._remedy()}")
        # A finite loss is that of the weights before its step; those after it may be saved.
        self._require_finite_weights(f"after step {done}")
        mean = of_steps.mean().item()
        rate = learning_rate_at(done - 1, self.recipe)
        self.progress.log.append([done, mean, rate, round(seconds, 2)])
        self.progress.seconds = seconds

    def _remedy(self) -> str:
        return finite.remedy(self.recipe.mixed_precision, otherwise="lower learning_rate")

    def _require_finite_weights(self, when: str) -> None:
        """Never let a checkpoint or a result have weights, or an average of them, that are not finite."""
        for name, weights in (("weights", self.weights), ("averaged weights", self.ema.shadow_params)):
            if not finite.all_finite(weights):
                raise StudyError(f"the {name} are not finite {when}; {self._remedy()}")

    def _sample_grid(self, done: int, curves: Curves | None) -> None:
        """One image of each class from the averaged weights, always from the same noise."""
        if not self.accelerator.is_main_process:
            return
        self.ema.store(self.weights)
        self.ema.copy_to(self.weights)
        self.bare_unet.eval()
        labels = torch.arange(self.no_class, device=self.accelerator.device)
        with torch.compiler.set_stance("force_eager"):  # compiling for one small batch takes longer than sampling it
            grid = sample(
                self.bare_unet,
                sampling_process(self.forward, "ddim"),
                labels,
                generators=[image_generator(seed=self.recipe.seed, label=int(c), index=0) for c in labels],
                steps=GRID_STEPS,
                guidance=0.0,
            )
        self.bare_unet.train()
        self.ema.restore(self.weights)
        with atomic(self.folder / GRIDS / f"{GRID}{done:07d}.npy") as temporary:
            np.save(temporary, grid, allow_pickle=False)
        if curves:
            curves.add_images(done, grid)

    def _checkpoints(self) -> list[Path]:
        return sorted(self.folder.glob(f"{CHECKPOINT}*"))

    def _save_checkpoint(self, done: int) -> None:
        """Write a checkpoint beside the last one, then remove that one: there is always a whole one."""
        self.progress.step = done
        final, unfinished = self.folder / f"{CHECKPOINT}{done:07d}", self.folder / "unfinished_checkpoint"
        if self.accelerator.is_main_process:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        with writing(unfinished):
            self.accelerator.save_state(str(unfinished))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            earlier = self._checkpoints()
            checksums.record(final, contents=unfinished)
            unfinished.rename(final)
            for folder in earlier:
                checksums.remove(folder)

    def save_result(self) -> pd.DataFrame:
        """Write the averaged weights, the forward process and the log."""
        self._require_finite_weights("at the end")
        log = pd.DataFrame(self.progress.log, columns=["step", "loss", "learning_rate", "seconds"])
        self.ema.copy_to(self.weights)
        if self.accelerator.is_main_process:
            with writing(self.folder):
                self.bare_unet.save_pretrained(self.folder / UNET)
                self.forward.save_pretrained(self.folder / FORWARD)
            with atomic(self.folder / LOG) as temporary:
                log.to_csv(temporary, index=False)
        return log


def load_trained(folder: Path, device: torch.device) -> tuple[UNet2DModel, DDPMScheduler]:
    """The averaged network in evaluation mode, and the forward process that it was trained on."""
    unet = load_unet(folder / UNET).to(device, memory_format=torch.channels_last)
    return unet.eval(), DDPMScheduler.from_pretrained(folder / FORWARD)


def load_grids(folder: Path) -> dict[int, np.ndarray]:
    """The sample grids of a training by their steps: uint8 (K, H, W, 3), one image per class, from the same noise."""
    files = sorted((folder / GRIDS).glob(f"{GRID}*.npy"))
    return {int(path.stem.removeprefix(GRID)): np.load(path, allow_pickle=False) for path in files}


def trained_precision(folder: Path) -> str:
    """The mixed precision in which the network of a finished stage was trained, and in which it generates."""
    return manifests.read(folder)["parameters"]["mixed_precision"]
