"""Predictions as a small file that a reader can recompute RCA from: a row per image, a column per oracle, no image.

    side, training, image, burst, label, <oracle>, <oracle>, …

`side` is "real" (the test split) or "generated"; training is that which generated the image, and burst is shared by
real images that are near-duplicates of each other, -1 elsewhere.
"""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.oracles.predictions import ORACLE_COLUMNS
from kpop_rca.system import files

OF_IMAGES = ["side", "training", "image", "burst", "label"]


def wide(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per image: image, label, and the identity that each oracle predicts, in the order of the oracles.

    Args:
        predictions: the long table of `oracles.predictions`.
    """
    names = predictions["oracle"].unique()
    table = predictions.pivot(index=["image", "label"], columns="oracle", values="predicted")[names]
    return table.reset_index().rename_axis(columns=None)


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, compressed by gzip: the same table is the same file."""
    text = table.to_csv(index=False).encode()
    with files.atomic(path) as temporary:
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as compressed:
            compressed.write(text)
        temporary.write_bytes(buffer.getvalue())
