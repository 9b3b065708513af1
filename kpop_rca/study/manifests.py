"""The record of a stage, and in what it differs from the one that a run today would leave: one answer for all who ask.

A stage's folder `artifacts/<study>/<folder>/` holds what the stage made, and its record twice: `started.json`, of what
its contents are being made from, and `manifest.json`, written last, so that its presence means that the stage is
complete. That adds the checksums of the stage's files, of its part of the report, and of its photographs.

`verify` prints every difference. The graph has a stage made again for those that it cannot see itself (`withdraw`). A
stage refuses to read an earlier one for those in READ (`require`), and sets half-done work aside for those in CONTINUE.
"""

import atexit
import hashlib
import json
import platform
import sys
from collections.abc import Collection
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, fingerprint, given, params, paths, stages, sweeps
from kpop_rca.system import files, locks

MANIFEST, STARTED = "manifest.json", "started.json"
SOURCE = "source.json"  # of the audit: where the photographs are
METRICS = "metrics.json"
PHOTOGRAPHS, LABELS, WEIGHTS = "photographs", "labels given by hand", "published weights"
SMALL_STUDIES = "parameters of the small studies"  # of a sweep, whose notebook declares a few of them only
# Where results go, and who is shown, does not change them: these parameters may differ between a stage and the stages
# behind it, and between a stage and what it left half done.
NOT_COMPARED = {"study", "device", "data_root", "detector_batch_size", "checkpoint_minutes", "publish_images"}
SHOWN = ("publish_images",)  # of these, what an executed notebook shows
BEGUN = {"stage", "parameters", "inputs", "computing", "code", "data", "told", "versions"}  # keys of a record
COMPLETE = BEGUN | {"files", "report", "began", "seconds"}
VERSIONED = (
    "torch", "torchvision", "diffusers", "accelerate", "facenet-pytorch", "torchmetrics", "numpy", "scikit-learn",
)  # fmt: skip
LISTED = 3  # differences that a line names; the others are counted
# The parts of a record, the state that a stage is in where one of them differs, and how that is said.
PARTS = {
    "missing": ("missing", "{name}"),
    "damaged": ("damaged", "{name}"),
    "files": ("altered", "{name} ({how})"),
    "report": ("altered in the report", "{name} ({how})"),
    "data": ("stale", "the {name} have changed (before: {was}; now: {now})"),
    "parameters": ("stale", "{name} was {was!r} and is {now!r}"),
    "shown": ("stale", "{name} was {was!r} and is {now!r}"),
    "inputs": ("stale", "made from an earlier {name}"),
    "needs": ("stale", "{name} is {now}"),
    "computing": ("stale", "the code that computes has changed"),
    "code": ("stale", "the code has changed since"),
}
MADE = ("missing", "parameters", "inputs")
READ = ("missing", "files", "data", "parameters", "inputs")
CONTINUE = ("parameters", "inputs", "computing", "files")
WITHDRAW = ("report", "data")
EVERY = ("missing", "files", "report", "data", "parameters", "shown", "inputs", "code")  # "computing" is part of "code"


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in VERSIONED}


def begun(stage: stages.Stage, parameters: dict[str, Any]) -> dict[str, Any]:
    """The record of a stage that begins now."""
    study = parameters["study"]
    now = {need: identity_of(study, need) for need in stage.needs}
    return {
        "stage": stage.notebook,
        "parameters": parameters,
        "inputs": {name: made for name, made in now.items() if made},
        "computing": {stage.module: fingerprint.of_computing(stage.module)},
        "code": {stage.notebook: fingerprint.of_notebook(stage.notebook)},
        "data": from_outside(parameters),  # what is labelled from here on may come too late to be read
        "told": given.data_root(),
        "versions": versions(),
    }


def parameters_of(folder: Path) -> dict[str, Any]:
    """The parameters that a stage was run with, from its folder; raises as `read` does."""
    return read(folder)["parameters"]


def read(folder: Path) -> dict[str, Any]:
    """The record in a stage's folder: its manifest, else what it was begun with.

    Raises:
        FileNotFoundError: there is none.
        StudyError: it is damaged, or of an earlier version.
    """
    complete = (folder / MANIFEST).is_file()
    record = files.read_json(folder / (MANIFEST if complete else STARTED))
    if not isinstance(record, dict) or not record.keys() >= (COMPLETE if complete else BEGUN):
        raise StudyError(f"the record in {folder} is damaged or of an earlier version")
    return record


def identity(record: dict[str, Any]) -> str:
    """Short hash that names what a stage made: its parameters, inputs and files, not when or how fast."""
    return digest(record, "inputs", "files", "data")


def digest(record: dict[str, Any], *parts: str) -> str:
    """Short hash of the parameters that change results, and of parts of a record."""
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


def from_outside(parameters: dict[str, Any]) -> dict[str, str]:
    """LABELS and WEIGHTS to their checksums, of a stage that reads them; "none" where there are none yet."""
    found = {}
    if "hand_labels" in parameters:
        path = params.hand_labels_file(parameters)
        found[LABELS] = files.sha256(path)[:16] if path.is_file() else "none"
    if parameters.get("sweep_seeds"):
        with suppress(StudyError):  # a study that lives in the notebook's cell alone
            known = json.dumps(compared(params.resolve(parameters["study"])), sort_keys=True)
            found[SMALL_STUDIES] = hashlib.sha256(known.encode()).hexdigest()[:16]
    if parameters.get("weights"):
        folder = paths.resolve_data_root(parameters["weights"])
        read = [path for path in folder.rglob("*") if path.suffix != ".md"]  # a model card may be written anew
        known = json.dumps(checksums.of_files(read, folder=folder))
        found[WEIGHTS] = hashlib.sha256(known.encode()).hexdigest()[:16] if read else "none"
    return found


def photographs(folder: Path, root: Path | None = None) -> dict[str, str]:
    """PHOTOGRAPHS to what lies in the data folder of an audit, or in `root`; empty for the other stages."""
    if not (folder / SOURCE).is_file():
        return {}
    root = root or Path(files.read_json(folder / SOURCE)["root"])
    found = import_module(stages.DATA_FILES).fingerprint  # of a floor above; the graph of the stages names it
    return {PHOTOGRAPHS: found(root)} if root.is_dir() else {}


def files_of(folder: Path) -> list[Path]:
    """What a stage made: every file but the two records, and hidden ones, which are nobody's results."""
    found = [path for path in folder.rglob("*") if path.is_file() and path not in (folder / MANIFEST, folder / STARTED)]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def folder_of(study: str, folder: str) -> Path:
    """Where the artifacts of a stage lie. Whether they fit is for `require` to say."""
    return paths.artifacts_folder(study) / folder


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


class Difference(NamedTuple):
    """What was recorded under a name in a part of a record, and what is there now; None for nothing."""

    part: str
    name: str
    was: Any = None
    now: Any = None

    @property
    def state(self) -> str:
        return PARTS[self.part][0]

    def __str__(self) -> str:
        how = "not in the manifest" if self.was is None else "gone" if self.now is None else "other contents"
        return PARTS[self.part][1].format(name=self.name, was=self.was, now=self.now, how=how)


def differing(part: str, was: dict[str, Any], now: dict[str, Any]) -> list[Difference]:
    """The differences of one part of a record."""
    names = sorted(was.keys() | now.keys())
    return [Difference(part, name, was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name)]


def in_words(found: list[Difference]) -> str:
    """Differences in a line: "altered: made.txt (gone); stale: seed was 0 and is 1"."""
    by_state: dict[str, list[str]] = {}
    for difference in found:
        by_state.setdefault(difference.state, []).append(str(difference))
    said = []
    for state, texts in by_state.items():
        more = f" and {len(texts) - LISTED} more" if len(texts) > LISTED else ""
        said.append(f"{state}: {', '.join(texts[:LISTED])}{more}" if any(texts) else state)
    return "; ".join(said)


def differences(
    folder: Path, stage: stages.Stage, parameters: dict[str, Any], *, parts: Collection[str] = EVERY
) -> list[Difference]:
    """In what a run with these parameters would differ from what lies in a folder; empty where it would take it over.

    A record that cannot be read is a difference, whichever parts are compared.
    """
    complete = (folder / MANIFEST).is_file()
    if "missing" in parts and not complete:
        maker = locks.holder(lock_of(folder.parent.name, stage.folder))
        begun = "begun, not finished" if (folder / STARTED).is_file() else ""
        return [Difference("missing", f"{maker} is making it" if maker else begun)]
    try:
        record = read(folder)
    except (StudyError, FileNotFoundError):
        return [Difference("damaged", MANIFEST if complete else STARTED)]
    if record["stage"] != stage.notebook:
        return [Difference("damaged", f"{MANIFEST} is that of {record['stage']}")]
    work = folder, stage, record, parameters
    return [found for part in parts if part != "missing" for found in differing(part, *_both(part, *work))]


def _both(
    part: str, folder: Path, stage: stages.Stage, record: dict[str, Any], parameters: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Name to value of a part of a record, as it was recorded and as a run today would have it."""
    was, made_with = record.get(part, {}), record["parameters"]
    if part == "parameters":
        return compared(made_with), compared(parameters)
    if part == "shown":
        was, now = ({name: known.get(name) for name in SHOWN} for known in (made_with, parameters))
        return was, now
    if part == "files":  # of half-done work they are not known
        return was, checksums.of_files(files_of(folder), folder=folder) if part in record else {}
    if part == "report":
        return was, checksums.of_names(was, folder=paths.report_folder(folder.parent.name))
    if part == "data":
        return was, was | _photographs(folder, record, parameters) | from_outside(parameters)
    if part == "inputs":  # of what is not there, its own line tells
        return was, {name: identity_of(parameters["study"], name) or was[name] for name in was}
    if part == "computing":
        return was, {stage.module: fingerprint.of_computing(stage.module)}
    return was, {stage.notebook: fingerprint.of_notebook(stage.notebook)}


def _photographs(folder: Path, record: dict[str, Any], parameters: dict[str, Any]) -> dict[str, str]:
    """The photographs that a run would read; a data folder that a command named need not be told again."""
    source = checksums.of_names([SOURCE], folder=folder)
    if PHOTOGRAPHS not in record["data"] or not source.items() <= record.get("files", {}).items():
        return {}
    named = parameters.get("data_source") == "folder" and (given.data_root() or not record["told"])
    return photographs(folder, paths.resolve_data_root(parameters["data_root"]) if named else None)


def require(study: str, folder: str, parameters: dict[str, Any], *, parts: Collection[str] = MADE) -> None:
    """Refuse an earlier stage that does not fit the parameters of the present run, or that was made from such a one.

    With READ as the parts of its record, also one whose files or data are not as they were.

    Raises:
        StudyError: says which command mends it.
    """
    stage, lies_in = stages.by_folder(folder), folder_of(study, folder)
    for need in stage.needs if (lies_in / MANIFEST).is_file() else ():
        require(study, need, parameters)
    with suppress(StudyError, FileNotFoundError):  # which is found again below
        made_with = read(lies_in)["parameters"]
        parameters = {name: parameters.get(name, value) for name, value in made_with.items()}
    found = differences(lies_in, stage, parameters, parts=parts)
    if not found:
        return
    first, mending = found[0], f"run: {command(study, stage)}"
    if first.part == "missing" and locks.holder(lock_of(study, folder)):
        mending = "wait for it to end"
    if first.part == "parameters":
        mending = f"set {first.name} to {first.was!r} here, or {mending}"
    raise StudyError(f"artifacts/{study}/{folder} is {in_words(found)}; {mending}")


def of_report(study: str, **code: dict[str, str]) -> list[Difference]:
    """In what the pages of a study's report, and what writes them, differ from their record; empty without any."""
    path, folder = paths.report_record(study), paths.report_folder(study)
    try:
        made = files.read_json(path)
        now = {part: checksums.of_names(made[part], folder=folder) for part in ("files", "inputs")} | code
        return [found for part in now for found in differing(part, made[part], now[part])]
    except FileNotFoundError:
        return []
    except (StudyError, KeyError, TypeError, AttributeError):
        return [Difference("damaged", path.name)]


def withdraw(
    study: str, stage: stages.Stage | None, parameters: dict[str, Any], *, dry_run: bool = False
) -> str | None:
    """Remove the manifest of a stage whose part of the report, or data, is not as it was, so that it is made again; or,
    without a stage, the first page of the report. What is wrong, or None.

    What the stage has done is kept, and its next run goes on from it. A dry run puts the file back at its end.
    """
    if stage is None:
        what, path, found = "the report", paths.report_folder(study) / "index.html", of_report(study)
    else:
        what, path = stage.notebook, paths.artifacts_folder(study) / stage.folder / MANIFEST
        found = differences(path.parent, stage, parameters, parts=WITHDRAW)
        if any(locks.holder(lock_of(study, name)) for name in (stage.folder, stage.notebook)):
            return None
    if not found or not path.is_file():
        return None
    if dry_run:  # until this process ends: the graph plans by what is missing
        aside = path.rename(path.with_name(f".{path.name}.dry-run"))
        atexit.register(lambda: path.exists() or aside.rename(path))  # unless a run has made it anew by then
    else:
        path.unlink()
    return f"{study} {what} is made again, {in_words(found)}"


def record_executed(study: str, stage: stages.Stage) -> None:
    """Add the checksum of a stage's executed notebook to its manifest, which is written before the notebook ends."""
    manifest = paths.artifacts_folder(study) / stage.folder / MANIFEST
    if manifest.is_file():
        record, executed = read(manifest.parent), paths.executed_notebook(study, stage.notebook)
        record["report"] |= checksums.of_files([executed], folder=paths.report_folder(study))
        files.write_json(manifest, record)
