"""Degraded faces: the right people, but blurred or with noise, so that they are harder to judge than real faces.

The estimators take the judge to err on generated images as on real ones of the same person. Here it does not.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter

from kpop_rca import artifacts, candidates, oracle, rca, trials
from kpop_rca.candidates import Faces
from kpop_rca.resnet import SmallImageResNet
from kpop_rca.trials import Parts

NOISE_SDS = (0.0, 10.0, 20.0, 40.0)  # grey levels


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
        bar: wraps the epochs.

    Returns:
        The judge, in evaluation mode.
    """
    about = artifacts.read_json(like / "about.json")
    own = {"train": candidates.learning_faces(splits, seed=seed)[about["trained_on"]]}
    own |= {name: splits[name] for name in ("validation", "test")}
    oracle.train_or_load(
        about["architecture"],
        {name: (blurred(images, sigma), labels) for name, (images, labels) in own.items()},
        recipe=oracle.Recipe(**about["recipe"]),
        folder=folder,
        device=device,
        bar=bar,
        notes={"trained_on": about["trained_on"], "blur": sigma},
    )
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
        Remedies: "none", confusion from real faces as they are; "confusion", from real faces degraded alike; "judge"
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
