"""The cells of a notebook, read as the JSON that they are.

nbformat takes 1.2 s to load against 0.02 s for this, and every command and every kernel of a study would pay for it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from kpop_rca.errors import StudyError

FAILED = "a cell of it failed"
NO_NOTEBOOK = (ValueError, TypeError, KeyError, AttributeError)  # what reading of any other file may raise


class Cell(NamedTuple):
    """One cell: "code" or "markdown", its text and its tags."""

    kind: str
    source: str
    tags: frozenset[str]


def of_notebook(path: Path) -> list[Cell]:
    """The cells of a notebook of format 4.

    Raises:
        StudyError: the file is no such notebook.
    """
    try:
        return [
            Cell(cell["cell_type"], "".join(cell["source"]), frozenset(cell["metadata"].get("tags", [])))
            for cell in _read(path)
        ]
    except NO_NOTEBOOK:
        raise StudyError(f"{path} is no notebook any more; put the one of the project back") from None


def flaw(path: Path) -> str | None:
    """What keeps an executed notebook from being a record of its run; None of one that ran to its end."""
    try:
        code = [cell for cell in _read(path) if cell["cell_type"] == "code"]
        ran = all(cell["execution_count"] is not None for cell in code if "".join(cell["source"]).strip())
        failed = any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
    except FileNotFoundError:
        return "gone"
    except (OSError, *NO_NOTEBOOK):
        return "damaged"
    if not ran:
        return "was not run to its end"
    return FAILED if failed else None


def results(path: Path) -> str:
    """Hash of the code cells of an executed notebook with their outputs; prose, and how it was saved, do not count.

    Raises:
        OSError, or one of NO_NOTEBOOK: the file is no such notebook; see `flaw`.
    """
    code = [cell for cell in _read(path) if cell["cell_type"] == "code"]
    shown = [[_joined(cell["source"]), _joined(cell["outputs"])] for cell in code]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def _joined(found: Any) -> Any:
    """What a notebook's file holds, texts in one piece that may be there line by line."""
    if isinstance(found, dict):
        return {name: _joined(value) for name, value in found.items()}
    if isinstance(found, list):
        texts = found and all(isinstance(part, str) for part in found)
        return "".join(found) if texts else [_joined(part) for part in found]
    return found
