"""Our measures against other people's, on the same features: torch-fidelity, and numbers of prdc and clean-fid.

All compute in float64, so that only the order of sums and the way to a matrix's root differ. That is some 1e-12 of a
value, and 1e-8 where theirs takes the eigenvalues of a product that is not symmetric; 1e-5 is what is promised.
"""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from kpop_rca.image_metrics import frechet, inception, kid, prdc

RELATIVE = 1e-5


def waves(n, d, *, phase):
    """Features made by arithmetic, float64 (n, d), so that other people's numbers for them can be written down."""
    i, j = np.mgrid[:n, :d].astype(float)
    return np.sin(i * (j + 1) * 0.37 + j + phase) + ((i * 7919 + j * 104729 + i * j * 31) % 101) / 50 + phase / 4


@pytest.fixture(params=[(60, 45, 5), (30, 80, 40)], ids=["few features", "more features than images"])
def sets(request):
    n, m, d = request.param
    return waves(n, d, phase=0.0), waves(m, d, phase=1.0)


def test_fid_is_that_of_torch_fidelity(sets):
    statistics = [fid_features_to_statistics(torch.as_tensor(part)) for part in sets]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet.frechet_distance(*sets) == pytest.approx(theirs, rel=RELATIVE)


def test_kid_is_that_of_torch_fidelity(sets):
    """On all images at once, of which there is a single subset; the sets have one size for that."""
    size = min(map(len, sets))
    real, generated = (torch.as_tensor(part[:size]) for part in sets)
    theirs = kid_features_to_metric(real, generated, kid_subsets=1, kid_subset_size=size, verbose=False)
    for way in (kid._by_pairs, kid._by_subsets):
        ours = way(real, generated, size).mean().item()
        assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], rel=RELATIVE)


def test_inception_score_is_that_of_torch_fidelity(sets):
    for logits in sets:
        theirs = isc_features_to_metric(torch.as_tensor(logits), splits=1)["inception_score_mean"]
        assert inception.inception_score(logits) == pytest.approx(theirs, rel=RELATIVE)


def test_precision_and_recall_are_those_of_torch_fidelity(sets):
    """Exactly: both are counts over a number of images, which theirs divides in float32."""
    real, generated = sets
    theirs = prc_features_to_metric(
        torch.as_tensor(generated),
        torch.as_tensor(real),
        prc_neighborhood=3,
        prc_batch_size=1000,
        save_cpu_ram=False,
        verbose=False,
    )
    ours = prdc.neighbourhood_measures(real, generated, measures=["precision"])
    assert ours == pytest.approx({name: theirs[name] for name in ours}, rel=1e-6)


def test_neighbourhoods_are_those_of_prdc():
    """prdc 0.2 with three neighbours for precision and recall and with five for density and coverage."""
    found = prdc.neighbourhood_measures(waves(60, 5, phase=0.0), waves(45, 5, phase=1.0))
    theirs = {"precision": 0.9333333333333333, "recall": 1.0, "density": 1.1733333333333333, "coverage": 1.0}
    assert found == pytest.approx(theirs, rel=1e-12)


def test_distances_are_those_of_clean_fid():
    """clean-fid 0.1.35, which takes scipy's root of a matrix; its KID of 45 and 45 images."""
    real, generated = waves(60, 5, phase=0.0), waves(45, 5, phase=1.0)
    assert frechet.frechet_distance(real, generated) == pytest.approx(0.2882303426014481, rel=RELATIVE)
    whole = kid._by_pairs(torch.as_tensor(real[:45]), torch.as_tensor(generated), 45)
    assert whole.mean().item() == pytest.approx(1.154935704713954, rel=RELATIVE)
