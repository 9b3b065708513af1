"""Scores of boxes against cases by hand."""

import numpy as np
import pytest

from kpop_rca.image_metrics import detection_scores

TRUE = [np.array([[0, 0, 10, 10], [20, 0, 30, 10]]), np.array([[0, 0, 10, 10]])]
# by score: found, not there, found again, found (IoU .8), so precision 1, 1/2, 1/3, 1/2 at recall 1/3, 1/3, 1/3, 2/3
FOUND = [np.array([[0, 0, 10, 10], [0, 0, 10, 9]]), np.array([[50, 50, 60, 60], [0, 0, 10, 8]])]
SCORES = [np.array([0.9, 0.7]), np.array([0.8, 0.6])]


def test_average_precision_by_hand():
    found = detection_scores.average_precision(FOUND, SCORES, TRUE)
    assert found == pytest.approx(1 / 3 + 1 / 3 * 1 / 2)
    eleven = detection_scores.average_precision(FOUND, SCORES, TRUE, eleven_points=True)
    assert eleven == pytest.approx((4 * 1 + 3 * 0.5) / 11)  # recalls 0 to .3, then .4 to .6
    assert detection_scores.average_precision(FOUND, SCORES, TRUE, iou=0.85) == pytest.approx(1 / 3)


def test_map_over_thresholds_by_hand():
    found = detection_scores.mean_average_precision(FOUND, SCORES, TRUE)
    both, one = 0.5, 1 / 3  # an IoU of .8 counts at seven of the ten thresholds
    assert found == pytest.approx({"map_50": both, "map_75": both, "map_50_95": (7 * both + 3 * one) / 10})


def test_truth_itself_is_perfect_and_finding_nothing_is_nothing():
    perfect = [np.ones(len(boxes)) for boxes in TRUE]
    assert detection_scores.average_precision(TRUE, perfect, TRUE, iou=0.95) == 1
    nothing = [np.empty((0, 4))] * 2
    assert detection_scores.average_precision(nothing, [np.empty(0)] * 2, TRUE) == 0
    assert detection_scores.average_precision(nothing, [np.empty(0)] * 2, TRUE, eleven_points=True) == 0
    with pytest.raises(ValueError, match="needs a true box"):
        detection_scores.average_precision(TRUE, perfect, nothing)


def test_swapping_found_and_true_boxes_is_seen():
    ones = [np.ones(len(boxes)) for boxes in TRUE]
    assert detection_scores.average_precision(TRUE, ones, FOUND) != detection_scores.average_precision(
        FOUND, SCORES, TRUE
    )
