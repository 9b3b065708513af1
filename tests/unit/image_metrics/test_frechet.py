"""The Fréchet distance to a fitted normal distribution, whichever of its sizes is the smallest."""

import tracemalloc

import numpy as np
import pytest

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
