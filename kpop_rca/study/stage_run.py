"""A stage at work: what it may read, where it writes, and the records that say what its folder was made from.

One process at a time works in a stage's folder. Work that was left half done is continued where a run today would start
from the same; else it is moved aside. Versions of libraries may differ: a training of days outlives an upgrade, and
both are recorded.
"""

import io
import json
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, manifests, paths, privacy, stages
from kpop_rca.study.manifests import MANIFEST, STARTED
from kpop_rca.system import console, files, fonts, locks, pictures

SECONDS = ("seconds", "seconds_together")  # in metrics.json


@dataclass
class StageRun:
    """A stage at work: where it reads and where it writes."""

    stage: stages.Stage
    parameters: dict[str, Any]
    folder: Path
    record: dict[str, Any]  # of what it is made from
    began: float = field(default_factory=time.time)  # by it, what ran side by side can be told from what followed
    saved: set[Path] = field(default_factory=set)  # of the report

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
        """Whether its notebook and the report may show images of people; see `kpop_rca.study.privacy`."""
        known, audit = self.parameters, manifests.folder_of(self.study, "audit")
        if "data_source" not in known and (audit / MANIFEST).is_file():
            known = manifests.read(audit)["parameters"]
        publish = self.parameters.get("publish_images", False)
        return privacy.may_show(known.get("data_source"), publish_images=publish)

    def save_figure(self, figure: Figure, name: str) -> None:
        """Save a figure as `reports/<study>/figures/<name>.png`, and show it below the cell with its description.

        Where people may not be shown, a line of text stands in the place of their images.
        """
        if privacy.has_pictures(figure) and not self.shows_people:
            privacy.leave_out(figure)
            return
        with self._saving("figures", f"{name}.png") as temporary:
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
            temporary.write_bytes(pictures.small_png(drawn.getvalue()))
        privacy.show(figure)
        if note := fonts.note(figure):
            console.print_once(note)

    def save_tiles(self, rows: np.ndarray, name: str) -> None:
        """Save images of one size, uint8 (R, C, H, W, 3), as they are: rows of a PNG that another study can read again.

        Where people may not be shown, nothing is saved.
        """
        if self.shows_people:
            with self._saving("figures", f"{name}.png") as temporary:
                n_rows, n_columns, height, width = rows.shape[:4]
                sheet = rows.swapaxes(1, 2).reshape(n_rows * height, n_columns * width, 3)
                Image.fromarray(sheet).save(temporary, format="png", optimize=True)

    def save_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Save a table as `reports/<study>/tables/<name>.csv` and hand it back to be shown.

        As with metrics, a file that differs in its seconds alone stays, unless seconds are what the stage measures.
        """
        text, path = (
            table.to_csv(index=not isinstance(table.index, pd.RangeIndex)),
            self.report / "tables" / f"{name}.csv",
        )
        if self.stage is stages.BENCHMARKS or not _same_table(path, text):
            with self._saving("tables", path.name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        self.saved.add(path)
        return table

    def save_compressed_table(self, table: pd.DataFrame, name: str) -> None:
        """Save a table of many rows as `reports/<study>/tables/<name>.csv.gz`, without its index."""
        with self._saving("tables", f"{name}.csv.gz") as temporary:
            files.write_gzip(temporary, table.to_csv(index=False))

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """Save what the study found as `reports/<study>/metrics.json`.

        A file that says the same but for its seconds stays: they are then those of the run that found this first, and
        a rerun that changes nothing changes no file.
        """
        path = self.report / manifests.METRICS
        if not _says_the_same(path, metrics):
            files.write_json(path, metrics)
        self.saved.add(path)

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
        return round(time.time() - self.began, 1)

    def finish(self) -> None:
        """Declare the stage complete: write the manifest with the checksum of every file in the folder.

        Figures and tables that an earlier run saved and this one did not are removed from the report.
        """
        number = self.stage.notebook[:2]
        reported = [path for kind in ("figures", "tables") for path in (self.report / kind).glob(f"{number}_*")]
        for path in set(reported) - self.saved:
            path.unlink()
        executed = paths.executed_notebook(self.study, self.stage.notebook).relative_to(self.report).as_posix()
        made = manifests.files_of(self.folder)
        manifest = self.record | {
            "files": checksums.of_files(made, folder=self.folder),
            "report": checksums.of_files(self.saved, folder=self.report) | {executed: ""},
            "data": self.record["data"] | manifests.photographs(self.folder),
            "began": round(self.began, 1),
            "seconds": self.seconds,
        }
        files.write_json(self.folder / MANIFEST, manifest)
        locks.release(manifests.lock_of(self.study, self.stage.folder))
        print(f"{self.stage.notebook}: complete, {len(made)} files in artifacts/{self.study}/{self.stage.folder}")


def _same_table(path: Path, text: str) -> bool:
    """Whether a CSV file is this text but for a column of seconds; a table without one is written each time."""
    try:
        known, found = pd.read_csv(path), pd.read_csv(io.StringIO(text))
    except (OSError, ValueError):  # not there, or no table
        return False
    timed = "seconds" in found and "seconds" in known
    return timed and known.drop(columns="seconds").equals(found.drop(columns="seconds"))


def _says_the_same(path: Path, metrics: dict[str, Any]) -> bool:
    """Whether a file of metrics holds these, whatever the seconds of its run were."""
    try:
        known = files.read_json(path)
    except (FileNotFoundError, StudyError):
        return False
    found = json.loads(json.dumps(metrics))
    return isinstance(known, dict) and known == found | {name: known[name] for name in SECONDS if name in known}


def begin(notebook: str, parameters: dict[str, Any]) -> StageRun:
    """Start a stage: check what it reads, then move its folder aside unless it holds the same work half done.

    The stage is this process' own until `StageRun.finish`, or until the process ends. It may be begun again before.

    Raises:
        StudyError: an earlier stage was not run, its artifacts were made with other parameters or inputs, or altered
            since; or another process is at work on the stage.
    """
    stage, study = stages.by_notebook(notebook), parameters["study"]
    for need in stage.needs:
        manifests.require(study, need, parameters, parts=manifests.READ)
    manifests.take_stage(study, stage)
    record, folder = manifests.begun(stage, parameters), paths.artifacts_folder(study) / stage.folder
    with files.writing(folder):
        _take_up(folder, stage, record)
        if manifests.files_of(folder):
            before = manifests.read(folder)
            record["begun_with"] = before.get("begun_with", before["versions"])
        (folder / MANIFEST).unlink(missing_ok=True)
        if os.environ.get(console.BATCH):  # that of the run before, which the runner replaces when this one has ended
            paths.executed_notebook(study, notebook).unlink(missing_ok=True)
        files.remove_half_written(folder)
        files.remove_half_written(paths.report_folder(study), beginning=f"{notebook[:2]}_")
        checksums.remove_damaged(folder)
    files.write_json(folder / STARTED, record)
    run = StageRun(stage=stage, parameters=parameters, folder=folder, record=record)
    if "publish_images" in parameters and not run.shows_people:
        privacy.remove_pictures(study, notebook)
    return run


def _take_up(folder: Path, stage: stages.Stage, record: dict[str, Any]) -> None:
    """Leave in a stage's folder only work that a run would continue: what lies there, or what was moved aside before.

    Work that does not fit is moved aside, and a line says where.
    """

    def found_in(place: Path) -> list[manifests.Difference]:
        return manifests.differences(place, stage, record["parameters"], parts=manifests.CONTINUE)

    found = found_in(folder)
    strange = [folder / d.name for d in found if d.part == "files" and d.was is None]
    if len(strange) == len(found):
        for path in strange:  # else they would be recorded as made by this run
            path.unlink()
        return
    name = f"artifacts/{folder.parent.name}/{folder.name}"
    fitting = _aside(folder, record)
    if manifests.files_of(folder):
        whole = not any(d.part == "damaged" or (d.part == "files" and d.was is not None) for d in found)
        moved = _aside(folder, manifests.read(folder)) if whole else folder.with_name(f"{folder.name}.earlier-altered")
        shutil.rmtree(moved, ignore_errors=True)
        folder.rename(moved)
        console.tell(
            f"note: {name} is {manifests.in_words(found)}; it is set aside as {moved.name}, where a run of the same "
            f"parameters, inputs and code finds it again; to free its room: rm -r {shlex.quote(str(moved))}"
        )
    elif folder.is_dir():
        shutil.rmtree(folder)
    if fitting.is_dir() and not found_in(fitting):
        fitting.rename(folder)
        console.tell(f"note: {name} goes on with what was set aside as {fitting.name}")


def _aside(folder: Path, record: dict[str, Any]) -> Path:
    """Where work of a stage is moved to that was made from what a record says: what continues it finds it there."""
    return folder.with_name(f"{folder.name}.earlier-{manifests.digest(record, 'inputs', 'computing')}")
