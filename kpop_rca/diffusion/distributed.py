"""The work of 03 and 05 as one of several processes does it.

They share each batch of the training, and take turns at the batches of images. An image is the same whoever makes it.
"""

from functools import partial
from typing import Any

import torch
from accelerate import PartialState
from tqdm import tqdm

from kpop_rca.diffusion import generation
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer, load_trained, trained_precision
from kpop_rca.diffusion.unet import NETWORK, build_unet, no_class
from kpop_rca.faces import crops
from kpop_rca.study import manifests
from kpop_rca.system import devices, seeds


def train(parameters: dict[str, Any]) -> None:
    """Train the DDPM of a study to its last step, by the parameters of 03."""
    study, folder = parameters["study"], manifests.folder_of(parameters["study"], "ddpm")
    cropped = manifests.folder_of(study, "faces")
    images, labels = crops.load_crops(cropped, size=parameters["image_size"], split="train")
    torch.manual_seed(seeds.number(seeds.Purpose.NETWORK, parameters["seed"]))
    unet = build_unet(**{name: parameters[name] for name in NETWORK}, n_classes=len(crops.class_names(cropped)))
    recipe, device = DiffusionRecipe.of(parameters), devices.choose(parameters["device"])
    trainer = Trainer(unet, recipe=recipe, folder=folder, device=device)
    trainer.fit(
        images,
        labels,
        checkpoint_minutes=parameters["checkpoint_minutes"],
        sample_grids=parameters["sample_grids"],
        bar=partial(tqdm, desc="training", disable=not trainer.accelerator.is_main_process),
        curves=folder.with_name("tensorboard"),
    )


def generate(parameters: dict[str, Any], *, state: PartialState) -> None:
    """Draw this process's share of a study's images, by the parameters of 05: every n-th of the missing batches."""
    study, ddpm = parameters["study"], manifests.folder_of(parameters["study"], "ddpm")
    unet, forward = load_trained(ddpm, state.device)
    plan = generation.GenerationPlan.of(parameters, mixed_precision=trained_precision(ddpm))
    folder, n_classes = manifests.folder_of(study, "generated"), no_class(unet)
    missing = generation.missing_batches(folder, plan, n_classes=n_classes)
    state.wait_for_everyone()  # so that all have looked before the first writes
    own = missing[state.process_index :: state.num_processes]
    bar = partial(tqdm, disable=not state.is_main_process)
    generation.generate_batches(unet, forward, plan, own, folder, n_classes=n_classes, progress=bar)
