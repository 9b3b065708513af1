"""The network of the class-conditional diffusion model, net(x_t, t, c)."""

import math
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from diffusers import UNet2DModel
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn

# The parameters of a study that `build_unet` takes.
NETWORK = ("image_size", "channels", "layers_per_block", "attention_size", "stem", "prediction")
BLOCK = 2  # pixels, the side of the blocks of the stem space_to_depth
LEVEL_CHANNELS, LEVEL_SCALE = 32, 1000  # sines and cosines of a level of noise, as of a timestep


class SpaceToDepthUNet(UNet2DModel):
    """A UNet2DModel that works at half the side: blocks of 2x2 pixels enter and leave it as channels."""

    @wraps(UNet2DModel.__init__)  # its arguments are those of the configuration that is saved
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        n_in, n_out = (n * BLOCK**2 for n in (self.config.in_channels, self.config.out_channels))
        first = self.config.block_out_channels[0]
        self.conv_in = nn.Sequential(nn.PixelUnshuffle(BLOCK), nn.Conv2d(n_in, first, 3, padding=1))
        self.conv_out = nn.Sequential(nn.Conv2d(first, n_out, 3, padding=1), nn.PixelShuffle(BLOCK))


class LabelAndLevel(nn.Module):
    """The embedding of a class label, and added to it that of a level of noise in 0 to 1."""

    def __init__(self, labels: nn.Embedding):
        super().__init__()
        self.labels = labels
        self.level = TimestepEmbedding(LEVEL_CHANNELS, labels.embedding_dim)

    def forward(self, labels_and_levels: tuple[Tensor, Tensor]) -> Tensor:
        labels, levels = labels_and_levels
        return self.labels(labels) + self.level(get_timestep_embedding(levels * LEVEL_SCALE, LEVEL_CHANNELS))


class SuperResolutionUNet(SpaceToDepthUNet):
    """A network that is shown, beside x_t, an image of half the side, enlarged and noised by some level.

    Its input is (B, 7, H, W): x_t, that image, and the level of each on a plane of its own, which is embedded.

    Source: Ho et al. (2022), "Cascaded Diffusion Models for High Fidelity Image Generation", section 4.
    """

    @wraps(UNet2DModel.__init__)
    def __init__(self, **config: Any) -> None:
        super().__init__(**config | {"in_channels": 6})
        self.class_embedding = LabelAndLevel(self.class_embedding)

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor, return_dict: bool = True) -> Any:
        levels = sample[:, -1, 0, 0]
        return super().forward(sample[:, :-1], timestep, (class_labels, levels), return_dict)


STEMS = {"pixels": UNet2DModel, "space_to_depth": SpaceToDepthUNet, "super_resolution": SuperResolutionUNet}


def build_unet(
    *,
    image_size: int,
    channels: Sequence[int],
    layers_per_block: int,
    attention_size: int,
    n_classes: int,
    stem: str = "pixels",
    prediction: str = "eps",
) -> UNet2DModel:
    """The paper's network: a UNet2DModel with an embedding of the class added to that of t.

    The embedding has one entry more than there are classes: label `n_classes` means "no class", which
    classifier-free guidance needs (Ho and Salimans 2022).

    Args:
        image_size: side of x_t in pixels.
        channels: of each level; the paper has 3 levels at 32 px and 4 at 64 px.
        layers_per_block: residual blocks of each level.
        attention_size: side in pixels of the levels with self-attention; 0 for none but the middle's.
        n_classes: K.
        stem: "pixels"; "space_to_depth" for a first level at half the side; or "super_resolution", see
            `SuperResolutionUNet`.
        prediction: see `forward_process`; a network of flow or x_0 begins with an output of 0.

    Source: paper section 4.2.3.
    """
    side = image_size if stem == "pixels" else image_size // BLOCK
    attends = [side // 2**level == attention_size for level in range(len(channels))]
    unet = STEMS[stem](
        sample_size=image_size,
        block_out_channels=tuple(channels),
        layers_per_block=layers_per_block,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        norm_num_groups=math.gcd(32, *channels),
        num_class_embeds=n_classes + 1,
    )
    if prediction in ("flow", "x_0"):
        for weight in unet.conv_out.parameters():
            nn.init.zeros_(weight)
    return unet


def load_unet(folder: Path) -> UNet2DModel:
    """A network with either stem, as it was saved."""
    stem = next(kind for kind in STEMS.values() if kind.__name__ == UNet2DModel.load_config(folder)["_class_name"])
    return stem.from_pretrained(folder)


def no_class(unet: UNet2DModel) -> int:
    """The label that means "no class"."""
    return unet.config.num_class_embeds - 1
