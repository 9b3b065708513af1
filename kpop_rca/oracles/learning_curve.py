"""How much an oracle's accuracy owes to the number of its training faces."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint

from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Faces, capped, oracle_seed, training_faces
from kpop_rca.system import seeds

FRACTIONS = (0.25, 0.5)  # of the training faces; 1 are the study's own oracles


def accuracy_by_size(
    splits: dict[str, Faces],
    architecture: str,
    *,
    folder: Path,
    recipe: training.OracleRecipe,
    device: torch.device,
    bar: Callable,
    fractions: Sequence[float] = FRACTIONS,
) -> pd.DataFrame:
    """Test accuracy of an architecture's first oracle, and of others like it that are trained on fewer faces.

    Each takes about as many steps: half of the faces are seen in twice the epochs. As many fewer validation
    faces choose the epoch. The others leave no files.

    Args:
        splits: as for `training.train_all`.
        architecture: whose oracle 0 is in `folder`.
        folder: of the stage, where the study's oracles are.
        recipe: of the study.
        fractions: of the training faces of each identity, at least one face of each.

    Returns:
        One row per size, the smallest first: n_train, accuracy, and low and high, its Wilson interval (95 %).
    """
    trained_on = "oracle" if len(splits["oracle"][1]) else "train"
    faces = training_faces(splits, seed=recipe.seed)[trained_on]
    own = replace(recipe, seed=oracle_seed(recipe.seed, 0))
    chosen, test = {"train": faces, "validation": splits["validation"]}, splits["test"][1]
    with tempfile.TemporaryDirectory() as scratch:
        trainings = [
            training.Training(
                architecture,
                splits | {name: _part(part, fraction, seed=recipe.seed) for name, part in chosen.items()},
                recipe=replace(own, epochs=round(recipe.epochs / fraction)),
                folder=Path(scratch) / f"{fraction:g}",
                notes={"seed": 0, "trained_on": trained_on},
            )
            for fraction in fractions
        ]
        training.train_side_by_side(trainings, device=device, bar=bar)
        about = [training.read_about(one.folder) for one in trainings]
    rows = [(one["n_train"], one["test"]["accuracy"]) for one in [*about, training.read_about(folder)]]
    table = pd.DataFrame(rows, columns=["n_train", "accuracy"]).sort_values("n_train", ignore_index=True)
    right = (table["accuracy"] * len(test)).round()
    low, high = proportion_confint(right, len(test), method="wilson")
    return table.assign(low=low, high=high)


def _part(faces: Faces, fraction: float, *, seed: int) -> Faces:
    """A fraction of the faces of each identity, at random, and at least one."""
    fewer = np.maximum(1, np.round(np.bincount(faces[1]) * fraction).astype(int))
    return capped(faces, fewer, generator=seeds.generator(seeds.Purpose.FEWER_FACES, seed))
