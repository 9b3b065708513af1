"""What the network predicts, how that becomes the denoised image, and the training task that teaches it.

A noisy image is x_t = a x_0 + b eps; whatever is predicted, it is p x_0 + q eps. Samplers know x_0 alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, SchedulerMixin
from torch import Tensor, nn

TIMESTEPS = 1000  # T of the paper, section 4.2.3
PREDICTIONS = {
    "eps": "epsilon",
    "v": "v_prediction",
    "flow": "flow_prediction",
    "x_0": "sample",
}  # as diffusers' processes call them
# Of n images as the network denoises them, (n, 3, H, W), their true labels, int64 (n,), and the ratio of noise to image
# b / a, (n,): a scalar, the mean over them.
ExtraLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def forward_process(noise_schedule: str, prediction: str = "eps") -> DDPMScheduler:
    """The fixed Markov chain q(x_t | x_{t-1}) with T = 1000 (paper eqs. 1 and 2), and what is predicted of it.

    Args:
        noise_schedule: "linear" or "squaredcos_cap_v2".
        prediction: "eps", the noise (Ho et al. 2020); "v", the velocity a eps - b x_0 (Salimans and Ho 2022, appendix
            D); "flow", eps - x_0 (Lipman et al. 2023), where the chain serves the samplers alone; or "x_0" itself.
    """
    return DDPMScheduler(
        num_train_timesteps=TIMESTEPS, beta_schedule=noise_schedule, prediction_type=PREDICTIONS[prediction]
    )


def levels(process: SchedulerMixin, t: Tensor) -> tuple[Tensor, Tensor]:
    """a and b of x_t = a x_0 + b eps at timesteps of a forward or reverse process, in the shape of t."""
    if isinstance(process, DPMSolverMultistepScheduler):  # whose own numbers are rounded otherwise
        sigma = process.sigmas[process.timesteps.tolist().index(int(t))]
        a = 1 / (sigma**2 + 1) ** 0.5
        return a, sigma * a
    abar = process.alphas_cumprod.to(t.device)[t]
    return abar**0.5, (1 - abar) ** 0.5


def _weights(prediction: str, a: Tensor, b: Tensor) -> tuple[Tensor | int, Tensor | int]:
    """p and q of what is predicted, p x_0 + q eps."""
    return {"epsilon": (0, 1), "v_prediction": (-b, a), "flow_prediction": (-1, 1), "sample": (1, 0)}[prediction]


def shown(prediction: str, x_t: Tensor, t: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The image and the time that the network is shown for x_t.

    Those of flow lie on its own straight path, (1 - tau) x_0 + tau eps with tau = b / (a + b), of which every x_t is a
    multiple; its time is 1000 tau.
    """
    if prediction != "flow_prediction":
        return x_t, t
    return x_t / (a + b), TIMESTEPS * b / (a + b)


def denoised_image(prediction: str, predicted: Tensor, x_t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The x_0 that solves x_t = a x_0 + b eps and predicted = p x_0 + q eps."""
    p, q = _weights(prediction, a, b)
    return (q * x_t - b * predicted) / (a * q - b * p)


@dataclass(frozen=True)
class NoisedBatch:
    """A batch as the network is shown it, and what it should predict.

    Attributes:
        image: (B, 3, H, W).
        time: (B,).
        class_labels: int64 (B,).
        target: (B, 3, H, W).
        a, b: levels of the image as it is shown, (B, 1, 1, 1).
        prediction: what the target is, as diffusers calls it.
    """

    image: Tensor
    time: Tensor
    class_labels: Tensor
    target: Tensor
    a: Tensor
    b: Tensor
    prediction: str

    def part(self, rows: slice | Tensor) -> "NoisedBatch":
        tensors_of = {name: value[rows] for name, value in vars(self).items() if name != "prediction"}
        return replace(self, **tensors_of)

    def denoised(self, predicted: Tensor) -> Tensor:
        """The estimates of x_0, (B, 3, H, W), by the network's predictions."""
        return denoised_image(self.prediction, predicted, self.image, self.a, self.b)


def noised(
    prediction: str, x_0: Tensor, eps: Tensor, class_labels: Tensor, *, t: Tensor, a: Tensor, b: Tensor
) -> NoisedBatch:
    """Images with the noise eps at times t, where a and b are the levels, all (B,)."""
    a, b = a.view(-1, 1, 1, 1), b.view(-1, 1, 1, 1)
    image, time = shown(prediction, a * x_0 + b * eps, t, a, b)
    p, q = _weights(prediction, a, b)
    as_shown = (shown(prediction, level, t, a, b)[0] for level in (a, b))
    return NoisedBatch(image, time.flatten(), class_labels, p * x_0 + q * eps, *as_shown, prediction)


def training_times(n: int, sampling: str, *, generator: torch.Generator, device: torch.device) -> Tensor:
    """The times of a batch, (n,) in 0 to T.

    Args:
        n: size of the batch.
        sampling: "uniform", whole timesteps (paper eq. 4); or "logit_normal", T sigmoid(z) with z ~ N(0, 1), which is
            stratified: one of each n-th of the distribution (Esser et al. 2024, section 3.1).
        generator: on the device.
    """
    if sampling == "uniform":
        return torch.randint(TIMESTEPS, (n,), generator=generator, device=device)
    ranks = (torch.arange(n, device=device) + torch.rand(n, generator=generator, device=device)) / n
    return TIMESTEPS * torch.special.ndtri(ranks).sigmoid()


def training_task(
    x_0: Tensor,
    class_labels: Tensor,
    *,
    forward: DDPMScheduler,
    no_class: int,
    label_dropout: float,
    flip: bool,
    timestep_sampling: str,
    generator: torch.Generator,
) -> NoisedBatch:
    """A batch at random timesteps, with random flips and without some of its labels.

    The randomness is that of the whole batch, before any process or thread takes its part, so that the number of
    these changes nothing.

    Args:
        x_0: (B, 3, H, W) in [-1, 1].
        class_labels: int64 (B,).
        forward: the forward process, on the device of x_0.
        no_class: the label that means "no class".
        label_dropout: fraction of the labels that become `no_class`.
        flip: whether to mirror half of the images.
        timestep_sampling: see `training_times`.
        generator: on the device of x_0.

    Source: paper eq. 2; label dropout after Ho and Salimans (2022).
    """
    batch, device = len(x_0), x_0.device
    t = training_times(batch, timestep_sampling, generator=generator, device=device)
    eps = torch.randn(x_0.shape, generator=generator, device=device)
    dropped = torch.rand(batch, generator=generator, device=device) < label_dropout
    flipped = torch.rand(batch, generator=generator, device=device) < 0.5 * flip
    x_0 = torch.where(flipped[:, None, None, None], x_0.flip(-1), x_0)
    prediction = forward.config.prediction_type
    if prediction == "flow_prediction":
        a, b = 1 - t / TIMESTEPS, t / TIMESTEPS
    else:
        t = t.long().clamp(max=TIMESTEPS - 1)
        a, b = levels(forward, t)
    return noised(prediction, x_0, eps, torch.where(dropped, no_class, class_labels), t=t, a=a, b=b)


def prediction_loss(
    unet: nn.Module, task: NoisedBatch, *, extra_loss: ExtraLoss | None = None, no_class: int | None = None
) -> Tensor:
    """E || p x_0 + q eps - net(x_t, t, c) ||^2, a scalar; of the noise it is L_simple, paper eq. 4.

    An extra loss is added, over the images whose label is not `no_class`; for the others it counts as 0.
    """
    (predicted,) = unet(task.image, task.time, class_labels=task.class_labels, return_dict=False)
    loss = F.mse_loss(predicted.float(), task.target)
    if extra_loss is None or not (labelled := task.class_labels != no_class).any():
        return loss
    of_class = task.part(labelled)
    x_0 = of_class.denoised(predicted[labelled].float())
    extra = extra_loss(x_0, of_class.class_labels, (of_class.b / of_class.a).flatten())
    return loss + labelled.float().mean() * extra  # so that parts of a batch still make up the whole
