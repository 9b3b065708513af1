"""The study of FaceScore: scorers beside ladders, generators tuned by preferences, sampling guided by a score.

    python -m kpop_rca.preferences.experiments --study quick --part scorers --seed 0 --seed 1

The study's faces, generators, oracles and images (01 to 05) must be there. What was done is not done again, also
within a tuning, and `reports/preferences/` has the tables of all seeds that are there.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from kpop_rca.diffusion.generation import GenerationPlan, Model
from kpop_rca.errors import said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments
from kpop_rca.oracles import predictions, training
from kpop_rca.oracles.candidates import Faces
from kpop_rca.preferences import benchmark, dpo, guidance, trials
from kpop_rca.preferences.scorer import FaceScore
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices, seeds
from kpop_rca.system.files import atomic
from kpop_rca.system.seeds import Purpose

REPORT = "preferences"
SCORERS, TUNINGS, CURVES, GUIDED, VERDICTS = (
    f"{n}.csv" for n in ("scorers", "tunings", "curves", "guided", "verdicts")
)
PARTS = {"scorers": SCORERS, "tuning": TUNINGS, "guidance": GUIDED}
STRENGTHS = (0.0, 1.0, 3.0, 10.0, 30.0)  # of score guidance
IDENTITY, FACE, BOTH, PAPER = "identity", "face_score", "both", "paper's scorer"  # rewards
FULL = {"adapter": "full", "learning_rate": 3e-5}
BEST_OF = 4
EARLY = 2  # a generator to be tuned has 1 / EARLY of the study's steps
# Name to reward and recipe. Random pairs and winners only have the recipe of the tuning that they are controls of.
PLANNED: dict[str, tuple[str, dict[str, Any]]] = {
    "identity, adapters": (IDENTITY, {}),
    "identity, all weights": (IDENTITY, FULL),
    "face score, adapters": (FACE, {}),
    "face score, all weights": (FACE, FULL),
    "both, adapters": (BOTH, {}),
    "paper's scorer, all weights": (PAPER, FULL),
    "random pairs": ("random", {}),
    "winners only": (IDENTITY, {"objective": "winners"}),
    "real faces": ("real", {"objective": "winners"}),
}
TARGETS = {  # of the shipped face score: name of what is measured to the least mean over seeds
    trials.ADAPTIVE_PAIRS: 0.70,
    trials.HIGH_PAIRS: 0.85,
    "ladders of generators, mean": 0.90,
}
GAP_TARGET = 0.25  # of the gap between base and real that a tuning for identity closes under held-out oracles


@dataclass(frozen=True)
class Experiment:
    """One seed of the study: its generator, its rewarding oracle, everything random."""

    resolved: dict[str, Any]
    seed: int
    n_pairs: int
    images: int  # of each identity, that are scored
    steps: int  # of a tuning
    device: torch.device

    @cached_property
    def folder(self) -> Path:
        size = f"{self.n_pairs}-{self.images}-{self.steps}"
        return paths.artifacts_folder(self.resolved["study"]) / REPORT / f"seed-{self.seed}-{size}"

    def stage(self, folder: str) -> Path:
        return manifests.folder_of(self.resolved["study"], folder)

    @cached_property
    def n_classes(self) -> int:
        return len(crops.class_names(self.stage("faces")))

    def faces(self, split: str) -> Faces:
        return crops.load_crops(self.stage("faces"), size=self.resolved["image_size"], split=split)

    @property
    def plan(self) -> GenerationPlan:
        return trials.plan_of(self.stage("generated"), images_per_identity=self.images)

    def trained_for(self, steps: int) -> Model:
        """A generator of the study's recipe with fewer steps, trained unless it was."""
        folder = self.folder.parent / f"model-{self.seed}-{steps}"
        how = {"steps": steps, "number": self.seed + 1, "folder": folder, "device": self.device, "bar": tqdm}
        return trials.shorter_training(self.resolved, self.faces("train"), **how)

    @cached_property
    def oracles(self) -> dict[str, list[training.SmallImageResNet]]:
        return trials.oracles_by_kind(self.stage("oracle"), rewarding=self.rewarding, device=self.device)

    @cached_property
    def rewarding(self) -> str:
        table = predictions.trained(self.stage("oracle"))
        own = table.loc[table["eligible"] & (table["architecture"] == self.resolved["architectures"][0]), "oracle"]
        return own.iloc[self.seed % len(own)]

    @cached_property
    def material(self) -> trials.Material:
        return trials.material_of(
            {name: self.stage(name) for name in ("audit", "faces", "ddpm", "oracle", "generated")},
            training_number=self.seed % self.resolved["trainings"],
            oracle=self.rewarding,
            n_pairs=self.n_pairs,
            seed=self.seed,
            device=self.device,
        )

    @cached_property
    def scorers(self) -> dict[str, training.SmallImageResNet]:
        return trials.trained_scorers(self.material, trials.training_pairs(self.material))

    @cached_property
    def face_score(self) -> FaceScore:
        return trials.face_score(self.material, self.scorers)

    @cached_property
    def held_out_material(self) -> trials.Material:
        """The same with another seed and another oracle, for scorers that no tuning has seen."""
        return replace(
            self.material, oracle=self.oracles["held out"][0], seed=seeds.number(Purpose.SCORER, self.seed, 2)
        )

    @cached_property
    def observers(self) -> trials.Observers:
        other = self.held_out_material
        names = trials.IN_FACE_SCORE
        others = trials.trained_scorers(other, trials.training_pairs(other, names))
        held_out_score = trials.face_score(other, others)
        first, second = self.oracles["rewarding"][0], self.oracles["held out"][0]
        own = _rewards(self.face_score, trials.as_scorers(self.scorers)[trials.PAPER], first)
        held_out = _rewards(held_out_score, trials.as_scorers(others)[trials.PAPER], second)
        reference = Reference.of(mscn_moments(self.material.faces[trials.TRAINING][0]))
        return trials.Observers(own, held_out, self.oracles, self.faces("test"), reference)


def _rewards(face_score: FaceScore, paper: Callable, oracle: training.SmallImageResNet) -> dict[str, dpo.Reward]:
    return {
        IDENTITY: dpo.identity_reward(oracle),
        FACE: dpo.face_reward(face_score),
        PAPER: dpo.face_reward(paper),
    }


def measure_scorers(experiment: Experiment) -> pd.DataFrame:
    """Every scorer on held-out pairs and every ladder."""
    material, full = experiment.material, experiment.resolved["train_steps"]
    earlier = [experiment.trained_for(max(2, full // part)) for part in (2, 4, 8)]
    models = [material.model, *earlier]
    how = {"n_images": experiment.images * experiment.n_classes, "n_classes": experiment.n_classes}
    steps = trials.all_ladders(material, experiment.plan, models, **how)
    scorers = trials.as_scorers(experiment.scorers) | {trials.FACE_SCORE: experiment.face_score}
    own = trials.held_out_pairs(material)
    return trials.with_means(benchmark.scorer_table(scorers | trials.baselines(material), own, steps))


def measure_tunings(experiment: Experiment) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each tuning of an early generator did, and its rewards on the way."""
    base = experiment.trained_for(max(2, experiment.resolved["train_steps"] // EARLY))
    seen, plan, n_classes = experiment.observers, experiment.plan, experiment.n_classes
    small = trials.plan_of(experiment.stage("generated"), images_per_identity=max(2, experiment.images // 8))
    candidates = trials.sampled(base, trials.other_noise(plan), n_classes=n_classes)
    compared = trials.sampled(base, plan, n_classes=n_classes)
    rows, curves = [{"tuning": trials.BASE} | trials.measured(seen, compared)], []
    rewards = seen.own | {BOTH: dpo.summed_reward(seen.own[IDENTITY], seen.own[FACE])}
    for name, (reward, changed) in PLANNED.items():
        images = _tuning_images(experiment, rewards, reward, candidates)
        folder = experiment.folder / "tunings" / name.replace("'", "").replace(", ", "-").replace(" ", "_")
        recipe = dpo.TuningRecipe(steps=experiment.steps, seed=experiment.seed, **changed)
        recipe = replace(recipe, timestep_sampling=experiment.resolved["timestep_sampling"])

        watch = trials.Watch(seen, base[1], small, n_classes)
        log = dpo.tune(*base, images, recipe=recipe, folder=folder, bar=partial(tqdm, desc=name), watch=watch)
        made = trials.sampled(dpo.load_tuned(folder, experiment.device), plan, n_classes=n_classes)
        about = {"tuning": name, "steps": int(log["step"].iloc[-1]), "win": log["win"].iloc[-1]}
        rows.append(about | {"lose": log["lose"].iloc[-1]} | trials.measured(seen, made))
        curves.append(dpo.read_watched(folder).assign(tuning=name))
    for name in (IDENTITY, FACE):
        more = trials.sampled(
            base, replace(plan, images_per_identity=BEST_OF * plan.images_per_identity), n_classes=n_classes
        )
        chosen = dpo.best_of_n(rewards[name](*more), more[1], n=BEST_OF)
        best = more[0][chosen], more[1][chosen]
        rows.append({"tuning": f"best of {BEST_OF} by {name}"} | trials.measured(seen, best))
    table = pd.DataFrame(rows)
    for kind in ("held_out", "other_photographs"):
        table[f"gap_closed_{kind}"] = trials.gap_closed(table[f"rca_{kind}"].iloc[0], table[f"rca_{kind}"])
    return table, pd.concat(curves, ignore_index=True)


def _tuning_images(
    experiment: Experiment, rewards: dict[str, dpo.Reward], reward: str, candidates: Faces
) -> dpo.Images:
    """Winners, losers and labels of one tuning."""
    rng = seeds.generator(Purpose.PREFERENCE_PAIRS, experiment.seed)
    n = experiment.steps * dpo.TuningRecipe.batch_size // 2
    if reward == "real":
        images, labels = experiment.faces("train")
        rows = rng.permutation(len(labels))[:n]
        return images[rows], images[rows], labels[rows]
    images, labels = candidates
    values = rng.random(len(labels)) if reward == "random" else rewards[reward](images, labels)
    win, loss = dpo.ranked_pairs(values, labels, n=n, generator=rng)
    return images[win], images[loss], labels[win]


def measure_guidance(experiment: Experiment) -> pd.DataFrame:
    """What guidance by the mixed scorer and by the identity oracle does, over its strength."""
    seen, n_classes = experiment.observers, experiment.n_classes
    plan = trials.plan_of(experiment.stage("generated"), images_per_identity=max(2, experiment.images // 2))
    towards = {
        FACE: guidance.face_guidance(experiment.scorers[trials.MIXED]),
        IDENTITY: guidance.identity_guidance(seen.oracles["rewarding"][0]),
    }
    rows = []
    for name, score in towards.items():
        for strength in tqdm(STRENGTHS, desc=f"guidance by {name}"):
            made = trials.guided_images(experiment.material.model, plan, score, strength=strength, n_classes=n_classes)
            rows.append({"score": name, "strength": strength} | trials.measured(seen, made))
    return pd.DataFrame(rows)


def write(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> None:
    """Tables of one seed."""
    for name, table in tables.items():
        with atomic(experiment.folder / name) as temporary:
            table.assign(seed=experiment.seed).to_csv(temporary, index=False)


def done(experiment: Experiment, name: str) -> pd.DataFrame:
    """A table of all seeds of this size that are there; empty for none."""
    size = experiment.folder.name.split("-", 2)[2]
    found = sorted(experiment.folder.parent.glob(f"seed-*-{size}/{name}"))
    return pd.concat([pd.read_csv(path) for path in found], ignore_index=True) if found else pd.DataFrame()


def verdicts(scorers: pd.DataFrame, tunings: pd.DataFrame) -> pd.DataFrame:
    """Each target beside what was found: claim, mean, low, high, n_seeds, target, met.

    The gain over MSCN moments has no target: its verdict says which way its interval leaves 0 out, if it does.
    """
    rows = []
    if len(scorers):
        own = scorers[scorers["scorer"] == trials.FACE_SCORE]
        found = benchmark.over_seeds(own, by=["name"], value="fraction").set_index("name")
        for name, target in TARGETS.items():
            rows.append({"claim": f"face_score on {name}"} | found.loc[name].to_dict() | {"target": target})
        mean = scorers[scorers["name"] == "ladders of generators, mean"].pivot(
            index="seed", columns="scorer", values="fraction"
        )
        gain = pd.DataFrame({"claim": "gain over MSCN moments", "gain": mean[trials.FACE_SCORE] - mean[trials.MSCN]})
        rows += benchmark.over_seeds(gain, by=["claim"], value="gain").to_dict("records")
    if len(tunings):
        closed = tunings[tunings["tuning"] == "identity, adapters"]
        closed = closed.assign(claim="gap closed under held-out oracles")
        rows += (
            benchmark.over_seeds(closed, by=["claim"], value="gap_closed_held_out")
            .assign(target=GAP_TARGET)
            .to_dict("records")
        )
    table = pd.DataFrame(rows)
    return table.assign(met=_met(table)) if len(table) else table


def _met(table: pd.DataFrame) -> list[Any]:
    """Whether a target is met; a gap that is closed wants an interval without 0 as well."""
    reached = (table["mean"] >= table["target"]) & ~((table["target"] == GAP_TARGET) & ~(table["low"] > 0))
    return [sign if math.isnan(t) else ok for t, ok, sign in zip(table["target"], reached, _sign(table), strict=True)]


def _sign(table: pd.DataFrame) -> np.ndarray:
    return np.select([table["low"] > 0, table["high"] < 0], ["higher", "lower"], "inconclusive")


def write_report(experiment: Experiment) -> pd.DataFrame:
    """Write the tables of all seeds, the means of each over seeds, and the verdicts, which are handed back."""
    tables = {name: done(experiment, name) for name in (SCORERS, TUNINGS, CURVES, GUIDED)}
    found = verdicts(tables[SCORERS], tables[TUNINGS])
    if len(tables[SCORERS]):
        how = {"by": ["scorer", "kind", "name"], "value": "fraction"}
        tables["scorers_mean.csv"] = benchmark.over_seeds(tables[SCORERS], **how)
    for name, table in (tables | {VERDICTS: found}).items():
        if len(table):
            with atomic(paths.report_folder(REPORT) / name) as temporary:
                table.assign(study=experiment.resolved["study"]).round(5).to_csv(temporary, index=False)
    return found


def committed() -> pd.DataFrame:
    """The verdicts that the study's runs have left in the report that came with the project; empty for none."""
    path = paths.committed_report(REPORT) / VERDICTS
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kpop_rca.preferences.experiments", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--study", default="quick", help="a study with faces, generators, oracles and images")
    parser.add_argument("--part", choices=PARTS, action="append", help="as often as need be; all by default")
    parser.add_argument("--seed", action="append", type=int, help="as often as need be; 0 to 2 by default")
    parser.add_argument("--pairs", type=int, default=600, help="that a scorer is trained on; 600 by default")
    parser.add_argument("--images", type=int, default=80, help="of each identity, that are scored; 80 by default")
    parser.add_argument("--steps", type=int, default=100, help="of a tuning; 100 by default")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    resolved = params.resolve(asked.study)
    device = devices.choose(resolved["device"])
    for seed in asked.seed or range(3):
        experiment = Experiment(resolved, seed, asked.pairs, asked.images, asked.steps, device)
        for part in asked.part or PARTS:
            if (experiment.folder / PARTS[part]).is_file():
                continue
            if part == "scorers":
                write(experiment, {SCORERS: measure_scorers(experiment)})
            elif part == "guidance":
                write(experiment, {GUIDED: measure_guidance(experiment)})
            else:
                table, curves = measure_tunings(experiment)
                write(experiment, {CURVES: curves, TUNINGS: table})
    print(write_report(experiment).round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
