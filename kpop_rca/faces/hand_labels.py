"""Labels given by hand, for what no rule finds: contextual artifacts (Fig 3), hard cases (Fig 4), wrong people."""

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.study.schema import HandLabel

HAND_LABELS = get_args(HandLabel)
WRONG_LABELS = ("wrong_person", "not_a_face")


def read_hand_labels(path: Path) -> pd.DataFrame:
    """A CSV of path (relative to the data folder) and label (one of `HAND_LABELS`), one row per image.

    Raises:
        StudyError: no such file, columns missing, an unknown label, or an image named twice; names the line.
    """
    if not path.is_file():
        raise StudyError(f"hand_labels: {path} does not exist; make it with the labelling page or set it to ''")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        raise StudyError(f"{path} is not a CSV of path,label ({error}); mend or remove it") from None
    if not {"path", "label"} <= set(table.columns):
        raise StudyError(f"{path}, line 1: expected the columns path,label, found {','.join(table.columns)}")
    unknown, repeated = ~table["label"].isin(HAND_LABELS), table["path"].duplicated()
    for wrong, column, advice in (
        (unknown, "label", f"use one of {', '.join(HAND_LABELS)}"),
        (repeated, "path", "it has a label already; keep one of the two lines"),
    ):
        if wrong.any():
            line = int(np.argmax(wrong)) + 2  # the first line holds the column names
            raise StudyError(f"{path}, line {line}: {column} {table[column].iloc[line - 2]!r}; {advice}")
    return table[["path", "label"]]


def join_hand_labels(flagged: pd.DataFrame, labels_file: Path, *, root: Path) -> pd.DataFrame:
    """A copy of the flagged images with hand_label filled in, "" where there is none.

    Labels of images that are in the data folder but not in this study, of an excluded identity say, are ignored.

    Raises:
        StudyError: labels name images that are not there. See also `read_hand_labels`.
    """
    labels = read_hand_labels(labels_file)
    unknown = labels["path"][~labels["path"].isin(flagged["path"])]
    missing = [path for path in unknown if not (root / path).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise StudyError(
            f"{labels_file} names images that are not in {root}: {', '.join(map(repr, missing[:3]))}{more}; "
            "mend or remove these lines"
        )
    return flagged.assign(hand_label=flagged["path"].map(labels.set_index("path")["label"]).fillna(""))
