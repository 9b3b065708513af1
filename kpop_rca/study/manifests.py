"""The record of a stage, where it lies, and the command that makes the stage; loads no library that computes.

A stage's folder `artifacts/<study>/<folder>/` holds what the stage made, and its record twice: `started.json`, of what
its contents are being made from, and `manifest.json`, written last, so that its presence means that the stage is
complete. That adds the checksums of the stage's files, of its part of the report, and of its photographs.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Collection
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, fingerprint, given, params, paths, stages, sweeps
from kpop_rca.system import files, locks

MANIFEST, STARTED = "manifest.json", "started.json"
SOURCE = "source.json"  # of the audit: where the photographs are
METRICS = "metrics.json"
PHOTOGRAPHS, LABELS = "photographs", "labels given by hand"
# Where results go, and who is shown, does not change them: these parameters may differ between a stage and the stages
# behind it, and between a stage and what it left half done.
NOT_COMPARED = {"study", "device", "data_root", "detector_batch_size", "checkpoint_minutes", "publish_images"}
SHOWN = ("publish_images",)  # of these, what an executed notebook shows
KINDS = {"stage": str, "parameters": dict, "inputs": dict, "computing": dict, "code": dict, "data": dict, "told": str}
MADE = {"files": dict, "report": dict, "began": float, "seconds": float}
VERSIONED = (
    "torch", "torchvision", "diffusers", "accelerate", "facenet-pytorch", "torchmetrics", "numpy", "scikit-learn",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in VERSIONED}


def begun(stage: stages.Stage, parameters: dict[str, Any]) -> dict[str, Any]:
    """The record of a stage that begins now."""
    study = parameters["study"]
    now = {name: identity_of(*place) for name, place in params.inputs(stage, study).items()}
    return {
        "stage": stage.notebook,
        "parameters": parameters,
        "inputs": {name: made for name, made in now.items() if made},
        "computing": {stage.module: fingerprint.of_computing(stage.module)},
        "code": {stage.notebook: fingerprint.of_notebook(stage.notebook)},
        "data": hand_labels(parameters),  # what is labelled from here on may come too late to be read
        "told": given.data_root(),
        "versions": versions(),
    }


def read(folder: Path) -> dict[str, Any]:
    """The record in a stage's folder: its manifest, else what it was begun with.

    Raises:
        FileNotFoundError: there is none.
        StudyError: it is damaged, or of an earlier version.
    """
    complete = (folder / MANIFEST).is_file()
    path, kinds = folder / (MANIFEST if complete else STARTED), KINDS | (MADE if complete else {})
    record = files.read_json(path)
    if not isinstance(record, dict) or any(not isinstance(record.get(key), kind) for key, kind in kinds.items()):
        raise StudyError(f"{path} is damaged or of an earlier version")
    return record


def identity(record: dict[str, Any]) -> str:
    """Short hash that names what a stage made: its parameters, inputs and files, not when or how fast."""
    return _digest(record, "inputs", "files", "data")


def made_from(record: dict[str, Any]) -> str:
    """Short hash that names what a stage is made from: work of the same can be continued."""
    return _digest(record, "inputs", "computing")


def _digest(record: dict[str, Any], *parts: str) -> str:
    named = [record["stage"], compared(record["parameters"]), *(record[part] for part in parts)]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def identity_of(study: str, folder: str) -> str | None:
    """`identity` of what a study has in a stage's folder; None where that is not complete."""
    found = folder_of(study, folder)
    with suppress(StudyError, FileNotFoundError):
        return identity(read(found)) if (found / MANIFEST).is_file() else None


def compared(parameters: dict[str, Any], *, also: Collection[str] = ()) -> dict[str, Any]:
    """Those of the parameters that change results, and others."""
    return {name: value for name, value in parameters.items() if name not in NOT_COMPARED or name in also}


def hand_labels(parameters: dict[str, Any]) -> dict[str, str]:
    """LABELS to the checksum of the file, of a stage that reads it; "none" where there is none yet."""
    if "hand_labels" not in parameters:
        return {}
    path = params.hand_labels_file(parameters)
    return {LABELS: files.sha256(path)[:16] if path.is_file() else "none"}


def photographs(folder: Path, root: Path | None = None) -> dict[str, str]:
    """PHOTOGRAPHS to what lies in the data folder of an audit, or in `root`; empty for the other stages."""
    if not (folder / SOURCE).is_file():
        return {}
    root = root or Path(files.read_json(folder / SOURCE)["root"])
    found = import_module(stages.DATA_FILES).fingerprint  # of a floor above; the graph of the stages names it
    return {PHOTOGRAPHS: found(root)} if root.is_dir() else {}


def files_of(folder: Path) -> list[Path]:
    """What a stage made: every file but the two records, and hidden ones, which are nobody's results."""
    return [path for path in checksums.files_of(folder) if path not in (folder / MANIFEST, folder / STARTED)]


def folder_of(study: str, folder: str) -> Path:
    """Where the artifacts of a stage lie: in the study's own folder, or, for what a member of a sweep did not make,
    in its base's. Whether they fit is for `staleness.require` to say."""
    own = paths.artifacts_folder(study) / folder
    base = sweeps.base_of(study)
    return own if base is None or own.is_dir() else paths.artifacts_folder(base) / folder


def lock_of(study: str, name: str) -> Path:
    """The lock of a stage (by its folder's name), or of a notebook in papermill (by the notebook's)."""
    return paths.artifacts_folder(study) / f".{name}.lock"


def take_stage(study: str, stage: stages.Stage) -> bool:
    """Make a stage of a study this process' own; see `locks.take`."""
    what, then = f"artifacts/{study}/{stage.folder}", f"then run: {command(study, stage)}"
    return locks.take(lock_of(study, stage.folder), what=what, then=then)


def command(study: str, stage: stages.Stage) -> str:
    """The command that runs a stage of a study; where none can, the notebook to run.

    A study that lives in the parameters cells of its notebooks alone has no file that a command could read, and Colab
    has no papermill.
    """
    if "google.colab" in sys.modules or not sweeps.file_of(study).is_file():
        return f'notebook {stage.notebook} with study = "{study}" in its parameters cell'
    told = ""
    with suppress(StudyError, FileNotFoundError):  # no audit
        told = read(folder_of(study, "audit"))["told"]
    return f"{paths.python()} -m kpop_rca.run {stage.notebook} --study {study}{given.arguments(before=told)}"
