"""The study's own ResNet as the oracle of a scoring, cross-fitted on a user's photographs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kpop_rca.errors import StudyError
from kpop_rca.oracles.own_resnet import fit_resnet
from kpop_rca.scoring.cross_fitting import NOBODY, CrossFitted, folds, held_out

# Photographs of a person, near-duplicates counted once. Of ten people of LFW at 32 px a network that has four fifths of
# 25 photographs each names .59 ± .03 of others, one that has four fifths of 50 names .84 ± .03.
FEWEST = 50
FOLDS = 5  # networks that are trained


def cross_fitted_resnet(
    crops: np.ndarray,
    person: np.ndarray,
    cluster: np.ndarray,
    generated: np.ndarray,
    *,
    found: np.ndarray,
    generated_found: np.ndarray,
    people: Sequence[Any] | None = None,
) -> CrossFitted:
    """Predictions by ResNets of photographs that they weren't trained on, and of generated images, as by `cross_fit`.

    Each of FOLDS networks is trained on the photographs of the other folds, and predicts its own fold and all generated
    images. The order of the photographs changes nothing.

    Args:
        crops: uint8 (N, s, s, 3), of the photographs.
        person: int (N,) in [0, K).
        cluster: int (N,), near-duplicates of a person share one; a negative one is alone.
        generated: uint8 (M, s, s, 3).
        found: bool (N,), whether there is one face on the photograph; others are not used, and not counted.
        generated_found: bool (M,), the same of the generated images.
        people: K names for the error message; numbers by default.

    Raises:
        StudyError: names people with too few photographs.
    """
    person, cluster = np.asarray(person), np.asarray(cluster)
    people = range(person.max() + 1) if people is None else people
    cluster = np.where(cluster < 0, cluster.max(initial=0) + 1 + np.arange(len(cluster)), cluster)
    unit = np.unique(np.stack([person, cluster]), axis=1, return_inverse=True)[1]
    n_units = [len(np.unique(unit[found & (person == who)])) for who in range(len(people))]
    lacking = [f"{name} ({n})" for name, n in zip(people, n_units, strict=True) if n < FEWEST]
    if lacking:
        raise StudyError(
            f"a ResNet of your own needs {FEWEST} different photographs of everybody: {', '.join(lacking)}; "
            "add some, leave these people out, or use a pretrained oracle"
        )
    used = np.array(sorted(np.flatnonzero(found), key=lambda row: crops[row].tobytes()))
    used = np.random.default_rng(0).permutation(used)
    out = np.zeros((FOLDS, len(person)), dtype=bool)
    out[:, used] = held_out(person[used], folds(person[used], unit[used]) % FOLDS)
    predicted, of_generated = (np.full((FOLDS, len(of)), NOBODY) for of in (crops, generated))
    for number, without in enumerate(out):
        train = used[~without[used]]
        predict = fit_resnet(crops[train], person[train])
        predicted[number, without] = predict(crops[without])
        if generated_found.any():
            of_generated[number, generated_found] = predict(generated[generated_found])
    return CrossFitted(person, unit, out, predicted, of_generated)
