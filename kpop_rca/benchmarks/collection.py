"""The whole run, part by part; a run that was stopped goes on with the part that it had not ended."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca.benchmarks import process, tasks, verdicts
from kpop_rca.errors import StudyError
from kpop_rca.study import manifests, paths
from kpop_rca.system import files

TIMES, SCALING, MACHINE = TABLES = "90_times", "90_scaling", "90_machine"
# As committed tables may call them.
FORMER_NAMES = {
    "task": {"training judges": tasks.ORACLES, "asking a judge": tasks.CLASSIFYING},
    "unit": {"photographs": "avatars"},
    "quantity": {"bench_photographs": "bench_avatars"},
}
OF_TIMES = ["task", "unit", "who", "repeat", "seconds", "items", "flops", "bytes", "why"]
Tables = dict[str, pd.DataFrame]


def measure(parameters: dict[str, Any], *, device: torch.device, folder: Path, progress: Callable) -> Tables:
    """Time everything that the parameters ask for; the parts that are done lie in the stage's folder.

    TIMES has the rows of `timing.in_turns` for all programs. SCALING has what, axis, x, seconds (median of ours),
    peak_bytes, data_bytes (as handed over), why (of one without numbers). MACHINE has quantity and value.
    """
    with tempfile.TemporaryDirectory() as scratch:
        where = {"device": device, "folder": folder / "parts", "scratch": Path(scratch)}
        parts = progress(tasks.parts(parameters, device=device), desc="parts")
        rows = pd.concat([process.measured(part, **where) for part in parts], ignore_index=True)
    sizes = rows[rows["axis"] != ""].groupby(["what", "axis", "x"], sort=False)
    growth = sizes.agg({"seconds": "median", "peak_bytes": "first", "data_bytes": "first", "why": "first"})
    names = ["image_size", "channels", "batch_size", "mixed_precision", *(n for n in parameters if n[:6] == "bench_")]
    quick = files.read_json(paths.committed_report("quick") / "metrics.json")
    about = process.machine(device) | {"study, seconds": quick["seconds_together"]}
    about |= {name: parameters[name] for name in names} | manifests.versions()
    machine = pd.DataFrame({"quantity": about.keys(), "value": map(str, about.values())})
    return {TIMES: rows[rows["axis"] == ""].reindex(columns=OF_TIMES), SCALING: growth.reset_index(), MACHINE: machine}


def committed(study: str) -> Tables:
    """The tables that came with the project; an error says how to come by them where there are none."""
    folder = paths.committed_report(study) / "tables"
    missing = [name for name in TABLES if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise StudyError(f"reports/{study}/tables/{missing[0]}.csv is not there; run: make bench BENCH={study}")
    return {name: process.read(folder / f"{name}.csv").replace(FORMER_NAMES) for name in TABLES}


def summary(tables: Tables) -> Tables:
    """What follows from the measured tables: rates, ratios, whole_runs, memory, exponents."""
    times, machine = verdicts.with_separate(tables[TIMES]), tables[MACHINE].set_index("quantity")["value"]
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
    return {"study": study, "machine": tables[MACHINE].set_index("quantity")["value"].to_dict()} | rows
