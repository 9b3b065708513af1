"""Processes that tests start."""

import signal


def hears_interrupts() -> None:
    """For `preexec_fn`: a worker of pytest-xdist ignores SIGINT, and so would whatever it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
