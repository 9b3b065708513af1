"""ResNets for small images: the network of the oracles."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

# Blocks a level. ResNet-10 is the shallower one for small studies; the others are those of He et al. (2016).
LEVELS = {
    "resnet10": (BasicBlock, [1, 1, 1, 1]),
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
}
FULL_WIDTH = 64


def _last_layer(loss: str) -> type[nn.Module]:
    if loss == "softmax":
        return nn.Linear
    from kpop_rca.oracles.arcface import AngularMargin  # not above: few oracles need it

    return AngularMargin


class SmallImageResNet(ResNet):
    """A ResNet for small images: 3x3 stem of stride 1, no max-pool (paper section 5.2), and a width to choose."""

    def __init__(self, architecture: str, *, n_classes: int, width: int, loss: str = "softmax"):
        """With random weights.

        Args:
            architecture: a key of LEVELS.
            width: of the first level, 64 as published.
            loss: softmax or arcface, for which the last layer is made.
        """
        self.width = width  # read by _make_layer while the base class builds itself
        block, levels = LEVELS[architecture]
        super().__init__(block, levels, num_classes=n_classes)
        self.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity()
        self.fc = _last_layer(loss)(8 * width * block.expansion, n_classes)

    def _make_layer(self, block: type, planes: int, *args, **kwargs) -> nn.Sequential:
        if planes == FULL_WIDTH:  # the first level, behind the stem
            self.inplanes = self.width
        return super()._make_layer(block, planes * self.width // FULL_WIDTH, *args, **kwargs)

    def features(self, x: Tensor) -> Tensor:
        """The activations before the last layer: (B, 3, H, W) in [-1, 1] to (B, 8 * width * expansion)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.fc(self.features(x))
