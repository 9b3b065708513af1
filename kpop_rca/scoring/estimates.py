"""Accuracy, RCA and confusion-corrected accuracy of generators, from cross-fitted predictions, with intervals.

From few photographs of a person the inverse of the oracle's confusion C is biased upward and noisy. So C, as it is
expected from the training photographs, only gives each prediction a score for each person, V, about C^(-1). What the
scores mean is measured on held-out photographs: their mean over those of the person scored, S_1, and over those of the
others, S_0. With S, their mean for the requested person over the images with a face, and the fraction of these,

    confusion-corrected accuracy = fraction with a face * (S - S_0) / (S_1 - S_0).

With V = 1 this is RCA with its zero at chance; with C^(-1) of the held-out photographs it is the mean diagonal of
Q C^(-1). If the person shown instead is anyone alike, both S_1 and S_0 are right for every V; for look-alikes V has to
be about C^(-1). The classifiers are those of the photographs and of the images alike, so that both are samples that
they never saw, and the intervals those of a ratio of their means.

Few photographs and an oracle that errs leave wide intervals at the edges, mostly since a fraction of few photographs is
uncertain. Of 100 photographs and 400 images, with .72 of both right, the score interval of the ratio, cut at 1, is on
average 1.31 times as wide as that of the images' fraction; were the accuracy on photographs known, .74 times. Here it
is 1.34 times at a truth of 1 on LFW, and 1.67 on avatars (`reports/scoring-lfw`, five photographs of 20 people). Nor do
five photographs tell look-alikes from anyone alike: a generator that always shows a look-alike is scored .03 too high.

An image without a face is never right. Photographs without one count on neither side: otherwise a useless photograph
would lower the ceiling, and raise every RCA.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from kpop_rca import rca
from kpop_rca.scoring.cross_fitting import NOBODY, POOLED, CrossFitted
from kpop_rca.system import seeds

MEASURES = ("accuracy", "rca", "confusion_corrected_accuracy")
MOST_ERRORS = 0.6  # of a person, and of those by chance 0.9, so that no two seem to have changed places
IMAGES_PER_PHOTOGRAPH = 10  # that the mean is over, for the weight of noise against bias in the scores
LEAST_APART = 0.02  # S_1 - S_0 from which on a resample has a value
MOST_UNDEFINED = 0.2  # fraction of resamples without a value
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


@dataclass(frozen=True)
class Estimates:
    """Estimates of every generator under every oracle, with what else can be computed from them."""

    # oracle, generator, person ("" for all), measure (images, failures: those without a face; MEASURES), value,
    # low, high (95 %), reason why one is missing. By person the photographs' scores are shrunk towards their mean.
    measures: pd.DataFrame
    oracles: pd.DataFrame  # oracle, photographs (near-duplicates once), accuracy, low, high: people weigh the same
    # By (measure, oracle, generator): float (2, B), at the low and at the high end, for `rca.intervals`. Photographs
    # have the same weights for all, images for all oracles; another generator's images have weights of their own.
    replicates: dict[tuple[str, str, str], np.ndarray]
    # By oracle: float (M,), of which the confusion-corrected accuracy of a generator is the mean over its images.
    contributions: dict[str, np.ndarray]


def _confusion(expected: np.ndarray | None, errors: float, shape: tuple[int, int, int]) -> np.ndarray:
    """What is `expected`, or anyone alike, with as many errors as there are, float (F, K, K) of the given shape."""
    others = np.broadcast_to(1 - np.eye(shape[-1]), shape)
    wrong = others if expected is None else expected * others
    wrong = wrong * (errors / wrong.sum(axis=-1).mean(axis=-1))[:, None, None]
    most = min(MOST_ERRORS, 0.9 * (1 - 1 / shape[-1]))
    wrong *= np.minimum(1, most / wrong.sum(axis=-1, keepdims=True))
    return wrong + np.eye(shape[-1]) * (1 - wrong.sum(axis=-1, keepdims=True))


def score_table(confusion: np.ndarray, n: float) -> np.ndarray:
    """Scores V of every prediction for every person, float (..., K, K), rows that sum to 1; C^(-1) for n → ∞.

    Those of a person minimise sum_j ((C v)_j - [j is the person])^2 + var_j(v) / n, with C v the mean score and var_j
    the variance of the scores of photographs of j: for an oracle that hardly tells two people apart they stay small.

        V = (C^T C + (diag(1^T C) - C^T C) / n)^(-1) C^T

    Source: Hoerl and Kennard (1970), with the noise of the scores as the ridge.

    >>> score_table(np.array([[0.75, 0.25], [0.25, 0.75]]), np.inf).round(9).tolist()
    [[1.5, -0.5], [-0.5, 1.5]]
    >>> score_table(np.array([[0.5, 0.5], [0.5, 0.5]]), 10).round(9).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    transposed = np.swapaxes(confusion, -1, -2)
    squared = transposed @ confusion
    noise = confusion.sum(axis=-2)[..., None] * np.eye(confusion.shape[-1]) - squared
    return np.linalg.solve(squared + noise / n, transposed)


def scores(fitted: CrossFitted, requested: np.ndarray) -> Scores:
    """What the predictions of every classifier score, by its own table of scores, on average over the classifiers."""
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

    person_of = np.zeros(len(units), dtype=int)
    person_of[unit_of] = person
    errors = (weight * (predicted != person)).sum()
    confusion = _confusion(fitted.expected, (errors + 1) / (len(units) + 2), (len(out), n_people, n_people))
    tables = score_table(confusion, IMAGES_PER_PHOTOGRAPH * len(units) / n_people)
    classifier = np.arange(len(tables))[:, None]
    found, generated = fitted.generated[0] != NOBODY, fitted.generated
    return Scores(
        person=person_of,
        found=found,
        photographs=of_units(weight[:, :, None] * tables[classifier, predicted]),
        right_photographs=of_units(weight * (predicted == person)),
        images=np.where(found, tables[classifier, generated, requested].mean(axis=0), 0.0),
        right_images=(generated == requested).mean(axis=0),
        of_predictions=tables.mean(axis=0),
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


def _measure(images: np.ndarray, side: _Side, weight: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """MEASURES over persons of the given weights (K,), or of each person, (..., K).

    Args:
        images: float (..., K, 3): of the images requested of each person the fraction with a face, the mean score, and
            the fraction that is right.
    """
    found, scored, right = np.moveaxis(images, -1, 0)

    def over(values: np.ndarray) -> np.ndarray:
        return values if weight is None else values @ weight

    return {
        "accuracy": over(right),
        "rca": _ratio(over(right), over(side.recall)),
        "confusion_corrected_accuracy": _ratio(over(scored - found * side.others), over(side.own - side.others)),
    }


def _melded(images: np.ndarray, side: _Side, weight: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """MEASURES of resamples at their low and at their high end, (2, B, ...), from (2, B, K, 3) and `side` of (2, B, K).

    Each falls as a generated image more is wrong; which way a photograph more takes it is tried.
    """
    found = _measure(images[:, None], _Side(*(of[None] for of in side)), weight)
    return {name: np.stack([of[0].min(axis=0), of[1].max(axis=0)]) for name, of in found.items()}


def _side_by_side(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(parts), axis=-1)


class _Photographs:
    """What photographs are given by S oracles, and resamples of that with the same weights for all of them."""

    def __init__(self, found: list[Scores], *, n_replicates: int, seed: int) -> None:
        person, n_people = found[0].person, len(found[0].of_predictions)
        self.n = np.bincount(person)
        # Scores and recall of one photograph more, of each person: predicted as anyone else alike, and right.
        predictions = (1 - np.eye(n_people)) / (n_people - 1), np.eye(n_people)
        self.ends = tuple(
            _side_by_side(_side_by_side([at @ of.of_predictions, np.diag(at)[:, None]]) for of in found)
            for at in predictions
        )
        outcomes = _side_by_side(_side_by_side([of.photographs, of.right_photographs[:, None]]) for of in found)
        # One photograph more in all, there where one counts most; for an interval of each person one of each.
        added = np.stack([1 / self.n / (1 / self.n).sum(), np.ones(n_people)])
        # Two photographs that are alike help each other to be predicted right, so that they are not quite independent:
        # with 5 of each of 20 people and n - 1, intervals at a truth of 0.9 covered it in 0.87 of 150 trials.
        how = {"ends": self.ends, "added": added, "n_replicates": n_replicates, "fewer": 2}
        how["generator"] = seeds.generator(seeds.Purpose.SCORED_PHOTOGRAPHS, seed)
        drawn = rca.resampled_means(outcomes, person, n_people, **how)
        self.sides, self.drawn, drawn_each = (
            [_side(part) for part in np.split(of, len(found), axis=-1)]
            for of in (_means(outcomes, person, n_people), *drawn)
        )
        self.each = [self._shrunk(*both) for both in zip(self.sides, self.sides, strict=True)]
        self.drawn_each = [self._shrunk(*both) for both in zip(drawn_each, self.drawn, strict=True)]

    def _shrunk(self, side: _Side, whole: _Side) -> _Side:
        """For values of single people: scores shrunk towards their mean as far as the confusion is."""
        weight = self.n / (self.n + POOLED)
        return side._replace(own=weight * side.own + (1 - weight) * whole.own.mean(axis=-1, keepdims=True))

    def accuracy(self, oracle: int) -> tuple[float, float, float]:
        """On photographs, with its interval."""
        low, high = rca.intervals(self.drawn[oracle].recall.mean(axis=-1))
        return float(self.sides[oracle].recall.mean()), float(low), float(high)


def _limits(replicates: dict[str, np.ndarray], n: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """95 % intervals of MEASURES, from n images.

    That of a fraction of n images is in [0, 1], and holds what 0 or n right ones of n would. A resample in which the
    oracle does not tell people apart leaves everything possible; with MOST_UNDEFINED of them there is no interval.
    """
    found = {name: rca.intervals(of) for name, of in replicates.items()}
    again = replicates["confusion_corrected_accuracy"]
    nothing = np.isnan(again).any(axis=0)
    low, high = rca.intervals(
        np.stack([np.where(nothing, end, of) for end, of in zip((-1.0, 2.0), again, strict=True)])
    )
    least = ((1 - rca.CONFIDENCE) / 2) ** (1 / np.maximum(n, 1))
    undefined = nothing.mean(axis=0) > MOST_UNDEFINED
    limits = (np.where(undefined, np.nan, end) for end in (np.clip(low, 0, least), np.clip(high, 1 - least, 1)))
    return found | {"confusion_corrected_accuracy": tuple(limits)}


def _rows(n: int, failures: int, found: dict[str, tuple[float, float, float]]) -> list[dict[str, Any]]:
    """A row per measure, from n images and value, low and high of each."""
    rows = [{"measure": name, "value": float(value)} for name, value in (("images", n), ("failures", failures))]
    for name, (value, low, high) in found.items():
        why = NO_IMAGES if not n else NOT_APART if np.isnan(value + low) else ""
        numbers = dict.fromkeys(("value", "low", "high"), np.nan) if why else {"value": value, "low": low, "high": high}
        rows.append({"measure": name, "reason": why} | {of: float(number) for of, number in numbers.items()})
    return rows


def _of_generator(
    photographs: _Photographs, found: list[Scores], own: np.ndarray, requested: np.ndarray, how: dict[str, Any]
) -> Iterator[tuple[dict[int, list[dict[str, Any]]], dict[str, np.ndarray], np.ndarray]]:
    """Under one oracle after another: rows by person (-1: all), replicates, and contributions of the images `own`."""
    requested, ones = requested[own], np.ones(len(photographs.n))
    n = np.bincount(requested, minlength=len(ones))
    failures = np.bincount(requested, ~found[0].found[own], minlength=len(ones))
    weight = n / n.sum()
    outcomes = _side_by_side(np.column_stack([of.found, of.images, of.right_images])[own] for of in found)
    ends = tuple(
        _side_by_side(np.column_stack([ones, np.diagonal(of), of[:, -1]]) for of in np.split(end, len(found), axis=1))
        for end in photographs.ends
    )
    drawn = rca.resampled_means(outcomes, requested, len(ones), ends=ends, added=np.stack([weight, ones]), **how)
    means = _means(outcomes, requested, len(ones))
    for oracle, (of_all, *resamples) in enumerate(
        zip(*(np.split(of, len(found), axis=-1) for of in (means, *drawn)), strict=True)
    ):
        side = photographs.sides[oracle]
        values, again = _measure(of_all, side, weight), _melded(resamples[0], photographs.drawn[oracle], weight)
        of_each = _measure(of_all, photographs.each[oracle]), _melded(resamples[1], photographs.drawn_each[oracle])
        limits, limits_each = _limits(again, n.sum()), _limits(of_each[1], n)
        rows = {-1: _rows(n.sum(), failures.sum(), {name: (values[name], *limits[name]) for name in MEASURES})}
        for who in range(len(n)):
            one = {name: (of_each[0][name][who], *(end[who] for end in limits_each[name])) for name in MEASURES}
            rows[who] = _rows(n[who], failures[who], one)
        scored = outcomes[:, 3 * oracle : 3 * oracle + 2]
        above = scored[:, 1] - scored[:, 0] * side.others[requested]
        yield rows, again, _ratio(above, weight @ (side.own - side.others))


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
        Values may be beyond 0 and 1 by noise, as the interval of the confusion-corrected accuracy may not.
    """
    label, found = np.asarray(generator), [scores(of, requested) for of in fitted.values()]
    photographs = _Photographs(found, n_replicates=n_replicates, seed=seed)
    rows, replicates, contributions = [], {}, {name: np.full(len(label), np.nan) for name in fitted}
    for which in map(str, np.unique(label[label != ""])):
        own = label == which
        stream = seeds.generator(seeds.Purpose.SCORED_IMAGES, seed, zlib.crc32(which.encode()))
        how = {"n_replicates": n_replicates, "generator": stream}
        for name, part in zip(fitted, _of_generator(photographs, found, own, requested, how), strict=True):
            by_person, again, contributions[name][own] = part
            for who, measured in by_person.items():
                about = {"oracle": name, "generator": which, "person": "" if who < 0 else people[who]}
                rows += [about | row for row in measured]
            replicates |= {(measure, name, which): values for measure, values in again.items()}
    oracles = [
        {"oracle": name, "photographs": int(photographs.n.sum())}
        | dict(zip(("accuracy", "low", "high"), photographs.accuracy(number), strict=True))
        for number, name in enumerate(fitted)
    ]
    columns = ["oracle", "generator", "person", "measure", "value", "low", "high", "reason"]
    measures = pd.DataFrame(rows, columns=columns).fillna({"reason": ""})
    return Estimates(measures, pd.DataFrame(oracles), replicates, contributions)
