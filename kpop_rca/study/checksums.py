"""SHA-256 checksums: of the files in a folder, and of checkpoints, which are recorded beside them once they are whole.

A checkpoint is any half-done work that a later run may continue: a folder (of a trainer, an oracle) or a single file.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpop_rca.errors import StudyError
from kpop_rca.system import files

RECORD = "checksums.json"  # in a folder; of a single file it is hidden beside it, as `.<file>.checksums.json`
GONE, OTHER = "gone", "other contents"


def of_files(paths: list[Path], *, folder: Path) -> dict[str, str]:
    """Checksum of each file, by its name within a folder."""
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in sorted(paths)}


def differing(folder: Path, known: dict[str, str]) -> dict[str, str]:
    """GONE or OTHER for every file of `known` (name to checksum) that is not in the folder as it was."""
    found = {}
    for name, checksum in sorted(known.items()):
        path = folder / name
        if not path.is_file():
            found[name] = GONE
        elif files.sha256(path) != checksum:
            found[name] = OTHER
    return found


def record(folder: Path) -> None:
    """Write the checksums of a folder that is whole now, once its files are on the disk."""
    for path in _files(folder):
        files.settle(path)
    files.write_json(folder / RECORD, _of(folder))


@contextmanager
def recorded(path: Path) -> Iterator[Path]:
    """`disk.atomic` for a single file, whose checksum is written before the file has its name."""
    with files.atomic(path) as temporary:
        yield temporary
        files.write_json(path.with_name(f".{path.name}.{RECORD}"), {path.name: files.sha256(temporary)})


def is_whole(path: Path) -> bool:
    """Whether a checkpoint, a folder or a file, is there and as it was recorded; one without a record is not."""
    return path.exists() and _recorded(path) == _of(path)


def remove(path: Path) -> None:
    """Remove a checkpoint, a folder or a file, with its record; nothing happens where there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
        _record_of(path).unlink(missing_ok=True)


def remove_damaged(folder: Path) -> None:
    """Remove the checkpoints below a folder that are not as they were recorded, and say so."""
    for written in sorted(folder.rglob(f"*{RECORD}")):
        beside = written.name != RECORD
        path = written.with_name(written.name[1 : -len(f".{RECORD}")]) if beside else written.parent
        if is_whole(path):
            continue
        if path.exists():
            was, now = _recorded(path), _of(path)
            names = sorted(name for name in now.keys() | was.keys() if now.get(name) != was.get(name))
            where = "" if beside else f" ({', '.join(names[:3]) or RECORD})"
            print(f"{path.name} is damaged{where}; it is removed, and its work done again")
        remove(path)


def _files(path: Path) -> list[Path]:
    """The files of a checkpoint, without its record."""
    if path.is_file():
        return [path]
    return [found for found in path.rglob("*") if found.is_file() and found.name != RECORD]


def _of(path: Path) -> dict[str, str]:
    return of_files(_files(path), folder=path if path.is_dir() else path.parent)


def _record_of(path: Path) -> Path:
    return path / RECORD if path.is_dir() else path.with_name(f".{path.name}.{RECORD}")


def _recorded(path: Path) -> dict[str, str]:
    """What was recorded of a checkpoint; empty where nothing says so any more."""
    try:
        found = files.read_json(_record_of(path))
    except (StudyError, FileNotFoundError):
        return {}
    return found if isinstance(found, dict) else {}
