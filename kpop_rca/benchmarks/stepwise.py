"""A loop that takes its steps from a progress bar, run so many steps at a time."""

import threading
from collections.abc import Callable, Iterable, Iterator

import torch


class _Enough(Exception):
    """Thrown into the loop to leave it."""


class Stepwise:
    """A loop in a thread of its own that moves only while `advance` waits for it.

    So a training can take turns with others without being set up anew for each turn.
    """

    def __init__(self, loop: Callable[[Callable], object]):
        """Start the loop and let it run to its first step.

        Args:
            loop: called with the maker of a progress bar, `tqdm`'s place in `training.Trainer.fit`.
        """
        self._loop, self._left, self._leaving, self._error = loop, 0, False, None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        # How many cores torch may use is a setting of each thread.
        self._thread = threading.Thread(target=self._run, args=(torch.get_num_threads(),), daemon=True)
        self._thread.start()
        self._wait()

    def advance(self, steps: int) -> None:
        """Let the loop take so many steps, and wait until it asks for the next.

        Raises:
            Exception: what the loop raised; RuntimeError if it came to its end.
        """
        if not self._thread.is_alive():
            raise RuntimeError("the loop has ended")
        self._left = steps
        self._go.release()
        self._wait()
        if self._left:
            raise RuntimeError(f"the loop ended {self._left} steps too early")

    def close(self) -> None:
        """Leave the loop at the step where it stands."""
        self._leaving = True
        self._go.release()
        self._thread.join()

    def _wait(self) -> None:
        self._stopped.acquire()
        if self._error is not None:
            raise self._error

    def _run(self, threads: int) -> None:
        torch.set_num_threads(threads)
        try:
            self._loop(self._bar)
        except _Enough:
            pass
        except Exception as error:
            self._error = error
        self._stopped.release()

    def _bar(self, steps: Iterable, **_: object) -> "_Bar":
        return _Bar(self._handed_out(steps))

    def _handed_out(self, steps: Iterable) -> Iterator:
        for step in steps:
            if not self._left:
                self._stopped.release()
                self._go.acquire()
                if self._leaving:
                    raise _Enough
            self._left -= 1
            yield step


class _Bar:
    """As much of `tqdm` as a loop asks for."""

    def __init__(self, steps: Iterator):
        self._steps = steps

    def __iter__(self) -> Iterator:
        return self._steps

    def set_postfix(self, **_: object) -> None:
        """Show nothing."""
