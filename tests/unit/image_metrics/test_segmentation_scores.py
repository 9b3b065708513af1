"""Scores of masks against cases by hand, and torchmetrics."""

import numpy as np
import pytest
import torch

from kpop_rca.image_metrics import segmentation_scores


def square(x0, x1, size=20):
    mask = np.zeros((1, size, size), dtype=bool)
    mask[0, 4:14, x0:x1] = True
    return mask


def test_scores_of_a_shifted_square():
    mask, true = square(4, 14), square(6, 16)
    assert segmentation_scores.mean_iou(mask, true)[0] == pytest.approx((80 / 120 + 280 / 320) / 2)
    assert segmentation_scores.pixel_accuracy(mask, true)[0] == pytest.approx(360 / 400)
    # Bands of one pixel have 36 each; they share the 8 pixels of two rows (16), and no column
    assert segmentation_scores.boundary_iou(mask, true)[0] == pytest.approx(16 / (72 - 16))
    same = segmentation_scores.boundary_iou(mask, mask), segmentation_scores.mean_iou(mask, mask)
    assert [float(value[0]) for value in same] == [1, 1]


def test_mean_iou_is_that_of_torchmetrics():
    from torchmetrics.functional.segmentation import mean_iou

    masks, truth = np.random.default_rng(0).random((2, 5, 12, 9)) < 0.4
    pair = (torch.as_tensor(part).long() for part in (masks, truth))
    expected = mean_iou(*pair, num_classes=2, input_format="index")
    assert segmentation_scores.mean_iou(masks, truth) == pytest.approx(expected.numpy())


def test_an_empty_mask_has_no_iou():
    empty = np.zeros((1, 8, 8), dtype=bool)
    assert np.isnan(segmentation_scores.mean_iou(empty, empty)).all()
    assert segmentation_scores.mean_iou(square(4, 14, 20), np.zeros((1, 20, 20), dtype=bool))[0] == pytest.approx(0.375)


def test_the_landmarks_hull_is_enlarged_about_its_centre():
    landmarks = np.array([[40, 40], [60, 40], [50, 50], [40, 60], [60, 60]], dtype=float)
    mask = segmentation_scores.landmark_mask(landmarks, size=(100, 100), factor=2)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (30, 70, 30, 70)
