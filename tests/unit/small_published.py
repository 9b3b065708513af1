"""`smoke` up to its training without computing: faces are noise, and an untrained network stands for a trained one."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch

from kpop_rca.diffusion import trainer, trainings
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.unet import NETWORK, build_unet
from kpop_rca.faces import crops
from kpop_rca.study import given, params, stage_run, stages

LOG = pd.DataFrame({"step": [10, 24], "loss": [1.0, 0.5], "learning_rate": [1e-3, 0.0], "seconds": [1.0, 2.0]})
FACES = np.random.default_rng(0).integers(256, size=(8, 32, 32, 3), dtype=np.uint8)


def begun(folder):
    stage = stages.by_folder(folder)
    return stage_run.begin(stage.notebook, params.of_notebook(stage.notebook, params.resolve("smoke")))


def network(study="smoke", n_classes=4):
    told = params.resolve(study)
    return build_unet(**{name: told[name] for name in NETWORK}, n_classes=n_classes)


@contextmanager
def cropped(*settings, trainings=1):
    """The first two stages, and within the block the settings that they were given."""
    given.give([f"trainings={trainings}", *settings])
    begun("audit").finish()
    stage = begun("faces")
    index = pd.DataFrame({"path": map(str, range(8)), "label": np.repeat(range(4), 2), "split": "train"})
    crops.save_crops(stage.folder, {32: FACES}, index.assign(identity=index["label"].astype(str)))
    stage.finish()
    try:
        yield
    finally:
        given.give()


def train():
    """The third, as 03 leaves it; returns the folder of the training."""
    stage = begun("ddpm")
    folder = trainings.training_folder(stage.folder, 0)
    torch.manual_seed(0)
    unet = network()
    torch.nn.init.normal_(unet.conv_out.weight, std=0.1)  # of an untrained one it is 0, and all images are noise
    unet.save_pretrained(folder / trainer.UNET)
    forward_process("squaredcos_cap_v2", "flow").save_pretrained(folder / trainer.FORWARD)
    LOG.to_csv(folder / trainer.LOG, index=False)
    (folder / trainer.GRIDS).mkdir()
    np.save(folder / trainer.GRIDS / "step_0000024.npy", FACES[:4])
    stage.finish()
    return folder
