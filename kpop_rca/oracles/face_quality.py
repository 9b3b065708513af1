"""How useful a face is for telling who it is: SER-FIQ, similarity of embeddings, and the detector's probability."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.special import expit
from torch import Tensor

from kpop_rca.faces import detection
from kpop_rca.oracles import training
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system.parallel import one_thread

PASSES, DROPOUT = 100, 0.5  # of the paper
DETECTOR_SIDE = 160  # pixels to which a smaller image is enlarged before the detector sees it
DETECTOR_SMALLEST_FACE = 40  # pixels, of the enlarged image


def robustness(embeddings: np.ndarray) -> float:
    """SER-FIQ of one image from m embeddings of it, float (m, D), by as many random subnetworks: from 0 to 1.

    q = 2 sigmoid(-(2 / m^2) sum_{i<j} |x_i - x_j|), of embeddings of length 1

    1 where all subnetworks agree; the less they do, the less the image is good for.

    Source: Terhörst et al. (2020), eq. 1.

    >>> round(robustness(np.array([[1.0, 0.0], [0.0, 1.0]])), 6)  # 2 sigmoid(-sqrt(2) / 2)
    0.660477
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return float(2 * expit(-2 / len(unit) ** 2 * pdist(unit).sum()))


@torch.inference_mode()
def ser_fiq(
    features: np.ndarray,
    head: Callable[[Tensor], Tensor],
    *,
    generator: np.random.Generator,
    passes: int = PASSES,
    dropout: float = DROPOUT,
) -> np.ndarray:
    """`robustness` of images, float64 (N,), with dropout between a network's features and its last layers.

    The same random subnetworks see every image, so that no value depends on the other images.

    Args:
        features: float32 (N, D), before the dropout.
        head: what follows it, float32 (m, D) to embeddings (m, E), both on the CPU.
        generator: of the subnetworks.
        passes: subnetworks, m.
        dropout: fraction of features that each of them lacks.
    """
    kept = torch.as_tensor(generator.random((passes, features.shape[1])) >= dropout).float() / (1 - dropout)
    with one_thread(torch.device("cpu")):
        return np.array([robustness(head(kept * row).double().numpy()) for row in torch.as_tensor(features)])


def oracle_ser_fiq(
    oracle: SmallImageResNet, images: np.ndarray, *, generator: np.random.Generator, passes: int = PASSES
) -> np.ndarray:
    """SER-FIQ on an oracle, float64 (N,), of images uint8 (N, H, W, 3): the embedding is its probabilities.

    An oracle has no dropout of its own; the paper's fraction is applied before the last layer. An image that is like
    one identity is rated well whether or not it is the requested one.
    """
    # Logits as the embedding hardly change with the image: on the default study's test faces they tell right from
    # wrong answers with an AUC of .57, probabilities with .83, and their maximum alone with .86.
    device, (_, features) = next(oracle.parameters()).device, training.predict(oracle, images)

    def head(shown: Tensor) -> Tensor:
        return oracle.fc(shown.to(device)).softmax(1).cpu()

    return ser_fiq(features, head, generator=generator, passes=passes)


def similarity_to_identity(
    embeddings: np.ndarray, labels: np.ndarray, known: np.ndarray, known_labels: np.ndarray
) -> np.ndarray:
    """Mean cosine of each image with the photographs of its requested identity: (N,) from -1 to 1.

    NaN for an identity of whom there is no photograph. With one reference image each, see
    `full_reference.cosine_distance`.

    Args:
        embeddings: float (N, D), of images.
        labels: int64 (N,), requested.
        known: float (R, D), of the photographs.
        known_labels: int64 (R,), who is on them.

    Source: the row "ArcFace" of F-Bench's tables (Liu et al. 2024), here on any embedding.

    >>> images, known = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> similarity_to_identity(images, np.array([0, 1]), known, np.array([0, 0, 1])).tolist()
    [0.5, -1.0]
    """
    unit = known / np.linalg.norm(known, axis=1, keepdims=True)
    centres = np.full((max(labels.max(), known_labels.max()) + 1, known.shape[1]), np.nan)
    for label in np.unique(known_labels):
        centres[label] = unit[known_labels == label].mean(axis=0)
    return (embeddings * centres[labels]).sum(axis=1) / np.linalg.norm(embeddings, axis=1)


def detector_probability(images: np.ndarray) -> np.ndarray:
    """MTCNN's probability of the most prominent face, float64 (N,), of images uint8 (N, H, W, 3): 0 without a face.

    An image below 160 pixels is enlarged to it (bilinear), and each is looked at by itself. Faces below a probability
    of 0.7 are not reported, so that values are 0, or from 0.7 to 1.

    Source: Zhang et al. (2016).
    """
    found = []
    with one_thread(torch.device("cpu")):
        for image in images:
            faces = detection.faces_of(
                Image.fromarray(image),
                min_face_size=DETECTOR_SMALLEST_FACE,
                min_side=DETECTOR_SIDE,
                max_side=max(DETECTOR_SIDE, *image.shape[:2]),
            )
            found.append(float(faces.probabilities[0]) if len(faces.probabilities) else 0.0)
    return np.array(found)
