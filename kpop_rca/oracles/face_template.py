"""Faces turned and scaled so that their five landmarks lie where an embedding was trained to find them."""

import numpy as np
from PIL import Image

TEMPLATE_SIZE = 112  # pixels
# Where ArcFace and its successors want the landmarks of `detection.LANDMARKS`. Source: Deng et al. (2019), section 3.1.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> tuple[complex, complex]:
    """Scale and rotation a, and shift b, that minimise sum |a z + b - w|² over points z and w as complex numbers.

    Args:
        source: (n, 2) points z, not all in one place.
        target: (n, 2) points w.

    >>> similarity_transform(np.array([[0, 0], [4, 0]]), np.array([[3, 5], [3, 13]]))
    (2j, (3+5j))

    Source: Umeyama (1991), in the plane and without mirroring.
    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred).real
    return complex(a), complex(w.mean() - a * z.mean())


def aligned_to_template(image: Image.Image, landmarks: np.ndarray, *, size: int) -> np.ndarray:
    """The face in the template's place, uint8 (size, size, 3); black where the image ends.

    Args:
        image: RGB.
        landmarks: (10,) in the order of `detection.LANDMARKS`, pixels of `image`.
        size: of the result, pixels; the template is scaled to it.
    """
    points, template = np.reshape(landmarks, (5, 2)), TEMPLATE * (size / TEMPLATE_SIZE)
    a, b = similarity_transform(template, points)
    finer = max(1, round(abs(a)))  # pixels of the image to one of the result, which is their mean
    a /= finer
    to_image = (a.real, -a.imag, b.real, a.imag, a.real, b.imag)
    shape = (size * finer, size * finer)
    fine = image.transform(shape, Image.Transform.AFFINE, to_image, Image.Resampling.BICUBIC)
    return np.asarray(fine.reduce(finer))
