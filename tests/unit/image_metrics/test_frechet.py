"""The Fréchet distance against its definition, whichever of its sizes is the smallest, and its line."""

import tracemalloc

import numpy as np
import pytest
from normal_features import normals, rng
from scipy.linalg import sqrtm

from kpop_rca.image_metrics import frechet
from kpop_rca.image_metrics.frechet import Normal


def _features(n: int, width: int, *, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n, width)) @ draw.normal(size=(width, width)) + draw.normal(size=width)


@pytest.mark.parametrize("n_reference", [8, 60])
@pytest.mark.parametrize("n", [5, 12, 70])
def test_distance_by_the_definition(n_reference: int, n: int) -> None:
    """More rows than the 20 columns and fewer, on either side; and the same reference serves twice."""
    a, b = _features(n_reference, 20, seed=1), _features(n, 20, seed=2)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    # Tr (cov_a cov_b)^(1/2) is the sum of these singular values, whatever the ranks.
    shared = np.linalg.svd((a - a.mean(0)) @ (b - b.mean(0)).T, compute_uv=False).sum()
    shared /= np.sqrt((n_reference - 1) * (n - 1))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * shared
    reference = Normal.of(a)
    assert len(reference) == n_reference
    assert reference.frechet_distance(b) == pytest.approx(expected, rel=1e-6)
    assert reference.frechet_distance(b) == reference.frechet_distance(b)
    assert reference.frechet_distance(a) == pytest.approx(0, abs=1e-6 * np.trace(cov_a))
    np.testing.assert_allclose(reference.root @ reference.root.T, cov_a, atol=1e-9)


def test_rows_are_converted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 features as float64 would take twice their memory; nothing of that grows with their number."""
    a, b = (_features(30_000, 16, seed=seed).astype(np.float32) for seed in (1, 2))
    expected = Normal.of(a.astype(np.float64)).frechet_distance(b.astype(np.float64))
    monkeypatch.setattr(frechet, "ROWS", 700)
    tracemalloc.start()
    found = Normal.of(a).frechet_distance(b)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == pytest.approx(expected, rel=1e-9)
    assert peak < 0.25 * a.nbytes


def test_what_has_no_distance() -> None:
    reference = Normal.of(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="rows of equal length, got 5 and 4"):
        reference.frechet_distance(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="2 or more rows"):
        Normal.of(np.zeros((1, 4)))


def test_frechet_distance_of_normals_with_known_moments():
    """Spread along the axes: d^2 = |difference of means|^2 + sum (sd_a - sd_b)^2."""
    corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # sample variance 4/3 each way
    a, b = corners * [1, 2], corners * [3, 5] + [10, 0]
    expected = 10**2 + 4 / 3 * ((1 - 3) ** 2 + (2 - 5) ** 2)
    assert frechet.frechet_distance(a, b) == pytest.approx(expected)
    assert frechet.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_agrees_with_the_matrix_square_root():
    a = rng().normal(size=(300, 12)) @ rng().normal(size=(12, 12))
    b = np.random.default_rng(8).normal(size=(200, 12)) + 0.5
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet.frechet_distance(a, b) == pytest.approx(expected)
    assert frechet.frechet_distance(b, a) == pytest.approx(expected)


def test_frechet_distance_is_in_float64():
    """A third further on each of four axes is exactly 4/9 away; float32 would be off in the eighth digit."""
    a = rng().normal(size=(50, 4))
    assert frechet.frechet_distance(a, a + 1 / 3) == pytest.approx(4 / 9, rel=1e-10)


def test_frechet_distance_with_fewer_images_than_features():
    a, b = rng().normal(size=(10, 64)), np.random.default_rng(8).normal(size=(12, 64))
    assert np.isfinite(frechet.frechet_distance(a, b))


@pytest.mark.parametrize("shape", [(1, 3), (5, 4)])
def test_features_that_have_no_distance(shape):
    with pytest.raises(ValueError, match="rows of equal length"):
        frechet.frechet_distance(np.zeros((5, 3)), np.zeros(shape))


def test_frechet_distance_of_few_images_in_many_dimensions():
    """Within the span of the images, which is small, it is what the definition gives in all dimensions."""
    a, b = normals(9, 7, d=40, shift=2.0)
    a = a + 5  # far from the origin, which the span must not lose
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    cross = np.linalg.svd((a - a.mean(0)) @ (b - b.mean(0)).T / np.sqrt(8 * 6), compute_uv=False).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * cross
    assert frechet.frechet_distance(a, b) == pytest.approx(expected)


def test_frechet_line_finds_its_way_to_the_true_distance():
    """Of N(0, 1) and N(1, 1) in ten dimensions the distance is 10; 300 images overstate it by about 0.1 to 0.3.

    Over 20 samples the mean of the line's end is nearer to 10 than that of the distance on all images is.
    """
    ends, whole = [], []
    for seed in range(20):
        real, generated = normals(20_000, 300, d=10, seed=seed, shift=1.0)
        line = frechet.frechet_line(real, generated, generator=rng())
        ends.append(line["value"])
        whole.append(line["points"][-1]["frechet"])
    assert np.mean(whole) - 10 > 0.08
    assert abs(np.mean(ends) - 10) < 0.5 * (np.mean(whole) - 10) + np.std(ends) / 20**0.5


def test_frechet_line_is_a_straight_line_through_its_points():
    real, generated = normals(500, 400, shift=0.2)
    line = frechet.frechet_line(real, generated, generator=rng())
    sizes = np.array([point["n"] for point in line["points"]])
    distances = np.array([point["frechet"] for point in line["points"]])
    np.testing.assert_array_equal(sizes, [100, 133, 167, 200, 233, 267, 300, 333, 367, 400])
    slope, end = np.polyfit(1 / sizes, distances, 1)
    assert (line["slope"], line["value"]) == pytest.approx((slope, end))
    residuals = distances - end - slope / sizes
    x = 1 / sizes - (1 / sizes).mean()
    error = (residuals**2).sum() / 8 * (1 / 10 + (1 / sizes).mean() ** 2 / (x**2).sum())
    assert line["standard_error"] == pytest.approx(error**0.5)
    assert distances[-1] == pytest.approx(frechet.frechet_distance(real, generated))


def test_the_line_s_points_are_means_over_sets_that_share_no_image():
    """Ten images apart from each other, in threes: three sets, and one image is left over."""
    real, generated = normals(30, 10, d=1)
    reference = Normal.of(real)
    found = frechet._mean_distance(reference, generated, 3)
    parts = [frechet.frechet_distance(real, generated[k : k + 3]) for k in (0, 3, 6)]
    assert found == pytest.approx(np.mean(parts)) and np.ptp(parts) > 0.01
    assert frechet._mean_distance(reference, generated, 9) == pytest.approx(
        frechet.frechet_distance(real, generated[:9])
    )


def test_a_line_needs_twelve_images():
    with pytest.raises(ValueError, match="or more rows, got"):
        frechet.frechet_line(*normals(11, 11), generator=rng())
