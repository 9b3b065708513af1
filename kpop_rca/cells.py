"""The cells of a notebook, read as the JSON that they are.

nbformat reads them too, but takes two seconds to load, for a schema that a notebook is held to where one is written or
run. Here every command and every kernel of a study would pay for it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError

FAILED = "a cell of it failed"


@dataclass(frozen=True)
class Cell:
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
        return [_cell(found) for found in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StudyError(f"{path} is no notebook any more; put the one of the project back") from None


def flaw(path: Path) -> str | None:
    """What keeps an executed notebook from being a record of its run; None of one that ran to its end."""
    try:
        code = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        ran = [cell["execution_count"] is not None for cell in code if "".join(cell["source"]).strip()]
        failed = any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
    except FileNotFoundError:
        return "gone"
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        return "damaged"
    if not all(ran):
        return "was not run to its end"
    return FAILED if failed else None


def results(path: Path) -> str:
    """Hash of the code cells of an executed notebook with their outputs; prose, and how it was saved, do not count.

    Raises:
        OSError, ValueError, TypeError, KeyError, AttributeError: the file is no such notebook; see `flaw`.
    """
    code = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    shown = [[_joined(cell["source"]), _joined(cell["outputs"])] for cell in code]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _joined(found: Any) -> Any:
    """What a notebook's file holds, texts in one piece that may be there line by line."""
    if isinstance(found, dict):
        return {name: _joined(value) for name, value in found.items()}
    if isinstance(found, list):
        texts = found and all(isinstance(part, str) for part in found)
        return "".join(found) if texts else [_joined(part) for part in found]
    return found


def _cell(found: dict) -> Cell:
    source, tags = found["source"], found["metadata"].get("tags", [])
    return Cell(found["cell_type"], source if isinstance(source, str) else "".join(source), frozenset(tags))
