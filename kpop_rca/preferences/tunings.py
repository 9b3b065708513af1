"""What becomes of a generator that is tuned by preferences, and of what is compared with that, one at a time."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from kpop_rca.diffusion.generation import Model
from kpop_rca.errors import StudyError
from kpop_rca.oracles.beside_real import mean_rca_and_frechet
from kpop_rca.oracles.candidates import Faces
from kpop_rca.preferences import dpo, guidance, trials
from kpop_rca.preferences.experiment import BOTH, COMMITTEE, FACE, IDENTITY, PAPER, RANDOM, REAL, Experiment, as_file
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

FULL = {"adapter": "full", "learning_rate": 3e-5}
WINNERS = {"objective": "winners"}
WATCH_EVERY = 25  # steps
MANY = {"candidates": 4, "fraction": 0.15, "warm_up": 20}  # better winners and worse losers, and no first leap
ON_POLICY = {"candidates": 2, "fraction": 0.2, "warm_up": 20, "rounds": 3}
# Recipes of a tuning for identity by DPO, with the reward: on a seed of their own, `chosen_recipe` takes one, CHOSEN.
SEARCHED: dict[str, tuple[str, dict[str, Any]]] = {
    "adapters, 1e-3": (IDENTITY, {"learning_rate": 1e-3}),
    "adapters, 3e-3": (IDENTITY, {"learning_rate": 3e-3}),
    "all weights, 1e-4": (IDENTITY, FULL | {"learning_rate": 1e-4}),
    "all weights, 3e-4": (IDENTITY, FULL | {"learning_rate": 3e-4}),
    "adapters, 1e-3, 300 steps": (IDENTITY, {"learning_rate": 1e-3, "steps": 300}),
    "all weights, 3e-5, 300 steps": (IDENTITY, FULL | {"steps": 300}),
    "committee, adapters, 1e-3": (COMMITTEE, MANY | {"learning_rate": 1e-3}),
    "committee, all weights, 3e-5, 200 steps": (COMMITTEE, MANY | FULL | {"steps": 200}),
    "committee, all weights, 1e-4, β 500": (COMMITTEE, MANY | FULL | {"learning_rate": 1e-4, "beta": 500.0}),
    "committee, adapters, 1e-3, 3 rounds": (COMMITTEE, ON_POLICY | {"learning_rate": 1e-3}),
    "committee, all weights, 3e-5, 3 rounds": (COMMITTEE, ON_POLICY | FULL),
}
CHOSEN_REWARD, CHOSEN = SEARCHED["committee, all weights, 3e-5, 3 rounds"]
SEARCH_SEED = 100  # whose generator takes no further part
CHOSEN_BY = ("rca_validation", "frechet_validation")
SLACK = 1.25  # of the Fréchet distance over the base's, that a chosen recipe has at most
HEADLINE = "identity, in rounds"
ONE_ROUND = CHOSEN | {"rounds": 1}
# Name to reward and recipe. The headline's tuning is in rounds; all others have its first round alone, with the same
# candidates and noise, but for real faces, which need no candidates.
TUNED: dict[str, tuple[str, dict[str, Any]]] = {
    HEADLINE: (CHOSEN_REWARD, CHOSEN),
    "identity, one round": (CHOSEN_REWARD, ONE_ROUND),
    "random pairs, one round": (RANDOM, ONE_ROUND),
    "winners only, one round": (CHOSEN_REWARD, ONE_ROUND | WINNERS),
    "real faces, one round": (REAL, ONE_ROUND | WINNERS),
    "face score, one round": (FACE, ONE_ROUND),
    "paper's scorer, one round": (PAPER, ONE_ROUND),
    "both, one round": (BOTH, ONE_ROUND),
}
# Fine-tuning on winners without losers, beside DPO, on the seed of the search.
FINE_TUNED: dict[str, tuple[str, dict[str, Any]]] = {
    "winners only, all weights, 3e-4": (IDENTITY, WINNERS | FULL | {"learning_rate": 3e-4}),
    "winners only, all weights, 1e-3": (IDENTITY, WINNERS | FULL | {"learning_rate": 1e-3}),
}
RECIPES = TUNED | SEARCHED | FINE_TUNED
BEST_OF = {"best of 2 by identity": COMMITTEE, "best of 2 by face score": FACE}
NEGATIVE = "negative guidance"
EVERY = (trials.BASE, *TUNED, *BEST_OF, NEGATIVE)
HELD_OUT_KINDS = ("held_out", "other_photographs")  # of oracles


def measured(experiment: Experiment, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row of `trials.measured` of one of EVERY, and its rewards along the tuning, a table without rows for none.

    win and lose are of the last round, beside its own reference.

    Raises:
        StudyError: it is none of EVERY.
    """
    about: dict[str, Any] = {"tuning": name}
    curve = pd.DataFrame()
    if name in RECIPES:
        log, curve = _tuned(experiment, name)
        about |= {"steps": int(log["step"].iloc[-1]), "win": log["win"].iloc[-1], "lose": log["lose"].iloc[-1]}
    return pd.DataFrame([about | trials.measured(experiment.observers, images_of(experiment, name))]), curve


def scored(experiment: Experiment, name: str) -> pd.DataFrame:
    """A row of the rewards of one of EVERY by networks that tunings are rewarded by, and by those that they are not."""
    seen = trials.rewards_seen(experiment.all_observers, images_of(experiment, name))
    return pd.DataFrame([{"tuning": name} | seen])


def images_of(experiment: Experiment, name: str) -> Faces:
    """The images of one of EVERY or of RECIPES, with the base's noise and the base's requested identities.

    Raises:
        StudyError: it is none of them.
    """
    if name in RECIPES:
        return experiment.kept(name, lambda: experiment.sampled(_tuned_model(experiment, name), experiment.plan()))
    if name in BEST_OF:
        return best_of_two(experiment, BEST_OF[name])
    if name not in EVERY:
        raise StudyError(f"there is no tuning {name!r}; take one of: {'; '.join(EVERY)}")
    if name == NEGATIVE:
        return experiment.kept(name, lambda: experiment.sampled(_negative(experiment), experiment.plan()))
    return experiment.base_images


def _tuned_model(experiment: Experiment, name: str) -> Model:
    last = _folder(experiment, name, dpo.TuningRecipe(**RECIPES[name][1]).rounds - 1)
    return dpo.load_tuned(last, experiment.device)


def _folder(experiment: Experiment, name: str, number: int) -> Path:
    """Of a round of a tuning, from 0."""
    return experiment.folder / "tunings" / (as_file(name) + (f"-{number}" if number else ""))


def _negative(experiment: Experiment) -> Model:
    unet, forward = experiment.base
    return guidance.NegativeCondition(unet, experiment.worse[0]), forward


def _tuned(experiment: Experiment, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tune a generator unless it was: the log, and rewards on the way, with steps counted over all rounds."""
    reward, changed = RECIPES[name]
    own = {field: getattr(experiment, field) for field in ("steps", "seed")}
    own |= {"timestep_sampling": experiment.resolved["timestep_sampling"]}
    recipe = dpo.TuningRecipe(**own | changed)
    few = experiment.plan(max(2, experiment.images // 16))
    watch = trials.Watch(experiment.observers_of(reward), experiment.base[1], few, experiment.n_classes)
    bar = partial(tqdm, desc=f"{name}, seed {experiment.seed}", mininterval=60)
    reference, done, logs, curves = experiment.base, 0, [], []
    for number in range(recipe.rounds):
        folder = _folder(experiment, name, number)
        one = replace(recipe, seed=seeds.number(Purpose.TUNING_ROUND, recipe.seed, number)) if number else recipe
        how = {"recipe": one, "folder": folder, "watch": watch, "watch_every": WATCH_EVERY, "bar": bar}
        log = dpo.tune(*reference, _round_images(experiment, name, one, reference, number), **how)
        curve = dpo.read_watched(folder)
        logs.append(log.assign(step=log["step"] + done))
        curves.append(curve.assign(step=curve["step"] + done).iloc[min(number, 1) :])  # a round begins where one ended
        done += int(log["step"].iloc[-1])
        reference = dpo.load_tuned(folder, experiment.device)
    return pd.concat(logs, ignore_index=True), pd.concat(curves, ignore_index=True).assign(tuning=name)


def _round_images(
    experiment: Experiment, name: str, recipe: dpo.TuningRecipe, reference: Model, number: int
) -> dpo.Images:
    """What a round of a tuning is tuned by: from the second on, by images of the generator that it starts from."""
    reward, candidates = RECIPES[name][0], None
    if number:
        how = {"times": recipe.candidates, "number": number + 1}
        kept = f"{name}, candidates {number}"
        candidates = experiment.kept(kept, lambda: experiment.other_images(reference, **how))
    return preference_images(experiment, reward, recipe=recipe, candidates=candidates)


def preference_images(
    experiment: Experiment, reward: str, *, recipe: dpo.TuningRecipe, candidates: Faces | None = None
) -> dpo.Images:
    """Winners, losers and labels of a tuning by a reward, by RANDOM ones, or of REAL faces as winners.

    Args:
        candidates: in place of the base's.
    """
    rng = seeds.generator(Purpose.PREFERENCE_PAIRS, recipe.seed)
    n = recipe.steps * recipe.batch_size // 2
    if reward == REAL:
        images, labels = experiment.faces("train")
        rows = rng.permutation(len(labels))[:n]
        return images[rows], images[rows], labels[rows]
    images, labels = candidates or experiment.candidates(recipe.candidates)
    values = rng.random(len(labels)) if reward == RANDOM else experiment.rewarded(reward)(images, labels)
    win, loss = dpo.ranked_pairs(values, labels, n=n, fraction=recipe.fraction, generator=rng)
    return images[win], images[loss], labels[win]


def best_of_two(experiment: Experiment, reward: str) -> Faces:
    """Of each image of the base and the candidate of the same number the better one: preferences without a tuning."""
    (first, labels), (second, _) = experiment.base_images, experiment.candidates()
    images = np.stack([first, second], axis=1).reshape(-1, *first.shape[1:])
    labels = labels.repeat(2)
    chosen = dpo.best_of_n(experiment.rewarded(reward)(images, labels), labels, n=2)
    return images[chosen], labels[chosen]


def with_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measured` of several seeds with gap_closed_held_out and gap_closed_other_photographs.

    Each is beside the base of its own seed; rows of a seed without a base are left out.
    """
    base = table[table["tuning"] == trials.BASE].set_index("seed")
    table = table[table["seed"].isin(base.index)].reset_index(drop=True)
    for kind in HELD_OUT_KINDS:
        own_base = table["seed"].map(base[f"rca_{kind}"])
        table[f"gap_closed_{kind}"] = trials.gap_closed(own_base, table[f"rca_{kind}"])
    return table


def searched(experiment: Experiment, name: str) -> pd.DataFrame:
    """A row of `measured` with rca_validation and frechet_validation, which a recipe is chosen by.

    These are of oracles that neither reward a tuning nor report one, beside the validation faces.
    """
    row, _ = measured(experiment, name)
    value, distance = mean_rca_and_frechet(experiment.choosing, images_of(experiment, name))
    return row.assign(rca_validation=value, frechet_validation=distance)


def chosen_recipe(found: pd.DataFrame) -> str:
    """The recipe of SEARCHED with the largest RCA, of those that keep quality, by what `searched` adds.

    Those are the ones whose Fréchet distance is at most `SLACK` times the base's.

    Args:
        found: rows of `searched` of the seed of the search, its base among them.

    Raises:
        StudyError: every recipe costs more quality.
    """
    by_name, (value, distance) = found.set_index("tuning"), CHOSEN_BY
    tried = by_name.loc[by_name.index.isin(SEARCHED)]
    kept = tried[tried[distance] <= SLACK * by_name.loc[trials.BASE, distance]]
    if kept.empty:
        raise StudyError(f"every recipe of a tuning makes the Fréchet distance more than {SLACK:g} times the base's")
    return kept[value].idxmax()
