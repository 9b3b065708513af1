"""Which guidance weight should a study have? A stated rule, on oracles and images that take no further part.

    python -m kpop_rca.validity.guidance_choice --study quick

The rule is that of `diffusion.guidance_rule`. RCA and Fréchet distance are means over *validation oracles*, one of each
architecture, of the study's recipe and another seed, and are held against the validation faces. The images have noise
that no image of the study has, and the same at every weight, by all of the study's trainings. 01 to 04 must be there;
test faces are not looked at. Everything ends in `reports/guidance/`.
"""

import argparse
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca.diffusion import trainings
from kpop_rca.diffusion.generation import GenerationPlan, Model, generate_batch
from kpop_rca.diffusion.guidance_rule import REPORT, chosen_guidance
from kpop_rca.diffusion.trainer import load_trained
from kpop_rca.errors import said_in_a_line
from kpop_rca.faces import crops, splits
from kpop_rca.oracles.beside_real import mean_rca_and_frechet, validation_oracles
from kpop_rca.oracles.candidates import Faces
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices, files, parallel

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.5)
FIRST_IMAGE = 10**6  # index of the first image: noise that none of a study's images has


def generated(models: list[Model], plan: GenerationPlan, *, n_classes: int) -> Faces:
    """As many images as the study has, by each model its part: uint8 (N, H, W, 3), and who was requested, int (N,)."""
    of_each = -(-plan.images_per_identity // len(models))
    batch = replace(plan, batch_size=min(plan.batch_size, of_each), images_per_identity=2 * FIRST_IMAGE, trainings=1)
    jobs = [
        (model, (label, FIRST_IMAGE + number * of_each + start), min(batch.batch_size, of_each - start))
        for label in range(n_classes)
        for number, model in enumerate(models)
        for start in range(0, of_each, batch.batch_size)
    ]

    def made(job: tuple) -> np.ndarray:
        model, where, n = job
        return generate_batch(*model, batch, where)[:n]

    images = list(parallel.a_core_each(made, jobs, device=models[0][0].device))
    return np.concatenate(images), np.concatenate([np.full(n, label) for _, (label, _), n in jobs])


def trial(resolved: dict[str, Any], *, device: torch.device) -> pd.DataFrame:
    """RCA and Fréchet distance at every weight: guidance, n_images, n_oracles, rca, frechet and chosen."""
    folders = {name: manifests.folder_of(resolved["study"], name) for name in ("faces", "ddpm")}
    faces = {
        name: crops.load_crops(folders["faces"], size=resolved["image_size"], split=name) for name in splits.SPLITS[:4]
    }
    own = paths.artifacts_folder(resolved["study"]) / REPORT
    oracles = validation_oracles(resolved, faces, folder=own, device=device)
    plan = GenerationPlan.of(resolved, mixed_precision=resolved["mixed_precision"])
    numbers = range(resolved["trainings"])
    models = [load_trained(trainings.training_folder(folders["ddpm"], number), device) for number in numbers]
    rows = []
    for weight in WEIGHTS:
        made = generated(models, replace(plan, guidance=weight), n_classes=len(crops.class_names(folders["faces"])))
        value, distance = mean_rca_and_frechet(oracles, made)
        row = {"guidance": weight, "n_images": len(made[1]), "n_oracles": len(oracles), "rca": value}
        rows.append(row | {"frechet": distance})
        print(f"guidance {weight:g}: RCA {value:.2f}, Fréchet distance {distance:.1f}", flush=True)
    table = pd.DataFrame(rows)
    return table.assign(chosen=table["guidance"] == chosen_guidance(table))


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kpop_rca.validity.guidance_choice", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--study", default="quick", help="a study with faces and a trained model")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    resolved = params.resolve(asked.study)
    table = trial(resolved, device=devices.choose(resolved["device"]))
    folder = paths.report_folder(REPORT)
    folder.mkdir(parents=True, exist_ok=True)
    with files.atomic(folder / f"{asked.study}.csv") as temporary:
        table.to_csv(temporary, index=False)
    print(f"The rule takes {chosen_guidance(table):g}; {asked.study} has {resolved['guidance']:g}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
