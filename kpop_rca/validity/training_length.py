"""What does longer training buy? Loss, RCA and Fréchet distance at several lengths of a study's training.

    python -m kpop_rca.validity.training_length --study quick

The loss is mostly about noise levels at which no identity is visible, so it can be flat while RCA is not. Each length
is a training of its own, with its own decay of the learning rate: the weights half-way through a long training are not
those of a short one. The seeds are those of the study's trainings, which stand for the study's own length.

A length might be chosen by this curve, so the test faces are not looked at: RCA and Fréchet distance are means over the
validation oracles of `guidance_choice`, beside the validation faces, of images whose noise no image of the study has
and all lengths share. 01 to 03 must be there. A training that is there is not made again: stop and go on at any time.
Everything ends in `reports/training_length/`.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from kpop_rca.diffusion import trainings
from kpop_rca.diffusion.generation import GenerationPlan
from kpop_rca.diffusion.lengths import ABOUT, CURVE, REPORT, loss_at_the_end, recipe_of
from kpop_rca.diffusion.trainer import LOG, load_trained
from kpop_rca.errors import said_in_a_line
from kpop_rca.faces import crops, splits
from kpop_rca.oracles.beside_real import OracleBesideReal, mean_rca_and_frechet, validation_oracles
from kpop_rca.oracles.candidates import Faces
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices, files, seeds
from kpop_rca.system.seeds import Purpose
from kpop_rca.validity.further_trainings import train_alone
from kpop_rca.validity.guidance_choice import generated

LENGTHS = (1 / 4, 1 / 2, 1, 2)  # of the study's own
IMAGES = 20  # of each identity, by each training


def trained(resolved: dict[str, Any], steps: int, number: int, faces: Faces, *, device: torch.device) -> Path:
    """The folder of one training of a length, by one thread; from its last checkpoint, where it has one."""
    if steps == resolved["train_steps"]:
        return trainings.training_folder(manifests.folder_of(resolved["study"], "ddpm"), number)
    folder = trainings.training_folder(paths.artifacts_folder(resolved["study"]) / REPORT / str(steps), number)
    of_number = {"train_steps": steps, "seed": trainings.seed_of(number, seed=resolved["seed"])}
    train_alone(resolved | of_number, *faces, folder, device=device)
    return folder


def row_of(
    folder: Path, resolved: dict[str, Any], oracles: list[OracleBesideReal], *, n_classes: int, device: torch.device
) -> dict[str, float]:
    """Loss at the end of one training, and what its images get: n_images, n_oracles, loss, rca, frechet."""
    plan = GenerationPlan.of(resolved, mixed_precision=resolved["mixed_precision"])
    plan = replace(plan, images_per_identity=IMAGES)
    made = generated([load_trained(folder, device)], plan, n_classes=n_classes)
    value, distance = mean_rca_and_frechet(oracles, made)
    loss = loss_at_the_end(pd.read_csv(folder / LOG))
    return {"n_images": len(made[1]), "n_oracles": len(oracles), "loss": loss, "rca": value, "frechet": distance}


def of_real_faces(oracles: list[OracleBesideReal], train: Faces, *, seed: int) -> dict[str, float]:
    """What real faces get in place of generated ones, as many: training faces, which the oracles have not seen."""
    n = min(IMAGES * (int(train[1].max()) + 1), len(train[1]))
    some = seeds.generator(Purpose.COMPARED_FACES, seed).permutation(len(train[1]))[:n]
    value, distance = mean_rca_and_frechet(oracles, (train[0][some], train[1][some]))
    return {"n": n, "rca": value, "frechet": distance}


def trial(resolved: dict[str, Any], *, device: torch.device) -> None:
    """Measure every length, the short ones first, and write the report after each training."""
    own, size = paths.artifacts_folder(resolved["study"]) / REPORT, resolved["image_size"]
    folder = manifests.folder_of(resolved["study"], "faces")
    faces = {name: crops.load_crops(folder, size=size, split=name) for name in splits.SPLITS[:4]}
    oracles, n_classes = validation_oracles(resolved, faces, folder=own, device=device), len(crops.class_names(folder))
    report = paths.report_folder(REPORT)
    report.mkdir(parents=True, exist_ok=True)
    real = of_real_faces(oracles, faces["train"], seed=resolved["seed"])
    about = {"study": resolved["study"], "train_steps": resolved["train_steps"], "recipe": recipe_of(resolved)}
    files.write_json(report / ABOUT, about | {"real": real})
    rows: list[dict[str, float]] = []
    for steps in [max(1, round(length * resolved["train_steps"])) for length in LENGTHS]:
        for number in range(resolved["trainings"]):
            made_by = trained(resolved, steps, number, faces["train"], device=device)
            row = row_of(made_by, resolved, oracles, n_classes=n_classes, device=device)
            rows.append({"steps": steps, "training": number} | row)
            print(", ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()), flush=True)
            with files.atomic(report / CURVE) as temporary:
                pd.DataFrame(rows).round(5).to_csv(temporary, index=False)


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kpop_rca.validity.training_length", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--study", default="quick", help="a study with faces and trained models")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    resolved = params.resolve(asked.study)
    trial(resolved, device=devices.choose(resolved["device"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
