"""The one exception that a reader of the study may cause."""

import sys
from collections.abc import Callable
from functools import wraps


class StudyError(Exception):
    """A mistake that the user can mend: the message says what happened, where, and what to do next.

    The runner and the notebooks show the message alone; a traceback would hide it.
    """

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: what a notebook shows for this error, instead of a traceback."""
        return [f"StudyError: {self}"]


def said_in_a_line(main: Callable[..., int]) -> Callable[..., int]:
    """A command whose StudyError is printed in a line; its exit status is 1 then."""

    @wraps(main)
    def command(arguments: list[str] | None = None) -> int:
        try:
            return main(arguments)
        except StudyError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1

    return command
