"""The kernel distance against its definition and torchmetrics."""

import warnings

import numpy as np
import pytest
import torch
from normal_features import normals, rng
from torchmetrics.image.kid import KernelInceptionDistance

from kpop_rca.image_metrics import kid


def test_kernel_distance_by_the_definition(monkeypatch):
    """On subsets of two images each, the unbiased estimate written out for every pair of subsets, and averaged."""
    monkeypatch.setattr(kid, "KERNEL_SUBSETS", 20_000)
    a, b = (
        np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]),
        np.array([[1.0, 2.0], [0.5, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    )

    def kernel(x, y):
        return (x @ y / 2 + 1) ** 3

    within = [np.mean([kernel(x[i], x[j]) for i in range(4) for j in range(4) if i != j]) for x in (a, b)]
    expected = sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b])
    mean, sd = kid.kernel_distance(a, b, generator=rng())
    assert mean == pytest.approx(expected, abs=4 * sd / 20_000**0.5)
    assert sd > 0.1


def test_kernel_distance_is_unbiased_and_seeded_and_leaves_the_seed_alone():
    """Of equal distributions its mean over many samples is 0, at few images as at many; that of Frechet is not."""
    before = torch.random.get_rng_state()
    found = [kid.kernel_distance(*normals(12, 12, seed=seed), generator=rng())[0] for seed in range(150)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 150**0.5
    sets = normals(40, 60, shift=1.0)
    first, again = (kid.kernel_distance(*sets, generator=rng()) for _ in range(2))
    assert first == again
    assert kid.kernel_distance(*sets, generator=np.random.default_rng(8)) != first
    assert first[0] > 5 * np.std(found)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_distance_is_that_of_torchmetrics(monkeypatch, dtype):
    """From all pairs and from the pairs of the subsets; in blocks of rows and columns, and with sets of two sizes."""
    monkeypatch.setattr(kid, "KERNEL_ROWS", 7)
    sets = [torch.as_tensor(part.astype(dtype)) for part in normals(40, 30, d=5, shift=0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it keeps all features
        network = torch.nn.Identity()
        network.num_features = 5
        metric = KernelInceptionDistance(network, subset_size=12)
    for part, real in zip(sets, (True, False), strict=True):
        metric.update(part.double(), real=real)
    torch.manual_seed(3)
    theirs = [value.item() for value in metric.compute()]
    for way in (kid._by_pairs, kid._by_subsets):
        torch.manual_seed(3)
        scores = way(*sets, 12)
        assert scores.dtype == torch.float64 and len(scores) == 100
        assert [scores.mean().item(), scores.std(unbiased=False).item()] == pytest.approx(theirs, rel=1e-10)
    assert min(theirs) > 0.01


def test_many_images_are_compared_by_subsets(monkeypatch):
    monkeypatch.setattr(kid, "KERNEL_SUBSETS", 3)
    monkeypatch.setattr(kid, "KERNEL_SUBSET_SIZE", 4)
    monkeypatch.setattr(kid, "_by_pairs", None)
    assert kid.kernel_distance(*normals(10, 10, shift=1.0), generator=rng())[0] > 0


def test_too_few_images_are_an_error():
    with pytest.raises(ValueError, match="or more rows, got"):
        kid.kernel_distance(*normals(3, 3), generator=rng())
