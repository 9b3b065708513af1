"""A part of the benchmarks, in a process of its own: so is its peak of memory, and nobody meets what others left."""

import hashlib
import json
import os
import platform
import re
import resource
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import PartialState

from kpop_rca.benchmarks import tasks
from kpop_rca.benchmarks.ceilings import CEILINGS
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import OURS, in_turns, why_not
from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, manifests
from kpop_rca.system import devices

LONGEST = 900  # seconds that one part may take


def machine(device: torch.device) -> dict[str, Any]:
    """What the times depend on beside the code and the parameters, but for the versions of libraries."""
    about = {"device": device.type, "name": devices.describe(device), "processor": platform.machine()}
    return about | {"cores": os.cpu_count(), "threads": torch.get_num_threads()}


def measured(part: tasks.Part, *, device: torch.device, folder: Path, scratch: Path) -> pd.DataFrame:
    """The rows of `timing.in_turns`, with task, unit, what, axis, x, and peak_bytes of the whole process.

    They come from the folder where this machine, with these libraries, has measured the part before. A size that fails
    is one row with its reason; ours failing at a task is an error.
    """
    made_by = json.dumps([asdict(part), machine(device), manifests.versions()], sort_keys=True)
    path = folder / f"{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.csv"
    if not checksums.is_whole(path):
        with checksums.recorded(path) as result:
            try:
                _measure(part, Setting(part.parameters, device, scratch), result)
            except (OSError, ValueError, StudyError, subprocess.SubprocessError) as error:
                if not part.axis:
                    raise StudyError(f"{part.task}: {error}") from None
                pd.DataFrame([{"who": OURS, "why": why_not(error)}]).to_csv(result, index=False)
    rows, unit = read(path), tasks.by_name(part.parameters)[part.task].unit
    return rows.assign(task=part.task, unit=unit, what=part.what, axis=part.axis, x=part.x)


def read(path: Path) -> pd.DataFrame:
    """A table; the reasons, where there are any, are texts."""
    return pd.read_csv(path, dtype={"why": "str"}).fillna({"why": ""})


def _measure(part: tasks.Part, setting: Setting, result: Path) -> None:
    _ = setting.faces, setting.features  # made here
    device, processes = setting.device, setting["processes"]
    # Not by `accelerate launch`, which starts one for CPUs, whatever number it is told.
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    variables = {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // processes)), "OMP_WAIT_POLICY": "PASSIVE"}
    variables |= {"ACCELERATE_USE_CPU": "true"} if device.type == "cpu" else {}
    variables |= {devices.COMPILE: "off"} if part.axis else {}  # it would not pay in work as short
    about = {"part": asdict(part), "device": str(device), "scratch": str(setting.scratch), "result": str(result)}
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", __name__, json.dumps(about)]
    run = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=LONGEST)
    if run.returncode:
        raise StudyError((run.stderr.strip() or "it ended without a word").splitlines()[-1])
    for slower in re.findall(r"UserWarning: ((?:not compiled|this GPU).*)", run.stderr):  # see `system.devices`
        print(slower)


def timed(part: tasks.Part, setting: Setting) -> pd.DataFrame:
    """Time a part in this process: ours alone at a size, else in turns with baselines and the machine's ceilings."""
    task = tasks.by_name(part.parameters)[part.task]
    programs = {OURS: task.ours} | ({} if part.axis else task.baselines | CEILINGS)
    ready = {who: partial(program, setting) for who, program in programs.items()}
    return in_turns(ready, repeats=setting["bench_repeats"], warm_up=task.warm_up, device=setting.device)


def peak_bytes(device: torch.device) -> int:
    """The most memory in use at once: of the GPU where it was used, else of this process and its largest worker."""
    if device.type == "cuda" and (peak := torch.cuda.max_memory_allocated(device)):
        return peak
    unit, status = 1 if sys.platform == "darwin" else 1024, Path("/proc/self/status")
    own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    if status.is_file():  # on Linux ru_maxrss begins with the parent's at the start
        own = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    return unit * (own + workers)


def main(about: str) -> None:
    """Measure one part in this process, which is one of several where they train together; the first writes a CSV."""
    told = json.loads(about)
    part, device = tasks.Part(**told["part"]), torch.device(told["device"])
    setting = Setting(part.parameters, device, Path(told["scratch"]))
    rows, state = timed(part, setting), PartialState()
    if state.num_processes != setting["processes"]:
        raise StudyError(f"not {setting['processes']} processes were at work together")
    if state.is_main_process:
        rows.assign(peak_bytes=peak_bytes(device)).to_csv(told["result"], index=False)
    state.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
