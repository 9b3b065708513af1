"""Work that does not fit a run: it is moved aside, not deleted, and taken up again by a run that it fits."""

import re
import shutil
from pathlib import Path

from kpop_rca import seals


def move(folder: Path) -> Path | None:
    """Rename a stage's folder to `<folder>.earlier-<n>`; one in which there is no work is removed.

    Returns:
        Where it lies now; None where there was nothing to keep.
    """
    if not seals.files_of(folder):
        remove(folder)
        return None
    last = _number(of(folder)[0]) if of(folder) else 0
    return folder.rename(folder.with_name(f"{folder.name}.earlier-{last + 1}"))


def of(folder: Path) -> list[Path]:
    """What was moved aside of a stage, the last first."""
    found = [path for path in folder.parent.glob(f"{folder.name}.earlier-*") if _number(path)]
    return sorted(found, key=_number, reverse=True)


def remove(folder: Path) -> None:
    """Remove a stage's folder, the records first: half of what is left of it would be no work to continue."""
    for name in (seals.MANIFEST, seals.STARTED):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir():
        shutil.rmtree(folder)


def _number(path: Path) -> int:
    found = re.search(r"\.earlier-([1-9]\d*)$", path.name)
    return int(found[1]) if found else 0
