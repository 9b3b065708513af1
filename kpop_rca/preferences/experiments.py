"""The study of FaceScore: scorers beside ladders, generators tuned by preferences, sampling guided by a score.

    python -m kpop_rca.preferences.experiments --study quick --part tuning --seed 0 --seed 1

The study's faces, generators, oracles and images (01 to 05) must be there; sizes are in `params/preferences.yaml`. What
was done is not done again, also within a tuning, and `reports/preferences/` has the tables of all seeds that are there.
Seeds take turns: the first tuning of every seed comes before the second of any.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from kpop_rca.errors import said_in_a_line
from kpop_rca.preferences import analysis, benchmark, composites, guidance, photographs, trials, tunings
from kpop_rca.preferences.experiment import FACE, IDENTITY, Experiment
from kpop_rca.study import given, params, paths, privacy
from kpop_rca.system import devices
from kpop_rca.system.files import atomic

REPORT = "preferences"
SIZES = "preferences"  # the study file of the sizes
SCORERS, GENERATORS, PEARSON, ATTRIBUTES = (
    f"{name}.csv" for name in ("scorers", "generators", "pearson", "attributes")
)
TUNINGS, SCORED, CURVES, GUIDED, VERDICTS = (
    f"{name}.csv" for name in ("tunings", "scored", "curves", "guided", "verdicts")
)
SCORERS_MEAN, SEARCH, COMPOSITES = "scorers_mean.csv", "search.csv", "composites.csv"
OF_SCORERS = (SCORERS, GENERATORS, PEARSON, ATTRIBUTES)
FACES, ROWS_OF_FACES = "faces.png", "faces.csv"
OF_PHOTOGRAPHS, HEAD = "photographs.csv", "head.csv"
EMBEDDING, PAIRS_OF_HEAD = "dlib", 100
N_PHOTOGRAPHS = 300
STRENGTHS = (0.0, 3.0, 10.0, 30.0)  # of score guidance
GUIDES = {FACE: "the scorer of mixed losers", IDENTITY: "the rewarding oracle"}  # what leads
FEWER = 4  # so many times fewer images on a rung of a ladder, and of a strength of guidance, than of a tuning
TARGETS = {  # of the shipped face score: name of what is measured to the least mean over seeds
    trials.ADAPTIVE_PAIRS: 0.70,
    trials.HIGH_PAIRS: 0.85,
    trials.GENERATORS_MEAN: 0.90,
}
PHOTOGRAPHS_TARGET = 0.85  # mean over ladders of degradations
NOTHING = pd.DataFrame()
VERDICT_COLUMNS = ["claim", "mean", "low", "high", "n_seeds", "target"]
GAP_TARGET = 0.25  # of the gap between base and real that a tuning for identity closes under held-out oracles
EFFECTS = {  # changes from the base, whose sign is the verdict: column to words
    "rca_held_out": "RCA under held-out oracles",
    "face_score_held_out": "held-out face score",
    "confusion_corrected": "confusion-corrected accuracy",
    "frechet": "Fréchet distance",
    "diversity": "diversity",
    "mscn": "MSCN distance",
    "copied": "excess of copies",
}


def measure_scorers(experiment: Experiment) -> dict[str, pd.DataFrame]:
    """Every scorer on held-out pairs and ladders, its means over generators, its correlations, what it follows."""
    material, full = experiment.material, experiment.resolved["train_steps"]
    earlier = [experiment.trained_for(max(2, full // part)) for part in (2, 4, 8)]
    few = max(2, experiment.images // FEWER)
    how = {"n_images": few * experiment.n_classes, "n_classes": experiment.n_classes}
    steps = trials.all_ladders(material, experiment.plan(few), [material.model, *earlier], **how)
    all_scorers = trials.trained_scorers(material, trials.training_pairs(material))
    scorers = trials.as_scorers(all_scorers) | {trials.FACE_SCORE: experiment.face_score} | trials.baselines(material)
    table = benchmark.scorer_table(scorers, trials.held_out_pairs(material), steps)
    real = trials.some_real(material, how["n_images"])
    by_generator = trials.by_generator(steps, real=real, full_steps=full)
    shown = analysis.test_faces(
        experiment.stage("audit"), experiment.stage("faces"), size=material.model[0].config.sample_size
    )
    return {
        SCORERS: trials.with_means(table),
        GENERATORS: benchmark.mean_scores(scorers, by_generator),
        PEARSON: benchmark.pearson(scorers, np.concatenate([*by_generator.values()])),
        ATTRIBUTES: analysis.followed(scorers, *shown) if shown else pd.DataFrame(),
    }


def measure_guidance(experiment: Experiment, name: str, strength: float) -> pd.DataFrame:
    """What guidance by the mixed scorer or by the identity oracle does at one strength."""
    few = experiment.plan(max(2, experiment.images // FEWER))
    towards = {
        FACE: lambda: guidance.face_guidance(experiment.parts[trials.MIXED]),
        IDENTITY: lambda: guidance.identity_guidance(experiment.oracles["rewarding"][0]),
    }[name]()
    how = {"strength": strength, "n_classes": experiment.n_classes}
    made = experiment.kept(
        f"guided by {name} {strength:g}", lambda: trials.guided_images(experiment.base, few, towards, **how)
    )
    return pd.DataFrame([{"score": name, "strength": strength} | trials.measured(experiment.all_observers, made)])


def read(experiment: Experiment, name: str) -> pd.DataFrame:
    """What one seed has of a table; without rows for nothing."""
    path = experiment.folder / name
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def write(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> None:
    """Add rows to tables of one seed."""
    for name, table in tables.items():
        if len(table):
            with atomic(experiment.folder / name) as temporary:
                rows = pd.concat([read(experiment, name), table.assign(seed=experiment.seed)], ignore_index=True)
                rows.to_csv(temporary, index=False)


def run_scorers(experiments: Sequence[Experiment]) -> None:
    for one in experiments:
        if read(one, SCORERS).empty:
            found = measure_scorers(one)
            write(one, {name: found[name] for name in reversed(OF_SCORERS)})  # the one that says "done" is the last
            write_report(one)


def run_tunings(experiments: Sequence[Experiment], names: Sequence[str]) -> None:
    for name in dict.fromkeys((trials.BASE, *names)):
        for one in experiments:
            there = read(one, TUNINGS)
            if there.empty or name not in set(there["tuning"]):
                row, curve = tunings.measured(one, name)
                write(one, {CURVES: curve, TUNINGS: row})
                write_report(one)


def run_search(experiments: Sequence[Experiment]) -> None:
    """Every recipe that is searched, on the seed of the search; the table of that seed is `SEARCH`."""
    one = replace(experiments[0], seed=tunings.SEARCH_SEED)
    for name in (trials.BASE, *tunings.SEARCHED, *tunings.FINE_TUNED):
        there = read(one, SEARCH)
        if there.empty or name not in set(there["tuning"]):
            write(one, {SEARCH: tunings.searched(one, name)})
            write_report(one)


def run_composites(experiments: Sequence[Experiment]) -> None:
    """Every set of parts that a face score could have, on the seed of the search."""
    one = replace(experiments[0], seed=tunings.SEARCH_SEED)
    if read(one, COMPOSITES).empty:
        write(one, {COMPOSITES: composites.measured(one)})
        write_report(one)


def run_scores(experiments: Sequence[Experiment]) -> None:
    """Face scores of all images that tunings have left."""
    for one in experiments:
        there = read(one, SCORED)
        for name in read(one, TUNINGS).get("tuning", []):
            if there.empty or name not in set(there["tuning"]):
                write(one, {SCORED: tunings.scored(one, name)})
        write_report(one)


def run_faces(experiments: Sequence[Experiment]) -> None:
    """An image of each identity by every generator of the first seed, all of one noise: a row each, side by side.

    The better of two images is of another noise, and not among them.

    Only of avatars: what was made from photographs of people stays out of a report.
    """
    one, rows = experiments[0], []
    if not privacy.may_show(one.resolved["data_source"], publish_images=False):
        return
    names = read(one, TUNINGS).get("tuning", pd.Series(dtype=str))
    names = names[~names.isin(tunings.BEST_OF)]
    for name in names:
        images, labels = tunings.images_of(one, name)
        first = np.unique(labels, return_index=True)[1]
        rows.append(np.concatenate([*images[first]], axis=1))
    if rows:
        folder = paths.report_folder(REPORT)
        with atomic(folder / FACES) as temporary:
            Image.fromarray(np.concatenate(rows)).save(temporary, format="png")
        with atomic(folder / ROWS_OF_FACES) as temporary:
            names.to_frame().to_csv(temporary, index=False)


def run_guidance(experiments: Sequence[Experiment]) -> None:
    for name in (FACE, IDENTITY):
        for strength in tqdm(STRENGTHS, desc=f"guidance by {name}", mininterval=60):
            for one in experiments:
                there = read(one, GUIDED)
                if there.empty or not ((there["score"] == name) & (there["strength"] == strength)).any():
                    write(one, {GUIDED: measure_guidance(one, name, strength)})
                    write_report(one)


def run_head(experiments: Sequence[Experiment]) -> None:
    for one in experiments:
        if read(one, HEAD).empty:
            how = {"margin": one.resolved["crop_margin"], "most": PAIRS_OF_HEAD}
            write(one, {HEAD: trials.head_on_embedding(one.material, name=EMBEDDING, **how)})
            write_report(one)


def run_photographs(experiments: Sequence[Experiment], folder: Path) -> None:
    for one in experiments:
        if read(one, OF_PHOTOGRAPHS).empty:
            faces = photographs.crops_of(folder, n=N_PHOTOGRAPHS, seed=one.seed)
            write(one, {OF_PHOTOGRAPHS: photographs.degraded_ladders(one.face_score, faces, seed=one.seed)})
            write_report(one)


def done(experiment: Experiment, name: str) -> pd.DataFrame:
    """A table of all seeds of this size that are there; without rows for none."""
    found = sorted(experiment.folder.parent.glob(f"seed-*-{experiment.size}/{name}"))
    return pd.concat([pd.read_csv(path) for path in found], ignore_index=True) if found else pd.DataFrame()


def verdicts(
    scorers: pd.DataFrame,
    tuned: pd.DataFrame,
    of_photographs: pd.DataFrame = NOTHING,
    guided: pd.DataFrame = NOTHING,
) -> pd.DataFrame:
    """Each target beside what was found: claim, mean, low, high, n_seeds, target, met.

    What has no target, the gain over MSCN moments and every change from the base, has a verdict that says which way its
    interval leaves 0 out, if it does.
    """
    rows = []
    if len(scorers):
        own = scorers[scorers["scorer"] == trials.FACE_SCORE]
        found = benchmark.over_seeds(own, by=["name"], value="fraction").set_index("name")
        for name, target in TARGETS.items():
            rows.append({"claim": f"face_score on {name}"} | found.loc[name].to_dict() | {"target": target})
        mean = scorers[scorers["name"] == trials.GENERATORS_MEAN].pivot(
            index="seed", columns="scorer", values="fraction"
        )
        gain = pd.DataFrame({"claim": "gain over MSCN moments", "gain": mean[trials.FACE_SCORE] - mean[trials.MSCN]})
        rows += benchmark.over_seeds(gain, by=["claim"], value="gain").to_dict("records")
    if len(of_photographs):
        own = of_photographs.query("scorer == @trials.FACE_SCORE and kind == 'mean'")
        own = own.assign(claim="face_score on photographs: " + own["name"])
        found = benchmark.over_seeds(own, by=["claim"], value="fraction")
        rows += found.assign(target=PHOTOGRAPHS_TARGET).to_dict("records")
    if len(tuned):
        closed = tuned[tuned["tuning"] == tunings.HEADLINE].assign(claim="gap closed under held-out oracles")
        found = benchmark.over_seeds(closed, by=["claim"], value="gap_closed_held_out")
        rows += found.assign(target=GAP_TARGET).to_dict("records")
        rows += effects(tuned)
    if len(guided):
        rows += effects_of_guidance(guided)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows, columns=VERDICT_COLUMNS)
    return table.assign(met=_met(table))


def effects(tuned: pd.DataFrame) -> list[dict[str, Any]]:
    """Changes from the base of the same seed in what EFFECTS names, by every other row of tunings."""
    return changes(tuned, tuned[tuned["tuning"] == trials.BASE], names=tunings.EVERY[1:])


def effects_of_guidance(guided: pd.DataFrame) -> list[dict[str, Any]]:
    """The same for guidance at every strength, beside the same noise without guidance."""
    rows = []
    for score, own in guided.groupby("score", sort=False):
        named = own.assign(tuning=[f"guidance by {GUIDES[score]}, {at:g}" for at in own["strength"]])
        is_base = named["strength"] == 0
        rows += changes(named, named[is_base], names=named.loc[~is_base, "tuning"].unique())
    return rows


def changes(table: pd.DataFrame, base: pd.DataFrame, *, names: Iterable[str]) -> list[dict[str, Any]]:
    """Of the tunings with some names, from the row of base with the same seed."""
    base, rows = base.set_index("seed"), []
    for name in [name for name in names if name in set(table["tuning"])]:
        own = table[table["tuning"] == name]
        for column, words in EFFECTS.items():
            if column not in own or own[column].isna().all():
                continue  # not scored yet
            change = own[column] - own["seed"].map(base[column])
            found = pd.DataFrame({"claim": f"change in {words}: {name}", "change": change.dropna()})
            rows += benchmark.over_seeds(found, by=["claim"], value="change").to_dict("records")
    return rows


def _met(table: pd.DataFrame) -> list[Any]:
    """Whether a target is met; a gap that is closed wants an interval without 0 as well."""
    reached = (table["mean"] >= table["target"]) & ~((table["target"] == GAP_TARGET) & ~(table["low"] > 0))
    return [sign if math.isnan(t) else ok for t, ok, sign in zip(table["target"], reached, _sign(table), strict=True)]


def _sign(table: pd.DataFrame) -> np.ndarray:
    return np.select([table["low"] > 0, table["high"] < 0], ["higher", "lower"], "inconclusive")


def write_report(experiment: Experiment) -> pd.DataFrame:
    """Write the tables of all seeds, the means of scorers over seeds, and the verdicts, which are handed back."""
    tables = {
        name: done(experiment, name)
        for name in (*OF_SCORERS, TUNINGS, SCORED, CURVES, GUIDED, OF_PHOTOGRAPHS, HEAD, SEARCH, COMPOSITES)
    }
    if len(tables[TUNINGS]):
        tables[TUNINGS] = tunings.with_gaps(_with_scores(tables[TUNINGS], tables.pop(SCORED)))
    found = verdicts(tables[SCORERS], tables[TUNINGS], tables[OF_PHOTOGRAPHS], tables[GUIDED])
    if len(tables[SCORERS]):
        how = {"by": ["scorer", "kind", "name"], "value": "fraction"}
        tables[SCORERS_MEAN] = benchmark.over_seeds(tables[SCORERS], **how)
    for name, table in (tables | {VERDICTS: found}).items():
        if len(table):
            with atomic(paths.report_folder(REPORT) / name) as temporary:
                table.assign(study=experiment.resolved["study"]).round(5).to_csv(temporary, index=False)
    return found


def _with_scores(tuned: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """The columns of scored that tuned lacks, NaN where a tuning was not scored."""
    key = ["seed", "tuning"]
    return (
        tuned if scored.empty else tuned.merge(scored[[*key, *scored.columns.difference(tuned.columns)]], "left", key)
    )


PARTS = {
    "composites": run_composites,
    "scorers": run_scorers,
    "search": run_search,
    "tuning": run_tunings,
    "scores": run_scores,
    "faces": run_faces,
    "head": run_head,
    "guidance": run_guidance,
}


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kpop_rca.preferences.experiments", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--study", default="quick", help="a study with faces, generators, oracles and images")
    parser.add_argument("--part", choices=PARTS, action="append", help="as often as need be; all by default")
    parser.add_argument("--seed", action="append", type=int, help="as often as need be; 0 to 2 by default")
    parser.add_argument("--tuning", choices=tunings.EVERY, action="append", help="as often as need be; all by default")
    parser.add_argument("--pairs", type=int, help="that a scorer is trained on")
    parser.add_argument("--images", type=int, help="of each identity, that are scored")
    parser.add_argument("--steps", type=int, help="of a tuning")
    parser.add_argument(
        "--base-steps", type=int, default=0, help="of the tuned generator's training; 0: the study's own"
    )
    parser.add_argument("--photographs", type=Path, help="a folder per person: the face score is tried on them, too")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    resolved, sizes = params.resolve(asked.study), params.resolve(SIZES)
    of_size = [getattr(asked, name) or sizes[f"preference_{name}"] for name in ("pairs", "images", "steps")]
    how = {"device": devices.choose(resolved["device"]), "base_steps": asked.base_steps}
    experiments = [Experiment(resolved, seed, *of_size, **how) for seed in asked.seed or range(3)]
    for part in asked.part or (() if asked.photographs else PARTS):
        PARTS[part](experiments, **({"names": asked.tuning or tunings.EVERY} if part == "tuning" else {}))
    if asked.photographs:
        run_photographs(experiments, asked.photographs)
    print(write_report(experiments[0]).round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
