"""Sampling guided by a score, as by a classifier, and away from what is worse, as by a negative prompt."""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor, nn

from kpop_rca.data.tensors import to_images
from kpop_rca.diffusion import noise, objective
from kpop_rca.diffusion.samplers import denoise, sampling_process, set_timesteps, step
from kpop_rca.diffusion.unet import no_class
from kpop_rca.oracles.resnet import SmallImageResNet

Score = Callable[[Tensor, Tensor], Tensor]  # images (B, 3, H, W) in [-1, 1] and labels (B,): scores (B,)
LARGEST = 0.1  # of the guidance at any value of an image, beside noise of variance 1


def face_guidance(scorer: SmallImageResNet) -> Score:
    """A scorer of `train_scorer`, whoever is requested."""
    return lambda x_0, labels: scorer(x_0)[:, 0]


def identity_guidance(oracle: SmallImageResNet) -> Score:
    """The logarithm of an oracle's probability of the requested identity."""
    return lambda x_0, labels: oracle(x_0).log_softmax(1).gather(1, labels[:, None])[:, 0]


class NegativeCondition(nn.Module):
    """A network whose prediction without a class is that of a worse one of the same class: a negative prompt.

    Classifier-free guidance then leads away from how a worse generator sees the identity, and not from no identity at
    all. A class-conditional network has no words for a bad face: a generator of fewer steps makes them.

    Source: "SDXL-Neg" of Liao et al. (2024); Karras et al. (2024), "Guiding a Diffusion Model with a Bad Version of
    Itself".
    """

    def __init__(self, unet: UNet2DModel, worse: UNet2DModel):
        super().__init__()
        self.unet, self.worse, self.config, self.device = unet, worse, unet.config, unet.device

    def forward(self, image: Tensor, time: Tensor, *, class_labels: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """Of a batch with classes, or of one twice, first with classes and then without, as `samplers.guided` asks."""
        if not (class_labels == no_class(self.unet)).any():
            return self.unet(image, time, class_labels=class_labels, return_dict=return_dict)
        halves, labels = image.chunk(2), class_labels.chunk(2)[0]
        asked = zip((self.unet, self.worse), halves, strict=True)
        return (torch.cat([net(half, time, class_labels=labels, return_dict=False)[0] for net, half in asked]),)


def guided_sample(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    class_labels: Tensor,
    score: Score,
    *,
    strength: float,
    generators: Sequence[torch.Generator],
    sampler: str,
    steps: int,
    guidance: float,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    largest: float = LARGEST,
) -> np.ndarray:
    """`samplers.sample` with each estimate of x_0 moved up the gradient of a score: uint8 (B, H, W, 3).

        x_0 + b / a clamp(strength * grad s(x_0)),   which is eps - clamp(strength * grad s(x_0)) for any prediction

    The gradient is by x_t. Unclamped it grows so large at some steps that it leaves stripes. It acts within
    `guidance_interval`, as classifier-free guidance does; strength 0 gives what `sample` gives.

    Source: Liao et al. (2024), "FaceScore", appendix, eqs. 5 and 6.
    """
    process, (low, high) = sampling_process(forward, sampler), guidance_interval
    set_timesteps(process, steps)
    shape = (unet.config.out_channels, *2 * [unet.config.sample_size])
    n_noises = len(process.timesteps) if isinstance(process, DDPMScheduler) else 1
    noises = noise.of_steps(generators, shape, steps=n_noises, device=unet.device)
    with closing(noises):
        x_t = next(noises).contiguous()
        for t in process.timesteps:
            a, b = objective.levels(process, t)
            within = bool(low <= b / (a + b) <= high)
            x_t = x_t.detach().requires_grad_(within)
            with torch.set_grad_enabled(within):
                x_0 = denoise(unet, process, x_t, t, class_labels, guidance=guidance if within else 0.0)
                if within:
                    (gradient,) = torch.autograd.grad(score(x_0.clamp(-1, 1), class_labels).sum(), x_t)
                    x_0 = x_0 + b / a * (strength * gradient).clamp(-largest, largest)
            x_t = step(process, x_t.detach(), x_0.detach(), t, noises)
    return to_images(x_t)
