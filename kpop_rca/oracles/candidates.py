"""Which oracles a study trains, and on which faces.

Every architecture is trained from several seeds. Where the study keeps faces from the generator (the split "oracle"),
the oracles are trained on those: one that was trained on the generator's images may recognise a copied image, not the
person. To see how much that matters, some are also trained on the generator's own faces, and named `-seen`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kpop_rca.system import seeds

Faces = tuple[np.ndarray, np.ndarray]  # uint8 (N, H, W, 3) and int64 labels (N,)


@dataclass(frozen=True)
class Candidate:
    """An oracle to be trained.

    Attributes:
        architecture: a key of `resnet.LEVELS`.
        seed: its number s among the oracles of its architecture, from 0.
        trained_on: the split, "oracle" or "train".
        seen: whether it is trained on the generator's faces beside oracles that are not.
    """

    architecture: str
    seed: int
    trained_on: str
    seen: bool = False

    @property
    def name(self) -> str:
        """`<architecture>-<s>`, and `-seen` for one that is trained on the generator's faces beside others."""
        return f"{self.architecture}-{self.seed}{'-seen' if self.seen else ''}"


def list_candidates(architectures: Sequence[str], *, n_seeds: int, seen: Sequence[str], apart: bool) -> list[Candidate]:
    """The oracles of a study, in the order in which they are trained.

    Args:
        architectures: keys of `resnet.LEVELS`.
        n_seeds: oracles of each architecture.
        seen: architectures that are trained on the generator's faces as well.
        apart: whether the study keeps faces from the generator for the oracles. Where it does not, all are trained on
            the generator's faces, as in the paper, and `seen` has no effect.

    >>> [c.name for c in list_candidates(["resnet10", "resnet18"], n_seeds=2, seen=["resnet10"], apart=True)]
    ['resnet10-0', 'resnet10-1', 'resnet18-0', 'resnet18-1', 'resnet10-0-seen', 'resnet10-1-seen']
    """
    split = "oracle" if apart else "train"
    first = [Candidate(architecture, seed, split) for architecture in architectures for seed in range(n_seeds)]
    again = [Candidate(architecture, seed, "train", seen=True) for architecture in seen for seed in range(n_seeds)]
    return first + (again if apart else [])


def oracle_seed(seed: int, number: int) -> int:
    """The seed of an oracle's weights and data order, from the study's seed and the oracle's number s.

    The number is that of oracles of all architectures and training faces, so that they pair up.

    >>> oracle_seed(0, 1) != oracle_seed(1, 0)
    True
    """
    return int(seeds.sequence(seeds.Purpose.ORACLE, seed, number).generate_state(1)[0])


def capped(faces: Faces, most: np.ndarray, *, generator: np.random.Generator) -> Faces:
    """At most `most[k]` random faces of every identity k, in their former order."""
    images, labels = faces
    chosen = np.zeros(len(labels), dtype=bool)
    for label, number in enumerate(most):
        chosen[generator.permutation(np.flatnonzero(labels == label))[:number]] = True
    return images[chosen], labels[chosen]


def training_faces(splits: dict[str, Faces], *, seed: int) -> dict[str, Faces]:
    """The faces that oracles are trained on: "oracle" and "train" where the study keeps faces for them, else "train".

    The generator's faces are capped to the number of the oracles' own of each identity, so that oracles differ in
    *which* faces they are trained on and not in how many. An identity of which the generator has fewer keeps them all.

    Args:
        splits: "train", and "oracle", which may be empty.
        seed: of the study; all oracles with the same `trained_on` are trained on the same faces.
    """
    labels = splits["oracle"][1]
    if not len(labels):
        return {"train": splits["train"]}
    most = np.bincount(labels, minlength=int(splits["train"][1].max()) + 1)
    generator = seeds.generator(seeds.Purpose.ORACLE_FACES, seed)
    return {"oracle": splits["oracle"], "train": capped(splits["train"], most, generator=generator)}
