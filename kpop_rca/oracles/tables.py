"""The oracles compared on real faces: Table 1 of the paper, seeds, paired tests, hard cases."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.oracles import calibration
from kpop_rca.oracles.predictions import ORACLE_COLUMNS, load_predictions, predict_all, probabilities_of, trained
from kpop_rca.oracles.training import read_about, read_test_predictions


def comparison(folder: Path) -> pd.DataFrame:
    """Table 1 of the paper: accuracy, calibration and F1 of every oracle on the test faces.

    Returns:
        One row per oracle: oracle, architecture, seed, trained_on, n_train, test_accuracy with its Wilson interval low
        and high, test_loss, calibration_error, macro_f1, best_class_f1, worst_class_f1, n_test, validation_accuracy.
    """
    about = trained(folder).drop(columns=["eligible", "starts_from"])
    measured = pd.DataFrame([_on_test_faces(folder / name) for name in about["oracle"]])
    validation_accuracy = about.pop("validation_accuracy")
    return pd.concat([about, measured, validation_accuracy], axis=1)


def _on_test_faces(folder: Path) -> dict[str, float]:
    found, test = read_test_predictions(folder), read_about(folder)["test"]
    by_class = f1_score(found["label"], found["predicted"], average=None)
    right = int((found["label"] == found["predicted"]).sum())
    low, high = proportion_confint(right, len(found), method="wilson")
    return {
        "test_accuracy": test["accuracy"],
        "low": low,
        "high": high,
        "test_loss": test["loss"],
        "calibration_error": calibration.expected_calibration_error(probabilities_of(found), found["label"]),
        "macro_f1": test["macro_f1"],
        "best_class_f1": by_class.max(),
        "worst_class_f1": by_class.min(),
        "n_test": len(found),
    }


def over_seeds(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Mean and range of some columns over the seeds, for each architecture and split that it was trained on.

    The range of S oracles is no interval for another oracle: it only widens with S.

    Returns:
        architecture, trained_on, n_oracles, and for every column its _mean, _lowest and _highest.

    >>> oracles = pd.DataFrame({"architecture": "resnet10", "trained_on": "oracle", "accuracy": [0.7, 0.9]})
    >>> over_seeds(oracles, ["accuracy"]).iloc[:, 2:].round(2).to_dict("records")
    [{'n_oracles': 2, 'accuracy_mean': 0.8, 'accuracy_lowest': 0.7, 'accuracy_highest': 0.9}]
    """
    groups = table.groupby(["architecture", "trained_on"], sort=False)
    parts = {"n_oracles": groups.size()}
    for column in columns:
        for name, how in (("mean", "mean"), ("lowest", "min"), ("highest", "max")):
            parts[f"{column}_{name}"] = groups[column].agg(how)
    return pd.DataFrame(parts).reset_index()


def reliability(folder: Path) -> pd.DataFrame:
    """`calibration.reliability` of every oracle on the real test faces, with the columns that identify it."""
    parts = []
    for _, row in trained(folder).iterrows():
        found = read_test_predictions(folder / row["oracle"])
        bins = calibration.reliability(probabilities_of(found), found["label"].to_numpy())
        parts.append(pd.DataFrame({key: row[key] for key in ORACLE_COLUMNS} | dict(bins.items())))
    return pd.concat(parts, ignore_index=True)


def paired_comparisons(predictions: pd.DataFrame) -> pd.DataFrame:
    """Every two architectures on the same faces, seed by seed, by McNemar's exact test.

    The oracles of a seed were trained in the same way on the same faces in the same order, and only the images that
    one of the two gets right count. One seed's difference may be luck: a difference between *architectures* shows in
    all seeds. p is adjusted for the number of comparisons (Holm), which holds although they have faces in common.

    Returns:
        oracle, other, only_oracle_right, only_other_right (faces), p (two-sided), p_holm. Empty for one architecture.

    Source: McNemar (1947) and Holm (1979), as statsmodels' `mcnemar` and `rca.holm`.
    """
    rows = []
    for _, part in predictions.groupby(["trained_on", "seed"]):
        right = part.assign(right=part["label"] == part["predicted"]).pivot(
            index="image", columns="oracle", values="right"
        )
        for one, other in combinations(right.columns, 2):
            only_one, only_other = int((right[one] & ~right[other]).sum()), int((right[other] & ~right[one]).sum())
            p = mcnemar([[0, only_one], [only_other, 0]], exact=True).pvalue
            rows.append((one, other, only_one, only_other, p))
    table = pd.DataFrame(rows, columns=["oracle", "other", "only_oracle_right", "only_other_right", "p"])
    return table.assign(p_holm=rca.holm(table["p"]))


def hard_case_accuracy(folder: Path, hard: tuple[np.ndarray, np.ndarray], *, device: torch.device) -> pd.DataFrame:
    """Accuracy of every oracle on the hard cases, uint8 (N, H, W, 3) and int64 (N,); empty where there are none.

    Returns:
        oracle, accuracy_test, accuracy_hard, low and high (its Wilson interval), n_hard.
    """
    columns = ["oracle", "accuracy_test", "accuracy_hard", "low", "high", "n_hard"]
    if not len(hard[1]):
        return pd.DataFrame(columns=columns)
    on_hard, on_test = _accuracies(predict_all(folder, *hard, device=device)), _accuracies(load_predictions(folder))
    low, high = proportion_confint(on_hard["right"], on_hard["n"], method="wilson")
    found = {"accuracy_test": on_test["accuracy"], "accuracy_hard": on_hard["accuracy"], "low": low, "high": high}
    return pd.DataFrame(found | {"n_hard": on_hard["n"]}).reset_index(names="oracle")[columns]


def _accuracies(predictions: pd.DataFrame) -> pd.DataFrame:
    """right, n and accuracy of every oracle, on an index of oracles in the table's order."""
    right = (predictions["label"] == predictions["predicted"]).groupby(predictions["oracle"], sort=False)
    return pd.DataFrame({"right": right.sum(), "n": right.size(), "accuracy": right.mean()})
