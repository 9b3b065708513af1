"""Recipes of training compared: what the oracles of a study say of the images of each.

    python -m kpop_rca.benchmarks.recipes --study quick-seed101 --recipe eps --recipe flow-muon

The study's faces and oracles (01, 02, 04) must be there; its seed is that of the training. One row per recipe and
guidance is added to `reports/recipes/recipes.csv`, and a sheet is left beside the images. The seconds count for what a
machine does that has nothing else to do.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tqdm import tqdm

from kpop_rca.diffusion import generated_images, trainings
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.trainer import load_trained
from kpop_rca.errors import said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.image_metrics.frechet import frechet_distance
from kpop_rca.oracles import predictions, training
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices
from kpop_rca.system.files import atomic

TABLE, SHEET = "recipes.csv", "sheet.png"
SET = ["train_steps", "learning_rate", "muon_learning_rate"]
KEY = ["study", "recipe", *SET, "guidance", "guidance_interval"]
SHOWN = 12  # images of each identity on the sheet
EPS = {"prediction": "eps", "timestep_sampling": "uniform", "optimizer": "adamw", "stem": "pixels"}
FLOW = EPS | {"prediction": "flow", "timestep_sampling": "logit_normal"}
# Steps in proportion to the time that one takes on a CPU.
RECIPES: dict[str, dict[str, Any]] = {
    "eps": EPS | {"train_steps": 850},
    "eps-logit-normal": EPS | {"timestep_sampling": "logit_normal", "train_steps": 850},
    "eps-muon": EPS | {"optimizer": "muon", "train_steps": 740},
    "v": EPS | {"prediction": "v", "train_steps": 850},
    "v-logit-normal": FLOW | {"prediction": "v", "train_steps": 850},
    "v-muon": FLOW | {"prediction": "v", "optimizer": "muon", "train_steps": 740},
    "flow": FLOW | {"train_steps": 850},
    "flow-uniform": FLOW | {"timestep_sampling": "uniform", "train_steps": 850},
    "flow-muon": FLOW | {"optimizer": "muon", "train_steps": 740},
    "flow-muon-batch-32": FLOW | {"optimizer": "muon", "train_steps": 380, "batch_size": 32},
    "flow-muon-stem": FLOW | {"optimizer": "muon", "stem": "space_to_depth", "train_steps": 1400},
}


def compare(resolved: dict[str, Any], recipe: str, *, steps: int | None, guidances: list[float]) -> pd.DataFrame:
    """Train by a recipe, or go on from what is there, generate, and ask each oracle: one row per guidance.

    Columns: `KEY`, n, rca and frechet (means over the oracles, of their features of the test faces), cpu_seconds (of
    the training, as far as this process did it).
    """
    parameters = resolved | RECIPES[recipe]
    parameters["train_steps"] = steps or parameters["train_steps"]
    study, device = parameters["study"], devices.choose(parameters["device"])
    settings = {name: parameters[name] for name in SET}
    interval = "-".join(f"{end:g}" for end in parameters["guidance_interval"])
    folder = paths.artifacts_folder(study) / "recipes" / "-".join([recipe, *map(str, settings.values())])
    cpu_seconds = _train(parameters, folder, device)
    unet, forward = load_trained(folder, device)
    rows = []
    for guidance in guidances:
        plan = GenerationPlan.of(parameters | {"guidance": guidance}, mixed_precision=parameters["mixed_precision"])
        images = folder / f"guidance-{guidance:g}-in-{interval}"
        n_classes = unet.config.num_class_embeds - 1
        generate(unet, forward, plan, n_classes=n_classes, folder=images, progress=tqdm)
        found, labels = generated_images.load(images)
        _save_sheet(crops.first_of_each(found, labels, count=SHOWN), images / SHEET)
        row = {"study": study, "recipe": recipe} | settings | {"guidance": guidance, "guidance_interval": interval}
        rows.append(row | _scored(study, found, labels, device) | {"cpu_seconds": round(cpu_seconds, 1)})
    return pd.DataFrame(rows)


def _train(parameters: dict[str, Any], folder: Path, device: torch.device) -> float:
    """The seconds of CPU that it took."""
    faces = manifests.folder_of(parameters["study"], "faces")
    images, labels = crops.load_crops(faces, size=parameters["image_size"], split="train")
    trainer = trainings.begin(parameters, n_classes=len(crops.class_names(faces)), folder=folder, device=device)
    begun = time.process_time()
    if trainer.progress.step < parameters["train_steps"]:
        trainer.fit(images, labels, checkpoint_minutes=1.0, sample_grids=1, bar=tqdm)
    return time.process_time() - begun


def _scored(study: str, images: np.ndarray, labels: np.ndarray, device: torch.device) -> dict[str, float]:
    real, real_labels = crops.load_crops(manifests.folder_of(study, "faces"), size=images.shape[1], split="test")
    folder = manifests.folder_of(study, "oracle")
    table, rca, frechet = predictions.trained(folder), [], []
    for name in table.loc[table["eligible"], "oracle"]:
        oracle = training.load_oracle(folder / name, device)
        (of_real, real_features), (of_images, features) = (training.predict(oracle, part) for part in (real, images))
        rca.append((of_images.argmax(1) == labels).mean() / (of_real.argmax(1) == real_labels).mean())
        frechet.append(frechet_distance(real_features, features))
    return {"n": len(images), "rca": np.mean(rca).round(4), "frechet": np.mean(frechet).round(3)}


def _save_sheet(rows: np.ndarray, path: Path) -> None:
    """One row per identity, from uint8 (K, n, H, W, 3)."""
    with atomic(path) as temporary:
        Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(temporary, "PNG")


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.benchmarks.recipes", description=__doc__.split("\n")[0])
    parser.add_argument("--study", default="quick", help="a study with faces and oracles")
    parser.add_argument(
        "--recipe", action="append", choices=RECIPES, help="as often as need be; all of them by default"
    )
    parser.add_argument("--guidance", action="append", type=float, help="as often as need be")
    parser.add_argument("--steps", type=int, help="of the training, in place of the recipe's")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    resolved, path = params.resolve(asked.study), paths.report_folder("recipes") / TABLE
    for recipe in asked.recipe or RECIPES:
        found = compare(resolved, recipe, steps=asked.steps, guidances=asked.guidance or [0.5, 1.0, 2.5])
        print(found.to_string(index=False))
        before = pd.read_csv(path) if path.is_file() else None
        with atomic(path) as temporary:
            pd.concat([before, found]).drop_duplicates(KEY, keep="last").to_csv(temporary, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
