"""How much depends on the training of the generator: RCA of the images that each of its trainings made."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.oracles.agreement import rca_by_oracle
from kpop_rca.rca.recipe import RecipeMean, recipe_mean, shared_variance


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


def recipe_rca(
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    training: np.ndarray,
    bursts: np.ndarray,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> RecipeMean:
    """The mean RCA of the recipe over trainings and oracles; see `recipe_mean`.

    The real test images are resampled by a Bayesian bootstrap of bursts within each identity.

    Args:
        real_predictions, generated_predictions, training: as for `rca_by_training`, of oracles of one kind of faces.
        bursts: integers, one per test image; images of equal number are near-duplicates of each other, and -1 is alone.

    Raises:
        StudyError: there are too few trainings or oracles, or an oracle recognises no real face.

    Source: Rubin (1981) for the bootstrap.
    """
    right_real, right_generated = (_right(part) for part in (real_predictions, generated_predictions))
    of_training = right_generated.groupby(training).mean().to_numpy()  # (T, O)
    one = real_predictions.drop_duplicates("image").set_index("image")
    labels = one["label"].loc[right_real.index].to_numpy()
    _, burst = np.unique(np.where(bursts < 0, -1 - np.arange(len(bursts)), bursts), return_inverse=True)
    weights = generator.standard_exponential((n_replicates, burst.max() + 1))[:, burst]
    for label in np.unique(labels):
        of_label = labels == label
        weights[:, of_label] *= of_label.sum() / weights[:, of_label].sum(axis=1, keepdims=True)
    accuracy, resampled = right_real.mean().to_numpy(), weights @ right_real.to_numpy() / len(labels)  # (O,), (B, O)
    if not accuracy.all():
        raise StudyError("an oracle recognises no real face")
    architectures = real_predictions.drop_duplicates("oracle").set_index("oracle")["architecture"]
    return recipe_mean(
        of_training / accuracy,
        architectures.loc[right_real.columns].to_list(),
        shared_variance=shared_variance(of_training.mean(axis=0) / resampled),
    )


def recipe_summary(
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    training: np.ndarray,
    bursts: np.ndarray,
    *,
    headline: str,
    **how: Any,
) -> dict[str, Any]:
    """The part `recipe` of `metrics.json`: what another training and other oracles would be expected to reach.

    Args:
        headline: name of the headline oracle; all oracles that were trained on the same kind of faces take part.
        how: see `recipe_rca`, as are the others.

    Returns:
        n_trainings and oracles (names); value, ci95, df, next_training (prediction interval), and the components of
        variance as sd and variance: training, oracle_seed, interaction and real_images. None with `why` where there is
        too little to tell.
    """
    sides = of_headline_kind(real_predictions, generated_predictions, headline=headline)
    about = {"n_trainings": int(training.max()) + 1, "oracles": sides[0]["oracle"].unique().tolist()}
    try:
        found = recipe_rca(*sides, training, bursts, **how)
    except StudyError as refusal:
        return about | dict.fromkeys(("value", "ci95", "df", "next_training", "sd", "variance")) | {"why": str(refusal)}
    sources = ("training", "oracle_seed", "interaction", "real_images")
    return about | {
        "value": found.value,
        "ci95": [found.low, found.high],
        "df": found.df,
        "next_training": [found.next_low, found.next_high],
        "sd": {name: getattr(found, name) for name in sources},
        "variance": {name: getattr(found, name) ** 2 for name in sources},
    }


def of_headline_kind(*predictions: pd.DataFrame, headline: str) -> list[pd.DataFrame]:
    """Of each long table, the oracles that were trained on the same kind of faces as the headline oracle."""
    about = predictions[0]
    kind = about.loc[about["oracle"] == headline, "trained_on"].iloc[0]
    return [part[part["trained_on"] == kind] for part in predictions]


def person_verdicts(
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    training: np.ndarray,
    bursts: np.ndarray,
    *,
    headline: str,
    classes: Sequence[str],
) -> pd.DataFrame:
    """`rca.person_verdicts`, over the oracles that were trained on the same kind of faces as the headline oracle.

    Args:
        real_predictions, generated_predictions, training: as for `rca_by_training`.
        bursts: as for `recipe_rca`.
        classes: K names.
    """
    sides = of_headline_kind(real_predictions, generated_predictions, headline=headline)
    groups = (bursts, training)
    real, generated = (_predicted(part, group) for part, group in zip(sides, groups, strict=True))
    architectures = sides[0].drop_duplicates("oracle")["architecture"].to_list()
    return rca.person_verdicts(real, generated, architectures, classes=classes)


def _predicted(predictions: pd.DataFrame, group: np.ndarray) -> rca.Predicted:
    """The long table as arrays, oracles in its order."""
    table = predictions.pivot(index="oracle", columns="image", values="predicted")
    labels = predictions.drop_duplicates("image").set_index("image")["label"].loc[table.columns]
    return rca.Predicted(labels.to_numpy(), table.loc[predictions["oracle"].unique()].to_numpy(), np.asarray(group))


def class_rca_by_training(
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    training: np.ndarray,
    *,
    headline: str,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Class RCA of every training's images under every oracle that took part in the verdicts.

    Returns:
        One row per class, oracle and training: class, oracle, architecture, training, n (images), recall_real,
        recall_generated, rca; NaN where the oracle recognises nobody.
    """
    real, generated = of_headline_kind(real_predictions, generated_predictions, headline=headline)
    names = ["label", "oracle", "architecture"]
    right = [part.assign(right=part["label"] == part["predicted"]) for part in (real, generated)]
    recall_real = right[0].groupby(names, sort=False)["right"].mean().rename("recall_real")
    made_by = right[1].assign(training=training[right[1]["image"].to_numpy()])
    cells = made_by.groupby([*names, "training"], sort=False)["right"].agg(n="size", recall_generated="mean")
    table = cells.reset_index().merge(recall_real.reset_index(), on=names)
    table["rca"] = table["recall_generated"] / table["recall_real"].where(table["recall_real"] > 0)
    table.insert(0, "class", [classes[label] for label in table.pop("label")])
    return table[["class", "oracle", "architecture", "training", "n", "recall_real", "recall_generated", "rca"]]


def _right(predictions: pd.DataFrame) -> pd.DataFrame:
    """Whether each image, a row, is classified as its label by each oracle, a column: float (N, O)."""
    right = predictions.assign(right=(predictions["label"] == predictions["predicted"]).astype(float))
    return right.pivot(index="image", columns="oracle", values="right")


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
    The interval of the RCA of these images is about these trained models: other trainings would give other ones.
    """
    if summary["n"] < 2:
        return ["The generator was trained once. The interval of the headline RCA is over images of this one model."]
    known = [value for value in summary["rca"] if value is not None]
    reach = f"is {min(known):.2f} to {max(known):.2f}" if known else "has no value"
    between = "" if summary["sd"] is None else f", with a standard deviation of {summary['sd']:.2f} between them"
    return [
        f"Under {headline} the RCA of the {summary['n']} trainings {reach}{between}.",
        "That includes the scatter of the images that each training made.",
        "The interval of the RCA of these images is about these trained models: other trainings would give other ones.",
    ]
