"""The folder of a drawn corpus: made whole by one process at a time, gone on with where it was stopped, and mended.

It is drawn in a hidden folder beside the one that it will be. A picture is known by its SHA-256, which is taken before
the disk has it: one that was not written whole, or that was damaged later, is drawn again.
"""

import hashlib
import io
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image

from kpop_rca import disk, fingerprint
from kpop_rca.errors import StudyError

ARGUMENTS = "idols.json"  # what the corpus is drawn from; written first
SUMS = ".sha256"  # hidden, as it shows nobody; as `sha256sum` writes and checks it
SUM = re.compile(r"([0-9a-f]{64})  (\S+)")
HASHING_THREADS = 4


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Be the one process that draws a corpus: another one waits, and then finds it drawn."""
    root.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_beside(root, "lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"{root} is being drawn by another process; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def folder_for(root: Path, record: dict[str, Any]) -> Path:
    """Where to draw a corpus: in its folder where that is the one that is wanted, else in a hidden one beside it.

    Args:
        root: the corpus' folder to be.
        record: what it is drawn from; what a stopped run drew from the same is kept.

    Raises:
        StudyError: there is something else at `root`.
    """
    if is_from(root, record):
        return root
    unfinished = hidden_folder(root)
    begun = (unfinished / ARGUMENTS).is_file()  # not where it was stopped in its first instant; the name is ours alone
    if not begun or not is_from(unfinished, record):
        if unfinished.exists():
            shutil.rmtree(unfinished)
        disk.write_json(unfinished / ARGUMENTS, record)
    return unfinished


def hidden_folder(root: Path) -> Path:
    """Where a corpus is while it is being drawn."""
    return _beside(root, "unfinished")


def is_from(root: Path, record: dict[str, Any]) -> bool:
    """Whether a folder is that of the corpus, whole or not, which is drawn from `record`.

    Raises:
        StudyError: there is something else in the folder.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    path = root / ARGUMENTS
    if not path.is_file():
        raise StudyError(f"{root} was not drawn by idols and is left alone; give another folder, or remove it")
    try:
        return disk.read_json(path) == record
    except StudyError:  # half a record is no record
        return False


def give_name(folder: Path, root: Path) -> None:
    """Put a corpus that is whole in its place, where another one may be."""
    if folder == root:
        return
    if root.exists():
        shutil.rmtree(root)
    folder.rename(root)


def whole_files(folder: Path) -> dict[str, str]:
    """The files of a corpus that are there as they were drawn: name to SHA-256."""
    known = _read_sums(folder)
    with ThreadPoolExecutor(HASHING_THREADS) as pool:  # hashing and reading release the interpreter's lock
        found = pool.map(lambda name: _sum_of(folder / name), known)
        return {name: known[name] for name, there in zip(known, found, strict=True) if there == known[name]}


def say_what_is_damaged(folder: Path, whole: dict[str, str]) -> None:
    """Name the files of a corpus that were drawn and are no longer what they were; nothing where there is none."""
    damaged = [name for name in _read_sums(folder) if name not in whole]
    if damaged:
        more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
        print(f"{folder}: {', '.join(damaged[:3])}{more} damaged or gone; drawn again")


@contextmanager
def noting(folder: Path, whole: dict[str, str]) -> Iterator[Callable[[str, str], int]]:
    """Keep the sums of a corpus that is being drawn; a function takes those of a file: its name, its SHA-256.

    Args:
        folder: of the corpus.
        whole: from `whole_files`; what else there was is forgotten.
    """
    with disk.atomic(folder / SUMS) as temporary:
        temporary.write_text("".join(f"{found}  {name}\n" for name, found in whole.items()), encoding="utf-8")
    with (folder / SUMS).open("a", encoding="utf-8", buffering=1) as file:  # a line at once
        yield lambda name, found: file.write(f"{found}  {name}\n")


def save_jpeg(image: Image.Image, path: Path, *, quality: int) -> str:
    """Write a picture; returns the SHA-256 of what is to be in the file."""
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG", quality=quality)
    return save_bytes(encoded.getvalue(), path)


def save_bytes(content: bytes, path: Path) -> str:
    """Write a file; returns the SHA-256 of what is to be in it."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _read_sums(folder: Path) -> dict[str, str]:
    """Name to SHA-256, as noted last; a line that is none, cut off by a kill say, counts for nothing."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    found = [SUM.fullmatch(line) for line in lines]
    return {match[2]: match[1] for match in found if match}


def _sum_of(path: Path) -> str | None:
    try:
        return disk.sha256(path)
    except (OSError, ValueError):  # gone, not to be read, or no name of a file
        return None


def _beside(root: Path, what: str) -> Path:
    return root.with_name(f".{root.name}.{what}")
