"""Scores by person and by any column of the CSV, such as prompt category or age group, and the oracle's own fairness.

A column of the person has one value for all images of a person: its groups are of different people, who are resampled.
A column of the image varies within people: its groups are compared within each of them. By person itself, where each
group is one person, images are resampled and nothing is said of other people. Which it is, is read off the column.

Source: F-Bench, sections 4.3 and C.3, for comparisons by class; Korn and Graubard (1998) for the interval of a
proportion in clusters, by the number of independent images that would be as uncertain.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.scoring import similarity_resamples
from kpop_rca.scoring.comparison import error_of_images, mean_difference
from kpop_rca.scoring.similarity import FALSE_ACCEPT_RATES, TAR, Calibration
from kpop_rca.scoring.verification import threshold_at, unsupported

OF_PERSON, OF_IMAGE, PERSON = "column of the person", "column of the image", "person"
SCORE = ["column", "group", "unit", "n_images", "n_people", "value", "low", "high", "others", "difference"]
SCORE += [
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "verdict",
    "real",
    "real_difference",
    "due_to_oracle",
    "reason",
]
FALSE_MATCH_RATE = FALSE_ACCEPT_RATES[0]  # of the oracle's own threshold
LOWER, HIGHER = "lower than the others", "higher than the others"
ALONE = "one person of this group says nothing of others"
ONE_GROUP = "there is no other group"
NOT_THE_ORACLE = "no: on photographs the difference is smaller"
THE_ORACLE = "maybe: on photographs the difference may be as large"
NOT_MEASURED = "not known: the photographs have no such column"


def unit_of(images: pd.DataFrame, column: str) -> str:
    """Whether a column is one of the person, of the image, or names each person.

    >>> images = pd.DataFrame({"person": [0, 0, 1, 2], "age": ["old", "old", "young", "old"], "prompt": list("abab")})
    >>> unit_of(images, "age"), unit_of(images, "prompt"), unit_of(images, "person")
    ('column of the person', 'column of the image', 'person')
    """
    if images.groupby("person")[column].nunique().max() > 1:
        return OF_IMAGE
    return PERSON if images.groupby(column)["person"].nunique().max() == 1 else OF_PERSON


def mean_interval(values: np.ndarray, person: np.ndarray, *, clustered: bool = True) -> tuple[float, float, float]:
    """Mean of images' values, with a 95 % interval from clusters of people: mean, low, high.

    Values between 0 and 1 have the interval of a proportion, others Student's. It is never narrower than that of as
    many independent images, and is of these alone where it is not clustered or there is one person. Values that are no
    fractions and all alike have the spread that they have with one image more, whose value is 0.

    >>> right, person = np.repeat([1.0, 0.0, 1.0, 0.0], 10), np.repeat([0, 1], 20)  # two people, half right each
    >>> [round(value, 2) for value in mean_interval(right, person)]
    [0.5, 0.34, 0.66]
    >>> [round(value, 2) for value in mean_interval(np.repeat([1.0, 0.0], 20), person)]  # one always, one never
    [0.5, 0.0, 1.0]
    """
    n, mean = len(values), float(np.mean(values))
    people = np.unique(person, return_inverse=True)[1]
    n_people = people.max() + 1
    clustered = clustered and n_people > 1
    freedom = n_people - 1 if clustered else max(n - 1, 1)
    wider = t.isf((1 - rca.CONFIDENCE) / 2, freedom) / norm.isf((1 - rca.CONFIDENCE) / 2)
    residuals = np.bincount(people, weights=values - mean) if clustered else values - mean
    error = np.sqrt((residuals**2).sum() * len(residuals) / max(len(residuals) - 1, 1)) / n * wider
    if values.min() < 0 or values.max() > 1:
        spread = (values if np.ptp(values) else np.append(values, 0.0)).std()
        reach = norm.isf((1 - rca.CONFIDENCE) / 2) * max(error, float(spread) / np.sqrt(n))
        return mean, mean - reach, mean + reach
    independent = n if error == 0 else min(n, max(mean * (1 - mean) / error**2, 1e-3))
    low, high = proportion_confint(mean * independent, independent, alpha=1 - rca.CONFIDENCE, method="beta")
    return mean, float(np.nan_to_num(low, nan=0.0)), float(np.nan_to_num(high, nan=1.0))


def by_group(images: pd.DataFrame, value: str, column: str, *, photographs: pd.DataFrame | None = None) -> pd.DataFrame:
    """A score by the values of a column, each with what sets it apart from the others.

    Args:
        images: one row per image of one generator: person, the column, and the score of the image; 0 for a failed one.
            An image without a value in the column, empty or NaN, is left out.
        value: the score: right or wrong, similarity, or any number whose mean is the measure.
        photographs: the same of real photographs; a column of the person is filled in from `images`.

    Returns:
        One row per group: column, group, unit, n_images, n_people, value with its interval low and high; others (the
        mean of the others' images), difference (by person of those who have both, for a column of the image) with its
        interval, p, p_holm (over the groups), verdict in words; real and real_difference (the same of photographs);
        due_to_oracle (of a difference that is shown, whether it may be the oracle's: photographs differ as much, or are
        not known to differ less); reason (why there is no comparison; else empty).

    >>> images = pd.DataFrame({"person": np.repeat(np.arange(6), 10), "prompt": ["plain", "side"] * 30, "right": 1.0})
    >>> images.loc[images["prompt"] == "side", "right"] = np.tile([1.0, 0.0, 0.0, 0.0, 0.0], 6)
    >>> found = by_group(images, "right", "prompt").set_index("group")
    >>> found.loc["side", ["unit", "verdict"]].tolist()
    ['column of the image', 'lower than the others']
    >>> found.loc["side", ["value", "difference"]].astype(float).round(3).tolist()
    [0.2, -0.8]
    """
    images = _with_group(images, column)
    unit = unit_of(images, column)
    if photographs is not None and column not in photographs and unit != OF_IMAGE:
        of_person = images.drop_duplicates("person").set_index("person")[column]
        photographs = photographs.assign(**{column: photographs["person"].map(of_person)})
    if photographs is not None:
        photographs = _with_group(photographs, column) if column in photographs else None
    rows = [
        {"column": column, "group": group, "unit": unit} | _row(images, value, column, group, unit, photographs)
        for group in sorted(images[column].unique())
    ]
    table = pd.DataFrame(rows, columns=SCORE)
    table["p_holm"] = rca.holm(table["p"])
    shown = table["p_holm"] <= 1 - rca.CONFIDENCE
    table["verdict"] = np.where(shown, np.where(table["difference"] < 0, LOWER, HIGHER), rca.INCONCLUSIVE)
    table["due_to_oracle"] = table["due_to_oracle"].where(shown, "")
    return table


def _with_group(images: pd.DataFrame, column: str) -> pd.DataFrame:
    """Images with a value in the column."""
    return images[images[column].notna() & (images[column].astype(str) != "")]


def _row(
    images: pd.DataFrame, value: str, column: str, group: Any, unit: str, photographs: pd.DataFrame | None
) -> dict[str, Any]:
    own = images[images[column] == group]
    mean, low, high = mean_interval(own[value].to_numpy(float), own["person"].to_numpy(), clustered=unit != PERSON)
    found = {"n_images": len(own), "n_people": own["person"].nunique(), "value": mean, "low": low, "high": high}
    found["others"] = images.loc[images[column] != group, value].mean()
    difference, low, high, p, reason = _difference(images, value, images[column] == group, unit)
    found |= {"difference": difference, "difference_low": low, "difference_high": high, "p": p, "reason": reason}
    if photographs is None or not (photographs[column] == group).any():
        return found | {"due_to_oracle": NOT_MEASURED}
    of_group = photographs[column] == group
    real, real_low, real_high, *_ = _difference(photographs, value, of_group, unit_of(photographs, column))
    as_large = real_low <= difference if difference < 0 else real_high >= difference
    smaller = np.isfinite(real_low) and not as_large
    found |= {"real": photographs.loc[of_group, value].mean(), "real_difference": real}
    return found | {"due_to_oracle": NOT_THE_ORACLE if smaller else THE_ORACLE}


def _difference(
    images: pd.DataFrame, value: str, of_group: pd.Series, unit: str
) -> tuple[float, float, float, float, str]:
    """A group against the others: difference, low, high, p, and the reason why there is none.

    Source: Welch (1947) for groups of people.
    """
    own, others = images[of_group], images[~of_group]
    if not len(own) or not len(others):
        return np.nan, np.nan, np.nan, np.nan, ONE_GROUP
    spread = float(np.ptp(images[value].astype(float))) or 1.0
    sides = [(of[value].to_numpy(float), of["person"].to_numpy()) for of in (own, others)]
    error = float(np.hypot(*(error_of_images(*side, spread=spread) for side in sides)))
    means = [of.groupby("person")[value].mean() for of in (own, others)]
    if unit == OF_IMAGE:
        by_person = (means[0] - means[1]).dropna().to_numpy(float)
        if len(by_person) < 2:
            difference = by_person.mean() if len(by_person) else np.nan
            return difference, np.nan, np.nan, np.nan, "fewer than two people have images of this group and of others"
        return *mean_difference(by_person, of_images=error), ""
    if unit == PERSON:
        difference = float(own[value].mean() - others[value].mean())
        # A few images with hardly any spread of their own have that of all images together.
        error = max(error, float(images[value].std(ddof=0)) * np.sqrt(1 / len(own) + 1 / len(others)))
    else:
        difference = float(means[0].mean() - means[1].mean())
    reach, p = norm.isf((1 - rca.CONFIDENCE) / 2) * error, 2 * norm.sf(abs(difference) / error)
    if unit == OF_PERSON:
        if min(len(of) for of in means) < 2:
            return difference, np.nan, np.nan, np.nan, ALONE
        variances = [float(of.var(ddof=1)) / len(of) for of in means]
        if sum(variances):
            parts = [variance**2 / (len(of) - 1) for variance, of in zip(variances, means, strict=True)]
            of_people, freedom = np.sqrt(sum(variances)), sum(variances) ** 2 / sum(parts)
            reach = max(reach, t.isf((1 - rca.CONFIDENCE) / 2, freedom) * of_people)
            p = max(p, 2 * t.sf(abs(difference) / of_people, freedom))
    return difference, difference - reach, difference + reach, float(p), ""


def oracle_by_group(
    calibration: Calibration,
    groups: np.ndarray,
    *,
    column: str,
    n_replicates: int = 500,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """The oracle's own fairness: real accuracy, false match rate and threshold of the photographs of each group.

    A false match is of two people of one group, at the threshold at which all photographs have FALSE_MATCH_RATE.

    Args:
        groups: (N,) of the photographs, in the order of the calibration; an empty one or NaN is left out.
        column: its name.

    Returns:
        One row per group: column, group, unit, n_images, n_people, accuracy (rank-1, each photograph with the others)
        with its interval low and high, difference (from the others), its interval, p and p_holm; n_pairs (non-mated, of
        photographs of the group), false_match_rate with its interval, by people, false_match_low and _high, and
        threshold, the group's own for that rate; reason (why one of these is missing; else empty).

    Source: ISO/IEC 19795-10 for false match rates within groups; Grother et al. (2019), NIST IR 8280, for the question.
    """
    photographs = calibration.photographs
    table = pd.DataFrame({"person": photographs.person, column: groups, "right": photographs.recognised.astype(float)})
    found = by_group(table[photographs.counted], "right", column).rename(columns={"value": "accuracy"})
    groups = table.loc[photographs.found, column]
    how = {"n_replicates": n_replicates, "generator": generator}
    pairs = pd.DataFrame([_false_matches(calibration, (groups == group).to_numpy(), **how) for group in found["group"]])
    reasons = ["; ".join(filter(None, both)) for both in zip(found["reason"], pairs.pop("reason"), strict=True)]
    found = found.drop(columns=["others", "real", "real_difference", "due_to_oracle"])
    return pd.concat([found, pairs], axis=1).assign(reason=reasons)


def _false_matches(
    calibration: Calibration, of_group: np.ndarray, *, n_replicates: int, generator: np.random.Generator
) -> dict[str, Any]:
    """False matches among a group's photographs with an embedding."""
    unit, person = calibration.references.unit[of_group], calibration.references.person[of_group]
    people = np.unique(person, return_inverse=True)[1]
    first, second = np.triu_indices(len(unit), k=1)
    apart = people[first] != people[second]
    first, second = first[apart], second[apart]
    similarity = (unit @ unit.T)[first, second]
    n, limit = len(similarity), calibration.thresholds[TAR[FALSE_MATCH_RATE]]
    reason = unsupported(FALSE_MATCH_RATE, n)
    found = {"n_pairs": n, "threshold": np.nan if reason else threshold_at(similarity, FALSE_MATCH_RATE)}
    if not n or np.isnan(limit):
        return found | {"reason": reason}
    matched = similarity > limit
    low, high = proportion_confint(matched.sum(), n, alpha=1 - rca.CONFIDENCE, method="beta")
    weights = similarity_resamples.people_weights(people.max() + 1, n_replicates, generator=generator)
    of_pairs = np.zeros((2, people.max() + 1, people.max() + 1))
    np.add.at(of_pairs, (slice(None), people[first], people[second]), np.stack([matched, np.ones(n)]))
    matches, all_pairs = np.einsum("bk,skl,bl->sb", weights, of_pairs, weights)
    tail = (1 - rca.CONFIDENCE) / 2
    by_people = np.nanquantile(matches / np.where(all_pairs > 0, all_pairs, np.nan), [tail, 1 - tail])
    ends = {"false_match_low": min(low, by_people[0]), "false_match_high": max(high, by_people[1])}
    return found | {"false_match_rate": matched.mean()} | ends | {"reason": reason}
