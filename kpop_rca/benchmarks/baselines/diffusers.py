"""diffusers as its documentation shows it: the training loop for UNet2DModel, and the DDIM and DDPM pipelines."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader
from torchvision import transforms

from kpop_rca.benchmarks.baselines.images import folder_loader
from kpop_rca.benchmarks.setting import NOISE_SCHEDULE, Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.diffusion.objective import TIMESTEPS, forward_process


def training(setting: Setting, *, workers: int) -> Work:
    """diffusers' training script for UNet2DModel: DataLoader, accelerate, AdamW, EMA, the loss read at every step.

    Ours are the labels, which the script leaves out, and nothing else.

    Source: the documentation's "Train a diffusion model", and examples/unconditional_image_generation.
    """
    steps = _steps(setting, workers=workers)
    count = setting["bench_train_steps"]
    return Work(
        run=lambda: [next(steps) for _ in range(count)],
        items=count * setting["batch_size"],
        flops=setting.unet_flops(training=True),
        close=steps.close,
    )


def _steps(setting: Setting, *, workers: int) -> Iterator[float]:
    """Train without end; hands out the loss of every step."""
    accelerator = Accelerator(cpu=setting.device.type == "cpu", mixed_precision=setting["mixed_precision"])
    unet, forward = setting.new_unet(), forward_process(NOISE_SCHEDULE)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
    schedule = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=500, num_training_steps=100_000)
    batch, size = setting["batch_size"], setting["image_size"]
    steps = [transforms.Resize((size, size)), transforms.RandomHorizontalFlip()]
    loader = folder_loader(
        setting.face_folder, steps, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers
    )
    unet, optimizer, loader, schedule = accelerator.prepare(unet, optimizer, loader, schedule)
    ema = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True)
    ema.to(accelerator.device)
    for images, labels in _without_end(loader):
        noise = torch.randn_like(images)
        t = torch.randint(0, TIMESTEPS, (len(images),), device=images.device)
        with accelerator.accumulate(unet):
            predicted = unet(forward.add_noise(images, noise, t), t, class_labels=labels).sample
            loss = F.mse_loss(predicted, noise)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        ema.step(unet.parameters())
        yield loss.detach().item()


def _without_end(loader: DataLoader) -> Iterator:
    while True:
        yield from loader


class _Labelled(UNet2DModel):
    """The same UNet for a pipeline that knows no labels: it gives every image the first one."""

    def forward(self, sample: torch.Tensor, timestep: object, return_dict: bool = True, **_: object) -> object:
        labels = torch.zeros(len(sample), dtype=torch.long, device=sample.device)
        return super().forward(sample, timestep, class_labels=labels, return_dict=return_dict)


def pipeline(setting: Setting, *, sampler: str, dtype: torch.dtype = torch.float32) -> Work:
    """diffusers' DDIMPipeline or DDPMPipeline, batch by batch, to PIL images as by default.

    The pipelines are unconditional, so the class embedding is looked up for them.
    """
    unet = _Labelled.from_config(setting.new_unet().config).to(setting.device).eval()
    if dtype != torch.float32:
        unet = unet.to(dtype)
    kind, scheduler = {"ddim": (DDIMPipeline, DDIMScheduler), "ddpm": (DDPMPipeline, DDPMScheduler)}[sampler]
    drawing = kind(unet=unet, scheduler=scheduler(num_train_timesteps=TIMESTEPS))
    drawing.set_progress_bar_config(disable=True)
    steps = setting[f"bench_{sampler}_steps"]
    return Work(
        run=lambda: [drawing(batch_size=n, num_inference_steps=steps).images for n in batches(setting)],
        items=setting["bench_samples"],
        flops=steps * setting.unet_flops(training=False),
    )


def batches(setting: Setting) -> list[int]:
    """How many images in each batch, `bench_samples` in all."""
    whole, rest = divmod(setting["bench_samples"], setting["bench_sampling_batch_size"])
    return [setting["bench_sampling_batch_size"]] * whole + [rest] * bool(rest)
