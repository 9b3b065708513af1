"""The paper's future work (section 7): does an angular margin reduce the confusion of people who look alike?

    python -m kpop_rca.claims.angular_margins --study quick --weight 0 --weight 0.1 --seed 0

It is tried in the oracles' own training, and as an identity loss of the generator's. Who is trained to please an oracle
may please that oracle alone, so others classify its images, too: those of the study, of its architecture and of
another, which were trained on other photographs. The study's faces and oracles (01, 02, 04) must be there. What was
done is not done again, and `reports/arcface/` has the tables of all that is there.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score
from tqdm import tqdm

from kpop_rca import rca
from kpop_rca.claims import measurements
from kpop_rca.claims.verdicts import Claim, verdict_table
from kpop_rca.diffusion import generated_images
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer, load_trained
from kpop_rca.diffusion.unet import NETWORK, build_unet
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.oracles import predictions, training
from kpop_rca.oracles.candidates import Candidate, Faces
from kpop_rca.oracles.identity_loss import IdentityLoss
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices, seeds
from kpop_rca.system.files import atomic

STEPS, IMAGES = 300, 25  # of a generator's training; of each identity
REPORT = "arcface"
ORACLES, GENERATORS, VERDICTS = "oracles.csv", "generators.csv", "verdicts.csv"
MEASURES, PREDICTED = "measures.csv", "predictions.parquet"  # what is left beside a run's images
# The oracles that classify a generator's images.
REWARDING, ALIKE, HELD_OUT = "rewarding", "same architecture", "held out"
KINDS = {REWARDING: "rewarding", ALIKE: "alike", HELD_OUT: "held_out"}  # as in a column's name
MEASURED = ["rca", "confusion_corrected_accuracy", "within_group_generated", "frechet", "precision", "recall"]
UNCHANGED = "0"  # the weight of a training without identity loss
# At 1, on other avatars and after as many steps, the gradient of the identity loss was about forty times that of the
# other: with these it is the smaller, and the larger of the two.
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
    torch.manual_seed(seeds.number(seeds.Purpose.NETWORK, seed))
    unet = build_unet(**{name: parameters[name] for name in NETWORK}, n_classes=n_classes)
    recipe = replace(DiffusionRecipe.of(parameters), seed=seed)
    trainer = Trainer(unet, recipe=recipe, folder=folder, device=device, extra_loss=extra_loss)
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


def oracle_table(answers: dict[tuple[str, int], pd.DataFrame], groups: list[list[int]]) -> pd.DataFrame:
    """One row per oracle: loss, seed, n, accuracy, log_loss, auc (macro, one against the rest), within_group."""
    rows = []
    for (loss, seed), table in answers.items():
        labels, probabilities = table["label"].to_numpy(), predictions.probabilities_of(table)
        n_classes = probabilities.shape[1]
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)  # float32 sums to nearly 1
        counts = rca.confusion_counts(labels, table["predicted"], n_classes)
        row = {"loss": loss, "seed": seed, "n": len(labels), "accuracy": rca.accuracy(counts)}
        row["log_loss"] = log_loss(labels, probabilities, labels=range(n_classes))
        row["auc"] = roc_auc_score(labels, probabilities, multi_class="ovr", labels=range(n_classes))
        rows.append(row | {"within_group": rca.within_group_rate(counts, groups)})
    return pd.DataFrame(rows)


def by_kind(generators: pd.DataFrame) -> pd.DataFrame:
    """Mean over the oracles of a kind: one row per weight, seed and kind, columns MEASURED."""
    return generators.groupby(["weight", "seed", "kind"], sort=False)[MEASURED].mean().reset_index()


def compared_levels(oracles: pd.DataFrame, generators: pd.DataFrame) -> pd.DataFrame:
    """Both experiments as `verdict_table` takes them: experiment, level, seed, and responses.

    Those of a generator are <measure>_<kind>, and rca_gap: how much more the rewarding oracle sees than held-out ones.
    """
    trained = oracles.rename(columns={"loss": "level"}).assign(experiment="oracle loss")
    wide = by_kind(generators).pivot(index=["weight", "seed"], columns="kind", values=MEASURED)
    wide.columns = [f"{measure}_{KINDS[kind]}" for measure, kind in wide.columns]
    wide["rca_gap"] = wide["rca_rewarding"] - wide["rca_held_out"]
    rewarded = wide.reset_index().rename(columns={"weight": "level"}).assign(experiment="identity loss")
    return pd.concat([trained, rewarded], ignore_index=True)


def claims_of(weights: Sequence[str]) -> list[Claim]:
    """What is claimed: the paper's hope first, then what Goodhart's law has one expect."""
    oracle_loss = ("oracle loss", "within_group", -1, ("softmax", "arcface"))
    found = [Claim("oracles with a margin confuse look-alikes less", "7", *oracle_loss)]
    for weight in weights:
        levels = (UNCHANGED, weight)
        of = partial(Claim, experiment="identity loss", levels=levels)
        found += [
            of("an identity loss reduces confusion", "7", response="within_group_generated_held_out", sign=-1),
            of("it does so for the rewarding oracle", "7", response="within_group_generated_rewarding", sign=-1),
            of("the rewarding oracle sees a larger gain", "", response="rca_gap", sign=+1),
            of("it costs likeness to real faces", "", response="frechet_held_out", sign=+1),
            of("it costs diversity", "", response="recall_held_out", sign=-1),
        ]
    return found


def taken_for_look_alike(labels: np.ndarray, predicted: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Whether each image is predicted as another identity of its group, bool (N,).

    >>> taken_for_look_alike(np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2]), [[0, 1], [2]]).tolist()
    [False, True, False, False]
    """
    group_of = {label: number for number, group in enumerate(groups) for label in group}
    same = np.array([group_of[a] == group_of[b] for a, b in zip(labels, predicted, strict=True)])
    return same & (np.asarray(labels) != np.asarray(predicted))


def image_interval(differences: pd.Series) -> tuple[float, float, float]:
    """Mean over the identities of paired differences, and its interval (95 %) over images: mean, low, high.

    The trainings are taken as they are, so that it says nothing of others. `differences` are indexed by label.

    >>> [round(value, 3) for value in image_interval(pd.Series([0, 0.5, 1, 0], index=[0, 0, 1, 1]))]
    [0.375, -0.173, 0.923]
    """
    of_label = differences.groupby(level=0)
    mean, error = of_label.mean().mean(), np.sqrt((of_label.var() / of_label.size()).sum()) / of_label.ngroups
    reach = stats.norm.isf((1 - rca.CONFIDENCE) / 2) * error
    return float(mean), float(mean - reach), float(mean + reach)


def look_alike_answers(
    oracles: dict[tuple[str, int], pd.DataFrame], generators: pd.DataFrame, groups: list[list[int]]
) -> pd.DataFrame:
    """Fraction of the oracles of a kind that take an image for a look-alike: columns (response, level, seed).

    Rows are indexed by label and image: a test face, or the noise that an image is generated from.
    """
    parts = [
        table.assign(response="within_group", level=loss, seed=seed, image=range(len(table)))
        for (loss, seed), table in oracles.items()
    ]
    parts.append(
        generators.assign(
            response="within_group_generated_" + generators["kind"].map(KINDS), level=generators["weight"]
        )
    )
    columns = ["label", "image", "predicted", "response", "level", "seed"]
    table = pd.concat([part[columns] for part in parts], ignore_index=True)
    table["taken"] = taken_for_look_alike(table["label"], table["predicted"], groups).astype(float)
    return table.pivot_table(index=["label", "image"], columns=["response", "level", "seed"], values="taken")


def with_image_intervals(found: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """A table of verdicts with image_low and image_high of the confusions: seed by seed, pooled over seeds."""
    rows = []
    for row in found.itertuples():
        ends = (np.nan, np.nan)
        if row.response in answers:
            of_response = answers[row.response]
            differences = (of_response[row.level] - of_response[row.reference]).mean(axis=1).dropna()
            ends = image_interval(differences.droplevel("image"))[1:]
        rows.append(ends)
    return found.assign(**dict(zip(("image_low", "image_high"), np.array(rows).T, strict=True)))


def write_tables(experiment: Experiment) -> pd.DataFrame:
    """Write the three tables from all runs that are there; returns the verdicts."""
    resolved, groups = experiment.resolved, experiment.groups
    folders = sorted(experiment.folder.glob(f"weight-*-{experiment.steps}/images-{experiment.images}"))
    done = [folder for folder in folders if (folder / MEASURES).is_file()]
    generators = pd.concat([pd.read_csv(folder / MEASURES, dtype={"weight": str}) for folder in done])
    generators = generators.sort_values("weight", key=lambda weight: weight.astype(float), kind="stable")
    seen = pd.concat([pd.read_parquet(folder / PREDICTED) for folder in done])
    about = {"study": resolved["study"], "train_steps": experiment.steps}
    answers = oracle_answers(experiment)
    oracles = oracle_table(answers, groups)
    weights = [weight for weight in generators["weight"].unique() if weight != UNCHANGED]
    levels = compared_levels(oracles, generators)
    found = verdict_table(levels, margin=resolved["equivalence_margin"], claims=claims_of(weights))
    found = with_image_intervals(found, look_alike_answers(answers, seen, groups))
    columns = ["weight", "seed", "kind", "oracle", "n_real", "n_generated", "accuracy_real"]
    tables = {
        ORACLES: oracles.assign(**about | {"architecture": experiment.architecture}).drop(columns="train_steps"),
        GENERATORS: generators[[*columns, "within_group_real", *MEASURED]].assign(**about),
        VERDICTS: found,
    }
    for name, table in tables.items():
        with atomic(paths.report_folder(REPORT) / name) as temporary:
            table.round(5).to_csv(temporary, index=False)
    return found


def committed_margins() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The tables that came with the project: of oracles, of generators, and the verdicts.

    Raises:
        StudyError: one is missing.
    """
    folder = paths.committed_report(REPORT)
    try:
        return tuple(
            pd.read_csv(folder / name, dtype={"weight": str, "level": str}) for name in (ORACLES, GENERATORS, VERDICTS)
        )
    except FileNotFoundError as error:
        command = f"{paths.python()} -m kpop_rca.claims.angular_margins"
        raise StudyError(f"reports/{REPORT}/{Path(error.filename).name} is not there; run: {command}") from None


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
