"""denoising-diffusion-pytorch: its Trainer and its sampler, on the model of its own that is nearest in operations.

It is not in the project's lock, and is imported where it is used: where it is missing, a row says so.
"""

from functools import cache, partial
from typing import Any

import torch
from IPython.utils.capture import capture_output

from kpop_rca.benchmarks import ceilings, ours
from kpop_rca.benchmarks.baselines.diffusers import batches
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work

WIDTHS = range(8, 200, 8)  # the narrowest levels that are tried; its group norms ask for multiples of 8


def _unet(setting: Setting, width: int) -> torch.nn.Module:
    from denoising_diffusion_pytorch import Unet

    return Unet(dim=width, dim_mults=tuple(2**level for level in range(len(setting["channels"]))))


def _flops(setting: Setting, width: int, *, training: bool = False) -> float:
    build = partial(_unet, setting, width)
    return ceilings.network_flops(build, image_size=setting["image_size"], beside=1, training=training)


@cache
def _nearest_width(setting: Setting) -> int:
    """The width whose operations are nearest to those of the study's UNet; they grow with the width."""
    wanted, tried = ours.unet_flops(setting, training=False), {}
    for width in WIDTHS:
        tried[width] = _flops(setting, width)
        if tried[width] >= wanted:
            break
    return min(tried, key=lambda w: abs(tried[w] - wanted))


def _model(setting: Setting) -> Any:
    """Its GaussianDiffusion around a UNet of the study's levels."""
    from denoising_diffusion_pytorch import GaussianDiffusion

    torch.manual_seed(setting["seed"])
    unet, steps = _unet(setting, _nearest_width(setting)), setting["bench_ddim_steps"]
    return GaussianDiffusion(unet, image_size=setting["image_size"], sampling_timesteps=steps)


def training(setting: Setting) -> Work:
    """`bench_train_steps` steps of its Trainer per repeat, which goes on where it was."""
    from denoising_diffusion_pytorch import Trainer

    trainer = Trainer(
        _model(setting),
        str(setting.face_folder),
        train_batch_size=setting["batch_size"],
        train_num_steps=0,
        save_and_sample_every=ours.FAR,
        results_folder=str(setting.scratch / "denoising_diffusion"),
        amp=setting["mixed_precision"] != "no",
        mixed_precision_type=setting["mixed_precision"],
        calculate_fid=False,  # which would fetch Inception's weights
    )

    def run() -> None:
        trainer.train_num_steps += setting["bench_train_steps"]
        with capture_output():  # the bars that it shows
            trainer.train()

    flops = _flops(setting, _nearest_width(setting), training=True)
    return Work(run=run, items=setting["bench_train_steps"] * setting["batch_size"], flops=flops)


def sampler(setting: Setting) -> Work:
    """Its DDIM sampler, batch by batch."""
    model = _model(setting).to(setting.device).eval()

    def run() -> None:
        with capture_output():
            for n_images in batches(setting):
                model.sample(batch_size=n_images).cpu()

    flops = setting["bench_ddim_steps"] * _flops(setting, _nearest_width(setting))
    return Work(run=run, items=setting["bench_samples"], flops=flops)
