"""The same work on many things, spread over processes or threads of one core each."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from kpop_rca.errors import StudyError

if TYPE_CHECKING:
    import torch  # not above: a process that renders has no use for it, and it takes seconds to load

Item, Result = TypeVar("Item"), TypeVar("Result")


def cores() -> int:
    """Cores that this process may keep busy, by the operating system, OMP_NUM_THREADS (Snakemake's) and torch."""
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(allowed, torch.get_num_threads(), int(asked) if asked.isdigit() else allowed))


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int, chunk: int = 1, threads: bool = False
) -> Iterator[Result]:
    """Results in the order of the items, as they become ready.

    Args:
        work: of a module, or a `partial` of such a function, so that another process can import it.
        workers: processes; 1 for this one.
        chunk: items that are sent at once.
        threads: threads of this process in place of processes, for work that a GPU does.

    >>> list(in_order(abs, [-1, 2, -3], workers=1))
    [1, 2, 3]
    """
    workers = min(workers, len(items))
    if workers < 2:
        yield from map(work, items)
        return
    # "spawn": a fork would copy a process in which torch's threads run, and is to be had on neither macOS nor Windows
    spawning = {"mp_context": get_context("spawn"), "initializer": _end_with_parent}
    with ThreadPoolExecutor(workers) if threads else ProcessPoolExecutor(workers, **spawning) as pool:
        try:
            with _unseen_main():  # processes are started as the items are handed in
                results = pool.map(work, items, chunksize=chunk)
            yield from results
        except BrokenProcessPool:
            raise StudyError(
                f"one of {workers} worker processes was ended from outside, most likely because the memory ran out; "
                "free some, or set OMP_NUM_THREADS to a smaller number and run this again"
            ) from None


@contextmanager
def _unseen_main() -> Iterator[None]:
    """Keep processes that are spawned from running the user's script again, which would spawn others."""
    main = sys.modules["__main__"].__dict__
    before = {name: main[name] for name in ("__spec__", "__file__") if name in main}
    main.update(dict.fromkeys(before))
    try:
        yield
    finally:
        main.update(before)


def _end_with_parent() -> None:
    """End this worker when the process that it works for is gone, killed for example: nobody else would."""

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def a_core_each(
    work: Callable[[Item], Result], items: Iterable[Item], *, device: torch.device, ended: Event | None = None
) -> Iterator[Result]:
    """Results in the order of the items, from networks that run side by side in threads, each on a core of its own.

    PyTorch shares every single operation out among the cores, and networks as small as ours then spend a good part of
    their time waiting for each other. What an item gives does not depend on the number of cores, since one thread
    computes it. On a GPU one thread feeds the device, and the caller writes down what came before meanwhile.

    Args:
        work: safe to run in several threads at once, with random numbers from generators of its own.
        items: taken as they are needed, a few ahead of the results.
        ended: set when the results are wanted no more, after Ctrl-C for example: for work that takes minutes.
    """
    lanes = cores() if device.type == "cpu" else 1
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(lanes, initializer=_begin_lane, initargs=(device,)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > lanes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            if ended:
                ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_turns(works: Sequence[Iterator[Result]], *, stopping: Event) -> Iterator[tuple[int, Result]]:
    """What long works yield on their way, each with its number, from threads of one core each.

    Whichever has waited longest goes on next: on any number of cores all come to their ends at about the same time, and
    no core is left with a whole one at last.

    Args:
        works: each is resumed by one thread at a time, though not always the same.
        stopping: set when one of them has failed: the others are to end soon, and then that error is raised.
    """
    import torch

    waiting, running, failure, ended = deque(enumerate(works)), {}, None, object()
    lanes = min(cores(), len(works))
    with ThreadPoolExecutor(lanes, initializer=_begin_lane, initargs=(torch.device("cpu"),)) as pool:
        while waiting or running:
            while waiting and len(running) < lanes:
                number, work = waiting.popleft()
                running[pool.submit(next, work, ended)] = number, work
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, work = running.pop(future)
                if error := future.exception():
                    failure = failure or error
                    stopping.set()
                elif future.result() is not ended:
                    waiting.append((number, work))
                    yield number, future.result()
    if failure:
        raise failure


def _begin_lane(device: torch.device) -> None:
    import torch

    torch.set_num_threads(1)
    if device.type == "cuda" and device.index is not None:  # one GPU of several; a new thread starts on the first
        torch.cuda.set_device(device)


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Let one thread do every operation on a CPU: numbers add up in one order, and what is small waits for nobody."""
    import torch

    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sharing_the_cores(number: int) -> ThreadPoolExecutor:
    """Threads for work in so many pieces, again and again; on fewer cores the pieces follow each other.

    Their number must not depend on the machine, since the sum of their results depends on it.
    """
    import torch

    lanes = min(number, cores())
    threads = max(1, cores() // lanes)
    return ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads,))
