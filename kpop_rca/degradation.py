"""Degraded faces: the right people, but blurred or with noise, so that they are harder to judge than real faces.

The estimators take the judge to err on generated images as on real ones of the same person. Here it does not.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter

from kpop_rca import candidates, disk, oracle, rca, trials
from kpop_rca.candidates import Faces
from kpop_rca.resnet import SmallImageResNet
from kpop_rca.trials import ESTIMATORS, TITLES, Parts

NOISE_SDS = (0.0, 10.0, 20.0, 40.0)  # grey levels
REMEDIES = {
    "none": "nothing done",
    "confusion": "confusion from real faces degraded alike",
    "judge": "judge retrained on blurred real faces",
}


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Images blurred by a Gaussian, borders mirrored.

    Args:
        images: uint8 (N, H, W, 3).
        sigma: pixels; 0 leaves them as they are.

    Returns:
        uint8 (N, H, W, 3).
    """
    soft = gaussian_filter(images.astype(np.float32), sigma=(0, sigma, sigma, 0), mode="reflect")
    return np.rint(soft).clip(0, 255).astype(np.uint8)


def noised(images: np.ndarray, sd: float, *, generator: np.random.Generator) -> np.ndarray:
    """Images with independent Gaussian noise on every value.

    Args:
        images: uint8 (N, H, W, 3).
        sd: grey levels; 0 leaves them as they are.
        generator: of the noise.

    Returns:
        uint8 (N, H, W, 3).
    """
    noise = generator.normal(scale=sd, size=images.shape)
    return np.rint(images + noise).clip(0, 255).astype(np.uint8)


def middle(levels: Sequence[float]) -> float:
    """The level at which a judge is trained again: the middle one, the higher of two.

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
    """A judge trained like the selected one, on the same faces blurred, unless an interrupted run already had.

    Args:
        splits: "train", "judge" (may be empty), "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,).
        sigma: of the blur, pixels.
        like: folder of the selected judge.
        seed: of the study, by which the selected judge's faces were drawn.
        folder: for the new one.
        device: to train on.
        bar: `tqdm` or one of its kind.

    Returns:
        The judge, in evaluation mode.
    """
    about = disk.read_json(like / "about.json")
    own = {"train": candidates.learning_faces(splits, seed=seed)[about["trained_on"]]}
    own |= {name: splits[name] for name in ("validation", "test")}
    training = oracle.Training(
        about["architecture"],
        {name: (blurred(images, sigma), labels) for name, (images, labels) in own.items()},
        recipe=oracle.Recipe(**about["recipe"]),
        folder=folder,
        notes={"trained_on": about["trained_on"], "blur": sigma},
    )
    oracle.train_side_by_side([training], device=device, bar=bar)
    return oracle.load_judge(folder, device)


def _judged(judge: SmallImageResNet, images: np.ndarray) -> np.ndarray:
    return oracle.judge_images(judge, images)[0].argmax(1)


def degradation_trial(
    test: Faces,
    judge: SmallImageResNet,
    *,
    parts: Parts,
    blur_sigmas: Sequence[float],
    noise_sds: Sequence[float],
    retrained: tuple[SmallImageResNet, float],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """A generator that draws the right people (truth 1), but blurred or with noise; and what repairs the estimators.

    Args:
        test: real test faces, uint8 (N, H, W, 3) and int64 (N,).
        judge: in evaluation mode.
        parts: from `trials.halves`: the first half plays the generator, the other estimates the judge's confusion.
        blur_sigmas: pixels.
        noise_sds: grey levels.
        retrained: from `retrained_on_blurred`, and its sigma.
        n_replicates: B.
        generator: of noise and bootstrap.

    Returns:
        One row a kind ("blur", "noise"), level, remedy and estimator, with truth, target, value, low, high, held.
        REMEDIES: "none", confusion from real faces as they are; "confusion", from real faces degraded alike; "judge"
        (blur alone), confusion by the retrained judge from real faces blurred as those it was trained on.
    """
    images, labels = test
    (playing, left), (again, sigma), rows = parts, retrained, []
    n_classes = int(labels.max()) + 1
    counts = partial(rca.confusion_counts, n_classes=n_classes)
    said_of_plain = _judged(judge, images)
    plain = counts(labels[left], said_of_plain[left])
    at_home = counts(labels[left], _judged(again, blurred(images[left], sigma)))
    for kind, level in [*product(["blur"], blur_sigmas), *product(["noise"], noise_sds)]:
        degraded = blurred(images, level) if kind == "blur" else noised(images, level, generator=generator)
        said = _judged(judge, degraded) if level else said_of_plain  # 0 leaves them as they are
        drawn = counts(labels[playing], said[playing])
        tables = {"none": (plain, drawn), "confusion": (counts(labels[left], said[left]), drawn)}
        if kind == "blur":
            tables["judge"] = (at_home, counts(labels[playing], _judged(again, degraded[playing])))
        for remedy, pair in tables.items():
            found = trials.estimate(*pair, n_replicates=n_replicates, generator=generator)
            rows += trials.rows(found, 1.0, n_classes, kind=kind, level=level, remedy=remedy)
    return pd.DataFrame(rows)


def _where(part: pd.DataFrame) -> str:
    """At which levels the interval of an estimator misses the truth, or is missing."""
    levels = part["kind"] + " " + part["level"].map("{:g}".format)
    none = part["low"].isna()
    missed = ", ".join(levels[(part["held"] == 0) & ~none])
    said = [f"misses the truth at {missed}" if missed else "misses the truth nowhere"]
    if none.any():
        said.append(f"has no interval at {', '.join(levels[none])}")
    return " and ".join(said)


def _everywhere(part: pd.DataFrame, remedy: str) -> str:
    """A sentence on a remedy at all levels, estimator by estimator."""
    own = part[part["remedy"] == remedy]
    found = [f"{TITLES[name]} {_where(own[own['estimator'] == name])}" for name in ESTIMATORS]
    return f"{REMEDIES[remedy].capitalize()}: {'; '.join(found)}."


def _here(row: dict[str, Any]) -> str:
    """Whether the interval of an estimator holds the truth, and how wide it is."""
    if np.isnan(row["low"]):
        return f"{TITLES[row['estimator']]} has no interval"
    verb = "holds" if row["held"] else "misses"
    return f"{TITLES[row['estimator']]} {verb} it, {row['high'] - row['low']:.2f} wide"


def findings(table: pd.DataFrame, *, sigma: float) -> list[str]:
    """What blur and noise do to the estimators, and what each remedy repairs.

    Args:
        table: from `degradation_trial`.
        sigma: of the blur on which the judge was trained again, one of the levels.

    Returns:
        Sentences: for each remedy, at which levels the interval of which estimator misses the truth; whether there
        is something to repair at `sigma`; and for each remedy whether the intervals hold the truth there, and how
        wide they are.
    """
    said = [_everywhere(table, remedy) for remedy in REMEDIES]
    here = table[(table["kind"] == "blur") & (table["level"] == sigma)]
    by_remedy = {remedy: here[here["remedy"] == remedy].to_dict("records") for remedy in REMEDIES}
    misled = [TITLES[row["estimator"]] for row in by_remedy["none"] if not row["held"]]
    unrepaired = f"of {', '.join(misled)} does not hold the truth" if misled else "of each holds the truth all the same"
    said.append(
        f"At blur {sigma:g}, at which the judge was trained again, with nothing done the interval {unrepaired}."
    )
    for remedy, rows in by_remedy.items():
        said.append(f"The truth 1 at this blur, with {REMEDIES[remedy]}: {'; '.join(map(_here, rows))}.")
    return said
