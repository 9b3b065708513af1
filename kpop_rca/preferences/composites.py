"""Which parts the face score has: sets of scores, weighed on development pairs, on a seed of their own.

The generator and the scorers of that seed take no further part. Its faces are the development faces of every seed, and
all kinds of ladders are among what the sets are compared on: other images of the same kinds report.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from kpop_rca.preferences import benchmark, trials
from kpop_rca.preferences.experiment import Experiment
from kpop_rca.preferences.pairs import Pairs
from kpop_rca.preferences.scorer import Scorer, fit_head, log_sharpness

IN_USE = (trials.MSCN, trials.SHARPNESS, *trials.IN_FACE_SCORE)  # in `scorer.FaceScore`
SETS = (
    (trials.MSCN, trials.PAPER, trials.MIXED),
    IN_USE,
    (trials.MSCN, trials.SHARPNESS),
    (trials.MSCN, trials.BRISQUE, trials.PAPER, trials.MIXED),
    (trials.MSCN, trials.SHARPNESS, trials.BRISQUE, trials.PAPER, trials.MIXED),
    (trials.MSCN, trials.SHARPNESS, trials.BRISQUE),
    (trials.MSCN, trials.FIXED_HIGH, trials.MIXED),
    (trials.MSCN, trials.SHARPNESS, trials.FIXED_HIGH, trials.MIXED),
)
TRAINED_PARTS = (trials.PAPER, trials.MIXED, trials.FIXED_HIGH)  # from pairs


def composite(scorers: Mapping[str, Scorer], development: Pairs) -> Scorer:
    """A sum of scores with the weights that `FaceScore` would have for them."""

    def parts(images: np.ndarray) -> np.ndarray:
        return np.stack([scorer(images) for scorer in scorers.values()], axis=1)

    weights, spread = fit_head(parts(development.win), parts(development.loss))
    return lambda images: parts(images) / spread @ weights


def compared(
    scorers: Mapping[str, Scorer],
    development: Pairs,
    pairs: Mapping[str, Pairs],
    steps: Mapping[str, benchmark.Ladder],
) -> pd.DataFrame:
    """Every one of SETS on pairs and ladders: `benchmark.scorer_table`, whose scorer names the parts."""
    own = {" + ".join(names): composite({name: scorers[name] for name in names}, development) for names in SETS}
    return benchmark.scorer_table(own, pairs, steps)


def measured(experiment: Experiment) -> pd.DataFrame:
    """`compared` on other pairs of development faces, degraded ones, and ladders of the seed's own generator."""
    material = experiment.material
    networks = trials.trained_scorers(material, trials.training_pairs(material, TRAINED_PARTS))
    scorers = trials.as_scorers(networks) | trials.baselines(material) | {trials.SHARPNESS: log_sharpness}
    full, few = experiment.resolved["train_steps"], max(2, experiment.images // 8)
    models = [material.model, *(experiment.trained_for(max(2, full // part)) for part in (2, 4, 8))]
    how = {"n_images": few * experiment.n_classes, "n_classes": experiment.n_classes, "part": trials.DEVELOPMENT}
    steps = trials.all_ladders(material, experiment.plan(few), models, **how)
    return compared(scorers, trials.development_pairs(material), trials.other_development_pairs(material), steps)


def means(table: pd.DataFrame) -> pd.Series:
    """The mean of what a set orders right over pairs and over ladders, and of these two; the best set first."""
    of_each = table.groupby(["scorer", "kind"])["fraction"].mean().unstack()
    return of_each.mean(axis=1).sort_values(ascending=False)
