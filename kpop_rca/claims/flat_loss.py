"""Training until the held-out loss is flat: what a generator of a size can learn, however long that takes."""

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca.diffusion import held_out_loss as losses
from kpop_rca.diffusion.trainer import LOG_EVERY, Trainer
from kpop_rca.oracles.candidates import Faces
from kpop_rca.system import seeds

EVERY = 12 * LOG_EVERY  # steps between two looks at the held-out loss
PATIENCE = 2  # looks in a row without a gain, after which the loss is flat
GAIN = 0.03  # a fall of the lowest loss by less than this fraction is none
MOST_FACES = 96  # of the held-out ones


def held_out_loss(unet: UNet2DModel, forward: DDPMScheduler, held_out: Faces, *, seed: int) -> float:
    """Mean loss of held-out faces over `losses.TIMESTEPS`, the same faces and noise each time.

    Args:
        unet: in evaluation mode.
        held_out: uint8 (N, H, W, 3) and int64 (N,); of more than MOST_FACES as many at random.
    """
    chosen = seeds.generator(seeds.Purpose.COMPARED_FACES, seed).permutation(len(held_out[1]))[:MOST_FACES]
    sets = {"held out": tuple(part[chosen] for part in held_out)}
    return float(losses.losses_of_each(unet, sets, forward=forward, seed=seed)["loss"].mean())


def is_flat(seen: list[float]) -> bool:
    """Whether the last PATIENCE of some losses, each after so many more steps, brought no GAIN on those before.

    >>> is_flat([1.0, 0.5, 0.499, 0.49]), is_flat([1.0, 0.5, 0.499, 0.48])
    (True, False)
    """
    return len(seen) > PATIENCE and min(seen[-PATIENCE:]) > (1 - GAIN) * min(seen[:-PATIENCE])


def train(training: Trainer, faces: Faces, held_out: Faces, *, seed: int) -> list[float]:
    """Train until the held-out loss of the averaged weights is flat, or the recipe's steps are done.

    The learning rate must be constant: a schedule that ends at 0 makes any loss flat.

    Returns:
        The losses that were seen, one for every EVERY steps.
    """
    seen: list[float] = []
    how = {"checkpoint_minutes": np.inf, "sample_grids": 0, "stops": lambda: False}
    for done in training.lines(training.steps_left, *faces, **how):
        if done % EVERY == 0:
            seen.append(_of_average(training, held_out, seed=seed))
            if is_flat(seen):
                break
    training.save_result()
    return seen


@torch.no_grad()
def _of_average(training: Trainer, held_out: Faces, *, seed: int) -> float:
    """The held-out loss of the averaged weights; the training goes on with its own."""
    training.ema.store(training.weights)
    training.ema.copy_to(training.weights)
    training.bare_unet.eval()
    loss = held_out_loss(training.bare_unet, training.forward, held_out, seed=seed)
    training.bare_unet.train()
    training.ema.restore(training.weights)
    return loss
