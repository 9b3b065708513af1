"""What is written of a stage's making, and what follows from it: where artifacts lie, and whether they fit a run.

All that a command has to know before it starts a kernel; it loads none of the libraries that results are made with.
"""

import hashlib
import json
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from kpop_rca import cells, disk, given, locks, params, paths, seals, stages, sweeps
from kpop_rca.disk import read_json, write_json
from kpop_rca.errors import StudyError
from kpop_rca.seals import MANIFEST, STARTED

# Where results go, and who is shown, does not change them: these parameters may differ between a stage and the stages
# behind it, and between a stage and what it left half done.
NOT_COMPARED = {"study", "device", "data_root", "detector_batch_size", "checkpoint_minutes", "publish_images"}
# Of these, what the audit's record and an executed notebook show: where photographs are, and whether they are shown.
SHOWN = {"data_root", "publish_images"}
# What the record of a stage's making must hold, and of which type, and what its manifest adds once it is made.
RECORD = {"stage": str, "parameters": dict, "inputs": dict, "code": str}
MADE = {"files": dict, "began": float, "seconds": float}
EXECUTED = "executed"  # key of a manifest: hash of what the notebook that was run in a batch shows


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a stage's manifest.

    Raises:
        FileNotFoundError: there is no such file.
        StudyError: the file is damaged, or of an earlier version; says which command makes it again.
    """
    try:
        manifest = read_json(path)
        what = "no manifest of a stage, or of an earlier version"
    except StudyError:
        manifest, what = None, "no JSON"
    if not is_record(manifest) or not _holds(manifest, MADE):
        folder = path.parent.name.partition(".")[0]  # without what `set_aside` adds
        mending = command(stages.by_folder(folder), path.parent.parent.name)
        raise StudyError(f"{path} is damaged ({what}); run: {mending}")
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


def run_again_for(parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of a notebook's parameters for a change of which it is run again, a data folder in one spelling."""
    found = {name: value for name, value in parameters.items() if name not in NOT_COMPARED - SHOWN}
    return found | ({"data_root": paths.one_spelling(found["data_root"])} if "data_root" in found else {})


def hand_labels(parameters: dict[str, Any]) -> dict[str, str | None]:
    """`hand_labels` to the hash of the labels given by hand, None where there are none yet; of a stage that reads some.

    Args:
        parameters: of the stage.
    """
    if "hand_labels" not in parameters:
        return {}
    path = params.hand_labels_file(parameters)
    return {"hand_labels": disk.sha256(path) if path.is_file() else None}


def other_hand_labels(manifest: dict[str, Any]) -> str | None:
    """That labels given by hand are others than those that an audit read, in words; None where they are not."""
    now = hand_labels(manifest["parameters"])
    if not now or manifest.get("hand_labels") == now["hand_labels"]:
        return None
    return f"the labels given by hand, {params.hand_labels_file(manifest['parameters'])}, have changed since"


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
    """The command that runs a stage of a study; where none can, the notebook to run, and what its cell is to say.

    A study that lives in the parameters cells of its notebooks alone has no file that a command could read, and Colab
    has no papermill.
    """
    if not _has_commands(study):
        return f'notebook {stage.notebook} with study = "{study}" in its parameters cell'
    root = _data_root_of_audit(study)
    told = f" --data-root {shlex.quote(root)}{given.settings()}" if root else given.arguments()
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
    with suppress(StudyError, OSError, KeyError, TypeError):  # no audit, or a wrong study file, which is said elsewhere
        before = read_json(folder_of(study, "audit") / STARTED)
        if was_told_data_root(before):
            found = before["parameters"]["data_root"]
            return "" if found == params.resolve(study)["data_root"] else found
    return ""


def was_told_data_root(record: dict[str, Any]) -> bool:
    """Whether an audit had another data folder than its study's file named at that time."""
    return record["parameters"]["data_root"] != record.get("data_root_of_file")


def withdraw(study: str, stage: stages.Stage) -> str | None:
    """Take back the manifest of a stage whose part of the report is gone or another, so that the stage is made again.

    What it has done is kept, and the run that makes the report anew goes on from it. The audit is made again, too, when
    a corpus that was drawn for it is not as it was; of a user's photographs, `fingerprint.of_data` tells.

    Returns:
        What is wrong; None where nothing is, the stage is not complete anyway, or somebody is at work on it.
    """
    path = paths.artifacts_folder(study) / stage.folder / MANIFEST
    if not path.is_file() or any(locks.holder(lock_of(study, name)) for name in (stage.folder, stage.notebook)):
        return None
    try:
        manifest = read_manifest(path)
        flaws = flaws_of_report(study, stage, manifest) | _flaws_of_corpus(path.parent, manifest)
    except StudyError:
        flaws = {MANIFEST: "damaged"}
    if not flaws:
        return None
    path.unlink()
    name, how = next(iter(flaws.items()))
    more = f" and {len(flaws) - 1} more" if len(flaws) > 1 else ""
    return f"{study} {stage.notebook} is made again: {name} ({how}){more}"


def _flaws_of_corpus(folder: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """How drawn photographs differ from those that an audit saw."""
    if manifest["parameters"].get("data_source") in (None, "folder") or not (folder / seals.SOURCE).is_file():
        return {}
    differing = seals.other_photographs(folder, manifest)
    return {"the photographs": differing} if differing else {}


def withdraw_report(study: str) -> str | None:
    """Remove the first page of a report whose pages, or what they were written from, are others now; see `withdraw`."""
    path, folder = paths.report_record(study), paths.report_folder(study)
    try:
        made = read_json(path)
        flaws = seals.differing(folder, made["pages"]) | seals.differing(folder, made["sources"])
    except FileNotFoundError:
        return None
    except (StudyError, KeyError, TypeError, AttributeError):
        flaws = {path.name: "damaged"}
    if not flaws or not (folder / "index.html").is_file():
        return None
    (folder / "index.html").unlink()
    return f"the report of {study} is written again: {', '.join(f'{name} ({how})' for name, how in flaws.items())}"


def record_executed(study: str, stage: stages.Stage) -> None:
    """Add to a stage's manifest what its executed notebook shows; one that is run in JupyterLab is not written here."""
    path = paths.artifacts_folder(study) / stage.folder / MANIFEST
    if path.is_file():
        shown = cells.results(paths.executed_notebook(study, stage.notebook))
        write_json(path, read_manifest(path) | {EXECUTED: shown})


def flaws_of_report(study: str, stage: stages.Stage, manifest: dict[str, Any]) -> dict[str, str]:
    """What a stage left in the report and is not as it was: its executed notebook, figures, tables, metrics."""
    path = paths.executed_notebook(study, stage.notebook)
    flaw = cells.flaw(path)
    if not flaw and manifest.get(EXECUTED, cells.results(path)) != cells.results(path):
        flaw = "of another run"
    found = {f"notebooks/{path.name}": flaw} if flaw else {}
    return found | seals.report_alterations(study, manifest)


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
            f"{_which_to_change(study, stage, name, made=made[name], wanted=wanted[name])}"
        )
    for need, made_from in manifest["inputs"].items():
        if identity(require(study, need, parameters)) != made_from:
            raise StudyError(
                f"artifacts/{study}/{folder} were made from an earlier {need}; run: {command(stage, study)}"
            )
    return manifest


def _which_to_change(study: str, stage: stages.Stage, name: str, *, made: Any, wanted: Any) -> str:
    """What mends a parameter that differs: the value of this run where the artifacts have the study's, else theirs."""
    try:
        of_study = params.resolve(study).get(name)
    except StudyError:  # no such file: the cells alone say what the study is
        return f"set {name} to {made!r} here, or to {wanted!r} in {stage.notebook} and run that again"
    if of_study == made:
        return f"set {name} to {made!r} here, as the study has it, or change params/ and run the study again"
    if of_study != wanted:  # a third value, in the cell at hand
        return f"set {name} to {of_study!r} here, as the study has it, and run: {command(stage, study)}"
    return f"run: {command(stage, study)}"


def _by_whom(study: str, folder: str) -> str:
    """How to come by artifacts that are not there: wait for who makes them, or make them."""
    holder = locks.holder(lock_of(folder_of(study, folder).parent.name, folder))
    if holder:
        return f", {holder} is making it; wait for it to end"
    return f"; run: {command(stages.by_folder(folder), study)}"
