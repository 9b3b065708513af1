"""One process at a time: locks that the operating system frees when their holder ends, however it ends.

Beside a lock, `<lock>.json` says who took it, for the message to whoever comes second. It decides nothing: the lock of
a process that was killed is free, whatever the file still says.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kpop_rca import disk
from kpop_rca.errors import StudyError

PATIENCE = 1.0  # seconds; who only asks for the holder of a lock has it for an instant

# Kept here and not in the caller's hands: a lock whose object is forgotten is freed, and a notebook's cell that is run
# twice forgets the first. With the process, since a fork inherits the memory but not the lock.
_held: dict[tuple[int, Path], FileLock] = {}


def take(path: Path, *, what: str, then: str) -> bool:
    """Hold a lock until `release`, or until this process ends.

    Args:
        path: the lock's file; made where it is not there, and left there.
        what: what is locked, in the words of the error.
        then: what to do once it is free.

    Returns:
        Whether it was taken; False where this process had it already.

    Raises:
        StudyError: another process holds it; says which, where and since when. Or the file cannot be written.
    """
    key = (os.getpid(), path)
    if key in _held:
        return False
    try:
        with disk.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, thread_local=False)
            lock.acquire(timeout=PATIENCE)
            _record(path).write_text(json.dumps(_this_process()), encoding="utf-8")
    except Timeout:
        raise StudyError(
            f"{what} is in use by {_words(path)}; wait for it, or stop it (in JupyterLab, shut its kernel down), {then}"
        ) from None
    except OSError as error:
        raise StudyError(f"{path} cannot be written ({error.strerror}); make room there, or leave to write") from None
    _held[key] = lock
    return True


def release(path: Path) -> None:
    """Give a lock back; nothing happens where this process does not hold it."""
    lock = _held.pop((os.getpid(), path), None)
    if lock is not None:
        lock.release()


@contextmanager
def held(path: Path, *, what: str, then: str) -> Iterator[None]:
    """Hold a lock for as long as the block runs; see `take`."""
    taken = take(path, what=what, then=then)
    try:
        yield
    finally:
        if taken:
            release(path)


def holder(path: Path) -> str | None:
    """Who holds a lock, in words; None where nobody does."""
    if not path.is_file():
        return None
    try:
        with FileLock(path, thread_local=False).acquire(blocking=False):
            return None
    except Timeout:
        return _words(path)
    except OSError:  # a folder that may only be read: nobody works in it
        return None


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _this_process() -> dict[str, str | int]:
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _words(path: Path) -> str:
    try:
        found = json.loads(_record(path).read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # just being written
        return "another process"
