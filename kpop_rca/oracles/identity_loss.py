"""An extra loss for a generator's training: whether a frozen oracle recognises the denoised image."""

from torch import Tensor

from kpop_rca.errors import StudyError
from kpop_rca.oracles.arcface import AngularMargin
from kpop_rca.oracles.resnet import SmallImageResNet


class IdentityLoss:
    """The oracle's loss with the angular margin, of an image that is denoised in one step; less where there was noise.

        weight * mean of margin_loss(x_0, c) / (1 + sigma^2),  sigma = b / a of x_t = a x_0 + b eps

    Where the noise is strong the estimate of x_0 is a blurred mean, by which nobody could be recognised. The oracle is
    shown what an image can hold, [-1, 1].

    Source: Deng et al. (2019), equation 3, the margin; the weight is the signal's part of the variance of x_t.
    """

    def __init__(self, oracle: SmallImageResNet, *, weight: float):
        """With a trained oracle of the loss "arcface", in evaluation mode, which is frozen."""
        if not isinstance(oracle.fc, AngularMargin):
            raise StudyError("an identity loss needs an oracle with an angular margin; set oracle_loss to arcface")
        self.oracle, self.weight = oracle.eval().requires_grad_(False), weight

    def __call__(self, x_0: Tensor, class_labels: Tensor, sigma: Tensor) -> Tensor:
        losses = self.oracle.fc.losses(self.oracle.features(x_0.clamp(-1, 1)).float(), class_labels)
        return self.weight * (losses / (1 + sigma**2)).mean()
