"""Degraded images against hand-computed cases and scipy."""

import numpy as np
import pytest
from known_oracle import avatars, rng
from scipy.ndimage import gaussian_filter1d

from kpop_rca.degradations import blurred, compressed, noised, shifted


def test_blur_keeps_flat_images_and_means_and_mixes_neither_images_nor_colours():
    flat = np.full((2, 8, 8, 3), [10, 200, 90], dtype=np.uint8)
    flat[1] = 7
    np.testing.assert_array_equal(blurred(flat, 1.5), flat)
    images, _ = avatars(4)
    np.testing.assert_array_equal(blurred(images, 0), images)
    soft = blurred(images, 1.0)
    assert (soft.dtype, soft.shape) == (np.uint8, images.shape)
    np.testing.assert_allclose(soft.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=0.5)
    one = gaussian_filter1d(gaussian_filter1d(images[2, :, :, 1].astype(float), 1.0, axis=0), 1.0, axis=1)
    np.testing.assert_allclose(soft[2, :, :, 1], one, atol=0.51)


def test_noise_has_its_size_and_is_drawn_again_from_its_generator():
    grey = np.full((20, 16, 16, 3), 128, dtype=np.uint8)
    noisy = noised(grey, 10, generator=rng())
    assert noisy.dtype == np.uint8
    assert noisy.std() == pytest.approx(10, rel=0.03)  # 15,360 values estimate it to 0.6 %; rounding adds 0.04 %
    np.testing.assert_array_equal(noisy, noised(grey, 10, generator=rng()))
    np.testing.assert_array_equal(noised(grey, 0, generator=rng()), grey)
    assert noised(np.zeros_like(grey), 50, generator=rng()).min() == 0  # clipped, not wrapped
    assert noised(np.zeros_like(grey), 50, generator=rng()).mean() < 30


def test_a_shift_repeats_the_border_and_a_compression_is_slight():
    images, _ = avatars(12, seed=0)
    moved = shifted(images)
    np.testing.assert_array_equal(moved[:, 1:, 1:], images[:, :-1, :-1])
    np.testing.assert_array_equal(moved[:, 0, 1:], images[:, 0, :-1])
    smooth = blurred(images, 2)
    errors = [np.abs(compressed(smooth, quality=quality).astype(float) - smooth).mean() for quality in (95, 50)]
    assert 0 < errors[0] < errors[1] < 10
