"""A part of the benchmarks, measured in a process of its own: `python -m kpop_rca.benchmarks.process '{"part": …}'`.

Its peak of memory is then its own, and nobody meets what others left.
"""

import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from accelerate import PartialState

from kpop_rca.benchmarks import tasks, timing
from kpop_rca.benchmarks.ceilings import CEILINGS
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import OURS
from kpop_rca.errors import StudyError
from kpop_rca.system import devices

LONGEST = 900  # seconds that one part may take


def measure(part: tasks.Part, *, device: torch.device, scratch: Path) -> pd.DataFrame:
    """The columns of `timing.in_turns`, with task, unit, what, axis, x, and peak_bytes of the whole process.

    A size that fails is one row with its reason.

    Raises:
        StudyError: ours can't do a task.
    """
    try:
        rows = _in_a_process(part, device=device, scratch=scratch)
    except (OSError, ValueError, StudyError, subprocess.SubprocessError) as error:
        if not part.axis:
            raise StudyError(f"{part.task}: {error}") from None
        rows = pd.DataFrame([{"who": OURS, "why": timing.why_not(error)}])
    unit = tasks.tasks(part.parameters)[part.task].unit
    return rows.assign(task=part.task, unit=unit, what=part.what, axis=part.axis, x=part.x)


def _in_a_process(part: tasks.Part, *, device: torch.device, scratch: Path) -> pd.DataFrame:
    setting, result = Setting(part.parameters, device, scratch), scratch / "rows.csv"
    setting.make_data()
    processes = setting["processes"]
    # Not by `accelerate launch`, which starts one for CPUs, whatever number it is told.
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    variables = {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // processes)), "OMP_WAIT_POLICY": "PASSIVE"}
    variables |= {"ACCELERATE_USE_CPU": "true"} if device.type == "cpu" else {}
    variables |= {devices.COMPILE: "off"} if part.axis else {}  # it would not pay in work as short
    about = {"part": asdict(part), "device": str(device), "scratch": str(scratch), "result": str(result)}
    run = subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), "-m", __name__, json.dumps(about)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    if run.returncode:
        raise StudyError((run.stderr.strip() or "it ended without a word").splitlines()[-1])
    return pd.read_csv(result)


def contenders_timed(part: tasks.Part, setting: Setting) -> pd.DataFrame:
    """Time a part in this process: the contenders and the machine's ceilings in turns, or ours alone at a size."""
    task = tasks.tasks(part.parameters)[part.task]
    found = {OURS: task.contenders[OURS]} if part.axis else task.contenders | CEILINGS
    prepared = {who: partial(prepare, setting) for who, prepare in found.items()}
    return timing.in_turns(prepared, repeats=setting["bench_repeats"], warm_up=task.warm_up, device=setting.device)


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
    rows, state = contenders_timed(part, setting), PartialState()
    if state.num_processes != setting["processes"]:
        raise StudyError(f"not {setting['processes']} processes were at work together")
    if state.is_main_process:
        rows.assign(peak_bytes=peak_bytes(device)).to_csv(told["result"], index=False)
    state.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
