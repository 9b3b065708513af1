"""What the machine can do at most: a large matrix product, a large copy; and how many operations a model takes."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work

PRODUCT, COPY = "matrix product", "copy"
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
COPIED = {"cpu": 2**28, "cuda": 2**32}  # bytes, well beyond the caches
DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_product(setting: Setting) -> Work:
    """The product of two large square matrices: 2 n^3 floating-point operations."""
    side, dtype = SIDE[setting.device.type], DTYPES[setting["mixed_precision"]]
    a, b, out = torch.randn(3, side, side, device=setting.device, dtype=dtype)
    return Work(lambda: torch.mm(a, b, out=out), items=1, flops=2.0 * side**3, bytes=np.nan)


def copy(setting: Setting) -> Work:
    """A copy from memory to memory, counted twice: read and written."""
    source = torch.zeros(COPIED[setting.device.type], dtype=torch.uint8, device=setting.device)
    target = torch.zeros_like(source)
    return Work(lambda: target.copy_(source), items=1, flops=np.nan, bytes=2.0 * len(source))


CEILINGS = {PRODUCT: matrix_product, COPY: copy}


def counted_flops(call: Callable[[], object]) -> float:
    """Floating-point operations of the matrix products and convolutions of a call (the rest is small beside them)."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def network_flops(build: Callable[[], nn.Module], image_size: int, *, training: bool, beside: int = 0) -> float:
    """Floating-point operations per image, in training with the backward pass, of a network that `build` makes.

    It takes so many whole numbers `beside` the image: none, the timestep, or that and the class.
    """
    with torch.device("meta"):  # shapes are enough
        network, image = build().eval(), torch.randn(1, 3, image_size, image_size)
        numbers = [torch.zeros(1, dtype=torch.long)] * beside

        def call() -> None:
            found = network(image, *numbers)
            if training:
                getattr(found, "sample", found).sum().backward()

        return counted_flops(call)
