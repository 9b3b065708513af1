"""Trials in which real images play generators of known truth, for the numbers that `scoring.estimates` promises.

`python tests/known_generators.py EMBEDDINGS.npz 12 500` prints the summary of one: an archive of embeddings and person
(with face, where not every image has one), reference photographs per person, resamples.
"""

import sys

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.scoring.cross_fitting import cross_fit
from kpop_rca.scoring.estimates import Estimates, estimate

TRUTHS = {"1": 1.0, "0.9": 0.9, "0.7": 0.7, "0.3": 0.3, "0": 0.0}
COMPARED = {
    "0.8": 0.8,
    "0.7 again": 0.7,
    "0.6": 0.6,
}  # with 0.7 three generators that differ by 0.1, and two that don't
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
    """One split into references and pool, with a generator of each truth."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(np.flatnonzero(person == who)) for who in range(person.max() + 1)]
    references = np.concatenate([own[:n_references] for own in shuffled])
    pool = np.concatenate([own[n_references:] for own in shuffled])
    played = [play(person, pool, truth, rng) for truth in truths.values()]
    images, requested = (np.concatenate(part) for part in zip(*played, strict=True))
    generator = np.repeat(list(truths), [len(part[0]) for part in played])
    alone = np.full(len(references), -1)
    fitted = cross_fit(embeddings[references], person[references], alone, embeddings[images])
    found = estimate(
        {"oracle": fitted}, requested, generator, range(len(shuffled)), n_replicates=n_replicates, seed=seed
    )
    shown = pd.Series(person[images] == requested).groupby(generator).mean()
    return found, shown


def trial(
    embeddings: np.ndarray,
    person: np.ndarray,
    *,
    n_references: int,
    seeds: range,
    truths: dict[str, float] | None = None,
    n_replicates: int = 500,
) -> pd.DataFrame:
    """One row per resample and generator: truth, shown (the fraction that is right), measures with intervals.

    And difference_low, difference_high: of the corrected accuracy of the first generator that has the next lower truth.
    """
    truths, rows = TRUTHS if truths is None else truths, []
    person = np.unique(person, return_inverse=True)[1]
    how = {"n_references": n_references, "n_replicates": n_replicates}
    for seed in seeds:
        found, shown = resample(embeddings, person, truths, seed=seed, **how)
        overall = found.measures[found.measures["person"] == ""].set_index(["generator", "measure"])
        for name, truth in truths.items():
            row = {"seed": seed, "generator": name, "truth": truth, "shown": shown[name]}
            row["accuracy_real"] = found.oracles["accuracy"].iloc[0]
            for measure in ("accuracy", "rca", CORRECTED):
                numbers = overall.loc[(name, measure), ["value", "low", "high"]].astype(float)
                row |= {measure: numbers["value"], f"{measure}_low": numbers["low"], f"{measure}_high": numbers["high"]}
            rows.append(row)
        if "0.7 again" in truths:
            low, high = (found.replicates[CORRECTED, "oracle", name] for name in ("0.7", "0.7 again"))
            ends = rca.intervals(np.stack([low[0] - high[1], low[1] - high[0]]))
            rows[-1] |= {"null_low": float(ends[0]), "null_high": float(ends[1])}
    return pd.DataFrame(rows)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """One row per truth: n resamples, accuracy on photographs, raw accuracy, RCA, and of the corrected accuracy: error
    (mean of value - shown) with its standard error, sd, coverage of the truth, mean width, and that relative to
    Wilson's interval of the raw accuracy."""
    chosen = found[found["generator"].isin(TRUTHS)].copy()
    chosen["error"] = chosen[CORRECTED] - chosen["shown"]
    chosen["covered"] = chosen["truth"].between(chosen[f"{CORRECTED}_low"], chosen[f"{CORRECTED}_high"])
    chosen["raw_covered"] = chosen["truth"].between(chosen["accuracy_low"], chosen["accuracy_high"])
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
        error=("error", "mean"),
        sd=("error", "std"),
        coverage=("covered", "mean"),
        width=("width", "mean"),
    )
    table["width_relative"] = table["width"] / groups["wilson"].mean()
    return table.sort_index(ascending=False).reset_index()


def compared(found: pd.DataFrame) -> dict[str, float]:
    """How often three generators are in the right order, and how often two alike are called different."""
    values = found.pivot(index="seed", columns="generator", values=CORRECTED)
    null = found.dropna(subset=["null_low"])
    return {
        "n": len(values),
        "right_order": float(((values["0.8"] > values["0.7"]) & (values["0.7"] > values["0.6"])).mean()),
        "called_different": float(((null["null_low"] > 0) | (null["null_high"] < 0)).mean()),
    }


if __name__ == "__main__":
    with np.load(sys.argv[1], allow_pickle=True) as archive:
        x, who = archive["embeddings"], archive["person"]
        faces = archive["face"] == "found" if "face" in archive else np.ones(len(x), dtype=bool)
    n_refs, n, kind = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "lfw"
    if kind == "avatars":
        rows = np.flatnonzero(faces)
    elif kind == "others":  # for tuning
        chosen = most_photographed(who, faces, left_out=10, n_people=20)
        rows = np.flatnonzero(
            faces & ~np.isin(who, who[chosen]) & (np.bincount(who[faces], minlength=who.max() + 1) >= n_refs + 10)[who]
        )
    else:
        rows = most_photographed(who, faces, left_out=10, n_people=20)
    x = x[rows]
    if len(sys.argv) > 5 and float(sys.argv[5]):
        x += (np.random.default_rng(7).normal(size=x.shape) * float(sys.argv[5])).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    print(len(np.unique(who[rows])), np.bincount(np.unique(who[rows], return_inverse=True)[1]), flush=True)
    truths = TRUTHS | (COMPARED if n_refs == 12 and kind != "others" else {})
    out = trial(x, who[rows], n_references=n_refs, seeds=range(n), truths=truths)
    print(summary(out).round(4).to_string())
    if n_refs == 12 and kind != "others":
        print(compared(out))
    if len(sys.argv) > 6:
        out.to_csv(sys.argv[6], index=False)
