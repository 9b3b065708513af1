"""The record of a stage's making, where it lies, and the command that makes it; loads no library that computes.

A stage's folder `artifacts/<study>/<folder>/` holds what the stage made, and two records:
- `started.json`: what its contents are being made from (parameters, inputs, code, versions of libraries).
- `manifest.json`: written last, so that its presence means that the stage is complete. It adds the checksums of the
  stage's files, of its part of the report, and of the photographs that the audit read.
"""

import hashlib
import json
import platform
import shutil
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError
from kpop_rca.study import cells, fingerprint, given, params, paths, stages, sweeps
from kpop_rca.system import files, locks

MANIFEST = "manifest.json"
STARTED = "started.json"
SOURCE = "source.json"  # of the audit: where the photographs are
METRICS = "metrics.json"
EXECUTED = "executed"  # key of a manifest: hash of what the notebook that was run in a batch shows
# Where results go, and who is shown, does not change them: these parameters may differ between a stage and the stages
# behind it, and between a stage and what it left half done.
NOT_COMPARED = {"study", "device", "data_root", "detector_batch_size", "checkpoint_minutes", "publish_images"}
# Of these, what the audit's record and an executed notebook show: where photographs are, and whether they are shown.
SHOWN = {"data_root", "publish_images"}
# What the record of a stage's making must hold, and of which type, and what its manifest adds once it is made.
RECORD = {"stage": str, "parameters": dict, "inputs": dict, "code": str}
MADE = {"files": dict, "began": float, "seconds": float}
VERSIONED = (
    "torch",
    "torchvision",
    "diffusers",
    "accelerate",
    "facenet-pytorch",
    "torchmetrics",
    "numpy",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in VERSIONED}


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a stage's manifest.

    Raises:
        FileNotFoundError: there is no such file.
        StudyError: the file is damaged, or of an earlier version.
    """
    return _read(path, RECORD | MADE)


def read_started(path: Path) -> dict[str, Any]:
    """Read the record of what a stage is made from; see `read_manifest`."""
    return _read(path, RECORD)


def _read(path: Path, kinds: dict[str, type]) -> dict[str, Any]:
    content = files.read_json(path)
    if not isinstance(content, dict) or any(not isinstance(content.get(key), kind) for key, kind in kinds.items()):
        raise StudyError(f"{path} is damaged or of an earlier version")
    return content


def identity(manifest: dict[str, Any]) -> str:
    """Short hash that names what a stage made: its parameters, inputs and files, not when or how fast."""
    named = {key: manifest[key] for key in ("stage", "parameters", "inputs", "files", "photographs") if key in manifest}
    named["parameters"] = compared(manifest["parameters"])
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def identity_of(study: str, folder: str) -> str | None:
    """`identity` of what a study has in a stage's folder; None where that is not complete."""
    try:
        return identity(read_manifest(folder_of(study, folder) / MANIFEST))
    except (StudyError, FileNotFoundError):
        return None


def compared(parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that change results."""
    return {name: value for name, value in parameters.items() if name not in NOT_COMPARED}


def run_again_for(parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of a notebook's parameters for a change of which it is run again, a data folder in one spelling."""
    found = {name: value for name, value in parameters.items() if name not in NOT_COMPARED - SHOWN}
    return found | ({"data_root": paths.one_spelling(found["data_root"])} if "data_root" in found else {})


def hand_labels(parameters: dict[str, Any]) -> dict[str, str | None]:
    """`hand_labels` to the checksum of the labels given by hand, None where there are none yet; of a stage that reads
    some."""
    if "hand_labels" not in parameters:
        return {}
    path = params.hand_labels_file(parameters)
    return {"hand_labels": files.sha256(path) if path.is_file() else None}


def photographs(folder: Path) -> dict[str, Any]:
    """`photographs` to how many the audit in a folder reads and their contents; empty for the other stages."""
    source = folder / SOURCE
    root = Path(files.read_json(source)["root"]) if source.is_file() else None
    return {"photographs": fingerprint.of_photographs(root)} if root and root.is_dir() else {}


def files_of(folder: Path) -> list[Path]:
    """What a stage made: every file but the two records, and hidden ones, which are nobody's results."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    shown = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return [path for path in shown if path not in (folder / MANIFEST, folder / STARTED)]


def figures_and_tables(study: str, stage: stages.Stage) -> list[Path]:
    """The figures and tables of a study's report that carry the number of a stage."""
    report = paths.report_folder(study)
    return [path for kind in ("figures", "tables") for path in (report / kind).glob(f"{stage.notebook[:2]}_*")]


def record_executed(study: str, stage: stages.Stage) -> None:
    """Add to a stage's manifest what its executed notebook shows; one that is run in JupyterLab is not written here."""
    path = paths.artifacts_folder(study) / stage.folder / MANIFEST
    if path.is_file():
        shown = cells.results(paths.executed_notebook(study, stage.notebook))
        files.write_json(path, read_manifest(path) | {EXECUTED: shown})


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
    what, then = f"artifacts/{study}/{stage.folder}", f"then run: {command(stage, study)}"
    return locks.take(lock_of(study, stage.folder), what=what, then=then)


def command(stage: stages.Stage, study: str) -> str:
    """The command that runs a stage of a study; where none can, the notebook to run, and what its cell is to say.

    A study that lives in the parameters cells of its notebooks alone has no file that a command could read, and Colab
    has no papermill.
    """
    if not _has_commands(study):
        return f'notebook {stage.notebook} with study = "{study}" in its parameters cell'
    told = given.arguments(data_root=_data_root_of_audit(study))
    return f"{paths.python()} -m kpop_rca.run {stage.notebook} --study {study}{told}"


def command_of_all(study: str, *, last: stages.Stage) -> str:
    """The command that runs whatever is missing of a study, up to its last stage; see `command`."""
    if not _has_commands(study) or not (paths.project_root() / "Makefile").is_file() or not shutil.which("make"):
        return command(last, study)
    return f"make study STUDY={study}{given.for_make(data_root=_data_root_of_audit(study))}"


def _has_commands(study: str) -> bool:
    """Whether a shell command can run a study."""
    file = paths.study_file(sweeps.split_level(sweeps.split_seed(study)[0])[0])
    return file.is_file() and "google.colab" not in sys.modules


def _data_root_of_audit(study: str) -> str:
    """The data folder that a study's audit was told in place of the file's, by a command of long ago; "" else."""
    if given.data_root():
        return ""
    with suppress(StudyError, OSError, KeyError):  # no audit, or a wrong study file, which is said elsewhere
        before = read_started(folder_of(study, "audit") / STARTED)
        if was_told_data_root(before):
            found = before["parameters"]["data_root"]
            return "" if found == params.resolve(study)["data_root"] else found
    return ""


def was_told_data_root(record: dict[str, Any]) -> bool:
    """Whether an audit had another data folder than its study's file named at that time."""
    return record["parameters"]["data_root"] != record.get("data_root_of_file")
