"""Accuracy, RCA and confusion-corrected accuracy of generators, from cross-fitted predictions, with intervals.

From few photographs of a person the inverse of the oracle's confusion C is biased upward and noisy. So C, shrunk
towards that of an oracle which is right about everybody equally often and errs evenly, only gives each prediction a
score for each person, V = C^(-1). What the scores mean is measured on photographs that V was not estimated from: their
mean over the photographs of the person scored, S_1, and over those of the others, S_0. With S, their mean for the
requested person over the images with a face, and the fraction of these,

    confusion-corrected accuracy = fraction with a face * (S - S_0) / (S_1 - S_0).

With V = 1 this is RCA with its zero at chance; with the V of all photographs it is the mean diagonal of Q C^(-1). If
the person shown instead is anyone alike it is unbiased for every V. An image without a face is never right. Photographs
without one count on neither side: otherwise a useless photograph would lower the ceiling and raise every RCA.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammaln

from kpop_rca import rca
from kpop_rca.scoring.cross_fitting import NOBODY, CrossFitted

MEASURES = ("accuracy", "rca", "confusion_corrected_accuracy")
STRENGTHS = np.geomspace(0.5, 512, 11)  # how many photographs of each person the mean confusion may weigh as much as
LEAST_APART = 0.02  # S_1 - S_0 from which on a resample has a value
NOT_APART = "the oracle does not tell the people apart clearly enough on photographs"
NO_IMAGES = "no image was requested"


class Scores(NamedTuple):
    """What one oracle says of U photographs, near-duplicates taken together, and of M generated images."""

    person: np.ndarray  # int (U,)
    found: np.ndarray  # bool (M,), whether the image has a face
    photographs: np.ndarray  # float (U, K), score of the prediction for every person
    right_photographs: np.ndarray  # float (U,), fraction of the classifiers that are right
    images: np.ndarray  # float (M,), score of the prediction for the requested person; 0 without a face
    right_images: np.ndarray  # float (M,)
    of_predictions: np.ndarray  # float (K, K), mean score of every prediction for every person
    strength: float  # photographs of each person that the mean confusion weighs as much as


@dataclass(frozen=True)
class Estimates:
    """Estimates of every oracle and generator, with what else can be computed from them."""

    table: pd.DataFrame  # a row per oracle and generator
    by_person: pd.DataFrame  # a row per oracle, generator and person
    # By (measure, oracle, generator): float (2, B), at the low and at the high end, for `rca.intervals`. Photographs
    # have
    # the same weights for all, and images for all oracles; another generator's images have weights of their own.
    replicates: dict[tuple[str, str, str], np.ndarray]
    # By oracle: float (M,), of which the confusion-corrected accuracy of a generator is the mean over its images.
    contributions: dict[str, np.ndarray]


def _mean_confusion(counts: np.ndarray) -> np.ndarray:
    """Confusion of an oracle that is as often right, about everybody alike, and errs evenly, (..., K, K)."""
    n_people = counts.shape[-1]
    right = np.trace(counts, axis1=-2, axis2=-1) + 1  # one right and one wrong more, so that neither is impossible
    recall = (right / (counts.sum(axis=(-2, -1)) + 2))[..., None, None]
    return np.where(np.eye(n_people, dtype=bool), recall, (1 - recall) / (n_people - 1))


def shrinkage(counts: np.ndarray) -> float:
    """The one of STRENGTHS under which the counts of photographs are likeliest, Dirichlet-multinomial about their mean.

    Source: Good (1965), the prior of a contingency table from the table itself.

    >>> alike, unlike = np.array([[9, 1], [1, 9]]), np.array([[20, 0], [10, 10]])
    >>> bool(shrinkage(alike) > 100 > 10 > shrinkage(unlike))
    True
    """
    prior = _mean_confusion(counts) * STRENGTHS[:, None, None]
    total, of_prior = counts.sum(axis=-1), prior.sum(axis=-1)
    likelihood = (gammaln(counts + prior) - gammaln(prior)).sum(axis=(-2, -1))
    likelihood += (gammaln(of_prior) - gammaln(total + of_prior)).sum(axis=-1)
    return float(STRENGTHS[likelihood.argmax()])


def scores(fitted: CrossFitted, requested: np.ndarray) -> Scores:
    """Scores of each classifier from the photographs that the others held out, and those that it gives."""
    n_people = fitted.n_people
    used = fitted.held_out.any(axis=0)
    units, unit_of = np.unique(fitted.unit[used], return_inverse=True)
    out, predicted, person = fitted.held_out[:, used], fitted.predicted[:, used], fitted.person[used]
    weight = out / out.sum(axis=0) / np.bincount(unit_of)[unit_of]  # (F, N), a unit counts once

    def of_units(values: np.ndarray) -> np.ndarray:
        """Sums over the classifiers and photographs of a unit, from (F, N, ...)."""
        total = np.zeros((len(units), *values.shape[2:]))
        np.add.at(total, unit_of, values.sum(axis=0))
        return total

    answers = of_units(weight[:, :, None] * np.eye(n_people)[predicted])
    of_person = np.zeros((n_people, len(units)))
    of_person[person, unit_of] = 1
    held_units = np.stack([np.bincount(unit_of, without, minlength=len(units)) > 0 for without in out])
    counts = np.einsum("cu,fu,uk->fck", of_person, ~held_units, answers)
    strength = shrinkage(of_person @ answers)
    shrunk = counts + strength * _mean_confusion(counts)
    tables = np.linalg.inv(shrunk / shrunk.sum(axis=-1, keepdims=True))  # (F, K, K)
    classifier = np.arange(len(tables))[:, None]
    found, generated = fitted.generated[0] != NOBODY, fitted.generated
    return Scores(
        person=of_person.argmax(axis=0),
        found=found,
        photographs=of_units(weight[:, :, None] * tables[classifier, predicted]),
        right_photographs=of_units(weight * (predicted == person)),
        images=np.where(found, tables[classifier, generated, requested].mean(axis=0), 0.0),
        right_images=(generated == requested).mean(axis=0),
        of_predictions=tables.mean(axis=0),
        strength=strength,
    )


class _Side(NamedTuple):
    """Means over the photographs of each person under one oracle, or resamples of them: float (..., K) each."""

    own: np.ndarray  # score for this person, S_1
    others: np.ndarray  # score of the others' photographs for this person, S_0
    recall: np.ndarray


def _side(means: np.ndarray) -> _Side:
    """From mean scores for every person, and recall, (..., K, K + 1)."""
    own = np.diagonal(means, axis1=-2, axis2=-1)
    return _Side(own, (means[..., :-1].sum(axis=-2) - own) / (own.shape[-1] - 1), means[..., -1])


def _ratio(above: np.ndarray, apart: np.ndarray) -> np.ndarray:
    return np.where(apart > LEAST_APART, above / np.maximum(apart, LEAST_APART), np.nan)


def _means(outcomes: np.ndarray, person: np.ndarray, n_people: int) -> np.ndarray:
    """Of each person, float (K, P); 0 for a person without any."""
    total = np.zeros((n_people, outcomes.shape[1]))
    np.add.at(total, person, outcomes)
    return total / np.maximum(np.bincount(person, minlength=n_people), 1)[:, None]


def _measure(images: np.ndarray, side: _Side, weight: np.ndarray) -> dict[str, np.ndarray]:
    """MEASURES over persons of the given weights (K,).

    Args:
        images: float (..., K, 3): of the images requested of each person the fraction with a face, the mean score, and
            the fraction that is right.
    """
    found, scored, right = np.moveaxis(images, -1, 0)

    def over(values: np.ndarray) -> np.ndarray:
        return (values * weight).sum(axis=-1)

    return {
        "accuracy": over(right),
        "rca": _ratio(over(right), over(side.recall)),
        "confusion_corrected_accuracy": _ratio(over(scored - found * side.others), over(side.own - side.others)),
    }


def _melded(images: np.ndarray, side: _Side, weight: np.ndarray) -> dict[str, np.ndarray]:
    """MEASURES of resamples at their low and at their high end, (2, B), from (2, B, K, 3) and `side` of (2, B, K).

    Each falls as a generated image more is wrong; which way a photograph more takes it is tried.
    """
    found = _measure(images[:, None], _Side(*(of[None] for of in side)), weight)
    return {name: np.stack([of[0].min(axis=0), of[1].max(axis=0)]) for name, of in found.items()}


def _row(values: dict[str, float], replicates: dict[str, np.ndarray], n: int) -> dict[str, Any]:
    """MEASURES with their intervals, from n images, and the reason where one is missing.

    The interval of a fraction of n images is in [0, 1], and holds what 0 or n right ones of n would.
    """
    row, reason, least = {}, "", ((1 - rca.CONFIDENCE) / 2) ** (1 / n)
    for name in MEASURES:
        low, high = (float(end) for end in rca.intervals(replicates[name]))
        if name == "confusion_corrected_accuracy":
            low, high = float(np.clip(low, 0, least)), float(np.clip(high, 1 - least, 1))
        if np.isnan(low):
            reason = NOT_APART
        row |= {name: np.nan if np.isnan(low) else float(values[name]), f"{name}_low": low, f"{name}_high": high}
    return row | {"reason": reason}


class _Oracle:
    """One oracle: its scores, what photographs are given, and resamples of that."""

    def __init__(self, fitted: CrossFitted, requested: np.ndarray, *, n_replicates: int, seed: int) -> None:
        self.scores, self.requested, self.n_replicates, self.seed = (
            scores(fitted, requested),
            requested,
            n_replicates,
            seed,
        )
        person, table = self.scores.person, self.scores.of_predictions
        self.n_people, self.n_photographs = len(table), np.bincount(person)
        outcomes = np.column_stack([self.scores.photographs, self.scores.right_photographs])
        evenly = (1 - np.eye(self.n_people)) / (self.n_people - 1)
        # A photograph, of each person, that is predicted as anyone else alike, and one that is predicted right.
        self.ends = tuple(np.column_stack([at @ table, np.diag(at)]) for at in (evenly, np.eye(self.n_people)))
        # One photograph more in all, rather where one counts most; for an interval of each person, one of each.
        added = np.stack([1 / self.n_photographs / (1 / self.n_photographs).sum(), np.ones(self.n_people)])
        self.side = _side(_means(outcomes, person, self.n_people))
        self.drawn, drawn_of_each = map(_side, self._resampled(outcomes, person, self.ends, added, stream=0))
        self.of_each = self._shrunk(self.side, self.side), self._shrunk(drawn_of_each, self.drawn)

    def _resampled(
        self, outcomes: np.ndarray, person: np.ndarray, ends: tuple, added: np.ndarray, *, stream: int
    ) -> np.ndarray:
        generator = np.random.default_rng([self.seed, stream])
        how = {"ends": ends, "added": added, "n_replicates": self.n_replicates, "generator": generator}
        return rca.resampled_means(outcomes, person, self.n_people, **how)

    def _shrunk(self, side: _Side, whole: _Side) -> _Side:
        """For values of single people: scores shrunk towards their mean, as far as the confusion is."""
        weight = self.n_photographs / (self.n_photographs + self.scores.strength)
        return side._replace(own=weight * side.own + (1 - weight) * whole.own.mean(axis=-1, keepdims=True))

    def rate(self, own: np.ndarray, label: str) -> tuple[dict, list[dict], dict[str, np.ndarray], np.ndarray]:
        """A generator's row, its rows by person, replicates, and the contributions of its images, a mask (M,)."""
        requested, given = self.requested[own], self.scores
        outcomes = np.column_stack([given.found[own], given.images[own], given.right_images[own]])
        n = np.bincount(requested, minlength=self.n_people)
        weight, people = n / n.sum(), np.arange(self.n_people)
        ends = tuple(np.column_stack([np.ones(len(n)), end[people, people], end[:, -1]]) for end in self.ends)
        images = _means(outcomes, requested, len(n))
        added = np.stack([weight, np.ones(len(n))])
        drawn, drawn_of_each = self._resampled(outcomes, requested, ends, added, stream=zlib.crc32(label.encode()) + 1)
        values, replicates = _measure(images, self.side, weight), _melded(drawn, self.drawn, weight)
        failures = np.bincount(requested, ~given.found[own], minlength=len(n)).astype(int)
        row = {"n": int(n.sum()), "failures": int(failures.sum()), "accuracy_real": float(weight @ self.side.recall)}
        row |= _row(values, replicates, n.sum())

        each, one = self.of_each, np.ones(1)
        of_person = _measure(images[:, None], _Side(*(of[:, None] for of in each[0])), one)
        again = _melded(drawn_of_each[..., None, :], _Side(*(of[..., None] for of in each[1])), one)
        rows = []
        for who in people:
            about = {"n": int(n[who]), "failures": int(failures[who]), "n_photographs": int(self.n_photographs[who])}
            about["accuracy_real"] = float(self.side.recall[who])
            if n[who]:
                own_replicates = {name: of[..., who] for name, of in again.items()}
                about |= _row({name: of[who] for name, of in of_person.items()}, own_replicates, n[who])
            else:
                about["reason"] = NO_IMAGES
            rows.append(about)
        apart = weight @ (self.side.own - self.side.others)
        above = outcomes[:, 1] - outcomes[:, 0] * self.side.others[requested]
        return row, rows, replicates, _ratio(above, np.asarray(apart))


def estimate(
    fitted: dict[str, CrossFitted],
    requested: np.ndarray,
    generator: Sequence[str],
    people: Sequence[Any],
    *,
    n_replicates: int = 2000,
    seed: int = 0,
) -> Estimates:
    """MEASURES of every generator under every oracle, over all of its images and by person.

    Args:
        fitted: by oracle, of the same photographs and images.
        requested: int (M,), the person that each generated image claims to show.
        generator: (M,), whose image it is, or any other grouping of them; "" is left out.
        people: K names.
        n_replicates: B of the bootstrap.

    Returns:
        A `table` of oracle, generator, n, failures (images without a face, or with several; never right), accuracy_real
        (the ceiling: cross-fitted, the people weighted as they were requested), and each of MEASURES with its 95 %
        interval as *_low and *_high, and reason, which says why one is missing. The confusion-corrected accuracy may be
        beyond 0 and 1 by noise, its interval not. `by_person` has person and n_photographs (near-duplicates counted
        once) as well; what is missing is NaN.
    """
    label = np.asarray(generator)
    rows, by_person, replicates, contributions = [], [], {}, {}
    for name, of in fitted.items():
        oracle = _Oracle(of, requested, n_replicates=n_replicates, seed=seed)
        contributions[name] = np.full(len(label), np.nan)
        for which in np.unique(label[label != ""]):
            own = label == which
            row, of_people, again, contributions[name][own] = oracle.rate(own, str(which))
            about = {"oracle": name, "generator": str(which)}
            rows.append(about | row)
            by_person += [about | {"person": who} | one for who, one in zip(people, of_people, strict=True)]
            replicates |= {(measure, name, str(which)): values for measure, values in again.items()}
    return Estimates(pd.DataFrame(rows), pd.DataFrame(by_person), replicates, contributions)
