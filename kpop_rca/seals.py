"""What hashes vouch for: a stage's files, its part of the report, the photographs, and half-done work."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kpop_rca import disk, fingerprint, paths, stages
from kpop_rca.disk import read_json, write_json
from kpop_rca.errors import StudyError

MANIFEST = "manifest.json"
STARTED = "started.json"
SEAL = "seal.json"
BESIDE = ".seal.json"  # at the end of the hidden name of a single file's
SOURCE = "source.json"  # of the audit: where the photographs are
METRICS = "metrics.json"
GONE, OTHER, UNKNOWN = "gone", "other contents", "not in the manifest"


def files_of(folder: Path) -> dict[str, Path]:
    """What a stage made: every file but the two records, by its name within the folder.

    Hidden files are nobody's results: half-written ones of a process that was killed, or a file manager's notes.
    """
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    hidden = {name for name in found if any(part.startswith(".") for part in name.split("/"))}
    return {name: path for name, path in found.items() if name not in hidden | {MANIFEST, STARTED}}


def figures_and_tables(report: Path, stage: stages.Stage) -> list[Path]:
    """The figures and tables of a report that carry the number of a stage."""
    return [path for kind in ("figures", "tables") for path in (report / kind).glob(f"{stage.notebook[:2]}_*")]


def reported(report: Path, stage: stages.Stage) -> dict[str, Path]:
    """What a stage added to the report: its figures and tables, and from 06 the metrics."""
    found = figures_and_tables(report, stage)
    found += [report / METRICS] if stage.folder == "rca" and (report / METRICS).is_file() else []
    return {path.relative_to(report).as_posix(): path for path in sorted(found)}


def photographs(folder: Path) -> dict[str, Any]:
    """What the manifest of the audit says of the photographs; nothing for the other stages."""
    source = folder / SOURCE
    if not source.is_file():
        return {}
    return {"photographs": fingerprint.of_photographs(Path(read_json(source)["root"]))}


def other_photographs(folder: Path, manifest: dict[str, Any]) -> str | None:
    """How the photographs differ from those that an audit saw; None where they do not, or nothing is known of them.

    Every photograph is read for it. A folder that is gone is for `faces.load_audit` to name.

    Args:
        folder: `artifacts/<study>/audit`.
        manifest: what `read_manifest` read there.
    """
    seen = manifest.get("photographs")
    if not seen or not Path(read_json(folder / SOURCE)["root"]).is_dir():
        return None
    now = photographs(folder)["photographs"]
    if now == seen:
        return None
    if now["files"] == seen["files"]:
        return "some were changed or exchanged"
    return f"their folder had {seen['files']} files and has {now['files']}"


def report_alterations(study: str, manifest: dict[str, Any]) -> dict[str, str]:
    """`alterations` of the figures, tables and metrics that a stage added to a study's report."""
    return differing(paths.report_folder(study), manifest.get("report", {}))


def differing(folder: Path, known: dict[str, str]) -> dict[str, str]:
    """Which files of a folder are gone or hold other contents than they did; files that are not known do not count.

    Args:
        folder: where they lie.
        known: name to hash.
    """
    found = {name: GONE for name in known if not (folder / name).is_file()}
    there = sorted(known.keys() - found.keys())
    return found | {name: OTHER for name in there if disk.sha256(folder / name) != known[name]}


def alterations(folder: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """What differs between a stage's folder and its manifest.

    Args:
        folder: `artifacts/<study>/<folder>`.
        manifest: what `read_manifest` read there.

    Returns:
        File name to "gone", "other contents" or "not in the manifest"; empty when all is as the stage left it.
    """
    known = manifest["files"]
    return differing(folder, known) | {name: UNKNOWN for name in files_of(folder) if name not in known}


def seal(folder: Path) -> None:
    """Record the hash of every file in a folder of half-done work, such as a checkpoint or a judge, once it is whole.

    Whatever its libraries wrote is on the disk by then: a checkpoint is followed by the removal of the one before.
    """
    for path in _visible(folder):
        disk.settle(path)
    write_json(folder / SEAL, _hashes(folder))


@contextmanager
def sealed(path: Path, *, size: int | None = None) -> Iterator[Path]:
    """`disk.atomic` for a file of half-done work: its hash lies beside it, hidden, before the file has its name.

    Args:
        path: the file to be.
        size: see `disk.writing`.
    """
    with disk.atomic(path, size=size) as temporary:
        yield temporary
        write_json(_record_of(path), {path.name: disk.sha256(temporary)})


def is_whole(path: Path) -> bool:
    """Whether half-done work, a folder or a file, is there and is what was sealed; work without a seal is not."""
    if path.is_dir():
        return _known(path / SEAL) == _hashes(path)
    return path.is_file() and _known(_record_of(path)) == {path.name: disk.sha256(path)}


def remove(path: Path) -> None:
    """Remove half-done work, a folder or a file, with its seal; nothing happens where there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
        _record_of(path).unlink(missing_ok=True)


def drop_damaged(folder: Path) -> None:
    """Remove half-done work whose files are not those that were sealed, and say so.

    A stage that is begun again does it: what it finds is then what was left there, and what it misses is done again.
    """
    folders = [record.parent for record in folder.rglob(SEAL)]
    files = [record.with_name(record.name[1 : -len(BESIDE)]) for record in folder.rglob(f".*{BESIDE}")]
    for path in sorted({*folders, *files}):
        if is_whole(path):
            continue
        if path.exists():
            print(f"{path.name} is damaged{_where(path)}; it is removed, and its work done again")
        remove(path)


def _where(path: Path) -> str:
    """Which files of a sealed folder are not as they were, in brackets."""
    if not path.is_dir():
        return ""
    known, found = _known(path / SEAL) or {}, _hashes(path)
    names = sorted(name for name in found.keys() | known.keys() if found.get(name) != known.get(name))
    return f" ({', '.join(names[:3]) or SEAL})"


def _visible(folder: Path) -> list[Path]:
    """The files of a sealed folder, without its seal."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL]


def _hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): disk.sha256(path) for path in _visible(folder)}


def _record_of(path: Path) -> Path:
    """Where the hash of a single file is kept: hidden, so that it is no result of a stage."""
    return path.with_name(f".{path.name}{BESIDE}")


def _known(record: Path) -> dict[str, Any] | None:
    """What was sealed; None where nothing says so any more."""
    try:
        found = read_json(record)
    except (StudyError, FileNotFoundError):
        return None
    return found if isinstance(found, dict) else None
