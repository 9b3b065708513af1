"""The oracles' predictions of images, and which oracle is the study's.

Predictions come as one long table, a row for every oracle and image, with the columns

    oracle, architecture, seed, trained_on, image, label, predicted, confidence

where `seed` is the oracle's number, `trained_on` the split that it was trained on ("oracle" or "train"), `image` counts
the images of the set from 0, and `label` is the true identity of a real face or the requested one.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from kpop_rca.errors import StudyError
from kpop_rca.oracles import training

ORACLE_COLUMNS = ["oracle", "architecture", "seed", "trained_on"]  # those that identify an oracle


def trained(folder: Path) -> pd.DataFrame:
    """The oracles that were trained, architecture by architecture.

    An oracle is eligible as the study's when it was not trained on the generator's faces; where all were (the study
    keeps no faces for the oracles, as in the paper), all are.

    Args:
        folder: `artifacts/<study>/oracle`.

    Returns:
        One row per oracle: oracle, architecture, seed, trained_on, n_train, starts_from, validation_accuracy, eligible.

    Raises:
        StudyError: there is none.
    """
    about = {path.parent.name: training.read_about(path.parent) for path in sorted(folder.glob(f"*/{training.ABOUT}"))}
    if not about:
        raise StudyError(f"no oracle has been trained in {folder}; run 04_oracle_benchmark")
    rows = [
        {"oracle": name}
        | {key: entry[key] for key in ("architecture", "seed", "trained_on", "n_train", "starts_from")}
        | {"validation_accuracy": entry["validation"]["accuracy"]}
        for name, entry in about.items()
    ]
    table = pd.DataFrame(rows).sort_values(["architecture", "trained_on", "seed"], ignore_index=True)
    apart = table["trained_on"] == "oracle"
    return table.assign(eligible=apart if apart.any() else True)


def select(folder: Path, requested: str) -> str:
    """The name of the study's oracle.

    With "best": of the eligible oracles, the architecture of the highest mean validation accuracy over its seeds, and
    of that the seed of the median validation accuracy, the lower one of an even number: RCA is averaged over oracles,
    and where one of them stands for all it is not one that was lucky. Choosing by the test split would raise the
    denominator of RCA by luck.

    Args:
        folder: `artifacts/<study>/oracle`.
        requested: "best"; an architecture, for its median seed; or an oracle, which is taken as it is, even if it was
            trained on the generator's faces.

    Raises:
        StudyError: the requested oracle was not trained.
    """
    oracles = trained(folder)
    if requested in oracles["oracle"].tolist():
        return requested
    of_kind = oracles["architecture"] == requested if requested != "best" else True
    able = oracles[oracles["eligible"] & of_kind]
    if able.empty:
        names = ", ".join(oracles["oracle"])
        raise StudyError(
            f"headline_oracle is {requested!r}, but the oracles are {names}; see architectures and oracle_seeds of 04"
        )
    means = able.groupby("architecture", sort=False)["validation_accuracy"].mean()
    seeds = able[able["architecture"] == means.idxmax()].sort_values("validation_accuracy", kind="stable")
    return seeds["oracle"].iloc[(len(seeds) - 1) // 2]


def probabilities_of(predictions: pd.DataFrame) -> np.ndarray:
    """float (N, K) of one oracle's predictions, from `training.read_test_predictions`."""
    return predictions.filter(regex=r"^p_\d+$").to_numpy()


def _long(row: pd.Series, labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The predictions of one oracle as rows of the long table."""
    predicted = {
        "image": np.arange(len(labels)),
        "label": np.asarray(labels, dtype=np.int64),
        "predicted": probabilities.argmax(1).astype(np.int64),
        "confidence": probabilities.max(1),
    }
    return pd.DataFrame({key: row[key] for key in ORACLE_COLUMNS} | predicted)


def load_predictions(folder: Path) -> pd.DataFrame:
    """The long table of all oracles on the real test faces, in the order of the test split."""
    parts = []
    for _, row in trained(folder).iterrows():
        found = training.read_test_predictions(folder / row["oracle"])
        parts.append(_long(row, found["label"].to_numpy(), probabilities_of(found)))
    return pd.concat(parts, ignore_index=True)


def predict_all(folder: Path, images: np.ndarray, labels: np.ndarray, *, device: torch.device) -> pd.DataFrame:
    """The long table of all oracles on images, uint8 (N, H, W, 3), with true or requested identities, int64 (N,)."""
    parts = []
    for _, row in trained(folder).iterrows():
        probabilities, _ = training.predict(training.load_oracle(folder / row["oracle"], device), images)
        parts.append(_long(row, labels, probabilities))
    return pd.concat(parts, ignore_index=True)


def stacked_labels(predictions: pd.DataFrame, *, architecture: str, trained_on: str) -> np.ndarray:
    """Predicted identities by the oracles of one kind, for resampling oracles and images together.

    Returns:
        int64 (S, N): a row per oracle in the order of the seeds, a column per image.

    Raises:
        StudyError: there is no such oracle.
        ValueError: the oracles did not classify the same images.
    """
    chosen = predictions[(predictions["architecture"] == architecture) & (predictions["trained_on"] == trained_on)]
    if chosen.empty:
        raise StudyError(f"no {architecture} was trained on the split {trained_on!r}; see architectures of 04")
    table = chosen.pivot(index="seed", columns="image", values="predicted")
    if table.isna().any(axis=None):
        raise ValueError(f"the oracles {', '.join(chosen['oracle'].unique())} did not classify the same images")
    return table.to_numpy(dtype=np.int64)
