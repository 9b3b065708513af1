"""The noise that sampling needs: each image's from a generator of its own, and for a GPU drawn ahead by threads."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import torch
from torch import Tensor

from kpop_rca import devices

BLOCK_BYTES = 2**27  # of noise drawn at once: ten steps of 1000 images of 32 px
THREADS = 4  # one draws as long for a step of the paper's UNet at 32 px as a large GPU computes
WHOLE = 16  # numbers; in multiples of it PyTorch draws the same together as one after the other


def of_steps(
    generators: Sequence[torch.Generator], shape: Sequence[int], *, steps: int, device: torch.device
) -> Iterator[Tensor]:
    """Standard normal noise, a batch a step.

    It is drawn on the CPU whatever it is used on, so that an image begins from the same noise on every device. To be
    closed when it isn't taken to its end.

    Args:
        generators: B of them, on the CPU; what each gives is that of drawing step after step with it alone.
        shape: of the noise of an image.
        steps: how many.
        device: where the noise is needed.

    Yields:
        float32 (B, *shape).
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
    most = _steps_a_block(len(generators), shape)
    sizes = [min(most, steps - first) for first in range(0, steps, most)]
    with ThreadPoolExecutor(THREADS) as pool:
        block, parts = _begin(pool, generators, shape, steps=sizes[0], pinned=device.type == "cuda")
        for following in [*sizes[1:], 0]:
            list(parts)  # waits for the threads, and raises what they raised
            there = devices.sent(block, device)
            if following:
                block, parts = _begin(pool, generators, shape, steps=following, pinned=device.type == "cuda")
            yield from there.unbind(dim=1)


def _steps_a_block(batch: int, shape: Sequence[int]) -> int:
    numbers = math.prod(shape)
    return 1 if numbers % WHOLE else max(1, BLOCK_BYTES // (4 * batch * numbers))


def _begin(
    pool: Executor, generators: Sequence[torch.Generator], shape: Sequence[int], *, steps: int, pinned: bool
) -> tuple[Tensor, Iterator[None]]:
    """A block (B, steps, *shape), and the threads that fill it, each with the noise of a share of the images."""
    block = torch.empty((len(generators), steps, *shape), pin_memory=pinned)
    share = math.ceil(len(generators) / THREADS)
    owners = [generators[first : first + share] for first in range(0, len(generators), share)]
    return block, pool.map(_fill, block.split(share), owners)


@torch.inference_mode()  # of each thread; the block is sampling's
def _fill(block: Tensor, generators: Sequence[torch.Generator]) -> None:
    for of_image, generator in zip(block, generators, strict=True):
        torch.randn(of_image.shape, generator=generator, out=of_image)
