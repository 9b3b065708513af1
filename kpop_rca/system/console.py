"""Long work that can be watched and stopped: progress bars, lines for batch runs, and interrupts at a good moment."""

import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from types import FrameType
from typing import Any

from tqdm.auto import tqdm

BATCH = "KPOP_RCA_BATCH"  # environment: what runs, "quick 03_ddpm_training"; set where nobody sees the notebook
LINE_EVERY = 30.0  # seconds
TERMINAL = 2  # the file descriptor that a kernel shares with the process that started it
CLEAR = "\r\x1b[K"  # from the beginning of the line: a bar of papermill's may stand there
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what a cluster sends when a job's time is over
COLUMNS = 110


def say(line: str) -> None:
    """Write a line to the terminal of a batch run, past the notebook; nothing elsewhere."""
    what = os.environ.get(BATCH)
    if what:
        before = CLEAR if os.isatty(TERMINAL) else ""
        with suppress(OSError):  # whoever listened has gone
            os.write(TERMINAL, f"{before}{what}  {line}\n".encode())


@cache
def print_once(line: str) -> None:
    """Print what is not worth saying a second time in this process."""
    print(line)


def tell(line: str) -> None:
    """Tell who runs a notebook what is no result of it: in the terminal of a batch run, else below the cell."""
    if os.environ.get(BATCH):
        say(line)
    else:
        print(line)


class bar(tqdm):
    """tqdm's bar, in JupyterLab as a widget, which in a batch run also says every half minute where it stands."""

    said_at = 0.0  # seconds after its beginning

    def display(self, *arguments: Any, **options: Any) -> Any:
        """Show where it stands: tqdm calls this whenever that is worth showing again."""
        elapsed = self.format_dict["elapsed"]
        if elapsed - self.said_at >= LINE_EVERY:
            self.said_at = elapsed
            say(str(self))
        return super().display(*arguments, **options)


def named(desc: str, *, unit: str = "it") -> Callable[..., bar]:
    """What makes bars of one kind of work: what is done, and the unit that it is counted in."""
    return partial(bar, desc=desc, unit=unit)


def wrapped(sentences: Iterable[str]) -> str:
    """Sentences for a notebook, where JupyterLab would break a long line in the middle of a word.

    >>> print(wrapped(["one", "two " * 40]).count(chr(10)))
    2
    """
    return "\n".join(textwrap.fill(sentence, COLUMNS, break_on_hyphens=False) for sentence in sentences)


@contextmanager
def interrupts_wait() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM wait for a good moment; the block is given a function that says whether one came.

    The same signal a second time does not wait. The two may come together: a cluster sends its signal to the kernel and
    to the process that runs it, which then interrupts the kernel.
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

    in_main = threading.current_thread() is threading.main_thread()  # signals reach no other
    # A job in the background of a script ignores interrupts, and is meant to.
    heard = [number for number in SIGNALS if in_main and signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
