"""The cells of a notebook, read as the JSON that they are.

nbformat takes 1.2 s to load against 0.02 s for this, and every command and every kernel of a study would pay for it.
"""

import json
from pathlib import Path
from typing import NamedTuple

from kpop_rca.errors import StudyError


class Cell(NamedTuple):
    """One cell: "code" or "markdown", its text and its tags."""

    kind: str
    source: str
    tags: frozenset[str]


def of_notebook(path: Path) -> list[Cell]:
    """The cells of a notebook of format 4; a StudyError where the file is none."""
    try:
        return [
            Cell(cell["cell_type"], "".join(cell["source"]), frozenset(cell["metadata"].get("tags", [])))
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StudyError(f"{path} is no notebook any more; put the one of the project back") from None
