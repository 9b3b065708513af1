"""denoising-diffusion-pytorch: its Trainer and its sampler, on the model of its own that is nearest in operations.

It is not in the project's lock, and is imported where it is used: where it is missing, a row says so.
"""

from functools import partial
from typing import Any

import torch

from kpop_rca.benchmarks import ceilings, ours
from kpop_rca.benchmarks.baselines.diffusers import batches
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work

WIDTHS = range(8, 200, 8)  # of the first level; its group norms ask for multiples of 8


def _model(setting: Setting, *, training: bool) -> tuple[Any, float]:
    """Its GaussianDiffusion around a UNet of the study's levels, and the operations of that per image."""
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    build = partial(Unet, dim_mults=tuple(2**level for level in range(len(setting["channels"]))))
    size, steps = setting["image_size"], setting["bench_ddim_steps"]
    wanted, flops = ours.unet_flops(setting, training=False), partial(ceilings.network_flops, image_size=size, beside=1)
    width = min(WIDTHS, key=lambda width: abs(flops(partial(build, width), training=False) - wanted))
    torch.manual_seed(setting["seed"])
    model = GaussianDiffusion(build(width), image_size=size, sampling_timesteps=steps)
    return model, flops(partial(build, width), training=training)


def training(setting: Setting) -> Work:
    """`bench_train_steps` steps of its Trainer per repeat, which goes on where it was."""
    from denoising_diffusion_pytorch import Trainer

    model, flops = _model(setting, training=True)
    trainer = Trainer(
        model,
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
        trainer.train()

    return Work(run, flops=flops)


def sampler(setting: Setting) -> Work:
    """Its DDIM sampler, batch by batch."""
    model, flops = _model(setting, training=False)
    model.to(setting.device).eval()
    steps = setting["bench_ddim_steps"]
    return Work(lambda: [model.sample(batch_size=n).cpu() for n in batches(setting)], flops=steps * flops)
