"""Who competes in what; the baselines are imported where they are timed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch

from kpop_rca.benchmarks import ceilings, ours, timing
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import OURS, Work

DIFFUSERS, DENOISING, TORCHVISION = "diffusers", "denoising-diffusion-pytorch", "torchvision"
ONE_BY_ONE, SEPARATE = "facenet-pytorch, one by one", "baselines' fastest, one after another"
FID, KID, PRDC, PR = "FID", "KID", "PRDC", "precision, recall"
Programs = dict[str, Callable[[Setting], Work]]


@dataclass(frozen=True)
class Task:
    """One thing that is timed: its unit is what is counted, in the plural; the warm-up is in repeats."""

    name: str
    unit: str
    programs: Callable[[Setting], Programs]
    warm_up: int = 1


def _training(setting: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import denoising, diffusers

    found = _with_loaders(setting, DIFFUSERS, ours.training_steps, diffusers.training)
    return found | {DENOISING: denoising.training}


def _ddim(setting: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import denoising

    return _pipelines(setting, "ddim") | {DENOISING: denoising.sampler}


def _ddpm(setting: Setting) -> Programs:
    return _pipelines(setting, "ddpm")


def _pipelines(setting: Setting, sampler: str) -> Programs:
    from kpop_rca.benchmarks.baselines import diffusers

    theirs = partial(diffusers.pipeline, sampler=sampler)
    found = {OURS: partial(ours.generation, sampler=sampler), DIFFUSERS: theirs}
    if setting["mixed_precision"] != "no":
        found[f"{DIFFUSERS}, half precision"] = partial(theirs, dtype=torch.float16)
    return found


def _with_loaders(setting: Setting, who: str, our: Callable, their: Callable) -> Programs:
    """Against a baseline without and with processes that load."""
    workers = setting["bench_workers"]
    loading = f"{who}, {workers} loading processes"
    return {OURS: our, who: partial(their, workers=0), loading: partial(their, workers=workers)}


def _detection(_: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import images

    return {OURS: ours.detected, ONE_BY_ONE: images.one_by_one}


def _oracles(setting: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import oracles

    return _with_loaders(setting, TORCHVISION, ours.oracles_trained, oracles.training)


def _classifying(setting: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import oracles

    return _with_loaders(setting, TORCHVISION, ours.predicted, oracles.classifying)


def _features(_: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import features

    return {OURS: ours.measured} | {
        f"{measure} by {name}": partial(features.baseline, call=call)
        for measure, calls in features.BASELINES.items()
        for name, call in calls.items()
    }


def _pairs(_: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import images

    return {OURS: ours.perceptual, "lpips in a loop": images.lpips_loop}


def _reading(setting: Setting) -> Programs:
    from kpop_rca.benchmarks.baselines import images

    return _with_loaders(setting, TORCHVISION, ours.read, images.image_folder)


TRAINING, DDIM, DDPM, DETECTION = "training", "sampling, DDIM", "sampling, DDPM", "face detection"
ORACLES, CLASSIFYING = "training oracles", "asking an oracle"
MEASURES, LPIPS, READING = "FID, KID and PRDC", "LPIPS", "reading a folder"
TASKS = (
    Task(TRAINING, "images", _training),
    Task(DDIM, "images", _ddim),
    Task(DDPM, "images", _ddpm),
    Task(DETECTION, "photographs", _detection),
    Task(ORACLES, "images", _oracles),
    Task(CLASSIFYING, "images", _classifying),
    Task(MEASURES, "sets", _features, warm_up=0),  # each has been called on a few features by then
    Task(LPIPS, "pairs", _pairs),
    Task(READING, "photographs", _reading),
)


def times(task: Task, setting: Setting, *, progress: Callable) -> pd.DataFrame:
    """Times of ours, of the baselines and of the machine itself, in turns: task, unit, columns of `timing.in_turns`."""
    dtype = ceilings.DTYPES[setting["mixed_precision"]]
    machine = {
        ceilings.PRODUCT: partial(ceilings.matrix_product, device=setting.device, dtype=dtype),
        ceilings.COPY: partial(ceilings.copy, device=setting.device),
    }
    programs = {who: partial(make, setting) for who, make in task.programs(setting).items()}
    found = timing.in_turns(
        programs | machine,
        repeats=setting["bench_repeats"],
        warm_up=task.warm_up,
        device=setting.device,
        progress=progress,
    )
    found.insert(0, "task", task.name)
    found.insert(1, "unit", task.unit)
    return found
