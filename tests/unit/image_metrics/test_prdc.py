"""Precision, recall, density and coverage by hand, against torch-fidelity and known laws."""

import tracemalloc

import numpy as np
import pytest
import torch
from normal_features import normals
from torch_fidelity.metric_prc import prc_features_to_metric

from kpop_rca.image_metrics import prdc


def precision_recall(real, generated):
    return prdc.neighbourhood_measures(real, generated, measures=["precision"])


def density_coverage(real, generated):
    return prdc.neighbourhood_measures(real, generated, measures=["density"])


def test_precision_and_recall_are_those_of_torch_fidelity(monkeypatch):
    monkeypatch.setattr(prdc, "MEGABYTES", 0.01)  # about 13 rows of distances at once
    real, generated = normals(100, 70, d=4, shift=0.5)
    found = prdc.neighbourhood_measures(real, generated)
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
    apart = precision_recall(real, generated) | density_coverage(real, generated)
    assert found == apart
    assert all(0.1 < value < 0.95 for value in found.values())


def test_distances_need_no_copy_of_the_features(monkeypatch):
    """Of float32 features one in float64 would take twice their memory; the blocks of distances are small here."""
    monkeypatch.setattr(prdc, "MEGABYTES", 0.25)
    real, generated = (part.astype(np.float32) for part in normals(2000, 2000, d=1000, shift=0.1))
    prdc.neighbourhood_measures(real[:50], generated[:50])  # loads what it needs
    tracemalloc.start()
    found = prdc.neighbourhood_measures(real, generated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < found["coverage"] <= 1
    assert peak < real.nbytes + generated.nbytes


def test_precision_and_recall_do_not_change_places():
    """A narrow generator has precision and no recall, a wide one the reverse; torch-fidelity has had both orders."""
    draw = np.random.default_rng(0)
    real = draw.normal(size=(300, 2))
    narrow = precision_recall(real, 0.2 * draw.normal(size=(300, 2)))
    wide = precision_recall(real, 5 * draw.normal(size=(300, 2)))
    assert narrow["precision"] > 0.95 > 0.3 > narrow["recall"]
    assert wide["recall"] > 0.9 > 0.3 > wide["precision"]


def test_precision_and_recall_by_hand_and_in_batches(monkeypatch):
    real = np.array([0.0, 1.0, 2.0, 3.0, 10.0])[:, None]  # balls to 3, 2, 2, 3 and 9
    generated = np.array([5.5, 6.5, 20.0, 30.0])[:, None]  # balls to 24.5, 23.5, 14.5, 24.5
    assert precision_recall(real, generated) == {"precision": 0.5, "recall": 1.0}
    monkeypatch.setattr(prdc, "MEGABYTES", 8e-5)  # two rows of distances
    assert precision_recall(real, generated) == {"precision": 0.5, "recall": 1.0}


@pytest.mark.parametrize(("n", "g"), [(200, 200), (150, 40)])
def test_density_and_coverage_of_equal_distributions_are_as_known(n, g):
    """Naeem et al. (2020), lemma 2 and its proof: 1, and 1 - (N-1)...(N-k) / ((N+G-1)...(N+G-k)).

    The mean of 30 samples; its standard error, taken from the samples, allows for three of these.
    """
    found = [density_coverage(*normals(n, g, seed=seed)) for seed in range(30)]
    steps = np.arange(1, 6)
    expected = {"density": 1, "coverage": 1 - np.prod((n - steps) / (n + g - steps))}
    for name, value in expected.items():
        values = np.array([each[name] for each in found])
        assert values.mean() == pytest.approx(value, abs=3 * values.std() / 30**0.5)
        assert values.std() < 0.15


def test_density_and_coverage_do_not_change_places():
    real, generated = np.arange(12.0)[:, None], np.concatenate([np.zeros(4), np.full(4, 50.0)])[:, None]
    assert density_coverage(real, generated)["coverage"] == pytest.approx(4 / 12)
    assert density_coverage(generated, real)["coverage"] == 1  # balls to 50 and more


@pytest.mark.parametrize(("measure", "n"), [(precision_recall, 3), (density_coverage, 5)])
def test_too_few_images_are_an_error(measure, n):
    with pytest.raises(ValueError, match="need more rows, got"):
        measure(*normals(n, n))
