"""How well boxes that were found fit the true ones: IoU, average precision, and mAP as in COCO.

One class. Boxes are float (n, 4) x0, y0, x1, y1 in pixels, lists hold one array per image.
"""

from collections.abc import Sequence

import numpy as np

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
ELEVEN_RECALLS = np.linspace(0, 1, 11)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of the first with every box of the second, (n, m) in [0, 1].

    >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()  # 2 of 6
    [[0.333, 0.0]]
    """
    import torch
    from torchvision.ops import box_iou as of_tensors

    pair = (torch.as_tensor(np.asarray(boxes, dtype=float).reshape(-1, 4)) for boxes in (first, second))
    return of_tensors(*pair).numpy()


def average_precision(
    boxes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    *,
    iou: float = 0.5,
    eleven_points: bool = False,
) -> float:
    """Area under precision over recall, where precision at a recall is the best at that recall or beyond.

    In the order of their scores over all images, boxes take the true box of their image that they overlap most of those
    not taken yet; one that overlaps none by `iou` is a false positive.

    Args:
        boxes, scores: of each image, (n, 4) and (n,).
        truth: of each image, (m, 4).
        iou: the least that counts as found.
        eleven_points: mean of the precision at the recalls 0, 0.1, …, 1 (VOC 2007) in place of the whole area (VOC
            2010 and later).

    Raises:
        ValueError: there is no true box.

    Source: Everingham et al. (2010), section 4.2.

    >>> found, true = [np.array([[0, 0, 2, 2], [7, 7, 9, 9]])], [np.array([[0, 0, 2, 2], [4, 4, 6, 6]])]
    >>> average_precision(found, [np.array([0.9, 0.8])], true)  # precision 1 up to recall 1/2, then 0
    0.5
    >>> round(average_precision(found, [np.array([0.9, 0.8])], true, eleven_points=True), 4)  # at 6 of 11 recalls
    0.5455
    """
    n_true = sum(len(boxes) for boxes in truth)
    if not n_true:
        raise ValueError("average precision needs a true box")
    hits = _hits(boxes, scores, truth, iou=iou)
    recall = hits.cumsum() / n_true
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    if eleven_points:
        place = np.searchsorted(recall, ELEVEN_RECALLS - 1e-9)
        return float(np.append(best, 0.0)[place].mean())
    return float((np.diff(recall, prepend=0.0) * best).sum())


def mean_average_precision(
    boxes: Sequence[np.ndarray], scores: Sequence[np.ndarray], truth: Sequence[np.ndarray]
) -> dict[str, float]:
    """COCO's mAP at an IoU of .5, of .75, and the mean over .5, .55, …, .95; of one class, by the whole area.

    COCO itself samples the curve at 101 recalls.

    Source: Lin et al. (2014).
    """
    by_threshold = [average_precision(boxes, scores, truth, iou=iou) for iou in COCO_THRESHOLDS]
    return {"map_50": by_threshold[0], "map_75": by_threshold[5], "map_50_95": float(np.mean(by_threshold))}


def _hits(
    boxes: Sequence[np.ndarray], scores: Sequence[np.ndarray], truth: Sequence[np.ndarray], *, iou: float
) -> np.ndarray:
    """Whether each box finds a true one, in the order of the scores, bool (n,)."""
    overlaps = [box_iou(found, true) for found, true in zip(boxes, truth, strict=True)]
    places = [(image, row) for image, found in enumerate(boxes) for row in range(len(found))]
    order = np.argsort(-np.concatenate([*scores, []]), kind="stable")
    hits = np.zeros(len(places), dtype=bool)
    for number, place in enumerate(order):
        image, row = places[place]
        free = overlaps[image][row]
        if free.size and free.max() >= iou:
            hits[number] = True
            overlaps[image][:, free.argmax()] = -1.0  # taken
    return hits
