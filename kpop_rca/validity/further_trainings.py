"""Does the recipe's interval hold? Further trainings of a study, by its recipe, on its faces, under its oracles.

    python -m kpop_rca.validity.further_trainings --study quick --further 10

A study with T trainings has those of the numbers 0 to T - 1. Here the next ones are made, from the seeds and with the
noise that they would have in a study of more trainings, and each generates as many images as the study's own do. 01,
02 and 04 must be there. What was done is not done again: stop it and go on at any time. Predictions by the study's
oracles, and what they were made with, go into `reports/further_trainings/`, where 06 reads them.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca.diffusion import trainings
from kpop_rca.diffusion.generation import GenerationPlan, generate_batch
from kpop_rca.diffusion.trainer import LOG, load_trained
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.oracles import prediction_tables, predictions
from kpop_rca.study import checksums, given, manifests, params, paths
from kpop_rca.system import devices, files, parallel

FURTHER = 10
REPORT = "further_trainings"  # the folder of what they found, in reports/
PREDICTIONS, ABOUT = "predictions.csv.gz", "about.json"
OF_RECIPE = ("03_ddpm_training", "05_generation")  # notebooks whose parameters are the recipe
NOT_OF_RECIPE = {"study", "device", "trainings", "images_per_identity", "sample_grids", "checkpoint_minutes"}
NOT_OF_RECIPE |= {"publish_images", "weights"}


@dataclass(frozen=True)
class Further:
    """The trainings that follow those of a study."""

    resolved: dict[str, Any]
    number: int

    @property
    def folder(self) -> Path:
        return paths.artifacts_folder(self.resolved["study"]) / "further_trainings"

    @property
    def numbers(self) -> range:
        """Of the trainings, after those of the study."""
        first = self.resolved["trainings"]
        return range(first, first + self.number)

    @property
    def images_per_identity(self) -> int:
        """Of one training."""
        return self.resolved["images_per_identity"] // self.resolved["trainings"]

    @property
    def plan(self) -> GenerationPlan:
        """Of all the trainings, the study's included: the images have the seeds of a study that is larger."""
        total = self.numbers.stop
        larger = {"trainings": total, "images_per_identity": total * self.images_per_identity}
        return GenerationPlan.of(self.resolved | larger, mixed_precision=self.resolved["mixed_precision"])

    def of_study(self, stage: str) -> Path:
        return manifests.folder_of(self.resolved["study"], stage)

    def images_file(self, number: int) -> Path:
        return trainings.training_folder(self.folder, number) / "images.npy"


def recipe_of(resolved: dict[str, Any]) -> dict[str, Any]:
    """The parameters that training and sampling follow from, how often and on what machine left aside."""
    held = [params.of_notebook(notebook, resolved) for notebook in OF_RECIPE]
    return {name: value for part in held for name, value in part.items() if name not in NOT_OF_RECIPE}


def train_alone(
    resolved: dict[str, Any], images: np.ndarray, labels: np.ndarray, folder: Path, *, device: torch.device
) -> None:
    """One training from the seed of the parameters, by one thread; from its last checkpoint, where it has one.

    A training that is there is left as it is.

    Args:
        resolved: parameters of 03; the seed is that of this training.
        images, labels: training faces, uint8 (N, H, W, 3), and their identities from 0, int (N,).
        folder: of this training.
    """
    if (folder / LOG).is_file():
        return
    trainer = trainings.begin(resolved, n_classes=int(labels.max()) + 1, folder=folder, device=device)
    how = {"checkpoint_minutes": 1.0, "sample_grids": 0, "stops": Event().is_set}
    with parallel.one_thread(device):
        for _ in trainer.lines(trainer.steps_left, images, labels, **how):
            pass
    trainer.save_result()


def train(further: Further, number: int, *, device: torch.device) -> None:
    """One of the further trainings."""
    resolved, folder = further.resolved, trainings.training_folder(further.folder, number)
    faces = crops.load_crops(further.of_study("faces"), size=resolved["image_size"], split="train")
    of_number = resolved | {"seed": trainings.seed_of(number, seed=resolved["seed"])}
    train_alone(of_number, *faces, folder, device=device)


def generate(further: Further, number: int, *, device: torch.device) -> None:
    """The images of one training, uint8 (K n, H, W, 3) in the order of the identities, in one file."""
    path, plan = further.images_file(number), further.plan
    if checksums.is_whole(path):
        return
    model = load_trained(path.parent, device)
    starts = [first for first in plan.first_images if plan.training_of(first) == number]
    n_classes = len(crops.class_names(further.of_study("faces")))
    with parallel.one_thread(device):
        made = [generate_batch(*model, plan, (label, first)) for label in range(n_classes) for first in starts]
    with checksums.recorded(path) as temporary:
        np.save(temporary, np.concatenate(made), allow_pickle=False)


def predict(further: Further, *, device: torch.device) -> pd.DataFrame:
    """What every oracle of the study predicts of the images that are there, as `prediction_tables` has it."""
    parts = []
    for number in further.numbers:
        if not checksums.is_whole(further.images_file(number)):
            continue
        images = np.load(further.images_file(number), allow_pickle=False)
        labels = np.repeat(np.arange(len(images) // further.images_per_identity), further.images_per_identity)
        long = predictions.predict_all(further.of_study("oracle"), images, labels, device=device)
        parts.append(prediction_tables.wide(long).assign(training=number))
    if not parts:
        raise StudyError("no further training has its images yet")
    return pd.concat(parts, ignore_index=True)


def write_report(further: Further, table: pd.DataFrame) -> None:
    """Write the predictions, and what they were made with."""
    folder, resolved = paths.report_folder(REPORT), further.resolved
    real = predictions.load_predictions(further.of_study("oracle"))
    right = (real["label"] == real["predicted"]).groupby(real["oracle"], sort=False).mean()
    with files.atomic(folder / PREDICTIONS) as temporary:
        files.write_gzip(temporary, table.to_csv(index=False))
    about = {"study": resolved["study"], "trainings": sorted(table["training"].unique().tolist())}
    about |= {"images_per_identity": further.images_per_identity, "accuracy_real": right.round(6).to_dict()}
    files.write_json(folder / ABOUT, about | {"recipe": recipe_of(resolved)})


def steps(further: Further, *, device: torch.device) -> Iterator[int]:
    """Make one training after the other; the number of each that is there with its images."""
    for number in further.numbers:
        train(further, number, device=device)
        generate(further, number, device=device)
        yield number


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kpop_rca.validity.further_trainings", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--study", default="quick", help="a study with faces and oracles")
    parser.add_argument("--further", type=int, default=FURTHER, help=f"number of trainings; {FURTHER} by default")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    further = Further(params.resolve(asked.study), asked.further)
    device = devices.choose(further.resolved["device"])
    for number in steps(further, device=device):
        print(f"training {number} and its images are there", flush=True)
        write_report(further, predict(further, device=device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
