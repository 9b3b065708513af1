"""A pretrained face network as a second oracle on the study's crops: the nearest mean embedding of known faces."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from kpop_rca.oracles.embeddings import Embedding

SIDE = 192  # pixels to which a crop is enlarged first, so that the network's own landmarks are found


def embed_crops(embedding: Embedding, crops: np.ndarray, *, margin: float) -> np.ndarray:
    """Embeddings, float32 (N, D), of crops uint8 (N, s, s, 3).

    The face's box is where `images.crop_square` put it, which spares a detector. No landmarks are given: this is for
    networks that find their own, as dlib's does, or want none.
    """
    edge = SIDE * margin / (1 + 2 * margin)
    box, none = np.array([edge, edge, SIDE - edge, SIDE - edge]), np.zeros(10)
    large = (Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for crop in crops)
    return embedding.embed(np.stack([embedding.chip(image, box, none) for image in large]))


def nearest_centroid(
    embedding: Embedding, crops: np.ndarray, labels: np.ndarray, *, margin: float
) -> Callable[[np.ndarray], np.ndarray]:
    """What predicts the identity, int64 (n,), of crops, by the mean embedding of each identity's known crops."""
    known = embed_crops(embedding, crops, margin=margin)
    centroids = np.stack([known[labels == label].mean(axis=0) for label in range(int(labels.max()) + 1)])
    return lambda shown: (embed_crops(embedding, shown, margin=margin) @ centroids.T).argmax(axis=1)
