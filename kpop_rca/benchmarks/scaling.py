"""How time and memory grow: one size after another, each in a process of its own, so that its peak is its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import linregress

from kpop_rca.benchmarks import child, sizes
from kpop_rca.benchmarks.setting import Setting, random_features
from kpop_rca.benchmarks.timing import why_not
from kpop_rca.errors import StudyError

LONGEST = {"cpu": 900, "cuda": 240}  # seconds that one size may take; on a GPU they are few where one is lent


def measure(point: dict[str, Any], parameters: dict[str, Any], *, device: torch.device) -> pd.DataFrame:
    """Time and peak memory at one size.

    Args:
        point: of `sizes.points`.
        parameters: of the notebook.
        device: to compute on.

    Returns:
        A row: what, axis, x; seconds (median over the repeats); peak_bytes (of the process, or of the memory of the GPU
        where the work is done on one; the first of several processes that work together; the median where the point
        has several `runs`); data_bytes (what it works on, as it is handed
        over); why (a size that failed has no numbers, and the reason).
    """
    about = {key: point[key] for key in ("what", "axis", "x")}
    try:
        n_runs = point.get("runs", 1)
        changed = parameters | point["parameters"] | {"bench_repeats": -(-parameters["bench_repeats"] // n_runs)}
        runs = [_in_a_process(changed, point, device=device) for _ in range(n_runs)]
        found = pd.DataFrame(runs).median().to_dict() | {"why": ""}
    except (OSError, ValueError, StudyError, subprocess.SubprocessError) as error:
        found = {"seconds": np.nan, "peak_bytes": np.nan, "data_bytes": np.nan, "why": why_not(error)}
    return pd.DataFrame([about | found])


def _in_a_process(parameters: dict[str, Any], point: dict[str, Any], *, device: torch.device) -> dict[str, float]:
    """What `child` says of one size."""
    processes = point["x"] if point["axis"] == sizes.PROCESSES else 1
    with tempfile.TemporaryDirectory() as scratch:
        _make_data(point["what"], Setting(parameters, device, Path(scratch)))
        task = point | {"parameters": parameters, "device": device.type, "scratch": scratch}
        launcher = _launcher(processes) if processes > 1 else []
        on_cpu = {"ACCELERATE_USE_CPU": "true"} if device.type == "cpu" else {}
        threads = max(1, torch.get_num_threads() // processes)
        run = subprocess.run(
            [sys.executable, *launcher, "-m", child.__name__, json.dumps(task)],
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"} | on_cpu,
            capture_output=True,
            text=True,
            timeout=LONGEST.get(device.type, max(LONGEST.values())),
        )
        if run.returncode:
            raise StudyError((run.stderr.strip() or "it ended without a word").splitlines()[-1])
        found = json.loads(run.stdout.strip().splitlines()[-1])
        if found.pop("processes") != processes:
            raise StudyError(f"not {processes} processes were at work together")
        return found


def _make_data(what: str, setting: Setting) -> None:
    """Random faces or features in a file, or drawn photographs: here, so that the making is not the child's memory."""
    if what == sizes.TRAINING:
        side = setting["image_size"]
        shape = (setting["bench_faces"], side, side, 3)
        np.save(setting.scratch / child.FACES, np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8))
    elif what == sizes.MEASURES:
        features = random_features(setting["bench_features"], setting["bench_feature_length"], seed=setting["seed"])
        np.save(setting.scratch / child.FEATURES, np.stack(features))
    elif what == sizes.DETECTION:
        _ = setting.photographs


def _launcher(processes: int) -> list[str]:
    """As many processes; not by `accelerate launch`, which starts one for CPUs, whatever number it is told."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    return ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(port)]


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
                exponent, error = _slope(np.log(there["x"]), np.log(there[cost]))
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
    for what, part in table[table["axis"] == sizes.IMAGES].groupby("what", sort=False):
        there = part.dropna(subset=["peak_bytes", "data_bytes"])
        growth, error, span = np.nan, np.nan, np.nan
        if there["data_bytes"].nunique() >= 2:
            growth, error = _slope(there["data_bytes"], there["peak_bytes"])
            span = np.ptp(there["data_bytes"]) / 1e6
        rows.append({"what": what, "growth": growth, "standard_error": error, "data_megabytes": span})
    return pd.DataFrame(rows)


def _slope(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Of the line by least squares, and its standard error; NaN for that of fewer than three points."""
    fit = linregress(x, y)
    if len(x) < 3:
        return fit.slope, np.nan
    return fit.slope, 0.0 if np.ptp(y) == 0 else fit.stderr  # scipy has none where nothing grows, as on a GPU
