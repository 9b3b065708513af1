"""The whole run, part by part; a run that was stopped goes on with the part that it had not ended."""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca.benchmarks import process, tasks, verdicts
from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, manifests, paths
from kpop_rca.system import devices, files

TIMES, SCALING, MACHINE = "90_times", "90_scaling", "90_machine"
TABLES = (TIMES, SCALING, MACHINE)
# As committed tables may call them.
FORMER_NAMES = {
    "task": {"training judges": tasks.ORACLES, "asking a judge": tasks.CLASSIFYING},
    "unit": {"photographs": "avatars"},
}
OF_TIMES = ["task", "unit", "who", "repeat", "seconds", "items", "flops", "bytes", "why"]
TEXTS = {"why": "", "what": "", "axis": ""}  # that may be empty
Tables = dict[str, pd.DataFrame]


def measure(parameters: dict[str, Any], *, device: torch.device, folder: Path, progress: Callable) -> Tables:
    """Time everything that the parameters ask for; the parts that are done lie in the stage's folder.

    Returns:
        TIMES: OF_TIMES, see `timing.in_turns`, of ours, the baselines and the machine's ceilings. SCALING: what, axis,
        x, seconds (median of ours), peak_bytes, data_bytes (as handed over), why (of one without numbers). MACHINE:
        quantity, value.
    """
    with tempfile.TemporaryDirectory() as scratch:
        measured = [
            measured_once(part, device=device, folder=folder / "parts", scratch=Path(scratch))
            for part in progress(tasks.parts(parameters, device=device), desc="parts")
        ]
    rows = pd.concat(measured, ignore_index=True)
    sizes = rows[rows["axis"] != ""].groupby(["what", "axis", "x"], sort=False)
    growth = sizes.agg({"seconds": "median", "peak_bytes": "first", "data_bytes": "first", "why": "first"})
    names = ["image_size", "channels", "batch_size", "mixed_precision", *(n for n in parameters if n[:6] == "bench_")]
    about = _machine(device) | {"study, seconds": _seconds_of_the_study()}
    about |= {name: parameters[name] for name in names} | manifests.versions()
    machine = pd.DataFrame({"quantity": about.keys(), "value": map(str, about.values())})
    return {TIMES: rows[rows["axis"] == ""][OF_TIMES], SCALING: growth.reset_index(), MACHINE: machine}


def measured_once(part: tasks.Part, *, device: torch.device, folder: Path, scratch: Path) -> pd.DataFrame:
    """A part, from its file where it was measured with the same machine, libraries and parameters.

    Elsewhere a stage takes up what was begun on another device or with other libraries, which change no result; here
    they change all of them.
    """
    about = json.dumps([asdict(part), _machine(device), manifests.versions()], sort_keys=True)
    path = folder / f"{hashlib.sha256(about.encode()).hexdigest()[:16]}.csv"
    if not checksums.is_whole(path):
        with checksums.recorded(path) as temporary:
            process.measure(part, device=device, scratch=scratch).to_csv(temporary, index=False)
    return _read(path)


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, "str")).fillna(TEXTS)


def _machine(device: torch.device) -> dict[str, Any]:
    about = {"device": device.type, "name": devices.describe(device), "processor": platform.machine()}
    return about | {"cores": os.cpu_count(), "threads": torch.get_num_threads()}


def _seconds_of_the_study() -> float:
    """What 01 to 06 of the default study took, by its committed report; NaN without one.

    Without the starting of kernels; where two ran side by side the time counts once.
    """
    path = paths.committed_report("quick") / "metrics.json"
    return files.read_json(path)["seconds_together"] if path.is_file() else np.nan


def committed(study: str) -> Tables:
    """The tables that came with the project.

    Raises:
        StudyError: there are none.
    """
    folder = paths.committed_report(study) / "tables"
    missing = [name for name in TABLES if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise StudyError(f"reports/{study}/tables/{missing[0]}.csv is not there; run: make bench BENCH={study}")
    tables = {name: _read(folder / f"{name}.csv") for name in TABLES}
    return tables | {TIMES: tables[TIMES].replace(FORMER_NAMES)}


def summary(tables: Tables) -> Tables:
    """What follows from the measured tables: rates, ratios, whole_runs, memory, exponents."""
    times, machine = verdicts.with_separate(tables[TIMES]), _entries(tables)
    rates, device = verdicts.rates(times), machine["device"]
    runs = {"steps_ddpm": int(machine["bench_ddpm_steps"]), "study_seconds": float(machine["study, seconds"])}
    return {
        "rates": rates,
        "ratios": verdicts.ratios(times, device=device),
        "whole_runs": verdicts.whole_runs(rates, device=device, **runs),
        "memory": verdicts.memory(tables[SCALING], device=device),
        "exponents": verdicts.exponents(tables[SCALING]),
    }


def metrics(study: str, tables: Tables, found: Tables) -> dict[str, Any]:
    """The result in a form for machines: what `summary` found, null where a number is missing, and the machine."""
    rows = {name: table.replace({np.nan: None}).to_dict("records") for name, table in found.items()}
    return {"study": study, "machine": _entries(tables)} | rows


def _entries(tables: Tables) -> dict[str, str]:
    return tables[MACHINE].set_index("quantity")["value"].to_dict()
