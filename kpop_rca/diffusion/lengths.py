"""What training for longer buys: the committed curve over lengths of training, and what it shows.

`validity.training_length` measures it. 03 shows it, of a study that was trained by the same recipe.
"""

from typing import Any

import pandas as pd
from scipy import stats

from kpop_rca.rca.ratio import CONFIDENCE
from kpop_rca.study import params, paths
from kpop_rca.system import files

REPORT = "training_length"  # the folder of the curve, in reports/
CURVE, ABOUT = "curve.csv", "about.json"
COMMAND = "python -m kpop_rca.validity.training_length"
NOTEBOOK = "03_ddpm_training"
NOT_OF_RECIPE = {"study", "device", "train_steps", "trainings", "sample_grids", "checkpoint_minutes", "weights"}
NOT_OF_RECIPE |= {"publish_images"}
COLUMNS = ["steps", "training", "n_images", "n_oracles", "loss", "rca", "frechet"]
MEASURED = {"loss": ("the loss", 3), "rca": ("RCA", 2), "frechet": ("the Fréchet distance", 1)}  # in words, and digits
END = 0.9  # part of a training after which its loss counts as that of the end


def recipe_of(resolved: dict[str, Any]) -> dict[str, Any]:
    """The parameters of 03 that a training follows from, its length and its machine left aside."""
    return {name: value for name, value in params.of_notebook(NOTEBOOK, resolved).items() if name not in NOT_OF_RECIPE}


def loss_at_the_end(log: pd.DataFrame) -> float:
    """Mean loss of the last tenth of the steps: step, loss."""
    return float(log.loc[log["step"] > END * log["step"].max(), "loss"].mean())


def committed_curve(parameters: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The curve that came with the project, where it is of the recipe of a study, and what it was made with.

    Args:
        parameters: those of 03.

    Returns:
        COLUMNS, one row per training, and `about.json`; without rows, and empty, where the curve is of another recipe,
        was stopped before the study's own length, or is not there.
    """
    folder = paths.committed_report(REPORT)
    if (folder / ABOUT).is_file() and (folder / CURVE).is_file():
        curve, about = pd.read_csv(folder / CURVE), files.read_json(folder / ABOUT)
        own = about["recipe"] == {name: parameters[name] for name in about["recipe"]}
        if own and about["train_steps"] in curve["steps"].to_numpy():
            return curve, about
    return pd.DataFrame(columns=COLUMNS), {}


def over_trainings(curve: pd.DataFrame) -> pd.DataFrame:
    """Means over the trainings of each length: steps, n_trainings, loss, rca, frechet."""
    means = {name: (name, "mean") for name in MEASURED}
    return curve.groupby("steps").agg(n_trainings=("training", "size"), **means).reset_index()


def changes(curve: pd.DataFrame, before: int, after: int) -> pd.DataFrame:
    """How loss, RCA and Fréchet distance differ between two lengths, paired by training, with 95 % t intervals.

    Returns:
        mean, low and high, one row for each of `MEASURED`.
    """
    rows = {}
    for name in MEASURED:
        wide = curve.pivot(index="training", columns="steps", values=name)
        test = stats.ttest_1samp((wide[after] - wide[before]).dropna(), 0.0)
        ends = test.confidence_interval(CONFIDENCE)
        rows[name] = {"mean": (ends.low + ends.high) / 2, "low": ends.low, "high": ends.high}
    return pd.DataFrame(rows).T


def about_lengths(curve: pd.DataFrame, about: dict[str, Any]) -> list[str]:
    """What training for longer changes, and whether the loss would have told: sentences.

    Args:
        curve, about: of `committed_curve`.
    """
    if curve.empty:
        return [f"RCA against training steps is not measured for this recipe; {COMMAND} does it."]
    table = over_trainings(curve).set_index("steps")
    first, own, last = table.index.min(), about["train_steps"], table.index.max()
    said = [
        f"From {first:,} to {own:,} steps, the length of `{about['study']}`, RCA goes from "
        f"{table.loc[first, 'rca']:.2f} to {table.loc[own, 'rca']:.2f}.",
        f"The Fréchet distance goes from {table.loc[first, 'frechet']:.0f} to {table.loc[own, 'frechet']:.1f}; real "
        f"faces have {about['real']['frechet']:.1f}.",
    ]
    n = table.loc[[own, last], "n_trainings"].min()
    if last == own or n < 2:  # of one training no interval is known
        return said
    further = changes(curve, own, last)
    told = [
        f"{word} changes by {further.loc[name, 'mean']:+.{digits}f} "
        f"({further.loc[name, 'low']:+.{digits}f} to {further.loc[name, 'high']:+.{digits}f})"
        for name, (word, digits) in MEASURED.items()
    ]
    return [*said, f"From {own:,} to {last:,} steps, over {n} trainings (95 % intervals): {', '.join(told)}."]
