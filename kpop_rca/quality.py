"""How good and how varied generated images look: FID, Inception Score, LPIPS, and distances on the judge's features.

None of these sees whether the right person was drawn. Each figure comes with its counts, its features, and the same
figure for real images against real images; a figure whose pretrained weights can't be had is None with the reason.

Everything goes features -> statistics -> value, with torchmetrics and lpips for the networks and the formulas.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import lpips
import numpy as np
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.inception import InceptionScore

from kpop_rca import diffusion, weights
from kpop_rca.errors import StudyError

INCEPTION_FEATURES = "Inception-v3 of 2015-12-05, 2048 after the last pooling, resized as in the original (bilinear)"
INCEPTION_LOGITS = "Inception-v3 of 2015-12-05, 1008 logits without bias, all images in one split"
INCEPTION_BATCH = 50
LPIPS_BATCH = 250  # pairs
LPIPS_SMALLEST = 31  # pixels that AlexNet's strides need


def _as_features(features: np.ndarray) -> nn.Module:
    """A stand-in for torchmetrics' network: features go in and come out, so that they are computed once."""
    network = nn.Identity()
    network.num_features = features.shape[1]
    return network


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance of the normal distributions fitted to two sets of features, in float64.

    d^2 = |mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))

    It is biased upward on few images, the more the more features there are: compare it only at equal counts.

    Args:
        features_a: float (N, D), N of 2 or more.
        features_b: float (M, D), M of 2 or more.

    Returns:
        0 or more. With Inception's pooled features this is FID.

    Raises:
        ValueError: fewer than two images, or features of other lengths.

    Source: Dowson and Landau (1982); Heusel et al. (2017). Computed by torchmetrics.

    >>> round(frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])), 6)  # equal spread, 3 apart
    9.0
    """
    if features_a.shape[1:] != features_b.shape[1:] or min(len(features_a), len(features_b)) < 2:
        raise ValueError(f"need 2 or more rows of equal length, got {features_a.shape} and {features_b.shape}")
    metric = FrechetInceptionDistance(feature=_as_features(features_a))
    for features, real in ((features_a, True), (features_b, False)):
        metric.update(torch.as_tensor(features, dtype=torch.float64), real=real)
    return max(0.0, metric.compute().item())  # rounding may leave -1e-9 for equal sets


def frechet_measure(
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    features: str,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The Fréchet distance of generated images to real ones, beside that of other real images to the same ones.

    The distance shrinks with the number of images, so the two are compared at the same number: the smaller of
    `other_real` and `generated`, drawn from the larger.

    Args:
        real: float (N, D), features of the reference, the held-out real images.
        other_real: float (M, D), features of real images that are not in the reference.
        generated: float (G, D), features of the generated images.
        features: what the features are, in words.
        generator: of the draw.

    Returns:
        value (all generated images), features, n_real, n_generated, real_vs_real and value_at_same_n (both on
        n_other_real images against the reference), n_other_real.
    """
    n = min(len(other_real), len(generated))
    others, drawn = (part[generator.permutation(len(part))[:n]] for part in (other_real, generated))
    return {
        "value": frechet_distance(real, generated),
        "features": features,
        "n_real": len(real),
        "n_generated": len(generated),
        "real_vs_real": frechet_distance(real, others),
        "value_at_same_n": frechet_distance(real, drawn),
        "n_other_real": n,
    }


def load_inception(*, device: torch.device, download: bool = True) -> NoTrainInceptionV3:
    """The Inception network of FID and Inception Score, on its device.

    Args:
        device: to run it on.
        download: see `weights.find`.

    Raises:
        WeightsMissing: its weights can't be had.
    """
    state = io.BytesIO()
    torch.save(weights.load("inception", download=download), state)  # the library unpickles; let it have our own bytes
    state.seek(0)
    network = NoTrainInceptionV3(
        name="inception-v3-compat", features_list=["2048"], feature_extractor_weights_path=state, antialias=False
    )
    return network.to(device)


@torch.inference_mode()
def inception_features(network: NoTrainInceptionV3, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Show images to the Inception network once, for FID and for Inception Score.

    Args:
        network: from `load_inception`.
        images: uint8 (N, H, W, 3).

    Returns:
        Pooled features, float32 (N, 2048), and logits without bias, float32 (N, 1008).
    """
    pooled = []
    for batch in torch.as_tensor(images).permute(0, 3, 1, 2).split(INCEPTION_BATCH):
        pooled.append(network(batch.contiguous().to(network.fc.weight.device)))
    pooled = torch.cat(pooled)
    return pooled.cpu().numpy(), (pooled @ network.fc.weight.T).cpu().numpy()


def inception_score(logits: np.ndarray) -> float:
    """Inception Score: how surely and how variously Inception names the images.

    IS = exp(mean_x KL(p(y|x) || p(y))), with all images in one split: the usual ten splits of few images lower it

    Args:
        logits: float (N, C).

    Returns:
        From 1 (all images alike to Inception, as faces are) to C.

    Source: Salimans et al. (2016); on the splits, Barratt and Sharma (2018). Computed by torchmetrics.

    >>> round(inception_score(np.array([[50.0, 0.0], [0.0, 50.0]])), 6)  # sure, and two kinds
    2.0
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # keeps all features; one split has no standard deviation
        metric = InceptionScore(feature=_as_features(logits), splits=1)
        metric.update(torch.as_tensor(logits, dtype=torch.float64))
        with torch.random.fork_rng(devices=[]):  # it shuffles, which changes nothing within one split
            return metric.compute()[0].item()


def inception_measures(
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    device: torch.device,
    generator: np.random.Generator,
    download: bool = True,
) -> dict[str, dict[str, Any]]:
    """FID and Inception Score, as `metrics.json` holds them.

    Args:
        real: uint8 (N, H, W, 3), the reference, the held-out real images.
        other_real: uint8 (M, H, W, 3), real images that are not in the reference.
        generated: uint8 (G, H, W, 3).
        device: to run Inception on.
        generator: of the draw for the comparison of real with real.
        download: see `weights.find`.

    Returns:
        `fid` as from `frechet_measure`, and `is` with value, features, n_generated, and real, the score of the n_real
        reference images. Both have value None and a `why` where Inception's weights can't be had.
    """
    counts = {"n_real": len(real), "n_generated": len(generated)}
    try:
        network = load_inception(device=device, download=download)
    except weights.WeightsMissing as missing:
        absent = {"value": None, "why": str(missing)}
        fid = absent | {"features": INCEPTION_FEATURES} | counts | {"real_vs_real": None}
        return {"fid": fid, "is": absent | {"features": INCEPTION_LOGITS} | counts | {"real": None}}
    (real, logits), (others, _), (drawn, drawn_logits) = (
        inception_features(network, images) for images in (real, other_real, generated)
    )
    score = {"value": inception_score(drawn_logits), "features": INCEPTION_LOGITS} | counts
    return {
        "fid": frechet_measure(real, others, drawn, features=INCEPTION_FEATURES, generator=generator),
        "is": score | {"real": inception_score(logits)},
    }


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


def _diversity(
    labels: np.ndarray,
    distances: Callable[[np.ndarray], np.ndarray],
    *,
    name: str,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Mean distance of pairs within each class, and the mean over the classes.

    Args:
        labels: int64 (N,).
        distances: takes int64 (m, 2), indices of images, and returns float (m,).
        name: of the distance in the result.
        classes: K names.
        n_pairs: pairs a class.
        generator: of the pairs.
    """
    per_class = []
    for label, title in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise StudyError(f"identity {title!r} has {len(members)} generated images; their diversity needs 2 or more")
        pairs = members[draw_pairs(len(members), n_pairs, generator=generator)]
        per_class.append({"class": str(title), name: float(distances(pairs).mean()), "pairs": len(pairs)})
    return {"mean": float(np.mean([entry[name] for entry in per_class])), "per_class": per_class}


def load_lpips(*, device: torch.device, download: bool = True) -> lpips.LPIPS:
    """LPIPS 0.1 on AlexNet: linear heads from the lpips package, trunk from our registry.

    Left to itself the package downloads the trunk; so it is built with a random one, which is then overwritten.

    Args:
        device: to run it on.
        download: see `weights.find`.

    Raises:
        WeightsMissing: AlexNet's weights can't be had.
    """
    state = weights.load("alexnet", download=download)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)  # lpips asks torchvision in an outdated way
        distance = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # The trunk's "slice2.3.weight" is torchvision's "features.3.weight".
    trunk = {name: state[f"features.{name.split('.', 1)[1]}"] for name in distance.net.state_dict()}
    distance.net.load_state_dict(trunk)
    return distance.to(device).eval()


@torch.inference_mode()
def lpips_distances(distance: lpips.LPIPS, images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """LPIPS of pairs of images, at the images' own size.

    Args:
        distance: from `load_lpips`.
        images: uint8 (N, H, W, 3).
        pairs: int64 (m, 2), indices of images.

    Returns:
        float32 (m,), 0 or more.

    Source: Zhang et al. (2018).
    """
    device = distance.lin0.model[-1].weight.device
    found = []
    for batch in np.array_split(pairs, range(LPIPS_BATCH, len(pairs), LPIPS_BATCH)):
        first, second = (diffusion.to_model(torch.as_tensor(images[side]).to(device)) for side in batch.T)
        found.append(distance(first, second).flatten().cpu())
    return torch.cat(found).numpy()


def lpips_diversity(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    classes: Sequence[Any],
    n_pairs: int,
    generator: np.random.Generator,
    device: torch.device,
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
        download: see `weights.find`.

    Returns:
        mean over the identities, and per_class, a list of {class, lpips, pairs}. Where it can't be computed, mean is
        None, per_class is empty, and `why` says the reason.

    Raises:
        StudyError: an identity with fewer than two images.

    Source: paper, section 5.3.1; Zhang et al. (2018).
    """
    absent = {"mean": None, "per_class": []}
    if min(images.shape[1:3]) < LPIPS_SMALLEST:
        return absent | {"why": f"AlexNet needs {LPIPS_SMALLEST} pixels, the images have {min(images.shape[1:3])}"}
    try:
        distance = load_lpips(device=device, download=download)
    except weights.WeightsMissing as missing:
        return absent | {"why": str(missing)}
    return _diversity(
        labels,
        lambda pairs: lpips_distances(distance, images, pairs),
        name="lpips",
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
) -> dict[str, Any]:
    """Mean Euclidean distance of the judge's features between images of the same identity.

    Not LPIPS, and in the judge's own units: compare it only with the same figure for real images.

    Args:
        features: float (N, D), the judge's activations before its last layer.
        labels: int64 (N,) in [0, K).
        classes: K names.
        n_pairs: random pairs an identity; all pairs, where there are fewer.
        generator: of the pairs.

    Returns:
        mean over the identities, and per_class, a list of {class, distance, pairs}.

    Raises:
        StudyError: an identity with fewer than two images.

    >>> square = np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 1.0]])
    >>> rng = np.random.default_rng(0)
    >>> judge_feature_diversity(square, np.array([0, 0, 1, 1]), classes="ab", n_pairs=9, generator=rng)["mean"]
    1.0
    """
    return _diversity(
        labels,
        lambda pairs: np.linalg.norm(features[pairs[:, 0]] - features[pairs[:, 1]], axis=1),
        name="distance",
        classes=classes,
        n_pairs=n_pairs,
        generator=generator,
    )
