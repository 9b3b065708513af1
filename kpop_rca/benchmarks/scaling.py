"""How time and memory grow: one size after another, each in a process of its own, so that its peak is its own."""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from scipy.stats import linregress

from kpop_rca.benchmarks import ours, timing
from kpop_rca.benchmarks.setting import N_CLASSES, PHOTOGRAPH, Setting, random_features
from kpop_rca.benchmarks.timing import Work
from kpop_rca.errors import StudyError
from kpop_rca.faces import detection
from kpop_rca.system import parallel

IMAGES, CLASSES, SIDE, BATCH, PROCESSES = "images", "classes", "side in pixels", "batch", "processes"
TRAINING, GENERATION, DETECTION, MEASURES = "training step", "generation", "face detection", "FID, KID and PRDC"
FACES, FEATURES = "faces.npy", "features.npy"
LONGEST = {"cpu": 900, "cuda": 240}  # seconds that one size may take
WARM_UP, STEPS = 1, 3  # repeats that are not timed; steps of training a repeat
# Drawing costs the network's calls, and what grows besides is what lies around them: this shows it in many images.
NARROW = {"channels": [4, 4, 8], "layers_per_block": 1, "attention_size": 0, "bench_ddim_steps": 1}
FEATURE_LENGTH = 512  # fewer than there are images, as in a study: until then covariances grow with the images
DETECTED_AT_ONCE = 8  # photographs at most: many small portions keep the workers busy with few photographs


def points(parameters: dict[str, Any], *, device: torch.device) -> list[dict[str, Any]]:
    """Every size that is measured: what, axis, x, and the `parameters` of the notebook that it changes."""
    scales, batch = parameters["bench_scales"], max(1, parameters["batch_size"] // 4)
    each = max(1, parameters["bench_faces"] // (4 * N_CLASSES))
    at_once = min(DETECTED_AT_ONCE, parameters["detector_batch_size"])
    along_images = (
        (TRAINING, "bench_faces", parameters["bench_faces"], {}),
        (GENERATION, "bench_samples", 4 * N_CLASSES * each, NARROW | {"bench_sampling_batch_size": each}),
        (DETECTION, "bench_detected", _fewest_detected(at_once, device), {"detector_batch_size": at_once}),
        (MEASURES, "bench_features", parameters["bench_features"], {"bench_feature_length": FEATURE_LENGTH}),
    )
    found = [
        (what, IMAGES, smallest * k, changed | {name: smallest * k})
        for what, name, smallest, changed in along_images
        for k in scales
    ]
    found += [(TRAINING, CLASSES, k, {}) for k in parameters["bench_classes"]]
    for side in parameters["bench_sides"]:  # with self-attention at the same level
        attention = parameters["attention_size"] * side // parameters["image_size"]
        found.append((TRAINING, SIDE, side, {"image_size": side, "attention_size": attention}))
    found += [(TRAINING, BATCH, batch * k, {"batch_size": batch * k}) for k in scales]
    found += [(TRAINING, PROCESSES, k, {}) for k in parameters["bench_processes"]]
    names = ("what", "axis", "x", "parameters")
    return [dict(zip(names, point, strict=True)) for point in found]


def _fewest_detected(at_once: int, device: torch.device) -> int:
    """Photographs that keep all workers of `detect_faces` busy, as more do: fewer begin fewer workers, and less memory.

    On a CPU as many portions a worker as start processes; on a GPU enough that all threads are at work at once.
    """
    workers = min(parallel.cores(), detection.MOST_WORKERS.get(device.type, 1))
    portions = {"cpu": detection.WORTH_A_PROCESS, "cuda": 2 * detection.GPU_BATCHES}
    return workers * at_once * portions.get(device.type, detection.GPU_BATCHES)


def measure(point: dict[str, Any], parameters: dict[str, Any], *, device: torch.device) -> pd.DataFrame:
    """A row: what, axis, x, seconds (median), peak_bytes, data_bytes (as handed over), why (of one without numbers)."""
    row = {name: point[name] for name in ("what", "axis", "x")}
    try:
        found = _in_a_process(point, parameters | {"bench_train_steps": STEPS} | point["parameters"], device=device)
    except (OSError, ValueError, StudyError, subprocess.SubprocessError) as error:
        found = dict.fromkeys(("seconds", "peak_bytes", "data_bytes"), np.nan) | {"why": timing.why_not(error)}
    return pd.DataFrame([row | found])


def _in_a_process(point: dict[str, Any], parameters: dict[str, Any], *, device: torch.device) -> dict[str, Any]:
    what, axis, x = (point[name] for name in ("what", "axis", "x"))
    kind = "cpu" if what == MEASURES else device.type  # whose memory is looked at
    processes, launcher = (x if axis == PROCESSES else 1), []
    if processes > 1:  # not by `accelerate launch`, which starts one for CPUs, whatever number it is told
        port = str(_free_port())
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", port]
    variables = {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // processes)), "OMP_WAIT_POLICY": "PASSIVE"}
    variables |= {"ACCELERATE_USE_CPU": "true"} if device.type == "cpu" else {}
    with tempfile.TemporaryDirectory() as scratch:
        _make_data(what, Setting(parameters, device, Path(scratch)))
        task = {"what": what, "parameters": parameters, "device": kind, "scratch": scratch}
        task["n_classes"] = x if axis == CLASSES else N_CLASSES
        run = subprocess.run(
            [sys.executable, *launcher, "-m", "kpop_rca.benchmarks.scaling", json.dumps(task)],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=LONGEST.get(device.type, max(LONGEST.values())),
        )
    if run.returncode:
        raise StudyError((run.stderr.strip() or "it ended without a word").splitlines()[-1])
    found = json.loads(run.stdout.strip().splitlines()[-1])
    if found.pop("processes") != processes:
        raise StudyError(f"not {processes} processes were at work together")
    return found | {"why": ""}


def _make_data(what: str, setting: Setting) -> None:
    """Random faces or features in a file, or drawn photographs: here, so that the making is not the child's memory."""
    if what == TRAINING:
        shape = (setting["bench_faces"], setting["image_size"], setting["image_size"], 3)
        np.save(setting.scratch / FACES, np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8))
    elif what == MEASURES:
        features = random_features(setting["bench_features"], setting["bench_feature_length"], seed=setting["seed"])
        np.save(setting.scratch / FEATURES, np.stack(features))
    elif what == DETECTION:
        _ = setting.photographs


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


class Sized(Setting):
    """The data that lie in a file, as a stage finds them, and `bench_detected` photographs, repeated where needed."""

    @cached_property
    def faces(self) -> tuple[np.ndarray, np.ndarray]:
        images = np.load(self.scratch / FACES)
        return images, np.arange(len(images)) % self.n_classes

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(np.load(self.scratch / FEATURES))

    @cached_property
    def photographs(self) -> tuple[pd.DataFrame, Path]:
        table, root = super().photographs
        return table.iloc[np.arange(self["bench_detected"]) % len(table)].reset_index(drop=True), root


def work_of(what: str, setting: Setting) -> tuple[Work, int]:
    """What is timed, and the bytes that it works on; compiled where that pays for so few calls, so hardly ever."""
    if what == TRAINING:
        steps = setting["bench_train_steps"] * (WARM_UP + setting["bench_repeats"])
        return ours.training_steps(setting, steps=steps + 1), sum(part.nbytes for part in setting.faces)
    if what == GENERATION:
        work = ours.generation(setting, sampler="ddim", calls=0, identities=setting.n_classes)
        return work, work.items * 3 * setting["image_size"] ** 2
    if what == DETECTION:
        work = ours.detected(setting)
        return work, work.items * 3 * PHOTOGRAPH**2
    return ours.measured(setting), sum(part.nbytes for part in setting.features)


def peak_bytes(device: torch.device) -> int:
    """The most memory in use at once: of the GPU, else of this process and the largest of its workers.

    On Linux `ru_maxrss` begins with the parent's at the start; VmHWM is the process' own.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    workers = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if status.is_file():
        return workers + 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    return workers + unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def print_measured(task: str) -> None:
    """Measure one size, in this process; prints a line of JSON."""
    about = json.loads(task)
    device = torch.device(about["device"])
    setting = Sized(about["parameters"], device, Path(about["scratch"]), n_classes=about["n_classes"])
    work, data_bytes = work_of(about["what"], setting)
    repeats = setting["bench_repeats"]
    timed = timing.in_turns({timing.OURS: lambda: work}, repeats=repeats, warm_up=WARM_UP, device=device)
    found = {"seconds": timed["seconds"].median(), "peak_bytes": peak_bytes(device), "data_bytes": data_bytes}
    if PartialState().is_main_process:
        print(json.dumps(found | {"processes": PartialState().num_processes}))
    PartialState().destroy_process_group()


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """How each cost grows along each axis: cost = constant * x ** exponent, by least squares on log-log.

    Returns:
        what, axis, cost ("seconds" or "peak_bytes"), exponent, standard_error (NaN for fewer than three sizes), n_sizes
        (of those that have numbers).
    """
    rows = []
    for (what, axis), part in table.groupby(["what", "axis"], sort=False):
        for cost in ("seconds", "peak_bytes"):
            there = part[part[cost] > 0]
            exponent, error = slope(np.log(there["x"]), np.log(there[cost]))
            about = {"what": what, "axis": axis, "cost": cost}
            rows.append(about | {"exponent": exponent, "standard_error": error, "n_sizes": len(there)})
    return pd.DataFrame(rows)


def slope(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Of the line by least squares, and its standard error; NaN where there are too few points for one."""
    if x.nunique() < 2:
        return np.nan, np.nan
    fit = linregress(x, y)
    if len(x) < 3:
        return fit.slope, np.nan
    return fit.slope, 0.0 if np.ptp(y) == 0 else fit.stderr  # scipy has none where nothing grows, as on a GPU


if __name__ == "__main__":
    print_measured(sys.argv[1])
