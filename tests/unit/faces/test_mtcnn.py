"""MTCNN's cascade: what it does otherwise than facenet-pytorch, piece by piece; the whole is in test_detection."""

import numpy as np
import torch
import torch.nn.functional as F
from facenet_pytorch.models.mtcnn import ONet

from kpop_rca.faces import mtcnn


def test_areas_are_resized_as_torch_does_it() -> None:
    """Larger and smaller than the result, with and without remainder, of several images."""
    pixels = torch.as_tensor(np.random.default_rng(0).integers(0, 256, (3, 70, 90, 3), dtype=np.uint8))
    areas = [(0, 0, 90, 70, 0), (5, 7, 29, 31, 1), (80, 60, 90, 70, 2), (3, 4, 4, 6, 0), (10, 0, 83, 70, 2)]
    first, last, image = (torch.tensor(areas)[:, columns] for columns in (slice(2), slice(2, 4), 4))
    found = mtcnn._resized(mtcnn._sums(pixels), first, last, image, side=24)
    for (x0, y0, x1, y1, number), resized in zip(areas, found, strict=True):
        area = pixels[number, y0:y1, x0:x1].permute(2, 0, 1)[None].float()
        expected = F.interpolate(area, size=(24, 24), mode="area")[0]
        torch.testing.assert_close(resized, expected, atol=1e-4, rtol=0)


def test_sums_may_overflow() -> None:
    pixels = torch.full((1, 4200, 2100, 1), 255, dtype=torch.uint8)  # their sum is above 2^31
    corner = torch.tensor([[2000, 4100]])
    sums = mtcnn._sums(pixels)
    assert sums[0, -1, -1] < 0
    found = mtcnn._resized(sums, corner, corner + 100, torch.tensor([0]), side=24)
    assert (found == 255).all()


def test_candidates_outside_their_image_are_left_out() -> None:
    """facenet-pytorch fails on them."""
    sums = mtcnn._sums(torch.zeros((2, 50, 60, 3), dtype=torch.uint8))
    boxes = torch.tensor([[10, 10, 30, 30, 0.9], [-30, 5, -10, 25, 0.8], [70, 10, 90, 30, 0.7], [50, 40, 70, 60, 0.6]])
    candidates = mtcnn.Candidates(boxes, torch.tensor([0, 0, 1, 1]))
    seen, (shapes,) = mtcnn._scored(lambda seen: [seen.mean(dim=(1, 2, 3))], sums, candidates, side=24)
    assert seen.image.tolist() == [0, 1] and len(shapes) == 2
    np.testing.assert_allclose(seen.boxes[:, 4], [0.9, 0.6])
    assert (shapes == (0 - 127.5) / 128).all()


def test_no_candidate_is_an_answer_too() -> None:
    sums = mtcnn._sums(torch.zeros((1, 50, 50, 3), dtype=torch.uint8))
    for boxes in (torch.empty(0, 5), torch.tensor([[-30, 5, -10, 25, 0.8]])):
        candidates = mtcnn.Candidates(boxes, torch.zeros(len(boxes), dtype=torch.long))
        seen, answers = mtcnn._scored(ONet(), sums, candidates, side=48)
        assert len(seen.boxes) == len(seen.image) == 0
        assert [part.shape for part in answers] == [(0, 4), (0, 10), (0, 2)]
