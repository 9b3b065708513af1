"""An embedding that needs no weights: mean colours of nine parts of a chip."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from kpop_rca.data.images import crop_square


@dataclass(frozen=True)
class MeanColours:
    """In the manner of `oracles.embeddings.Embedding`."""

    name: str = "colours"
    width: int = 27
    size: int = 48
    licence: str = "none"

    def chip(self, image: Image.Image, box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        return np.asarray(crop_square(image, box, margin=0.2, size=self.size))

    def embed(self, chips: np.ndarray) -> np.ndarray:
        parts = chips.reshape(len(chips), 3, self.size // 3, 3, self.size // 3, 3).mean(axis=(2, 4))
        vectors = parts.reshape(len(chips), -1) - 127.5
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
