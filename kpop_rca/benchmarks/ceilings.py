"""What the machine can do at most: a large matrix product, a large copy; and what a model asks of it."""

from collections.abc import Callable
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from kpop_rca.benchmarks.timing import Work
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.oracles.resnet import SmallImageResNet

PRODUCT, COPY = "matrix product", "copy"
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
COPIED = {"cpu": 2**28, "cuda": 2**32}  # bytes, well beyond the caches
DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_product(*, device: torch.device, dtype: torch.dtype) -> Work:
    """The product of two large square matrices: 2 n^3 floating-point operations."""
    side = SIDE[device.type]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    return Work(run=lambda: torch.mm(a, b, out=out), items=1, flops=2.0 * side**3)


def copy(*, device: torch.device) -> Work:
    """A copy from memory to memory, counted twice: read and written."""
    source = torch.zeros(COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return Work(run=lambda: target.copy_(source), items=1, bytes=2.0 * len(source))


def counted_flops(call: Callable[[], object]) -> float:
    """Floating-point operations of the matrix products and convolutions of a call (the rest is small beside them)."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return float(counter.get_total_flops())


@cache
def unet_flops(
    image_size: int, channels: tuple[int, ...], layers_per_block: int, attention_size: int, *, training: bool
) -> float:
    """Floating-point operations an image of the study's UNet; in training with the backward pass."""
    with torch.device("meta"):  # shapes are enough
        unet = build_unet(
            image_size=image_size,
            channels=channels,
            layers_per_block=layers_per_block,
            attention_size=attention_size,
            n_classes=10,
        )
        x_t, label = torch.randn(1, 3, image_size, image_size), torch.zeros(1, dtype=torch.long)
        if training:
            return counted_flops(lambda: unet(x_t, label, class_labels=label).sample.sum().backward())
        return counted_flops(lambda: unet(x_t, label, class_labels=label))


@cache
def oracle_flops(architecture: str, width: int, image_size: int, *, training: bool) -> float:
    """Floating-point operations an image of an oracle of ten classes; in training with the backward pass."""
    with torch.device("meta"):
        oracle = SmallImageResNet(architecture, n_classes=10, width=width).eval()
        image = torch.randn(1, 3, image_size, image_size)
        return counted_flops(lambda: oracle(image).sum().backward() if training else oracle(image))
