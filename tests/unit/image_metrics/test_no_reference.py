"""BRISQUE against the package whose parameters it has, and all metrics on images of known quality."""

import json
from importlib import resources

import numpy as np
import pytest
from patterns import avatars, pattern
from scipy.stats import gennorm

from kpop_rca import degradations
from kpop_rca.image_metrics import no_reference
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments

REAL, OTHERS = slice(0, 60), slice(60, 68)
PER_IMAGE = {
    "sharpness": lambda images, _: no_reference.sharpness(images),
    "brisque": lambda images, _: no_reference.brisque(images),
    "mscn": lambda images, real: Reference.of(mscn_moments(real)).distance_of_each(mscn_moments(images)),
    "niqe": lambda images, real: no_reference.niqe(images, no_reference.niqe_reference(real)),
}


@pytest.fixture(scope="module")
def faces():
    return avatars(68, size=96)


def ladders(images):
    """Four levels of each degradation, the mildest first."""
    generator = np.random.default_rng(1)
    return {
        "blur": [degradations.blurred(images, sigma) for sigma in (0, 0.5, 1, 2)],
        "noise": [degradations.noised(images, sd, generator=generator) for sd in (0, 10, 20, 40)],
        "JPEG": [images, *(degradations.compressed(images, quality=quality) for quality in (60, 30, 10))],
    }


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (pattern(64, 64), 85.3336990377712),
        (pattern(64, 64, phase=1.0, noise=20.0), 59.90311409601654),
        (pattern(131, 97, phase=0.5, noise=8.0), 20.394055265433934),
        (pattern(75, 66, phase=3.0, noise=4.0), 38.02945643971631),
    ],
)
def test_brisque_is_that_of_the_package_with_its_parameters(image, expected):
    """brisque 0.2.0 with libsvm 3.37 and OpenCV 4.10. It finds a shape by root finding, here it is read from a table of
    steps of 0.001, which moves the score by less than 0.0005; shapes above 10, where it runs away, are left out."""
    assert no_reference.brisque(image[None])[0] == pytest.approx(expected, abs=5e-4)


def test_the_parameters_say_whose_they_are():
    path = resources.files("kpop_rca.image_metrics").joinpath("parameters", "brisque.json")
    about = json.loads(path.read_text(encoding="utf-8"))
    assert (about["licence"], "brisque 0.2.0" in about["source"]) == ("Apache-2.0", True)
    assert np.shape(about["support_vectors"]) == (len(about["weights"]), 36)


def test_support_vector_regression_by_hand(monkeypatch):
    """Features at the ends of their ranges are -1 and 1: exp(-0.5 * 4) = .1353 of the second vector."""
    ends = {"smallest": np.array([0.0]), "largest": np.array([2.0]), "gamma": 0.5, "rho": 1.0}
    fitted = ends | {"weights": np.array([3.0, 2.0]), "support_vectors": np.array([[-1.0], [1.0]])}
    monkeypatch.setattr(no_reference, "_brisque_parameters", lambda: fitted)
    assert no_reference._regressed(np.array([0.0])) == pytest.approx(3 + 2 * np.exp(-2) - 1)


@pytest.mark.parametrize("shape", [0.6, 1.0, 2.0, 4.0])
def test_the_shape_of_a_generalised_gaussian_is_found(shape):
    """Of 40,000 quantiles, on which chance plays no part; the tails that they lack matter for the sharpest alone."""
    values = gennorm.ppf((np.arange(40_000) + 0.5) / 40_000, shape)
    found, mean, left, right = no_reference.asymmetric_gaussian(values)
    assert found == pytest.approx(shape, rel=0.01)
    assert (mean, left) == (pytest.approx(0, abs=1e-9), pytest.approx(right))
    two_sided = no_reference.asymmetric_gaussian(np.where(values < 0, values, 2 * values))
    assert two_sided[3] == pytest.approx(4 * right)
    assert two_sided[1] > 0


def test_mscn_of_a_step_by_hand():
    """A dot of 1 on black has the window's middle weight w as mean, and w - w^2 as variance."""
    grey = np.zeros((15, 15))
    grey[7, 7] = 1
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    weight = (1 / window.sum()) ** 2
    coefficients, spread = no_reference.mscn(grey)
    assert spread[7, 7] == pytest.approx((weight - weight**2) ** 0.5)
    assert coefficients[7, 7] == pytest.approx((1 - weight) / (spread[7, 7] + 1 / 255))
    assert coefficients[0, 0] == 0


def test_products_are_of_neighbours():
    found = no_reference._products(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert [part.ravel().tolist() for part in found] == [[2.0, 12.0], [3.0, 8.0], [4.0], [6.0]]


def test_brisque_rises_with_blur_noise_and_jpeg(faces):
    """At 96 pixels: from level to level of blur, and from the first to the last of noise and JPEG."""
    levels = {
        name: [no_reference.brisque(part).mean() for part in found] for name, found in ladders(faces[OTHERS]).items()
    }
    assert levels["blur"] == sorted(levels["blur"])
    assert all(found[0] + 10 < found[-1] for found in levels.values()), levels


@pytest.mark.parametrize("size", [32, 96])
def test_mscn_moments_order_known_ladders(faces, size):
    small = faces.reshape(len(faces), size, 96 // size, size, 96 // size, 3).mean(axis=(2, 4)).astype(np.uint8)
    reference = Reference.of(mscn_moments(small[REAL]))
    for name, found in ladders(small[OTHERS]).items():
        each = [reference.distance_of_each(mscn_moments(part)).mean() for part in found]
        together = [reference.distance(mscn_moments(part)) for part in found]
        assert each[0] < each[1] < each[3], (name, each)
        assert together[0] < together[1] < together[3], (name, together)
    assert 2.5 < reference.distance_of_each(mscn_moments(small[REAL])).mean() < 17**0.5


def test_niqe_rises_with_blur_and_noise(faces):
    reference = no_reference.niqe_reference(faces[REAL])
    found = {name: no_reference.niqe(part[3], reference).mean() for name, part in ladders(faces[OTHERS]).items()}
    assert min(found.values()) > 1.5 * no_reference.niqe(faces[OTHERS], reference).mean()


def test_niqe_keeps_the_sharp_patches_of_the_reference():
    sharp = pattern(96, 96, noise=30.0)
    soft = pattern(96, 96, noise=3.0)
    grey = no_reference._luminance(np.concatenate([sharp, soft], axis=1)[None])[0]
    assert len(no_reference._patch_features(grey)) == 2
    assert len(no_reference._patch_features(grey, sharp=0.75)) == 1


def test_sharpness_falls_with_blur_and_rises_with_noise(faces):
    found = {
        name: [no_reference.sharpness(part).mean() for part in parts] for name, parts in ladders(faces[OTHERS]).items()
    }
    assert found["blur"] == sorted(found["blur"], reverse=True)
    assert found["noise"] == sorted(found["noise"])


@pytest.mark.parametrize("name", PER_IMAGE)
def test_no_value_depends_on_the_other_images(faces, name):
    images, real = faces[OTHERS], faces[:20]
    whole = PER_IMAGE[name](images, real)
    assert whole.shape == (len(images),)
    assert np.isfinite(whole).all()
    alone = np.concatenate([PER_IMAGE[name](image[None], real) for image in images])
    np.testing.assert_array_equal(alone, whole)
    np.testing.assert_array_equal(PER_IMAGE[name](images[::-1], real), whole[::-1])


def test_a_reference_by_hand():
    """Mean 1 and variance 1; a set of mean 4 and variance 3: 3^2 / ((1 + 3) / 2) = 4.5."""
    reference = Reference(np.array([1.0]), np.array([[1.0]]))
    assert reference.distance(np.array([[4.0]])) == 3
    spread = 3**0.5
    assert reference.distance(np.array([[4 - spread], [4 + spread]])) == pytest.approx(4.5**0.5)


def test_the_same_images_twice_are_no_other_set(faces):
    reference = Reference.of(mscn_moments(faces[REAL]))
    once = mscn_moments(faces[OTHERS])
    assert reference.distance(np.concatenate([once, once])) == pytest.approx(reference.distance(once))


def test_small_images_are_refused_or_enlarged():
    for measure, smallest in (
        (no_reference.brisque, 16),
        (mscn_moments, 16),
        (no_reference.niqe_reference, 96),
    ):
        with pytest.raises(ValueError, match=f"needs {smallest} pixels, the images have {smallest - 1}"):
            measure(np.zeros((2, smallest - 1, smallest, 3), dtype=np.uint8))
    small = pattern(32, 32, noise=15.0)
    assert no_reference.brisque(small[None]) == no_reference.brisque(small.repeat(2, axis=0).repeat(2, axis=1)[None])


def test_images_of_another_layout_are_refused():
    for images in (np.zeros((2, 3, 64, 64), dtype=np.uint8), np.zeros((2, 64, 64, 3))):
        with pytest.raises(ValueError, match=r"need uint8 \(N, H, W, 3\)"):
            no_reference.brisque(images)


def test_flat_images_have_a_value_or_none():
    """Black is 0 to every window, so that no shape can be fitted to it."""
    black = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    assert np.isnan(no_reference.brisque(black)).all()
    reference = no_reference.niqe_reference(np.stack([pattern(96, 96, noise=noise) for noise in (5.0, 10.0)]))
    assert np.isnan(no_reference.niqe(np.zeros((1, 96, 96, 3), dtype=np.uint8), reference)).all()
    assert no_reference.sharpness(black) == 0
    assert np.isfinite(mscn_moments(black)).all()
