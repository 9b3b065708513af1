"""What the audit (01) leaves for preprocessing (02): a table of all images, and where the data folder is."""

from pathlib import Path

import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.study.manifests import SOURCE
from kpop_rca.system.files import atomic, read_json, write_json

DETECTIONS = "detections.parquet"


def save_audit(folder: Path, flagged: pd.DataFrame, *, root: Path, source: str) -> None:
    """Write the table from `flags.flag_images`, the data folder, and the source of its images."""
    write_json(folder / SOURCE, {"root": str(root), "source": source})
    with atomic(folder / DETECTIONS) as temporary:
        flagged.to_parquet(temporary, index=False)


def load_audit(folder: Path) -> tuple[pd.DataFrame, Path, str]:
    """The audit's table, one row per image; the data folder that its paths are relative to; and its source.

    Raises:
        StudyError: the images are no longer where the audit saw them.
    """
    source = read_json(folder / SOURCE)
    root = Path(source["root"])
    if not root.is_dir():
        raise StudyError(f"the photographs were at {root}, which is no folder now; bring it back or run 01 again")
    return pd.read_parquet(folder / DETECTIONS), root, source["source"]
