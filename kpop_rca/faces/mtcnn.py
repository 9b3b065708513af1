"""MTCNN's cascade over a batch of images: what facenet-pytorch finds in each by itself, several times as fast.

Networks, weights and the arithmetic of boxes are facenet-pytorch's. Its own loop cuts out and resizes one candidate at
a time, and shows the networks 512 of them in a layout that is slow to pool on a CPU. Here all candidates are resized
together, from sums of pixels, and shown in portions that stay in the cache.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import batched_nms_numpy, bbreg, generateBoundingBox, rerec
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import batched_nms

FIRST_WINDOW, SECOND_WINDOW, LAST_WINDOW = 12, 24, 48  # pixels, the inputs of the three networks
PYRAMID_STEP = 0.709  # from one scale to the next: half the area
OVERLAP_WITHIN_SCALE, OVERLAP = 0.5, 0.7  # above which the less probable of two candidates is dropped
CPU_ROWS, GPU_ROWS = 64, 4096  # images shown to a network at once: those of a CPU stay in its cache


class Candidates(NamedTuple):
    """Boxes (n, 5), x0, y0, x1, y1 and probability, and the image that each is in, (n,)."""

    boxes: Tensor
    image: Tensor

    def __getitem__(self, chosen: Tensor) -> "Candidates":
        return Candidates(self.boxes[chosen], self.image[chosen])


def rows_at_once(device: torch.device) -> int:
    """How many inputs to show to one of the networks in one go."""
    return CPU_ROWS if device.type == "cpu" else GPU_ROWS


@torch.inference_mode()
def find_faces(detector: MTCNN, images: Sequence[Image.Image]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All faces of every image, as `detector.detect(image, landmarks=True)` finds them one by one.

    Candidates wholly outside an image, on which facenet-pytorch fails, are left out.

    Args:
        detector: of the networks, thresholds and smallest face.
        images: RGB, all of one size, no side below the smallest face.

    Returns:
        For each image boxes (n, 4) in pixels, probabilities (n,) and landmarks (n, 5, 2), float32, in no order.

    Source: Zhang et al. (2016), section II; the weights and details are facenet-pytorch's.
    """
    pixels = torch.as_tensor(np.stack([np.asarray(image) for image in images]), device=detector.device)
    sums = _sums(pixels)
    proposed = _proposed(detector, pixels)
    confirmed = _confirmed(detector, sums, proposed)
    found, landmarks = _final(detector, sums, confirmed)
    boxes, landmarks, image = (part.cpu().numpy() for part in (found.boxes, landmarks, found.image))
    of_each = [image == number for number in range(len(images))]
    return [(boxes[own, :4], boxes[own, 4], landmarks[own]) for own in of_each]


def _sums(pixels: Tensor) -> Tensor:
    """Sums of the pixels above and left of each corner: (B, H, W, 3) to int32 (B, H + 1, W + 1, 3).

    They may overflow, and their differences are right all the same.
    """
    sums = F.pad(pixels.to(torch.int32), (0, 0, 1, 0, 1, 0))
    return sums.cumsum_(dim=1).cumsum_(dim=2)


def _normalised(pixels: Tensor) -> Tensor:
    return (pixels - 127.5) * 0.0078125


def _proposed(detector: MTCNN, pixels: Tensor) -> Candidates:
    """What the first network, which slides over the image at many scales, takes for a face."""
    images = pixels.permute(0, 3, 1, 2).contiguous().float()
    height, width = images.shape[2:]
    scale = FIRST_WINDOW / detector.min_face_size
    found = []
    while scale * min(height, width) >= FIRST_WINDOW:
        small = F.interpolate(images, size=(int(height * scale + 1), int(width * scale + 1)), mode="area")
        shift, probability = detector.pnet(_normalised(small))
        at_scale = Candidates(*generateBoundingBox(shift, probability[:, 1], scale, detector.thresholds[0]))
        found.append(at_scale[_distinct(at_scale, OVERLAP_WITHIN_SCALE)])
        scale *= PYRAMID_STEP
    found = Candidates(*map(torch.cat, zip(*found, strict=True)))
    found = found[_distinct(found, OVERLAP)]
    corners, shift = found.boxes[:, :4], found.boxes[:, 5:]
    sides = (corners[:, 2:] - corners[:, :2]).repeat(1, 2)
    return Candidates(rerec(torch.cat([corners + shift * sides, found.boxes[:, 4:5]], dim=1)), found.image)


def _distinct(candidates: Candidates, overlap: float) -> Tensor:
    """Which candidates no likelier one of the same image overlaps."""
    boxes = candidates.boxes.double()  # images are told apart by adding multiples of the largest coordinate
    return batched_nms(boxes[:, :4], boxes[:, 4], candidates.image, overlap)


def _confirmed(detector: MTCNN, sums: Tensor, proposed: Candidates) -> Candidates:
    """What the second network takes for a face, at the place where it sees it."""
    seen, (shift, probability) = _scored(detector.rnet, sums, proposed, side=SECOND_WINDOW)
    found, passed = _passing(seen, probability[:, 1], detector.thresholds[1])
    distinct = _distinct(found, OVERLAP)
    found, shift = found[distinct], shift[passed][distinct]
    return Candidates(rerec(bbreg(found.boxes, shift)), found.image)


def _final(detector: MTCNN, sums: Tensor, confirmed: Candidates) -> tuple[Candidates, Tensor]:
    """What the last network takes for a face, and its landmarks (n, 5, 2)."""
    seen, (shift, landmarks, probability) = _scored(detector.onet, sums, confirmed, side=LAST_WINDOW)
    found, passed = _passing(seen, probability[:, 1], detector.thresholds[2])
    sides = found.boxes[:, 2:4] - found.boxes[:, :2] + 1
    landmarks = landmarks[passed].reshape(-1, 2, 5).mT * sides[:, None] + found.boxes[:, None, :2] - 1
    found = Candidates(bbreg(found.boxes, shift[passed]), found.image)
    boxes = found.boxes.double()
    distinct = batched_nms_numpy(boxes[:, :4], boxes[:, 4], found.image, OVERLAP, "Min")
    return found[distinct], landmarks[distinct]


def _passing(seen: Candidates, probability: Tensor, threshold: float) -> tuple[Candidates, Tensor]:
    """The candidates above the threshold, with their new probability; and which they are."""
    passed = probability > threshold
    boxes = torch.cat([seen.boxes[passed, :4], probability[passed, None]], dim=1)
    return Candidates(boxes, seen.image[passed]), passed


def _scored(network: nn.Module, sums: Tensor, candidates: Candidates, *, side: int) -> tuple[Candidates, list[Tensor]]:
    """What a network finds in every candidate that lies in its image, and these candidates."""
    size = torch.tensor([sums.shape[2] - 1, sums.shape[1] - 1], device=sums.device)
    corners = candidates.boxes[:, :4].trunc().long()
    first, last = corners[:, :2].clamp(min=1) - 1, corners[:, 2:].minimum(size)
    inside = (last > first).all(dim=1)
    if not inside.any():  # the networks can't be shown nothing
        return candidates[inside], [part[:0] for part in network(sums.new_zeros(1, 3, side, side).float())]
    rows = rows_at_once(sums.device)
    portions = (part[inside].split(rows) for part in (first, last, candidates.image))
    answers = [network(_normalised(_resized(sums, *portion, side=side))) for portion in zip(*portions, strict=True)]
    return candidates[inside], [torch.cat(parts) for parts in zip(*answers, strict=True)]


def _resized(sums: Tensor, first: Tensor, last: Tensor, image: Tensor, *, side: int) -> Tensor:
    """Areas of images as means over `side` x `side` cells, as `interpolate(mode="area")` has them.

    Args:
        sums: from `_sums`.
        first: (n, 2) x and y of the first pixel of each area.
        last: (n, 2) x and y of the pixel after its last.
        image: (n,) that it is of.
        side: pixels.

    Returns:
        float32 (n, 3, side, side).
    """
    cell, extent = torch.arange(side, device=sums.device), (last - first)[..., None]
    starts = first[..., None] + cell * extent // side
    stops = first[..., None] + -((cell + 1) * extent // -side)
    (left, top), (right, bottom) = (part.unbind(dim=1) for part in (starts, stops))
    rows, width = sums.flatten(0, 2), sums.shape[2]
    top, bottom = ((image[:, None] * sums.shape[1] + y)[:, :, None] * width for y in (top, bottom))
    left, right = left[:, None], right[:, None]
    corners = [F.embedding(y + x, rows) for y in (bottom, top) for x in (right, left)]  # faster than indexing
    total = corners[0] - corners[1] - corners[2] + corners[3]
    n_pixels = (bottom - top) // width * (right - left)
    return (total / n_pixels[..., None]).permute(0, 3, 1, 2)
