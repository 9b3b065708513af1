"""The samplers that reverse the forward process: DDPM, DDIM and DPM-Solver++, each by estimates of x_0."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, SchedulerMixin, UNet2DModel
from torch import Tensor

from kpop_rca.data.tensors import to_images, to_model
from kpop_rca.diffusion import noise, objective
from kpop_rca.diffusion.objective import TIMESTEPS
from kpop_rca.diffusion.unet import no_class
from kpop_rca.errors import StudyError
from kpop_rca.system import devices, finite, seeds

PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}
LEAST_VARIANCE = 1e-20  # of an ancestral step, as diffusers has it
CHECK_EVERY = 25  # steps between two checks for numbers that are not finite, each of which waits for the device
LEAST_LOG_SNR_HALF = -5.1  # of DPM-Solver: beyond it lie a cosine schedule's last timesteps, where it overflows


class DenoisedSolver(DPMSolverMultistepScheduler):
    """DPM-Solver++ that is given x_0, whatever the network predicts."""

    def convert_model_output(self, x_0: Tensor, *_: Any, **__: Any) -> Tensor:
        return x_0


def forward_states(
    images: np.ndarray, forward: DDPMScheduler, *, timesteps: Sequence[int], generator: torch.Generator
) -> np.ndarray:
    """Images at some timesteps of the forward process, with the same noise throughout (paper eq. 2), for showing.

    Args:
        images: uint8 (B, H, W, 3).
        forward: the forward process.
        timesteps: in [0, T).
        generator: on the CPU.

    Returns:
        uint8 (len(timesteps), B, H, W, 3).
    """
    x_0 = to_model(torch.as_tensor(images))
    eps = torch.randn(x_0.shape, generator=generator)
    return np.stack([to_images(forward.add_noise(x_0, eps, torch.full((len(x_0),), t))) for t in timesteps])


def sampling_process(forward: DDPMScheduler, sampler: str) -> SchedulerMixin:
    """A new reverse process, which keeps the state of one run of `sample`.

    Args:
        forward: the forward process that the network was trained on.
        sampler: "ddpm" (ancestral, paper eq. 3), "ddim" (eta = 0; Song et al. 2021; with eps from the clipped x_0, see
            `deterministic_step`), or "dpmpp" (DPM-Solver++ of second order; Lu et al. 2022).
    """
    if sampler == "ddpm":
        return DDPMScheduler.from_config(forward.config, timestep_spacing="trailing")
    if sampler == "ddim":
        return DDIMScheduler.from_config(forward.config, timestep_spacing="trailing")
    return DenoisedSolver.from_config(
        forward.config, timestep_spacing="trailing", lambda_min_clipped=LEAST_LOG_SNR_HALF
    )


def set_timesteps(process: SchedulerMixin, steps: int) -> None:
    """Give a process as many timesteps as requested, evenly spaced from the last one, at which x_T is noise.

        t_i = round(L (1 - i / steps)) - 1,   i = 0, ..., steps - 1

    with L = T, but for DPM-Solver the number of timesteps that `LEAST_LOG_SNR_HALF` leaves, which are also the most
    steps that it takes. This is diffusers' "trailing" spacing in exact numbers; its own adds up a rounded step size,
    which for one number of steps in sixteen makes a step too many, at a timestep of -1.

    Source: Lin et al. (2024), "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2.
    """
    last = TIMESTEPS
    if isinstance(process, DPMSolverMultistepScheduler):
        last = int((process.lambda_t >= LEAST_LOG_SNR_HALF).sum())
    timesteps = np.linspace(last, 0, min(steps, last), endpoint=False).round().astype(np.int64) - 1
    if isinstance(process, DDIMScheduler):
        process.timesteps = torch.from_numpy(timesteps)  # its `set_timesteps` takes none
    else:
        process.set_timesteps(timesteps=timesteps.tolist())


def image_generator(*, seed: int, label: int, index: int) -> torch.Generator:
    """The generator of image `index` of class `label`: the same whatever else is sampled, in any order or batch."""
    return torch.Generator().manual_seed(seeds.number(seeds.Purpose.IMAGE, seed, label, index))


def guided(unet: UNet2DModel, image: Tensor, time: Tensor, class_labels: Tensor, *, guidance: float) -> Tensor:
    """The network's prediction (B, 3, H, W), steered towards the class by classifier-free guidance.

        net(x_t, t, c) + w * (net(x_t, t, c) - net(x_t, t, no class))

    A guidance w of 0 is the conditional model itself, with one forward pass in place of a doubled batch. x_0 is linear
    in any prediction, so that to guide one is to guide the others.

    Source: Ho and Salimans (2022), eq. 6.
    """
    if guidance == 0:
        return unet(image, time, class_labels=class_labels, return_dict=False)[0]
    both = torch.cat([class_labels, torch.full_like(class_labels, no_class(unet))])
    of_class, of_none = unet(torch.cat([image, image]), time, class_labels=both, return_dict=False)[0].chunk(2)
    return of_class + guidance * (of_class - of_none)


def denoise(
    unet: UNet2DModel,
    process: SchedulerMixin,
    x_t: Tensor,
    t: Tensor,
    class_labels: Tensor,
    *,
    guidance: float,
    precision: str = "no",
) -> Tensor:
    """The estimate of x_0, float32 (B, 3, H, W), by a network of any prediction; one timestep, on the CPU, for all."""
    prediction, (a, b) = process.config.prediction_type, objective.levels(process, t)
    image, time = objective.shown(prediction, x_t, t, a, b)
    time = devices.sent(time, x_t.device)
    with torch.autocast(x_t.device.type, PRECISIONS.get(precision), enabled=precision != "no"):
        predicted = guided(unet, image, time, class_labels, guidance=guidance)
    return objective.denoised_image(prediction, predicted.float(), x_t, a, b)


@torch.inference_mode()
def sample(
    unet: UNet2DModel,
    process: SchedulerMixin,
    class_labels: Tensor,
    *,
    generators: Sequence[torch.Generator],
    steps: int,
    guidance: float,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    mixed_precision: str = "no",
    keep_every: int = 0,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Generate one batch of images by the reverse process, from x_T ~ N(0, I) to x_0.

    Args:
        unet: in evaluation mode.
        process: from `sampling_process`.
        class_labels: int64 (B,) on the model's device.
        generators: one per image, on the CPU, so that an image does not depend on its neighbours in the batch.
        steps: number of denoising steps, 1 to T.
        guidance: see `guided`.
        guidance_interval: of the fraction of noise b / (a + b), outside of which there is no guidance (Kynkäänniemi et
            al. 2024, "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion
            Models").
        mixed_precision: "no", "fp16" or "bf16", of the network alone; x_t stays in float32.
        keep_every: also return x_T and the x_t after every so many steps, for showing the process.

    Returns:
        uint8 (B, H, W, 3); with `keep_every`, also the states, uint8 (kept, B, H, W, 3).

    Raises:
        StudyError: a number is not finite; names the step and the class.
    """
    shape, device = (unet.config.out_channels, *2 * [unet.config.sample_size]), unet.device
    precision = devices.usable_precision(mixed_precision, device)
    set_timesteps(process, steps)
    # For x_T, and in ancestral sampling for each step but that to x_0.
    n_noises = len(process.timesteps) if isinstance(process, DDPMScheduler) else 1
    noises = noise.of_steps(generators, shape, steps=n_noises, device=device)
    with closing(noises):
        # Of a block of many steps it is a view, which a compiled network takes for another shape.
        x_t = next(noises).contiguous()
        kept, sums = [to_images(x_t)] if keep_every else [], []
        for number, t in enumerate(process.timesteps, 1):
            (a, b), (low, high) = objective.levels(process, t), guidance_interval
            here = guidance if low <= b / (a + b) <= high else 0.0
            x_0 = denoise(unet, process, x_t, t, class_labels, guidance=here, precision=precision)
            x_t = step(process, x_t, x_0, t, noises)
            # An infinite estimate must be found itself: clipped, it makes an image like any other.
            sums += [x_0.sum(dim=(1, 2, 3)) + x_t.sum(dim=(1, 2, 3))]
            if number % CHECK_EVERY == 0 or number == len(process.timesteps):
                _refuse_non_finite(torch.stack(sums), class_labels, process=process, precision=precision)
            if keep_every and number % keep_every == 0:
                kept.append(to_images(x_t))
    return (to_images(x_t), np.stack(kept)) if keep_every else to_images(x_t)


def _refuse_non_finite(sums: Tensor, class_labels: Tensor, *, process: SchedulerMixin, precision: str) -> None:
    """Stop where a step of an image has no finite sum, (steps so far, B); waits for the device."""
    step = finite.first_bad(sums)
    if step is None:
        return
    label = int(class_labels[finite.first_bad(sums[step])])
    remedy = finite.remedy(precision, otherwise="train again (03) with a lower learning_rate")
    raise StudyError(
        f"sampling gave numbers that are not finite at step {step + 1} of {len(process.timesteps)} "
        f"(t = {int(process.timesteps[step])}), identity {label}; {remedy}"
    )


def step(process: SchedulerMixin, x_t: Tensor, x_0: Tensor, t: Tensor, noises: Iterator[Tensor]) -> Tensor:
    """x_s of the timestep s after t, from the estimate of x_0, clipped to [-1, 1]; DDPM alone takes noise."""
    x_0 = x_0.clamp(-1, 1)
    if isinstance(process, DDPMScheduler):
        fresh_noise = next(noises) if _next_timestep(process, t) >= 0 else None
        return ancestral_step(process, x_t, x_0, t, fresh_noise=fresh_noise)
    if isinstance(process, DDIMScheduler):
        return deterministic_step(process, x_t, x_0, t)
    return process.step(x_0, t, x_t).prev_sample


def _next_timestep(process: SchedulerMixin, t: Tensor) -> int:
    """The timestep after t in the order of sampling; -1 for x_0."""
    index = int((process.timesteps == t).nonzero()[0])
    return int(process.timesteps[index + 1]) if index + 1 < len(process.timesteps) else -1


def deterministic_step(process: DDIMScheduler, x_t: Tensor, x_0: Tensor, t: Tensor) -> Tensor:
    """x_s of DDIM with eta = 0.

        x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s) eps',   eps' = (x_t - sqrt(abar_t) x_0) / sqrt(1 - abar_t)

    with s the timestep after t. Where x_0 is clipped, the network's eps no longer belongs to it. With that eps,
    diffusers' default, each step loses contrast, and many steps leave a grey face; Dhariwal and Nichol (2021) take
    eps from the clipped x_0 in their code. `DDIMScheduler.step` takes t - T // steps for s, which is another timestep
    unless the number of steps divides T; where it does, this is the same to the bit. Unclipped, it is a step of Euler
    along the path of flow. x_t and x_0 are (B, 3, H, W), t is on the CPU.

    Source: Song et al. (2021), eq. 12 with sigma = 0.
    """
    s = _next_timestep(process, t)
    abar, abar_s = process.alphas_cumprod[t], process.alphas_cumprod[s] if s >= 0 else process.final_alpha_cumprod
    eps_of_it = (x_t - abar**0.5 * x_0) / (1 - abar) ** 0.5
    return abar_s**0.5 * x_0 + (1 - abar_s) ** 0.5 * eps_of_it


def ancestral_step(
    process: DDPMScheduler, x_t: Tensor, x_0: Tensor, t: Tensor, *, fresh_noise: Tensor | None
) -> Tensor:
    """x_s ~ N(mu(x_t, x_0), sigma_t^2).

        mu = (sqrt(abar_s) beta x_0 + sqrt(alpha) (1 - abar_s) x_t) / (1 - abar_t)
        sigma_t^2 = beta (1 - abar_s) / (1 - abar_t)

    with s the timestep after t, alpha = abar_t / abar_s and beta = 1 - alpha. To the bit what `DDPMScheduler.step`
    computes with the smaller of the paper's variances; that one samples its noise itself, image by image, while a GPU
    waits. x_t, x_0 and fresh_noise (None for the mean) are (B, 3, H, W), t is on the CPU.

    Source: Ho et al. (2020), eqs. 6 and 7; paper eq. 3.
    """
    s = _next_timestep(process, t)
    abar, abar_s = process.alphas_cumprod[t], process.alphas_cumprod[s] if s >= 0 else process.one
    alpha, rest, rest_s = abar / abar_s, 1 - abar, 1 - abar_s
    mean = (abar_s**0.5 * (1 - alpha)) / rest * x_0 + alpha**0.5 * rest_s / rest * x_t
    if fresh_noise is None:
        return mean
    variance = (rest_s / rest * (1 - alpha)).clamp(min=LEAST_VARIANCE)
    return mean + variance**0.5 * fresh_noise
