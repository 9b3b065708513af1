"""In what the record of a stage differs from the one that a run today would leave: one answer for all who ask.

`verify` prints every difference. The graph has a stage made again for those that it cannot see itself (`withdraw`). A
stage refuses to read an earlier one for those in READ (`require`), and sets half-done work aside for those in CONTINUE.
"""

import atexit
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, fingerprint, given, manifests, paths, stages
from kpop_rca.study.manifests import MANIFEST, STARTED
from kpop_rca.system import files, locks

SHOWN = 3  # differences that a line names; the others are counted
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
        more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        said.append(f"{state}: {', '.join(texts[:SHOWN])}{more}" if any(texts) else state)
    return "; ".join(said)


def differences(
    folder: Path, stage: stages.Stage, parameters: dict[str, Any], *, parts: Collection[str] = EVERY
) -> list[Difference]:
    """In what a run with these parameters would differ from what lies in a folder; empty where it would take it over.

    A record that cannot be read is a difference, whichever parts are compared.
    """
    complete = (folder / MANIFEST).is_file()
    if "missing" in parts and not complete:
        maker = locks.holder(manifests.lock_of(folder.parent.name, stage.folder))
        begun = "begun, not finished" if (folder / STARTED).is_file() else ""
        return [Difference("missing", f"{maker} is making it" if maker else begun)]
    try:
        record = manifests.read(folder)
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
        return manifests.compared(made_with), manifests.compared(parameters)
    if part == "shown":
        was, now = ({name: known.get(name) for name in manifests.SHOWN} for known in (made_with, parameters))
        return was, now
    if part == "files":  # of half-done work they are not known
        return was, checksums.of_files(manifests.files_of(folder), folder=folder) if part in record else {}
    if part == "report":
        return was, checksums.of_names(was, folder=paths.report_folder(folder.parent.name))
    if part == "data":
        return was, was | _photographs(folder, record, parameters) | manifests.hand_labels(parameters)
    if part == "inputs":  # of what is not there, its own line tells
        return was, {name: manifests.identity_of(*_place(name, parameters["study"])) or was[name] for name in was}
    if part == "computing":
        return was, {stage.module: fingerprint.of_computing(stage.module)}
    return was, {stage.notebook: fingerprint.of_notebook(stage.notebook)}


def _place(name: str, study: str) -> tuple[str, str]:
    """The study and the folder of an input: "audit" is of the same study, "claims-seed0/audit" of another."""
    other, _, folder = name.rpartition("/")
    return other or study, folder


def _photographs(folder: Path, record: dict[str, Any], parameters: dict[str, Any]) -> dict[str, str]:
    """The photographs that a run would read; a data folder that a command named need not be told again."""
    source = checksums.of_names([manifests.SOURCE], folder=folder)
    if manifests.PHOTOGRAPHS not in record["data"] or not source.items() <= record.get("files", {}).items():
        return {}
    named = parameters.get("data_source") == "folder" and (given.data_root() or not record["told"])
    return manifests.photographs(folder, paths.resolve_data_root(parameters["data_root"]) if named else None)


def require(study: str, folder: str, parameters: dict[str, Any], *, parts: Collection[str] = MADE) -> None:
    """Refuse an earlier stage that does not fit the parameters of the present run, or that was made from such a one.

    With READ as the parts of its record, also one whose files or data are not as they were.

    Raises:
        StudyError: says which command mends it.
    """
    stage, lies_in = stages.by_folder(folder), manifests.folder_of(study, folder)
    for need in stage.needs if (lies_in / MANIFEST).is_file() else ():
        require(study, need, parameters)
    with suppress(StudyError, FileNotFoundError):  # which is found again below
        made_with = manifests.read(lies_in)["parameters"]
        parameters = {name: parameters.get(name, value) for name, value in made_with.items()}
    found = differences(lies_in, stage, parameters, parts=parts)
    if not found:
        return
    first, owner = found[0], lies_in.parent.name
    # A member of a sweep may lack what its level changes; what the base made, and is not as it was, the base makes.
    mending = f"run: {manifests.command(study if first.part in MADE else owner, stage)}"
    if first.part == "missing" and locks.holder(manifests.lock_of(owner, folder)):
        mending = "wait for it to end"
    if first.part == "parameters":
        mending = f"set {first.name} to {first.was!r} here, or {mending}"
    raise StudyError(f"artifacts/{owner}/{folder} is {in_words(found)}; {mending}")


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
        if any(locks.holder(manifests.lock_of(study, name)) for name in (stage.folder, stage.notebook)):
            return None
    if not found or not path.is_file():
        return None
    if dry_run:  # until this process ends: the graph plans by what is missing
        aside = path.rename(path.with_name(f".{path.name}.dry-run"))
        atexit.register(lambda: path.exists() or aside.rename(path))  # unless a run has made it anew by then
    else:
        path.unlink()
    return f"{study} {what} is made again, {in_words(found)}"
