"""How varied the images of one identity are: mean distances of pairs, by LPIPS and by the judge's features.

Neither sees whether the right person was drawn. Each comes with its pairs and images counted, an interval that allows
for pairs that share an image, and the same figure for real images.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import t

from kpop_rca import networks, weights
from kpop_rca.errors import StudyError
from kpop_rca.rca import CONFIDENCE


def draw_pairs(n: int, n_pairs: int, *, generator: np.random.Generator) -> np.ndarray:
    """Pairs of different images: all that there are if these are no more than asked for, random ones otherwise.

    Args:
        n: number of images, 2 or more.
        n_pairs: pairs wanted.
        generator: of the draw; a pair may be drawn twice.

    Returns:
        int64 (m, 2) with m of `n_pairs` or fewer, the two of a row different and in [0, n).

    >>> draw_pairs(3, 1000, generator=np.random.default_rng(0))
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

    m^2 se^2 = n (n-1) / (n-2)^2 * sum_i (sum of e_p over pairs p with image i)^2 - sum_p e_p^2,  e_p = d_p - mean

    Pairs that share an image are alike, so that taking them as independent makes an interval far too narrow. The first
    sum is the jackknife that leaves out one image at a time; it counts the own spread of each pair twice, hence the
    second. It serves all pairs, where the mean is a U-statistic, and few random ones, where a bootstrap of images would
    count that spread three times. Never less than for independent pairs.

    Args:
        pairs: int64 (m, 2), the images of each pair.
        distances: float (m,).

    Returns:
        0 or more.

    Source: Arvesen (1969), the jackknife of U-statistics; Aronow et al. (2015), the same sums for any pairs.

    >>> pairs = np.array([[0, 1], [0, 2], [3, 4], [3, 5]])  # the first two share an image, as do the last two
    >>> round(pairs_standard_error(pairs, np.array([3.0, 3.0, 1.0, 1.0])) ** 2 * 4**2, 6)  # 30 / 16 * 12 - 4, not 4
    18.5
    """
    errors = np.asarray(distances, dtype=np.float64) - np.mean(distances)
    drawn, which = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    of_pair = np.bincount(which.ravel(), weights=errors)
    of_image = np.bincount(drawn.ravel(), weights=np.repeat(of_pair, 2))
    n, alone = len(np.unique(drawn)), (of_pair**2).sum()
    together = n * (n - 1) / max(n - 2, 1) ** 2 * (of_image**2).sum() - alone
    return float(np.sqrt(max(alone, together)) / len(errors))


def _interval(mean: float, standard_error: float, freedom: int) -> list[float] | None:
    """95 % interval by Student's t; None where there is too little to say."""
    if freedom < 2:
        return None
    reach = t.isf((1 - CONFIDENCE) / 2, freedom) * standard_error
    return [float(mean - reach), float(mean + reach)]


def _class_diversity(
    labels: np.ndarray,
    distances: Callable[[np.ndarray], np.ndarray],
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
) -> list[dict[str, Any]]:
    """Mean distance of pairs within each class: mean, standard_error, n and pairs; mean None below two images."""
    per_class = []
    for label in range(len(classes)):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            per_class.append({"mean": None, "standard_error": None, "n": len(members), "pairs": 0})
            continue
        pairs = members[draw_pairs(len(members), n_pairs, generator=generator)]
        found = distances(pairs)
        spread = pairs_standard_error(pairs, found)
        entry = {"mean": float(found.mean()), "standard_error": spread, "n": len(members), "pairs": len(pairs)}
        per_class.append(entry)
    return per_class


def _class_mean(per_class: list[dict[str, Any]]) -> tuple[float | None, list[float] | None]:
    """Mean over the classes, which are independent, with its interval; None where a class has no value."""
    if any(entry["mean"] is None for entry in per_class):
        return None, None
    mean = float(np.mean([entry["mean"] for entry in per_class]))
    spread = float(np.sqrt(sum(entry["standard_error"] ** 2 for entry in per_class)) / len(per_class))
    return mean, _interval(mean, spread, sum(entry["n"] - 1 for entry in per_class))


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

    Args:
        generated: int64 (N,) labels, and a function of int64 (m, 2), indices of images, to float (m,), distances.
        real: the same of real images, or None.
        name: of the distance in the result.
        features: what the distance is taken on, in words.
        classes: K names.
        n_pairs: pairs a class.
        generator: of the pairs.
    """
    how = {"classes": classes, "n_pairs": n_pairs, "generator": generator}
    drawn = _class_diversity(*generated, **how)
    for title, entry in zip(classes, drawn, strict=True):
        if entry["mean"] is None:
            raise StudyError(f"identity {title!r} has {entry['n']} generated images; their diversity needs 2 or more")
    nothing = [{"mean": None, "standard_error": None, "n": 0, "pairs": 0}] * len(classes)
    others = nothing if real is None else _class_diversity(*real, **how)
    (mean, ci95), (real_mean, real_ci95) = _class_mean(drawn), _class_mean(others)
    overall = {"mean": mean, "ci95": ci95, "features": features, "real": real_mean, "real_ci95": real_ci95}
    per_class = [
        {"class": str(title), name: entry["mean"], "pairs": entry["pairs"], "n": entry["n"]}
        | {"ci95": _class_mean([entry])[1], "real": other["mean"], "real_ci95": _class_mean([other])[1]}
        | {"real_pairs": other["pairs"], "n_real": other["n"]}
        for title, entry, other in zip(classes, drawn, others, strict=True)
    ]
    return _with_reasons(overall) | {"per_class": [_with_reasons(entry) for entry in per_class]}


def _with_reasons(entry: dict[str, Any]) -> dict[str, Any]:
    """The same, with the reason beside each figure that is missing."""
    reasons = {
        "ci95": "too few images",
        "real": "fewer than two real images of a class",
        "real_ci95": "too few real images",
    }
    return entry | {f"{name}_why": why for name, why in reasons.items() if entry[name] is None}


def lpips_diversity(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
    device: torch.device,
    real: tuple[np.ndarray, np.ndarray] | None = None,
    download: bool = True,
) -> dict[str, Any]:
    """Mean LPIPS between images of the same identity (paper, Table 3): low values are images that look alike.

    Args:
        images: uint8 (N, H, W, 3), H and W of 31 pixels or more.
        labels: int64 (N,) in [0, K).
        classes: K names.
        n_pairs: random pairs an identity; the paper has 1,000. All pairs, where there are fewer.
        generator: of the pairs.
        device: to run AlexNet on.
        real: uint8 (M, H, W, 3) and int64 (M,), real images for the same figure; the mean of a pair does not depend
            on how many images there are.
        download: see `weights.find`.

    Returns:
        mean over the identities with ci95, features, real and real_ci95 (None without real images), and per_class, a
        list of {class, lpips, pairs, n, ci95, real, real_ci95, real_pairs, n_real}. The intervals allow for pairs that
        share an image, see `pairs_standard_error`; None below three images. Where it can't be computed, mean is None,
        per_class is empty, and `why` says the reason.

    Raises:
        StudyError: an identity with fewer than two generated images.

    Source: paper, section 5.3.1; Zhang et al. (2018).
    """
    absent = {"mean": None, "per_class": [], "features": networks.LPIPS_FEATURES}
    size = min(images.shape[1:3])
    if size < networks.LPIPS_SMALLEST:
        return absent | {"why": f"AlexNet needs {networks.LPIPS_SMALLEST} pixels, the images have {size}"}
    try:
        distance = networks.load_lpips(device=device, download=download)
    except weights.WeightsMissing as missing:
        return absent | {"why": str(missing)}
    sets = [
        part and (part[1], lambda pairs, shown=part[0]: networks.lpips_distances(distance, shown, pairs))
        for part in ((images, labels), real)
    ]
    return _diversity(
        *sets,
        name="lpips",
        features=networks.LPIPS_FEATURES,
        classes=classes,
        n_pairs=n_pairs,
        generator=generator,
    )


def judge_feature_diversity(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
    real: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Mean Euclidean distance of the judge's features between images of the same identity.

    Not LPIPS, and in the judge's own units: compare it only with the same figure for real images.

    Args:
        features: float (N, D), the judge's activations before its last layer.
        labels: int64 (N,) in [0, K).
        classes: K names.
        n_pairs: random pairs an identity; all pairs, where there are fewer.
        generator: of the pairs.
        real: float (M, D) and int64 (M,), of real images that the judge was not trained on, for the same figure.

    Returns:
        As `lpips_diversity`, with `distance` in place of `lpips`.

    Raises:
        StudyError: an identity with fewer than two generated images.

    >>> square = np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 1.0]])
    >>> rng = np.random.default_rng(0)
    >>> judge_feature_diversity(square, np.array([0, 0, 1, 1]), classes="ab", n_pairs=9, generator=rng)["mean"]
    1.0
    """
    sets = [
        part and (part[1], lambda pairs, seen=part[0]: np.linalg.norm(seen[pairs[:, 0]] - seen[pairs[:, 1]], axis=1))
        for part in ((features, labels), real)
    ]
    return _diversity(
        *sets,
        name="distance",
        features="the judge's, before its last layer",
        classes=classes,
        n_pairs=n_pairs,
        generator=generator,
    )
