"""Distances to the true images, against numbers by hand."""

import numpy as np
import pytest

from kpop_rca.image_metrics import full_reference, pretrained


def images(n=3, seed=0):
    return np.random.default_rng(seed).integers(0, 200, (n, 16, 16, 3)).astype(np.uint8)


def test_each_image_has_its_own_numbers():
    truth, off = images(), np.array([0, 5, 40], dtype=np.uint8)[:, None, None, None]
    found = full_reference.full_reference(truth + off, truth)
    assert found["psnr"].iloc[0] == np.inf
    assert found["psnr"].iloc[1:].tolist() == pytest.approx([20 * np.log10(255 / 5), 20 * np.log10(255 / 40)], rel=1e-4)
    assert found["ssim"].iloc[0] == pytest.approx(1, abs=1e-5)
    assert found["ssim"].is_monotonic_decreasing


def test_without_weights_lpips_is_missing_for_a_reason(monkeypatch):
    def missing(name):
        raise pretrained.WeightsMissing(f"{name} is missing")

    monkeypatch.setattr(pretrained, "fetch", missing)
    assert full_reference.full_reference(images(), images())["lpips"].isna().all()
    assert full_reference.lpips_missing() == "alexnet is missing"


def test_the_angle_of_features_does_not_depend_on_their_length():
    features, truth = np.array([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]), np.array([[1.0, 0.0], [5.0, 0.0], [4.0, 0.0]])
    assert full_reference.cosine_distance(features, truth) == pytest.approx([0, 1, 2])
