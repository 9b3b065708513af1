"""A training that PyTorch compiles, against one that it does not; compiling takes minutes on a CPU."""

import dataclasses
import shutil

import pytest
import torch
from unit.small_training import RECIPE, Bar

from kpop_rca.diffusion import trainer as diffusion_trainer
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.system import devices

CPU = torch.device("cpu")


def fitted(folder, faces, reset, *, steps):
    """A training of three steps whose bar ends after some of them."""

    class Ends(Bar):
        def __iter__(self):
            for step in self.steps:
                if step == steps:
                    raise KeyboardInterrupt
                yield step

    reset(reset_partial_state=True)
    torch.manual_seed(0)
    unet = build_unet(image_size=16, channels=[8], layers_per_block=1, attention_size=0, n_classes=3)
    trainer = diffusion_trainer.Trainer(unet, recipe=dataclasses.replace(RECIPE, steps=3), folder=folder, device=CPU)
    assert (unet._compiled_call_impl is not None) == (folder.name == "compiled")
    return trainer.fit(*faces, checkpoint_minutes=1e-9, sample_grids=1, bar=Ends)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler here")
def test_compiling_changes_rounding_alone(coloured_faces, tmp_path, fresh_accelerate, monkeypatch):
    """Three steps, stopped after the second, against three that were not compiled."""
    monkeypatch.setattr(diffusion_trainer, "LOG_EVERY", 1)  # so that there is a checkpoint after every step
    monkeypatch.setenv(devices.COMPILE, "off")
    log = fitted(tmp_path / "plain", coloured_faces, fresh_accelerate, steps=3)
    monkeypatch.setenv(devices.COMPILE, "on")
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "compiled", coloured_faces, fresh_accelerate, steps=2)
    resumed = fitted(tmp_path / "compiled", coloured_faces, fresh_accelerate, steps=3)
    # Not the weights, too: where a gradient is nothing but rounding, Adam makes a whole step of it.
    assert resumed["loss"].tolist() == pytest.approx(log["loss"].tolist(), rel=1e-5)
