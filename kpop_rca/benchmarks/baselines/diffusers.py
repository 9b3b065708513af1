"""diffusers as its documentation shows it: the training loop for UNet2DModel, and the DDIM and DDPM pipelines."""

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torchvision import transforms

from kpop_rca.benchmarks.baselines.torchvision import folder_loader
from kpop_rca.benchmarks.setting import NOISE_SCHEDULE, Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.diffusion.objective import TIMESTEPS, forward_process


def training(setting: Setting, *, workers: int = 0) -> Work:
    """diffusers' training script for UNet2DModel: DataLoader, accelerate, AdamW, EMA, the loss read at every step.

    Ours are the labels, which the script leaves out, and nothing else.

    Source: the documentation's "Train a diffusion model", and examples/unconditional_image_generation.
    """
    steps = _steps(setting, workers=workers)
    return Work(lambda: [next(steps) for _ in range(setting["bench_train_steps"])])


def _steps(setting: Setting, *, workers: int) -> Iterator[float]:
    """Train without end; hands out the loss of every step."""
    accelerator = Accelerator(cpu=setting.device.type == "cpu", mixed_precision=setting["mixed_precision"])
    unet, forward = setting.new_unet(), forward_process(NOISE_SCHEDULE)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
    schedule = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=500, num_training_steps=100_000)
    steps = [transforms.Resize((setting["image_size"],) * 2), transforms.RandomHorizontalFlip()]
    loading = {"batch_size": setting["batch_size"], "shuffle": True, "drop_last": True, "num_workers": workers}
    loader = folder_loader(setting.face_folder, steps, **loading)
    unet, optimizer, loader, schedule = accelerator.prepare(unet, optimizer, loader, schedule)
    ema = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True)
    ema.to(accelerator.device)
    while True:
        for images, labels in loader:
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
