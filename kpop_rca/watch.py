"""Long work that can be watched and stopped: progress bars, lines for batch runs, and interrupts at a good moment."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from types import FrameType
from typing import Any

from tqdm.auto import tqdm

BATCH = "KPOP_RCA_BATCH"  # environment: what runs, "quick 03_ddpm_training"; set where nobody sees the notebook
LINE_EVERY = 30.0  # seconds
LINE = "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
TERMINAL = 2  # the file descriptor that a kernel shares with the process that started it
CLEAR = "\r\x1b[K"  # from the beginning of the line: a bar of papermill's may stand there
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what a cluster sends when a job's time is over

_open: list["bar"] = []  # bars that have begun and not ended, the innermost last


def say(line: str) -> None:
    """Write a line to the terminal of a batch run, past the notebook; nothing elsewhere."""
    what = os.environ.get(BATCH)
    if what:
        before = CLEAR if os.isatty(TERMINAL) else ""
        with suppress(OSError):  # whoever listened has gone
            os.write(TERMINAL, f"{before}{what}  {line}\n".encode())


def speak() -> None:
    """From now on say every half minute, in a batch run, where the innermost bar stands, or which cell is at work.

    A thread says so, and not the work, so that the line comes even while a single step takes minutes.
    """
    if os.environ.get(BATCH):
        _speaker()


@cache
def _speaker() -> threading.Thread:
    thread = threading.Thread(target=_say_again_and_again, daemon=True)
    thread.start()
    return thread


def _say_again_and_again() -> None:
    cell, minutes = None, 0.0
    while True:
        time.sleep(LINE_EVERY)
        last, cell = cell, _cell()
        minutes = minutes + LINE_EVERY / 60 if cell == last else 0.0
        if _open:
            with suppress(IndexError, AttributeError):  # it has just ended
                say(_open[-1].line())
        elif cell and minutes >= 1:  # of one that is soon done there is nothing to say
            say(f"code cell {cell}, for {minutes:.0f} minutes or more")


def _cell() -> int | None:
    """The number of the cell that a kernel is at; None elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell and shell.execution_count


class bar(tqdm):
    """tqdm's bar, in JupyterLab as a widget, which in a batch run also says every half minute where it stands.

    >>> sum(bar([1, 2, 3], desc="adding", disable=True))
    6
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        if not self.disable:
            _open.append(self)
            speak()

    def line(self) -> str:
        """Where it stands, at which rate and how long it will still take."""
        return tqdm.format_meter(**{**self.format_dict, "bar_format": LINE, "prefix": self.desc or "working"})

    def close(self) -> None:
        """End the bar, and its lines."""
        with suppress(ValueError):  # off, or closed before
            _open.remove(self)
        super().close()


def named(desc: str, *, unit: str = "it") -> Callable[..., bar]:
    """What makes bars of one kind of work.

    Args:
        desc: what is done.
        unit: what of.

    >>> sum(named("adding", unit="number")([1, 2, 3], disable=True))
    6
    """
    return partial(bar, desc=desc, unit=unit)


@contextmanager
def interrupts_wait() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM wait for a good moment, at which the block asks whether one came.

    The same signal a second time does not wait. The two may come together: a cluster sends its signal to the kernel and
    to the process that runs it, which then interrupts the kernel. Outside the main thread, which signals never reach,
    nothing changes.

    Yields:
        A function: whether a signal is waiting.
    """
    asked: set[int] = set()

    def ask(number: int, frame: FrameType | None) -> None:
        if number in asked:
            signal.default_int_handler(number, frame)
        asked.add(number)
        message = "stopping once it is saved; interrupt again to stop at once"
        with suppress(RuntimeError):  # the signal came in the middle of another line
            print(message, file=sys.stderr)
        say(message)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    # A job in the background of a script ignores interrupts, and is meant to.
    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
