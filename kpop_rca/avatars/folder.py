"""The folder of rendered avatars: one process at a time renders into it, goes on where it was stopped, and mends it.

An image is known by its SHA-256, taken before the disk has it: one that was not written whole, or that was damaged
later, is rendered again.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kpop_rca.errors import StudyError
from kpop_rca.system import files

TRUTH, ARGUMENTS = RECORDS = ("truth.csv", "idols.json")  # beside the images
SUMS = ".sha256"  # hidden, as it shows nobody; as `sha256sum` writes and checks it
SUM = re.compile(r"([0-9a-f]{64})  (\S+)")
HASHING_THREADS = 4


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Be the one process that renders a dataset: another one waits, and then finds it there."""
    root.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root.with_name(f".{root.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"{root} is being rendered by another process; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def begin(root: Path, record: dict[str, Any]) -> None:
    """Make the folder of a dataset, keeping what was rendered from the same record and removing all else."""
    if not is_from(root, record):
        shutil.rmtree(root, ignore_errors=True)
        files.write_json(root / ARGUMENTS, record)
    files.remove_half_written(root)


def is_from(root: Path, record: dict[str, Any]) -> bool:
    """Whether a folder holds a dataset, whole or not, that is rendered from `record`.

    Raises:
        StudyError: there is something else in the folder.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    path = root / ARGUMENTS
    if not path.is_file():
        raise StudyError(f"{root} is no folder of rendered avatars and is left alone; give another one, or remove it")
    try:
        return files.read_json(path) == record
    except StudyError:  # half a record is no record
        return False


def whole_files(root: Path) -> dict[str, str]:
    """The files of a dataset that are there as they were rendered: name to SHA-256."""
    known = _read_sums(root)
    with ThreadPoolExecutor(HASHING_THREADS) as pool:  # hashing and reading release the interpreter's lock
        found = pool.map(lambda name: _sum_of(root / name), known)
        return {name: known[name] for name, there in zip(known, found, strict=True) if there == known[name]}


def say_what_is_damaged(root: Path, whole: dict[str, str]) -> None:
    """Name the files of a dataset that were rendered and are no longer what they were."""
    damaged = [name for name in _read_sums(root) if name not in whole]
    if damaged:
        more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
        print(f"{root}: {', '.join(damaged[:3])}{more} damaged or gone; rendered again")


@contextmanager
def noting(root: Path, whole: dict[str, str]) -> Iterator[Callable[[str, str], int]]:
    """Keep the sums of what is `whole` and of what follows; a function takes a file's name and its SHA-256."""
    with files.atomic(root / SUMS) as temporary:
        temporary.write_text("".join(f"{found}  {name}\n" for name, found in whole.items()), encoding="utf-8")
    with (root / SUMS).open("a", encoding="utf-8", buffering=1) as file:  # a line at once
        yield lambda name, found: file.write(f"{found}  {name}\n")


def save(content: bytes, path: Path) -> str:
    """Write a file; returns the SHA-256 of what is to be in it."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _read_sums(root: Path) -> dict[str, str]:
    """Name to SHA-256, as noted last; a line that is none, cut off by a kill say, counts for nothing."""
    path = root / SUMS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    found = [SUM.fullmatch(line) for line in lines]
    return {match[2]: match[1] for match in found if match}


def _sum_of(path: Path) -> str | None:
    try:
        return files.sha256(path)
    except (OSError, ValueError):  # gone, not to be read, or no name of a file
        return None
