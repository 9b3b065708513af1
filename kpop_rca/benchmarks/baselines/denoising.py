"""denoising-diffusion-pytorch: its Trainer and its sampler, on the model of its own that is nearest in operations; and
its class-conditional objective with the steps of its Trainer, on the study's network.

It is not in the project's lock, and is imported where it is used: where it is missing, a row says so.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.utils.data import DataLoader

from kpop_rca.benchmarks import ceilings, ours
from kpop_rca.benchmarks.baselines.diffusers import batches
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work

NOISE_SCHEDULE = "squaredcos_cap_v2"  # diffusers' name of the default of its class-conditional objective
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


class _Conditional(nn.Module):
    """The study's network as the library's own class-conditional UNet is called."""

    channels = out_dim = 3
    random_or_learned_sinusoidal_cond = False

    def __init__(self, unet: UNet2DModel, *, label_dropout: float):
        super().__init__()
        self.unet, self.cond_drop_prob = unet, label_dropout

    def forward(self, x: Tensor, t: Tensor, classes: Tensor) -> Tensor:
        dropped = torch.rand(len(x), device=x.device) < self.cond_drop_prob
        return self.unet(x, t, class_labels=classes.masked_fill(dropped, self.unet.config.num_class_embeds - 1)).sample


def train(
    unet: UNet2DModel, loader: DataLoader, *, cpu: bool, learning_rate: float, label_dropout: float
) -> Iterator[UNet2DModel]:
    """Train without end; hands out the averaged network after every step.

    The objective is that of its `classifier_free_guidance` by default: the noise, on a cosine schedule. Its Trainer
    knows no classes: what that does at a step is done here, with its Adam, clipping and average.

    Args:
        unet: the study's.
        loader: images in [-1, 1] and classes.
        cpu: whether to stay there.
        learning_rate: its Trainer has 1e-4.
        label_dropout: its network has 0.5 by default.
    """
    from denoising_diffusion_pytorch.classifier_free_guidance import GaussianDiffusion
    from ema_pytorch import EMA

    accelerator = Accelerator(cpu=cpu)
    model = GaussianDiffusion(_Conditional(unet, label_dropout=label_dropout), image_size=unet.config.sample_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(0.9, 0.99))
    ema = EMA(model, beta=0.995, update_every=10).to(accelerator.device)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    def steps() -> Iterator[UNet2DModel]:
        while True:
            for images, classes in loader:
                loss = model((images + 1) / 2, classes=classes)
                loss.item()
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                ema.update()
                yield ema.ema_model.model.unet

    return steps()
