"""Our numbers beside those of other programs, on the same features and images: how far apart they are."""

import numpy as np
import pandas as pd
import torch
from scipy.linalg import sqrtm
from sklearn.metrics import accuracy_score, f1_score

from kpop_rca.image_metrics.frechet import frechet_distance
from kpop_rca.image_metrics.full_reference import full_reference
from kpop_rca.image_metrics.inception import inception_score
from kpop_rca.image_metrics.kid import whole_kernel_distance
from kpop_rca.image_metrics.prdc import neighbourhood_measures
from kpop_rca.metric_panel import values
from kpop_rca.metric_panel.samples import Sample

PROMISED = 1e-5  # relative; where theirs computes in float32, 1e-4
SINGLE = 1e-4
# What else our numbers are held to, by tests/unit/image_metrics/test_parity.py: these are no part of the environment.
FROZEN = "prdc 0.2 (precision, recall, density, coverage) and clean-fid 0.1.35 (Fréchet and kernel distance) are not "
FROZEN += "run: tests hold ours to numbers that they once gave."


def parity(sample: Sample, real: Sample) -> pd.DataFrame:
    """What can be compared here, on the oracle's features and predictions of these very images.

    Returns:
        metric, reference (the other program), ours, theirs, difference (relative), tolerance, holds.
    """
    generated, reference = (part.by("oracle_features").astype(np.float64) for part in (sample, real))
    rows = [
        ("Fréchet distance", "scipy, root of a matrix", frechet_distance(reference, generated), PROMISED),
        ("Fréchet distance", "torch-fidelity", frechet_distance(reference, generated), PROMISED),
        ("kernel distance", "torch-fidelity", _kernel(reference, generated), PROMISED),
        ("Inception Score", "torch-fidelity", inception_score(generated), PROMISED),
        ("precision", "torch-fidelity", _neighbourhood(reference, generated)["precision"], PROMISED),
        ("recall", "torch-fidelity", _neighbourhood(reference, generated)["recall"], PROMISED),
        ("accuracy", "scikit-learn", float(np.mean(values.right(sample, real))), PROMISED),
        ("macro F1", "scikit-learn", values.macro_f1(sample, real), PROMISED),
    ]
    theirs = [
        _by_scipy(reference, generated),
        *_by_torch_fidelity(reference, generated),
        *_by_scikit_learn(sample),
    ]
    if sample.truth is not None:
        rows.append(("PSNR", "its formula in numpy", float(np.mean(_psnr(sample))), SINGLE))
        theirs.append(_psnr_by_numpy(sample))
    return table([(*row, other) for row, other in zip(rows, theirs, strict=True)])


def table(rows: list[tuple[str, str, float, float, float]]) -> pd.DataFrame:
    """Of rows metric, reference, ours, tolerance and theirs."""
    found = pd.DataFrame(rows, columns=["metric", "reference", "ours", "tolerance", "theirs"])
    scale = found["theirs"].abs().clip(lower=np.finfo(float).tiny)
    found["difference"] = (found["ours"] - found["theirs"]).abs() / scale
    found["holds"] = found["difference"] <= found["tolerance"]
    return found[["metric", "reference", "ours", "theirs", "difference", "tolerance", "holds"]]


def _kernel(real: np.ndarray, generated: np.ndarray) -> float:
    size = min(len(real), len(generated))  # torch-fidelity's subset holds as many of either
    return whole_kernel_distance(real[:size], generated[:size])


def _neighbourhood(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    return neighbourhood_measures(real, generated, measures=["precision"])


def _by_scipy(real: np.ndarray, generated: np.ndarray) -> float:
    """Heusel et al.'s formula as it stands."""
    covariances = [np.cov(part, rowvar=False) for part in (real, generated)]
    apart = real.mean(axis=0) - generated.mean(axis=0)
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(apart @ apart + np.trace(covariances[0] + covariances[1] - 2 * root))


def _by_torch_fidelity(real: np.ndarray, generated: np.ndarray) -> list[float]:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    sets, size = [torch.as_tensor(part) for part in (real, generated)], min(len(real), len(generated))
    quiet = {"verbose": False}
    fid = fid_statistics_to_metric(*(fid_features_to_statistics(part) for part in sets), **quiet)
    equal = [part[:size] for part in sets]
    kid = kid_features_to_metric(*equal, kid_subsets=1, kid_subset_size=size, **quiet)
    prc = prc_features_to_metric(*sets[::-1], prc_neighborhood=3, prc_batch_size=10_000, save_cpu_ram=False, **quiet)
    return [
        fid["frechet_inception_distance"],
        kid["kernel_inception_distance_mean"],
        isc_features_to_metric(sets[1], splits=1)["inception_score_mean"],
        prc["precision"],
        prc["recall"],
    ]


def _by_scikit_learn(sample: Sample) -> list[float]:
    predicted = sample.by("oracle").argmax(axis=1)
    every = range(sample.by("oracle").shape[1])
    f1 = f1_score(sample.labels, predicted, labels=every, average="macro", zero_division=0)
    return [accuracy_score(sample.labels, predicted), f1]


def _psnr(sample: Sample) -> np.ndarray:
    return full_reference(sample.images, sample.true_images)["psnr"].to_numpy()


def _psnr_by_numpy(sample: Sample) -> float:
    squares = (sample.images.astype(float) - sample.true_images) ** 2
    return float(np.mean(20 * np.log10(255) - 10 * np.log10(squares.mean(axis=(1, 2, 3)))))
