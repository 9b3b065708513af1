"""Diversity within an identity: mean distances of pairs of its images, by LPIPS or on any features.

It does not see whether the right person was generated. Each mean comes with its counts, an interval that allows for
pairs that share an image, and the same figure for real images.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import t

from kpop_rca.image_metrics import feature_extractors, pretrained
from kpop_rca.rca import CONFIDENCE

# Degrees of freedom that an interval needs, 4 of 5 images: tried on images that fall into two kinds, where the interval
# covers the truth in .81, .87 and .94 of the samples with 3, 4 and 5 of them.
LEAST_FREEDOM = 4
ROUNDING = 1e-9  # of a mean distance
UNSEEN = "no real images were given"
ALIKE = "all pairs are equally far apart, as of images that are all alike"


def sample_pairs(n: int, n_pairs: int, *, generator: np.random.Generator) -> np.ndarray:
    """Pairs of different ones of n images, int64 (m, 2): all if these are no more than n_pairs, else random ones.

    A random pair may occur twice; n is 2 or more.

    >>> sample_pairs(3, 1000, generator=np.random.default_rng(0))
    array([[0, 1],
           [0, 2],
           [1, 2]])
    """
    if n * (n - 1) // 2 <= n_pairs:
        return np.stack(np.triu_indices(n, k=1), axis=1)
    first = generator.integers(n, size=n_pairs)
    return np.stack([first, (first + generator.integers(1, n, size=n_pairs)) % n], axis=1)


def pairs_standard_error(pairs: np.ndarray, distances: np.ndarray) -> float:
    """Standard error of a mean distance of pairs, some of which share an image.

    m^2 se^2 = n (n-1) / (n-2)^2 * sum_i (sum of e_p over pairs p with image i)^2 - (1 - m/M) / 2 * sum_p e_p^2,
    e_p = d_p - mean,  M = n (n-1) / 2

    Pairs that share an image are alike, so that taking them as independent makes an interval far too narrow. The first
    sum is the jackknife that leaves out one image at a time. Of all M pairs, whose mean is a U-statistic, it is the
    whole answer, and rather too large than too small. Of few random pairs it counts the own spread of each twice.
    Half of that is subtracted again: were it all, the intervals of 12 to 60 images in as many pairs would cover .92 to
    .93 and not .94 to .96. Never less than for independent pairs.

    Pairs are int64 (m, 2), distances (m,). Where all of these are equal, as of one pair, the 0 returned means nothing.

    Source: Arvesen (1969), the jackknife of U-statistics; Efron and Stein (1981), that it is not too small; Aronow et
    al. (2015), the same sums for any pairs.

    >>> pairs = np.array([[0, 1], [0, 2], [3, 4], [3, 5]])  # the first two share an image, as do the last two
    >>> error = pairs_standard_error(pairs, np.array([3.0, 3.0, 1.0, 1.0]))
    >>> round(error**2 * 4**2, 6)  # 30 / 16 * 12 - 11 / 30 * 4, not 4
    21.033333
    """
    errors = np.asarray(distances, dtype=np.float64) - np.mean(distances)
    distinct, which = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    of_pair = np.bincount(which.ravel(), weights=errors)
    of_image = np.bincount(distinct.ravel(), weights=np.repeat(of_pair, 2))
    n, alone = len(np.unique(distinct)), (of_pair**2).sum()
    among_all = len(distinct) / (n * (n - 1) / 2)
    together = n * (n - 1) / max(n - 2, 1) ** 2 * (of_image**2).sum() - (1 - among_all) / 2 * alone
    return float(np.sqrt(max(alone, together)) / len(errors))


def _freedom(pairs: np.ndarray) -> int:
    """Degrees of freedom behind the standard error of a mean of pairs: one less than the images, or than the pairs."""
    distinct = np.unique(np.sort(pairs, axis=1), axis=0)
    return min(len(distinct), len(np.unique(distinct))) - 1


def _interval(mean: float, parts: list[tuple[float, int]]) -> list[float]:
    """95 % interval of a mean over independent classes, on the scale of its logarithm: a distance is never below 0.

    exp(log mean -+ t_df se / mean),  se^2 = sum_c se_c^2 / K^2,  df = (sum_c se_c^2)^2 / sum_c (se_c^4 / df_c)

    `parts` are the standard error of each of K classes, not all 0, and its degrees of freedom.

    Source: Satterthwaite (1946) for the degrees of freedom.
    """
    spread, freedom = np.array(parts, dtype=np.float64).T
    variances = spread**2
    of_all = variances.sum() ** 2 / (variances**2 / np.maximum(freedom, 1)).sum()
    reach = t.isf((1 - CONFIDENCE) / 2, of_all) * np.sqrt(variances.sum()) / len(parts) / mean
    return [float(mean * np.exp(-reach)), float(mean * np.exp(reach))]


def _class_diversity(
    labels: np.ndarray,
    distances: Callable[[np.ndarray], np.ndarray],
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
) -> list[dict[str, Any]]:
    """Mean distance of pairs within each class: class, n, pairs, mean, standard_error and freedom.

    Below two images mean is None; below two pairs freedom is 0, and standard_error says nothing.
    """
    per_class = []
    for label, title in enumerate(classes):
        members = np.flatnonzero(labels == label)
        entry = {"class": str(title), "n": len(members), "pairs": 0, "mean": None, "standard_error": 0.0, "freedom": 0}
        if len(members) > 1:
            pairs = members[sample_pairs(len(members), n_pairs, generator=generator)]
            found = distances(pairs)
            entry |= {"pairs": len(pairs), "mean": float(found.mean()), "freedom": _freedom(pairs)}
            entry["standard_error"] = pairs_standard_error(pairs, found)
        per_class.append(entry)
    return per_class


def _class_mean(per_class: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over classes, which are independent, and its interval; None with the reason where there is none."""
    for entry in per_class:
        if entry["mean"] is None:
            why = f"identity {entry['class']!r} has too few images: {entry['n']}, and a pair takes 2"
            return {"mean": None, "why": why, "ci95": None, "ci95_why": why}
    mean = float(np.mean([entry["mean"] for entry in per_class]))
    if why := _without_interval(per_class):
        return {"mean": mean, "ci95": None, "ci95_why": why}
    return {"mean": mean, "ci95": _interval(mean, [(entry["standard_error"], entry["freedom"]) for entry in per_class])}


def _without_interval(per_class: list[dict[str, Any]]) -> str:
    """Why a mean over classes has no interval; empty where it has one."""
    least = min(per_class, key=lambda entry: entry["freedom"])
    if least["freedom"] < 1 or sum(entry["freedom"] for entry in per_class) < LEAST_FREEDOM:
        of_them = f"{least['n']} images of {least['class']!r} in {least['pairs']} pairs"
        return f"too few for an interval: {of_them}; one identity takes {LEAST_FREEDOM + 1} of both, several take 3"
    varied = any(entry["standard_error"] > ROUNDING * entry["mean"] for entry in per_class)
    return "" if varied else ALIKE


def _diversity(
    generated: tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]],
    real: tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]] | None,
    *,
    name: str,
    features: str,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Mean distance of pairs within each class, and the mean over the classes, of generated and of real images.

    Either set of images is int64 (N,) labels, and a function of pairs, int64 (m, 2), to their distances, float (m,).
    `name` is that of the distance in the result; for the rest see `lpips_diversity`.
    """
    how = {"classes": classes, "n_pairs": n_pairs, "generator": generator}
    own = _class_diversity(*generated, **how)
    others = [None] * len(own) if real is None else _class_diversity(*real, **how)
    per_class = []
    for entry, other in zip(own, others, strict=True):
        measured = _class_mean([entry])
        row = {"class": entry["class"], name: measured.pop("mean"), "pairs": entry["pairs"], "n": entry["n"]}
        counts = {"real_pairs": other["pairs"], "n_real": other["n"]} if other else {"real_pairs": 0, "n_real": 0}
        per_class.append(row | measured | _beside([other] if other else []) | counts)
    return _class_mean(own) | {"features": features} | _beside(others if real else []) | {"per_class": per_class}


def _beside(real: list[dict[str, Any]]) -> dict[str, Any]:
    """`_class_mean` of real images: real, real_ci95, and why one of them is None."""
    found = _class_mean(real) if real else dict.fromkeys(("mean", "ci95")) | dict.fromkeys(("why", "ci95_why"), UNSEEN)
    names = {"mean": "real", "why": "real_why", "ci95": "real_ci95", "ci95_why": "real_ci95_why"}
    return {names[key]: value for key, value in found.items()}


def lpips_diversity(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
    device: torch.device,
    real: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Mean LPIPS between images of the same identity (paper, Table 3): low values are images that look alike.

    Args:
        images: uint8 (N, H, W, 3), H and W of 31 pixels or more.
        labels: int64 (N,) in [0, K).
        classes: K names.
        n_pairs: random pairs per identity; the paper has 1,000. All pairs, where there are fewer.
        generator: of the pairs.
        device: to run AlexNet on.
        real: uint8 (M, H, W, 3) and int64 (M,), real images for the same figure, of any number.

    Returns:
        mean over the identities with ci95, features, real and real_ci95 (None without real images), and per_class, a
        list of {class, lpips, pairs, n, ci95, real, real_ci95, real_pairs, n_real}. The intervals allow for pairs that
        share an image, see `pairs_standard_error`. A figure that cannot be had is None, with the reason under its name
        and `_why`, or under `why` for the mean itself. Without the network there are only mean, per_class (empty),
        features and `why`.

    Source: paper, section 5.3.1; Zhang et al. (2018).
    """
    absent = {"mean": None, "per_class": [], "features": feature_extractors.LPIPS_FEATURES}
    size = min(images.shape[1:3])
    if size < feature_extractors.LPIPS_SMALLEST:
        return absent | {"why": f"AlexNet needs {feature_extractors.LPIPS_SMALLEST} pixels, the images have {size}"}
    try:
        distance = feature_extractors.load_lpips(device=device)
    except pretrained.WeightsMissing as missing:
        return absent | {"why": str(missing)}
    sets = [
        part and (part[1], lambda pairs, shown=part[0]: feature_extractors.lpips_distances(distance, shown, pairs))
        for part in ((images, labels), real)
    ]
    return _diversity(
        *sets,
        name="lpips",
        features=feature_extractors.LPIPS_FEATURES,
        classes=classes,
        n_pairs=n_pairs,
        generator=generator,
    )


def feature_diversity(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
    words: str,
    real: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Mean Euclidean distance of features between images of the same identity.

    In the units of the features: compare it only with the same figure for real images. Otherwise as `lpips_diversity`,
    with `distance` in place of `lpips`.

    Args:
        features: float (N, D).
        labels: int64 (N,) in [0, K).
        classes: K names.
        n_pairs: random pairs per identity; all pairs, where there are fewer.
        generator: of the pairs.
        words: what the features are.
        real: float (M, D) and int64 (M,), of real images that the network was not trained on, for the same figure.

    >>> square = np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 1.0]])
    >>> rng = np.random.default_rng(0)
    >>> how = {"classes": "ab", "n_pairs": 9, "generator": rng, "words": "corners"}
    >>> feature_diversity(square, np.array([0, 0, 1, 1]), **how)["mean"]
    1.0
    """
    sets = [
        part and (part[1], lambda pairs, seen=part[0]: np.linalg.norm(seen[pairs[:, 0]] - seen[pairs[:, 1]], axis=1))
        for part in ((features, labels), real)
    ]
    return _diversity(
        *sets,
        name="distance",
        features=words,
        classes=classes,
        n_pairs=n_pairs,
        generator=generator,
    )
