"""How near images are to the true ones: PSNR, SSIM, LPIPS, and the distance of features. One number per image."""

from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from kpop_rca.degradations.images import blurred
from kpop_rca.image_metrics import feature_extractors, memorisation, pretrained

HALVINGS = 14  # of the interval in which a blur is sought
STRONGEST_BLUR = 16.0  # pixels


def _contrast(levels: np.ndarray, *, factor: float) -> np.ndarray:
    mean = levels.mean(axis=(1, 2, 3), keepdims=True)
    return mean + factor * (levels - mean)


# What people hardly mind: from grey levels, float (N, H, W, 3), to others.
HARMLESS = {
    "contrast x 0.7": partial(_contrast, factor=0.7),
    "contrast x 1.3": partial(_contrast, factor=1.3),
    "brighter by 25 levels": lambda levels: levels + 25,
    "warmer by 15 %": lambda levels: levels * np.array([1.15, 1.0, 0.85]),
}


def full_reference(images: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """PSNR in dB, SSIM and LPIPS of images beside the true ones, uint8 (N, H, W, 3) each, one row per image.

    PSNR is of each image's own mean squared error, infinite for the truth itself. LPIPS is NaN where its weights cannot
    be had or the images are too small; `lpips_missing` says why.

    Source: Wang et al. (2004) for SSIM; Zhang et al. (2018) for LPIPS.

    >>> grey = np.full((1, 16, 16, 3), 100, dtype=np.uint8)
    >>> full_reference(grey + np.uint8(51), grey)["psnr"].round(2).tolist()  # 20 log10(255 / 51)
    [13.98]
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    pair = _levels(images), _levels(truth)
    psnr = peak_signal_noise_ratio(*pair, data_range=255.0, reduction="none", dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(*pair, data_range=255.0, reduction="none")
    return pd.DataFrame({"psnr": psnr.double().numpy(), "ssim": ssim.double().numpy(), "lpips": _lpips(images, truth)})


def _levels(images: np.ndarray) -> Tensor:
    return torch.as_tensor(images).permute(0, 3, 1, 2).float()


def lpips_missing(size: int = feature_extractors.LPIPS_SMALLEST) -> str:
    """Why LPIPS of images of `size` pixels cannot be measured here; "" where it can be."""
    if size < feature_extractors.LPIPS_SMALLEST:
        return f"AlexNet needs {feature_extractors.LPIPS_SMALLEST} pixels, the images have {size}"
    try:
        pretrained.fetch("alexnet")
    except pretrained.WeightsMissing as missing:
        return str(missing)
    return ""


def _lpips(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    first = np.arange(len(images))
    return lpips_of_pairs(images, truth, np.stack([first, first], axis=1))


def lpips_of_pairs(images: np.ndarray, others: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """LPIPS of images uint8 (N, H, W, 3) with others uint8 (M, H, W, 3): (m,), NaN where `lpips_missing` says why.

    Pairs are int64 (m, 2), an index of the images and one of the others.
    """
    if lpips_missing(min(images.shape[1:3])):
        return np.full(len(pairs), np.nan)
    distance = feature_extractors.load_lpips(device=torch.device("cpu"))
    shifted = pairs + np.array([0, len(images)])
    return feature_extractors.lpips_distances(distance, np.concatenate([images, others]), shifted)


def lpips_to_nearest(images: np.ndarray, train: np.ndarray, *, shortlist: int) -> pd.DataFrame:
    """The training image that each image is nearest to by LPIPS: low values are copies.

    Of each image only so many training images are tried as are nearest by coarse pixels, mirrored or not
    (`memorisation.views`): with fewer than all of them a value is an upper bound.

    Args:
        images: uint8 (N, H, W, 3).
        train: uint8 (T, H, W, 3).
        shortlist: training images to try for each image.

    Returns:
        One row per image: train (an index) and lpips, NaN where `lpips_missing` says why; train is then the nearest by
        coarse pixels.
    """
    _, shortlisted = memorisation.neighbours(memorisation.views(images), memorisation.views(train)[0], count=shortlist)
    shortlisted = np.concatenate(shortlisted, axis=1)  # of both views
    pairs = np.stack([np.repeat(np.arange(len(images)), shortlisted.shape[1]), shortlisted.ravel()], axis=1)
    found = lpips_of_pairs(images, train, pairs).reshape(shortlisted.shape)
    best = np.where(np.isnan(found), np.inf, found).argmin(axis=1)[:, None]
    chosen = {"train": shortlisted, "lpips": found}
    return pd.DataFrame({name: np.take_along_axis(values, best, axis=1)[:, 0] for name, values in chosen.items()})


def blurred_to_psnr(truth: np.ndarray, psnr: np.ndarray) -> np.ndarray:
    """Images uint8 (N, H, W, 3), each blurred until its PSNR has fallen to a value in dB, float (N,).

    One whose PSNR stays above that however much it is blurred is blurred by 16 pixels.
    """
    return np.concatenate([_blurred_to(image[None], value) for image, value in zip(truth, psnr, strict=True)])


def _blurred_to(image: np.ndarray, psnr: float) -> np.ndarray:
    weak, strong = 0.0, STRONGEST_BLUR
    for _ in range(HALVINGS):
        middle = (weak + strong) / 2
        too_weak = _psnr(blurred(image, middle), image)[0] > psnr
        weak, strong = (middle, strong) if too_weak else (weak, middle)
    return blurred(image, strong)


def _psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """PSNR in dB, (N,)."""
    error = ((images.astype(np.float64) - truth) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255**2 / error)


def psnr_warning(truth: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Where PSNR misleads: images changed in a way that nobody minds, and as many blurred to the same PSNR.

    For PSNR the two are equally bad. A measure that agrees with people prefers the first.

    Args:
        truth: uint8 (N, H, W, 3).

    Returns:
        By the name of the change (`HARMLESS`): the changed and the blurred images, uint8 (N, H, W, 3) each.

    Source: Wang and Bovik (2009), fig. 2, where images of equal error look very unlike.
    """
    found = {}
    for name, change in HARMLESS.items():
        changed = np.rint(change(truth.astype(np.float64))).clip(0, 255).astype(np.uint8)
        found[name] = changed, blurred_to_psnr(truth, _psnr(changed, truth))
    return found


def psnr_warning_table(truth: np.ndarray) -> pd.DataFrame:
    """The mean PSNR, SSIM and LPIPS of `psnr_warning`: change, psnr, psnr_blur, ssim, ssim_blur, lpips, lpips_blur."""
    rows = []
    for name, (changed, soft) in psnr_warning(truth).items():
        kept, lost = full_reference(changed, truth).mean(), full_reference(soft, truth).mean()
        measures = {key: value for of in kept.index for key, value in ((of, kept[of]), (f"{of}_blur", lost[of]))}
        rows.append({"change": name} | measures)
    return pd.DataFrame(rows)


def cosine_distance(features: np.ndarray, of_truth: np.ndarray) -> np.ndarray:
    """1 - cos of the angle between features of images and of the true ones, float (N, D) each; (N,) in [0, 2].

    >>> cosine_distance(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).round(3).tolist()
    [0.0, 0.293]
    """
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(of_truth, axis=1)
    return 1 - (features * of_truth).sum(axis=1) / lengths
