"""The optimisers of a training: AdamW, or Muon for the hidden weights with AdamW for the rest."""

import math
from collections.abc import Callable
from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of AdamW
MOMENTUM = 0.95  # of Muon
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a, b and c of the iteration
NEWTON_SCHULZ_STEPS = 5


def orthogonalised(matrix: Tensor) -> Tensor:
    """Nearly U V^T of a matrix U S V^T: the same directions, with singular values between about 0.7 and 1.2.

        X <- a X + (b X X^T + c (X X^T)^2) X,   begun at the matrix divided by its Frobenius norm

    Very small singular values stay below: a thousandth of the norm grows to about 0.5. In float32, unlike
    `torch.optim.Muon`, whose bfloat16 a CPU emulates, and which takes matrices alone.

    Source: Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks".
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.AdamW):
    """Muon for the first group of weights, each a matrix (out, rest), and AdamW for the other groups.

        m <- mu m + (1 - mu) g,   W <- (1 - rate * decay) W - rate * sqrt(max(1, out / rest)) O(mu m + (1 - mu) g)

    with O for `orthogonalised`: Nesterov's momentum. The gradients of the first group are gone after a step.

    Source: Jordan et al. (2024).
    """

    def __init__(self, groups: list[dict], **settings: Any) -> None:
        super().__init__(groups, **settings)
        self._step_supports_amp_scaling = False  # as fused AdamW does; Muon wants gradients without the scale

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> None:
        hidden = self.param_groups[0]
        for weight in hidden["params"]:
            if not self.state[weight]:
                # The step is there for AdamW, which looks for it in every state that it loads.
                self.state[weight].update(step=torch.zeros(()), momentum=torch.zeros_like(weight))
            momentum = self.state[weight]["momentum"]
            momentum.lerp_(weight.grad, 1 - MOMENTUM)
            direction = orthogonalised(weight.grad.lerp(momentum, MOMENTUM).flatten(1))
            rate = hidden["lr"] * math.sqrt(max(1, direction.shape[0] / direction.shape[1]))
            weight.mul_(1 - hidden["lr"] * hidden["weight_decay"])
            weight.sub_(direction.reshape(weight.shape), alpha=rate)
            weight.grad = None  # so that AdamW passes it over
        super().step(closure)


def hidden_weights(unet: UNet2DModel) -> list[nn.Parameter]:
    """The weights of two dimensions and more, but those of the embedding of classes, the first and last convolution."""
    outer = (unet.conv_in, unet.conv_out, unet.class_embedding)
    left_out = {id(weight) for module in outer for weight in module.parameters()}
    return [weight for weight in unet.parameters() if weight.dim() >= 2 and id(weight) not in left_out]


def build_optimizer(
    unet: UNet2DModel, optimizer: str, *, learning_rate: float, muon_learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """The optimiser of a network. A group's `relative_rate` is its learning rate as a multiple of AdamW's.

    Args:
        unet: not yet compiled or divided among devices.
        optimizer: "adamw" or "muon".
        learning_rate: of AdamW.
        muon_learning_rate: of Muon.
        weight_decay: of both.
    """
    settings = {"lr": learning_rate, "betas": BETAS, "eps": EPSILON, "weight_decay": weight_decay, "fused": True}
    if optimizer == "adamw":
        return torch.optim.AdamW([{"params": list(unet.parameters()), "relative_rate": 1.0}], **settings)
    hidden = hidden_weights(unet)
    by_muon = {id(weight) for weight in hidden}
    rest = [weight for weight in unet.parameters() if id(weight) not in by_muon]
    groups = [
        {"params": hidden, "relative_rate": muon_learning_rate / learning_rate},
        {"params": rest, "relative_rate": 1.0},
    ]
    return Muon(groups, **settings)
