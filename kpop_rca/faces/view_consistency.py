"""MTCNN's last network on several views: is a face still one when it is turned, moved, darkened or mirrored?

What looks like a face by accident, a pattern or a statue, does so in one view and not in the next. The mean of the
last network's probability over ten views tells it from a face much better than MTCNN's own probability does.
"""

from collections.abc import Sequence

import numpy as np
import torch
from facenet_pytorch import MTCNN
from PIL import Image, ImageEnhance, ImageOps

from kpop_rca.data.images import crop_square
from kpop_rca.faces.mtcnn import LAST_WINDOW, rows_at_once

MARGIN = 0.4  # fraction of the box on each side: what turning and moving brings into view
SIDE = 96  # pixels, of the box with its margin
STEP = 6  # pixels of SIDE, an eighth of a box
ANGLE = 20  # degrees


def view_probabilities(detector: MTCNN, images: Sequence[Image.Image], boxes: Sequence[np.ndarray]) -> np.ndarray:
    """Mean probability that the box holds a face, over ten views of it.

    Args:
        detector: whose last network is used.
        images: n RGB images.
        boxes: n boxes x0, y0, x1, y1 in pixels of their image.

    Returns:
        (n,) float32 in [0, 1].
    """
    if not len(images):
        return np.empty(0, dtype=np.float32)
    faces = [crop_square(i, box, margin=MARGIN, size=SIDE) for i, box in zip(images, boxes, strict=True)]
    views = np.stack([np.asarray(view) for face in faces for view in views_of(face)])
    inputs = (torch.from_numpy(views).to(detector.device).permute(0, 3, 1, 2).float() - 127.5) / 128
    with torch.inference_mode():
        answers = [detector.onet(part)[2][:, 1] for part in inputs.split(rows_at_once(detector.device))]
    return torch.cat(answers).reshape(len(faces), -1).mean(dim=1).cpu().numpy()


def views_of(face: Image.Image) -> list[Image.Image]:
    """Ten 48 x 48 views of a box: as it is, mirrored, moved four ways, turned two ways, darker, of less contrast.

    Args:
        face: the box with its margin, `SIDE` x `SIDE`.
    """
    plain = _window(face)
    moved = [_window(face, right=x, down=y) for x, y in ((STEP, 0), (-STEP, 0), (0, STEP), (0, -STEP))]
    turned = [_window(face.rotate(angle, Image.Resampling.BILINEAR)) for angle in (-ANGLE, ANGLE)]
    dark, flat = ImageEnhance.Brightness(plain).enhance(0.5), ImageEnhance.Contrast(plain).enhance(0.6)
    return [plain, ImageOps.mirror(plain), *moved, *turned, dark, flat]


def _window(face: Image.Image, *, right: float = 0, down: float = 0) -> Image.Image:
    """The box without its margin, moved by some pixels of `face`."""
    half, middle = SIDE / (1 + 2 * MARGIN) / 2, SIDE / 2
    area = (middle - half + right, middle - half + down, middle + half + right, middle + half + down)
    return face.resize((LAST_WINDOW, LAST_WINDOW), Image.Resampling.BILINEAR, box=area)
