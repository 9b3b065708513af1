"""What is written of a stage's making, and what follows from it: where artifacts lie, and whether they fit a run.

All that a command has to know before it starts a kernel; it loads none of the libraries that results are made with.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from kpop_rca import given, locks, params, paths, stages, sweeps
from kpop_rca.disk import read_json
from kpop_rca.errors import StudyError
from kpop_rca.seals import MANIFEST

# Where results go, and who is shown, does not change them: these parameters may differ between a stage and the stages
# behind it, and between a stage and what it left half done.
NOT_COMPARED = {"study", "device", "data_root", "detector_batch_size", "checkpoint_minutes", "publish_images"}
# What the record of a stage's making must hold, and of which type, and what its manifest adds once it is made.
RECORD = {"stage": str, "parameters": dict, "inputs": dict, "code": str}
MADE = {"files": dict, "began": float, "seconds": float}


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a stage's manifest.

    Raises:
        StudyError: the file is damaged, or of an earlier version; says to remove it.
    """
    manifest = read_json(path)
    if not is_record(manifest) or not _holds(manifest, MADE):
        what = "no manifest of a stage, or of an earlier version"
        raise StudyError(f"{path} is damaged ({what}); remove it and run its stage again")
    return manifest


def is_record(content: Any) -> bool:
    """Whether what was read is the record of a stage's making: all that RECORD names, each of its type."""
    return isinstance(content, dict) and _holds(content, RECORD)


def _holds(content: dict[str, Any], kinds: dict[str, type]) -> bool:
    """Whether each of these keys is there, with a value of its type."""
    return all(isinstance(content.get(key), kind) for key, kind in kinds.items())


def identity(manifest: dict[str, Any]) -> str:
    """Short hash that names what a stage made: its parameters, inputs and files, not when or how fast."""
    named = {key: manifest[key] for key in ("stage", "parameters", "inputs", "files")}
    named["parameters"] = compared(manifest["parameters"])
    named |= {"photographs": manifest["photographs"]} if "photographs" in manifest else {}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def compared(parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that change results."""
    return {name: value for name, value in parameters.items() if name not in NOT_COMPARED}


def folder_of(study: str, folder: str) -> Path:
    """Where the artifacts of a stage lie: in the study's own folder, or, for what a member of a sweep did not make,
    in its base's. Whether they fit is for `require` to say."""
    own = paths.artifacts_folder(study) / folder
    base = sweeps.base_of(study)
    return own if base is None or own.is_dir() else paths.artifacts_folder(base) / folder


def lock_of(study: str, name: str) -> Path:
    """The lock of a stage (by its folder's name), or of a notebook in papermill (by the notebook's)."""
    return paths.artifacts_folder(study) / f".{name}.lock"


def take_stage(study: str, stage: stages.Stage) -> bool:
    """Make a stage of a study this process' own; see `locks.take`."""
    return locks.take(
        lock_of(study, stage.folder),
        what=f"artifacts/{study}/{stage.folder}",
        then=f"then run: {command(stage, study)}",
    )


def command(stage: stages.Stage, study: str) -> str:
    """The command that runs a stage of a study."""
    return f"{paths.python()} -m kpop_rca.run {stage.notebook} --study {study}{given.arguments()}"


def require(study: str, folder: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The manifest of an earlier stage, after checking that it fits the present run.

    Args:
        study: name of the study.
        folder: the earlier stage's folder.
        parameters: of the present run; those that the earlier stage used too must be equal.

    Raises:
        StudyError: not run, made with other parameters, or older than what it was made from. Says which command
            mends it.
    """
    stage = stages.by_folder(folder)
    path = folder_of(study, folder) / MANIFEST
    if not path.is_file():
        raise StudyError(f"artifacts/{study}/{folder} is not there or not complete{_by_whom(study, folder)}")
    manifest = read_manifest(path)
    made, wanted = compared(manifest["parameters"]), compared(parameters)
    differing = [name for name in made if name in wanted and made[name] != wanted[name]]
    if differing:
        name = differing[0]
        raise StudyError(
            f"artifacts/{study}/{folder} were made with {name} = {made[name]!r}, this run has {wanted[name]!r}"
            f"{f' (and {len(differing) - 1} more differ)' if len(differing) > 1 else ''}; "
            f"{_which_to_change(study, stage, name, made[name])}"
        )
    for need, made_from in manifest["inputs"].items():
        if identity(require(study, need, parameters)) != made_from:
            raise StudyError(
                f"artifacts/{study}/{folder} were made from an earlier {need}; run: {command(stage, study)}"
            )
    return manifest


def _which_to_change(study: str, stage: stages.Stage, name: str, made: Any) -> str:
    """What mends a parameter that differs: the value of this run where the artifacts have the study's, else theirs."""
    try:
        of_study = params.resolve(study).get(name)
    except StudyError:  # no such file: the cell alone says what the study is
        of_study = None
    if of_study == made:
        return f"set {name} to {made!r} here, as the study has it, or change params/ and run the study again"
    return f"run: {command(stage, study)}"


def _by_whom(study: str, folder: str) -> str:
    """How to come by artifacts that are not there: wait for who makes them, or make them."""
    holder = locks.holder(lock_of(folder_of(study, folder).parent.name, folder))
    if holder:
        return f", {holder} is making it; wait for it to end"
    return f"; run: {command(stages.by_folder(folder), study)}"
