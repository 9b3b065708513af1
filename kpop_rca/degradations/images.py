"""Blur, noise, JPEG and a shift, each on uint8 images (N, H, W, 3); what comes back has the same shape and dtype."""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

NOISE_SDS = (0.0, 10.0, 20.0, 40.0)  # grey levels, from none to strong


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Blurred by a Gaussian of `sigma` pixels, borders mirrored; 0 leaves the images as they are."""
    soft = gaussian_filter(images.astype(np.float32), sigma=(0, sigma, sigma, 0), mode="reflect")
    return np.rint(soft).clip(0, 255).astype(np.uint8)


def noised(images: np.ndarray, sd: float, *, generator: np.random.Generator) -> np.ndarray:
    """Independent Gaussian noise of `sd` grey levels on every value; 0 leaves the images as they are."""
    noise = generator.normal(scale=sd, size=images.shape)
    return np.rint(images + noise).clip(0, 255).astype(np.uint8)


def compressed(images: np.ndarray, *, quality: int) -> np.ndarray:
    """As a JPEG of this quality (1 to 95) keeps them."""
    kept = []
    for image in images:
        Image.fromarray(image).save(file := io.BytesIO(), "JPEG", quality=quality)
        kept.append(np.asarray(Image.open(file)))
    return np.stack(kept)


def shifted(images: np.ndarray) -> np.ndarray:
    """Moved by a pixel to the right and down; the border is repeated.

    >>> shifted(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)).ravel().tolist()
    [0, 0, 0, 0]
    """
    return np.pad(images, ((0, 0), (1, 0), (1, 0), (0, 0)), mode="edge")[:, :-1, :-1]
