"""The study's own ResNet as the oracle of a scoring, cross-fitted on a user's photographs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kpop_rca.oracles.own_resnet import fit_resnet
from kpop_rca.scoring.cross_fitting import CrossFitted, predict_by_fold, require_photographs, units

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
    person, unit = np.asarray(person), units(np.asarray(person), np.asarray(cluster))
    people = range(person.max() + 1) if people is None else people
    require_photographs(person, unit, found, people, fewest=FEWEST, oracle="a ResNet of your own")
    used = np.array(sorted(np.flatnonzero(found), key=lambda row: crops[row].tobytes()))
    used = np.random.default_rng(0).permutation(used)
    how = {"used": used, "found": generated_found, "fit": fit_resnet, "most_folds": FOLDS}
    return predict_by_fold(crops, generated, person, unit, **how)
