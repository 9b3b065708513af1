"""How much RCA depends on the oracle: its value under every one of them, and how far they agree on generated images.

`overidentification` tests whether they can all be right.

Oracles differ in architecture, seed and training faces. Tables of predictions are those of `oracles.predictions`.
"""

import math
import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import block_diag, helmert
from scipy.stats import chi2, kendalltau
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import cohen_kappa_score

from kpop_rca import rca
from kpop_rca.oracles.predictions import ORACLE_COLUMNS, stacked_labels
from kpop_rca.rca import estimators

TOO_POOR = {
    "rca": "it recognises no real face",
    "chance_corrected": "it is no better than chance on real faces",
    "confusion_corrected_accuracy": "its confusion can't be inverted",
}
NO_AGREEMENT = {
    "kappa": "both predict one identity for all images",
    "tau_class_rca": "one of the two ranks nobody above another, or fewer than two have a class RCA under both",
}
LEAST_REPLICATES = 100  # in which all oracles have a value, for their covariance
ZERO = 1e-9  # a difference of estimates, or a standard deviation of it, that is rounding
RELATIVE_ZERO = 1e-9  # of the largest variance


def _counts(predictions: pd.DataFrame, n_classes: int) -> dict[str, np.ndarray]:
    """(K, K) confusion counts of every oracle, by its name."""
    parts = predictions.groupby("oracle", sort=False)
    return {name: rca.confusion_counts(part["label"], part["predicted"], n_classes) for name, part in parts}


@dataclass(frozen=True)
class HeadlineCounts:
    """Counts of the headline oracle, and of the S oracles that differ from it by their seed alone, itself included."""

    name: str
    real_counts: np.ndarray  # (K, K) on the test split, rows true
    generated_counts: np.ndarray  # (K, K), rows requested
    oracles: list[str]  # all S
    counts: tuple[np.ndarray, np.ndarray]  # theirs on the test split and on the generated images, (S, K, K) each
    replicates: dict[str, np.ndarray]  # `rca.bootstrap` with all of these, (2, B, S) or (2, B, S, K) each
    own_replicates: dict[str, np.ndarray]  # of the headline oracle, (2, B) or (2, B, K) each


def headline_counts(
    oracle: str,
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> HeadlineCounts:
    """Confusion counts and bootstrap replicates of the headline oracle and of the others of its kind.

    Args:
        oracle: name of the headline oracle.
        real_predictions: of all oracles on the test split, from `load_predictions`.
        generated_predictions: of all oracles on the generated images, from `predict_all`.
    """
    which = real_predictions[real_predictions["oracle"] == oracle].iloc[0]
    kind = {"architecture": which["architecture"], "trained_on": which["trained_on"]}
    alike = real_predictions[(real_predictions[list(kind)] == pd.Series(kind)).all(axis=1)]
    oracles = sorted(alike["oracle"].unique())
    sides = (real_predictions, generated_predictions)
    stacks = [stacked_labels(predictions, **kind) for predictions in sides]
    labels = [predictions.loc[predictions["oracle"] == oracle, "label"].to_numpy() for predictions in sides]
    parts = list(zip(labels, stacks, strict=True))
    real, generated = (
        np.stack([rca.confusion_counts(of, predicted, n_classes) for predicted in stack]) for of, stack in parts
    )
    replicates = rca.bootstrap(*parts, n_classes, n_replicates=n_replicates, generator=generator)
    own = oracles.index(oracle)
    return HeadlineCounts(
        name=oracle,
        real_counts=real[own],
        generated_counts=generated[own],
        oracles=oracles,
        counts=(real, generated),
        replicates=replicates,
        own_replicates={name: values[:, :, own] for name, values in replicates.items()},
    )


def rca_by_oracle(real_predictions: pd.DataFrame, generated_predictions: pd.DataFrame, n_classes: int) -> pd.DataFrame:
    """Global RCA under every oracle: each oracle's accuracy on generated images over its own on real ones.

    The tables are those of `load_predictions` and `predict_all`.

    Returns:
        One row per oracle: oracle, architecture, seed, trained_on, accuracy_real, accuracy_generated, rca, low and high
        (score interval), chance (RCA of a generator that ignores the class), chance_corrected,
        confusion_corrected_accuracy, and why: the reason where one of them is NaN, under an oracle too poor for it. The
        intervals are over images, each of one fixed oracle; they leave out how far the rows differ.

    Raises:
        ValueError: the two tables are not of the same oracles.
    """
    real, generated = _counts(real_predictions, n_classes), _counts(generated_predictions, n_classes)
    if real.keys() != generated.keys():
        raise ValueError(f"the real faces were classified by other oracles, {', '.join(real)}, than the generated ones")
    rows = []
    for row in real_predictions[ORACLE_COLUMNS].drop_duplicates().to_dict("records"):
        on_real, on_generated = real[row["oracle"]], generated[row["oracle"]]
        low, high = rca.ratio_interval(
            np.trace(on_generated), on_generated.sum(), np.trace(on_real), on_real.sum(), method="score"
        )
        row |= {"accuracy_real": rca.accuracy(on_real), "accuracy_generated": rca.accuracy(on_generated)}
        found = estimators.values(on_real, on_generated)
        row |= {"rca": float(found["rca"]), "low": low, "high": high}
        row["chance"] = rca.chance_rca(on_real) if np.trace(on_real) else math.nan
        rows.append(row | {name: float(found[name]) for name in ("chance_corrected", "confusion_corrected_accuracy")})
    return rca.with_reasons(pd.DataFrame(rows), TOO_POOR)


def effect_of_overlap(by_oracle: pd.DataFrame) -> pd.DataFrame:
    """How RCA changes with an oracle that was trained on the generator's training faces, seed by seed.

    difference = rca_seen - rca_apart, of two oracles with the same architecture, seed and number of faces

    Returns:
        One row per architecture and seed that was trained both ways: architecture, seed, rca_apart, rca_seen,
        difference.
    """
    wide = by_oracle.pivot(index=["architecture", "seed"], columns="trained_on", values="rca")
    wide = wide.reindex(columns=["oracle", "train"]).dropna()
    wide.columns = ["rca_apart", "rca_seen"]
    return wide.assign(difference=wide["rca_seen"] - wide["rca_apart"]).reset_index()


def _difference(one: pd.Series, other: pd.Series) -> str:
    """What two oracles differ in; their seeds may differ too, and if nothing else does, that is the difference."""
    names = {"architecture": "architecture", "trained_on": "training faces"}
    return " and ".join(name for key, name in names.items() if one[key] != other[key]) or "seed alone"


def _kappa(one: np.ndarray, other: np.ndarray, n_classes: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # one identity for all images by both: 0/0, NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(cohen_kappa_score(one, other, labels=np.arange(n_classes)))


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    """Over the classes with a value in both; NaN for fewer than two, or where one ranks none above another."""
    both = ~(np.isnan(one) | np.isnan(other))
    return float(kendalltau(one[both], other[both]).statistic) if both.sum() > 1 else math.nan


def pairwise(real_predictions: pd.DataFrame, generated_predictions: pd.DataFrame, n_classes: int) -> pd.DataFrame:
    """How far every two oracles agree on the generated images, and on which identities are generated well.

    kappa = (agreement - expected) / (1 - expected), expected of independent predictions with the same frequencies

    Returns:
        One row per pair: oracle, other, differ_in ("seed alone", "architecture", "training faces", "architecture and
        training faces"), agreement (fraction of the generated images with the same prediction), kappa (Cohen's),
        tau_class_rca (Kendall's tau-b of their class RCAs over the identities that have one under both), and why: the
        reason where one is NaN.

    Source: Cohen (1960), Kendall (1945), as scikit-learn's `cohen_kappa_score` and scipy's `kendalltau`.
    """
    real, generated = _counts(real_predictions, n_classes), _counts(generated_predictions, n_classes)
    class_rca = {name: rca.class_rca(real[name], generated[name])["rca"].to_numpy() for name in real}
    predicted = generated_predictions.pivot(index="image", columns="oracle", values="predicted")
    rows = []
    for (_, one), (_, other) in combinations(real_predictions[ORACLE_COLUMNS].drop_duplicates().iterrows(), 2):
        pair = [one["oracle"], other["oracle"]]
        first, second = (predicted[name].to_numpy() for name in pair)
        same = {"agreement": (first == second).mean(), "kappa": _kappa(first, second, n_classes)}
        row = {"oracle": pair[0], "other": pair[1], "differ_in": _difference(one, other)}
        rows.append(row | same | {"tau_class_rca": _tau(*(class_rca[name] for name in pair))})
    measured = ["agreement", "kappa", "tau_class_rca"]
    return rca.with_reasons(pd.DataFrame(rows, columns=["oracle", "other", "differ_in", *measured]), NO_AGREEMENT)


def by_difference(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean agreement, kappa and tau_class_rca of `pairwise`, and n_pairs, by what the oracles of a pair differ in.

    Less agreement across architectures than across seeds shows that the architecture matters. Where they agree as
    little across seeds, the training of one oracle is as uncertain as the choice of its architecture.
    """
    groups = pairs.groupby("differ_in", sort=False)
    means = groups[["agreement", "kappa", "tau_class_rca"]].mean()
    means.insert(0, "n_pairs", groups.size())
    return means.reset_index()


def about_oracles(pairs: pd.DataFrame, overlap: pd.DataFrame) -> list[str]:
    """In sentences, how often the oracles of `pairwise` agree, and what `effect_of_overlap` amounts to.

    >>> pairs = pd.DataFrame({"differ_in": ["seed alone"], "agreement": 0.634, "kappa": 0.591, "tau_class_rca": 0.536})
    >>> print(*about_oracles(pairs, pd.DataFrame({"difference": [-0.028, -0.012]})), sep=chr(10))
    Of oracles that differ in seed alone, two agree on 63 % of the images (kappa 0.59, tau of class RCA 0.54).
    RCA under oracles that saw the generator's training faces, less that under those that did not: -0.03 to -0.01.
    """
    said = [
        f"Of oracles that differ in {row.differ_in}, two agree on {100 * row.agreement:.0f} % of the images (kappa "
        f"{row.kappa:.2f}, tau of class RCA {row.tau_class_rca:.2f})."
        for row in by_difference(pairs).itertuples()
    ]
    if len(overlap):
        low, high = overlap["difference"].min(), overlap["difference"].max()
        saw = "RCA under oracles that saw the generator's training faces, less that under those that did not"
        said.append(f"{saw}: {low:.2f} to {high:.2f}.")
    return said


@dataclass(frozen=True)
class Overidentification:
    """Whether several oracles estimate one truth.

    Attributes:
        statistic: chi-squared; NaN without a test, infinite where oracles differ that never do in a resample.
        freedom: its degrees, S - 1, less one for each combination of oracles that resamples do not vary.
        p: of a spread this large if all estimate one truth; NaN without a test.
        agree: False if it is rejected at 5 %, None without a test. Oracles that err alike agree too.
        low, high: the smallest and the largest estimate, the range to be shown where `agree` is False.
        reason: why there is no test; else empty.
    """

    statistic: float
    freedom: int
    p: float
    agree: bool | None
    low: float
    high: float
    reason: str


def overidentification(estimates: ArrayLike, replicates: ArrayLike) -> Overidentification:
    """Whether the estimates of S oracles differ by more than the images' chance.

    chi2 = (H theta)^T (H V H^T)^+ (H theta),  H the S - 1 contrasts of S estimates theta, V their covariance

    The correction assumes that an oracle errs on a generated image of a person as it does on a photograph of the same
    one. If that holds for all, all estimate how often the requested person is shown, one truth for S estimates; if they
    spread more than sampling allows, it fails for one at least. It is the test of over-identifying restrictions.

    Args:
        estimates: float (S,), the same quantity under every oracle.
        replicates: float (S, B), from one bootstrap with common weights of the images, so that its covariance has what
            oracles have in common. A replicate in which one has no value is left out.

    Source: Sargan (1958) and Hansen (1982), the test, here by a bootstrapped covariance.

    >>> again = np.random.default_rng(0).normal(0, 0.02, (3, 5000))  # three oracles that err independently
    >>> found = overidentification([0.80, 0.82, 0.90], again)
    >>> f"{found.statistic:.0f}", found.freedom, found.agree  # 0.0056 / 0.02^2
    ('14', 2, False)
    >>> overidentification([0.80], again[:1]).reason
    'one oracle has nothing to agree with; score with two or more'
    """
    estimates, replicates = np.asarray(estimates, dtype=float), np.atleast_2d(np.asarray(replicates, dtype=float))
    given = np.isfinite(estimates)
    estimates = estimates[given]
    ends = (float(estimates.min()), float(estimates.max())) if given.any() else (math.nan, math.nan)

    def without(reason: str) -> Overidentification:
        return Overidentification(math.nan, 0, math.nan, None, *ends, reason)

    if len(estimates) < 2:
        return without("one oracle has nothing to agree with; score with two or more")
    together = replicates[given][:, np.isfinite(replicates[given]).all(axis=0)]
    if together.shape[1] < LEAST_REPLICATES:
        return without(f"the oracles have a value together in {together.shape[1]} resamples alone")
    return restrictions_test(estimates, np.cov(together))


def restrictions_test(
    estimates: np.ndarray, covariance: np.ndarray, *, zeros: np.ndarray | None = None
) -> Overidentification:
    """Whether S estimates are of one truth, and R other quantities 0, given the covariance of all, (S + R, S + R).

    Args:
        estimates: float (S,), two or more.
        zeros: float (R,), further quantities of which the assumption says that they are 0.

    Source: as for `overidentification`.
    """
    zeros, ends = np.zeros(0) if zeros is None else zeros, (float(estimates.min()), float(estimates.max()))
    contrasts = block_diag(helmert(len(estimates)), np.eye(len(zeros)))  # all but the mean, in which they can't differ
    variances, directions = np.linalg.eigh(contrasts @ np.atleast_2d(covariance) @ contrasts.T)
    apart = directions.T @ contrasts @ np.concatenate([estimates, zeros])
    varying = variances > max(RELATIVE_ZERO * variances.max(), ZERO**2)
    freedom = int(varying.sum())
    if (np.abs(apart[~varying]) > ZERO).any():
        return Overidentification(math.inf, freedom, 0.0, False, *ends, "")
    if not freedom:
        reason = "the oracles give one estimate in every resample; there is nothing to test"
        return Overidentification(math.nan, 0, math.nan, None, *ends, reason)
    statistic = float((apart[varying] ** 2 / variances[varying]).sum())
    p = float(chi2.sf(statistic, freedom))
    return Overidentification(statistic, freedom, p, p > 1 - rca.CONFIDENCE, *ends, "")
