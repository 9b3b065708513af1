"""What is timed: ours and the baselines of each task, and the sizes at which ours is measured as well."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from kpop_rca.benchmarks import ours
from kpop_rca.benchmarks.baselines import denoising, diffusers, features, images, torchvision
from kpop_rca.benchmarks.setting import N_CLASSES, Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.faces import detection
from kpop_rca.system import parallel

TRAINING, DDIM, DDPM, DETECTION = "training", "sampling, DDIM", "sampling, DDPM", "face detection"
ORACLES, CLASSIFYING = "training oracles", "asking an oracle"
MEASURES, LPIPS, READING = "FID, KID and PRDC", "LPIPS", "reading a folder"
DIFFUSERS, DENOISING, TORCHVISION = "diffusers", "denoising-diffusion-pytorch", "torchvision"
ONE_BY_ONE = "facenet-pytorch, one by one"
Program = Callable[[Setting], Work]


@dataclass(frozen=True)
class Task:
    """One thing that is timed; the unit is what is counted, in the plural."""

    name: str
    unit: str
    ours: Program
    baselines: dict[str, Program]
    warm_up: int = 1  # repeats that are not timed


def by_name(parameters: dict[str, Any]) -> dict[str, Task]:
    """Every task by its name; the parameters tell how many processes load images, and the precision."""
    workers, half = parameters["bench_workers"], parameters["mixed_precision"] != "no"

    def loading(who: str, baseline: Callable) -> dict[str, Program]:
        """Without and with processes that load."""
        return {who: baseline, f"{who}, {workers} loading processes": partial(baseline, workers=workers)}

    def pipelines(sampler: str) -> dict[str, Program]:
        whole = partial(diffusers.pipeline, sampler=sampler)
        in_half = {f"{DIFFUSERS}, half precision": partial(whole, dtype=torch.float16)} if half else {}
        return {DIFFUSERS: whole} | in_half

    train = loading(DIFFUSERS, diffusers.training) | {DENOISING: denoising.training}
    ddim = pipelines("ddim") | {DENOISING: denoising.sampler}
    all_measures = partial(ours.on_features, measure=ours.all_measures)
    measures = {who: partial(ours.on_features, measure=measure) for who, measure in features.BASELINES.items()}
    table = (
        Task(TRAINING, "images", ours.train, train),
        Task(DDIM, "images", partial(ours.sample, sampler="ddim"), ddim),
        Task(DDPM, "images", partial(ours.sample, sampler="ddpm"), pipelines("ddpm")),
        Task(DETECTION, "avatars", ours.detect, {ONE_BY_ONE: images.one_by_one}),
        Task(ORACLES, "images", ours.train_oracles, loading(TORCHVISION, torchvision.training)),
        Task(CLASSIFYING, "images", ours.classify, loading(TORCHVISION, torchvision.classifying)),
        Task(MEASURES, "sets", all_measures, measures, warm_up=0),  # each has been called on a few features by then
        Task(LPIPS, "pairs", ours.lpips_of_pairs, {"lpips in a loop": images.lpips_loop}),
        Task(READING, "avatars", ours.read, loading(TORCHVISION, torchvision.image_folder)),
    )
    return {task.name: task for task in table}


@dataclass(frozen=True)
class Part:
    """What one process measures: all programs of a task, or, along an axis, ours alone at a size `x`."""

    task: str
    parameters: dict[str, Any]  # of the notebook, and of `setting.UNLESS_SIZED`
    what: str = ""  # the name of the task along its axes
    axis: str = ""
    x: int = 0


IMAGES, CLASSES, SIDE, BATCH, PROCESSES = "images", "classes", "side in pixels", "batch", "processes"
STEP, GENERATION = "training step", "generation"
# Generating costs the network's calls, and what grows besides is what lies around them: this shows it in many images.
NARROW = {"channels": [4, 4, 8], "layers_per_block": 1, "attention_size": 0, "bench_ddim_steps": 1}
SHORT = {"bench_feature_length": 512}  # below the number of images, as in a study: until then covariances grow with it
DETECTED_AT_ONCE = 8  # images at most: many small portions keep the workers busy with few images


def parts(parameters: dict[str, Any], *, device: torch.device) -> list[Part]:
    """Everything that is measured: the tasks, then the sizes."""
    n_faces, sides = parameters["bench_faces"], parameters["bench_sides"]
    side, attention = parameters["image_size"], parameters["attention_size"]
    each, batch = max(1, n_faces // (4 * N_CLASSES)), max(1, parameters["batch_size"] // 4)
    narrow = NARROW | {"bench_sampling_batch_size": each, "identities": N_CLASSES}
    at_once = min(DETECTED_AT_ONCE, parameters["detector_batch_size"])
    # As many as keep all workers busy: fewer begin fewer workers, and less memory. On a CPU as many portions per worker
    # as start processes; on a GPU enough that all threads are at work at once.
    workers = min(parallel.cores(), detection.MOST_WORKERS.get(device.type, 1))
    portions = {"cpu": detection.WORTH_A_PROCESS, "cuda": 2 * detection.GPU_BATCHES}
    n_detected = workers * at_once * portions.get(device.type, detection.GPU_BATCHES)

    def scaled(smallest: int) -> list[int]:
        return [smallest * scale for scale in parameters["bench_scales"]]

    # The task, its name, the axis, the sizes, and the parameters of a size: attention stays at the same level.
    axes = (
        (TRAINING, STEP, IMAGES, scaled(n_faces), lambda n: {"bench_faces": n}),
        (DDIM, GENERATION, IMAGES, scaled(4 * N_CLASSES * each), lambda n: narrow | {"bench_samples": n}),
        (DETECTION, DETECTION, IMAGES, scaled(n_detected), lambda n: {"detected": n, "detector_batch_size": at_once}),
        (MEASURES, MEASURES, IMAGES, scaled(parameters["bench_features"]), lambda n: SHORT | {"bench_features": n}),
        (TRAINING, STEP, CLASSES, parameters["bench_classes"], lambda n: {"n_classes": n}),
        (TRAINING, STEP, SIDE, sides, lambda n: {"image_size": n, "attention_size": attention * n // side}),
        (TRAINING, STEP, BATCH, scaled(batch), lambda n: {"batch_size": n}),
        (TRAINING, STEP, PROCESSES, parameters["bench_processes"], lambda n: {"processes": n}),
    )
    return [Part(name, parameters) for name in by_name(parameters)] + [
        Part(task, parameters | {"bench_train_steps": 3} | changed(x), what, axis, x)
        for task, what, axis, sizes, changed in axes
        for x in sizes
    ]
