"""The whole run, part by part; a run that was stopped goes on with the part that it had not ended."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca.benchmarks import scaling, tasks, verdicts
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, manifests, paths
from kpop_rca.system import devices, files

TIMES, SCALING, MACHINE = "90_times", "90_scaling", "90_machine"
TABLES = (TIMES, SCALING, MACHINE)
# As committed tables may call them.
FORMER_TASKS = {"training judges": tasks.ORACLES, "asking a judge": tasks.CLASSIFYING}
Tables = dict[str, pd.DataFrame]


def measure(parameters: dict[str, Any], *, device: torch.device, folder: Path, progress: Callable) -> Tables:
    """Time everything that the parameters ask for, part by part; the parts that are done lie in the stage's folder.

    Returns:
        TIMES (see `tasks.times`), SCALING (see `scaling.measure`) and MACHINE (quantity, value).
    """
    parts = _folder_of_parts(folder, parameters, device=device)
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(parameters, device, Path(scratch))
        found = {f"{MACHINE}_0": partial(_machine, parameters, device)}
        for k, task in enumerate(tasks.TASKS):
            found[f"{TIMES}_{k}"] = partial(tasks.times, task, setting, progress=partial(progress, desc=task.name))
        made = {name: _part(parts / f"{name}.csv", make) for name, make in found.items()}
        points = scaling.points(parameters, device=device)
        for k, point in enumerate(progress(points, desc="scaling")):  # minutes together: a part each
            make = partial(scaling.measure, point, parameters, device=device)
            made[f"{SCALING}_{k}"] = _part(parts / f"{SCALING}_{k}.csv", make)
    return {
        name: pd.concat([table for part, table in made.items() if part.startswith(name)], ignore_index=True)
        for name in TABLES
    }


def _folder_of_parts(folder: Path, parameters: dict[str, Any], *, device: torch.device) -> Path:
    """Where the parts lie that are measured so, on such a machine, with these libraries; others are removed.

    Where the stage begins, the same device, batch of the detector or libraries are not required: they change no result
    there, and here all of them.
    """
    about = [parameters, _hardware(device), manifests.versions()]
    made_by = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    for other in (folder / "parts").glob("*"):
        if other.name != made_by:
            shutil.rmtree(other)
    return folder / "parts" / made_by


def _part(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table from its file; made, and written, where there is none that is whole."""
    if not checksums.is_whole(path):
        table = make()
        with checksums.recorded(path) as temporary:
            table.to_csv(temporary, index=False)
    return _read(path)


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype={"why": "str"})
    return table.assign(why=table["why"].fillna("")) if "why" in table else table


def _machine(parameters: dict[str, Any], device: torch.device) -> pd.DataFrame:
    """What the numbers were measured on, and with."""
    about = _hardware(device) | {"study, seconds": _seconds_of_the_study()}
    names = ("image_size", "channels", "batch_size", "mixed_precision")
    about |= {name: parameters[name] for name in (*names, *(n for n in parameters if n.startswith("bench_")))}
    about |= manifests.versions()
    return pd.DataFrame({"quantity": about.keys(), "value": [str(value) for value in about.values()]})


def _hardware(device: torch.device) -> dict[str, Any]:
    return {
        "device": device.type,
        "name": devices.describe(device),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


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
    return tables | {TIMES: tables[TIMES].replace({"task": FORMER_TASKS})}


def summary(tables: Tables) -> dict[str, pd.DataFrame]:
    """What follows from the measured tables: rates, ratios, whole_runs, memory, exponents."""
    times, machine = verdicts.with_separate(tables[TIMES]), _entries(tables)
    rates, steps, seconds = verdicts.rates(times), machine["bench_ddpm_steps"], machine["study, seconds"]
    return {
        "rates": rates,
        "ratios": verdicts.ratios(times, device=machine["device"]),
        "whole_runs": verdicts.whole_runs(
            rates, steps_ddpm=int(steps), study_seconds=float(seconds), device=machine["device"]
        ),
        "memory": verdicts.memory(tables[SCALING]),
        "exponents": scaling.exponents(tables[SCALING]),
    }


def metrics(study: str, tables: Tables, found: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The result in a form for machines: what `summary` found, null where a number is missing, and the machine."""
    rows = {name: table.replace({np.nan: None}).to_dict("records") for name, table in found.items()}
    return {"study": study, "machine": _entries(tables)} | rows


def _entries(tables: Tables) -> dict[str, str]:
    return tables[MACHINE].set_index("quantity")["value"].to_dict()
