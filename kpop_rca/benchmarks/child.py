"""One size of a scaling measurement, in a process of its own.

python -m kpop_rca.benchmarks.child '{"what": ..., "x": ..., "parameters": ..., "n_classes": ..., "device": ...}'

Reads `faces.npy` or `features.npy` in the folder that `scratch` names; prints one line of JSON: seconds, peak_bytes,
data_bytes.
"""

import json
import re
import resource
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState

from kpop_rca.benchmarks import ours, sizes, timing
from kpop_rca.benchmarks.setting import PHOTOGRAPH, Setting
from kpop_rca.benchmarks.timing import Work

FACES, FEATURES = "faces.npy", "features.npy"
WARM_UP = 1


class Sized(Setting):
    """The faces or features that lie in a file, as a stage finds them, and `bench_detected` photographs, repeated where
    needed."""

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
    """What is timed, and the bytes that it works on.

    A network is compiled where that pays for the few calls that are made here, and so hardly ever.
    """
    if what == sizes.TRAINING:
        steps = setting["bench_train_steps"] * (WARM_UP + setting["bench_repeats"])
        return ours.training_steps(setting, steps=steps + 1), sum(part.nbytes for part in setting.faces)
    if what == sizes.GENERATION:
        work = ours.generation(setting, sampler="ddim", calls=0, identities=setting.n_classes)
        return work, work.items * 3 * setting["image_size"] ** 2
    if what == sizes.DETECTION:
        work = ours.detected(setting)
        return work, work.items * 3 * PHOTOGRAPH**2
    return ours.measured(setting), sum(part.nbytes for part in setting.features)


def peak_bytes(device: torch.device) -> int:
    """The most memory that was in use at once: of the GPU where the work was done on one, else resident in this
    process, and in the largest of its worker processes where it had some.

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


def measured(task: dict[str, Any]) -> dict[str, float]:
    """Time and peak memory of one size; see the module."""
    device = sizes.device_of(task["what"], torch.device(task["device"]))
    setting = Sized(task["parameters"], device, Path(task["scratch"]), n_classes=task["n_classes"])
    work, data_bytes = work_of(task["what"], setting)
    timed = timing.in_turns(
        {timing.OURS: lambda: work}, repeats=setting["bench_repeats"], warm_up=WARM_UP, device=device
    )
    return {"seconds": timed["seconds"].median(), "peak_bytes": peak_bytes(device), "data_bytes": data_bytes}


if __name__ == "__main__":
    result = measured(json.loads(sys.argv[1]))
    if PartialState().is_main_process:
        print(json.dumps(result | {"processes": PartialState().num_processes}))
    PartialState().destroy_process_group()
