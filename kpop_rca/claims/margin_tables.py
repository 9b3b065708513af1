"""Whether an angular margin reduces confusion: the tables that the runs of `angular_margins` are summed up in."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from kpop_rca import rca
from kpop_rca.claims.verdicts import Claim
from kpop_rca.errors import StudyError
from kpop_rca.oracles.predictions import probabilities_of
from kpop_rca.study import paths

REPORT = "arcface"
ORACLES, GENERATORS, VERDICTS = "oracles.csv", "generators.csv", "verdicts.csv"
# The oracles that classify a generator's images.
REWARDING, ALIKE, HELD_OUT = "rewarding", "same architecture", "held out"
KINDS = {REWARDING: "rewarding", ALIKE: "alike", HELD_OUT: "held_out"}  # as in a column's name
HOPED = ("within_group", "within_group_generated_held_out")  # responses in which the paper hopes for an effect
MEASURED = ["rca", "confusion_corrected_accuracy", "within_group_generated", "frechet", "precision", "recall"]
OF_GENERATORS = ["weight", "seed", "kind", "oracle", "n_real", "n_generated", "accuracy_real", "within_group_real"]
OF_GENERATORS += MEASURED
OF_IMAGES = ["weight", "seed", "kind", "oracle", "image", "label", "predicted"]
UNCHANGED = "0"  # the weight of a training without identity loss


def oracle_table(answers: dict[tuple[str, int], pd.DataFrame], groups: list[list[int]]) -> pd.DataFrame:
    """One row per oracle: loss, seed, n, accuracy, log_loss, auc (macro, one against the rest), within_group."""
    rows = []
    for (loss, seed), table in answers.items():
        labels, probabilities = table["label"].to_numpy(), probabilities_of(table)
        n_classes = probabilities.shape[1]
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)  # float32 sums to nearly 1
        counts = rca.confusion_counts(labels, table["predicted"], n_classes)
        row = {"loss": loss, "seed": seed, "n": len(labels), "accuracy": rca.accuracy(counts)}
        row["log_loss"] = log_loss(labels, probabilities, labels=range(n_classes))
        row["auc"] = roc_auc_score(labels, probabilities, multi_class="ovr", labels=range(n_classes))
        rows.append(row | {"within_group": rca.within_group_rate(counts, groups)})
    return pd.DataFrame(rows)


def by_kind(generators: pd.DataFrame) -> pd.DataFrame:
    """Mean over the oracles of a kind: one row per weight, seed and kind, columns MEASURED."""
    return generators.groupby(["weight", "seed", "kind"], sort=False)[MEASURED].mean().reset_index()


def compared_levels(oracles: pd.DataFrame, generators: pd.DataFrame) -> pd.DataFrame:
    """Both experiments as `verdict_table` takes them: experiment, level, seed, and responses.

    Those of a generator are <measure>_<kind>, and rca_gap: how much more the rewarding oracle sees than held-out ones.
    """
    trained = oracles.rename(columns={"loss": "level"}).assign(experiment="oracle loss")
    if generators.empty:
        return trained
    wide = by_kind(generators).pivot(index=["weight", "seed"], columns="kind", values=MEASURED)
    wide.columns = [f"{measure}_{KINDS[kind]}" for measure, kind in wide.columns]
    wide["rca_gap"] = wide["rca_rewarding"] - wide["rca_held_out"]
    rewarded = wide.reset_index().rename(columns={"weight": "level"}).assign(experiment="identity loss")
    return pd.concat([trained, rewarded], ignore_index=True)


def claims_of(weights: Sequence[str]) -> list[Claim]:
    """What is claimed: the paper's hope first, then what Goodhart's law has one expect."""
    of = partial(Claim, experiment="oracle loss", levels=("softmax", "arcface"))
    found = [
        of("oracles with a margin confuse look-alikes less", "7", response="within_group", sign=-1),
        of("they recognise more real faces", "", response="accuracy", sign=+1),
        of("they rank better", "", response="auc", sign=+1),
        of("their probabilities are better", "", response="log_loss", sign=-1),
    ]
    for weight in weights:
        of = partial(Claim, experiment="identity loss", levels=(UNCHANGED, weight))
        found += [
            of("an identity loss reduces confusion", "7", response="within_group_generated_held_out", sign=-1),
            of("it does so for the rewarding oracle", "7", response="within_group_generated_rewarding", sign=-1),
            of("the rewarding oracle sees a larger gain", "", response="rca_gap", sign=+1),
            of("it costs likeness to real faces", "", response="frechet_held_out", sign=+1),
            of("it costs diversity", "", response="recall_held_out", sign=-1),
        ]
    return found


def predicted_as_look_alike(labels: np.ndarray, predicted: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Whether each image is predicted as another identity of its group, bool (N,).

    >>> predicted_as_look_alike(np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2]), [[0, 1], [2]]).tolist()
    [False, True, False, False]
    """
    group_of = {label: number for number, group in enumerate(groups) for label in group}
    same = np.array([group_of[a] == group_of[b] for a, b in zip(labels, predicted, strict=True)])
    return same & (np.asarray(labels) != np.asarray(predicted))


def image_interval(differences: pd.Series) -> tuple[float, float, float]:
    """Mean over the identities of paired differences, and its interval (95 %) over images: mean, low, high.

    The trainings are taken as they are, so that it says nothing of others. `differences` are indexed by label. An
    identity with a single image leaves the interval unknown, NaN.

    >>> [round(value, 3) for value in image_interval(pd.Series([0, 0.5, 1, 0], index=[0, 0, 1, 1]))]
    [0.375, -0.173, 0.923]
    """
    of_label = differences.groupby(level=0)
    mean, error = (
        of_label.mean().mean(),
        np.sqrt((of_label.var() / of_label.size()).sum(skipna=False)) / of_label.ngroups,
    )
    reach = stats.norm.isf((1 - rca.CONFIDENCE) / 2) * error
    return float(mean), float(mean - reach), float(mean + reach)


def look_alike_answers(
    oracles: dict[tuple[str, int], pd.DataFrame], generators: pd.DataFrame, groups: list[list[int]]
) -> pd.DataFrame:
    """Fraction of the oracles of a kind that predict an image as a look-alike: columns (response, level, seed).

    Rows are indexed by label and image: a test face, or the noise that an image is generated from.
    """
    parts = [
        table.assign(response="within_group", level=loss, seed=seed, image=range(len(table)))
        for (loss, seed), table in oracles.items()
    ]
    parts.append(
        generators.assign(
            response="within_group_generated_" + generators["kind"].map(KINDS), level=generators["weight"]
        )
    )
    columns = ["label", "image", "predicted", "response", "level", "seed"]
    table = pd.concat([part[columns] for part in parts], ignore_index=True)
    table["taken"] = predicted_as_look_alike(table["label"], table["predicted"], groups).astype(float)
    return table.pivot_table(index=["label", "image"], columns=["response", "level", "seed"], values="taken")


def with_image_intervals(found: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """A table of verdicts with image_low and image_high of the confusions: seed by seed, pooled over seeds."""
    rows = []
    for row in found.itertuples():
        ends = (np.nan, np.nan)
        if row.response in answers:
            of_response = answers[row.response]
            differences = (of_response[row.level] - of_response[row.reference]).mean(axis=1).dropna()
            ends = image_interval(differences.droplevel("image"))[1:]
        rows.append(ends)
    return found.assign(**dict(zip(("image_low", "image_high"), np.array(rows).T, strict=True)))


def committed_margins() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables that came with the project: of generators, of which there may be none yet, and the verdicts.

    Raises:
        StudyError: one is missing.
    """
    folder = paths.committed_report(REPORT)
    try:
        tables = [pd.read_csv(folder / name, dtype={"weight": str, "level": str}) for name in (GENERATORS, VERDICTS)]
    except FileNotFoundError as error:
        command = f"{paths.python()} -m kpop_rca.claims.angular_margins"
        raise StudyError(f"reports/{REPORT}/{Path(error.filename).name} is not there; run: {command}") from None
    return tables[0], tables[1]
