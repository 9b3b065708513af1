"""Baselines of FID, KID, precision and recall, density and coverage, each alone and on the same stored features.

All of them are handed features in place of images, through their functions on features or, for torchmetrics, through a
network that returns what it is given: the pretrained Inception is no part of what is timed.
"""

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from IPython.utils.capture import capture_output
from torch import nn
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from kpop_rca.benchmarks.setting import Setting, warm_up_features
from kpop_rca.benchmarks.tasks import FID, KID, PR, PRDC
from kpop_rca.benchmarks.timing import Work
from kpop_rca.image_metrics.kid import KERNEL_SUBSET_SIZE, KERNEL_SUBSETS
from kpop_rca.image_metrics.prdc import DENSITY_NEIGHBOUR, PRECISION_NEIGHBOUR


def baseline(setting: Setting, *, call: Callable[[np.ndarray, np.ndarray], object]) -> Work:
    """One measure of one baseline on the setting's features, real ones first."""
    call(*warm_up_features())
    return Work(run=partial(call, *setting.features), items=1)


def _subset_size(real: np.ndarray, generated: np.ndarray) -> int:
    """As ours, so that the work is the same."""
    return min(KERNEL_SUBSET_SIZE, len(real) // 2, len(generated) // 2)


def _as_features(features: np.ndarray) -> nn.Module:
    """A network that returns the features which it is given."""
    network = nn.Identity()
    network.num_features = features.shape[1]
    return network


def _updated(metric: Metric, real: np.ndarray, generated: np.ndarray) -> object:
    for features, of_real in ((real, True), (generated, False)):
        metric.update(torch.as_tensor(features), real=of_real)
    return metric.compute()


def torchmetrics_fid(real: np.ndarray, generated: np.ndarray) -> object:
    return _updated(FrechetInceptionDistance(feature=_as_features(real)), real, generated)


def torchmetrics_kid(real: np.ndarray, generated: np.ndarray) -> object:
    size = _subset_size(real, generated)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it keeps all features
        metric = KernelInceptionDistance(_as_features(real), subsets=KERNEL_SUBSETS, subset_size=size)
    return _updated(metric, real, generated)


def torch_fidelity_fid(real: np.ndarray, generated: np.ndarray) -> object:
    statistics = [fid_features_to_statistics(torch.as_tensor(part)) for part in (real, generated)]
    return fid_statistics_to_metric(*statistics, verbose=False)


def torch_fidelity_kid(real: np.ndarray, generated: np.ndarray) -> object:
    size = _subset_size(real, generated)
    parts = map(torch.as_tensor, (generated, real))
    return kid_features_to_metric(*parts, kid_subsets=KERNEL_SUBSETS, kid_subset_size=size, verbose=False)


def torch_fidelity_pr(real: np.ndarray, generated: np.ndarray) -> object:
    parts = map(torch.as_tensor, (generated, real))
    return prc_features_to_metric(*parts, prc_neighborhood=PRECISION_NEIGHBOUR, verbose=False)


def clean_fid_fid(real: np.ndarray, generated: np.ndarray) -> object:
    from cleanfid.fid import fid_from_feats

    return fid_from_feats(real, generated)


def clean_fid_kid(real: np.ndarray, generated: np.ndarray) -> object:
    from cleanfid.fid import kernel_distance

    size = _subset_size(real, generated)
    return kernel_distance(real, generated, num_subsets=KERNEL_SUBSETS, max_subset_size=size)


def pytorch_fid_fid(real: np.ndarray, generated: np.ndarray) -> object:
    from pytorch_fid.fid_score import calculate_frechet_distance

    means = [part.mean(axis=0) for part in (real, generated)]
    covariances = [np.cov(part, rowvar=False) for part in (real, generated)]
    return calculate_frechet_distance(means[0], covariances[0], means[1], covariances[1])


def prdc_prdc(real: np.ndarray, generated: np.ndarray) -> object:
    from prdc import compute_prdc

    with capture_output():
        return compute_prdc(real_features=real, fake_features=generated, nearest_k=DENSITY_NEIGHBOUR)


# By measure, then by library. torch-fidelity has two of the four figures of PRDC.
BASELINES = {
    FID: {
        "pytorch-fid": pytorch_fid_fid,
        "clean-fid": clean_fid_fid,
        "torch-fidelity": torch_fidelity_fid,
        "torchmetrics": torchmetrics_fid,
    },
    KID: {"clean-fid": clean_fid_kid, "torch-fidelity": torch_fidelity_kid, "torchmetrics": torchmetrics_kid},
    PRDC: {"prdc": prdc_prdc},
    PR: {"torch-fidelity": torch_fidelity_pr},
}
