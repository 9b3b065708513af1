"""How time and memory grow: one size after another, each in a process of its own, so that its peak is its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import linregress

from kpop_rca.benchmarks.setting import N_CLASSES
from kpop_rca.benchmarks.timing import why_not
from kpop_rca.errors import StudyError

CHILD = "kpop_rca.benchmarks.child"
IMAGES, CLASSES, SIDE, BATCH, PROCESSES = "images", "classes", "side in pixels", "batch", "processes"
FACES = "faces.npy"
STEPS, DDIM_STEPS = 3, 5  # of training a repeat, of drawing an image
LONGEST = 600  # seconds that one size may take
TOLD_MEGABYTES = 8.0  # of data between the smallest and the largest size, to tell its growth from noise
# What the time of a row is the time of.
TRAINING, GENERATION = "training step", "generation"
DETECTION, MEASURES = "face detection", "FID, KID and PRDC"


def points(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Every size that is measured.

    Args:
        parameters: of the notebook.

    Returns:
        what, axis, x, n_classes, and `parameters`: those of the notebook that the size changes.
    """
    scales = parameters["bench_scales"]
    found = []
    for what, name, smallest in (
        (TRAINING, "bench_faces", parameters["bench_faces"]),
        (GENERATION, "bench_samples", parameters["bench_samples"]),
        # From as many as keep all workers busy: with fewer it is the workers that are begun that need memory.
        (DETECTION, "bench_detected", max(1, parameters["bench_photographs"] // 2)),
        (MEASURES, "bench_features", max(12, parameters["bench_features"] // max(scales))),
    ):
        found += [_point(what, IMAGES, smallest * k, {name: smallest * k}) for k in scales]
    found += [_point(TRAINING, CLASSES, k, {}) | {"n_classes": k} for k in parameters["bench_classes"]]
    found += [_point(TRAINING, SIDE, side, {"image_size": side}) for side in parameters["bench_sides"]]
    smallest = max(1, parameters["batch_size"] // 4)
    found += [_point(TRAINING, BATCH, smallest * k, {"batch_size": smallest * k}) for k in scales]
    return found + [_point(TRAINING, PROCESSES, k, {}) for k in parameters["bench_processes"]]


def _point(what: str, axis: str, x: int, changed: dict[str, Any]) -> dict[str, Any]:
    brief = {"bench_train_steps": STEPS, "bench_ddim_steps": DDIM_STEPS}
    return {"what": what, "axis": axis, "x": x, "n_classes": N_CLASSES, "parameters": brief | changed}


def measure(parameters: dict[str, Any], *, device: torch.device, progress: Callable = iter) -> pd.DataFrame:
    """Time and peak memory at every size.

    Args:
        parameters: of the notebook.
        device: to compute on.
        progress: wraps the list of sizes, `tqdm` for example.

    Returns:
        Columns what, axis, x; seconds (median over the repeats); peak_bytes (of the process, or of the GPU's memory,
        the first of several processes); data_bytes (what it works on, as it is handed over); why (a size that
        failed has no numbers, and the reason).
    """
    rows = []
    for point in progress(points(parameters)):
        about = {key: point[key] for key in ("what", "axis", "x")}
        try:
            found = _in_a_process(parameters | point["parameters"], point, device=device)
        except (OSError, ValueError, StudyError, subprocess.SubprocessError) as error:
            found = {"seconds": np.nan, "peak_bytes": np.nan, "data_bytes": np.nan, "why": why_not(error)}
        rows.append(about | found)
    return pd.DataFrame(rows)


def _in_a_process(parameters: dict[str, Any], point: dict[str, Any], *, device: torch.device) -> dict[str, Any]:
    """What `kpop_rca.benchmarks.child` says of one size."""
    processes = point["x"] if point["axis"] == PROCESSES else 1
    with tempfile.TemporaryDirectory() as scratch:
        _write_faces(Path(scratch), parameters)
        task = point | {"parameters": parameters, "device": device.type, "scratch": scratch}
        launcher = _launcher(processes, device) if processes > 1 else []
        threads = max(1, torch.get_num_threads() // processes)
        run = subprocess.run(
            [sys.executable, *launcher, "-m", CHILD, json.dumps(task)],
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"},
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
        if run.returncode:
            raise StudyError((run.stderr.strip() or "it ended without a word").splitlines()[-1])
        return json.loads(run.stdout.strip().splitlines()[-1]) | {"why": ""}


def _write_faces(folder: Path, parameters: dict[str, Any]) -> None:
    """Random faces, made here, so that the making is no part of the child's memory."""
    side = parameters["image_size"]
    shape = (parameters["bench_faces"], side, side, 3)
    np.save(folder / FACES, np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8))


def _launcher(processes: int, device: torch.device) -> list[str]:
    """`accelerate launch`, as the README has it."""
    where = ["--cpu"] if device.type == "cpu" else []
    return ["-m", "accelerate.commands.launch", *where, "--num_processes", str(processes)]


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """How time and peak memory grow with each axis: cost = constant * x ** exponent, by least squares on log-log.

    Args:
        table: from `measure`.

    Returns:
        A row for each what, axis and cost ("seconds", "peak_bytes"): exponent, standard_error (of the fit; NaN for
        fewer than three sizes), n_sizes. Sizes that failed are left out; with fewer than two there is no exponent.
    """
    rows = []
    for (what, axis), part in table.groupby(["what", "axis"], sort=False):
        for cost in ("seconds", "peak_bytes"):
            there = part[part[cost] > 0]
            exponent, error = np.nan, np.nan
            if there["x"].nunique() >= 2:
                fit = linregress(np.log(there["x"]), np.log(there[cost]))
                exponent, error = fit.slope, fit.stderr if len(there) > 2 else np.nan
            about = {"what": what, "axis": axis, "cost": cost}
            rows.append(about | {"exponent": exponent, "standard_error": error, "n_sizes": len(there)})
    return pd.DataFrame(rows)


def memory_growth(table: pd.DataFrame) -> pd.DataFrame:
    """By how many bytes the peak grows with a byte of data, along the number of images.

    Args:
        table: from `measure`.

    Returns:
        A row for each what: growth (slope of peak_bytes on data_bytes), standard_error, data_megabytes (the span of
        the sizes, to be held against what a process varies by anyway).
    """
    rows = []
    for what, part in table[table["axis"] == IMAGES].groupby("what", sort=False):
        there = part.dropna(subset=["peak_bytes", "data_bytes"])
        growth, error, span = np.nan, np.nan, np.nan
        if there["data_bytes"].nunique() >= 2:
            fit = linregress(there["data_bytes"], there["peak_bytes"])
            growth, error = fit.slope, fit.stderr if len(there) > 2 else np.nan
            span = np.ptp(there["data_bytes"]) / 1e6
        rows.append({"what": what, "growth": growth, "standard_error": error, "data_megabytes": span})
    return pd.DataFrame(rows)
