"""Trials in which real images play generators of known truth, for the numbers that `scoring.estimates` promises."""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from kpop_rca.scoring import comparison
from kpop_rca.scoring.cross_fitting import cross_fit
from kpop_rca.scoring.estimates import Estimates, estimate

TRUTHS = {"1": 1.0, "0.9": 0.9, "0.7": 0.7, "0.3": 0.3, "0": 0.0}
COMPARED = {"0.8": 0.8, "0.7": 0.7, "0.6": 0.6, "0.7 again": 0.7}  # three that differ by 0.1, and two that don't
N_IMAGES = 400
CORRECTED = "confusion_corrected_accuracy"


def most_photographed(person: np.ndarray, found: np.ndarray, *, left_out: int, n_people: int) -> np.ndarray:
    """Rows with a face of the people with most of these, after the `left_out` with the most photographs."""
    first = np.argsort(-np.bincount(person), kind="stable")[:left_out]
    n_found = np.bincount(person[found], minlength=person.max() + 1)
    n_found[first] = 0
    return np.flatnonzero(found & np.isin(person, np.argsort(-n_found, kind="stable")[:n_people]))


def play(person: np.ndarray, pool: np.ndarray, truth: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images of the pool (rows of `person`) as a generator, each person requested equally often; these, and requested.

    Each image shows another person, anyone alike, with probability 1 - truth. No image of the pool is used twice before
    all of that person have been used.
    """
    n_people = person.max() + 1
    requested = np.repeat(np.arange(n_people), N_IMAGES // n_people)
    another = (requested + rng.integers(1, n_people, size=len(requested))) % n_people
    shown = np.where(rng.random(len(requested)) < truth, requested, another)
    images = np.empty(len(shown), dtype=int)
    for who in np.unique(shown):
        own = pool[person[pool] == who]
        wanted = np.flatnonzero(shown == who)
        rounds = [rng.permutation(own) for _ in range(-(-len(wanted) // len(own)))]
        images[wanted] = np.concatenate(rounds)[: len(wanted)]
    return images, requested


def resample(
    embeddings: np.ndarray,
    person: np.ndarray,
    truths: dict[str, float],
    *,
    n_references: int,
    n_replicates: int,
    seed: int,
) -> tuple[Estimates, pd.DataFrame]:
    """One split into references and pool, with a generator of each truth: estimates, and a row per image."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(np.flatnonzero(person == who)) for who in range(person.max() + 1)]
    references = np.concatenate([own[:n_references] for own in shuffled])
    pool = np.concatenate([own[n_references:] for own in shuffled])
    played = [play(person, pool, truth, rng) for truth in truths.values()]
    images, requested = (np.concatenate(part) for part in zip(*played, strict=True))
    generator = np.repeat(list(truths), [len(part[0]) for part in played])
    alone = np.full(len(references), -1)
    fitted = cross_fit(embeddings[references], person[references], alone, embeddings[images])
    names = range(len(shuffled))
    found = estimate({"oracle": fitted}, requested, generator, names, n_replicates=n_replicates, seed=seed)
    value = found.contributions["oracle"]
    shown = person[images] == requested
    return found, pd.DataFrame({"generator": generator, "person": requested, "value": value, "shown": shown})


def trial(
    embeddings: np.ndarray, person: np.ndarray, *, n_references: int, seeds: range, n_replicates: int = 400
) -> pd.DataFrame:
    """One row per resample and generator: truth, shown (the fraction that is right), measures with intervals."""
    rows, person = [], np.unique(person, return_inverse=True)[1]
    for seed in seeds:
        how = {"n_references": n_references, "n_replicates": n_replicates, "seed": seed}
        found, images = resample(embeddings, person, TRUTHS, **how)
        overall = found.measures[found.measures["person"] == ""].set_index(["generator", "measure"])
        shown = images.groupby("generator")["shown"].mean()
        for name, truth in TRUTHS.items():
            row = {"seed": seed, "n_people": person.max() + 1, "truth": truth, "shown": shown[name]}
            row["accuracy_real"] = found.oracles["accuracy"].iloc[0]
            for measure in ("accuracy", "rca", CORRECTED):
                numbers = overall.loc[(name, measure), ["value", "low", "high"]].astype(float)
                row |= {measure: numbers["value"], f"{measure}_low": numbers["low"], f"{measure}_high": numbers["high"]}
            rows.append(row)
    return pd.DataFrame(rows)


def comparisons(embeddings: np.ndarray, person: np.ndarray, *, n_references: int, seeds: range) -> pd.DataFrame:
    """One row per resample: whether COMPARED are in the right order, and whether the two alike are called different."""
    rows, person = [], np.unique(person, return_inverse=True)[1]
    for seed in seeds:
        how = {"n_references": n_references, "n_replicates": 2, "seed": seed}
        _, images = resample(embeddings, person, COMPARED, **how)
        values = images.groupby("generator")["value"].mean()
        pairs = comparison.compare(images, "value").set_index(["a", "b"])
        row = {"seed": seed, "right_order": values["0.8"] > values["0.7"] > values["0.6"]}
        row |= {"called_different": bool(pairs.loc[("0.7", "0.7 again"), "better"])}
        rows.append(row | {"differ_by_0.1": bool(pairs.loc[("0.8", "0.7"), "better"])})
    return pd.DataFrame(rows)


def true_rca(truth: pd.Series, accuracy_real: float, n_people: pd.Series) -> pd.Series:
    """RCA to be expected of `play`'s generators: an image of anyone else is predicted as requested by mistake alone."""
    return truth + (1 - truth) * (1 - accuracy_real) / (n_people - 1) / accuracy_real


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """How the estimates did.

    Returns:
        One row per truth: truth, n (resamples), accuracy_real, accuracy (raw), raw_coverage (of its interval), rca,
        rca_coverage (of `true_rca`), and of the corrected accuracy error (mean of value - shown), sd, coverage (of the
        truth), width (mean), and width_relative (to that of Wilson's interval of the raw accuracy).
    """
    chosen = found.copy()
    chosen["error"] = chosen[CORRECTED] - chosen["shown"]
    chosen["covered"] = chosen["truth"].between(chosen[f"{CORRECTED}_low"], chosen[f"{CORRECTED}_high"])
    chosen["raw_covered"] = chosen["truth"].between(chosen["accuracy_low"], chosen["accuracy_high"])
    of_rca = true_rca(chosen["truth"], chosen["accuracy_real"].mean(), chosen["n_people"])
    chosen["rca_covered"] = of_rca.between(chosen["rca_low"], chosen["rca_high"])
    chosen["width"] = chosen[f"{CORRECTED}_high"] - chosen[f"{CORRECTED}_low"]
    low, high = proportion_confint(chosen["accuracy"] * N_IMAGES, N_IMAGES, method="wilson")
    chosen["wilson"] = high - low
    groups = chosen.groupby("truth")
    table = groups.agg(
        n=("error", "count"),
        accuracy_real=("accuracy_real", "mean"),
        accuracy=("accuracy", "mean"),
        raw_coverage=("raw_covered", "mean"),
        rca=("rca", "mean"),
        rca_coverage=("rca_covered", "mean"),
        error=("error", "mean"),
        sd=("error", "std"),
        coverage=("covered", "mean"),
        width=("width", "mean"),
    )
    table["width_relative"] = table["width"] / groups["wilson"].mean()
    return table.sort_index(ascending=False).reset_index()
