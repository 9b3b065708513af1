"""Scores of faces that are trained on (win, loss) pairs, and the composite that the study ships as `face_score`."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from kpop_rca.data import tensors
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments, sharpness
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.preferences.pairs import Pairs
from kpop_rca.system import finite, seeds
from kpop_rca.system.parallel import one_thread
from kpop_rca.system.seeds import Purpose

FEWEST_PAIRS = 2
BATCH = 100  # images that are scored at once
Scorer = Callable[[np.ndarray], np.ndarray]  # images uint8 (N, H, W, 3) to scores float64 (N,), higher for better


@dataclass(frozen=True)
class ScorerRecipe:
    """How a scorer is trained; `frozen` is the fraction of the oracle's layers, from the first, that stay."""

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    frozen: float = 0.7


def ranking_loss(win: Tensor, loss: Tensor) -> Tensor:
    """-log sigmoid(s_w - s_l), a scalar: the mean over scores (B,).

    Source: Liao et al. (2024), "FaceScore", eq. 3.
    """
    return F.softplus(loss - win).mean()


def checked(images: np.ndarray) -> np.ndarray:
    """Images that can be scored, uint8 (N, H, W, 3).

    Raises:
        StudyError: they are others, there is none, or one is constant, which has no face.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        kind = "with a NaN" if images.dtype.kind == "f" and np.isnan(images).any() else f"{images.dtype}"
        raise StudyError(f"images to score are {kind} {images.shape}; give uint8 (N, H, W, 3)")
    if not len(images):
        raise StudyError("there is no image to score; generate some first (05_generation)")
    constant = (images == images[:, :1, :1]).all(axis=(1, 2, 3))
    if constant.any():
        raise StudyError(f"image {int(constant.argmax())} has one colour alone and no face to score; leave it out")
    return images


def _require_pairs(pairs: Pairs) -> None:
    if len(pairs) < FEWEST_PAIRS:
        raise StudyError(f"a scorer cannot be trained on {len(pairs)} pairs; make {FEWEST_PAIRS} or more")
    for images in (pairs.win, pairs.loss):
        checked(images)


def freeze_first(network: nn.Module, fraction: float) -> list[nn.Module]:
    """Freeze a fraction of the layers that have weights, from the first and without `fc`; returns those that stay free.

    Source: Liao et al. (2024), "Fine-tuning IR": the first 70 % of the backbone's layers.
    """
    layers = [m for name, m in network.named_modules() if not [*m.children()] and [*m.parameters()] and name != "fc"]
    frozen = round(fraction * len(layers))
    network.requires_grad_(True)
    for layer in layers[:frozen]:
        layer.requires_grad_(False)
    return [*layers[frozen:], network.fc]


def train_scorer(oracle: SmallImageResNet, pairs: Pairs, *, recipe: ScorerRecipe, seed: int) -> SmallImageResNet:
    """A scorer from a trained oracle, whose last layer becomes a single number: in evaluation mode, fc of (D, 1).

    Normalisation keeps the oracle's statistics throughout, so that an image's score never depends on its neighbours.

    Raises:
        StudyError: there are too few pairs, an image cannot be scored, or the loss is not finite.
    """
    _require_pairs(pairs)
    scorer = copy.deepcopy(oracle).eval()
    device = next(scorer.parameters()).device
    with torch.random.fork_rng():
        torch.manual_seed(seeds.number(Purpose.SCORER, seed))
        scorer.fc = nn.Linear(scorer.fc.in_features, 1).to(device)
    free = [p for layer in freeze_first(scorer, recipe.frozen) for p in layer.parameters()]
    optimizer = torch.optim.AdamW(free, lr=recipe.learning_rate)
    order = torch.Generator().manual_seed(seeds.number(Purpose.SCORER, seed, 1))
    both = torch.as_tensor(np.stack([pairs.win, pairs.loss], axis=1))
    with one_thread(device):
        for epoch in range(recipe.epochs):
            for rows in torch.randperm(len(pairs), generator=order).split(recipe.batch_size):
                scores = scorer(tensors.to_model(both[rows].flatten(0, 1).to(device))).reshape(-1, 2)
                loss = ranking_loss(*scores.unbind(dim=1))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if not loss.isfinite():
                raise StudyError(f"the scorer's loss is not finite in epoch {epoch + 1}; lower its learning rate")
    return scorer.requires_grad_(False)


@torch.inference_mode()
def score(scorer: SmallImageResNet, images: np.ndarray) -> np.ndarray:
    """Scores, float64 (N,), of images, uint8 (N, H, W, 3), by a scorer of `train_scorer`.

    Raises:
        StudyError: an image cannot be scored (see `checked`), or a score is not finite.
    """
    device = next(scorer.parameters()).device
    images = torch.as_tensor(checked(images))
    padded = torch.cat([images, images[-1:].expand(-len(images) % BATCH, -1, -1, -1)])  # batches of one shape
    with one_thread(device):
        found = [scorer(tensors.to_model(part.to(device)))[:, 0].double().cpu() for part in padded.split(BATCH)]
    found = torch.cat(found)[: len(images)]
    finite.require(found, what="the score of image", remedy="train the scorer again")
    return found.numpy()


def fit_head(win: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A linear score on fixed features, float (n, D) of winners and losers: weights (D,), and spreads (D,) of features.

    The score is (features / spread) @ weights: the ranking loss with a quadratic penalty, whose optimum is unique.
    """
    if len(win) < FEWEST_PAIRS:
        raise StudyError(f"a head cannot be trained on {len(win)} pairs; make {FEWEST_PAIRS} or more")
    spread = np.concatenate([win, loss]).std(axis=0)
    spread[spread == 0] = 1
    apart = (win - loss) / spread
    fitted = LogisticRegression(fit_intercept=False).fit(np.concatenate([apart, -apart]), np.repeat([1, 0], len(apart)))
    return fitted.coef_[0], spread


def train_head(embed: Callable[[np.ndarray], np.ndarray], pairs: Pairs) -> Scorer:
    """A scorer on a network that stays as it is: a linear head on its features, which is all that dlib's can have.

    Args:
        embed: images uint8 (N, H, W, 3) to features, float (N, D).

    Raises:
        StudyError: there are too few pairs, or an image cannot be scored.
    """
    _require_pairs(pairs)
    weights, spread = fit_head(*(embed(images).astype(np.float64) for images in (pairs.win, pairs.loss)))
    return lambda images: embed(checked(images)).astype(np.float64) / spread @ weights


@dataclass(frozen=True)
class FaceScore:
    """The study's `face_score`: how like real texture an image's is, how sharp it is, and scorers, with `weights`.

    Sharpness or a scorer alone is inverted on images that no pair was like: noise is sharper than any face, and a
    scorer trained on inpainted faces prefers it. The distance of the MSCN moments from those of the study's real faces
    grows in either direction, and holds the other parts upright.

    Attributes:
        scorers: from `train_scorer`.
        reference: of the study's real faces.
        weights, spread: of what `components` gives, from `fit_head`.
    """

    scorers: Sequence[SmallImageResNet]
    reference: Reference
    weights: np.ndarray
    spread: np.ndarray

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Scores, float64 (N,), higher for better; neither order nor batches change them."""
        return components(self.scorers, self.reference, images) / self.spread @ self.weights


def log_sharpness(images: np.ndarray) -> np.ndarray:
    """log(1 + sharpness), float64 (N,), of uint8 (N, H, W, 3): a sum cannot weigh what differs a hundredfold."""
    return np.log1p(sharpness(images))


def components(scorers: Sequence[SmallImageResNet], reference: Reference, images: np.ndarray) -> np.ndarray:
    """What `FaceScore` weighs, float64 (N, 2 + number of scorers).

    These are minus the distance from real texture, the logarithm of `sharpness`, and the scores.
    """
    distance = reference.distance_of_each(mscn_moments(checked(images)))
    return np.stack([-distance, log_sharpness(images), *(score(s, images) for s in scorers)], axis=1)


def fit_face_score(scorers: Sequence[SmallImageResNet], real: np.ndarray, pairs: Pairs) -> FaceScore:
    """A `FaceScore` beside real faces, uint8 (N, H, W, 3), weighed on pairs that no scorer was trained on."""
    _require_pairs(pairs)
    reference = Reference.of(mscn_moments(real))
    sides = (components(scorers, reference, images) for images in (pairs.win, pairs.loss))
    return FaceScore(scorers, reference, *fit_head(*sides))
