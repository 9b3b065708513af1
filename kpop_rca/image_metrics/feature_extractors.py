"""Pretrained networks: Inception, DINOv2 and FaceNet for features, AlexNet for LPIPS.

Their weights come from `pretrained`; each `load_` raises `pretrained.WeightsMissing` where they can't be had.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from facenet_pytorch import InceptionResnetV1
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from kpop_rca.data import tensors
from kpop_rca.image_metrics import efficientnet_lite, pretrained
from kpop_rca.system import finite, parallel

if TYPE_CHECKING:  # each is loaded with its network: they take seconds, and an oracle has no use for them
    import lpips
    from torchmetrics.image.fid import NoTrainInceptionV3

INCEPTION_FEATURES = "Inception-v3 of 2015-12-05, 2048 after the last pooling, resized as in the original (bilinear)"
INCEPTION_LOGITS = "Inception-v3 of 2015-12-05, 1008 logits without bias, all images in one split"
DINOV2_FEATURES = "DINOv2 ViT-S/14, 384 of the class token, resized to 224 pixels (bicubic)"
FACENET_FEATURES = "FaceNet (Inception-ResNet-v1 on VGGFace2), 512 of unit length, resized to 160 pixels (bilinear)"
LPIPS_FEATURES = "LPIPS 0.1 on AlexNet, images at their own size"
BATCH = 50  # images
DAMAGED = "its weights may be damaged; remove them, and they are fetched again"
LPIPS_BATCH = 250  # pairs
LPIPS_SMALLEST = 31  # pixels that AlexNet's strides need

DINOV2_SIZE = 224  # pixels
DINOV2_PATCH = 14  # pixels
DINOV2_WIDTH = 384
DINOV2_BLOCKS = 12
DINOV2_OFFSET = 0.1  # added to the number of patches when positions are resampled, as DINOv2 does
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FACENET_SIZE = 160  # pixels


def load_inception(*, device: torch.device) -> "NoTrainInceptionV3":
    """The Inception network of FID and Inception Score."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    state = io.BytesIO()
    torch.save(pretrained.load("inception"), state)  # the library unpickles; let it have our own bytes
    state.seek(0)
    network = NoTrainInceptionV3(
        name="inception-v3-compat", features_list=["2048"], feature_extractor_weights_path=state, antialias=False
    )
    return network.to(device)


def inception_features(network: "NoTrainInceptionV3", images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features, float32 (N, 2048), and logits without bias, float32 (N, 1008), of images, uint8 (N, H, W, 3).

    Raises:
        StudyError: a feature is not finite.
    """
    weight = network.fc.weight

    @torch.inference_mode()
    def features_of(batch: Tensor) -> tuple[Tensor, Tensor]:
        pooled = network(batch.permute(0, 3, 1, 2).contiguous().to(weight.device))
        return pooled.cpu(), (pooled @ weight.T).cpu()

    batches = _batches(images, device=weight.device)
    pooled, logits = zip(*parallel.a_core_each(features_of, batches, device=weight.device), strict=True)
    pooled = torch.cat(pooled)
    finite.require(pooled, what="Inception's features of image", remedy=DAMAGED)
    return pooled.numpy(), torch.cat(logits).numpy()


def _batches(images: np.ndarray, *, device: torch.device) -> Sequence[Tensor]:
    """On a CPU one image at a time, so that no feature depends on the other images; larger ones would be no faster."""
    return torch.as_tensor(images).split(1 if device.type == "cpu" else BATCH)


def _dinov2_block(state: dict[str, Tensor], block: int) -> dict[str, Tensor]:
    """One block of DINOv2 under torchvision's names, without the scales of its branches.

    DINOv2 multiplies what attention and MLP add by a trained vector; torchvision has none. A scale after a linear
    layer is the same as that layer with its rows scaled.
    """
    old, new = f"blocks.{block}.", f"encoder.layers.encoder_layer_{block}."
    found = {f"{new}self_attention.in_proj_{part}": state[f"{old}attn.qkv.{part}"] for part in ("weight", "bias")}
    plain = {"norm1": "ln_1", "norm2": "ln_2", "mlp.fc1": "mlp.0"}
    for theirs, ours in plain.items():
        found |= {f"{new}{ours}.{part}": state[f"{old}{theirs}.{part}"] for part in ("weight", "bias")}
    scaled = {"attn.proj": ("self_attention.out_proj", "ls1"), "mlp.fc2": ("mlp.3", "ls2")}
    for theirs, (ours, scale) in scaled.items():
        gamma = state[f"{old}{scale}.gamma"]
        found[f"{new}{ours}.weight"] = gamma[:, None] * state[f"{old}{theirs}.weight"]
        found[f"{new}{ours}.bias"] = gamma * state[f"{old}{theirs}.bias"]
    return found


def _resampled_positions(positions: Tensor) -> Tensor:
    """DINOv2's position embeddings, trained on 37x37 patches, for the 16x16 of our images: (1, 1 + 16^2, D)."""
    side = round((positions.shape[1] - 1) ** 0.5)
    grid = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    patches = DINOV2_SIZE // DINOV2_PATCH
    factor = (patches + DINOV2_OFFSET) / side
    grid = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([positions[:, :1], grid.permute(0, 2, 3, 1).reshape(1, patches**2, -1)], dim=1)


def load_dinov2(*, device: torch.device) -> VisionTransformer:
    """DINOv2's smallest network, in torchvision's vision transformer.

    Its own loader executes downloaded code; this one reads the weights alone.

    Source: Oquab et al. (2024), "DINOv2: Learning Robust Visual Features without Supervision".
    """
    state = pretrained.load("dinov2")
    with torch.random.fork_rng(devices=[]):
        network = VisionTransformer(
            image_size=DINOV2_SIZE,
            patch_size=DINOV2_PATCH,
            num_layers=DINOV2_BLOCKS,
            num_heads=DINOV2_WIDTH // 64,
            hidden_dim=DINOV2_WIDTH,
            mlp_dim=4 * DINOV2_WIDTH,
        )
    network.heads = nn.Identity()
    ours = {"class_token": state["cls_token"], "encoder.pos_embedding": _resampled_positions(state["pos_embed"])}
    for theirs, name in {"patch_embed.proj": "conv_proj", "norm": "encoder.ln"}.items():
        ours |= {f"{name}.{part}": state[f"{theirs}.{part}"] for part in ("weight", "bias")}
    for block in range(DINOV2_BLOCKS):
        ours |= _dinov2_block(state, block)
    network.load_state_dict(ours)
    return network.to(device).eval()


def load_facenet(*, device: torch.device) -> InceptionResnetV1:
    """FaceNet's face recogniser without its last layer, which classifies the people of VGGFace2.

    Source: Schroff et al. (2015); the weights are those of facenet-pytorch, after David Sandberg's.
    """
    state = pretrained.load("facenet")
    with torch.random.fork_rng(devices=[]):
        network = InceptionResnetV1()
    network.load_state_dict({name: value for name, value in state.items() if not name.startswith("logits.")})
    return network.to(device).eval()


def _features(
    network: nn.Module, images: np.ndarray, *, size: int, mode: str, normalise: Callable[[Tensor], Tensor]
) -> np.ndarray:
    """Features, float32 (N, D), of images in [0, 255], resized and normalised."""
    device = next(network.parameters()).device

    @torch.inference_mode()
    def features_of(batch: Tensor) -> Tensor:
        resized = batch.to(device).permute(0, 3, 1, 2).float().contiguous()
        resized = F.interpolate(resized, size=(size, size), mode=mode, antialias=True).clamp(0, 255)
        return network(normalise(resized)).cpu()

    batches = _batches(images, device=device)
    found = torch.cat(list(parallel.a_core_each(features_of, batches, device=device)))
    finite.require(found, what=f"{type(network).__name__}'s features of image", remedy=DAMAGED)
    return found.numpy()


def _as_imagenet(pixels: Tensor) -> Tensor:
    mean, sd = (torch.tensor(values, device=pixels.device)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_SD))
    return (pixels / 255 - mean) / sd


def _as_facenet(pixels: Tensor) -> Tensor:
    return (pixels - 127.5) / 128


@dataclass(frozen=True)
class Extractor:
    """A network whose features the measures can be taken on.

    Attributes:
        words: what the features are.
        load: takes the device, and returns the network.
        features: takes the network and uint8 (N, H, W, 3), and returns float32 (N, D).
    """

    words: str
    load: Callable[..., nn.Module]
    features: Callable[[nn.Module, np.ndarray], np.ndarray]


EXTRACTORS = {
    "dinov2": Extractor(
        words=DINOV2_FEATURES,
        load=load_dinov2,
        features=partial(_features, size=DINOV2_SIZE, mode="bicubic", normalise=_as_imagenet),
    ),
    "facenet": Extractor(
        words=FACENET_FEATURES,
        load=load_facenet,
        features=partial(_features, size=FACENET_SIZE, mode="bilinear", normalise=_as_facenet),
    ),
    "efficientnet_lite0": Extractor(
        words=efficientnet_lite.FEATURES,
        load=efficientnet_lite.load_efficientnet_lite,
        features=partial(
            _features, size=efficientnet_lite.SIZE, mode="bicubic", normalise=efficientnet_lite.as_efficientnet_lite
        ),
    ),
}


def load_lpips(*, device: torch.device) -> "lpips.LPIPS":
    """LPIPS 0.1 on AlexNet: linear heads from the lpips package, trunk from our registry.

    Left to itself the package downloads the trunk; so it is built with a random one, which is then overwritten.
    """
    import lpips

    state = pretrained.load("alexnet")
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)  # lpips calls torchvision in an outdated way
        distance = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # The trunk's "slice2.3.weight" is torchvision's "features.3.weight".
    trunk = {name: state[f"features.{name.split('.', 1)[1]}"] for name in distance.net.state_dict()}
    distance.net.load_state_dict(trunk)
    return distance.to(device).eval()


@torch.inference_mode()
def lpips_distances(distance: "lpips.LPIPS", images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """LPIPS, float32 (m,), of pairs int64 (m, 2) of images uint8 (N, H, W, 3), at the images' own size.

    Source: Zhang et al. (2018).
    """
    device = distance.lin0.model[-1].weight.device
    found = []
    for batch in np.array_split(pairs, range(LPIPS_BATCH, len(pairs), LPIPS_BATCH)):
        first, second = (tensors.to_model(torch.as_tensor(images[side]).to(device)) for side in batch.T)
        found.append(distance(first, second).flatten().cpu())
    found = torch.cat(found)
    finite.require(found, what="LPIPS of pair", remedy=DAMAGED)
    return found.numpy()
