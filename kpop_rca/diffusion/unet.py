"""The noise predictor eps_theta(x_t, t, c) of the class-conditional DDPM."""

import math
from collections.abc import Sequence

from diffusers import UNet2DModel


def build_unet(
    *, image_size: int, channels: Sequence[int], layers_per_block: int, attention_size: int, n_classes: int
) -> UNet2DModel:
    """The paper's noise predictor: a UNet2DModel with an embedding of the class added to that of t.

    The embedding has one entry more than there are classes: label `n_classes` means "no class", which
    classifier-free guidance needs (Ho and Salimans 2022).

    Args:
        image_size: side of x_t in pixels.
        channels: of each level; the paper has 3 levels at 32 px and 4 at 64 px.
        layers_per_block: residual blocks of each level.
        attention_size: side in pixels of the levels with self-attention; 0 for none but the middle's.
        n_classes: K.

    Source: paper section 4.2.3.
    """
    attends = [image_size // 2**level == attention_size for level in range(len(channels))]
    return UNet2DModel(
        sample_size=image_size,
        block_out_channels=tuple(channels),
        layers_per_block=layers_per_block,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        norm_num_groups=math.gcd(32, *channels),
        num_class_embeds=n_classes + 1,
    )


def no_class(unet: UNet2DModel) -> int:
    """The label that means "no class"."""
    return unet.config.num_class_embeds - 1
