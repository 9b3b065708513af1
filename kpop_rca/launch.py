"""The long work of 03 or 05 done by several processes, one a GPU, before its notebook runs.

    accelerate launch -m kpop_rca.launch 03 --study idols10-32
    python -m kpop_rca.run 03 --study idols10-32

What they leave is work in progress, as an interrupted notebook leaves it: the notebook finds the last checkpoint, or
every batch of images, and goes on from there to its figures. The processes share each training batch, and take turns at
the batches of images; an image is the same whoever draws it. Without `accelerate launch` it is one process.
"""

import argparse
import sys
from functools import partial
from typing import Any

import torch
from accelerate import PartialState
from tqdm import tqdm

from kpop_rca.diffusion import generation
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer, load_trained, trained_precision
from kpop_rca.diffusion.unet import NETWORK, build_unet, no_class
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.study import given, manifests, params, stage_run, stages
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


def launch(notebook: str, study: str) -> None:
    """Do the long work of 03 or 05, in as many processes as were launched."""
    stage = stages.by_notebook(notebook)
    if stage.folder not in ("ddpm", "generated"):
        raise StudyError(f"{stage.notebook} is done by one process; run: {manifests.command(stage, study)}")
    parameters = params.of_notebook(stage.notebook, params.resolve(study))
    state = PartialState(cpu=devices.choose(parameters["device"]).type == "cpu")
    if state.is_main_process:
        stage_run.begin(stage.notebook, parameters)
    state.wait_for_everyone()
    if stage.folder == "ddpm":
        train(parameters)
    else:
        generate(parameters, state=state)
    state.wait_for_everyone()
    if state.is_main_process:
        print(f"done; for the figures run: {manifests.command(stage, study)}")


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="accelerate launch -m kpop_rca.launch", description=__doc__.split("\n")[0])
    parser.add_argument("notebook", help="03 or 05")
    parser.add_argument("--study", default="quick", help="name of a file in params/")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    try:
        given.give_options(asked)
        launch(asked.notebook, asked.study)
    except KeyboardInterrupt:
        if PartialState().is_main_process:
            print("stopped; the same command goes on from what is saved", file=sys.stderr)
        return 130
    finally:
        PartialState().destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
