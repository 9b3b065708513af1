"""Predictions as a small file that a reader can recompute RCA from: a row per image, a column per oracle, no image.

    side, training, burst, image, label, <oracle>, <oracle>, …

`side` is "real" (the test split) or "generated"; training is that which generated the image, -1 of a real one; burst is
shared by real images that are near-duplicates of each other, -1 elsewhere. An oracle's column has the class number that
it predicts; oracles are named <architecture>-<seed>, with -seen where they were trained on the generator's faces.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.oracles.predictions import ORACLE_COLUMNS

OF_IMAGES = ["side", "training", "burst", "image", "label"]
SEEN = "-seen"


def wide(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per image: image, label, and the identity that each oracle predicts, in the order of the oracles.

    Args:
        predictions: the long table of `oracles.predictions`.
    """
    names = predictions["oracle"].unique()
    table = predictions.pivot(index=["image", "label"], columns="oracle", values="predicted")[names]
    return table.reset_index().rename_axis(columns=None)


def study_table(
    real_predictions: pd.DataFrame, generated_predictions: pd.DataFrame, training: np.ndarray, bursts: np.ndarray
) -> pd.DataFrame:
    """All oracles' predictions of the test split and of the generated images, without their confidence.

    Args:
        real_predictions, generated_predictions: long tables of the same oracles.
        training: int (N,), which training made each of the generated images.
        bursts: int, of each test image.
    """
    real = wide(real_predictions).assign(side="real", training=-1, burst=bursts)
    generated = wide(generated_predictions).assign(side="generated", training=training, burst=-1)
    table = pd.concat([real, generated], ignore_index=True)
    return table[OF_IMAGES + [name for name in table if name not in OF_IMAGES]]


def read_long(path: Path, side: str) -> pd.DataFrame:
    """One side of a written table as a long table, with training and burst, but without confidence.

    Args:
        side: "real" or "generated".
    """
    table = pd.read_csv(path)
    table = table[table["side"] == side]
    parts = []
    for name in [column for column in table if column not in OF_IMAGES]:
        architecture, _, seed = name.removesuffix(SEEN).rpartition("-")
        about = (name, architecture, int(seed), "train" if name.endswith(SEEN) else "oracle")
        columns = dict(zip(ORACLE_COLUMNS, about, strict=True))
        parts.append(table[OF_IMAGES[1:]].assign(**columns, predicted=table[name]))
    return pd.concat(parts, ignore_index=True)
