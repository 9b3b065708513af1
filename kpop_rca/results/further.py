"""Whether further trainings of a recipe come out as its intervals say: what `validity.further_trainings` left, read."""

from typing import Any

import pandas as pd

from kpop_rca.study import manifests, paths
from kpop_rca.system import files
from kpop_rca.validity.further_trainings import ABOUT, NOT_OF_RECIPE, PREDICTIONS, REPORT

COMMAND = "python -m kpop_rca.validity.further_trainings"


def rca_of_further(oracles: list[str]) -> pd.DataFrame:
    """RCA of each further training that came with the project: training, n (images), rca (mean over these oracles)."""
    folder = paths.committed_report(REPORT)
    table, about = pd.read_csv(folder / PREDICTIONS), files.read_json(folder / ABOUT)
    right = table[oracles].eq(table["label"], axis=0).div(pd.Series(about["accuracy_real"])[oracles])
    by_training = right.mean(axis=1).groupby(table["training"])
    return pd.DataFrame({"n": by_training.size(), "rca": by_training.mean()}).reset_index()


def recipe_in_use(study: str) -> dict[str, Any]:
    """The parameters that a study's trainings and images were made with."""
    made = (manifests.read(manifests.folder_of(study, name))["parameters"] for name in ("ddpm", "generated"))
    return {name: value for part in made for name, value in part.items() if name not in NOT_OF_RECIPE}


def further_trainings(study: str, recipe: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The further trainings beside the intervals of the recipe.

    Args:
        study: whose recipe it is.
        recipe: the part `recipe` of `metrics.json`.

    Returns:
        The table of `rca_of_further` with within (whether the RCA is in the prediction interval of one more training),
        without rows where there is nothing to compare; and n, n_within, mean and mean_within (in the interval of the
        recipe's mean), None with `why` there.
    """
    why, folder = "", paths.committed_report(REPORT)
    if not (folder / ABOUT).is_file():
        why = f"none have been made; see {COMMAND}"
    elif differing := _differing(files.read_json(folder / ABOUT), recipe_in_use(study), recipe):
        why = f"those that were made are of another recipe ({differing})"
    elif recipe["value"] is None:
        why = recipe["why"]
    if why:
        table = pd.DataFrame(columns=["training", "n", "rca", "within"])
        return table, dict.fromkeys(("n", "n_within", "mean", "mean_within")) | {"why": why}
    table = rca_of_further(recipe["oracles"])
    table["within"], mean = table["rca"].between(*recipe["next_training"]), float(table["rca"].mean())
    low, high = recipe["ci95"]
    counts = {"n": len(table), "n_within": int(table["within"].sum())}
    return table, counts | {"mean": mean, "mean_within": low <= mean <= high}


def _differing(about: dict[str, Any], used: dict[str, Any], recipe: dict[str, Any]) -> str:
    """In what further trainings differ from a study; empty where in nothing."""
    was = about["recipe"]
    found = [f"{name} {was.get(name)}, not {used.get(name)}" for name in used | was if was.get(name) != used.get(name)]
    if missing := set(recipe["oracles"]) - about["accuracy_real"].keys():
        found.append(f"without the oracle {min(missing)}")
    return "; ".join(found[:3])


def about_further(part: dict[str, Any], recipe: dict[str, Any]) -> str:
    """What `further_trainings` found, in a sentence."""
    if part["n"] is None:
        return f"Further trainings are not compared: {part['why']}."
    inside = "inside" if part["mean_within"] else "outside"
    low, high = recipe["ci95"]
    return (
        f"Further trainings of this recipe, under the same oracles: {part['n_within']} of {part['n']} in the "
        f"prediction interval; their mean RCA, {part['mean']:.2f}, lies {inside} the interval of the mean "
        f"({low:.2f} to {high:.2f})."
    )
