"""Files that stages hand to each other: written whole or not at all, and never read without knowing their making.

A stage folder `artifacts/<study>/<folder>/` holds what a stage made, and
- `started.json`: what the present contents are being made from (parameters, inputs, code that computes). When it
  differs from what a new run would use, the folder is moved aside (`kpop_rca.set_aside`); when it is the same, work in
  it is continued. Versions of libraries may differ: a training of days outlives an upgrade, and both are recorded.
- `manifest.json`: written last. Its presence means that the stage is complete; it adds the hash of every file, of
  the stage's figures and tables in the report, and, for the audit, of the photographs.

One process at a time works in a folder: it holds the lock `.<folder>.lock` beside it (`kpop_rca.locks`). What can be
told from the two files alone, such as whether a stage fits a run, is in `kpop_rca.manifests`.
"""

import os
import platform
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from kpop_rca import disk, fingerprint, letters, loading, locks, params, paths, privacy, seals, set_aside, stages, watch
from kpop_rca.disk import atomic, read_json, write_json
from kpop_rca.errors import StudyError
from kpop_rca.manifests import (
    command,
    compared,
    folder_of,
    hand_labels,
    identity,
    is_record,
    lock_of,
    other_hand_labels,
    read_manifest,
    require,
    take_stage,
)
from kpop_rca.seals import MANIFEST, STARTED, UNKNOWN, alterations

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


@dataclass
class StageRun:
    """A stage at work: where it reads and where it writes.

    Attributes:
        stage: which.
        parameters: as the notebook declares them, checked.
        folder: its own folder, `artifacts/<study>/<folder>`.
        started: the record of what it is made from.
        began: when, in seconds since 1970: what ran side by side can be told from what followed.
        began_monotonic: the same on a clock that nobody sets, for the time that it takes.
        said_of_letters: whether a figure's letters without a font were spoken of; once is enough.
        saved: figures and tables of the report, as saved so far.
    """

    stage: stages.Stage
    parameters: dict[str, Any]
    folder: Path
    started: dict[str, Any]
    began: float = field(default_factory=time.time)
    began_monotonic: float = field(default_factory=time.monotonic)
    said_of_letters: bool = False
    saved: set[Path] = field(default_factory=set)

    @property
    def study(self) -> str:
        return self.parameters["study"]

    @property
    def report(self) -> Path:
        """`reports/<study>`."""
        return paths.report_folder(self.study)

    def input(self, folder: str) -> Path:
        """Folder of an earlier stage, one of those that this stage is declared to need."""
        if folder not in self.stage.needs:
            raise ValueError(f"{self.stage.notebook} does not declare that it needs {folder!r}; see kpop_rca.stages")
        return folder_of(self.study, folder)

    @property
    def shows_people(self) -> bool:
        """Whether its notebook and the report may show pictures of people; see `kpop_rca.privacy`."""
        source = _data_source(self.study, self.parameters)
        return privacy.may_show(source, publish_images=self.parameters.get("publish_images", False))

    def save_figure(self, figure: Figure, name: str) -> None:
        """Save a figure as `reports/<study>/figures/<name>.png`.

        One with pictures of people is shown here, too; where they may not be, a line of text stands in its place.
        """
        if privacy.has_pictures(figure) and not self.shows_people:
            privacy.leave_out(figure)
            return
        with self._saving("figures", f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=110, bbox_inches="tight", metadata={"Software": None})
        if isinstance(figure, privacy.Sheet):
            privacy.show(figure)
        note = letters.note(figure)
        if note and not self.said_of_letters:
            self.said_of_letters = True
            print(note)

    def save_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Save a table as `reports/<study>/tables/<name>.csv` and hand it back to be shown."""
        with self._saving("tables", f"{name}.csv") as temporary:
            table.to_csv(temporary, index=not isinstance(table.index, pd.RangeIndex))
        return table

    @contextmanager
    def _saving(self, kind: str, name: str) -> Iterator[Path]:
        """`disk.atomic` for a part of the report, which is remembered as one of this run."""
        path = self.report / kind / name
        with atomic(path) as temporary:
            yield temporary
        self.saved.add(path)

    def save_parquet(self, table: pd.DataFrame, name: str) -> None:
        """Save a table as `<name>.parquet` in the stage's folder, for the stages behind it."""
        with atomic(self.folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)

    @property
    def seconds(self) -> float:
        """Wall time since the stage began."""
        return round(time.monotonic() - self.began_monotonic, 1)

    def finish(self) -> None:
        """Declare the stage complete: write the manifest with the hash of every file in the folder.

        Figures and tables that an earlier run saved and this one did not are removed from the report.
        """
        for path in seals.figures_and_tables(self.report, self.stage):
            if path not in self.saved:
                path.unlink()
        hashes = {name: disk.sha256(path) for name, path in seals.files_of(self.folder).items()}
        manifest = self.started | {
            "files": hashes,
            "report": {name: disk.sha256(path) for name, path in seals.reported(self.report, self.stage).items()},
            **seals.photographs(self.folder),
            "versions": versions(),
            "began": round(self.began, 1),
            "seconds": self.seconds,
        }
        write_json(self.folder / MANIFEST, manifest)
        locks.release(lock_of(self.study, self.stage.folder))
        print(f"{self.stage.notebook}: complete, {len(hashes)} files in artifacts/{self.study}/{self.stage.folder}")


def begin(notebook: str, parameters: dict[str, Any]) -> StageRun:
    """Start a stage: check what it reads, then move its folder aside unless it holds the same work half done.

    The stage is this process' own until `StageRun.finish`, or until the process ends. It may be begun again before.

    Args:
        notebook: name in `stages.EVERY`.
        parameters: from `params.collect(globals())`.

    Raises:
        StudyError: an earlier stage was not run, its artifacts were made with other parameters or inputs, or altered
            since; or another process is at work on the stage; or the stage is complete as the study's file has it, and
            these are other parameters.
    """
    loading.done()
    stage = stages.by_notebook(notebook)
    study = parameters["study"]
    _spare(study, stage, parameters)
    inputs = {need: identity(_untouched(study, need, parameters)) for need in stage.needs}
    take_stage(study, stage)
    started = {
        "stage": stage.notebook,
        "parameters": parameters,
        "inputs": inputs,
        "code": fingerprint.of_computing(stage.module),
        "notebook": fingerprint.of_notebook(stage.notebook),
        "versions": versions(),
        **hand_labels(parameters),  # now: what is labelled from here on may come too late to be read
        **({"data_root_of_file": params.data_root_of_file(study)} if "data_root" in parameters else {}),
    }
    folder = paths.artifacts_folder(study) / stage.folder
    with disk.writing(folder):
        _take_up(folder, started)
        started |= _begun_with(folder, started)
        (folder / MANIFEST).unlink(missing_ok=True)
        if os.environ.get(watch.BATCH):  # that of the run before, which the runner replaces when this one has ended
            paths.executed_notebook(study, notebook).unlink(missing_ok=True)
        disk.remove_half_written(folder)
        disk.remove_half_written(paths.report_folder(study), beginning=f"{notebook[:2]}_")
        seals.drop_damaged(folder)
    write_json(folder / STARTED, started)
    watch.speak()
    run = StageRun(stage=stage, parameters=parameters, folder=folder, started=started)
    if "publish_images" in parameters and not run.shows_people:
        privacy.remove_pictures(study, notebook)
    return run


def _spare(study: str, stage: stages.Stage, parameters: dict[str, Any]) -> None:
    """Keep a parameters cell in which the study's name alone was changed from emptying what that study has made.

    Raises:
        StudyError: the stage is complete with the values of the study's file, and these are others.
    """
    try:
        resolved = compared(params.of_notebook(stage.notebook, params.resolve(study)))
    except StudyError:  # no such file: the cell alone says what the study is
        return
    here = compared(parameters)
    differing = [name for name in here if name in resolved and here[name] != resolved[name]]
    if not differing:
        return
    name = differing[0]
    said = f"{name} = {here[name]!r}, the study {study} has {resolved[name]!r}"
    if _is_complete(study, stage, resolved):
        executed, here = paths.executed_notebook(study, stage.notebook), f"set {name} to {resolved[name]!r} here"
        if executed.is_file():
            here = f"open {executed.relative_to(paths.output_root())}, whose cell has the study's values"
        raise StudyError(
            f"this cell has {said}, and artifacts/{study}/{stage.folder} is complete; {here}, or give the study "
            "another name, or remove that folder first"
        )
    print(f"note: this cell has {said}; what it makes is no longer that study's")


def _is_complete(study: str, stage: stages.Stage, wanted: dict[str, Any]) -> bool:
    """Whether a stage's artifacts were made to the end, with these of its parameters that change results."""
    path = paths.artifacts_folder(study) / stage.folder / MANIFEST
    try:
        return path.is_file() and compared(read_manifest(path)["parameters"]) == wanted
    except StudyError:  # damaged
        return False


def _data_source(study: str, parameters: dict[str, Any]) -> str | None:
    """Where a study's faces come from: what the stage itself was told, else its audit; None where there is neither."""
    audited = folder_of(study, "audit") / MANIFEST
    known = parameters if "data_source" in parameters or not audited.is_file() else read_manifest(audited)["parameters"]
    return known.get("data_source")


def _untouched(study: str, folder: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The manifest of an earlier stage, whose files are as it left them; see `require`."""
    manifest = require(study, folder, parameters)
    lies_in = folder_of(study, folder)
    for name, how in alterations(lies_in, manifest).items():
        owner = lies_in.parent.name
        mending = command(stages.by_folder(folder), owner)
        raise StudyError(f"artifacts/{owner}/{folder}/{name} is {how} since its stage ended; run: {mending}")
    differing, labels = seals.other_photographs(lies_in, manifest), other_hand_labels(manifest)
    if differing or labels:
        owner = lies_in.parent.name
        photographs = f"the photographs are not those of artifacts/{owner}/{folder}: {differing}"
        said = photographs if differing else f"{labels} artifacts/{owner}/{folder} was made"
        raise StudyError(f"{said}; run: {command(stages.by_folder(folder), owner)}")
    return manifest


def _as_left(folder: Path) -> bool:
    """Whether a finished stage's files are still what it made, strange ones among them removed; True when unfinished.

    What a manifest does not vouch for must not be found by the same stage begun again, and be vouched for then.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return True
    try:
        differing = alterations(folder, read_manifest(path))
    except StudyError:  # nothing says what the files should be
        return False
    if set(differing.values()) == {UNKNOWN}:
        for name in differing:
            (folder / name).unlink()
    return set(differing.values()) <= {UNKNOWN}


def _take_up(folder: Path, started: dict[str, Any]) -> None:
    """Leave in a stage's folder only work that a run would continue: what lies there, or what was moved aside before.

    Work that does not fit is moved aside, and a line says where.
    """
    misfit = _misfit(folder, started)
    if misfit is None:
        return
    moved = set_aside.move(folder) if folder.is_dir() else None
    fitting = next((path for path in set_aside.of(folder) if _misfit(path, started) is None), None)
    if fitting:
        fitting.rename(folder)
    if moved:
        every = set_aside.of(folder)
        room = f"all {len(every)} set aside of this stage" if len(every) > 1 else "its room"
        _tell(
            f"note: {_named(folder)} {misfit}; it is set aside as {moved.name}, where a run of the same parameters, "
            f"inputs and code finds it again; to free {room}: rm -r {shlex.join(map(str, every))}"
        )
    if fitting:
        _tell(f"note: {_named(folder)} goes on with what was set aside as {fitting.name}")


def _misfit(folder: Path, started: dict[str, Any]) -> str | None:
    """Why a run would not continue what lies in a folder, in words; None where it would."""
    try:
        before = read_json(folder / STARTED)
    except (StudyError, FileNotFoundError):  # half a record is no record
        before = None
    if not is_record(before) or before["stage"] != started["stage"]:
        return "has no record of its making"
    was, now = compared(before["parameters"]), compared(started["parameters"])
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            return f"was begun with {name} = {was.get(name)!r}, this run has {now.get(name)!r}"
    if before["inputs"] != started["inputs"]:
        return "was begun from other artifacts of the stages before it"
    if before["code"] != started["code"]:
        return "was begun by other code that computes"
    return None if _as_left(folder) else "is not as its stage left it"


def _begun_with(folder: Path, started: dict[str, Any]) -> dict[str, Any]:
    """The versions that the work in a folder was begun with, where they are others than those that go on with it."""
    if not (folder / STARTED).is_file() or not seals.files_of(folder):
        return {}
    before = read_json(folder / STARTED)
    first = before.get("begun_with", before.get("versions", started["versions"]))
    if first == started["versions"]:
        return {}
    if before.get("versions") != started["versions"]:
        differing = [name for name, known in started["versions"].items() if first.get(name) != known]
        said = ", ".join(f"{name} {first.get(name)} (now {started['versions'][name]})" for name in differing)
        _tell(f"note: {_named(folder)} was begun with {said}; it goes on, and its manifest names both")
    return {"begun_with": first}


def _named(folder: Path) -> str:
    return f"artifacts/{folder.parent.name}/{folder.name}"


def _tell(line: str) -> None:
    """Tell who runs a stage what is no result of it: in the terminal of a batch run, else below the cell."""
    if os.environ.get(watch.BATCH):
        watch.say(line)
    else:
        print(line)
