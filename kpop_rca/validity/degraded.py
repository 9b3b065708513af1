"""Trials on degraded faces: the right people, but blurred or with noise.

The estimators assume that the oracle errs on generated images as on real ones of the same person. Here it does not.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from kpop_rca import rca
from kpop_rca.degradations import blurred, noised, without_part
from kpop_rca.oracles import candidates, training
from kpop_rca.oracles.candidates import Faces
from kpop_rca.oracles.resnet import LEVELS, SmallImageResNet
from kpop_rca.rca.estimators import ESTIMATORS, estimate
from kpop_rca.validity.estimators import Parts, trial_rows

REMEDIES = {
    "none": "nothing done",
    "confusion": "confusion from real faces degraded alike",
    "oracle": "oracle retrained on blurred real faces",
}

PARTS = ("hair", "face")  # that may be hidden from an oracle
SEEN_WITHOUT = {"": "all", "hair": "brows to chin alone", "face": "all but brows to chin"}


def middle(levels: Sequence[float]) -> float:
    """The level at which an oracle is trained again: the middle one, the higher of two.

    >>> middle([0.0, 0.5, 1.0, 1.5])
    1.0
    """
    return sorted(levels)[len(levels) // 2]


def retrained_on_blurred(
    splits: dict[str, Faces],
    sigma: float,
    *,
    like: Path,
    seed: int,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> SmallImageResNet:
    """An oracle trained like the selected one, on the same faces blurred, unless an interrupted run already had.

    Args:
        splits: "train", "oracle" (may be empty), "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,).
        sigma: of the blur, pixels.
        like: folder of the headline oracle.
        seed: of the study, which chose the headline oracle's training faces.
        folder: for the new one.
        bar: `tqdm` or one of its kind.

    Returns:
        The oracle, in evaluation mode.
    """
    about = training.read_about(like)
    one = training.Training(
        about["architecture"],
        _altered(splits, about["trained_on"], lambda images: blurred(images, sigma), seed=seed),
        recipe=training.OracleRecipe(**about["recipe"]),
        folder=folder,
        notes={"trained_on": about["trained_on"], "blur": sigma},
    )
    training.train_side_by_side([one], device=device, bar=bar)
    return training.load_oracle(folder, device)


def _altered(
    splits: dict[str, Faces], trained_on: str, alter: Callable[[np.ndarray], np.ndarray], *, seed: int
) -> dict[str, Faces]:
    """The faces that an oracle is trained, selected and tested on, altered."""
    own = {"train": candidates.training_faces(splits, seed=seed)[trained_on]}
    own |= {name: splits[name] for name in ("validation", "test")}
    return {name: (alter(images), labels) for name, (images, labels) in own.items()}


def oracles_of_parts(
    splits: dict[str, Faces], *, like: Path, seed: int, folder: Path, device: torch.device, bar: Callable
) -> dict[str, SmallImageResNet]:
    """Oracles that see the face without its hair, and the hair without the face; the smallest network, half as long.

    The arguments are those of `retrained_on_blurred`.

    Returns:
        By the part that is hidden (see `degradations.without_part`), in evaluation mode.
    """
    about = training.read_about(like)
    recipe = training.OracleRecipe(**about["recipe"] | {"epochs": -(-about["recipe"]["epochs"] // 2)})
    trainings = [
        training.Training(
            next(iter(LEVELS)),
            _altered(splits, about["trained_on"], partial(without_part, part=part), seed=seed),
            recipe=recipe,
            folder=folder / part,
            notes={"trained_on": about["trained_on"], "hidden": part},
        )
        for part in PARTS
    ]
    training.train_side_by_side(trainings, device=device, bar=bar)
    return {part: training.load_oracle(folder / part, device) for part in PARTS}


def parts_trial(
    test: Faces,
    generated: Faces,
    oracles: dict[str, SmallImageResNet],
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """RCA and confusion-corrected accuracy by what an oracle sees of real and of generated faces alike.

    Args:
        test, generated: real faces and who they show; generated ones and who was requested.
        oracles: by the part that is hidden from each, "" for none.

    Returns:
        One row per oracle: sees, accuracy_real, and ESTIMATORS with _low and _high.
    """
    n_classes, rows = int(test[1].max()) + 1, []
    for part, oracle in oracles.items():
        tables = [
            rca.confusion_counts(labels, _predicted(oracle, without_part(images, part)), n_classes)
            for images, labels in (test, generated)
        ]
        found = estimate(*tables, n_replicates=n_replicates, generator=generator)
        row = {"sees": SEEN_WITHOUT[part], "accuracy_real": rca.accuracy(tables[0])}
        for name in ESTIMATORS:
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, found[name]), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _predicted(oracle: SmallImageResNet, images: np.ndarray) -> np.ndarray:
    return training.predict(oracle, images)[0].argmax(1)


def degradation_trial(
    test: Faces,
    oracle: SmallImageResNet,
    *,
    parts: Parts,
    blur_sigmas: Sequence[float],
    noise_sds: Sequence[float],
    retrained: tuple[SmallImageResNet, float],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """A generator that shows the right people (truth 1), but blurred or with noise; and what repairs the estimators.

    Args:
        test: real test faces.
        oracle: in evaluation mode.
        parts: from `halves`.
        blur_sigmas: pixels.
        noise_sds: grey levels.
        retrained: from `retrained_on_blurred`, and its sigma.

    Returns:
        One row per kind ("blur", "noise"), level, remedy and estimator, with the other columns of `trial_rows`.
        REMEDIES: "none", confusion from real faces as they are; "confusion", from real faces degraded alike; "oracle"
        (blur alone), confusion by the retrained oracle from real faces blurred as those it was trained on.
    """
    images, labels = test
    (playing, left), (again, sigma), rows = parts, retrained, []
    n_classes = int(labels.max()) + 1
    counts = partial(rca.confusion_counts, n_classes=n_classes)
    predicted_plain = _predicted(oracle, images)
    plain = counts(labels[left], predicted_plain[left])
    at_home = counts(labels[left], _predicted(again, blurred(images[left], sigma)))
    for kind, level in [*product(["blur"], blur_sigmas), *product(["noise"], noise_sds)]:
        degraded = blurred(images, level) if kind == "blur" else noised(images, level, generator=generator)
        predicted = _predicted(oracle, degraded) if level else predicted_plain  # 0 leaves them as they are
        generated = counts(labels[playing], predicted[playing])
        tables = {"none": (plain, generated), "confusion": (counts(labels[left], predicted[left]), generated)}
        if kind == "blur":
            tables["oracle"] = (at_home, counts(labels[playing], _predicted(again, degraded[playing])))
        for remedy, pair in tables.items():
            found = estimate(*pair, n_replicates=n_replicates, generator=generator)
            rows += trial_rows(found, 1.0, n_classes, kind=kind, level=level, remedy=remedy)
    return pd.DataFrame(rows)


def missed_levels(table: pd.DataFrame) -> pd.DataFrame:
    """At which levels the interval of each estimator misses the truth, or is missing, under each remedy.

    Args:
        table: from `degradation_trial`.

    Returns:
        One row per remedy and estimator: remedy, estimator, missed and no_interval, levels as text, empty for none.
    """
    named = table.assign(at=table["kind"] + " " + table["level"].map("{:g}".format))
    none = named["low"].isna()
    columns = {"missed": (named["covered"] == 0) & ~none, "no_interval": none}
    for column, where in columns.items():
        named[column] = named["at"].where(where)
    groups = named.groupby(["remedy", "estimator"], sort=False)[list(columns)]
    return groups.agg(lambda levels: ", ".join(levels.dropna())).reset_index()
