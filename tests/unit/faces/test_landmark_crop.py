"""Faces by their landmarks: the square by hand, and what lies in it."""

import numpy as np
import pytest
from PIL import Image

from kpop_rca.faces import landmark_crop

FRONTAL = np.float32([28, 50, 72, 50, 50, 75, 32, 98, 68, 98])  # five landmarks, x and y


def test_landmark_box_by_hand() -> None:
    reach = landmark_crop.REACH * 48  # eyes at y = 50 and mouth at y = 98 are farther apart than the eyes
    assert landmark_crop.landmark_box(FRONTAL).tolist() == pytest.approx(
        [50 - reach, 74 - reach, 50 + reach, 74 + reach]
    )


def test_the_middle_of_the_crop_is_the_middle_of_the_face() -> None:
    pixels = np.zeros((200, 200, 3), dtype=np.uint8)
    pixels[:74, :50] = 255  # all that is above and left of the middle of eyes and mouth
    face = landmark_crop.aligned_face(Image.fromarray(pixels), FRONTAL)
    assert face.shape == (32, 32, 3) and face.dtype == np.uint8
    assert face[:13, :13].min() > 230  # but for the filter's ringing
    assert max(face[19:].max(), face[:, 19:].max()) < 25


def test_landmarks_in_one_place_are_no_face() -> None:
    assert landmark_crop.aligned_face(Image.new("RGB", (50, 50)), np.full(10, 20, dtype=np.float32)) is None
