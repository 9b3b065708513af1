"""What the judges say: collecting their answers, comparing them on real faces, and choosing the one that judges.

Answers come as one long table, a row for every judge and image, with the columns

    judge, architecture, seed, trained_on, image, label, judged, confidence

where `seed` is the judge's number, `trained_on` the split that it learnt from ("judge" or "train"), `image` counts
the images of the set from 0, and `label` is the true identity of a real face or the one that was asked for.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import calibration, disk, oracle, rca
from kpop_rca.errors import StudyError

WHICH = ["judge", "architecture", "seed", "trained_on"]  # what says of a row which judge it belongs to


def trained(folder: Path) -> pd.DataFrame:
    """The judges that were trained, architecture by architecture.

    A judge may judge when it has not learnt the generator's faces; where all have (the study keeps no faces for the
    judges, as in the paper), all may.

    Args:
        folder: `artifacts/<study>/oracle`.

    Returns:
        One row a judge: judge, architecture, seed, trained_on, n_train, starts_from, validation_accuracy, may_judge.

    Raises:
        StudyError: there is none.
    """
    about = {path.parent.name: disk.read_json(path) for path in sorted(folder.glob("*/about.json"))}
    if not about:
        raise StudyError(f"no judge has been trained in {folder}; run 04_oracle_benchmark")
    rows = [
        {"judge": name}
        | {key: entry[key] for key in ("architecture", "seed", "trained_on", "n_train", "starts_from")}
        | {"validation_accuracy": entry["validation"]["accuracy"]}
        for name, entry in about.items()
    ]
    table = pd.DataFrame(rows).sort_values(["architecture", "trained_on", "seed"], ignore_index=True)
    apart = table["trained_on"] == "judge"
    return table.assign(may_judge=apart if apart.any() else True)


def select(folder: Path, wanted: str) -> str:
    """Name of the judge that judges.

    With "best": of the judges that may judge, the architecture of the highest mean validation accuracy over its
    seeds, and of that the seed of the highest validation accuracy. Taking one seed by its luck on the validation
    split does no harm to RCA, since neither its numerator nor its denominator has anything to do with those faces.
    The test split has no say: choosing by it would raise the denominator of RCA by luck.

    Args:
        folder: `artifacts/<study>/oracle`.
        wanted: "best"; an architecture, for the best seed of it; or a judge, which is taken as it is, even if it
            has learnt the generator's faces.

    Raises:
        StudyError: the judge wanted was not trained.
    """
    judges = trained(folder)
    if wanted in judges["judge"].tolist():
        return wanted
    able = judges[judges["may_judge"] & (judges["architecture"] == wanted if wanted != "best" else True)]
    if able.empty:
        names = ", ".join(judges["judge"])
        raise StudyError(f"selected_judge is {wanted!r}, but the judges are {names}; see judges and judge_seeds of 04")
    means = able.groupby("architecture", sort=False)["validation_accuracy"].mean()
    seeds = able[able["architecture"] == means.idxmax()]
    return seeds.loc[seeds["validation_accuracy"].idxmax(), "judge"]


def test_answers(folder: Path, judge: str) -> pd.DataFrame:
    """What one judge said of each real test face: label, judged, p_0 to p_{K-1}."""
    return pd.read_parquet(folder / judge / "test_answers.parquet")


def _probabilities(answers: pd.DataFrame) -> np.ndarray:
    return answers.filter(regex=r"^p_\d+$").to_numpy()


def _long(row: pd.Series, labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The answers of one judge as rows of the long table."""
    said = {
        "image": np.arange(len(labels)),
        "label": np.asarray(labels, dtype=np.int64),
        "judged": probabilities.argmax(1).astype(np.int64),
        "confidence": probabilities.max(1),
    }
    return pd.DataFrame({key: row[key] for key in WHICH} | said)


def load_answers(folder: Path) -> pd.DataFrame:
    """What every judge says of the real test faces, in the order of the test split.

    Args:
        folder: `artifacts/<study>/oracle`.

    Returns:
        The long table of this module, as many rows as judges times test faces.
    """
    parts = []
    for _, row in trained(folder).iterrows():
        answers = test_answers(folder, row["judge"])
        parts.append(_long(row, answers["label"].to_numpy(), _probabilities(answers)))
    return pd.concat(parts, ignore_index=True)


def judge_all(folder: Path, images: np.ndarray, labels: np.ndarray, *, device: torch.device) -> pd.DataFrame:
    """Show images to every judge.

    Args:
        folder: `artifacts/<study>/oracle`.
        images: uint8 (N, H, W, 3).
        labels: int64 (N,), the identities shown or asked for.
        device: to compute on.

    Returns:
        The long table of this module, as many rows as judges times images.
    """
    parts = []
    for _, row in trained(folder).iterrows():
        probabilities, _ = oracle.judge_images(oracle.load_judge(folder / row["judge"], device), images)
        parts.append(_long(row, labels, probabilities))
    return pd.concat(parts, ignore_index=True)


def stacked_labels(answers: pd.DataFrame, *, architecture: str, trained_on: str) -> np.ndarray:
    """What the judges of one architecture and way of training say, for resampling judges and images together.

    Args:
        answers: long table, from `load_answers` or `judge_all`.
        architecture: of the judges.
        trained_on: "judge" or "train".

    Returns:
        int64 (S, N): a row a judge in the order of the seeds, a column an image.

    Raises:
        StudyError: there is no such judge.
        ValueError: the judges did not see the same images.
    """
    chosen = answers[(answers["architecture"] == architecture) & (answers["trained_on"] == trained_on)]
    if chosen.empty:
        raise StudyError(f"no {architecture} was trained on the split {trained_on!r}; see judges of 04")
    table = chosen.pivot(index="seed", columns="image", values="judged")
    if table.isna().any(axis=None):
        raise ValueError(f"the judges {', '.join(chosen['judge'].unique())} did not see the same images")
    return table.to_numpy(dtype=np.int64)


def comparison(folder: Path) -> pd.DataFrame:
    """Table 1 of the paper, a row a judge: how well it does on the test faces, and how well it knows what it knows.

    Args:
        folder: `artifacts/<study>/oracle`.

    Returns:
        judge, architecture, seed, trained_on, n_train, test_accuracy with its Wilson interval (low, high),
        test_loss (log loss), calibration_error, macro_f1, best_class_f1, worst_class_f1, n_test,
        validation_accuracy.
    """
    rows = []
    for row in trained(folder).drop(columns=["may_judge", "starts_from"]).to_dict("records"):
        about = disk.read_json(folder / row["judge"] / "about.json")
        validation_accuracy = row.pop("validation_accuracy")
        measured = _on_test_faces(test_answers(folder, row["judge"]), about["test"])
        rows.append(row | measured | {"validation_accuracy": validation_accuracy})
    return pd.DataFrame(rows)


def _on_test_faces(answers: pd.DataFrame, test: dict[str, float]) -> dict[str, float]:
    """What `comparison` says of one judge, from its answers and what `oracle.evaluate` found."""
    by_class = f1_score(answers["label"], answers["judged"], average=None)
    right = int((answers["label"] == answers["judged"]).sum())
    low, high = proportion_confint(right, len(answers), method="wilson")
    return {
        "test_accuracy": test["accuracy"],
        "low": low,
        "high": high,
        "test_loss": test["loss"],
        "calibration_error": calibration.expected_calibration_error(_probabilities(answers), answers["label"]),
        "macro_f1": test["macro_f1"],
        "best_class_f1": by_class.max(),
        "worst_class_f1": by_class.min(),
        "n_test": len(answers),
    }


def over_seeds(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Mean and range over the seeds, for each architecture and way of training.

    Args:
        table: a row a judge: architecture, trained_on and the columns named.
        columns: numbers to summarise.

    Returns:
        One row an architecture and way: architecture, trained_on, n_judges, and for every column its _mean, _lowest
        and _highest. The range of S judges says little about a judge to come: it only widens with S.

    >>> judges = pd.DataFrame({"architecture": "resnet10", "trained_on": "judge", "accuracy": [0.7, 0.9]})
    >>> over_seeds(judges, ["accuracy"]).iloc[:, 2:].round(2).to_dict("records")
    [{'n_judges': 2, 'accuracy_mean': 0.8, 'accuracy_lowest': 0.7, 'accuracy_highest': 0.9}]
    """
    groups = table.groupby(["architecture", "trained_on"], sort=False)
    parts = {"n_judges": groups.size()}
    for column in columns:
        for name, how in (("mean", "mean"), ("lowest", "min"), ("highest", "max")):
            parts[f"{column}_{name}"] = groups[column].agg(how)
    return pd.DataFrame(parts).reset_index()


def reliability(folder: Path) -> pd.DataFrame:
    """Accuracy by confidence on the real test faces for every judge, for reliability diagrams.

    Args:
        folder: `artifacts/<study>/oracle`.

    Returns:
        judge, architecture, seed, trained_on, and the columns of `calibration.reliability`.
    """
    parts = []
    for _, row in trained(folder).iterrows():
        answers = test_answers(folder, row["judge"])
        bins = calibration.reliability(_probabilities(answers), answers["label"].to_numpy())
        parts.append(pd.DataFrame({key: row[key] for key in WHICH} | dict(bins.items())))
    return pd.concat(parts, ignore_index=True)


def paired_comparisons(answers: pd.DataFrame) -> pd.DataFrame:
    """Every two architectures on the same faces, seed by seed, by McNemar's exact test.

    The judges of a seed were trained in the same way on the same faces in the same order, and only the images that
    one of the two gets right count. One seed's difference may be that seed's luck: a difference between
    *architectures* shows in all seeds. p is adjusted for the number of comparisons (Holm), which holds although
    they share their faces.

    Args:
        answers: long table, from `load_answers`.

    Returns:
        judge, other, only_judge_right, only_other_right (faces), p (two-sided), p_holm. Empty for one architecture.

    Source: McNemar (1947) and Holm (1979), as statsmodels' `mcnemar` and `rca.holm`.
    """
    rows = []
    for _, part in answers.groupby(["trained_on", "seed"]):
        right = part.assign(right=part["label"] == part["judged"]).pivot(index="image", columns="judge", values="right")
        for one, other in combinations(right.columns, 2):
            only_one, only_other = int((right[one] & ~right[other]).sum()), int((right[other] & ~right[one]).sum())
            p = mcnemar([[0, only_one], [only_other, 0]], exact=True).pvalue
            rows.append((one, other, only_one, only_other, p))
    table = pd.DataFrame(rows, columns=["judge", "other", "only_judge_right", "only_other_right", "p"])
    return table.assign(p_holm=rca.holm(table["p"]))


def hard_case_accuracy(folder: Path, hard: tuple[np.ndarray, np.ndarray], *, device: torch.device) -> pd.DataFrame:
    """Accuracy of every judge on the hard cases; empty where the folder brings none.

    Args:
        folder: `artifacts/<study>/oracle`.
        hard: uint8 (N, H, W, 3) and int64 (N,).
        device: to compute on.

    Returns:
        judge, accuracy_test, accuracy_hard, low and high (its Wilson interval), n_hard.
    """
    columns = ["judge", "accuracy_test", "accuracy_hard", "low", "high", "n_hard"]
    if not len(hard[1]):
        return pd.DataFrame(columns=columns)
    on_hard, on_test = (_accuracies(table) for table in (judge_all(folder, *hard, device=device), load_answers(folder)))
    low, high = proportion_confint(on_hard["right"], on_hard["n"], method="wilson")
    found = {"accuracy_test": on_test["accuracy"], "accuracy_hard": on_hard["accuracy"], "low": low, "high": high}
    return pd.DataFrame(found | {"n_hard": on_hard["n"]}).reset_index(names="judge")[columns]


def _accuracies(answers: pd.DataFrame) -> pd.DataFrame:
    """right, n and accuracy of every judge, on an index of judges in the table's order."""
    right = (answers["label"] == answers["judged"]).groupby(answers["judge"], sort=False)
    return pd.DataFrame({"right": right.sum(), "n": right.size(), "accuracy": right.mean()})
