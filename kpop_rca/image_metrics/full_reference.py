"""How near images are to the true ones: PSNR, SSIM, LPIPS, and the distance of features. One number per image."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from kpop_rca.image_metrics import feature_extractors, pretrained


def full_reference(images: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """PSNR in dB, SSIM and LPIPS of images beside the true ones, uint8 (N, H, W, 3) each, one row per image.

    PSNR is of each image's own mean squared error, infinite for the truth itself. LPIPS is NaN where its weights cannot
    be had; `lpips_missing` says why.

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


def lpips_missing() -> str:
    """Why LPIPS cannot be measured here; "" where it can be."""
    try:
        pretrained.fetch("alexnet")
    except pretrained.WeightsMissing as missing:
        return str(missing)
    return ""


def _lpips(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    if lpips_missing():
        return np.full(len(images), np.nan)
    distance = feature_extractors.load_lpips(device=torch.device("cpu"))
    first = np.arange(len(images))
    pairs = np.stack([first, first + len(images)], axis=1)
    return feature_extractors.lpips_distances(distance, np.concatenate([images, truth]), pairs)


def cosine_distance(features: np.ndarray, of_truth: np.ndarray) -> np.ndarray:
    """1 - cos of the angle between features of images and of the true ones, float (N, D) each; (N,) in [0, 2].

    >>> cosine_distance(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).round(3).tolist()
    [0.0, 0.293]
    """
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(of_truth, axis=1)
    return 1 - (features * of_truth).sum(axis=1) / lengths
