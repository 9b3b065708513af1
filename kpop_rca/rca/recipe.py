"""What a recipe would reach if its generator and its oracles were trained again: the mean RCA of trainings x oracles.

An interval over images is about these trained models. Here trainings and the seeds of the oracles are random and
crossed, since every oracle classifies the images of every training; architectures and identities are fixed.

    y_to = mu + alpha_a(o) + A_t + B_o + C_to,    A, B, C random, alpha_a fixed for each architecture a
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from kpop_rca.errors import StudyError
from kpop_rca.rca.ratio import CONFIDENCE

ROUNDING = 1e-18  # mean square of trainings that are equal


@dataclass(frozen=True)
class RecipeMean:
    """The mean RCA of a recipe.

    Attributes:
        value: mean over trainings and oracles.
        low, high: 95 % interval of the recipe's mean, for other trainings and other seeds of the oracles.
        df: its degrees of freedom, by Satterthwaite.
        next_low, next_high: 95 % prediction interval for the mean of one more training under these very oracles.
        training, oracle_seed, interaction, real_images: standard deviations of A, B, C, and of the part that the real
            test images give to all cells alike; estimates, 0 where the mean square is below that of the interaction.
    """

    value: float
    low: float
    high: float
    df: float
    next_low: float
    next_high: float
    training: float
    oracle_seed: float
    interaction: float
    real_images: float


def recipe_mean(rca: np.ndarray, architectures: Sequence[str], *, shared_variance: float = 0.0) -> RecipeMean:
    """The mean of a recipe over trainings and oracles, with intervals.

        v = (MS_T + max(MS_B - MS_C, 0)) / (T O) + w,    mean -+ t_df sqrt(v)
        df = v^2 / sum_k (c_k MS_k)^2 / df_k

    with the mean squares of trainings, of oracle seeds within architectures, and of their interaction, whose degrees
    of freedom are T - 1, A (S - 1) and their product, and w the variance that all cells share. The images that a
    training made are part of that training. One more training deviates by (1 + 1 / T) MS_T / O, which takes no part of
    the oracles'.

    Args:
        rca: (T, O), of the images of each of T trainings under each of O oracles.
        architectures: of the oracles, (O,), each equally often.
        shared_variance: of all cells together, over the real test images; see `shared_variance`.

    Raises:
        StudyError: one training, or an architecture with one oracle, or with another number than the others; a value
            is missing; or all trainings have the same, which would leave an interval of no width.

    Source: Searle, Casella and McCulloch (1992), "Variance Components", sections 4.5 and 4.7, for the two-way crossed
    design; Satterthwaite (1946) for df; Hillis (2007) for the same in studies of several readers, the bound at 0
    included.

    >>> found = recipe_mean(np.array([[0.6, 0.7], [0.7, 0.8], [0.8, 0.9]]), ["resnet10", "resnet10"])
    >>> print(f"{found.value:.2f}, trainings {found.training:.2f}, seeds {found.oracle_seed:.2f}")
    0.75, trainings 0.10, seeds 0.07
    """
    names, kind, seeds = np.unique(architectures, return_inverse=True, return_counts=True)
    n_trainings, n_oracles = rca.shape
    if n_trainings < 2 or seeds.min() < 2 or len(set(seeds)) > 1:
        there = ", ".join(f"{n} {name}" for name, n in zip(names, seeds, strict=True))
        raise StudyError(
            "the mean of a recipe needs two trainings or more, and of each architecture as many oracles as of the "
            f"others, two or more; here are {n_trainings} trainings and {there}"
        )
    if np.isnan(rca).any():
        raise StudyError("an RCA has no value under one of the oracles")
    ms_t, ms_b, ms_c = _mean_squares(rca, kind)
    if ms_t < ROUNDING:
        raise StudyError("all trainings have the same RCA, which does not tell how trainings vary")
    df_t, df_b = n_trainings - 1, n_oracles - len(names)
    value, excess = float(rca.mean()), max(ms_b - ms_c, 0.0)
    variance = (ms_t + excess) / rca.size + shared_variance
    estimated = ms_t**2 / df_t + ((ms_b**2 + ms_c**2 / df_t) / df_b if excess else 0.0)
    df = (variance * rca.size) ** 2 / estimated if estimated else math.inf
    tail = (1 - CONFIDENCE) / 2
    half = float(student.isf(tail, df)) * math.sqrt(variance)
    further = float(student.isf(tail, df_t)) * math.sqrt((1 + 1 / n_trainings) * ms_t / n_oracles)
    return RecipeMean(
        value,
        value - half,
        value + half,
        df,
        value - further,
        value + further,
        training=math.sqrt(max(ms_t - ms_c, 0.0) / n_oracles),
        oracle_seed=math.sqrt(excess / n_trainings),
        interaction=math.sqrt(ms_c),
        real_images=math.sqrt(shared_variance),
    )


def _mean_squares(rca: np.ndarray, kind: np.ndarray) -> tuple[float, float, float]:
    """Of trainings, of oracles within their kind, and of the interaction of both, from (T, O) and integers (O,)."""
    ms_t, ms_b, ms_c = (products.item() for products, _ in mean_products(rca[..., None], kind))
    return ms_t, ms_b, ms_c


def mean_products(cells: np.ndarray, kind: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Mean squares and products of K values that are measured together, each with its degrees of freedom.

    Args:
        cells: (T, O, K), of trainings and oracles.
        kind: int (O,), architectures of the oracles, from 0.

    Returns:
        Of trainings, of oracles within architectures, and of the interaction of both: (K, K), and T - 1, O - A and
        their product; zeros where there are no degrees of freedom.
    """
    n_trainings, n_oracles, _ = cells.shape
    of_kinds = np.stack([cells[:, kind == k].mean(axis=1) for k in np.unique(kind)], axis=1)  # (T, A, K)
    df_t, df_b = n_trainings - 1, n_oracles - of_kinds.shape[1]
    of_training = cells.mean(axis=1) - cells.mean(axis=(0, 1))
    of_oracle = cells.mean(axis=0) - of_kinds.mean(axis=0)[kind]
    of_both = (cells - of_kinds[:, kind] - of_oracle).reshape(n_trainings * n_oracles, -1)
    parts = ((n_oracles, of_training, df_t), (n_trainings, of_oracle, df_b), (1, of_both, df_t * df_b))
    return [(times * rows.T @ rows / max(df, 1), df) for times, rows, df in parts]


def shared_variance(replicates: np.ndarray) -> float:
    """The variance that oracles have in common, since they classify the same real images: their mean covariance.

    What an oracle has for itself is in the scatter of the oracles already.

    Args:
        replicates: (B, O), the mean over trainings under each oracle, with the real test images resampled, those that
            are near-duplicates of each other together.

    >>> common = np.array([[0.0], [1.0], [2.0]])
    >>> shared_variance(common + np.zeros((3, 4)))
    1.0
    """
    covariance = np.atleast_2d(np.cov(replicates, rowvar=False))
    n = len(covariance)
    return max(float((covariance.sum() - np.trace(covariance)) / (n * (n - 1))), 0.0) if n > 1 else 0.0
