"""Times of programs at the same work, taken in turns: whatever else the machine does meets all of them alike."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
import torch

OURS = "ours"


class Work:
    """What a program does in one repeat: `run`.

    Counted are items that one call handles; flops (multiplications and additions counted apart) and bytes (read and
    written, at least) per item; data_bytes, of all the data that it is handed or writes.
    """

    def __init__(self, run: Callable[[], object], **counts: float):
        self.run, self.counts = run, counts


def why_not(error: Exception) -> str:
    """A failure as one line of a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def timed(run: Callable[[], object], *, device: torch.device) -> float:
    """The seconds that a call takes, with all that it left for the device to do."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    begun = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - begun


def in_turns(
    programs: dict[str, Callable[[], Work]], *, repeats: int, warm_up: int, device: torch.device
) -> pd.DataFrame:
    """Time programs, each once in every repeat; who goes first moves on from repeat to repeat.

    Preparing the work and the repeats of warming up are not timed. What is not counted of a program is as for `OURS`,
    whose failure is an error.

    Returns:
        who, repeat, seconds, the counts, why: one row per program and repeat; of a baseline that is not installed or
        fails a single row, with NaN and `why`.
    """
    works, failed, rows = {}, {}, []
    for who, prepare in programs.items():
        with _unless_it_fails(who, failed):
            works[who] = prepare()
    for repeat in range(-warm_up, repeats):
        racing = [who for who in works if who not in failed]
        first = repeat % len(racing)
        for who in racing[first:] + racing[:first]:
            with _unless_it_fails(who, failed):
                seconds = timed(works[who].run, device=device)
                counts = works[OURS].counts | works[who].counts
                rows.append({"who": who, "repeat": repeat, "seconds": seconds} | counts | {"why": ""})
    rows = [row for row in rows if row["repeat"] >= 0 and row["who"] not in failed]
    return pd.DataFrame(rows + [{"who": who, "why": why} for who, why in failed.items()])


@contextmanager
def _unless_it_fails(who: str, failed: dict[str, str]) -> Iterator[None]:
    """Note why a baseline fails, whatever it throws; ours must work."""
    try:
        yield
    except Exception as error:
        if who == OURS:
            raise
        failed[who] = why_not(error)
