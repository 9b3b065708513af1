"""Which of several generators is better: paired by person, and by prompt and seed where they are known.

The unit is a person. Images of one person have much in common, such as what the person looks like and how well the
generator was adapted to it: of other people, 400 images of 20 say as much as 20 numbers. So the difference of two
generators is computed per person, and people are resampled with all that is theirs, a bootstrap of clusters. Its
standard error has a closed form for a mean; Student's t allows for there being few people. The interval is never
narrower than that of as many independent images, so that few people who happen to agree prove no difference.

Source: F-Bench, section 4.2, for the comparison; Field and Welsh (2007) for the bootstrap of clusters.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from kpop_rca import rca

PAIRED_BY = (["person", "prompt", "seed"], ["person", "prompt"], ["person", "seed"], ["person"])  # the first that fits
LEAST_SHARED = 0.5  # fraction of the images of both generators that a pairing must keep
COLUMNS = ["a", "b", "value_a", "value_b", "difference", "low", "high", "p", "p_holm"]
COLUMNS += ["n_people", "n_a", "n_b", "paired_by", "better", "verdict", "reason"]
ONE_PERSON = "one person in common says nothing of others"
NOBODY = "they have no person in common"


def mean_difference(differences: np.ndarray, *, of_images: float = 0.0) -> tuple[float, float, float, float]:
    """Mean of one difference per person (K,), its 95 % interval and the p of its being 0: mean, low, high, p.

    Args:
        of_images: its standard error, were all images independent: the wider of the two intervals is given.

    Returns:
        NaN but for the mean where K is 1.

    Source: Student (1908).

    >>> [round(value, 3) for value in mean_difference(np.array([0.1, 0.2, 0.3]))]
    [0.2, -0.048, 0.448, 0.074]
    """
    n, mean = len(differences), float(np.mean(differences))
    if n < 2:
        return mean, np.nan, np.nan, np.nan
    tail, of_people = (1 - rca.CONFIDENCE) / 2, float(np.std(differences, ddof=1)) / np.sqrt(n)
    reach = max(of_people * t.isf(tail, n - 1), of_images * norm.isf(tail))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.abs(mean) / np.array([of_people, of_images])
    p = 2 * np.nanmax([t.sf(statistics[0], n - 1), norm.sf(statistics[1]), 0.5 * (mean == 0)])
    return mean, float(mean - reach), float(mean + reach), float(p)


def error_of_images(values: np.ndarray, groups: np.ndarray, *, spread: float) -> float:
    """Standard error of a mean of independent values (n,) within groups (n,), with one more that is `spread` off.

    The last keeps it above 0 where all values are equal, as by the interval of Agresti and Caffo (2000).

    >>> error_of_images(np.array([1.0, 1.0, 1.0, 1.0]), np.array([0, 0, 1, 1]), spread=1)
    0.25
    """
    of_group = pd.Series(values).groupby(groups)
    within = float(((values - of_group.transform("mean").to_numpy()) ** 2).sum())
    return float(np.sqrt(within + spread**2) / len(values))


def compare(images: pd.DataFrame, value: str, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Every pair of generators by the mean of a column of their images.

    Two generators are compared on what both have: images of the same person, prompt and seed where that keeps half of
    them or more, else of the same person and prompt, person and seed, or person. Everyone counts alike, whatever the
    number of images. A is better than B only if the corrected p is 5 % or less.

    Args:
        images: one row per image: generator, person, maybe prompt and seed, and the column; 0 for a failed image.
        value: the column: 1 for right and 0 for wrong, or any number whose mean is the measure.

    Returns:
        One row per pair: a, b, value_a, value_b (means over the people), difference (a minus b) with its 95 % interval
        low and high, p (of no difference), p_holm (corrected for the number of pairs), n_people and the images that
        were used, n_a and n_b, paired_by, better (the name, or empty), verdict in words, and reason (why there is no
        interval; else empty).

    Source: Holm (1979).

    >>> person = np.tile(np.repeat([0, 1, 2, 3, 4], 4), 2)
    >>> images = pd.DataFrame({"generator": np.repeat(["gan", "sdxl"], 20), "person": person, "right": 1})
    >>> images.loc[:19:2, "right"] = 0
    >>> compare(images, "right")[["a", "b", "difference", "paired_by", "verdict"]].values.tolist()
    [['gan', 'sdxl', -0.5, 'person', 'sdxl is better than gan']]
    """
    rows = []
    spread = float(np.ptp(images[value])) or 1.0
    for a, b in combinations(images["generator"].drop_duplicates(), 2):
        pair = [images[images["generator"] == name] for name in (a, b)]
        rows.append({"a": a, "b": b} | _compared(*pair, value, spread))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = rca.holm(table["p"])
    shown = table["p_holm"] <= 1 - rca.CONFIDENCE
    first = (table["difference"] > 0) == higher_is_better
    table["better"] = np.where(~shown, "", np.where(first, table["a"], table["b"]))
    table["verdict"] = [_verdict(row) for row in table.itertuples()]
    return table


def _verdict(row: Any) -> str:
    if not row.better:
        return rca.INCONCLUSIVE
    return f"{row.better} is better than {row.b if row.better == row.a else row.a}"


def _compared(one: pd.DataFrame, other: pd.DataFrame, value: str, spread: float) -> dict[str, Any]:
    """The row of two generators, from the images of each."""
    keys, one, other = _paired(one, other)
    people = one["person"].unique()
    found = {"n_people": len(people), "n_a": len(one), "n_b": len(other), "paired_by": ", ".join(keys)}
    if not len(people):
        return found | {"reason": NOBODY}
    cells = pd.concat([of.groupby(keys, dropna=False)[value].mean() for of in (one, other)], axis=1).to_numpy()
    person = one.groupby(keys, dropna=False)[value].mean().index.get_level_values("person")
    of_people = pd.DataFrame(cells, columns=["a", "b"]).groupby(np.asarray(person)).mean()
    if len(keys) > 1:
        error = error_of_images(cells[:, 0] - cells[:, 1], np.asarray(person), spread=np.sqrt(2) * spread)
    else:
        errors = [error_of_images(of[value].to_numpy(), of["person"].to_numpy(), spread=spread) for of in (one, other)]
        error = float(np.hypot(*errors))
    mean, low, high, p = mean_difference((of_people["a"] - of_people["b"]).to_numpy(), of_images=error)
    found |= {"value_a": of_people["a"].mean(), "value_b": of_people["b"].mean()}
    found |= {"difference": mean, "low": low, "high": high, "p": p}
    return found | {"reason": ONE_PERSON if len(people) < 2 else ""}


def _paired(one: pd.DataFrame, other: pd.DataFrame) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """The columns that they are paired by, and those images of each that have a counterpart."""
    for keys in PAIRED_BY:
        if not set(keys) <= set(one):
            continue
        cells = [pd.MultiIndex.from_frame(of[keys]) for of in (one, other)]
        kept = [mine.isin(theirs) for mine, theirs in (cells, cells[::-1])]
        if keys == ["person"] or min(part.mean() for part in kept) >= LEAST_SHARED:
            return keys, one[kept[0]], other[kept[1]]
    raise KeyError("person")
