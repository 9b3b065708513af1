"""The one exception that a reader of the study may cause."""


class StudyError(Exception):
    """A mistake that the user can mend: the message says what happened, where, and what to do next.

    The runner and the notebooks show the message alone; a traceback would hide it.
    """

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: what a notebook shows for this error, instead of a traceback."""
        return [f"StudyError: {self}"]
