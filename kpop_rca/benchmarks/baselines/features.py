"""Baselines of FID, KID, precision and recall, density and coverage, each alone and on the same stored features.

All of them are handed features in place of images, through their functions on features or, for torchmetrics, through a
network that returns what it is given: the pretrained Inception is no part of what is timed. Libraries that are not in
the project's lock are imported when they are called.
"""

from functools import partial
from importlib import import_module

import numpy as np
import torch
from torch import nn
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from kpop_rca.image_metrics.kid import KERNEL_SUBSETS, subset_size
from kpop_rca.image_metrics.prdc import DENSITY_NEIGHBOUR, PRECISION_NEIGHBOUR

FID, KID, PRDC = "FID", "KID", "PRDC"


def _of_torchmetrics(metric: type[Metric], real: np.ndarray, generated: np.ndarray, **arguments: int) -> object:
    network = nn.Identity()  # returns the features which it is given
    network.num_features = real.shape[1]
    measure = metric(feature=network, **arguments)
    measure.update(torch.as_tensor(real), real=True)
    measure.update(torch.as_tensor(generated), real=False)
    return measure.compute()


def torchmetrics_kid(real: np.ndarray, generated: np.ndarray) -> object:
    size = subset_size(real, generated)  # as ours, so that the work is the same
    return _of_torchmetrics(KernelInceptionDistance, real, generated, subsets=KERNEL_SUBSETS, subset_size=size)


def torch_fidelity_fid(real: np.ndarray, generated: np.ndarray) -> object:
    statistics = [fid_features_to_statistics(torch.as_tensor(part)) for part in (real, generated)]
    return fid_statistics_to_metric(*statistics, verbose=False)


def torch_fidelity_kid(real: np.ndarray, generated: np.ndarray) -> object:
    size = subset_size(real, generated)
    parts = map(torch.as_tensor, (generated, real))
    return kid_features_to_metric(*parts, kid_subsets=KERNEL_SUBSETS, kid_subset_size=size, verbose=False)


def torch_fidelity_pr(real: np.ndarray, generated: np.ndarray) -> object:
    parts = map(torch.as_tensor, (generated, real))
    return prc_features_to_metric(*parts, prc_neighborhood=PRECISION_NEIGHBOUR, verbose=False)


def clean_fid_fid(real: np.ndarray, generated: np.ndarray) -> object:
    return import_module("cleanfid.fid").fid_from_feats(real, generated)


def clean_fid_kid(real: np.ndarray, generated: np.ndarray) -> object:
    size = subset_size(real, generated)
    kernel_distance = import_module("cleanfid.fid").kernel_distance
    return kernel_distance(real, generated, num_subsets=KERNEL_SUBSETS, max_subset_size=size)


def pytorch_fid_fid(real: np.ndarray, generated: np.ndarray) -> object:
    moments = [moment for part in (real, generated) for moment in (part.mean(axis=0), np.cov(part, rowvar=False))]
    return import_module("pytorch_fid.fid_score").calculate_frechet_distance(*moments)


def prdc_prdc(real: np.ndarray, generated: np.ndarray) -> object:
    return import_module("prdc").compute_prdc(real, generated, nearest_k=DENSITY_NEIGHBOUR)


# torch-fidelity has two of the four figures of PRDC.
BASELINES = {
    f"{FID} by pytorch-fid": pytorch_fid_fid,
    f"{FID} by clean-fid": clean_fid_fid,
    f"{FID} by torch-fidelity": torch_fidelity_fid,
    f"{FID} by torchmetrics": partial(_of_torchmetrics, FrechetInceptionDistance),
    f"{KID} by clean-fid": clean_fid_kid,
    f"{KID} by torch-fidelity": torch_fidelity_kid,
    f"{KID} by torchmetrics": torchmetrics_kid,
    f"{PRDC} by prdc": prdc_prdc,
    "precision, recall by torch-fidelity": torch_fidelity_pr,
}
