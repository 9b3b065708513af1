"""A training of seconds: a network of a few weights, its recipe, a bar that shows nothing."""

import torch

from kpop_rca.diffusion import samplers, trainer
from kpop_rca.diffusion.unet import build_unet

CPU = torch.device("cpu")
RECIPE = trainer.DiffusionRecipe(
    steps=12,
    batch_size=8,
    learning_rate=2e-3,
    learning_rate_schedule="cosine",
    label_dropout=0.2,
    ema_half_life=50,
    ema_ramp_up=0.5,
    gradient_clip=1.0,
    weight_decay=0.01,
    flip=True,
    noise_schedule="squaredcos_cap_v2",
    mixed_precision="no",
    seed=0,
)


class Bar:
    """Stands where tqdm does."""

    def __init__(self, steps, **_):
        self.steps = steps

    def __iter__(self):
        return iter(self.steps)

    def set_postfix(self, **_):
        pass


def small_unet(*, n_classes):
    """Untrained, for pictures of 16 px; always the same."""
    torch.manual_seed(0)
    return build_unet(image_size=16, channels=[8, 16], layers_per_block=1, attention_size=0, n_classes=n_classes)


def small_trainer(folder, *, n_classes, recipe=RECIPE, extra_loss=None):
    unet = small_unet(n_classes=n_classes)
    return trainer.Trainer(unet, recipe=recipe, folder=folder, device=CPU, extra_loss=extra_loss)


def sampled(unet, forward, labels, indices, *, sampler="ddim", guidance=0.0, steps=3, **how):
    generators = [samplers.image_generator(seed=1, label=c, index=i) for c, i in zip(labels, indices, strict=True)]
    process = samplers.sampling_process(forward, sampler)
    return samplers.sample(
        unet, process, torch.tensor(labels), generators=generators, steps=steps, guidance=guidance, **how
    )
