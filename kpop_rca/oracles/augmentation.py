"""How the oracles' training faces are varied: mirrored, shifted, and in other colours."""

import torch
from torch import Tensor

LARGEST_SHIFT = 1 / 16  # of the image's side


def augment(images: Tensor, *, colour_jitter: float, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, shift each by up to a sixteenth of its side (borders reflected), and vary its colours.

    A diffusion model that has trained briefly gets faces right before it gets their colours right: it tints whole
    images. An oracle that was trained on photographs alone classifies a tinted face as another person, so that its
    predictions are about colour, not identity.

    Args:
        images: uint8 (B, H, W, 3).
        colour_jitter: see `vary_colours`; 0 for none.
        generator: on the device of the images, so that a GPU waits for no copy between its steps.
    """
    (batch, side), device = images.shape[:2], images.device
    reach = max(1, round(side * LARGEST_SHIFT))
    mirrored = torch.rand(batch, generator=generator, device=device) < 0.5
    offset = torch.randint(-reach, reach + 1, (2, batch, 1), generator=generator, device=device)
    rows, columns = (torch.arange(side, device=device) + offset).abs()
    rows, columns = (torch.minimum(i, 2 * (side - 1) - i) for i in (rows, columns))
    columns = torch.where(mirrored[:, None], side - 1 - columns, columns)
    which = torch.arange(batch, device=device)[:, None, None]
    moved = images[which, rows[:, :, None], columns[:, None, :]]
    return vary_colours(moved, spread=colour_jitter, generator=generator) if colour_jitter else moved


def vary_colours(images: Tensor, *, spread: float, generator: torch.Generator) -> Tensor:
    """Random gains of contrast, of brightness and of each colour, other ones for each image.

    x' = g_brightness g_colour (mean + g_contrast (x - mean)),   log g ~ N(0, spread^2)

    torchvision's ColorJitter takes one change for a whole batch, and varies the balance of the colours only by a turn
    of the hue, which makes skin green.

    Args:
        images: uint8 (B, H, W, 3).
        spread: standard deviation of the logarithm of each gain; 0.15 is a change by 15 %.
        generator: on the device of the images.
    """

    def gains(channels: int) -> Tensor:
        noise = torch.randn(len(images), 1, 1, channels, generator=generator, device=images.device)
        return torch.exp(spread * noise)

    x = images.float()
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    varied = gains(1) * gains(3) * (mean + gains(1) * (x - mean))
    return varied.round().clamp(0, 255).to(torch.uint8)
