"""The assumption of confusion correction, that an oracle errs on generated images as on real ones, put to the test.

Two tests that can fail. *Over-identification*: several oracles that look at the same images must find one truth, and
disagree with each other as often as the identities on them explain. *Density*: the images must lie where the oracle's
features of real ones do. Neither can prove the assumption: oracles may err alike, and in the midst of real features.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist

from kpop_rca import rca
from kpop_rca.degradations import blurred, noised
from kpop_rca.image_metrics.prdc import neighbourhood_measures
from kpop_rca.oracles import training
from kpop_rca.oracles.agreement import Overidentification, restrictions_test
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.rca import estimators
from kpop_rca.rca.counts import row_fractions

NOT_INVERTIBLE = "no oracle's confusion on real faces can be inverted"
MISLEADING = 0.05  # error of a confusion-corrected accuracy that is too large to be let pass
# Density at or below which correction misled by more than that: what section 5 of 07 finds on the avatars of quick,
# rounded up to two digits.
DENSITY_LIMIT = 0.85
# Degradations that generated images may seem to have: pixels of blur, grey levels of noise; 0 for none.
MATCHED = (("blur", 0.0), ("blur", 0.5), ("blur", 0.75), ("blur", 1.0), ("noise", 10.0), ("noise", 20.0))
MOST_MATCHED = 400  # real images, of which each of these is tried
MOST_COMPARED = 700  # features of each side in an energy distance, whose cost is their product


class Seen(NamedTuple):
    """What S oracles predict for n images, and the identities that these show, or were requested."""

    labels: np.ndarray  # int (n,)
    predicted: np.ndarray  # int (S, n)
    bursts: np.ndarray | None = None  # int (n,), near-duplicates have one number, -1 is alone; None: all are

    def __getitem__(self, chosen: np.ndarray) -> "Seen":
        """Some of the images."""
        bursts = None if self.bursts is None else self.bursts[chosen]
        return Seen(self.labels[chosen], self.predicted[:, chosen], bursts)


def agreement_test(real: Seen, generated: Seen, n_classes: int) -> Overidentification:
    """Whether all oracles can be right about generated images: the test of over-identifying restrictions.

    If every oracle errs on them as on real ones, the S confusion-corrected accuracies theta_s are of one truth, and the
    fraction of pairs of oracles that agree on an image, a, follows from who is shown:

        D = 1/K sum_c (mean of a over the images requested of c - sum_k pi_c,k a_k) = 0,

    with a_k its mean on real images of k, and pi the mixtures, on average over the oracles. Blur makes oracles err each
    in its own way: they then agree less often than on any real image. The covariance is that of the linear terms of
    theta and D in the images, near-duplicates together. Oracles that can't be inverted are left out.

    Args:
        real: every identity with an image.
        generated: every identity with an image.

    Returns:
        With `low` and `high` the range of theta.

    Source: Sargan (1958), Hansen (1982); the covariance by the delta method, van der Vaart (1998), theorem 3.1.
    """
    counts = [rca.confusion_counts(real.labels, of, n_classes) for of in real.predicted]
    usable = [number for number, of in enumerate(counts) if estimators.usable(of)]
    if len(usable) < 2:
        ends = (float("nan"),) * 2
        return Overidentification(
            float("nan"), 0, float("nan"), None, *ends, "fewer than two oracles have a confusion that can be inverted"
        )
    sides = [side._replace(predicted=side.predicted[usable]) for side in (real, generated)]
    values, of_real, of_generated = _linearised(*sides, n_classes)
    of_real = _by_burst(of_real, real.bursts)
    covariance = of_real.T @ of_real + of_generated.T @ of_generated
    return restrictions_test(values[:-1], covariance, zeros=values[-1:])


def _linearised(real: Seen, generated: Seen, n_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """theta of every oracle and D, (S + 1,), and how far each image moves them, (n, S + 1) of either side."""
    together = [_pairs_that_agree(side.predicted) for side in (real, generated)]
    values, of_real, of_generated = [], [], []
    for on_real, on_generated in zip(real.predicted, generated.predicted, strict=True):
        sides = (real._replace(predicted=on_real), generated._replace(predicted=on_generated))
        value, moves_real, moves_generated = _of_oracle(*sides, *together, n_classes)
        values.append(value)
        of_real.append(moves_real)
        of_generated.append(moves_generated)

    def joined(parts: list[np.ndarray]) -> np.ndarray:
        """theta of each, and the mean of the D that the mixtures of each give."""
        stacked = np.stack(parts)  # (S, ..., 2)
        return np.concatenate([np.moveaxis(stacked[..., 0], 0, -1), stacked[..., 1].mean(axis=0)[..., None]], axis=-1)

    return joined(values), joined(of_real), joined(of_generated)


def _of_oracle(
    real: Seen, generated: Seen, together_real: np.ndarray, together_generated: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """theta and D of one oracle, (2,), and how far each image moves them, (n, 2) of either side."""
    real_fractions, generated_fractions = (
        row_fractions(rca.confusion_counts(side.labels, side.predicted, n_classes)) for side in (real, generated)
    )
    inverse = np.linalg.inv(real_fractions)
    mixtures = generated_fractions @ inverse  # (K, K), rows requested
    own = np.diag(mixtures)
    label, requested = real.labels, generated.labels
    agree_real = _means(together_real, label, n_classes)
    explained = inverse @ agree_real  # (K,), what a prediction says of how often oracles agree
    gap = _means(together_generated, requested, n_classes) - mixtures @ agree_real
    moves_generated = np.stack(
        [inverse[generated.predicted, requested] - own[requested],
         together_generated - explained[generated.predicted] - gap[requested]], axis=-1
    ) / (n_classes * np.bincount(requested, minlength=n_classes)[requested])[:, None]  # fmt: skip
    expected = (inverse[real.predicted] @ mixtures)[np.arange(len(label)), label]
    shown = mixtures.sum(axis=0)  # how often each identity is shown, over all conditions
    moves_real = np.stack(
        [own[label] - expected, shown[label] * (explained[real.predicted] - together_real)], axis=-1
    ) / (n_classes * np.bincount(label, minlength=n_classes)[label])[:, None]  # fmt: skip
    return np.array([own.mean(), gap.mean()]), moves_real, moves_generated


def _pairs_that_agree(predicted: np.ndarray) -> np.ndarray:
    """Of all pairs of oracles the fraction that predicts one identity, float (n,), from (S, n)."""
    n_oracles = len(predicted)
    same = (predicted[:, None] == predicted).sum(axis=(0, 1)) - n_oracles
    return same / (n_oracles * (n_oracles - 1))


def _means(values: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    return np.bincount(labels, values, minlength=n_classes) / np.bincount(labels, minlength=n_classes)


def _by_burst(moves: np.ndarray, bursts: np.ndarray | None) -> np.ndarray:
    """Sums over near-duplicates, which are no independent images."""
    if bursts is None:
        return moves
    _, number = np.unique(np.where(bursts < 0, -1 - np.arange(len(bursts)), bursts), return_inverse=True)
    total = np.zeros((number.max() + 1, moves.shape[1]))
    np.add.at(total, number, moves)
    return total


def feature_distances(
    real: np.ndarray, generated: np.ndarray, *, predicted: Sequence[np.ndarray], n_classes: int
) -> dict[str, float]:
    """How far generated images lie outside the oracle's features of real ones.

    Args:
        real, generated: float (n, D), features of one oracle.
        predicted: int (n,) of either side, its predictions.

    Returns:
        density and coverage (see `prdc.neighbourhood_measures`), which would be 1 and about 0.97, and energy, in
        [0, 1], which would be about 0, were the generated images real ones.

    Source: Naeem et al. (2020); Székely and Rizzo (2013), for the energy distance.
    """
    found = neighbourhood_measures(real, generated, measures=["density"])
    return found | {"energy": energy_distance(real, generated, predicted=predicted, n_classes=n_classes)}


def energy_distance(
    real: np.ndarray, generated: np.ndarray, *, predicted: Sequence[np.ndarray], n_classes: int
) -> float:
    """1 - (E|x - x'| + E|y - y'|) / 2 E|x - y|, of features x of real and y of generated images.

    Real images weigh as often as their prediction is made for generated ones, so that another mixture of people is no
    distance. The arguments are those of `feature_distances`. Not biased: it may be a little below 0.

    Source: Székely and Rizzo (2013), section 1, over twice the mean distance between the two sides.
    """
    frequency = [np.bincount(of, minlength=n_classes) / len(of) for of in predicted]
    weight = (frequency[1] / np.maximum(frequency[0], 1 / len(real)))[predicted[0]]
    chosen = [np.linspace(0, len(side) - 1, min(len(side), MOST_COMPARED)).astype(int) for side in (real, generated)]
    x, y, w = real[chosen[0]], generated[chosen[1]], weight[chosen[0]]
    if not w.any():
        return 1.0  # no real image is predicted as any of these
    w = w / w.sum()
    between, within_x, within_y = (w @ cdist(x, y)).mean(), w @ cdist(x, x) @ w, cdist(y, y).mean()
    # Without a point's distance to itself, which is 0.
    apart = within_x / max(1 - w @ w, 1 / len(x)) + within_y / (1 - 1 / max(len(y), 2))
    return float(1 - apart / (2 * between)) if between else 0.0


def seen_by_all(predictions: pd.DataFrame, oracles: Sequence[str], bursts: np.ndarray | None = None) -> Seen:
    """What oracles predict, from the long table of `load_predictions` or `predict_all`."""
    own = predictions[predictions["oracle"].isin(oracles)]
    wide = own.pivot(index="image", columns="oracle", values="predicted")[list(oracles)]
    labels = own.drop_duplicates("image").sort_values("image")["label"].to_numpy()
    return Seen(labels, wide.to_numpy(dtype=np.int64).T, bursts)


def assumption_summary(
    folder: Path,
    real_predictions: pd.DataFrame,
    generated_predictions: pd.DataFrame,
    images: tuple[np.ndarray, np.ndarray],
    bursts: np.ndarray,
    *,
    headline: str,
    device: torch.device,
) -> dict[str, Any]:
    """The part `assumption` of `metrics.json`: both tests, and where one rejects, bounds in place of one number.

    Args:
        folder: of the trained oracles; those that saw the same kind of faces as the headline oracle take part.
        real_predictions, generated_predictions: from `load_predictions` and `predict_all`.
        images: real test images and generated ones, uint8 (n, H, W, 3).
        bursts: int (n,), of the test images.

    Returns:
        agreement (oracles, statistic, freedom, p, agree), density (oracle, density, coverage, energy, limit, within),
        rejected_by (names of the tests), and bounds: None, or over_oracles, matched (kind, level and over_oracles, with
        the confusion on real images degraded as the generated ones seem to be) and all, [low, high] each.
    """
    kind = real_predictions.loc[real_predictions["oracle"] == headline, "trained_on"].iloc[0]
    oracles = real_predictions.loc[real_predictions["trained_on"] == kind, "oracle"].unique().tolist()
    real, generated = (seen_by_all(of, oracles) for of in (real_predictions, generated_predictions))
    real, n_classes = real._replace(bursts=bursts), int(real.labels.max()) + 1
    agreed = agreement_test(real, generated, n_classes)
    oracle = training.load_oracle(folder / headline, device)
    found = [training.predict(oracle, of) for of in images]
    (predicted_real, of_real), (predicted_generated, of_generated) = ((p.argmax(1), f) for p, f in found)
    both = (predicted_real, predicted_generated)
    distances = feature_distances(of_real, of_generated, predicted=both, n_classes=n_classes)
    within = distances["density"] > DENSITY_LIMIT
    rejected = [name for name, failed in (("agreement", agreed.agree is False), ("density", not within)) if failed]
    summary = {
        "agreement": {"oracles": oracles} | _finite(statistic=agreed.statistic, p=agreed.p)
        | {"freedom": agreed.freedom, "agree": agreed.agree, "why": agreed.reason},
        "density": {"oracle": headline} | distances | {"limit": DENSITY_LIMIT, "within": within},
        "rejected_by": rejected,
        "bounds": None,
    }  # fmt: skip
    if rejected:
        how = {"oracle": oracle, "generated": (of_generated, predicted_generated), "n_classes": n_classes}
        matched = _degradation_like(images[0], **how)
        summary["bounds"] = _bounds(folder, real, generated, images[0], matched, oracles=oracles, device=device)
    return summary


def _finite(**numbers: float) -> dict[str, float | None]:
    return {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}


def _degraded(images: np.ndarray, kind: str, level: float) -> np.ndarray:
    """As every call with the same images degrades them."""
    generator = np.random.default_rng(len(images))  # noise that is only compared with itself
    return blurred(images, level) if kind == "blur" else noised(images, level, generator=generator)


def _degradation_like(
    images: np.ndarray, *, oracle: SmallImageResNet, generated: tuple[np.ndarray, np.ndarray], n_classes: int
) -> tuple[str, float]:
    """Of MATCHED, the degradation of real images whose features lie nearest to generated ones, in energy distance."""
    some = images[:: max(1, len(images) // MOST_MATCHED)]
    distance = {}
    for kind, level in MATCHED:
        probabilities, features = training.predict(oracle, _degraded(some, kind, level))
        both = (probabilities.argmax(1), generated[1])
        distance[kind, level] = energy_distance(features, generated[0], predicted=both, n_classes=n_classes)
    return min(distance, key=distance.get)


def _bounds(
    folder: Path,
    real: Seen,
    generated: Seen,
    images: np.ndarray,
    matched: tuple[str, float],
    *,
    oracles: list[str],
    device: torch.device,
) -> dict[str, Any]:
    """The range of confusion-corrected accuracies over oracles, and with the confusion on images degraded alike."""
    seen = real.predicted
    if matched[1]:
        degraded = _degraded(images, *matched)
        loaded = (training.load_oracle(folder / name, device) for name in oracles)
        seen = np.stack([training.predict(oracle, degraded)[0].argmax(1) for oracle in loaded])
    ranges = [_range_of(real._replace(predicted=of), generated) for of in (real.predicted, seen)]
    ends = [end for pair in ranges if pair for end in pair]
    whys = ["" if pair else NOT_INVERTIBLE for pair in ranges]
    about = {"kind": matched[0], "level": matched[1], "over_oracles": ranges[1], "why": whys[1]}
    whole = [min(ends), max(ends)] if ends else None
    return {"over_oracles": ranges[0], "matched": about, "all": whole, "why": whys[0]}


def _range_of(real: Seen, generated: Seen) -> list[float] | None:
    """Lowest and highest confusion-corrected accuracy over the oracles that can be inverted, cut to [0, 1]."""
    n_classes, values = int(real.labels.max()) + 1, []
    for on_real, on_generated in zip(real.predicted, generated.predicted, strict=True):
        tables = (
            rca.confusion_counts(real.labels, on_real, n_classes),
            rca.confusion_counts(generated.labels, on_generated, n_classes),
        )
        values.append(float(estimators.values(*tables)["confusion_corrected_accuracy"]))
    known = np.clip([value for value in values if np.isfinite(value)], 0, 1)
    return [float(known.min()), float(known.max())] if len(known) else None
