"""Similarity transforms against known ones, and faces brought into the template by them."""

import numpy as np
import pytest
from PIL import Image

from kpop_rca.oracles.face_template import TEMPLATE, aligned_to_template, similarity_transform

LANDMARKS = TEMPLATE.ravel()


@pytest.mark.parametrize("a", [1, 2j, 0.3 - 0.7j])
def test_a_transform_is_found_again(a):
    b, w = 5 - 3j, TEMPLATE @ [1, 1j]
    moved = a * w + b
    found = similarity_transform(TEMPLATE, np.stack([moved.real, moved.imag], axis=1))
    np.testing.assert_allclose(found, [a, b])


def test_of_points_that_are_not_similar_it_is_the_nearest():
    """No small change of scale, rotation or shift is nearer."""
    generator = np.random.default_rng(0)
    target = TEMPLATE + generator.normal(scale=5, size=TEMPLATE.shape)
    z, w = TEMPLATE @ [1, 1j], target @ [1, 1j]
    a, b = similarity_transform(TEMPLATE, target)
    least = np.sum(np.abs(a * z + b - w) ** 2)
    for step in (0.01, -0.01, 0.01j, -0.01j):
        assert np.sum(np.abs((a + step) * z + b - w) ** 2) > least
        assert np.sum(np.abs(a * z + b + 10 * step - w) ** 2) > least


def smooth(size):
    y, x = np.mgrid[:size, :size] / size
    return Image.fromarray(np.stack([255 * x, 255 * y, 127 + 100 * np.sin(9 * x + 5 * y)], axis=2).astype(np.uint8))


@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_face_of_any_size_comes_to_the_same_place(times):
    image = smooth(112)
    larger = image.resize((112 * times, 112 * times), Image.Resampling.BICUBIC)
    aligned = aligned_to_template(larger, LANDMARKS * times, size=112)
    assert aligned.dtype == np.uint8 and aligned.shape == (112, 112, 3)
    difference = np.abs(aligned.astype(int) - np.asarray(image))[2:-2, 2:-2]
    assert difference.max() <= 2  # grey values, by resampling twice; a shift by one pixel changes up to 9


def test_a_face_that_lies_on_its_side_is_turned_up():
    image = smooth(112)
    turned = image.transpose(Image.Transpose.ROTATE_90)  # (x, y) goes to (y, 112 - x)
    landmarks = np.stack([TEMPLATE[:, 1], 112 - TEMPLATE[:, 0]], axis=1).ravel()
    aligned = aligned_to_template(turned, landmarks, size=112)
    assert np.abs(aligned.astype(int) - np.asarray(image))[2:-2, 2:-2].max() <= 1


def test_the_template_grows_with_the_image():
    image = smooth(112)
    small = aligned_to_template(image, LANDMARKS, size=56)
    halved = np.asarray(image.reduce(2)).astype(int)
    assert np.abs(small - halved)[2:-2, 2:-2].max() <= 3
