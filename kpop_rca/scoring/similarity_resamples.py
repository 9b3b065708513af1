"""The measures of `similarity` as functions of the weights of people and images, and their bootstraps.

Two bootstraps: of people, each with all that is theirs, and of images within each person. The first speaks of other
people. The variance of its weights is that of resampling people, times K / (K - 1) and the square of the ratio of
Student's quantile with K - 1 degrees of freedom to the normal one, since K people are few. Where people do not differ
at all it is too narrow, and the second counts. To a rate one more image is added, wrong for the low end and right for
the high one, as in `rca.resampled`: a rate of 1 gets an interval of some width.

A mean over pairs of images is resampled by its linear part: pairs that an image is in have its weight.
Source: Field and Welsh (2007), bootstraps of clusters; Rubin (1981), random weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm, t

from kpop_rca.rca import CONFIDENCE, intervals
from kpop_rca.scoring.verification import crossing

GRID = 192  # thresholds at which resampled rates are computed, lines between them
MOST_RESAMPLED = 50_000  # comparisons or scores in each resample
AT_ONCE = 50  # resamples of all images
OF_ONE_AT_ONCE = 250  # of one person's
IMAGES_AT_ONCE = 4096  # of which the rates above all thresholds are held at once
LEAST_SHAPE = 0.1  # of the weights of people, below which one of them has all the weight

Trials = tuple[np.ndarray, np.ndarray, np.ndarray]  # whose, with whom, similarity, (P,) each, sorted by the last


@dataclass(frozen=True)
class Resamples:
    """B resamples of the photographs."""

    people: np.ndarray | None  # (B, K) weights; None where images are resampled within each person
    false_matches: np.ndarray  # (B, G) fraction of non-mated comparisons above each threshold
    false_identifications: np.ndarray  # (B, G) fraction of scores with other people above each threshold
    ceiling: np.ndarray  # (B, K) mean score of a person's photographs with the person, each with the others
    floor: np.ndarray  # (B, K) mean score of a person's photographs with other people

    def part(self, some: slice) -> "Resamples":
        return Resamples(**{name: value if value is None else value[some] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Above:
    """For each of M images the fraction of its similarities above each of G thresholds; 0 without any.

    Counts are held, of a byte each as a rule, and the fractions of a block of images at a time.

    >>> found = Above.of(np.array([0.1, 0.5]), np.array([0, 0, 2]), np.array([0.3, 0.7, 0.5]), 3)
    >>> found.weighted(np.eye(3))
    array([[1. , 0.5],
           [0. , 0. ],
           [1. , 0. ]], dtype=float32)
    """

    counts: np.ndarray  # uint (M, G)
    n: np.ndarray  # int (M,), similarities

    @classmethod
    def of(cls, thresholds: np.ndarray, image: np.ndarray, similarity: np.ndarray, n_images: int) -> "Above":
        """Of P similarities (P,), each of an image (P,)."""
        n = np.bincount(image, minlength=n_images)
        counts = np.zeros((n_images, len(thresholds)), dtype=np.min_scalar_type(n.max(initial=0)))
        order = np.argsort(image, kind="stable")
        image, cell = image[order], np.searchsorted(thresholds, similarity[order], side="left")
        n_cells = len(thresholds) + 1
        for start in range(0, n_images, IMAGES_AT_ONCE):
            part = counts[start : start + IMAGES_AT_ONCE]
            own = slice(*np.searchsorted(image, [start, start + len(part)]))
            cells = (image[own] - start) * n_cells + cell[own]
            of_cells = np.bincount(cells, minlength=len(part) * n_cells).reshape(len(part), n_cells)
            part[:] = of_cells[:, ::-1].cumsum(axis=1)[:, -2::-1]
        return cls(counts, n)

    def weighted(self, weights: np.ndarray) -> np.ndarray:
        """Sums over the images under weights (B, M), float32 (B, G)."""
        total = np.zeros((len(weights), self.counts.shape[1]), dtype=np.float32)
        for start in range(0, len(self.n), IMAGES_AT_ONCE):
            block = slice(start, start + IMAGES_AT_ONCE)
            fractions = (self.counts[block] / np.maximum(self.n[block, None], 1)).astype(np.float32)
            total += weights[:, block].astype(np.float32) @ fractions
        return total


class Measured(NamedTuple):
    """What the measures need of M images, which request one of K people each."""

    person: np.ndarray  # (M,)
    counted: np.ndarray  # (M,) bool, in the denominators
    own: np.ndarray  # (M,) score with the requested person; NaN of a failed image
    rates: dict[str, np.ndarray]  # by measure (M,): 0 or 1
    accepted: Above  # of its mated comparisons
    matched: Above  # of its score, where it is recognised
    alike: np.ndarray  # (M,) mean comparison with the other images of the person, NaN without any

    def part(self, chosen: np.ndarray) -> "Measured":
        """That of the chosen images alone, bool (M,)."""
        return Measured(
            person=self.person[chosen],
            counted=self.counted[chosen],
            own=self.own[chosen],
            rates={name: values[chosen] for name, values in self.rates.items()},
            accepted=Above(self.accepted.counts[chosen], self.accepted.n[chosen]),
            matched=Above(self.matched.counts[chosen], self.matched.n[chosen]),
            alike=self.alike[chosen],
        )


def grid(values: np.ndarray) -> np.ndarray:
    """Thresholds (G,) from the median of sorted similarities to above all of them, as dense as the values in the tail.

    >>> grid(np.linspace(0, 1, 10001))[[0, -2, -1]].round(3)
    array([0.5, 1. , 1. ])
    """
    tails = np.geomspace(0.5, 1 / len(values), GRID - 1)
    return np.append(np.quantile(values, 1 - tails), np.nextafter(values[-1], np.inf))


def alike(unit: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Mean cosine of each image (M, D), of length 1, with the person's others, (M,); NaN for a failed or a single one.

    >>> alike(np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.6, 0.8]]), np.array([0, 0, 0, 1]))
    array([0.8, 0.8, 0.6, nan])
    """
    found, use = np.full(len(unit), np.nan), np.isfinite(unit[:, 0])
    unit, person = unit[use], person[use]
    sums, others = np.zeros((person.max(initial=0) + 1, unit.shape[1])), np.bincount(person)[person] - 1
    np.add.at(sums, person, unit)
    total = np.einsum("md,md->m", unit, sums[person]) - 1
    found[use] = np.divide(total, others, out=np.full(len(others), np.nan), where=others > 0)
    return found


def people_weights(n_people: int, n_replicates: int, *, generator: np.random.Generator) -> np.ndarray:
    """Weights (B, K) of people, with a mean of 1."""
    quantile = t.isf((1 - CONFIDENCE) / 2, n_people - 1) / norm.isf((1 - CONFIDENCE) / 2)
    shape = max((1 - 1 / n_people) / quantile**2, LEAST_SHAPE)
    weights = generator.standard_gamma(shape, size=(n_replicates, n_people))
    return weights / weights.mean(axis=1, keepdims=True)


def image_weights(person: np.ndarray, n_replicates: int, *, generator: np.random.Generator) -> np.ndarray:
    """Weights (B, M) of images, with a mean of 1 over those of each person."""
    members = np.eye(int(person.max()) + 1)[person]
    sizes = members.sum(axis=0)
    shapes = np.maximum(1 - 1 / sizes[person], 0.5)
    weights = generator.standard_gamma(shapes, size=(n_replicates, len(person)))
    return weights * (sizes / np.maximum(weights @ members, 1e-300))[:, person]


def of_photographs(
    measured: Measured,
    scores: np.ndarray,
    pairs: Trials,
    others: Trials,
    grids: tuple[np.ndarray, np.ndarray],
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> tuple[Resamples, list[Resamples]]:
    """The photographs as they are, B of 1, and their resamples by people and by images.

    Args:
        measured: of the photographs.
        scores: (N, K) theirs; NaN without an embedding.
        pairs: two photographs of two people and their comparison.
        others: a photograph, another person and the score.
        grids: of thresholds on comparisons and on scores.
    """
    n_people, n_images = scores.shape[1], len(scores)
    members = np.eye(n_people)[measured.person]
    strangers = np.where(members > 0, 0, scores)
    found = np.isfinite(strangers).all(axis=1)
    with_others = members[found].T @ strangers[found] / members[found].sum(axis=0)[:, None]
    floor_of = strangers.sum(axis=1) / (n_people - 1)

    def resampled(people: np.ndarray | None, images: np.ndarray) -> Resamples:
        everyone = np.ones((len(images), n_people)) if people is None else people
        floor = _within(images, floor_of, members)
        if people is not None:
            floor = (people @ with_others.T) / np.maximum(people.sum(axis=1, keepdims=True) - people, 1e-300)
        return Resamples(
            people=people,
            false_matches=_curves(grids[0], pairs, images, images),
            false_identifications=_curves(grids[1], others, images, everyone),
            ceiling=_within(images, measured.own, members, pairs=True),
            floor=floor,
        )

    weights = people_weights(n_people, n_replicates, generator=generator)
    by_people = resampled(weights, weights[:, measured.person])
    by_images = resampled(None, image_weights(measured.person, n_replicates, generator=generator))
    return resampled(None, np.ones((1, n_images))), [by_people, by_images]


def _within(weights: np.ndarray, values: np.ndarray, members: np.ndarray, *, pairs: bool = False) -> np.ndarray:
    """Weighted mean of values (M,) over each person's images, (B, K); NaN for a person without a value.

    Of values that are each image's mean over pairs, twice its departure from the mean as it is.
    """
    held = members * np.isfinite(values)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ (held * np.nan_to_num(values)[:, None])) / (weights @ held)
        plain = (held * np.nan_to_num(values)[:, None]).sum(axis=0) / held.sum(axis=0)
    return 2 * means - plain if pairs else means


def _curves(thresholds: np.ndarray, trials: Trials, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weighted fraction of the trials above each threshold, (B, G); a trial has the weights of its two sides."""
    some = np.linspace(0, len(trials[2]) - 1, min(len(trials[2]), MOST_RESAMPLED)).round().astype(int)
    one, two, similarity = (part[some] for part in trials)
    cells = np.searchsorted(thresholds, similarity, side="left")
    curves = np.empty((len(first), len(thresholds)))
    for b, (left, right) in enumerate(zip(first, second, strict=True)):
        counts = np.bincount(cells, weights=left[one] * right[two], minlength=len(thresholds) + 1)
        curves[b] = counts[::-1].cumsum()[-2::-1] / max(counts.sum(), 1e-300)
    return curves


def statistics(
    measured: Measured,
    resamples: Resamples,
    weights: np.ndarray,
    people: np.ndarray,
    more: np.ndarray,
    *,
    false_match_rates: dict[str, float],
    open_set: str,
) -> dict[str, np.ndarray]:
    """Every measure (2, B), at the low and at the high end, under weights of the images (B, M) and people (B, K).

    Args:
        more: (B,) weight of one more image; 0 gives the measure itself at both ends.
        false_match_rates: by the measure that is read at it; `open_set` is the one of scores.
    """
    n_people = resamples.ceiling.shape[1]
    members = np.eye(n_people)[measured.person] * measured.counted[:, None]
    total = (weights @ measured.counted + more)[:, None]

    def rate(right: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.stack([right, right + more[:, None]]) / total

    # Images that are not counted have zeros.
    found = {name: rate(weights @ np.nan_to_num(of)[:, None])[..., 0] for name, of in measured.rates.items()}
    accepted, matched = (rate(of.weighted(weights)) for of in (measured.accepted, measured.matched))
    for name, level in false_match_rates.items():
        curves = (resamples.false_identifications, matched) if name == open_set else (resamples.false_matches, accepted)
        found[name] = np.stack([_at(curves[0], level, curve) for curve in curves[1]])
    errors = crossing(np.broadcast_to(resamples.false_matches, accepted.shape), 1 - accepted)
    found["equal_error_rate"] = np.sort(errors, axis=0)
    room = resamples.ceiling - resamples.floor
    apart = np.isfinite(room)
    usable = members * apart.all(axis=0)
    above_floor = weights @ (usable * np.nan_to_num(measured.own)[:, None])
    above_floor -= resamples.floor * (weights @ (usable * np.isfinite(measured.own)[:, None]))
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = above_floor.sum(axis=1) / (np.where(apart, room, 0) * (weights @ usable)).sum(axis=1)
        distance = 1 - _within(weights, measured.alike, members, pairs=True)
        real = 1 - resamples.ceiling
        both = np.isfinite(distance) & np.isfinite(real)
        distance, real = ((people * np.where(both, of, 0)).sum(axis=1) for of in (distance, real))
        found |= {
            "similarity_fraction": np.stack([fraction] * 2),
            "diversity_fraction": np.stack([distance / real] * 2),
        }
    return found


def _at(falling: np.ndarray, level: float, curve: np.ndarray) -> np.ndarray:
    """A curve (B, G) where another one falls to a level, (B,)."""
    after = np.maximum((falling <= level).argmax(axis=1), 1)[:, None]
    high, low = (np.take_along_axis(falling, after - k, axis=1) for k in (1, 0))
    one, two = (np.take_along_axis(curve, after - k, axis=1) for k in (1, 0))
    along = np.clip(np.divide(high - level, high - low, out=np.ones_like(high), where=high > low), 0, 1)
    return (one + along * (two - one))[:, 0]


def limits(
    measured: Measured,
    resampled: list[Resamples],
    *,
    generator: np.random.Generator,
    at_once: int = AT_ONCE,
    **how: Any,
) -> dict[str, tuple[float, float]]:
    """95 % interval of every measure: the wider, at each end, of those of the resamples; for the rest see `statistics`.

    NaN where a measure has no value in too many of them.
    """
    ends = []
    for resamples in resampled:
        parts = list(_replicates(measured, resamples, at_once, generator=generator, **how))
        together = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
        ends.append({name: intervals(values) for name, values in together.items()})
    return {name: (float(min(of[name][0] for of in ends)), float(max(of[name][1] for of in ends))) for name in ends[0]}


def _replicates(
    measured: Measured, resamples: Resamples, at_once: int, *, generator: np.random.Generator, **how: Any
) -> Iterator[dict[str, np.ndarray]]:
    """`statistics` of random weights, some resamples at a time."""
    for start in range(0, len(resamples.ceiling), at_once):
        part = resamples.part(slice(start, start + at_once))
        n, n_people = part.ceiling.shape
        if part.people is None:
            people, weights = np.ones((n, n_people)), image_weights(measured.person, n, generator=generator)
        else:
            people, weights = part.people, part.people[:, measured.person]
        yield statistics(measured, part, weights, people, generator.standard_gamma(1.0, size=n), **how)
