"""RCA and Fréchet distance of many sets of generated faces, by several oracles, beside the same real faces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.frechet import Normal
from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Candidate, Faces
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system.console import bar


class OracleBesideReal:
    """An oracle, with its accuracy and the distribution of its features on real faces: these are shown to it once.

    Raises:
        StudyError: it recognises no real face, so that RCA is undefined.
    """

    def __init__(self, oracle: SmallImageResNet, real: Faces):
        self.oracle = oracle
        probabilities, features = training.predict(oracle, real[0])
        self.accuracy, self.real = (probabilities.argmax(1) == real[1]).mean(), Normal.of(features)
        if not self.accuracy:
            raise StudyError("an oracle recognises no real face; train it for longer, or on more faces")

    def rca_and_frechet(self, made: Faces) -> tuple[float, float]:
        """RCA of generated faces, and the Fréchet distance of the oracle's features of them to those of the real."""
        probabilities, features = training.predict(self.oracle, made[0])
        return (probabilities.argmax(1) == made[1]).mean() / self.accuracy, self.real.frechet_distance(features)


def mean_rca_and_frechet(oracles: Sequence[OracleBesideReal], made: Faces) -> tuple[float, float]:
    """RCA and Fréchet distance of generated faces, means over oracles."""
    value, distance = np.mean([oracle.rca_and_frechet(made) for oracle in oracles], axis=0)
    return float(value), float(distance)


def validation_oracles(
    resolved: dict[str, Any], faces: dict[str, Faces], *, folder: Path, device: torch.device
) -> list[OracleBesideReal]:
    """One oracle of each architecture, of the number after the study's own, beside the validation faces."""
    split = "oracle" if len(faces["oracle"][1]) else "train"
    planned = [Candidate(kind, resolved["oracle_seeds"], split) for kind in resolved["architectures"]]
    recipe = training.OracleRecipe.of(resolved)
    training.train_all(planned, faces, recipe=recipe, folder=folder, device=device, bar=bar)
    trained = [training.load_oracle(folder / one.name, device) for one in planned]
    return [OracleBesideReal(oracle, faces["validation"]) for oracle in trained]
