"""The study's own ResNet as an oracle on a user's photographs, where there are enough of each person."""

from collections.abc import Callable

import numpy as np
import torch

from kpop_rca.oracles import training
from kpop_rca.system.parallel import one_thread
from kpop_rca.system.seeds import Purpose, generator

ARCHITECTURE = "resnet10"
RECIPE = training.OracleRecipe(
    width=16,
    warmup_epochs=0,
    epochs=40,
    batch_size=32,
    learning_rate=3e-3,
    weight_decay=0.05,
    colour_jitter=0.15,
    pretrained=False,
    seed=0,
)
VALIDATION = 0.1  # of each person's photographs, by which the epoch is chosen


def fit_resnet(
    crops: np.ndarray, person: np.ndarray, *, recipe: training.OracleRecipe = RECIPE
) -> Callable[[np.ndarray], np.ndarray]:
    """Train a ResNet on crops of K people, by one thread; returns what predicts the persons, int (n,), of crops.

    Args:
        crops: uint8 (N, s, s, 3).
        person: int (N,) in [0, K), of each several.
    """
    chosen, device = _validation(person, seed=recipe.seed), torch.device("cpu")
    oracle, _ = training.build_oracle(ARCHITECTURE, n_classes=int(person.max()) + 1, recipe=recipe)
    splits = [(crops[rows], person[rows].astype(np.int64)) for rows in (~chosen, chosen)]
    with one_thread(device):
        training.train_oracle(oracle, *splits, recipe=recipe, frozen_first=False, device=device, bar=_unseen)
    return lambda seen: training.predict(oracle, seen)[0].argmax(axis=1)


def _validation(person: np.ndarray, *, seed: int) -> np.ndarray:
    """Which photographs choose the epoch, bool (N,): the same fraction of everybody's, one or more."""
    chosen, random = np.zeros(len(person), dtype=bool), generator(Purpose.VALIDATION_SPLIT, seed)
    for who in np.unique(person):
        own = random.permutation(np.flatnonzero(person == who))
        chosen[own[: max(1, round(VALIDATION * len(own)))]] = True
    return chosen


def _unseen(epochs: range, *, desc: str) -> range:
    return epochs
