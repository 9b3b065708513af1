"""Measures of two sets of features against hand-computed cases, other libraries' formulas and known laws."""

import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from normal_features import normals, rng
from scipy.linalg import sqrtm
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.kid import KernelInceptionDistance

from kpop_rca.image_metrics import feature_distances, prdc

# --- Frechet ---


def test_frechet_distance_of_normals_with_known_moments():
    """Spread along the axes: d^2 = |difference of means|^2 + sum (sd_a - sd_b)^2."""
    corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # sample variance 4/3 each way
    a, b = corners * [1, 2], corners * [3, 5] + [10, 0]
    expected = 10**2 + 4 / 3 * ((1 - 3) ** 2 + (2 - 5) ** 2)
    assert feature_distances.frechet_distance(a, b) == pytest.approx(expected)
    assert feature_distances.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_agrees_with_the_matrix_square_root():
    a = rng().normal(size=(300, 12)) @ rng().normal(size=(12, 12))
    b = np.random.default_rng(8).normal(size=(200, 12)) + 0.5
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert feature_distances.frechet_distance(a, b) == pytest.approx(expected)
    assert feature_distances.frechet_distance(b, a) == pytest.approx(expected)


def test_frechet_distance_is_in_float64():
    """A third further on each of four axes is exactly 4/9 away; float32 would be off in the eighth digit."""
    a = rng().normal(size=(50, 4))
    assert feature_distances.frechet_distance(a, a + 1 / 3) == pytest.approx(4 / 9, rel=1e-10)


def test_frechet_distance_with_fewer_images_than_features():
    a, b = rng().normal(size=(10, 64)), np.random.default_rng(8).normal(size=(12, 64))
    assert np.isfinite(feature_distances.frechet_distance(a, b))


@pytest.mark.parametrize("shape", [(1, 3), (5, 4)])
def test_features_that_have_no_distance(shape):
    with pytest.raises(ValueError, match="2 or more rows of equal length"):
        feature_distances.frechet_distance(np.zeros((5, 3)), np.zeros(shape))


def test_frechet_distance_of_few_images_in_many_dimensions():
    """Within the span of the images, which is small, it is what the definition gives in all dimensions."""
    a, b = normals(9, 7, d=40, shift=2.0)
    a = a + 5  # far from the origin, which the span must not lose
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    cross = np.linalg.svd((a - a.mean(0)) @ (b - b.mean(0)).T / np.sqrt(8 * 6), compute_uv=False).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * cross
    assert feature_distances.frechet_distance(a, b) == pytest.approx(expected)


# --- kernel distance ---


def test_kernel_distance_by_the_definition(monkeypatch):
    """On subsets of two images each, the unbiased estimate written out for every pair of subsets, and averaged."""
    monkeypatch.setattr(feature_distances, "KERNEL_SUBSETS", 20_000)
    a, b = (
        np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]),
        np.array([[1.0, 2.0], [0.5, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    )

    def kernel(x, y):
        return (x @ y / 2 + 1) ** 3

    within = [np.mean([kernel(x[i], x[j]) for i in range(4) for j in range(4) if i != j]) for x in (a, b)]
    expected = sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b])
    mean, sd = feature_distances.kernel_distance(a, b, generator=rng())
    assert mean == pytest.approx(expected, abs=4 * sd / 20_000**0.5)
    assert sd > 0.1


def test_kernel_distance_is_unbiased_and_seeded_and_leaves_the_seed_alone():
    """Of equal distributions its mean over many draws is 0, at few images as at many; that of Frechet is not."""
    before = torch.random.get_rng_state()
    found = [feature_distances.kernel_distance(*normals(12, 12, seed=seed), generator=rng())[0] for seed in range(150)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 150**0.5
    sets = normals(40, 60, shift=1.0)
    first, again = (feature_distances.kernel_distance(*sets, generator=rng()) for _ in range(2))
    assert first == again
    assert feature_distances.kernel_distance(*sets, generator=np.random.default_rng(8)) != first
    assert first[0] > 5 * np.std(found)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_distance_is_that_of_torchmetrics(monkeypatch, dtype):
    """From all pairs and from the pairs of the subsets; in blocks of rows and columns, and with sets of two sizes."""
    monkeypatch.setattr(feature_distances, "KERNEL_ROWS", 7)
    sets = [torch.as_tensor(part.astype(dtype)) for part in normals(40, 30, d=5, shift=0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it keeps all features
        metric = KernelInceptionDistance(feature_distances.as_features(sets[0]), subset_size=12)
    for part, real in zip(sets, (True, False), strict=True):
        metric.update(part.double(), real=real)
    torch.manual_seed(3)
    theirs = [value.item() for value in metric.compute()]
    for way in (feature_distances._by_pairs, feature_distances._by_subsets):
        torch.manual_seed(3)
        scores = way(*sets, 12)
        assert scores.dtype == torch.float64 and len(scores) == 100
        assert [scores.mean().item(), scores.std(unbiased=False).item()] == pytest.approx(theirs, rel=1e-10)
    assert min(theirs) > 0.01


def test_many_images_are_compared_by_subsets(monkeypatch):
    monkeypatch.setattr(feature_distances, "KERNEL_SUBSETS", 3)
    monkeypatch.setattr(feature_distances, "KERNEL_SUBSET_SIZE", 4)
    monkeypatch.setattr(feature_distances, "_by_pairs", None)
    assert feature_distances.kernel_distance(*normals(10, 10, shift=1.0), generator=rng())[0] > 0


# --- precision, recall, density, coverage ---


def test_precision_and_recall_are_those_of_torch_fidelity(monkeypatch):
    monkeypatch.setattr(prdc, "MEGABYTES", 0.01)  # about 13 rows of distances at once
    real, generated = normals(100, 70, d=4, shift=0.5)
    found = feature_distances.neighbourhood_measures(real, generated)
    theirs = prc_features_to_metric(
        *map(torch.as_tensor, (generated, real)),
        prc_neighborhood=3,
        prc_batch_size=1000,
        save_cpu_ram=False,
        verbose=False,
    )
    assert {name: found[name] for name in ("precision", "recall")} == pytest.approx(
        {name: theirs[name] for name in ("precision", "recall")}, abs=1e-6
    )
    apart = feature_distances.precision_recall(real, generated) | feature_distances.density_coverage(real, generated)
    assert found == apart
    assert all(0.1 < value < 0.95 for value in found.values())


def test_distances_need_no_copy_of_the_features(monkeypatch):
    """Of float32 features one in float64 would take twice their memory; the blocks of distances are small here."""
    monkeypatch.setattr(prdc, "MEGABYTES", 0.25)
    real, generated = (part.astype(np.float32) for part in normals(2000, 2000, d=1000, shift=0.1))
    feature_distances.neighbourhood_measures(real[:50], generated[:50])  # loads what it needs
    tracemalloc.start()
    found = feature_distances.neighbourhood_measures(real, generated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < found["coverage"] <= 1
    assert peak < real.nbytes + generated.nbytes


def test_precision_and_recall_do_not_change_places():
    """A narrow generator has precision and no recall, a wide one the reverse; torch-fidelity has had both orders."""
    draw = np.random.default_rng(0)
    real = draw.normal(size=(300, 2))
    narrow = feature_distances.precision_recall(real, 0.2 * draw.normal(size=(300, 2)))
    wide = feature_distances.precision_recall(real, 5 * draw.normal(size=(300, 2)))
    assert narrow["precision"] > 0.95 > 0.3 > narrow["recall"]
    assert wide["recall"] > 0.9 > 0.3 > wide["precision"]


def test_precision_and_recall_by_hand_and_in_batches(monkeypatch):
    real = np.array([0.0, 1.0, 2.0, 3.0, 10.0])[:, None]  # balls to 3, 2, 2, 3 and 9
    generated = np.array([5.5, 6.5, 20.0, 30.0])[:, None]  # balls to 24.5, 23.5, 14.5, 24.5
    assert feature_distances.precision_recall(real, generated) == {"precision": 0.5, "recall": 1.0}
    monkeypatch.setattr(prdc, "MEGABYTES", 8e-5)  # two rows of distances
    assert feature_distances.precision_recall(real, generated) == {"precision": 0.5, "recall": 1.0}


@pytest.mark.parametrize(("n", "g"), [(200, 200), (150, 40)])
def test_density_and_coverage_of_equal_distributions_are_as_known(n, g):
    """Naeem et al. (2020), lemma 2 and its proof: 1, and 1 - (N-1)...(N-k) / ((N+G-1)...(N+G-k)).

    The mean of 30 draws; its standard error, taken from the draws, allows for three of these.
    """
    found = [feature_distances.density_coverage(*normals(n, g, seed=seed)) for seed in range(30)]
    steps = np.arange(1, 6)
    expected = {"density": 1, "coverage": 1 - np.prod((n - steps) / (n + g - steps))}
    for name, value in expected.items():
        values = np.array([each[name] for each in found])
        assert values.mean() == pytest.approx(value, abs=3 * values.std() / 30**0.5)
        assert values.std() < 0.15


def test_density_and_coverage_do_not_change_places():
    real, generated = np.arange(12.0)[:, None], np.concatenate([np.zeros(4), np.full(4, 50.0)])[:, None]
    assert feature_distances.density_coverage(real, generated)["coverage"] == pytest.approx(4 / 12)
    assert feature_distances.density_coverage(generated, real)["coverage"] == 1  # balls to 50 and more


@pytest.mark.parametrize(
    ("measure", "n"), [("precision_recall", 3), ("density_coverage", 5), ("frechet_line", 11), ("kernel_distance", 3)]
)
def test_too_few_images_are_an_error(measure, n):
    how = {"generator": rng()} if measure in ("frechet_line", "kernel_distance") else {}
    with pytest.raises(ValueError, match="or more rows, got"):
        getattr(feature_distances, measure)(*normals(n, n), **how)


# --- Frechet at infinity ---


def test_frechet_line_finds_its_way_to_the_true_distance():
    """Of N(0, 1) and N(1, 1) in ten dimensions the distance is 10; 300 images overstate it by about 0.1 to 0.3.

    Over 20 draws the mean of the line's end is nearer to 10 than that of the distance on all images is.
    """
    ends, whole = [], []
    for seed in range(20):
        real, generated = normals(20_000, 300, d=10, seed=seed, shift=1.0)
        line = feature_distances.frechet_line(real, generated, generator=rng())
        ends.append(line["value"])
        whole.append(line["points"][-1]["frechet"])
    assert np.mean(whole) - 10 > 0.08
    assert abs(np.mean(ends) - 10) < 0.5 * (np.mean(whole) - 10) + np.std(ends) / 20**0.5


def test_frechet_line_is_a_straight_line_through_its_points():
    real, generated = normals(500, 400, shift=0.2)
    line = feature_distances.frechet_line(real, generated, generator=rng())
    sizes = np.array([point["n"] for point in line["points"]])
    distances = np.array([point["frechet"] for point in line["points"]])
    np.testing.assert_array_equal(sizes, [100, 133, 167, 200, 233, 267, 300, 333, 367, 400])
    slope, end = np.polyfit(1 / sizes, distances, 1)
    assert (line["slope"], line["value"]) == pytest.approx((slope, end))
    residuals = distances - end - slope / sizes
    x = 1 / sizes - (1 / sizes).mean()
    error = (residuals**2).sum() / 8 * (1 / 10 + (1 / sizes).mean() ** 2 / (x**2).sum())
    assert line["standard_error"] == pytest.approx(error**0.5)
    assert distances[-1] == pytest.approx(feature_distances.frechet_distance(real, generated))


def test_the_line_s_points_are_means_over_sets_that_share_no_image():
    """Ten images apart from each other, in threes: three sets, and one image is left over."""
    real, generated = normals(30, 10, d=1)
    reference = feature_distances.Normal.of(real)
    found = feature_distances._mean_distance(reference, generated, 3)
    parts = [feature_distances.frechet_distance(real, generated[k : k + 3]) for k in (0, 3, 6)]
    assert found == pytest.approx(np.mean(parts)) and np.ptp(parts) > 0.01
    assert feature_distances._mean_distance(reference, generated, 9) == pytest.approx(
        feature_distances.frechet_distance(real, generated[:9])
    )
