"""denoising-diffusion-pytorch: its Trainer and its sampler, on the model of its own that is nearest in operations.

It is not in the project's lock, and is imported where it is used: where it is missing, a row says so.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from IPython.utils.capture import capture_output

from kpop_rca.benchmarks import ceilings, ours
from kpop_rca.benchmarks.baselines.diffusers import batches
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work

WIDTHS = range(8, 200, 8)  # the narrowest levels that are tried; its group norms ask for multiples of 8


def _operations(width: int, *, setting: Setting, training: bool) -> float:
    """Floating-point operations of its UNet an image."""
    from denoising_diffusion_pytorch import Unet

    side = setting["image_size"]
    with torch.device("meta"):
        unet = Unet(dim=width, dim_mults=_multiples(setting))
        x_t, t = torch.randn(1, 3, side, side), torch.zeros(1, dtype=torch.long)
        if training:
            return ceilings.counted_flops(lambda: unet(x_t, t).sum().backward())
        return ceilings.counted_flops(lambda: unet(x_t, t))


def _multiples(setting: Setting) -> tuple[int, ...]:
    return tuple(2**level for level in range(len(setting["channels"])))


def _model(setting: Setting) -> tuple[Any, int]:
    """Its GaussianDiffusion around a UNet of the study's levels, and the width that comes nearest in operations."""
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    width = _nearest_width(setting)
    torch.manual_seed(setting["seed"])
    unet = Unet(dim=width, dim_mults=_multiples(setting))
    steps = setting["bench_ddim_steps"]
    return GaussianDiffusion(unet, image_size=setting["image_size"], sampling_timesteps=steps), width


def _nearest_width(setting: Setting) -> int:
    """The width whose operations are nearest to those of the study's UNet; they grow with the width."""
    wanted, tried = setting.unet_flops(training=False), {}
    for width in WIDTHS:
        tried[width] = _operations(width, setting=setting, training=False)
        if tried[width] >= wanted:
            break
    return min(tried, key=lambda w: abs(tried[w] - wanted))


def _quietly(call: Callable[[], object]) -> None:
    """Without the bars that it shows."""
    with capture_output():
        call()


def training(setting: Setting) -> Work:
    """`bench_train_steps` steps of its Trainer a repeat, which goes on where it was."""
    from denoising_diffusion_pytorch import Trainer

    model, width = _model(setting)
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

    items = setting["bench_train_steps"] * setting["batch_size"]
    return Work(run=partial(_quietly, run), items=items, flops=_operations(width, setting=setting, training=True))


def sampler(setting: Setting) -> Work:
    """Its DDIM sampler, batch by batch."""
    model, width = _model(setting)
    model = model.to(setting.device).eval()
    flops = setting["bench_ddim_steps"] * _operations(width, setting=setting, training=False)
    return Work(
        run=partial(_quietly, lambda: [model.sample(batch_size=n).cpu() for n in batches(setting)]),
        items=setting["bench_samples"],
        flops=flops,
    )
