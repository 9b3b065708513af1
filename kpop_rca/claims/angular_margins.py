"""The paper's future work (section 7): does an angular margin reduce the confusion of people who look alike?

    python -m kpop_rca.claims.angular_margins --study quick --weight 0 --weight 0.1 --seed 0

It is tried in the oracles' own training, and as an identity loss of the generator's. Who is trained to please an oracle
may please that oracle alone, so others classify its images, too: those of the study, of its architecture and of
another, which were trained on other photographs. The study's faces and oracles (01, 02, 04) must be there. What was
done is not done again, and `reports/arcface/` has the tables of all that is there.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from kpop_rca.claims import margin_tables, measurements
from kpop_rca.claims.margin_tables import ALIKE, HELD_OUT, REWARDING, UNCHANGED
from kpop_rca.claims.verdicts import verdict_table
from kpop_rca.diffusion import generated_images, trainings
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.trainer import load_trained
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.oracles import predictions, training
from kpop_rca.oracles.candidates import Candidate, Faces
from kpop_rca.oracles.identity_loss import IdentityLoss
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices
from kpop_rca.system.files import atomic

STEPS, IMAGES = 300, 25  # of a generator's training; of each identity
MEASURES, PREDICTED = "measures.csv", "predictions.parquet"  # what is left beside a run's images
# Beside 0: one with which the identity loss has the smaller gradient of the two, and one with which it has the larger.
# At 1, on other avatars and after as many steps, its gradient was about forty times that of the prediction's loss.
WEIGHTS = (0.0, 0.01, 0.1)


@dataclass(frozen=True)
class Experiment:
    """What all runs on a study have in common."""

    resolved: dict[str, Any]
    steps: int
    images: int  # of each identity

    @property
    def folder(self) -> Path:
        return paths.artifacts_folder(self.resolved["study"]) / "angular_margins"

    @property
    def of_study(self) -> Path:
        """The study's oracles."""
        return manifests.folder_of(self.resolved["study"], "oracle")

    @property
    def with_margin(self) -> Path:
        """Oracles with a margin, named as those without."""
        return self.folder / "oracles"

    @property
    def architecture(self) -> str:
        """Of the oracles with a margin."""
        return self.resolved["architectures"][0]

    @property
    def groups(self) -> list[list[int]]:
        return params.parse_groups(self.resolved["look_alike_groups"], len(crops.class_names(self._faces)))

    @property
    def _faces(self) -> Path:
        return manifests.folder_of(self.resolved["study"], "faces")

    def faces(self, split: str) -> Faces:
        return crops.load_crops(self._faces, size=self.resolved["image_size"], split=split)

    def rewarding(self, seed: int) -> Candidate:
        """The oracle that a generator is trained by: it was trained on the generator's own faces."""
        return Candidate(self.architecture, seed, "train", seen=True)

    def run_folder(self, weight: str, seed: int) -> Path:
        return self.folder / f"weight-{weight}-seed-{seed}-{self.steps}"

    def measured_folder(self, weight: str, seed: int) -> Path:
        return self.run_folder(weight, seed) / f"images-{self.images}"

    def require(self) -> None:
        """Refuse a study whose generators and oracles can't be told apart.

        Raises:
            StudyError: it has one architecture, no faces or no softmax oracles of their own, or no look-alikes.
        """
        needed = {
            "architectures to two or more": len(self.resolved["architectures"]) > 1,
            "oracle_fraction above 0": self.resolved["oracle_fraction"] > 0,
            "oracle_loss to softmax": self.resolved["oracle_loss"] == "softmax",
            "look_alike_groups": bool(self.resolved["look_alike_groups"]),
        }
        if lacking := [name for name, has in needed.items() if not has]:
            raise StudyError(f"{self.resolved['study']} can't be asked about margins; set {', '.join(lacking)}")


def train_oracles(experiment: Experiment, seed: int, *, device: torch.device) -> None:
    """The rewarding oracle of a seed, and the counterpart of the study's oracle of that seed, if it has one."""
    planned = [experiment.rewarding(seed)]
    if seed < experiment.resolved["oracle_seeds"]:
        planned.append(Candidate(experiment.architecture, seed, "oracle"))
    recipe = replace(training.OracleRecipe.of(experiment.resolved), loss="arcface")
    splits = {split: experiment.faces(split) for split in ("train", "oracle", "validation", "test")}
    training.train_all(planned, splits, recipe=recipe, folder=experiment.with_margin, device=device, bar=tqdm)


def train_generator(experiment: Experiment, weight: str, seed: int, *, device: torch.device) -> None:
    """Train by the study's recipe with an identity loss, and generate: the same noise whatever weight and seed."""
    folder, images = experiment.run_folder(weight, seed), experiment.measured_folder(weight, seed)
    changed = dict.fromkeys(("images_per_identity", "sampling_batch_size"), experiment.images)
    parameters = experiment.resolved | changed | {"train_steps": experiment.steps}
    extra_loss = None
    if weight != UNCHANGED:
        oracle = training.load_oracle(experiment.with_margin / experiment.rewarding(seed).name, device)
        extra_loss = IdentityLoss(oracle, weight=float(weight))
    faces, labels = experiment.faces("train")
    n_classes = int(labels.max()) + 1
    of_seed = parameters | {"seed": seed}
    trainer = trainings.begin(of_seed, n_classes=n_classes, folder=folder, device=device, extra_loss=extra_loss)
    trainer.fit(faces, labels, checkpoint_minutes=1.0, sample_grids=1, bar=tqdm)
    plan = GenerationPlan.of(parameters, mixed_precision=parameters["mixed_precision"])
    generate(*load_trained(folder, device), plan, n_classes=n_classes, folder=images, progress=tqdm)


def measure(experiment: Experiment, weight: str, seed: int, *, device: torch.device) -> None:
    """What every oracle says of a generator's images: one row per oracle, and one per oracle and image."""
    folder, real = experiment.measured_folder(weight, seed), experiment.faces("test")
    generated = generated_images.load(folder)
    rows, answers = [], []
    for kind, path in _classifying(experiment, seed):
        oracle = training.load_oracle(path, device)
        about = {"weight": weight, "seed": seed, "kind": kind, "oracle": path.name}
        rows.append(about | measurements.measured_by_one(oracle, real, generated, groups=experiment.groups))
        predicted = training.predict(oracle, generated[0])[0].argmax(1)
        answers.append(pd.DataFrame(about | {"label": generated[1], "predicted": predicted}).rename_axis("image"))
    with atomic(folder / PREDICTED) as temporary:
        pd.concat(answers).reset_index().to_parquet(temporary, index=False)
    with atomic(folder / MEASURES) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def _classifying(experiment: Experiment, seed: int) -> list[tuple[str, Path]]:
    """Kinds and folders of the oracles that classify the images of a seed's generators."""
    found = [(REWARDING, experiment.with_margin / experiment.rewarding(seed).name)]
    for about in predictions.trained(experiment.of_study).query("eligible").itertuples():
        kind = ALIKE if about.architecture == experiment.architecture else HELD_OUT
        found.append((kind, experiment.of_study / about.oracle))
    return found


def oracle_answers(experiment: Experiment) -> dict[tuple[str, int], pd.DataFrame]:
    """Predictions of the test faces by loss and seed, of every seed that has both losses."""
    found = {}
    for seed in range(experiment.resolved["oracle_seeds"]):
        name = Candidate(experiment.architecture, seed, "oracle").name
        if (experiment.with_margin / name / training.TEST_PREDICTIONS).is_file():
            for loss, folder in (("softmax", experiment.of_study), ("arcface", experiment.with_margin)):
                found[loss, seed] = training.read_test_predictions(folder / name)
    return found


def write_tables(experiment: Experiment) -> pd.DataFrame:
    """Write the three tables from all runs that are there; returns the verdicts."""
    resolved, groups = experiment.resolved, experiment.groups
    answers = oracle_answers(experiment)
    oracles, (generators, seen) = margin_tables.oracle_table(answers, groups), _runs(experiment)
    weights = [weight for weight in generators["weight"].unique() if weight != UNCHANGED]
    levels = margin_tables.compared_levels(oracles, generators)
    found = verdict_table(levels, margin=resolved["equivalence_margin"], claims=margin_tables.claims_of(weights))
    about = {"study": resolved["study"]}
    tables = {
        margin_tables.ORACLES: oracles.assign(**about, architecture=experiment.architecture),
        margin_tables.GENERATORS: generators.assign(**about, train_steps=experiment.steps),
        margin_tables.VERDICTS: margin_tables.with_image_intervals(
            found, margin_tables.look_alike_answers(answers, seen, groups)
        ),
    }
    for name, table in tables.items():
        with atomic(paths.report_folder(margin_tables.REPORT) / name) as temporary:
            table.round(5).to_csv(temporary, index=False)
    return tables[margin_tables.VERDICTS]


def _runs(experiment: Experiment) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measures and predictions of the generators that are there, the weights in their order; maybe of none."""
    folders = experiment.folder.glob(f"weight-*-{experiment.steps}/images-{experiment.images}")
    done = sorted(folder for folder in folders if (folder / MEASURES).is_file())
    measures = [pd.read_csv(folder / MEASURES, dtype={"weight": str}) for folder in done]
    seen = [pd.read_parquet(folder / PREDICTED) for folder in done]
    empty = pd.DataFrame(columns=margin_tables.OF_GENERATORS), pd.DataFrame(columns=margin_tables.OF_IMAGES)
    generators, seen = (pd.concat(found or [none]) for found, none in zip((measures, seen), empty, strict=True))
    in_order = generators.sort_values("weight", key=lambda weight: weight.astype(float), kind="stable")
    return in_order[margin_tables.OF_GENERATORS], seen


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kpop_rca.claims.angular_margins", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--study", default="quick", help="a study with faces and oracles")
    parser.add_argument("--weight", action="append", type=float, help="of the identity loss; as often as need be")
    parser.add_argument("--seed", action="append", type=int, help="of a training; as often as need be")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of a training; {STEPS} by default")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"of each identity; {IMAGES} by default")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    experiment = Experiment(params.resolve(asked.study), asked.steps, asked.images)
    experiment.require()
    device = devices.choose(experiment.resolved["device"])
    for seed in range(experiment.resolved["oracle_seeds"]) if asked.seed is None else asked.seed:
        train_oracles(experiment, seed, device=device)
        for weight in (f"{weight:g}" for weight in asked.weight or WEIGHTS):
            if not (experiment.measured_folder(weight, seed) / MEASURES).is_file():
                train_generator(experiment, weight, seed, device=device)
                measure(experiment, weight, seed, device=device)
    print(write_tables(experiment)[["claim", "level", "effect", "low", "high", "n_seeds", "verdict"]].to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
