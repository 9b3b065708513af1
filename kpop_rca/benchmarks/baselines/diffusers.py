"""diffusers as its documentation shows it: the training loop for UNet2DModel, and the DDIM and DDPM pipelines."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader
from torchvision import transforms

from kpop_rca.benchmarks.baselines.torchvision import folder_loader
from kpop_rca.benchmarks.setting import NOISE_SCHEDULE, Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.diffusion.objective import TIMESTEPS, forward_process


def training(setting: Setting, *, workers: int = 0) -> Work:
    """diffusers' training script for UNet2DModel: DataLoader, accelerate, AdamW, EMA, the loss read at every step."""
    loader = flipped_faces(setting, setting.face_folder, workers=workers)
    course = train(setting.new_unet(), loader, cpu=setting.device.type == "cpu", precision=setting["mixed_precision"])
    return Work(lambda: [next(course) for _ in range(setting["bench_train_steps"])])


def flipped_faces(setting: Setting, folder: Path, *, workers: int = 0) -> DataLoader:
    """The script's loader of a folder of faces."""
    steps = [transforms.Resize((setting["image_size"],) * 2), transforms.RandomHorizontalFlip()]
    return folder_loader(
        folder, steps, batch_size=setting["batch_size"], shuffle=True, drop_last=True, num_workers=workers
    )


def train(
    unet: UNet2DModel,
    loader: DataLoader,
    *,
    cpu: bool,
    precision: str = "no",
    learning_rate: float = 1e-4,
    label_dropout: float = 0.0,
) -> Iterator[EMAModel]:
    """Train without end; hands out the averaged weights after every step.

    Ours are the labels and their dropout, which the script leaves out, and nothing else: its warm-up of 500 steps and
    its decay, over far more steps than are taken here, are kept.

    Source: the documentation's "Train a diffusion model", and examples/unconditional_image_generation.
    """
    accelerator, forward = Accelerator(cpu=cpu, mixed_precision=precision), forward_process(NOISE_SCHEDULE)
    no_class = unet.config.num_class_embeds - 1
    optimizer = torch.optim.AdamW(unet.parameters(), lr=learning_rate)
    schedule = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=500, num_training_steps=100_000)
    unet, optimizer, loader, schedule = accelerator.prepare(unet, optimizer, loader, schedule)
    ema = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    ema.to(accelerator.device)
    while True:
        for images, classes in loader:
            noise = torch.randn_like(images)
            t = torch.randint(0, TIMESTEPS, (len(images),), device=images.device)
            labels = classes.masked_fill(torch.rand(len(images), device=images.device) < label_dropout, no_class)
            with accelerator.accumulate(unet):
                predicted = unet(forward.add_noise(images, noise, t), t, class_labels=labels).sample
                loss = F.mse_loss(predicted, noise)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(unet.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            ema.step(unet.parameters())
            loss.detach().item()
            yield ema


def pipeline(setting: Setting, *, sampler: str, dtype: torch.dtype = torch.float32) -> Work:
    """diffusers' DDIMPipeline or DDPMPipeline, batch by batch, to PIL images as by default.

    The pipelines know no classes: all images are of the first one.
    """
    unet = setting.new_unet().to(setting.device, dtype).eval()
    unet.forward = partial(unet.forward, class_labels=torch.zeros(1, dtype=torch.long, device=setting.device))
    kind, scheduler = {"ddim": (DDIMPipeline, DDIMScheduler), "ddpm": (DDPMPipeline, DDPMScheduler)}[sampler]
    generate = kind(unet=unet, scheduler=scheduler(num_train_timesteps=TIMESTEPS))
    generate.set_progress_bar_config(disable=True)
    steps = setting[f"bench_{sampler}_steps"]
    return Work(lambda: [generate(batch_size=n, num_inference_steps=steps).images for n in batches(setting)])


def batches(setting: Setting) -> list[int]:
    """How many images in each batch, `bench_samples` in all."""
    whole, rest = divmod(setting["bench_samples"], setting["bench_sampling_batch_size"])
    return [setting["bench_sampling_batch_size"]] * whole + [rest] * bool(rest)
