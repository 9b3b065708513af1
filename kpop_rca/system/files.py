"""Files written whole or not at all, JSON and checksums, and one readable error where nothing can be written."""

import errno
import gzip
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError

HALF = ".half-"  # in the hidden name of a file that is being written
REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
REMEDY = "make room there, get permission to write, or set KPOP_RCA_OUTPUT to another folder; then run the same again"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` when the block ends without an error; see also `writing`."""
    temporary = path.with_name(f".{path.name}{HALF}{os.getpid()}{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            settle(temporary)  # on a network disk, what was written may be refused only now
            temporary.replace(path)
    finally:
        with suppress(OSError):  # not begun, or in a folder that may not be looked into
            temporary.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make a failure of the block to write one StudyError, with the path, the system's words and what to do."""
    try:
        yield
    except StudyError:
        raise
    except Exception as error:
        # Most libraries hand on the system's words; numpy and torch have their own, so the disk is asked.
        reason = next((said for said in map(os.strerror, REFUSED) if said in str(error)), None) or _refusal(path)
        if reason is None:
            raise
        raise StudyError(f"{path} cannot be written ({reason}).\nTo go on, {REMEDY}") from None


def _refusal(path: Path) -> str | None:
    """What the system says to a few bytes more beside a file; None where it takes them."""
    folder = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(1 << 18))  # more than the block of any file system
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error.strerror
    return None


def settle(path: Path) -> None:
    """Wait until a file's contents are on the disk: a rename before that could outlive them at a power cut."""
    with path.open("r+b") as file:  # Windows settles only what is open for writing
        os.fsync(file.fileno())


def remove_half_written(folder: Path, *, beginning: str = "") -> None:
    """Remove what killed processes left of files whose names begin so; no other may be writing such files there."""
    for path in list(folder.rglob(f".{beginning}*{HALF}*")):
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_gzip(path: Path, text: str) -> None:
    """Write a text compressed by gzip; the same text is the same file, whenever it is written."""
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def write_json(path: Path, content: Any) -> None:
    """Write JSON that every reader accepts; a number that is NaN or infinite is a StudyError, which names its key."""
    for found in _not_finite(content):
        raise StudyError(f"{path.name} was not written: {found}; look for NaN or constant values in its inputs")
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _not_finite(content: Any, key: str = "") -> Iterator[str]:
    """The keys of the numbers that JSON has no word for, such as `rca.per_class.3.low`."""
    if isinstance(content, float) and not math.isfinite(content):
        yield f"{key[1:]} is {content}"
    if isinstance(content, list | tuple):
        content = dict(enumerate(content))
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _not_finite(value, f"{key}.{name}")


def read_json(path: Path) -> Any:
    """Read JSON; a file that is none is a StudyError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path} is damaged ({error}); remove it and run again what made it") from None
