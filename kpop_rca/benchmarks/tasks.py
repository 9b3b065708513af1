"""Who competes in what."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch

from kpop_rca.benchmarks import (
    ceilings,
    ours,
    peers_denoising,
    peers_diffusers,
    peers_features,
    peers_images,
    peers_oracles,
    timing,
)
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import OURS, Work

DIFFUSERS, DENOISING, TORCHVISION = "diffusers", "denoising-diffusion-pytorch", "torchvision"
ONE_BY_ONE, SEPARATE = "facenet-pytorch, one by one", "peers' fastest, one after another"
Contenders = dict[str, Callable[[Setting], Work]]


@dataclass(frozen=True)
class Task:
    """One thing that is timed.

    Attributes:
        name: of the rows in the table of times.
        unit: what is counted, in the plural.
        contenders: who does it, from a setting: ours and the peers.
        warm_up: repeats that are not timed.
    """

    name: str
    unit: str
    contenders: Callable[[Setting], Contenders]
    warm_up: int = 1


def _training(setting: Setting) -> Contenders:
    workers = setting["bench_workers"]
    return {
        OURS: ours.training_steps,
        DIFFUSERS: partial(peers_diffusers.training, workers=0),
        f"{DIFFUSERS}, {workers} loading processes": partial(peers_diffusers.training, workers=workers),
        DENOISING: peers_denoising.training,
    }


def _ddim(setting: Setting) -> Contenders:
    return _pipelines(setting, "ddim") | {DENOISING: peers_denoising.sampler}


def _ddpm(setting: Setting) -> Contenders:
    return _pipelines(setting, "ddpm")


def _pipelines(setting: Setting, sampler: str) -> Contenders:
    theirs = partial(peers_diffusers.pipeline, sampler=sampler)
    found = {OURS: partial(ours.generation, sampler=sampler), DIFFUSERS: theirs}
    if setting["mixed_precision"] != "no":
        found[f"{DIFFUSERS}, half precision"] = partial(theirs, dtype=torch.float16)
    return found


def _detection(_: Setting) -> Contenders:
    return {OURS: ours.detected, ONE_BY_ONE: peers_images.one_by_one}


def _features(_: Setting) -> Contenders:
    return {OURS: ours.measured} | {
        f"{measure} by {name}": partial(peers_features.peer, call=call)
        for measure, calls in peers_features.PEERS.items()
        for name, call in calls.items()
    }


def _beside_torchvision(our: Callable, their: Callable) -> Callable[[Setting], Contenders]:
    """Against torchvision without and with processes that load."""

    def contenders(setting: Setting) -> Contenders:
        workers = setting["bench_workers"]
        with_loaders = f"{TORCHVISION}, {workers} loading processes"
        return {OURS: our, TORCHVISION: partial(their, workers=0), with_loaders: partial(their, workers=workers)}

    return contenders


def _pairs(_: Setting) -> Contenders:
    return {OURS: ours.perceptual, "lpips in a loop": peers_images.lpips_loop}


TRAINING, DDIM, DDPM, DETECTION = "training", "sampling, DDIM", "sampling, DDPM", "face detection"
ORACLES, CLASSIFYING = "training oracles", "asking an oracle"
MEASURES, LPIPS, READING = "FID, KID and PRDC", "LPIPS", "reading a folder"
TASKS = (
    Task(TRAINING, "images", _training),
    Task(DDIM, "images", _ddim),
    Task(DDPM, "images", _ddpm),
    Task(DETECTION, "photographs", _detection),
    Task(ORACLES, "images", _beside_torchvision(ours.oracles_trained, peers_oracles.training)),
    Task(CLASSIFYING, "images", _beside_torchvision(ours.predicted, peers_oracles.classifying)),
    Task(MEASURES, "sets", _features, warm_up=0),  # each has been called on a few features by then
    Task(LPIPS, "pairs", _pairs),
    Task(READING, "photographs", _beside_torchvision(ours.read, peers_images.image_folder)),
)


def times(task: Task, setting: Setting, *, progress: Callable) -> pd.DataFrame:
    """Time the contenders of a task and, in turns with them, the machine itself.

    Returns:
        Columns task, unit and those of `timing.in_turns`.
    """
    dtype = ceilings.DTYPES[setting["mixed_precision"]]
    machine = {
        ceilings.PRODUCT: partial(ceilings.matrix_product, device=setting.device, dtype=dtype),
        ceilings.COPY: partial(ceilings.copy, device=setting.device),
    }
    contenders = {who: partial(make, setting) for who, make in task.contenders(setting).items()}
    found = timing.in_turns(
        contenders | machine,
        repeats=setting["bench_repeats"],
        warm_up=task.warm_up,
        device=setting.device,
        progress=progress,
    )
    found.insert(0, "task", task.name)
    found.insert(1, "unit", task.unit)
    return found
