"""Similarity of generated images with people's photographs, on embeddings: `calibrate` on photographs, then `measure`.

An image's *score* with a person is the mean of its comparisons (cosines, see `verification`) with the person's
photographs; of a photograph, itself and its near-duplicates are left out. A mean over n - 1 photographs has the
expectation of one over n, which the cosine with a centroid has not. An image without an embedding (no face found) never
matches, and stays in every denominator, as in the generalised rates of ISO/IEC 19795-1.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.scoring import similarity_resamples
from kpop_rca.scoring.cross_fitting import units
from kpop_rca.scoring.similarity_resamples import Above, Measured, Resamples, Trials
from kpop_rca.scoring.verification import (
    conformal_threshold,
    equal_error_rate,
    normalised,
    threshold_at,
    unsupported,
)

FALSE_ACCEPT_RATES = (0.01, 0.001)
COPY_RATE = 0.01  # of distinct photographs that may be flagged as copies
MOST_COMPARISONS = 2_000_000  # non-mated ones that a threshold is read from
AT_ONCE = 4096  # images compared with all photographs in one block

OPEN_SET = "open_set_match_rate"
EQUAL_ERROR_RATE = "equal_error_rate"
TAR = {rate: f"tar_at_far_{rate:g}" for rate in FALSE_ACCEPT_RATES}
MEASURES = {
    "rank_1": "rank-1 identification rate",
    **{name: f"true accept rate at a false accept rate of {rate:.1%}" for rate, name in TAR.items()},
    EQUAL_ERROR_RATE: "equal error rate",
    OPEN_SET: "open-set match rate",
    "similarity_fraction": "mated similarity: 0 as of strangers, 1 as of real photographs",
    "diversity_fraction": "diversity within a person: 1 as of real photographs",
    "copy_rate": "fraction of copies of the photographs",
}
NO_VALUE = {
    "similarity_fraction": "nobody who is requested has two photographs that are no near-duplicates",
    "diversity_fraction": "nobody has two generated images with a face, and two photographs",
}
NO_VALUE_OF_ONE = dict.fromkeys(MEASURES, "no image that can be compared") | {
    "similarity_fraction": "no two photographs that are no near-duplicates",
    "diversity_fraction": "fewer than two generated images with a face, or than two photographs",
}


class References(NamedTuple):
    """The photographs with an embedding, R."""

    unit: np.ndarray  # (R, D) of length 1
    person: np.ndarray  # (R,)
    cluster: np.ndarray  # (R,) 0 or more; near-duplicates share a number, two people none


@dataclass(frozen=True)
class Compared:
    """M images compared with the photographs; a score is NaN for an image without an embedding."""

    unit: np.ndarray  # (M, D) of length 1
    person: np.ndarray  # (M,), requested
    cluster: np.ndarray  # (M,) of photographs; -1 for generated images, which no photograph is left out for
    scores: np.ndarray  # (M, K) with every person
    image: np.ndarray  # (P,) which image each mated comparison is of; a failed image has one
    mated: np.ndarray  # (P,) comparisons with photographs of the requested person; -inf for a failed image
    nearest: np.ndarray  # (M,) the most similar photograph of the references, -1 for a failed image
    nearest_similarity: np.ndarray  # (M,)
    gap: np.ndarray  # (M,) from it to the mean with that person's other photographs; NaN without any

    @property
    def found(self) -> np.ndarray:
        return np.isfinite(self.unit[:, 0])

    @property
    def own(self) -> np.ndarray:
        """(M,) score with the requested person."""
        return self.scores[np.arange(len(self.person)), self.person]

    @property
    def counted(self) -> np.ndarray:
        """(M,) bool: in the denominators. A photograph of which its person has no other is not."""
        return ~self.found | np.isfinite(self.own)

    @property
    def identified_as(self) -> np.ndarray:
        """(M,) the person of the highest score; -1 for a failed image."""
        return np.where(self.found, np.nan_to_num(self.scores, nan=-np.inf).argmax(axis=1), -1)

    @property
    def recognised(self) -> np.ndarray:
        return np.isfinite(self.own) & (self.identified_as == self.person)


@dataclass(frozen=True)
class Calibration:
    """Thresholds, floors and ceilings that photographs give, with their resamples."""

    references: References
    photographs: Compared  # each with the others
    hashes: np.ndarray | None
    non_mated: np.ndarray  # (P,) comparisons of two people, sorted
    rates: dict[str, float]  # false match rates by measure
    thresholds: dict[str, float]  # by measure; NaN where the photographs are too few
    reasons: dict[str, str]  # by measure, then; else empty
    copy_threshold: tuple[float, float]  # similarity and gap that a copy exceeds
    copy_rate: float  # about the most distinct images that exceed both, with n photographs to be near and not n - 1
    grids: tuple[np.ndarray, np.ndarray]  # (G,) thresholds on comparisons, and on scores
    as_they_are: Resamples  # of B = 1
    resampled: list[Resamples]  # by people, and by images of each


@dataclass(frozen=True)
class Similarity:
    """What `measure` finds.

    Attributes:
        table: one row per measure: measure, value, low, high, real (the value of the photographs themselves), n_images
            (in the denominator), reason (why it has no value; else empty).
        by_person: one row per person and measure, but for the equal error rate: person, measure, value, low, high (of
            these images, not of other people), reason; None where it was not wanted.
        images: one row per image, in the order given: person, identified_as (-1 for a failed image), rank_1, score,
            tar_at_far_… (fraction of its mated comparisons), open_set_match_rate, copy_rate (each 0 or 1), nearest
            (number of a photograph among those with an embedding) and nearest_similarity.
        copies: bool, more copies than among distinct photographs: the interval of copy_rate is above `copy_rate`.
    """

    table: pd.DataFrame
    by_person: pd.DataFrame | None
    images: pd.DataFrame
    copies: bool


def calibrate(
    embeddings: np.ndarray,
    person: np.ndarray,
    cluster: np.ndarray,
    *,
    false_match_rate: float = 0.01,
    hashes: np.ndarray | None = None,
    n_replicates: int = 1000,
    generator: np.random.Generator,
) -> Calibration:
    """What real photographs say of an oracle: thresholds, and the floor and the ceiling of similarity.

    A rate that fewer than 30 / rate non-mated comparisons support has no threshold (see `unsupported`). A copy is
    more like one photograph than all but COPY_RATE of distinct photographs are like another, and stands out from its
    similarity with the person's others as half of them do: an image near the mean is like all of them, and no copy.

    Args:
        embeddings: (N, D) of the photographs, of any length; NaN where no face was found.
        person: int (N,) in [0, K), K of 2 or more; everyone has a photograph with an embedding.
        cluster: int (N,); near-duplicates of one person share a number, and a negative one is of no other.
        false_match_rate: of the open set: of one image with one other person.
        hashes: of the pixels (N,), by which a copied file is found too.
        n_replicates: B of the bootstrap.

    Raises:
        StudyError: fewer than two people, or one without an embedding, or no two distinct photographs of anybody.

    >>> rng = np.random.default_rng(0)
    >>> person = np.repeat([0, 1, 2, 3], 4)
    >>> calibration = calibrate(np.eye(4)[person], person, np.arange(16), n_replicates=50, generator=rng)
    >>> calibration.thresholds["open_set_match_rate"], calibration.reasons["open_set_match_rate"]
    (nan, '48 non-mated comparisons of photographs; a false match rate of 0.01 needs 3000 (rule of 30)')
    """
    unit, person = normalised(embeddings), np.asarray(person)
    found = np.isfinite(unit[:, 0])
    without = np.flatnonzero(np.bincount(person[found], minlength=person.max() + 1) == 0)
    if person.max() < 1 or len(without):
        what = f"person {without[0]} has no photograph with a face" if len(without) else "there is one person alone"
        raise StudyError(f"similarity: {what}; it needs two people or more, with photographs of each")
    cluster = units(person, np.asarray(cluster))
    references = References(unit[found], person[found], cluster[found])
    photographs = _compare(references, unit, person, cluster)
    pairs, others = _non_mated(unit, person, generator=generator), _with_others(photographs)
    rates = {name: rate for rate, name in TAR.items()} | {OPEN_SET: false_match_rate}
    non_mated = {name: others[2] if name == OPEN_SET else pairs[2] for name in rates}
    reasons = {name: unsupported(rate, len(non_mated[name])) for name, rate in rates.items()}
    thresholds = {
        name: np.nan if reasons[name] else threshold_at(non_mated[name], rate) for name, rate in rates.items()
    }
    distinct = np.isfinite(photographs.own)
    if not distinct.any():
        raise StudyError("similarity: nobody has two photographs that are no near-duplicates; add photographs")
    least, copy_rate = conformal_threshold(photographs.nearest_similarity[distinct], COPY_RATE)
    n_photographs = np.bincount(references.person)[person[distinct]]
    copy_rate = min(1.0, copy_rate * float((n_photographs / (n_photographs - 1)).mean()))
    gaps = photographs.gap[distinct & np.isfinite(photographs.gap)]
    calibration = Calibration(
        references=references,
        photographs=photographs,
        hashes=hashes,
        non_mated=pairs[2],
        rates=rates,
        thresholds=thresholds,
        reasons=reasons,
        copy_threshold=(least, float(np.median(gaps)) if len(gaps) else 0.0),
        copy_rate=copy_rate,
        grids=(similarity_resamples.grid(pairs[2]), similarity_resamples.grid(others[2])),
        as_they_are=None,
        resampled=[],
    )
    as_they_are, resampled = similarity_resamples.of_photographs(
        _measured(calibration, photographs, _images(calibration, photographs)),
        photographs.scores,
        pairs,
        others,
        calibration.grids,
        n_replicates=n_replicates,
        generator=generator,
    )
    return replace(calibration, as_they_are=as_they_are, resampled=resampled)


def measure(
    calibration: Calibration,
    embeddings: np.ndarray | None = None,
    requested: np.ndarray | None = None,
    *,
    hashes: np.ndarray | None = None,
    by_person: bool = True,
    generator: np.random.Generator,
) -> Similarity:
    """MEASURES of generated images, each with a 95 % interval and the value of the photographs themselves.

    | measure | range, and what it is of | better |
    |---|---|---|
    | rank_1 | 0 to 1; 1 / K for a generator that ignores the request | higher |
    | tar_at_far_… | 0 to 1; of comparisons with photographs of the requested person | higher |
    | equal_error_rate | 0 to 1; about .5 for a generator that ignores the request | lower |
    | open_set_match_rate | 0 to 1; recognised, with a score above the threshold: else "nobody here" | higher |
    | similarity_fraction | 0 as of strangers, 1 as of real photographs; above 1 more alike than these | near 1 |
    | diversity_fraction | 0 for one image throughout, 1 as of real photographs; above 1 a wider spread | near 1 |
    | copy_rate | 0 to 1; at most `Calibration.copy_rate` of distinct photographs | lower |

        similarity_fraction = sum_j (s_j - floor_r(j)) / sum_j (ceiling_r(j) - floor_r(j))

    with s_j the score of image j with r(j), the requested person, and floor and ceiling the mean scores of r(j)'s
    photographs with others and with r(j). The floor is taken off since strangers are alike too.

        diversity_fraction = mean distance of two generated images of a person / that of two photographs

    with 1 - cosine as the distance, both means over the people. A spread may come from images of other people: it is
    read beside rank_1.

    An interval is the wider, at each end, of two bootstraps: over people with all that is theirs (it speaks of other
    people), and over images within each person (of these people). See `similarity_resamples`.

    Args:
        embeddings: (M, D) of generated images; None measures the photographs, each with the others.
        requested: int (M,) in [0, K).
        hashes: of the pixels, (M,).
        by_person: whether those of single people are wanted.

    Source: ISO/IEC 19795-1 for the rates of verification and identification.

    >>> rng = np.random.default_rng(0)
    >>> person = np.repeat([0, 1, 2, 3], 4)
    >>> photographs = np.eye(4, 60)[person] + rng.normal(0, 0.1, (16, 60))
    >>> calibration = calibrate(photographs, person, np.arange(16), n_replicates=50, generator=rng)
    >>> found = measure(calibration, photographs[::-1], person, generator=rng)  # copies, 0 shown for 3, 1 for 2 …
    >>> found.table.set_index("measure")["value"][["rank_1", "copy_rate"]].to_dict()
    {'rank_1': 0.0, 'copy_rate': 1.0}
    >>> found = measure(calibration, photographs[[0, 1]], np.array([0, 0]), generator=rng)
    >>> found.images[["identified_as", "rank_1", "nearest", "copy_rate"]].values.tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]]
    """
    if embeddings is None:
        compared = calibration.photographs
    else:
        unit = normalised(embeddings)
        compared = _compare(calibration.references, unit, np.asarray(requested), np.full(len(unit), -1))
    images = _images(calibration, compared, hashes)
    measured = _measured(calibration, compared, images)
    values = _values(calibration, compared, images, measured)
    real = values if embeddings is None else _real(calibration)
    ends = similarity_resamples.limits(measured, calibration.resampled, generator=generator, **_how(calibration))
    rows = _rows(calibration, values, ends, NO_VALUE)
    table = pd.DataFrame(rows).assign(n_images=int(measured.counted.sum()))
    table.insert(4, "real", [real[name] for name in MEASURES])
    of_people = _by_person(calibration, images, measured, generator) if by_person else None
    copies = table.set_index("measure").loc["copy_rate", "low"] > calibration.copy_rate
    return Similarity(table=table, by_person=of_people, images=images, copies=bool(copies))


def _rows(
    calibration: Calibration,
    values: dict[str, float],
    ends: dict[str, tuple[float, float]],
    why: dict[str, str],
) -> list[dict[str, Any]]:
    """Measure, value, low, high, and the reason why there are none; `why` a value is NaN."""
    rows = []
    for name, value in values.items():
        reason = calibration.reasons.get(name) or ("" if np.isfinite(value) else why[name])
        numbers = (np.nan,) * 3 if reason else (value, *ends[name])
        rows.append({"measure": name} | dict(zip(("value", "low", "high"), numbers, strict=True)) | {"reason": reason})
    return rows


def _by_person(
    calibration: Calibration, images: pd.DataFrame, measured: Measured, generator: np.random.Generator
) -> pd.DataFrame:
    """`Similarity.by_person`, by the bootstrap of images alone: a person is no sample of people."""
    _, of_images = calibration.resampled
    tables = []
    for person in range(calibration.references.person.max() + 1):
        own = measured.person == person
        if not own.any():
            continue
        part, how = measured.part(own), {"at_once": similarity_resamples.OF_ONE_AT_ONCE} | _how(calibration)
        ends = similarity_resamples.limits(part, [of_images], generator=generator, **how)
        rows = _rows(calibration, _as_they_are(calibration, images[own], part), ends, NO_VALUE_OF_ONE)
        tables.append(pd.DataFrame(rows).assign(person=person))
    table = pd.concat(tables, ignore_index=True)
    return table.loc[table["measure"] != EQUAL_ERROR_RATE, ["person", "measure", "value", "low", "high", "reason"]]


def _how(calibration: Calibration) -> dict[str, Any]:
    return {"false_match_rates": calibration.rates, "open_set": OPEN_SET}


def _images(calibration: Calibration, compared: Compared, hashes: np.ndarray | None = None) -> pd.DataFrame:
    """One row per image, see `Similarity.images`; NaN for an image that is not in the denominators."""
    n_mated = np.bincount(compared.image, minlength=len(compared.person))
    columns = {"person": compared.person, "identified_as": compared.identified_as, "rank_1": compared.recognised}
    columns["score"] = compared.own
    for name in TAR.values():
        accepted = np.bincount(compared.image, compared.mated > calibration.thresholds[name], len(n_mated))
        columns[name] = np.where(np.isnan(calibration.thresholds[name]), np.nan, accepted / np.maximum(n_mated, 1))
    matched = compared.recognised & (compared.own > calibration.thresholds[OPEN_SET])
    columns[OPEN_SET] = np.where(np.isnan(calibration.thresholds[OPEN_SET]), np.nan, matched)
    least, gap = calibration.copy_threshold
    copy = (compared.nearest_similarity > least) & ~(compared.gap <= gap)
    if hashes is not None and calibration.hashes is not None:
        copy |= np.isin(hashes, calibration.hashes)
    columns |= {"copy_rate": copy, "nearest": compared.nearest, "nearest_similarity": compared.nearest_similarity}
    images = pd.DataFrame(columns)
    rates = ["rank_1", *TAR.values(), OPEN_SET, "copy_rate"]
    return images.assign(**{name: images[name].astype(float).where(compared.counted) for name in rates})


def _measured(calibration: Calibration, compared: Compared, images: pd.DataFrame) -> Measured:
    """What the resamples need of images."""
    n_images = len(images)
    recognised = np.flatnonzero(compared.recognised)
    of_photographs = (compared.cluster >= 0).all()  # near-duplicates are left out of their scores
    alike = compared.own if of_photographs else similarity_resamples.alike(compared.unit, compared.person)
    return Measured(
        person=compared.person,
        counted=compared.counted,
        own=compared.own,
        rates={name: images[name].to_numpy() for name in ("rank_1", "copy_rate")},
        accepted=Above.of(calibration.grids[0], compared.image, compared.mated, n_images),
        matched=Above.of(calibration.grids[1], recognised, compared.own[recognised], n_images),
        alike=alike,
    )


def _values(calibration: Calibration, compared: Compared, images: pd.DataFrame, measured: Measured) -> dict[str, float]:
    """Every measure, in the order of MEASURES."""
    each = 1 / np.bincount(compared.image)[compared.image]
    errors = equal_error_rate(compared.mated, calibration.non_mated, weights=each)
    return _as_they_are(calibration, images, measured) | {EQUAL_ERROR_RATE: errors}


def _as_they_are(calibration: Calibration, images: pd.DataFrame, measured: Measured) -> dict[str, float]:
    """Measures of images of any people, with an equal error rate that is read off a grid."""
    everyone = np.ones((1, calibration.references.person.max() + 1))
    how = {"more": np.zeros(1)} | _how(calibration)
    found = similarity_resamples.statistics(
        measured, calibration.as_they_are, np.ones((1, len(images))), everyone, **how
    )
    values = {name: float(found[name][0, 0]) for name in MEASURES}
    return values | images[[*TAR.values(), OPEN_SET]].mean().to_dict()


def _real(calibration: Calibration) -> dict[str, float]:
    """The measures of the photographs, each compared with the others."""
    photographs = calibration.photographs
    images = _images(calibration, photographs)
    return _values(calibration, photographs, images, _measured(calibration, photographs, images))


def _compare(references: References, unit: np.ndarray, person: np.ndarray, cluster: np.ndarray) -> Compared:
    """Images (M, D) with all references but those of an image's own cluster."""
    n_people = int(references.person.max()) + 1
    n_images, members = len(unit), np.eye(n_people)[references.person]
    scores, gap = np.full((n_images, n_people), np.nan), np.full(n_images, np.nan)
    nearest, nearest_similarity = np.full(n_images, -1), np.full(n_images, np.nan)
    found = np.flatnonzero(np.isfinite(unit[:, 0]))
    failed = np.setdiff1d(np.arange(n_images), found)
    images, mated = [failed], [np.full(len(failed), -np.inf)]
    for block in np.array_split(found, max(1, -(-len(found) // AT_ONCE))):
        similarity = unit[block] @ references.unit.T
        kept = cluster[block, None] != references.cluster
        with np.errstate(invalid="ignore"):
            scores[block] = (np.where(kept, similarity, 0) @ members) / (kept @ members)
        others = np.where(kept, similarity, -np.inf)
        nearest[block], nearest_similarity[block] = others.argmax(axis=1), others.max(axis=1)
        distinct = references.cluster != references.cluster[nearest[block], None]
        of_person = kept & distinct & (references.person == references.person[nearest[block], None])
        with np.errstate(invalid="ignore"):
            rest = np.where(of_person, similarity, 0).sum(axis=1) / of_person.sum(axis=1)
        gap[block] = nearest_similarity[block] - rest
        rows, columns = np.nonzero(kept & (references.person == person[block, None]))
        images.append(block[rows])
        mated.append(similarity[rows, columns])
    return Compared(
        unit=unit,
        person=person,
        cluster=cluster,
        scores=scores,
        image=np.concatenate(images),
        mated=np.concatenate(mated),
        nearest=nearest,
        nearest_similarity=nearest_similarity,
        gap=gap,
    )


def _non_mated(unit: np.ndarray, person: np.ndarray, *, generator: np.random.Generator) -> Trials:
    """Comparisons of photographs of two people: all, or about MOST_COMPARISONS of them."""
    found = np.flatnonzero(np.isfinite(unit[:, 0]))
    n = len(found)
    if n * (n - 1) // 2 <= MOST_COMPARISONS:
        pairs = np.stack(np.triu_indices(n, k=1))
    else:
        pairs = generator.integers(n, size=(2, MOST_COMPARISONS))
    first, second = found[pairs]
    apart = person[first] != person[second]
    pairs = np.stack([first[apart], second[apart]])
    blocks = np.array_split(pairs, 1 + pairs.shape[1] // 2**17, axis=1)
    similarity = np.concatenate([np.einsum("pd,pd->p", unit[one], unit[two]) for one, two in blocks])
    order = np.argsort(similarity)
    return pairs[0, order], pairs[1, order], similarity[order]


def _with_others(photographs: Compared) -> Trials:
    """Every score of a photograph with another person."""
    other = photographs.found[:, None] & (np.arange(photographs.scores.shape[1]) != photographs.person[:, None])
    image, person = np.nonzero(other)
    score = photographs.scores[image, person]
    order = np.argsort(score)
    return image[order], person[order], score[order]
