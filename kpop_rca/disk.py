"""Files written whole or not at all, and one readable error where there is no room or leave to write.

Libraries tell of a full disk in errors of their own, some without the system's error number (numpy, torch,
safetensors). Where an error does not say, the disk is asked: what had been begun is continued by a few bytes.
"""

import errno
import hashlib
import json
import math
import os
import re
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError

HALF = ".half-"  # in the hidden name of a file that is being written
PROBE = 1 << 18  # bytes; more than the block of any file system, and than what a library keeps back
ELSEWHERE = "or set KPOP_RCA_OUTPUT to another folder"
REMEDIES = {
    errno.ENOSPC: f"make room there, {ELSEWHERE}",
    errno.EDQUOT: f"remove what you no longer need there or have your quota raised, {ELSEWHERE}",
    errno.EFBIG: f"raise the limit on the size of files (ulimit -f unlimited), {ELSEWHERE}",
    errno.EACCES: f"get permission to write there (chmod u+w), {ELSEWHERE}",
    errno.EPERM: f"get permission to write there (chmod u+w), {ELSEWHERE}",
    errno.EROFS: f"make that disk writable, {ELSEWHERE}",
}
OS_ERROR = re.compile(r"\(os error (\d+)\)")  # as libraries written in Rust say it
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_MORE_FILES = f"remove files there, of which it holds no more however small they are, {ELSEWHERE}"


@contextmanager
def atomic(path: Path, *, size: int | None = None) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when the block ends without an error.

    Args:
        path: the file to be.
        size: see `writing`.

    Raises:
        StudyError: see `writing`.
    """
    with writing(path, size=size):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}{HALF}", suffix=path.suffix)
        os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(0o644)
        with writing(path, through=temporary, size=size):
            yield temporary
            settle(temporary)  # on a network disk, what was written may be refused only now
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def settle(path: Path) -> None:
    """Wait until a file's contents are on the disk: a rename before that could outlive them at a power cut.

    The rename itself is not waited for: without it, what was there before is whole.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


def remove_half_written(folder: Path, *, beginning: str = "") -> None:
    """Remove what processes that were killed left of files that they were writing.

    Args:
        folder: with everything below it; no other process may be writing such files there.
        beginning: of the names of the files to be.
    """
    for path in list(folder.rglob(f".{beginning}*{HALF}*")):
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON that every reader accepts: NaN and infinity are refused, keys keep their order.

    Raises:
        StudyError: a number that is not finite; names its key. See also `writing`.
    """
    for key, number in _not_finite(content):
        raise StudyError(
            f"{path.name} was not written: {key} is {number}, which is no result; look for values that are not finite, "
            "or all alike, in what it is computed from"
        )
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _not_finite(content: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """The keys of all numbers that JSON has no word for, such as `rca.per_class[3].low`, and the numbers."""
    if isinstance(content, float) and not math.isfinite(content):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _not_finite(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _not_finite(value, f"{key}[{number}]")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        StudyError: the file is not JSON; says to remove it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path} is damaged ({error}); remove it and run the same again") from None


@contextmanager
def writing(path: Path, *, through: Path | None = None, size: int | None = None) -> Iterator[None]:
    """Make a failure of the block to write, for lack of room or leave, one error that names the path.

    Args:
        path: what is being written, a file or a folder; named in the error.
        through: the file that is written to, where that is another one, to be renamed to `path`.
        size: bytes that `path` will have, where that is known beforehand.

    Raises:
        StudyError: no room, a quota or a limit reached, no leave, a disk that is read-only. Says what is needed and
            what is free, and what to do. Every other error is left as it is.
    """
    try:
        yield
    except (StudyError, TimeoutError):  # a lock that is held times out
        raise
    except Exception as error:
        number = _cause(error, through or path)
        if number is None:
            raise
        written = _size(through or path) if number in FULL else 0
        raise StudyError(_message(path, number, written=written, size=size)) from None


def trouble(folder: Path) -> str | None:
    """What keeps a few bytes from being written to a folder, as `writing` would say it; None where nothing does."""
    number = _probe(folder / "more")
    return _message(folder, number, written=0, size=None) if number else None


def _cause(error: Exception, path: Path) -> int | None:
    """The number of the system's error behind a failed write; None where it failed for another reason."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in REMEDIES else None
    told = OS_ERROR.search(str(error))
    return int(told[1]) if told and int(told[1]) in REMEDIES else _probe(path)


def _probe(path: Path) -> int | None:
    """What the disk says to a few bytes more in a file, or, where there is no such file, beside it."""
    place, before = path, 0
    try:
        place = path if path.is_file() else _nearest_folder(path) / f".{path.name}.probe"
        before = _size(place)
        with place.open("ab") as file:
            file.write(bytes(PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno if error.errno in REMEDIES else None
    finally:
        with suppress(OSError):
            os.truncate(place, before) if place == path else place.unlink(missing_ok=True)
    return None


def _message(path: Path, number: int, *, written: int, size: int | None) -> str:
    known, remedy = [], REMEDIES[number]
    if number in FULL:  # else the folder may be one that may not even be looked at
        folder = _nearest_folder(path)
        known = [f"it needs {_amount(size)}" if size else f"it needs more than {_amount(written)}" if written else ""]
        known += [_allowed(folder, number, written=written)]
        remedy = NO_MORE_FILES if number == errno.ENOSPC and _holds_no_more_files(folder) else remedy
    said = ", ".join(filter(None, known))
    first = f"{path} cannot be written ({os.strerror(number)}){': ' if said else ''}{said}."
    return f"{first}\nTo go on, {remedy}, then run the same again; what was there before is whole"


def _allowed(folder: Path, number: int, *, written: int) -> str:
    """How much may be written, as far as that can be asked for: a quota cannot, and what is free says little of it."""
    if number == errno.ENOSPC:
        # Measured while what was begun still lies there: it is removed, and its room is free again.
        return f"{_amount(shutil.disk_usage(folder).free + written)} are free there"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return f"a file may have {_amount(limit)}" if number == errno.EFBIG and limit != resource.RLIM_INFINITY else ""


def _holds_no_more_files(folder: Path) -> bool:
    """Whether a disk has room for bytes but none for the name of a file; some count no files, and say 0 of 0."""
    found = os.statvfs(folder)
    return found.f_files > 0 and found.f_favail == 0


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder; 0 where there is none."""
    files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
    found = 0
    for file in files:
        with suppress(OSError):
            found += file.stat().st_size if file.is_file() else 0
    return found


def _amount(size: int) -> str:
    """A number of bytes for reading."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
