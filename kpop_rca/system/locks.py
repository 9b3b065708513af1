"""One process at a time: locks that the operating system frees when their holder ends, however it ends.

Beside a lock, `<lock>.holder` says who took it. It decides nothing: the lock of a killed process is free all the same.
"""

import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kpop_rca.errors import StudyError
from kpop_rca.system import files

PATIENCE = 1.0  # seconds; who only asks for the holder of a lock has it for an instant

# A lock whose object is forgotten is freed, and a notebook's cell that is run twice forgets the first. With the
# process, since a fork inherits the memory but not the lock.
_held: dict[tuple[int, Path], FileLock] = {}


def take(path: Path, *, what: str, then: str) -> bool:
    """Hold a lock until `release`, or until this process ends; False where this process had it already.

    Raises:
        StudyError: another process holds it; says which of them is using `what`, and to do `then` once it is free.
    """
    key = (os.getpid(), path)
    if key in _held:
        return False
    lock, since = FileLock(path, thread_local=False), datetime.now().astimezone().isoformat(" ", "seconds")
    try:
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=PATIENCE)
            _said(path).write_text(f"process {os.getpid()} on {socket.gethostname()} since {since}")
    except Timeout:
        how = "wait for it, or stop it (in JupyterLab, shut its kernel down)"
        raise StudyError(f"{what} is in use by {_words(path)}; {how}, {then}") from None
    _held[key] = lock
    return True


def release(path: Path) -> None:
    """Give a lock back; nothing happens where this process does not hold it."""
    lock = _held.pop((os.getpid(), path), None)
    if lock is not None:
        lock.release()


def holder(path: Path) -> str | None:
    """Who holds a lock, in words; None where nobody does."""
    with suppress(OSError):  # a folder that may only be read: nobody works in it
        try:
            if path.is_file():
                with FileLock(path, thread_local=False).acquire(blocking=False):
                    return None
        except Timeout:
            return _words(path)
    return None


def _said(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _words(path: Path) -> str:
    with suppress(OSError):  # just being written
        return _said(path).read_text() or "another process"
    return "another process"
