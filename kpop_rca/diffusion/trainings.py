"""The trainings of a study: one recipe from several seeds, each in a folder of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState

from kpop_rca.diffusion.objective import ExtraLoss
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer
from kpop_rca.diffusion.unet import NETWORK, build_unet
from kpop_rca.system import console, parallel, seeds
from kpop_rca.system.seeds import Purpose

PREFIX = "training_"


def training_folder(ddpm: Path, number: int) -> Path:
    """The folder of one training within that of the stage."""
    return ddpm / f"{PREFIX}{number}"


def training_folders(ddpm: Path) -> list[Path]:
    """The folders of all trainings of a stage, in their order."""
    return sorted(ddpm.glob(f"{PREFIX}*"), key=lambda folder: int(folder.name.removeprefix(PREFIX)))


def seed_of(number: int, *, seed: int) -> int:
    """What everything random of a training follows from; of the first it is the seed of the study itself."""
    return seeds.number(Purpose.TRAINING, seed, number) if number else seed


def begin(
    parameters: dict[str, Any],
    *,
    n_classes: int,
    folder: Path,
    device: torch.device,
    extra_loss: ExtraLoss | None = None,
) -> Trainer:
    """A training by the parameters of 03, with its network; all that is random in it follows from their seed.

    Where the folder has a checkpoint, the training goes on from it.
    """
    torch.manual_seed(seeds.number(Purpose.NETWORK, parameters["seed"]))
    unet = build_unet(**{name: parameters[name] for name in NETWORK}, n_classes=n_classes)
    recipe = DiffusionRecipe.of(parameters)
    return Trainer(unet, recipe=recipe, folder=folder, device=device, extra_loss=extra_loss)


def run_trainings(
    parameters: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    n_classes: int,
    folder: Path,
    device: torch.device,
    bar: Callable,
    curves: Path | None = None,
) -> pd.DataFrame:
    """Train as often as the parameters of 03 say, or go on from the last checkpoint of each training.

    Several take turns on the cores of a CPU, in threads of one core each: PyTorch lets go of Python's lock in every
    operation, and processes would take seconds to begin. On a GPU, and where processes share each batch, they follow
    one another. Sample grids are those of the first training alone.

    Args:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,) in [0, n_classes).
        folder: of the stage.
        bar: makes a progress bar, of the steps of all where they take turns.
        curves: folder for TensorBoard's, if they are wanted.

    Returns:
        The log of `Trainer.fit`, with a column training before the others.
    """
    n, one_process = parameters["trainings"], PartialState(cpu=device.type == "cpu").num_processes == 1

    def trainer(number: int) -> Trainer:
        changed = {"seed": seed_of(number, seed=parameters["seed"])}
        return begin(parameters | changed, n_classes=n_classes, folder=training_folder(folder, number), device=device)

    def how(number: int) -> dict[str, Any]:
        own_curves = curves / training_folder(folder, number).name if curves else None
        grids = 0 if number else parameters["sample_grids"]
        return {"checkpoint_minutes": parameters["checkpoint_minutes"], "sample_grids": grids, "curves": own_curves}

    if curves and not training_folders(folder) and one_process:
        shutil.rmtree(curves, ignore_errors=True)  # of trainings that there may be no more
    if n > 1 and device.type == "cpu" and one_process:
        trainers = [trainer(number) for number in range(n)]
        logs = _in_turns(trainers, images, labels, how=how, bar=bar)
    else:
        logs = [trainer(number).fit(images, labels, bar=bar, **how(number)) for number in range(n)]
    return pd.concat(dict(enumerate(logs)), names=["training"]).reset_index(level=0).reset_index(drop=True)


def _in_turns(
    trainers: list[Trainer], images: np.ndarray, labels: np.ndarray, *, how: Callable[[int], dict], bar: Callable
) -> list[pd.DataFrame]:
    """`Trainer.fit` of several at once; Ctrl-C, and a failure of one of them, stops all with a checkpoint of each."""
    stopping, done = Event(), [trainer.progress.step for trainer in trainers]
    together = bar(total=sum(trainer.recipe.steps for trainer in trainers), initial=sum(done))
    with console.interrupts_wait() as interrupted, together:
        works = [
            t.lines(t.steps_left, images, labels, stops=lambda: interrupted() or stopping.is_set(), **how(number))
            for number, t in enumerate(trainers)
        ]
        for number, step in parallel.in_turns(works, stopping=stopping):
            together.update(step - done[number])
            together.set_postfix(loss=f"{np.mean([t.last_loss for t in trainers if t.progress.log]):.4f}")
            done[number] = step
    return [trainer.save_result() for trainer in trainers]
