"""Times of programs at the same work, taken in turns: whatever else the machine does meets all of them alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

OURS = "ours"
COLUMNS = ["who", "repeat", "seconds", "items", "flops", "bytes", "why"]


@dataclass(frozen=True)
class Work:
    """What a contender does in one repeat.

    Attributes:
        run: does it.
        items: images, pairs or the like that one call of `run` handles.
        flops: floating-point operations an item, multiplications and additions counted apart; NaN if not counted.
        bytes: read and written an item, at least; NaN if not counted.
        close: called after the last repeat.
    """

    run: Callable[[], object]
    items: int
    flops: float = np.nan
    bytes: float = np.nan
    close: Callable[[], object] = lambda: None


def why_not(error: Exception) -> str:
    """A failure as one line of a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def timed(run: Callable[[], object], *, device: torch.device) -> float:
    """Seconds that a call takes, with all that it left for the device to do."""
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    wait()
    begun = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - begun


def in_turns(
    prepare: dict[str, Callable[[], Work]],
    *,
    repeats: int,
    warm_up: int,
    device: torch.device,
    progress: Callable = iter,
) -> pd.DataFrame:
    """Time programs, each once in every repeat; who goes first moves on from repeat to repeat.

    A baseline that is not installed or fails is left out with the reason; a failure of `OURS` is an error. What it
    takes to prepare the work, and the repeats of warming up, are not timed.

    Returns:
        Columns `COLUMNS`, a row a contender and repeat; of one that failed a single row, with NaN and `why`.
    """
    works, failed, rows = {}, {}, []
    for who, make in prepare.items():
        _unless_failing(who, lambda who=who, make=make: works.update({who: make()}), failed)
    try:
        for repeat in progress(range(-warm_up, repeats)):
            for who in _rotated([who for who in works if who not in failed], repeat):
                seconds = _unless_failing(who, lambda who=who: timed(works[who].run, device=device), failed)
                if seconds is not None and repeat >= 0:
                    rows.append(_row(who, repeat, seconds, works[who]))
    finally:
        for work in works.values():
            work.close()
    rows = [row for row in rows if row["who"] not in failed]
    rows += [dict.fromkeys(COLUMNS, np.nan) | {"who": who, "why": why} for who, why in failed.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _unless_failing(who: str, call: Callable[[], object], failed: dict[str, str]) -> object:
    try:
        return call()
    except Exception as error:  # whatever a baseline throws; ours must work
        if who == OURS:
            raise
        failed[who] = why_not(error)
        return None


def _rotated(names: list[str], by: int) -> list[str]:
    shift = by % max(1, len(names))
    return names[shift:] + names[:shift]


def _row(who: str, repeat: int, seconds: float, work: Work) -> dict:
    counted = {"items": work.items, "flops": work.flops, "bytes": work.bytes}
    return {"who": who, "repeat": repeat, "seconds": seconds, "why": ""} | counted
