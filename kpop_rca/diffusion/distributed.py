"""The work of 03 and 05 as one of several processes does it.

They share each batch of the training, and take turns at the batches of images. An image is the same whoever makes it.
"""

from functools import partial
from typing import Any

from accelerate import PartialState
from tqdm import tqdm

from kpop_rca.diffusion import generation, trainings
from kpop_rca.diffusion.trainer import load_trained, trained_precision
from kpop_rca.diffusion.unet import no_class
from kpop_rca.faces import crops
from kpop_rca.study import manifests
from kpop_rca.system import devices


def train(parameters: dict[str, Any]) -> None:
    """Do the trainings of a study to their last step, by the parameters of 03."""
    study, folder = parameters["study"], manifests.folder_of(parameters["study"], "ddpm")
    cropped, device = manifests.folder_of(study, "faces"), devices.choose(parameters["device"])
    is_main = PartialState(cpu=device.type == "cpu").is_main_process
    trainings.run_trainings(
        parameters,
        *crops.load_crops(cropped, size=parameters["image_size"], split="train"),
        n_classes=len(crops.class_names(cropped)),
        folder=folder,
        device=device,
        bar=partial(tqdm, desc="training", disable=not is_main),
        curves=folder.with_name("tensorboard"),
    )


def generate(parameters: dict[str, Any], *, state: PartialState) -> None:
    """Draw this process's share of a study's images, by the parameters of 05: every n-th of the missing batches."""
    study, ddpm = parameters["study"], manifests.folder_of(parameters["study"], "ddpm")
    models = [load_trained(folder, state.device) for folder in trainings.training_folders(ddpm)]
    plan = generation.GenerationPlan.of(parameters, mixed_precision=trained_precision(ddpm))
    folder, n_classes = manifests.folder_of(study, "generated"), no_class(models[0][0])
    missing = generation.missing_batches(folder, plan, n_classes=n_classes)
    state.wait_for_everyone()  # so that all have looked before the first writes
    own = missing[state.process_index :: state.num_processes]
    bar = partial(tqdm, disable=not state.is_main_process)
    generation.generate_batches(models, plan, own, folder, n_classes=n_classes, progress=bar)
