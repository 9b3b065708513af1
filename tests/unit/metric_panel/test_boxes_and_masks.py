"""Scores of boxes and masks, against cases counted by hand and against torchmetrics."""

import numpy as np
import pytest
import torch

from kpop_rca.metric_panel import boxes_and_masks, known_faces
from kpop_rca.metric_panel.boxes_and_masks import Boxes, Masks, average_precision

SQUARE = np.array([[0.0, 0, 10, 10]])
FAR = SQUARE + 50


@pytest.fixture(scope="module")
def known():
    return known_faces.known_faces(seed=0).about


def boxes(true, *found):
    """Found boxes with their probabilities."""
    return Boxes(
        np.reshape(true, (-1, 4)), np.reshape([box for box, _ in found], (-1, 4)), np.array([p for _, p in found])
    )


def test_average_precision_counted_by_hand():
    """Three true faces; right, wrong, right: precisions 1, 1/2, 2/3 at recalls 1/3, 1/3, 2/3."""
    images = [boxes(SQUARE, (SQUARE, 0.9)), boxes(SQUARE, (FAR, 0.8), (SQUARE, 0.7)), boxes(SQUARE)]
    assert average_precision(images) == pytest.approx(1 / 3 + 2 / 9)
    assert average_precision(images, recalls=boxes_and_masks.ELEVEN) == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)


def test_a_face_is_found_once():
    image = boxes(SQUARE, (SQUARE, 0.9), (SQUARE + 1, 0.8))
    precision, recall = boxes_and_masks.precision_and_recall([image], overlap=0.5)
    assert precision.tolist() == [1.0, 0.5] and recall.tolist() == [1.0, 1.0]


def test_boxes_of_equal_probability_have_no_order():
    right, wrong = boxes(SQUARE, (SQUARE, 0.9)), boxes(SQUARE, (FAR, 0.9))
    assert average_precision([right, wrong]) == average_precision([wrong, right]) == 0.25


def test_a_nearer_overlap_is_asked_for_step_by_step():
    """Shifted by a tenth, IoU 9/11 = .82: right for .5 to .8, seven of the ten."""
    image = boxes(SQUARE, (SQUARE + np.array([1, 0, 1, 0]), 0.9))
    assert boxes_and_masks.mean_average_precision([image]) == pytest.approx(0.7)
    assert boxes_and_masks.best_overlap([image, boxes(SQUARE)]) == pytest.approx(9 / 22)


def test_no_true_box_is_an_error():
    with pytest.raises(ValueError, match="no image has a true box"):
        average_precision([boxes([], (SQUARE, 0.9))])


def test_masks_are_those_of_torchmetrics(known):
    from torchmetrics.functional.classification import binary_jaccard_index

    true, found = (torch.as_tensor(np.stack([getattr(one, side) for one in known["mask"]])) for side in Masks._fields)
    of_face = binary_jaccard_index(found.float(), true).item()
    of_rest = binary_jaccard_index((~found).float(), ~true).item()
    assert boxes_and_masks.mask_overlap(known["mask"]) == pytest.approx((of_face + of_rest) / 2, rel=1e-6)


def test_boundary_sees_what_the_area_does_not():
    mask = np.zeros((100, 100), dtype=bool)
    mask[10:90, 10:90] = True
    smaller = np.zeros_like(mask)
    smaller[13:87, 13:87] = True
    one = [Masks(mask, smaller)]
    assert boxes_and_masks.boundary_overlap(one)[0] == 0 and boxes_and_masks.mask_overlap(one) > 0.8
    assert boxes_and_masks.boundary_overlap([Masks(mask, mask)])[0] == 1
    assert boxes_and_masks.pixel_accuracy(one)[0] == 1 - (80**2 - 74**2) / 100**2


def test_known_faces_are_where_the_detector_finds_them(known):
    assert average_precision(known["boxes"]) > 0.95
    assert boxes_and_masks.best_overlap(known["boxes"]) > 0.7
    creatures = known["boxes"][-known_faces.N_CREATURES :]
    assert all(not len(one.true) for one in creatures)
