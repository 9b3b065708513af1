"""The noise of sampling: each image's from its own generator, and for a GPU computed ahead by threads."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import torch
from torch import Tensor

from kpop_rca.system import devices

BLOCK_BYTES = 2**27  # of noise held at once: ten steps of 1000 images of 32 px
THREADS = 4  # one takes as long for a step of the paper's UNet at 32 px as a large GPU computes
WHOLE = 16  # numbers; in multiples of it PyTorch samples the same together as one after the other


def of_steps(
    generators: Sequence[torch.Generator], shape: Sequence[int], *, steps: int, device: torch.device
) -> Iterator[Tensor]:
    """Standard normal noise, one batch per step; to be closed if it isn't taken to its end.

    It is sampled on the CPU, so that an image begins from the same noise on every device.

    Each generator, on the CPU, gives the same numbers as if it were used alone, step after step. Batches are float32
    (len(generators), *shape), on the device.
    """
    if device.type == "cuda":
        yield from in_blocks(generators, shape, steps=steps, device=device)
        return
    for _ in range(steps):
        yield torch.stack([torch.randn(shape, generator=generator) for generator in generators]).to(device)


def in_blocks(
    generators: Sequence[torch.Generator], shape: Sequence[int], *, steps: int, device: torch.device
) -> Iterator[Tensor]:
    """The same as `of_steps`, many steps at once and one such block ahead, so that a GPU need not wait for it."""
    numbers = math.prod(shape)
    most = 1 if numbers % WHOLE else max(1, BLOCK_BYTES // (4 * len(generators) * numbers))
    sizes = [min(most, steps - first) for first in range(0, steps, most)]
    with ThreadPoolExecutor(THREADS) as pool:
        block, parts = _begin(pool, generators, shape, steps=sizes[0], pinned=device.type == "cuda")
        for following in [*sizes[1:], 0]:
            list(parts)  # waits for the threads, and raises what they raised
            there = devices.sent(block, device)
            if following:
                block, parts = _begin(pool, generators, shape, steps=following, pinned=device.type == "cuda")
            yield from there.unbind(dim=1)


def _begin(
    pool: Executor, generators: Sequence[torch.Generator], shape: Sequence[int], *, steps: int, pinned: bool
) -> tuple[Tensor, Iterator[None]]:
    """A block (B, steps, *shape), and the threads that fill it, each for a part of the images."""
    block = torch.empty((len(generators), steps, *shape), pin_memory=pinned)
    size = math.ceil(len(generators) / THREADS)
    owners = [generators[first : first + size] for first in range(0, len(generators), size)]
    return block, pool.map(_fill, block.split(size), owners)


@torch.inference_mode()  # of each thread; the block is sampling's
def _fill(block: Tensor, generators: Sequence[torch.Generator]) -> None:
    for of_image, generator in zip(block, generators, strict=True):
        torch.randn(of_image.shape, generator=generator, out=of_image)
