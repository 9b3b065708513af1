"""The long work of a stage done by several processes, one a GPU, before its notebook runs.

    accelerate launch -m kpop_rca.launch 03 --study idols10-32
    python -m kpop_rca.run 03 --study idols10-32
    accelerate launch -m kpop_rca.launch 05 --study idols10-32
    python -m kpop_rca.run 05 --study idols10-32

A notebook is one process. What these leave is work in progress, as an interrupted notebook leaves it: the notebook
finds the last checkpoint at the last step, or every batch of images drawn, and goes on from there to its figures.
The processes share each training batch, and take turns at the batches of images; an image is the same whoever draws
it. Without `accelerate launch` it is one process, as in the notebook.
"""

import argparse
import sys
from functools import partial
from typing import Any

import torch
from accelerate import PartialState
from tqdm import tqdm

from kpop_rca import (
    devices,
    diffusion,
    faces,
    given,
    manifests,
    params,
    sampling,
    seeds,
    stage_run,
    stages,
    training,
)
from kpop_rca.errors import StudyError


def train(parameters: dict[str, Any]) -> None:
    """Train the DDPM of a study to its last step.

    Args:
        parameters: of 03_ddpm_training.

    Raises:
        StudyError: as in the notebook.
    """
    study, folder = parameters["study"], manifests.folder_of(parameters["study"], "ddpm")
    cropped = manifests.folder_of(study, "faces")
    images, labels = faces.load(cropped, size=parameters["image_size"], split="train")
    n_classes = len(faces.class_names(cropped))
    shape = ("image_size", "channels", "layers_per_block", "attention_size")
    torch.manual_seed(seeds.number(seeds.Purpose.NETWORK, parameters["seed"]))
    unet = diffusion.build_unet(**{name: parameters[name] for name in shape}, n_classes=n_classes)
    recipe = training.Recipe.of(parameters)
    trainer = training.Trainer(unet, recipe=recipe, folder=folder, device=devices.choose(parameters["device"]))
    trainer.fit(
        images,
        labels,
        checkpoint_minutes=parameters["checkpoint_minutes"],
        sample_grids=parameters["sample_grids"],
        bar=partial(tqdm, desc="training", disable=not trainer.accelerator.is_main_process),
        curves=folder.with_name("tensorboard"),
    )


def generate(parameters: dict[str, Any], *, state: PartialState) -> None:
    """Draw this process's share of a study's images: every n-th of the batches that are missing.

    Args:
        parameters: of 05_generation.
        state: which of how many processes this is.

    Raises:
        StudyError: as in the notebook.
    """
    study, ddpm = parameters["study"], manifests.folder_of(parameters["study"], "ddpm")
    unet, forward = training.load_trained(ddpm, state.device)
    plan = sampling.Plan.of(parameters, mixed_precision=training.precision(ddpm))
    folder = manifests.folder_of(study, "generated")
    n_classes = diffusion.no_class(unet)
    missing = sampling.missing_batches(folder, plan, n_classes=n_classes)
    state.wait_for_everyone()  # so that all have looked before the first writes
    own = missing[state.process_index :: state.num_processes]
    bar = partial(tqdm, disable=not state.is_main_process)
    sampling.draw_batches(unet, forward, plan, own, folder, n_classes=n_classes, progress=bar)


def launch(notebook: str, study: str) -> None:
    """Do the long work of 03 or 05, in as many processes as were launched.

    Raises:
        StudyError: another notebook, or what its own would refuse.
    """
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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="accelerate launch -m kpop_rca.launch", description=__doc__.split("\n")[0])
    parser.add_argument("notebook", help="03 or 05")
    parser.add_argument("--study", default="quick", help="name of a file in params/")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    try:
        given.give_options(asked)
        launch(asked.notebook, asked.study)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if PartialState().is_main_process:
            print("stopped; the same command goes on from what is saved", file=sys.stderr)
        return 130
    finally:
        PartialState().destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
