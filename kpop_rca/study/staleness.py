"""Why a run today would not take over what lies in a stage's folder: one answer for all who ask.

`verify` prints every reason. The graph has a stage made again for those that it cannot see itself (`withdraw`). A stage
refuses to read an earlier one for those of READ (`require`), and sets half-done work aside for those of CONTINUE.
"""

import atexit
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError
from kpop_rca.study import cells, checksums, fingerprint, given, manifests, params, paths, stages
from kpop_rca.study.manifests import MANIFEST, STARTED
from kpop_rca.system import files, locks

SHOWN = 3  # reasons that a line names; the others are counted
UNKNOWN = "not in the manifest"


class Kind(Enum):
    """What a reason is about, and the state that a stage is in for it."""

    MISSING = "missing", "a manifest"
    DAMAGED = "damaged", "the records"
    ALTERED = "altered", "the stage's files"
    STRANGE = "altered", "files that the stage did not make"
    REPORT = "altered in the report", "executed notebook, figures, tables, metrics"
    DATA = "stale", "photographs and labels given by hand"
    PARAMETERS = "stale", "those that change results"
    DISPLAY = "stale", "parameters that only change what is shown"
    INPUTS = "stale", "earlier stages"
    COMPUTING = "stale", "code that results depend on"
    CODE = "stale", "all code behind the notebook"

    @property
    def state(self) -> str:
        return self.value[0]


EVERY = tuple(kind for kind in Kind if kind is not Kind.COMPUTING)  # which is part of CODE
RECORDED = (Kind.MISSING, Kind.PARAMETERS, Kind.INPUTS)
READ = (Kind.MISSING, Kind.ALTERED, Kind.STRANGE, Kind.DATA, Kind.PARAMETERS, Kind.INPUTS)
CONTINUE = (Kind.PARAMETERS, Kind.INPUTS, Kind.COMPUTING, Kind.ALTERED)


@dataclass(frozen=True)
class Reason:
    """One reason, in words that follow its state, such as "made.txt (gone)" after "altered"."""

    kind: Kind
    text: str


def reasons(
    folder: Path, stage: stages.Stage, parameters: dict[str, Any], *, kinds: Iterable[Kind] = EVERY
) -> list[Reason]:
    """Why a run of a stage would not take over what lies in a folder; empty where it would.

    Args:
        folder: `artifacts/<study>/<folder>`, or one that was set aside.
        stage: that would be run.
        parameters: that it would be run with, the study among them.
        kinds: those to look for; a record that cannot be read is always a reason.
    """
    complete = (folder / MANIFEST).is_file()
    if Kind.MISSING in kinds and not complete:
        return [Reason(Kind.MISSING, _progress(folder, stage))]
    try:
        record = record_of(folder)
    except (StudyError, FileNotFoundError):
        return [Reason(Kind.DAMAGED, MANIFEST if complete else STARTED)]
    if record["stage"] != stage.notebook:
        return [Reason(Kind.DAMAGED, f"{MANIFEST} is that of {record['stage']}")]
    work = _Work(folder, stage, record, parameters)
    return [Reason(kind, text) for kind in kinds if kind in CHECKS for text in CHECKS[kind](work)]


def in_words(found: list[Reason]) -> str:
    """All reasons in a line: "altered: made.txt (gone); stale: seed was 0 and is 1"."""
    by_state: dict[str, list[str]] = {}
    for reason in found:
        by_state.setdefault(reason.kind.state, []).append(reason.text)
    return "; ".join(f"{state}: {shortened(texts)}" if any(texts) else state for state, texts in by_state.items())


def shortened(texts: list[str]) -> str:
    """The first of several texts, and how many more there are."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def require(study: str, folder: str, parameters: dict[str, Any], *, kinds: Iterable[Kind] = RECORDED) -> dict[str, Any]:
    """The manifest of an earlier stage, after checking that it, and those before it, fit the present run.

    Args:
        study: name of the study.
        folder: the earlier stage's folder.
        parameters: of the present run; those that the earlier stage used too must be equal.
        kinds: reasons to refuse it; READ for one whose files are about to be read.

    Raises:
        StudyError: it does not fit. Says which command mends it.
    """
    stage, lies_in = stages.by_folder(folder), manifests.folder_of(study, folder)
    owner = lies_in.parent.name
    for need in stage.needs if (lies_in / MANIFEST).is_file() else ():
        require(study, need, parameters)
    wanted = _known_to(lies_in, parameters)
    found = reasons(lies_in, stage, wanted, kinds=kinds)
    if found:
        maker = study if found[0].kind in RECORDED else owner  # a member of a sweep may lack what its level changes
        mending = _mending(maker, stage, lies_in, found[0], wanted)
        raise StudyError(f"artifacts/{owner}/{folder} is {in_words(found)}; {mending}")
    return manifests.read_manifest(lies_in / MANIFEST)


def differing_parameters(made: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Names of the parameters that change results and are not the same."""
    made, wanted = manifests.compared(made), manifests.compared(wanted)
    return _unequal(made, wanted)


def record_of(folder: Path) -> dict[str, Any]:
    """The manifest of a complete stage, else the record that it was begun with; see `manifests.read_manifest`."""
    if (folder / MANIFEST).is_file():
        return manifests.read_manifest(folder / MANIFEST)
    return manifests.read_started(folder / STARTED)


def strange_files(folder: Path, record: dict[str, Any]) -> list[str]:
    """Files in the folder of a complete stage that it did not make; none where it is not complete."""
    found = {path.relative_to(folder).as_posix() for path in manifests.files_of(folder)}
    return sorted(found - record["files"].keys()) if "files" in record else []


def withdraw(study: str, stage: stages.Stage, *, dry_run: bool = False) -> str | None:
    """Remove the manifest of a stage whose part of the report, or data, is not as it was, so that it is made again.

    What it has done is kept, and the run that makes the report anew goes on from it. A dry run puts it back at its end.

    Returns:
        What is wrong; None where nothing is, the stage is not complete anyway, or somebody is at work on it.
    """
    folder = paths.artifacts_folder(study) / stage.folder
    at_work = any(locks.holder(manifests.lock_of(study, name)) for name in (stage.folder, stage.notebook))
    if at_work or not (folder / MANIFEST).is_file():
        return None
    found = reasons(folder, stage, {}, kinds=(Kind.REPORT, Kind.DATA))
    if not found:
        return None
    _take_back(folder / MANIFEST, dry_run=dry_run)
    return f"{study} {stage.notebook} is made again, {in_words(found)}"


def of_pages(study: str) -> list[Reason]:
    """Why the pages of a study's report are to be written again; empty also where none were written."""
    record, folder = paths.report_record(study), paths.report_folder(study)
    try:
        made = files.read_json(record)
        pages, sources = (checksums.differing(folder, made[part]) for part in ("pages", "sources"))
    except FileNotFoundError:
        return []
    except (StudyError, KeyError, TypeError, AttributeError):
        return [Reason(Kind.DAMAGED, record.name)]
    found = [Reason(Kind.ALTERED, text) for text in _named(pages)]
    return found + [Reason(Kind.INPUTS, f"written before {name} changed") for name in sources]


def withdraw_report(study: str, *, dry_run: bool = False) -> str | None:
    """Remove the first page of a report for a reason of `of_pages`; see `withdraw`."""
    found, index = of_pages(study), paths.report_folder(study) / "index.html"
    if not found or not index.is_file():
        return None
    _take_back(index, dry_run=dry_run)
    return f"the report of {study} is written again, {in_words(found)}"


def _take_back(path: Path, *, dry_run: bool) -> None:
    """Remove a file; in a dry run until this process ends, as the graph plans by what is missing."""
    if dry_run:
        aside = path.rename(path.with_name(f".{path.name}.dry-run"))
        atexit.register(lambda: path.exists() or aside.rename(path))  # unless a run has made it anew by then
    else:
        path.unlink()


def _known_to(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the stage in a folder was made with, with the values of another run where it has them."""
    try:
        made = record_of(folder)["parameters"]
    except (StudyError, FileNotFoundError):
        return parameters
    return {name: parameters.get(name, value) for name, value in made.items()}


def _mending(study: str, stage: stages.Stage, lies_in: Path, reason: Reason, wanted: dict[str, Any]) -> str:
    """What to do about a reason: a command, or the value to set in the cell at hand where the study has it."""
    command = f"run: {manifests.command(stage, study)}"
    if reason.kind is Kind.MISSING and locks.holder(manifests.lock_of(lies_in.parent.name, stage.folder)):
        return "wait for it to end"
    if reason.kind is not Kind.PARAMETERS:
        return command
    made = record_of(lies_in)["parameters"]
    name = differing_parameters(made, wanted)[0]
    here = f"set {name} to {made.get(name)!r} here"
    try:
        of_study = params.resolve(study)
    except StudyError:  # no such file: the cells alone say what the study is
        return f"{here}, or {command}"
    return f"{here}, as the study has it" if of_study.get(name) == made.get(name) else command


def _progress(folder: Path, stage: stages.Stage) -> str:
    holder = locks.holder(manifests.lock_of(folder.parent.name, stage.folder))
    if holder:
        return f"{holder} is making it"
    return "begun, not finished" if (folder / STARTED).is_file() else ""


def _named(differing: dict[str, str]) -> list[str]:
    return [f"{name} ({how})" for name, how in differing.items()]


def _unequal(made: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    absent = object()
    return [name for name in sorted(made.keys() | wanted.keys()) if made.get(name, absent) != wanted.get(name, absent)]


def _changes(made: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for name in _unequal(made, wanted):
        was, now = (repr(values[name]) if name in values else "not known" for values in (made, wanted))
        yield f"{name} was {was} and is {now}"


@dataclass(frozen=True)
class _Work:
    """What a check is handed: what lies in a folder, by the record of its making, and what a run today would have."""

    folder: Path
    stage: stages.Stage
    record: dict[str, Any]
    parameters: dict[str, Any]


def _altered(work: _Work) -> list[str]:
    return _named(checksums.differing(work.folder, work.record.get("files", {})))


def _strange(work: _Work) -> list[str]:
    return [f"{name} ({UNKNOWN})" for name in strange_files(work.folder, work.record)]


def _report(work: _Work) -> list[str]:
    study = work.folder.parent.name
    notebook = paths.executed_notebook(study, work.stage.notebook)
    flaw = cells.flaw(notebook)
    if not flaw and manifests.EXECUTED in work.record and work.record[manifests.EXECUTED] != cells.results(notebook):
        flaw = "of another run"
    found = {f"notebooks/{notebook.name}": flaw} if flaw else {}
    return _named(found | checksums.differing(paths.report_folder(study), work.record.get("report", {})))


def _data(work: _Work) -> Iterator[str]:
    record = work.record
    seen, source = record.get("photographs"), record.get("files", {}).get(manifests.SOURCE)
    if seen and source and not checksums.differing(work.folder, {manifests.SOURCE: source}):
        now = manifests.photographs(work.folder).get("photographs", seen)  # a folder that is gone 01 itself names
        if now["files"] != seen["files"]:
            yield f"the photographs have changed (their folder had {seen['files']} files and has {now['files']})"
        elif now != seen:
            yield "the photographs have changed (some were changed or exchanged)"
    labels = manifests.hand_labels(record["parameters"])
    if labels and record.get("hand_labels") != labels["hand_labels"]:
        yield f"the labels given by hand have changed ({params.hand_labels_file(record['parameters'])})"


def _parameters(work: _Work) -> Iterator[str]:
    return _changes(manifests.compared(work.record["parameters"]), manifests.compared(work.parameters))


def _display(work: _Work) -> Iterator[str]:
    """A data folder that was told in place of the file's need not be told again: the commands that mend name it."""
    made, wanted = (manifests.run_again_for(values) for values in (work.record["parameters"], work.parameters))
    if "data_root" in made and not given.data_root() and manifests.was_told_data_root(work.record):
        wanted["data_root"] = made["data_root"]
    made, wanted = ({name: values[name] for name in manifests.SHOWN & values.keys()} for values in (made, wanted))
    return _changes(made, wanted)


def _inputs(work: _Work) -> Iterator[str]:
    for need, was in work.record["inputs"].items():
        now = manifests.identity_of(work.parameters["study"], need)
        if now not in (was, None):  # what is not there has its own line
            yield f"made from an earlier {need}"


def _computing(work: _Work) -> list[str]:
    same = work.record["code"] == fingerprint.of_computing(work.stage.module)
    return [] if same else ["the code that computes has changed"]


def _code(work: _Work) -> list[str]:
    same = work.record.get("notebook") == fingerprint.of_notebook(work.stage.notebook)
    return [] if same else ["the code has changed since"]


CHECKS = {
    Kind.ALTERED: _altered,
    Kind.STRANGE: _strange,
    Kind.REPORT: _report,
    Kind.DATA: _data,
    Kind.PARAMETERS: _parameters,
    Kind.DISPLAY: _display,
    Kind.INPUTS: _inputs,
    Kind.COMPUTING: _computing,
    Kind.CODE: _code,
}
