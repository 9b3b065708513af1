"""SHA-256 checksums of the files in a folder, and of checkpoints, which are recorded once they are whole.

A checkpoint is any half-done work that a later run may continue: a folder (of a trainer, an oracle) or a single file.
Its record is hidden beside it, and written before what it is of has its name.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kpop_rca.errors import StudyError
from kpop_rca.system import files

ENDING = ".checksums.json"


def of_files(paths: Iterable[Path], *, folder: Path) -> dict[str, str]:
    """Checksum of each file that is there, by its name within a folder."""
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in sorted(paths) if path.is_file()}


def of_names(names: Iterable[str], *, folder: Path) -> dict[str, str]:
    """`of_files` of the files that have these names within a folder."""
    return of_files([folder / name for name in names], folder=folder)


def record(path: Path, *, contents: Path | None = None) -> None:
    """Record that a checkpoint is whole, once it is on the disk; `contents` is what will have its name only then."""
    contents = contents or path
    for file in (contents, *contents.rglob("*")):
        if file.is_file():
            files.settle(file)
    files.write_json(_record_of(path), _of(contents))


@contextmanager
def recorded(path: Path) -> Iterator[Path]:
    """`files.atomic` for a single file that is a checkpoint."""
    with files.atomic(path) as temporary:
        yield temporary
        record(path, contents=temporary)


def is_whole(path: Path) -> bool:
    """Whether a checkpoint, a folder or a file, is there and as it was recorded; one without a record is not."""
    try:
        return path.exists() and files.read_json(_record_of(path)) == _of(path)
    except (StudyError, FileNotFoundError):
        return False


def remove(path: Path) -> None:
    """Remove a checkpoint, a folder or a file, with its record; nothing happens where there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    _record_of(path).unlink(missing_ok=True)


def remove_damaged(folder: Path) -> None:
    """Remove the checkpoints below a folder that are not as they were recorded, and say so."""
    for written in sorted(folder.rglob(f".*{ENDING}")):
        path = written.with_name(written.name[1 : -len(ENDING)])
        if not is_whole(path):
            if path.exists():
                print(f"{path.name} is damaged; it is removed, and its work done again")
            remove(path)


def _of(path: Path) -> dict[str, str]:
    return of_files((path, *path.rglob("*")), folder=path)


def _record_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{ENDING}")
