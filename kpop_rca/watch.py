"""Long work that can be watched and stopped: progress bars, lines for batch runs, and interrupts at a good moment."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

from tqdm.auto import tqdm

BATCH = "KPOP_RCA_BATCH"  # environment: what runs, "quick 03_ddpm_training"; set where nobody sees the notebook
LINE_EVERY = 30.0  # seconds
LINE = "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
TERMINAL = 2  # the file descriptor that a kernel shares with the process that started it
CLEAR = "\r\x1b[K"  # from the beginning of the line: a bar of papermill's may stand there


def say(line: str) -> None:
    """Write a line to the terminal of a batch run, past the notebook; nothing elsewhere."""
    what = os.environ.get(BATCH)
    if what:
        before = CLEAR if os.isatty(TERMINAL) else ""
        with suppress(OSError):  # whoever listened has gone
            os.write(TERMINAL, f"{before}{what}  {line}\n".encode())


class bar(tqdm):
    """tqdm's bar, in JupyterLab as a widget, which in a batch run also says every half minute where it stands.

    A thread says so, and not the loop, so that the line comes even while a single step takes minutes.

    >>> sum(bar([1, 2, 3], desc="adding", disable=True))
    6
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._ended = threading.Event()
        if os.environ.get(BATCH) and not self.disable:
            threading.Thread(target=self._say_again_and_again, daemon=True).start()

    def _say_again_and_again(self) -> None:
        while not self._ended.wait(LINE_EVERY):
            say(tqdm.format_meter(**{**self.format_dict, "bar_format": LINE, "prefix": self.desc or "working"}))

    def close(self) -> None:
        """End the bar, and its lines."""
        if hasattr(self, "_ended"):  # not there where tqdm's own beginning failed
            self._ended.set()
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
    """Let Ctrl-C wait for a good moment, at which the block asks whether it came; a second one does not wait.

    Outside the main thread, which interrupts never reach, nothing changes.

    Yields:
        A function: whether an interrupt is waiting.
    """
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            signal.default_int_handler(number, frame)
        asked.set()
        message = "stopping once it is saved; interrupt again to stop at once"
        print(message, file=sys.stderr)
        say(message)

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
