"""A last layer that is trained with an additive angular margin, as face recognition does (ArcFace)."""

from pytorch_metric_learning.losses import ArcFaceLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from torch import Tensor, nn

SCALE, MARGIN = 16, 15  # degrees; ArcFace's own 64 and 28.6 are for tens of thousands of people


class AngularMargin(nn.Module):
    """Logits are SCALE times the cosines between features and one vector per class.

    In training the angle to an image's own class counts as MARGIN larger than it is.

    Source: Deng et al. (2019), equation 3; the loss is pytorch-metric-learning's.
    """

    def __init__(self, width: int, n_classes: int):
        """For features (B, width)."""
        super().__init__()
        self.margin_loss = ArcFaceLoss(n_classes, width, margin=MARGIN, scale=SCALE, reducer=DoNothingReducer())

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, K), without the margin."""
        return self.margin_loss.get_logits(features)

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the logits with the margin."""
        return self.losses(features, labels).mean()

    def losses(self, features: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of the logits with the margin, (B,)."""
        return self.margin_loss(features, labels)["loss"]["losses"]
