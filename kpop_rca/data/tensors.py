"""Images as the networks see them: from uint8 to [-1, 1] and back."""

import numpy as np
import torch

from kpop_rca.system import finite


def to_model(images: torch.Tensor) -> torch.Tensor:
    """uint8 (B, H, W, 3) in [0, 255] to contiguous float32 (B, 3, H, W) in [-1, 1] (paper section 4.1)."""
    # Left in the order of the pixels, some narrow networks crash torch's CPU convolutions in the backward pass.
    return images.permute(0, 3, 1, 2).float().contiguous() / 127.5 - 1


def to_images(x_0: torch.Tensor) -> np.ndarray:
    """float (B, 3, H, W) in [-1, 1] to uint8 (B, H, W, 3), values outside clipped.

    Raises:
        StudyError: an image has a NaN, which would become black, or an infinity.
    """
    finite.require(x_0, what="image", remedy="set mixed_precision to no where it is not, or train again (03)")
    levels = ((x_0.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()
