"""Train and generate in processes that are killed at random moments, for `test_kills`.

    python killed_stages.py <folder of an uninterrupted run> <folder of the interrupted one>

Everything is imported once; the workers that are killed are forks, so that starting one costs nothing. Prints what
came out.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import small_training
import torch
from tqdm import tqdm

from kpop_rca.diffusion import generation, trainings
from kpop_rca.diffusion.trainer import load_trained
from kpop_rca.study import manifests, params, paths, schema, stage_run
from kpop_rca.system import parallel
from kpop_rca.system.files import HALF

STUDY = "mine"
KILLS = {"ddpm": 3, "generated": 3}  # of each stage of the study
# What must be the same to the last byte; a log of the loss holds its times, and a checkpoint the log.
COMPARED = ("unet/", "scheduler/", "samples/", "identity_")
TRAININGS = 2
SMALL = {"image_size": 16, "channels": [8, 16], "attention_size": 0, "train_steps": 30, "batch_size": 4}
# A study of a single training by each objective and optimiser, which is killed once.
RECIPES = {
    f"{prediction}-{optimizer}": {"prediction": prediction, "optimizer": optimizer}
    for prediction in get_args(schema.Parameters.model_fields["prediction"].annotation)
    for optimizer in get_args(schema.Parameters.model_fields["optimizer"].annotation)
}


def begin(notebook: str, study: str) -> stage_run.StageRun:
    return stage_run.begin(notebook, {"study": study, "seed": 0})


def ddpm(study: str = STUDY, **recipe: Any) -> None:
    """Trainings of a network of a few weights, with a checkpoint every ten steps."""
    stage = begin("03_ddpm_training", study)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 2
    often = {"trainings": 1 if recipe else TRAININGS, "checkpoint_minutes": 1e-6, "sample_grids": 1}
    how = {"folder": stage.folder, "device": small_training.CPU, "bar": partial(tqdm, disable=True)}
    trainings.run_trainings(params.defaults() | SMALL | often | recipe, images, labels, n_classes=2, **how)
    stage.finish()


def generated() -> None:
    """Ten batches of images."""
    stage = begin("05_generation", STUDY)
    folders = trainings.training_folders(stage.input("ddpm"))
    models = [load_trained(folder, small_training.CPU) for folder in folders]
    plan = generation.GenerationPlan(
        sampler="ddim", steps=6, guidance=1.0, images_per_identity=20, batch_size=4, seed=0, trainings=TRAININGS
    )
    generation.generate_by_trainings(models, plan, n_classes=2, folder=stage.folder, progress=iter)
    stage.finish()


WORKS = {"ddpm": ddpm, "generated": generated} | {s: partial(ddpm, s, **recipe) for s, recipe in RECIPES.items()}


def stages_before() -> None:
    """What the stages read, empty."""
    for study in (STUDY, *RECIPES):
        for notebook in ("01_data_audit", "02_preprocessing"):
            begin(notebook, study).finish()


def forked(work: Callable[[], None], *, kill_after: float | None = None) -> tuple[bool, float]:
    """Whether a piece of work came to its end in a process of its own, and the seconds until it ended or was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    begun = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - begun
        if ended:
            if status not in (0, signal.SIGKILL):
                sys.exit(f"{work} failed")
            return status == 0, seconds
        if kill_after is not None and seconds > kill_after:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def hashes(folder: Path, name: str) -> dict[str, str]:
    """File to hash of what a piece of work made, its times left out."""
    place = f"{name}/ddpm" if name in RECIPES else f"{STUDY}/{name}"
    files = manifests.read(folder / "artifacts" / place)["files"]
    return {file: hashed for file, hashed in files.items() if any(part in file for part in COMPARED)}


def killed(name: str, *, seconds: float, generator: np.random.Generator) -> int:
    """Kill a piece of work at random moments, then let it end; how often it was killed."""
    kills = 0
    while kills < KILLS.get(name, 1):
        ended, took = forked(WORKS[name], kill_after=generator.uniform(0.1, 0.9) * seconds)
        kills += not ended
        seconds = took if ended else seconds  # little may be left to do: the next is to be killed within that
    if not forked(WORKS[name])[0]:
        sys.exit(f"{name} was killed by another")
    return kills


def main(reference: Path, interrupted: Path) -> None:
    torch.set_num_threads(1)
    parallel.cores = lambda: 2
    generator = np.random.default_rng(0)
    os.environ[paths.OUTPUT_VARIABLE] = str(reference)
    forked(stages_before)
    seconds = {name: forked(work)[1] for name, work in WORKS.items()}
    os.environ[paths.OUTPUT_VARIABLE] = str(interrupted)
    forked(stages_before)
    kills = {name: killed(name, seconds=seconds[name], generator=generator) for name in WORKS}
    expected, got = ({name: hashes(folder, name) for name in WORKS} for folder in (reference, interrupted))
    left = [path.name for path in interrupted.rglob(f".*{HALF}*")]
    print(json.dumps({"kills": kills, "expected": expected, "got": got, "left": left}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
