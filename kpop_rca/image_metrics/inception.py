"""The measures of `feature_panel` on pretrained networks, and the Inception Score: from images to `metrics.json`.

A figure whose pretrained weights can't be had is None with the reason.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, logsumexp

from kpop_rca.image_metrics import feature_extractors, pretrained
from kpop_rca.image_metrics.feature_panel import absent_measures, feature_measures

# On Inception's features these measures have names of their own; on others they must not bear them.
INCEPTION_NAMES = {
    "frechet": "fid",
    "kernel": "kid",
    "frechet_infinity": "fid_infinity",
    "frechet_class_mean": "fid_class_mean",
}


def inception_score(logits: np.ndarray) -> float:
    """Inception Score of logits (N, C): from 1 (all images alike to Inception, as faces are) to C.

    IS = exp(mean_x KL(p(y|x) || p(y))), with all images in one split: the usual ten splits of few images lower it

    Source: Salimans et al. (2016); on the splits, Barratt and Sharma (2018).

    >>> round(inception_score(np.array([[50.0, 0.0], [0.0, 50.0]])), 6)  # confident, and two kinds
    2.0
    """
    # In logarithms throughout: torchmetrics has NaN for a class so improbable in all images that its mean rounds to 0.
    of_image = log_softmax(logits.astype(np.float64), axis=1)
    overall = logsumexp(of_image, axis=0) - np.log(len(of_image))
    return float(np.exp((np.exp(of_image) * (of_image - overall)).sum(axis=1).mean()))


def inception_measures(
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    classes: Sequence[Any],
    device: torch.device,
    generator: np.random.Generator,
) -> dict[str, dict[str, Any]]:
    """FID, Inception Score and all other measures on Inception's features.

    Args:
        real: uint8 (N, H, W, 3), the reference, the held-out real images.
        other_real: uint8 (M, H, W, 3), real images that are not in the reference.
        generated: uint8 (G, H, W, 3).
        labels: int64 (N,), (M,) and (G,), of the three in this order.
        classes: K names.
        device: to run Inception on.
        generator: of all random choices.

    Returns:
        The entries of `feature_measures` as fid, kid, fid_infinity, fid_class_mean, inception_precision,
        inception_recall, inception_density and inception_coverage; and `is` with value, features, n_generated and
        n_real; since a score depends on the number of images, also value_at_same_n and real, those of same_n generated
        and of as many real images. All have value None and a `why` where Inception's weights can't be had.
    """
    counts = {"n_real": len(real), "n_generated": len(generated)}
    words, score = feature_extractors.INCEPTION_FEATURES, {"features": feature_extractors.INCEPTION_LOGITS} | counts
    try:
        network = feature_extractors.load_inception(device=device)
    except pretrained.WeightsMissing as missing:
        absent = absent_measures(str(missing), features=words, **counts)
        score = {"value": None, "why": str(missing)} | score | {"value_at_same_n": None, "real": None}
        return _with_score(absent, score)
    (pooled, logits), (others, _), (pooled_generated, logits_generated) = (
        feature_extractors.inception_features(network, images) for images in (real, other_real, generated)
    )
    n = min(len(logits), len(logits_generated))
    real_n, generated_n = (part[generator.permutation(len(part))[:n]] for part in (logits, logits_generated))
    score = {"value": inception_score(logits_generated)} | score
    score |= {"value_at_same_n": inception_score(generated_n), "real": inception_score(real_n), "same_n": n}
    found = feature_measures(
        pooled, others, pooled_generated, labels=labels, classes=classes, features=words, generator=generator
    )
    return _with_score(found, score)


def _with_score(found: dict[str, dict[str, Any]], score: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """FID, Inception Score and the rest, in this order, by the names that they have on Inception's features."""
    named = {INCEPTION_NAMES.get(name, f"inception_{name}"): entry for name, entry in found.items()}
    return {"fid": named.pop("fid"), "is": score} | named


def network_measures(
    name: str,
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    classes: Sequence[Any],
    device: torch.device,
    generator: np.random.Generator,
) -> dict[str, dict[str, Any]]:
    """All measures on the features of a network in `EXTRACTORS`, from images as `inception_measures`.

    DINOv2 was trained on images of all kinds without labels, FaceNet on faces: where FID and these disagree, Stein
    et al. (2023) found people to side with DINOv2. Theirs is a larger DINOv2, so that the figures don't compare.
    EfficientNet-Lite0, of ImageNet as Inception, is there offline.

    Returns:
        The entries of `feature_measures`, each under the network's name: dinov2_frechet, dinov2_kernel, and so on. All
        have value None and a `why` where the weights can't be had.
    """
    extractor = feature_extractors.EXTRACTORS[name]
    try:
        network = extractor.load(device=device)
    except pretrained.WeightsMissing as missing:
        found = absent_measures(str(missing), features=extractor.words, n_real=len(real), n_generated=len(generated))
    else:
        sets = (extractor.features(network, images) for images in (real, other_real, generated))
        found = feature_measures(*sets, labels=labels, classes=classes, features=extractor.words, generator=generator)
    return {f"{name}_{measure}": entry for measure, entry in found.items()}
