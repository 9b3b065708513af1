"""Blur, noise, JPEG and a shift, each on uint8 images (N, H, W, 3); what comes back has the same shape and dtype."""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

NOISE_SDS = (0.0, 10.0, 20.0, 40.0)  # grey levels, from none to strong
FACE_AREA = (0.36, 0.86, 0.22, 0.78)  # top, bottom, left and right of brows to chin, by the side of a crop
GREY = 127


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


def without_part(images: np.ndarray, part: str) -> np.ndarray:
    """Square crops with a margin of a quarter of the face, of which "face" or "hair" is grey; "" leaves them.

    The face is where brows, eyes, nose, mouth and chin lie in a crop about MTCNN's box; hair is all the rest,
    neck and backdrop with it.

    >>> images = np.full((1, 32, 32, 3), 255, dtype=np.uint8)
    >>> grey = {part: (without_part(images, part) == GREY).mean() for part in ("face", "hair")}
    >>> float(grey["face"] + grey["hair"])
    1.0
    """
    if not part:
        return images
    side = images.shape[1]
    top, bottom, left, right = (round(side * end) for end in FACE_AREA)
    face = np.zeros(images.shape[1:3], dtype=bool)
    face[top:bottom, left:right] = True
    return np.where((face if part == "face" else ~face)[None, :, :, None], np.uint8(GREY), images)
