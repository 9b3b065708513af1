"""Distances to the true images, against numbers by hand."""

import numpy as np
import pytest
from patterns import avatars

from kpop_rca.image_metrics import feature_extractors, full_reference, no_reference, pretrained


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


def test_images_too_small_for_lpips_say_so():
    assert full_reference.lpips_missing(30) == "AlexNet needs 31 pixels, the images have 30"


@pytest.fixture
def colour_lpips(monkeypatch):
    """Mean difference of grey levels in place of LPIPS."""

    def distances(network, shown, pairs):
        first, second = (shown[pairs[:, side]].astype(float) for side in (0, 1))
        return np.abs(first - second).mean(axis=(1, 2, 3))

    monkeypatch.setattr(full_reference, "lpips_missing", lambda size: "")
    monkeypatch.setattr(feature_extractors, "load_lpips", lambda **_: None)
    monkeypatch.setattr(feature_extractors, "lpips_distances", distances)


def test_lpips_to_the_nearest_training_image(colour_lpips):
    """A copy, a mirrored copy, which LPIPS takes for another image, and a copy in other colours."""
    train = avatars(6, size=32)
    generated = np.stack([train[4], train[2, :, ::-1], train[1] // 2])
    found = full_reference.lpips_to_nearest(generated, train, shortlist=3)
    assert (found["train"][0], found["lpips"][0]) == (4, 0)
    assert (found["lpips"][1:] > 1).all()
    every = np.abs(generated[:, None].astype(float) - train).mean(axis=(2, 3, 4))
    whole = full_reference.lpips_to_nearest(generated, train, shortlist=6)
    np.testing.assert_allclose(whole["lpips"], every.min(axis=1))
    assert whole["train"].tolist() == every.argmin(axis=1).tolist()
    assert (found["lpips"] >= whole["lpips"]).all()


def test_without_weights_the_nearest_is_that_by_coarse_pixels(monkeypatch):
    monkeypatch.setattr(full_reference, "lpips_missing", lambda size: "no weights")
    train = avatars(4, size=32)
    found = full_reference.lpips_to_nearest(train[2:, :, ::-1], train, shortlist=2)
    assert found["lpips"].isna().all()


def test_psnr_takes_a_blur_for_a_change_that_nobody_minds(colour_lpips):
    """At equal PSNR, within the rounding to grey levels; what looks at structure tells them apart."""
    truth = avatars(4, size=64)
    table = full_reference.psnr_warning_table(truth)
    assert table["psnr_blur"].tolist() == pytest.approx(table["psnr"].tolist(), abs=0.05)
    assert (table["ssim"] > table["ssim_blur"] + 0.03).all()
    sharp = no_reference.sharpness(truth).mean()
    for changed, soft in full_reference.psnr_warning(truth).values():
        assert no_reference.sharpness(changed).mean() > 0.4 * sharp > 0.2 * sharp > no_reference.sharpness(soft).mean()


def test_a_flat_image_cannot_be_blurred_to_a_lower_psnr():
    flat = np.full((1, 16, 16, 3), 90, dtype=np.uint8)
    np.testing.assert_array_equal(full_reference.blurred_to_psnr(flat, np.array([20.0])), flat)


def test_each_image_is_blurred_by_itself():
    truth = avatars(3, size=32)
    whole = full_reference.blurred_to_psnr(truth, np.array([20.0, 25.0, 30.0]))
    alone = full_reference.blurred_to_psnr(truth[1:2], np.array([25.0]))
    np.testing.assert_array_equal(whole[1:2], alone)


def test_the_angle_of_features_does_not_depend_on_their_length():
    features, truth = np.array([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]), np.array([[1.0, 0.0], [5.0, 0.0], [4.0, 0.0]])
    assert full_reference.cosine_distance(features, truth) == pytest.approx([0, 1, 2])
