"""How much depends on the training of the generator: RCA of the images that each of its trainings made."""

import math
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca.oracles.agreement import rca_by_oracle


def rca_by_training(
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    training: np.ndarray,
    n_classes: int,
    *,
    headline: str,
) -> pd.DataFrame:
    """Global RCA of each training's images, under the headline oracle and on average.

    Args:
        real_predictions: of all oracles on the test split, from `load_predictions`.
        generated_predictions: of all oracles on the N generated images, from `predict_all`.
        training: int64 (N,), which training made each of the images.
        headline: name of the headline oracle.

    Returns:
        One row per training: training, n (images), rca with low and high (score interval over images) and chance, of
        the headline oracle; mean_over_oracles, of those trained on the same kind of faces.
    """
    rows = []
    made_by = training[generated_predictions["image"].to_numpy()]
    for number in range(training.max() + 1):
        by_oracle = rca_by_oracle(real_predictions, generated_predictions[made_by == number], n_classes)
        own = by_oracle.set_index("oracle").loc[headline]
        alike = by_oracle.loc[by_oracle["trained_on"] == own["trained_on"], "rca"]
        row = {"training": number, "n": int((training == number).sum())}
        rows.append(row | own[["rca", "low", "high", "chance"]].to_dict() | {"mean_over_oracles": alike.mean()})
    return pd.DataFrame(rows)


def trainings_summary(by_training: pd.DataFrame) -> dict[str, Any]:
    """The part `trainings` of `metrics.json`: n, rca of each, and their standard deviation sd, from `rca_by_training`.

    The standard deviation is that of the trainings and of the images of each, together.

    >>> trainings_summary(pd.DataFrame({"rca": [0.5, 0.75, 1.0]}))
    {'n': 3, 'rca': [0.5, 0.75, 1.0], 'sd': 0.25}
    """
    values = by_training["rca"]
    found = {"n": len(values), "rca": [None if math.isnan(value) else float(value) for value in values]}
    sd = values.std() if values.notna().all() else math.nan
    if not math.isnan(sd):
        return found | {"sd": float(sd)}
    why = "one training does not tell how trainings vary" if len(values) < 2 else "an RCA has no value"
    return found | {"sd": None, "sd_why": why}


def about_trainings(summary: dict[str, Any], *, headline: str) -> list[str]:
    """In sentences, how far the trainings differ, and what the interval of the headline leaves out; from the summary.

    >>> print(*about_trainings({"n": 2, "rca": [0.5, 0.75], "sd": 0.177}, headline="resnet10-1"), sep=chr(10))
    Under resnet10-1 the RCA of the 2 trainings is 0.50 to 0.75, with a standard deviation of 0.18 between them.
    That includes the scatter of the images that each training made.
    The interval of the headline RCA is over images of these trained models: other trainings would give other models.
    """
    if summary["n"] < 2:
        return ["The generator was trained once. The interval of the headline RCA is over images of this one model."]
    known = [value for value in summary["rca"] if value is not None]
    reach = f"is {min(known):.2f} to {max(known):.2f}" if known else "has no value"
    between = "" if summary["sd"] is None else f", with a standard deviation of {summary['sd']:.2f} between them"
    return [
        f"Under {headline} the RCA of the {summary['n']} trainings {reach}{between}.",
        "That includes the scatter of the images that each training made.",
        "The interval of the headline RCA is over images of these trained models: other trainings would give other "
        "models.",
    ]
