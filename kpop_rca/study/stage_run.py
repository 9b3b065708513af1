"""A stage at work: what it may read, where it writes, and the records that say what its folder was made from.

One process at a time works in a stage's folder. Work that was left half done is continued where a run today would start
from the same; else it is moved aside. Versions of libraries may differ: a training of days outlives an upgrade, and
both are recorded.
"""

import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, fingerprint, manifests, params, paths, privacy, stages, staleness
from kpop_rca.study.manifests import MANIFEST, STARTED
from kpop_rca.system import console, files, fonts, locks


@dataclass
class StageRun:
    """A stage at work: where it reads and where it writes."""

    stage: stages.Stage
    parameters: dict[str, Any]
    folder: Path
    started: dict[str, Any]  # the record of what it is made from
    began: float = field(default_factory=time.time)  # by it, what ran side by side can be told from what followed
    began_monotonic: float = field(default_factory=time.monotonic)  # a clock that nobody sets
    said_of_letters: bool = False
    saved: set[Path] = field(default_factory=set)  # figures and tables of the report

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
            raise ValueError(f"{self.stage.notebook} does not declare that it needs {folder!r}; see study.stages")
        return manifests.folder_of(self.study, folder)

    @property
    def shows_people(self) -> bool:
        """Whether its notebook and the report may show pictures of people; see `kpop_rca.study.privacy`."""
        known, audited = self.parameters, manifests.folder_of(self.study, "audit") / MANIFEST
        if "data_source" not in known and audited.is_file():
            known = manifests.read_manifest(audited)["parameters"]
        publish = self.parameters.get("publish_images", False)
        return privacy.may_show(known.get("data_source"), publish_images=publish)

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
        note = fonts.note(figure)
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
        """`files.atomic` for a part of the report, which is remembered as one of this run."""
        path = self.report / kind / name
        with files.atomic(path) as temporary:
            yield temporary
        self.saved.add(path)

    def save_parquet(self, table: pd.DataFrame, name: str) -> None:
        """Save a table as `<name>.parquet` in the stage's folder, for the stages behind it."""
        with files.atomic(self.folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)

    @property
    def seconds(self) -> float:
        """Wall time since the stage began."""
        return round(time.monotonic() - self.began_monotonic, 1)

    def finish(self) -> None:
        """Declare the stage complete: write the manifest with the checksum of every file in the folder.

        Figures and tables that an earlier run saved and this one did not are removed from the report.
        """
        reported = manifests.figures_and_tables(self.study, self.stage)
        for path in set(reported) - self.saved:
            path.unlink()
        reported = [path for path in reported if path in self.saved]
        metrics = self.report / manifests.METRICS
        if self.stage.folder == "rca" and metrics.is_file():
            reported.append(metrics)
        made = manifests.files_of(self.folder)
        manifest = self.started | {
            "files": checksums.of_files(made, folder=self.folder),
            "report": checksums.of_files(reported, folder=self.report),
            **manifests.photographs(self.folder),
            "versions": manifests.versions(),
            "began": round(self.began, 1),
            "seconds": self.seconds,
        }
        files.write_json(self.folder / MANIFEST, manifest)
        locks.release(manifests.lock_of(self.study, self.stage.folder))
        print(f"{self.stage.notebook}: complete, {len(made)} files in artifacts/{self.study}/{self.stage.folder}")


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
    stage, study = stages.by_notebook(notebook), parameters["study"]
    _spare(stage, parameters)
    inputs = {need: staleness.require(study, need, parameters, kinds=staleness.READ) for need in stage.needs}
    manifests.take_stage(study, stage)
    started = {
        "stage": stage.notebook,
        "parameters": parameters,
        "inputs": {need: manifests.identity(manifest) for need, manifest in inputs.items()},
        "code": fingerprint.of_computing(stage.module),
        "notebook": fingerprint.of_notebook(stage.notebook),
        "versions": manifests.versions(),
        **manifests.hand_labels(parameters),  # now: what is labelled from here on may come too late to be read
        **({"data_root_of_file": params.data_root_of_file(study)} if "data_root" in parameters else {}),
    }
    folder = paths.artifacts_folder(study) / stage.folder
    with files.writing(folder):
        _take_up(folder, stage, parameters)
        if manifests.files_of(folder):
            before = staleness.record_of(folder)
            started["begun_with"] = before.get("begun_with", before.get("versions"))
            for name in staleness.strange_files(folder, before):  # else they would be recorded as made by this run
                (folder / name).unlink()
        (folder / MANIFEST).unlink(missing_ok=True)
        if os.environ.get(console.BATCH):  # that of the run before, which the runner replaces when this one has ended
            paths.executed_notebook(study, notebook).unlink(missing_ok=True)
        files.remove_half_written(folder)
        files.remove_half_written(paths.report_folder(study), beginning=f"{notebook[:2]}_")
        checksums.remove_damaged(folder)
    files.write_json(folder / STARTED, started)
    run = StageRun(stage=stage, parameters=parameters, folder=folder, started=started)
    if "publish_images" in parameters and not run.shows_people:
        privacy.remove_pictures(study, notebook)
    return run


def _spare(stage: stages.Stage, parameters: dict[str, Any]) -> None:
    """Keep a parameters cell in which the study's name alone was changed from emptying what that study has made.

    Raises:
        StudyError: the stage is complete with the values of the study's file, and these are others.
    """
    study = parameters["study"]
    try:
        resolved = params.of_notebook(stage.notebook, params.resolve(study))
    except StudyError:  # no such file: the cell alone says what the study is
        return
    shared = {name: parameters.get(name, value) for name, value in resolved.items()}
    differing = staleness.differing_parameters(shared, resolved)
    if not differing:
        return
    name, folder = differing[0], paths.artifacts_folder(study) / stage.folder
    said = f"this cell has {name} = {parameters[name]!r}, the study {study} has {resolved[name]!r}"
    if staleness.reasons(folder, stage, resolved, kinds=(staleness.Kind.MISSING, staleness.Kind.PARAMETERS)):
        print(f"note: {said}; what it makes is no longer that study's")
        return
    raise StudyError(
        f"{said}, and artifacts/{study}/{stage.folder} is complete; set {name} to {resolved[name]!r} here, or give the "
        "study another name, or remove that folder first"
    )


def _take_up(folder: Path, stage: stages.Stage, parameters: dict[str, Any]) -> None:
    """Leave in a stage's folder only work that a run would continue: what lies there, or what was moved aside before.

    Work that does not fit is moved aside, and a line says where.
    """

    def misfit(place: Path) -> list[staleness.Reason]:
        return staleness.reasons(place, stage, parameters, kinds=staleness.CONTINUE)

    found = misfit(folder)
    if not found:
        return
    moved = _set_aside(folder)
    fitting = next((place for place in set_aside(folder) if not misfit(place)), None)
    if fitting:
        fitting.rename(folder)
    name = f"artifacts/{folder.parent.name}/{folder.name}"
    if moved:
        remove = shlex.join(map(str, set_aside(folder)))
        _tell(
            f"note: {name} is {staleness.in_words(found)}; it is set aside as {moved.name}, where a run of the same "
            f"parameters, inputs and code finds it again; to free all room of this stage: rm -r {remove}"
        )
    if fitting:
        _tell(f"note: {name} goes on with what was set aside as {fitting.name}")


def set_aside(folder: Path) -> list[Path]:
    """What was moved aside of a stage's folder, `<folder>.earlier-<n>`, the last first."""
    return sorted(folder.parent.glob(f"{folder.name}.earlier-*"), key=_number, reverse=True)


def _set_aside(folder: Path) -> Path | None:
    """Move a stage's folder aside, and say where it lies now; one in which there is no work is removed."""
    if manifests.files_of(folder):
        last = max(map(_number, set_aside(folder)), default=0)
        return folder.rename(folder.with_name(f"{folder.name}.earlier-{last + 1}"))
    if folder.is_dir():
        shutil.rmtree(folder)
    return None


def _number(path: Path) -> int:
    found = re.search(r"\.earlier-(\d+)$", path.name)
    return int(found[1]) if found else 0


def _tell(line: str) -> None:
    """Tell who runs a stage what is no result of it: in the terminal of a batch run, else below the cell."""
    if os.environ.get(console.BATCH):
        console.say(line)
    else:
        print(line)
