"""How well faces are found and outlined: average precision of boxes, overlap of boxes and of masks, by hand-sized code.

Boxes are (n, 4), x0, y0, x1, y1 in pixels. One class, the face, so that the mean over classes is that of this class.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_erosion

ELEVEN = np.linspace(0, 1, 11)  # recalls of PASCAL VOC 2007
COCO_RECALLS = np.linspace(0, 1, 101)
COCO_OVERLAPS = np.linspace(0.5, 0.95, 10)
BOUNDARY = 0.02  # of the image's diagonal: width of the band of boundary IoU


class Boxes(NamedTuple):
    """True boxes (n, 4) of one image, found ones (m, 4) and their probabilities (m,)."""

    true: np.ndarray
    found: np.ndarray
    probability: np.ndarray


class Masks(NamedTuple):
    """True and found masks of one image, bool (H, W)."""

    true: np.ndarray
    found: np.ndarray


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4) and (m, 4): (n, m) in [0, 1].

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    boxes, others = (np.reshape(part, (-1, 4)) for part in (boxes, others))
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    areas = [(part[:, 2:] - part[:, :2]).prod(axis=1) for part in (boxes, others)]
    union = areas[0][:, None] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def precision_and_recall(images: Sequence[Boxes], *, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall after each found box, the most probable first, (m,) each.

    A box is right where it overlaps with a true one so far, of which no box before it was right. Boxes of equal
    probability count together, so that their order is of no effect.

    Raises:
        ValueError: no image has a true box.
    """
    n_true = sum(len(image.true) for image in images)
    if not n_true:
        raise ValueError("no image has a true box")
    probability = np.concatenate([np.reshape(image.probability, -1) for image in images])
    right = np.concatenate([_right(image, overlap) for image in images])
    order = np.argsort(-probability, kind="stable")
    last_of_ties = np.append(np.diff(probability[order]) != 0, True)[: len(order)]
    found, n = right[order].cumsum()[last_of_ties], (np.arange(len(order)) + 1)[last_of_ties]
    return found / n, found / n_true


def _right(image: Boxes, overlap: float) -> np.ndarray:
    """Which found boxes of one image are right, (m,)."""
    shared, right = overlaps(image.found, image.true), np.zeros(len(image.found))
    free = np.ones(len(image.true), dtype=bool)
    for box in np.argsort(-np.reshape(image.probability, -1), kind="stable"):
        among = np.where(free, shared[box], -1)
        if len(among) and among.max() >= overlap:
            free[among.argmax()], right[box] = False, 1
    return right


def average_precision(images: Sequence[Boxes], *, overlap: float = 0.5, recalls: np.ndarray | None = None) -> float:
    """Average precision in [0, 1]: at every recall the best precision of that recall or more.

    Args:
        overlap: intersection over union from which a box is right.
        recalls: those to take the mean over, ELEVEN for example; None for the area under the whole curve.

    Source: Everingham et al. (2010), section 4.2; all points since VOC 2010.

    >>> square = np.array([[0.0, 0, 4, 4]])
    >>> twice = np.concatenate([square + 9, square])  # the more probable one is wrong
    >>> image = Boxes(square, twice, np.array([0.9, 0.8]))
    >>> average_precision([image]), average_precision([image], recalls=ELEVEN)
    (0.5, 0.5)
    """
    precision, recall = precision_and_recall(images, overlap=overlap)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    if recalls is None:
        return float((best * np.diff(recall, prepend=0.0)).sum())
    at = np.searchsorted(recall, recalls - 1e-12)
    return float(np.mean([best[place] if place < len(best) else 0.0 for place in at]))


def mean_average_precision(images: Sequence[Boxes], *, every: Sequence[float] = COCO_OVERLAPS) -> float:
    """COCO's, over 101 recalls and the mean over least overlaps. Source: Lin et al. (2014)."""
    return float(np.mean([average_precision(images, overlap=overlap, recalls=COCO_RECALLS) for overlap in every]))


def best_overlap(images: Sequence[Boxes]) -> float:
    """Mean over all true boxes of the intersection over union with the nearest found one; 0 of one without."""
    best = [overlaps(image.true, image.found).max(axis=1, initial=0.0) for image in images]
    return float(np.concatenate(best).mean())


def mask_overlap(images: Sequence[Masks]) -> float:
    """Mean IoU over the two classes, face and background, each over all images: in [0, 1].

    >>> half = np.array([[True, False]])
    >>> mask_overlap([Masks(half, np.array([[True, True]]))])  # face 1/2, background 0
    0.25
    """
    ratios = []
    for of_class in (True, False):
        pairs = [((image.true == of_class), (image.found == of_class)) for image in images]
        shared, union = (sum(int(part.sum()) for part in parts) for parts in zip(*map(_both, pairs), strict=True))
        ratios.append(shared / union if union else 1.0)
    return float(np.mean(ratios))


def _both(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return pair[0] & pair[1], pair[0] | pair[1]


def boundary_overlap(images: Sequence[Masks]) -> np.ndarray:
    """IoU of the bands within BOUNDARY of each mask's outline, (n,); 1 where neither mask has one.

    Source: Cheng et al. (2021), eq. 2.
    """
    found = []
    for image in images:
        shared, union = (part.sum() for part in _both(tuple(map(_band, image))))
        found.append(shared / union if union else 1.0)
    return np.array(found)


def _band(mask: np.ndarray) -> np.ndarray:
    width = max(1, round(BOUNDARY * float(np.hypot(*mask.shape))))
    return mask & ~binary_erosion(mask, iterations=width, border_value=1)


def pixel_accuracy(images: Sequence[Masks]) -> np.ndarray:
    """Fraction of pixels that are in the right class, (n,)."""
    return np.array([float((image.true == image.found).mean()) for image in images])
