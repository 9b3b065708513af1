"""How diverse the content of image sets is: four low-level features, their relative range and their uniformity."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.ndimage import laplace

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
FEATURES = ("brightness", "contrast", "colourfulness", "sharpness")
BINS = 10


def low_level_features(images: np.ndarray) -> pd.DataFrame:
    """Brightness, contrast, colourfulness and sharpness, one row per image of uint8 (N, H, W, 3).

    Brightness and contrast are the mean and the standard deviation of the luma, in [0, 1]. Colourfulness is
    Hasler and Süsstrunk's, in grey levels: with rg = R - G and yb = (R + G) / 2 - B,

        sqrt(sd(rg)^2 + sd(yb)^2) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2)

    Sharpness is the standard deviation of the luma's Laplacian, in [0, 8].

    Source: Hasler and Süsstrunk (2003), "Measuring Colourfulness in Natural Images"; F-Bench, appendix A.3, names the
    features without formulas.

    >>> red = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    >>> red[..., 0] = 255  # rg = 255, yb = 127.5
    >>> low_level_features(red).round(3).to_dict("records")
    [{'brightness': 0.299, 'contrast': 0.0, 'colourfulness': 85.53, 'sharpness': 0.0}]
    """
    rgb = images.astype(np.float64)
    luma = rgb @ LUMA / 255
    red_green, yellow_blue = rgb[..., 0] - rgb[..., 1], (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    spread = np.hypot(red_green.std(axis=(1, 2)), yellow_blue.std(axis=(1, 2)))
    offset = np.hypot(red_green.mean(axis=(1, 2)), yellow_blue.mean(axis=(1, 2)))
    edges = np.stack([laplace(plane, mode="reflect") for plane in luma])
    values = luma.mean(axis=(1, 2)), luma.std(axis=(1, 2)), spread + 0.3 * offset, edges.std(axis=(1, 2))
    return pd.DataFrame(dict(zip(FEATURES, values, strict=True)))


def relative_range(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How much of a feature's range each set of images spans.

        R_k = (max(C_k) - min(C_k)) / max over all sets of C

    A feature that is 0 everywhere is null (None).

    Source: F-Bench, appendix A.3, eq. 6.

    >>> relative_range({"a": np.array([1.0, 3.0]), "b": np.array([2.0, 4.0])})
    {'a': 0.5, 'b': 0.5}
    """
    largest = max(float(of_set.max()) for of_set in values.values())
    return {name: float(np.ptp(of_set)) / largest if largest > 0 else None for name, of_set in values.items()}


def uniformity(values: Mapping[str, np.ndarray], *, bins: int = BINS) -> dict[str, float]:
    """The entropy of each set's histogram, whose bins all sets share, in units of log(bins): 1 is uniform.

        U_k = - sum_b p_b log_B p_b

    The bins divide the range of all sets; a feature that is the same everywhere has uniformity 0.

    Source: F-Bench, appendix A.3, eq. 7.

    >>> even, single = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.5, 0.2, 0.1])
    >>> {name: round(value, 3) for name, value in uniformity({"even": even, "single": single}, bins=4).items()}
    {'even': 1.0, 'single': 0.0}
    """
    together = np.concatenate(list(values.values()))
    edges = np.histogram_bin_edges(together, bins=bins)
    found = {}
    for name, of_set in values.items():
        fractions = np.histogram(of_set, bins=edges)[0] / len(of_set)
        present = fractions[fractions > 0]
        found[name] = float(np.abs(-(present * np.log(present)).sum() / np.log(bins)))
    return found


def diversity_of_content(sets: Mapping[str, np.ndarray], *, bins: int = BINS) -> pd.DataFrame:
    """Relative range and uniformity of every feature in some sets of images.

    Args:
        sets: name to uint8 (N, H, W, 3).
        bins: of the histograms.

    Returns:
        One row per set and feature: set, feature, n_images, mean, relative_range, uniformity.
    """
    features = {name: low_level_features(images) for name, images in sets.items()}
    rows = []
    for feature in FEATURES:
        values = {name: table[feature].to_numpy() for name, table in features.items()}
        ranges, uniform = relative_range(values), uniformity(values, bins=bins)
        for name, of_set in values.items():
            rows.append((name, feature, len(of_set), of_set.mean(), ranges[name], uniform[name]))
    return pd.DataFrame(rows, columns=["set", "feature", "n_images", "mean", "relative_range", "uniformity"])
