"""The class-conditional DDPM: the noise predictor eps_theta(x_t, t, c), the forward process and the samplers."""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, SchedulerMixin, UNet2DModel

from kpop_rca import devices, finite, seeds
from kpop_rca.data.tensors import to_images, to_model
from kpop_rca.diffusion import noise
from kpop_rca.errors import StudyError

TIMESTEPS = 1000  # T of the paper, section 4.2.3
PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}
LEAST_VARIANCE = 1e-20  # of an ancestral step, as diffusers has it
CHECK_EVERY = 25  # steps between two looks for numbers that are not finite, each of which waits for the device
LEAST_LOG_SNR_HALF = -5.1  # of DPM-Solver: a cosine schedule's last timesteps lie so far out that it overflows


def build_unet(
    *, image_size: int, channels: Sequence[int], layers_per_block: int, attention_size: int, n_classes: int
) -> UNet2DModel:
    """The paper's noise predictor: a UNet2DModel told the class through an embedding added to that of t.

    The embedding has one entry more than there are classes: label `n_classes` means "no class", which
    classifier-free guidance needs (Ho and Salimans 2022).

    Args:
        image_size: side of x_t in pixels.
        channels: a number for each level, 3 levels at 32 px and 4 at 64 px in the paper.
        layers_per_block: residual blocks a level.
        attention_size: side in pixels of the levels with self-attention; 0 for none but the middle's.
        n_classes: K.

    Source: paper section 4.2.3.
    """
    attends = [image_size // 2**level == attention_size for level in range(len(channels))]
    return UNet2DModel(
        sample_size=image_size,
        block_out_channels=tuple(channels),
        layers_per_block=layers_per_block,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        norm_num_groups=math.gcd(32, *channels),
        num_class_embeds=n_classes + 1,
    )


def no_class(unet: UNet2DModel) -> int:
    """The label that means "no class"."""
    return unet.config.num_class_embeds - 1


def forward_process(noise_schedule: str) -> DDPMScheduler:
    """The fixed Markov chain q(x_t | x_{t-1}) with T = 1000 (paper eqs. 1 and 2)."""
    return DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule=noise_schedule)


def sampling_process(forward: DDPMScheduler, sampler: str) -> SchedulerMixin:
    """The reverse process that belongs to a forward one.

    Args:
        forward: the forward process.
        sampler: "ddpm" (ancestral, paper eq. 3), "ddim" (eta = 0; Song et al. 2021; with eps from the clipped x_0, see
            `_step`), or "dpmpp" (DPM-Solver++ of second order with thresholding; Lu et al. 2022), whose FID needs 15
            to 20 steps by that paper. What each does to RCA beside DDPM of 1,000 steps, notebook 08 tells.

    Returns:
        A process of its own: some keep what they need of the last steps. Its timesteps are set by `set_timesteps`.
    """
    if sampler == "ddpm":
        return DDPMScheduler.from_config(forward.config, timestep_spacing="trailing")
    if sampler == "ddim":
        return DDIMScheduler.from_config(forward.config, timestep_spacing="trailing")
    return DPMSolverMultistepScheduler.from_config(
        forward.config,
        timestep_spacing="trailing",
        lambda_min_clipped=LEAST_LOG_SNR_HALF,
        thresholding=True,
        sample_max_value=1.0,
    )


def set_timesteps(process: SchedulerMixin, steps: int) -> None:
    """Give a process its timesteps: as many as requested, evenly spaced from the last one, at which x_T is noise.

        t_i = round(L (1 - i / steps)) - 1,   i = 0, ..., steps - 1

    with L = T, but for DPM-Solver the number of timesteps that `LEAST_LOG_SNR_HALF` leaves, which are also the most
    steps that it takes. This is diffusers' "trailing" spacing in exact numbers; its own adds up a rounded step size,
    which for one number of steps in sixteen makes a step too many, at a timestep of -1.

    Args:
        process: from `sampling_process`.
        steps: 1 to T.

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


def noised(
    images: np.ndarray, forward: DDPMScheduler, *, timesteps: Sequence[int], generator: torch.Generator
) -> np.ndarray:
    """The forward process at some timesteps, with the same noise throughout (paper eq. 2), for showing.

    Args:
        images: uint8 (B, H, W, 3).
        forward: the forward process.
        timesteps: in [0, T).
        generator: of the noise, on the CPU.

    Returns:
        uint8 (len(timesteps), B, H, W, 3).
    """
    x_0 = to_model(torch.as_tensor(images))
    eps = torch.randn(x_0.shape, generator=generator)
    return np.stack([to_images(forward.add_noise(x_0, eps, torch.full((len(x_0),), t))) for t in timesteps])


def predict_noise(
    unet: UNet2DModel, x_t: torch.Tensor, t: torch.Tensor, class_labels: torch.Tensor, *, guidance: float
) -> torch.Tensor:
    """The noise estimate, steered towards the class by classifier-free guidance.

        eps = eps_theta(x_t, t, c) + w * (eps_theta(x_t, t, c) - eps_theta(x_t, t, no class))

    Args:
        unet: the noise predictor.
        x_t: (B, 3, H, W).
        t: timestep, one for the batch.
        class_labels: int64 (B,).
        guidance: w; 0 is the conditional model itself, with one forward pass in place of a doubled batch.

    Returns:
        (B, 3, H, W).

    Source: Ho and Salimans (2022), eq. 6.
    """
    if guidance == 0:
        return unet(x_t, t, class_labels=class_labels, return_dict=False)[0]
    both = torch.cat([class_labels, torch.full_like(class_labels, no_class(unet))])
    eps_class, eps_none = unet(torch.cat([x_t, x_t]), t, class_labels=both, return_dict=False)[0].chunk(2)
    return eps_class + guidance * (eps_class - eps_none)


@torch.inference_mode()
def sample(
    unet: UNet2DModel,
    process: SchedulerMixin,
    class_labels: torch.Tensor,
    *,
    generators: Sequence[torch.Generator],
    steps: int,
    guidance: float,
    mixed_precision: str = "no",
    keep_every: int = 0,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Draw one batch of images by the reverse process, from x_T ~ N(0, I) to x_0.

    Each image has a generator of its own, so that it does not depend on its neighbours in the batch.

    Args:
        unet: in evaluation mode.
        process: from `sampling_process`.
        class_labels: int64 (B,) on the model's device.
        generators: B of them, on the CPU.
        steps: number of denoising steps, 1 to T.
        guidance: see `predict_noise`.
        mixed_precision: "no", "fp16" or "bf16", of the network alone; x_t stays in float32.
        keep_every: also return every so-manieth x_t, for showing the process.

    Returns:
        uint8 (B, H, W, 3); with `keep_every`, also the states, uint8 (kept, B, H, W, 3), the first of them x_T.

    Raises:
        StudyError: a number is not finite; names the step and the class.
    """
    shape, device = (unet.config.in_channels, *2 * [unet.config.sample_size]), unet.device
    precision = devices.usable_precision(mixed_precision, device)
    set_timesteps(process, steps)
    # The process looks its coefficients up on the CPU; a timestep on the device would make it wait there every step.
    timesteps = zip(process.timesteps, process.timesteps.to(device), strict=True)
    drawn = noise.of_steps(generators, shape, steps=_draws(process), device=device)
    with closing(drawn):
        # Of a block of many steps it is a view, which a compiled network takes for another.
        x_t = next(drawn).contiguous()
        kept, sums = [to_images(x_t)] if keep_every else [], []
        for number, (t, t_there) in enumerate(timesteps, 1):
            with torch.autocast(device.type, PRECISIONS.get(precision), enabled=precision != "no"):
                eps = predict_noise(unet, x_t, t_there, class_labels, guidance=guidance)
            x_t = _step(process, x_t, eps.float(), t, drawn)
            # An infinite estimate is looked for itself: clipped, it makes an image like any other.
            sums += [eps.float().sum(dim=(1, 2, 3)) + x_t.sum(dim=(1, 2, 3))]
            if number % CHECK_EVERY == 0 or number == len(process.timesteps):
                _refuse_non_finite(torch.stack(sums), class_labels, process=process, precision=precision)
            if keep_every and number % keep_every == 0:
                kept.append(to_images(x_t))
    return (to_images(x_t), np.stack(kept)) if keep_every else to_images(x_t)


def _refuse_non_finite(
    sums: torch.Tensor, class_labels: torch.Tensor, *, process: SchedulerMixin, precision: str
) -> None:
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


def _draws(process: SchedulerMixin) -> int:
    """How often a process draws noise: for x_T, and the ancestral one at each step but that to x_0."""
    return len(process.timesteps) if isinstance(process, DDPMScheduler) else 1


def _previous(process: SchedulerMixin, t: torch.Tensor) -> int:
    """The timestep after t in the order of sampling; -1 for x_0."""
    index = int((process.timesteps == t).nonzero()[0])
    return int(process.timesteps[index + 1]) if index + 1 < len(process.timesteps) else -1


def _step(
    process: SchedulerMixin, x_t: torch.Tensor, eps: torch.Tensor, t: torch.Tensor, drawn: Iterator[torch.Tensor]
) -> torch.Tensor:
    if isinstance(process, DDPMScheduler):
        fresh_noise = next(drawn) if _previous(process, t) >= 0 else None
        return ancestral_step(process, x_t, eps, t, fresh_noise=fresh_noise)
    if isinstance(process, DDIMScheduler):
        return deterministic_step(process, x_t, eps, t)
    return process.step(eps, t, x_t).prev_sample


def deterministic_step(process: DDIMScheduler, x_t: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """x_s of DDIM with eta = 0, from x_0 as eps has it, clipped to [-1, 1].

        x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s) eps',   eps' = (x_t - sqrt(abar_t) x_0) / sqrt(1 - abar_t)

    Where x_0 is clipped, the network's eps no longer belongs to it. With that one, which diffusers takes unless told
    otherwise, each step loses contrast, and many steps leave a grey face; Dhariwal and Nichol (2021) take eps from the
    clipped x_0 in their code. s is the timestep that comes after t. `DDIMScheduler.step` takes t - T // steps for it,
    which is another one, and at the end not x_0, unless the number of steps divides T; where it does, this is the
    same to the bit.

    Args:
        process: with its timesteps set; predicts eps.
        x_t: (B, 3, H, W).
        eps: (B, 3, H, W), predicted.
        t: timestep, on the CPU.

    Returns:
        (B, 3, H, W).

    Source: Song et al. (2021), eq. 12 with sigma = 0.
    """
    s = _previous(process, t)
    abar, abar_s = process.alphas_cumprod[t], process.alphas_cumprod[s] if s >= 0 else process.final_alpha_cumprod
    x_0 = ((x_t - (1 - abar) ** 0.5 * eps) / abar**0.5).clamp(-1, 1)
    eps_of_it = (x_t - abar**0.5 * x_0) / (1 - abar) ** 0.5
    return abar_s**0.5 * x_0 + (1 - abar_s) ** 0.5 * eps_of_it


def ancestral_step(
    process: DDPMScheduler, x_t: torch.Tensor, eps: torch.Tensor, t: torch.Tensor, *, fresh_noise: torch.Tensor | None
) -> torch.Tensor:
    """x_{t-1} ~ N(mu(x_t, x_0), sigma_t^2) with x_0 as eps has it, clipped to [-1, 1].

        mu = (sqrt(abar_s) beta x_0 + sqrt(alpha) (1 - abar_s) x_t) / (1 - abar_t)
        sigma_t^2 = beta (1 - abar_s) / (1 - abar_t)

    with s the timestep after t, alpha = abar_t / abar_s and beta = 1 - alpha. To the bit what `DDPMScheduler.step`
    makes of x_t; that one draws its noise itself, image by image, while a GPU waits.

    Args:
        process: with its timesteps set; predicts eps, and has the small one of the paper's variances.
        x_t: (B, 3, H, W).
        eps: (B, 3, H, W), predicted.
        t: timestep, on the CPU.
        fresh_noise: (B, 3, H, W); None for the mean.

    Returns:
        (B, 3, H, W).

    Source: Ho et al. (2020), eqs. 6 and 7; paper eq. 3.
    """
    s = _previous(process, t)
    abar, abar_s = process.alphas_cumprod[t], process.alphas_cumprod[s] if s >= 0 else process.one
    alpha, rest, rest_s = abar / abar_s, 1 - abar, 1 - abar_s
    x_0 = ((x_t - rest**0.5 * eps) / abar**0.5).clamp(-1, 1)
    mean = (abar_s**0.5 * (1 - alpha)) / rest * x_0 + alpha**0.5 * rest_s / rest * x_t
    if fresh_noise is None:
        return mean
    variance = (rest_s / rest * (1 - alpha)).clamp(min=LEAST_VARIANCE)
    return mean + variance**0.5 * fresh_noise


def image_generator(*, seed: int, label: int, index: int) -> torch.Generator:
    """The generator of image `index` of class `label`: the same whatever else is drawn, in any order or batch."""
    return torch.Generator().manual_seed(seeds.number(seeds.Purpose.IMAGE, seed, label, index))
