"""A trained generator as it is published: its averaged weights in bf16, what they were made from, how they learned.

Such a folder stands for the training of the study that it is from, and of no other: a study with other settings up to
the training has other people, or tests on faces that these weights were trained on.
"""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from diffusers import DDPMScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.trainer import FORWARD, GRIDS, LOG, UNET
from kpop_rca.diffusion.trainings import training_folder
from kpop_rca.diffusion.unet import NETWORK, build_unet, load_unet, no_class
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops
from kpop_rca.study import checksums, manifests, paths, privacy, stages
from kpop_rca.system import files

WEIGHTS, RECORD = "unet.safetensors", "published.json"
TRAINED = "ddpm"  # the folder of the stage that trains


def settings(study: str) -> dict[str, Any]:
    """What a study was told up to its training, which may be at work; what changes no result is left out."""
    told: dict[str, Any] = {}
    for folder in ("audit", "faces", TRAINED):
        told |= manifests.compared(manifests.read(manifests.folder_of(study, folder))["parameters"])
    return {name: value for name, value in told.items() if name != "weights"}


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of the faces that a network is trained on: uint8 (N, H, W, 3) and int64 (N,)."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


def made(study: str) -> dict[str, Any]:
    """The record of a study's training, which is complete and as it was left.

    Raises:
        StudyError: it is not.
    """
    stage, folder = stages.by_folder(TRAINED), manifests.folder_of(study, TRAINED)
    record = manifests.read(folder) if (folder / manifests.MANIFEST).is_file() else {"parameters": {}}
    if found := manifests.differences(folder, stage, record["parameters"], parts=("missing", "files")):
        lies = f"artifacts/{folder.parent.name}/{TRAINED}"
        raise StudyError(f"{lies} is {manifests.in_words(found)}; run: {manifests.command(study, stage)}")
    return record


def publish(study: str, folder: Path) -> None:
    """Write what the training of a study left as a folder of published weights.

    Raises:
        StudyError: as `made`; or the study is on people; or the folder holds something else.
    """
    versions, told = made(study)["versions"], settings(study)
    if told["data_source"] != privacy.DRAWN:
        raise StudyError(
            f"{study} is trained on photographs of people, which weights can give away; only those of avatars "
            f"(data_source: {privacy.DRAWN}) are published"
        )
    if folder.exists() and not (folder / RECORD).is_file():
        raise StudyError(f"{folder} is there already and holds no published weights; name a new folder")
    training = min(manifests.folder_of(study, TRAINED).rglob(UNET)).parent  # the first, where there are several
    unet = load_unet(training / UNET)
    faces = crops.load_crops(manifests.folder_of(study, "faces"), size=told["image_size"], split="train")
    shutil.rmtree(folder, ignore_errors=True)
    with files.writing(folder):
        folder.mkdir(parents=True)
        save_file({name: weight.bfloat16() for name, weight in unet.state_dict().items()}, folder / WEIGHTS)
        shutil.copy(training / LOG, folder / LOG)
        shutil.copytree(training / GRIDS, folder / GRIDS)
    record = {
        "study": study,
        "parameters": told | {"trainings": 1},
        "n_classes": no_class(unet),
        "n_faces": len(faces[0]),
        "faces": digest(*faces),
        "versions": versions,
        "files": checksums.of_files(manifests.files_of(folder), folder=folder),
    }
    files.write_json(folder / RECORD, record)


@dataclass(frozen=True)
class PublishedWeights:
    """A folder of published weights, every file of which is as it was published."""

    folder: Path
    record: dict[str, Any]

    @classmethod
    def read(cls, weights: str) -> "PublishedWeights":
        """The folder that the parameter `weights` names.

        Raises:
            StudyError: it holds no published weights, or a file that is not as it was published.
        """
        folder = paths.published_weights(weights)
        if not (folder / RECORD).is_file():
            raise StudyError(f"{weights} holds no published weights, {RECORD} is missing; set weights to '' to train")
        record = files.read_json(folder / RECORD)
        now = checksums.of_names(record["files"], folder=folder)
        if found := manifests.differing("files", record["files"], now):
            raise StudyError(f"{weights} is {manifests.in_words(found)}; get it again, or set weights to '' to train")
        return cls(folder, record)

    @classmethod
    def of_study(cls, weights: str, *, study: str) -> "PublishedWeights":
        """The same for a study whose training has begun, and which is the one that they are from.

        Raises:
            StudyError: as `read`; or the study was told something else.
        """
        found, told = cls.read(weights), settings(study)
        for name, value in found.record["parameters"].items():
            if told.get(name, value) != value:
                raise StudyError(
                    f"{weights} was trained where {name} is {value!r}, and here it is {told[name]!r}; "
                    f"set it to {value!r}, or weights to '' to train"
                )
        return found

    @cached_property
    def log(self) -> pd.DataFrame:
        """As `run_trainings` returned it."""
        return pd.read_csv(self.folder / LOG).assign(training=0)

    def load(self) -> tuple[UNet2DModel, DDPMScheduler]:
        """The network in fp32 and evaluation mode, on the CPU, and the forward process that it was trained on."""
        told = self.record["parameters"]
        unet = build_unet(**{name: told[name] for name in NETWORK}, n_classes=self.record["n_classes"])
        unet.load_state_dict({name: weight.float() for name, weight in load_file(self.folder / WEIGHTS).items()})
        return unet.eval(), forward_process(told["noise_schedule"], told["prediction"])

    def unpack(self, ddpm: Path) -> None:
        """Write into the folder of a stage what a training leaves: network, forward process, log and sample grids."""
        unet, forward = self.load()
        folder = training_folder(ddpm, 0)
        with files.writing(folder):
            unet.save_pretrained(folder / UNET)
            forward.save_pretrained(folder / FORWARD)
            shutil.copy(self.folder / LOG, folder / LOG)
            shutil.copytree(self.folder / GRIDS, folder / GRIDS, dirs_exist_ok=True)

    def about(self, images: np.ndarray, labels: np.ndarray) -> str:
        """In words, where they are from, and whether they were trained on these faces."""
        same = digest(images, labels) == self.record["faces"]
        return (
            f"Nothing is trained here. The weights are those of an earlier training of {self.record['study']}: "
            f"{self.log['step'].iloc[-1]} steps in {self.log['seconds'].iloc[-1]:.0f} seconds, rounded to bf16, "
            f"SHA-256 {self.record['files'][WEIGHTS][:16]}. "
            f"Its training faces {'are' if same else 'differ in some pixels from'} those above."
        )
