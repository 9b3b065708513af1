"""Does the generator copy its training images? Nearest neighbours among training and held-out images.

A generator that copies nothing falls on training and on held-out images of a person in proportion to their numbers.
One that copies falls on training images, and comes much nearer to them than to any other image. All real images are
searched, and a test permutes which of them were held out. Only images with a `contrast`, which are much nearer to one
real image than to the next ones, can be counted with an error small enough (below 0.01) to see 12 % of copies where
49 images of a class are held out and 850 are not: the nearest of all real images has an error of about 0.1, and with
as many training as held-out images, chosen at random, copies of the others look new.

Take pixels by `views`, or features of a network that was trained on neither set. A network that was trained on the
training images tells them from held-out ones by itself, copied or not, so that `copying` withholds its verdict.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors, radius_neighbors_graph

from kpop_rca.errors import StudyError

SIGNIFICANCE = 0.01  # of each of two tests
SMALLEST_EXCESS = 0.1  # of the generated images
RESAMPLES = 1999
AT_ONCE = 1000  # images that are prepared, or compared with their neighbours
RESAMPLED_AT_ONCE = 250
SIDE = 16  # pixels; finer detail is what a shift or a compression changes
BLUR = 1 / 16  # of the side, standard deviation
NEIGHBOURS = 5  # an image that is there up to four times, nearly, still stands out from the next ones
LEVELS = np.arange(20) / 20  # of the contrast
LEAST_OF_BEST = 0.8  # how far a level of contrast stands out from chance, beside the one that does so most
TWINS = 0.5  # of the median distance from a held-out image to the training images: nearer ones are one image twice
LARGEST_RATIO = 0.5  # of that of held-out images, or of 1 if that is less: a copy is much nearer to its original
RULE = (
    f"copies if the excess is {SMALLEST_EXCESS:.0%} of the images or more, and p_fraction is below {SIGNIFICANCE}, or "
    f"p_ratio is and median_ratio at most {LARGEST_RATIO:g} times median_ratio_real, or times 1 if that is less"
)
KNOWN_BY_HEART = "the network behind the features was trained on the training images and tells them apart by itself"
SPLITS_DIFFER = "real images that are no copies are nearer to the training images, too: the splits differ in themselves"
UNCLEAR = "real images that are no copies may be as near to the training images: they are few, or the splits differ"
ON_HELD_OUT = "half of these images or more coincide with a held-out image, so that the ratio has no denominator"


@dataclass(frozen=True)
class References:
    """The real images to search, and the classes of the training and then of the held-out ones."""

    train: np.ndarray  # float (T, D)
    held_out: np.ndarray  # float (H, D)
    labels: np.ndarray  # int64 (T + H,)

    @property
    def is_train(self) -> np.ndarray:
        return np.arange(len(self.labels)) < len(self.train)


def views(images: np.ndarray) -> np.ndarray:
    """Coarse pixels of images, uint8 (N, H, W, 3), and of their mirror images: float32 (2, N, D) in [0, 1].

    Blurred by two pixels in 32 and averaged to 16 x 16, so that a copy is found though it was shifted by a pixel,
    compressed or noised: that changes it less than another photograph of the same person differs from it.
    """
    side = (min(SIDE, images.shape[1]), min(SIDE, images.shape[2]))
    sigma = (0, BLUR * images.shape[1], BLUR * images.shape[2], 0)
    coarse = np.empty((len(images), *side, 3), dtype=np.float32)
    for first in range(0, len(images), AT_ONCE):
        soft = gaussian_filter(images[first : first + AT_ONCE].astype(np.float32) / 255, sigma=sigma, mode="nearest")
        averaged = F.adaptive_avg_pool2d(torch.from_numpy(soft).permute(0, 3, 1, 2), side)
        coarse[first : first + AT_ONCE] = averaged.permute(0, 2, 3, 1)
    return np.stack([coarse, coarse[:, :, ::-1]]).reshape(2, len(images), -1)


def neighbours(generated: np.ndarray, reference: np.ndarray, *, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest reference images of each view of each generated image.

    Args:
        generated: float (G, D), or (V, G, D) with V views of each image.
        reference: float (N, D).
        count: at most so many neighbours.

    Returns:
        Euclidean distances, float64 (V, G, min(count, N)), ascending, exactly 0 of a copy; and indices, int64.
    """
    count = min(count, len(reference))
    search, found = NearestNeighbors(n_neighbors=count).fit(reference), []
    for view in generated.reshape(-1, *generated.shape[-2:]):
        index = search.kneighbors(view, return_distance=False)
        parts = np.array_split(np.arange(len(view)), -(-len(view) * count // AT_ONCE))
        # Anew from the differences: the search multiplies out the squares, and has a copy at 1e-8.
        apart = [np.linalg.norm(view[part, None] - reference[index[part]], axis=2) for part in parts]
        found.append((np.concatenate(apart).astype(np.float64), index))
    return _sorted(*map(np.stack, zip(*found, strict=True)))


def _sorted(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = distances.argsort(axis=-1, kind="stable")
    return np.take_along_axis(distances, order, axis=-1), np.take_along_axis(indices, order, axis=-1)


def _best_view(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the view that comes nearest: (G, count) of either."""
    view, each = distances[:, :, 0].argmin(axis=0), np.arange(distances.shape[1])
    return distances[view, each], indices[view, each]


def nearest(generated: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest reference image of each generated one over all its views, see `neighbours`: distances and indices.

    >>> nearest(np.array([[0.0], [7.0]]), np.array([[1.0], [5.0], [9.0]]))
    (array([1., 2.]), array([0, 1]))
    """
    distances, indices = _best_view(*neighbours(generated, reference, count=1))
    return distances[:, 0], indices[:, 0]


def contrast(distances: np.ndarray) -> np.ndarray:
    """How much nearer an image is to its nearest real image than to the fifth: 1 for a copy, about 0 for a new one.

        contrast = 1 - d_1 / d_5

    Distances are (G, n), to the n nearest real images, ascending.

    Source: after Carlini et al. (2023), section 5.1, who compare with the mean over the 50 nearest training images.

    >>> contrast(np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0], [0.0, 0.0, 0.0]]))
    array([0.75, 0.  , 1.  ])
    """
    nearest_one, last = distances[:, 0], distances[:, -1]
    return 1 - np.divide(nearest_one, last, out=np.zeros(len(distances)), where=last > 0)


def _nearest_counts(distances: np.ndarray, indices: np.ndarray, *, n_real: int) -> np.ndarray:
    """How many generated images have each of N real images for their nearest one, by the contrast they have at least.

    Distances and indices are (G, n), of the n nearest real images; the counts are float64 (N, len(LEVELS)). An image
    with several nearest ones at the same distance counts in parts.
    """
    tied = distances == distances[:, :1]
    part, reached = tied / tied.sum(axis=1, keepdims=True), contrast(distances)[:, None] >= LEVELS
    counts = np.zeros((n_real, len(LEVELS)))
    for place in range(distances.shape[1]):
        np.add.at(counts, indices[:, place], part[:, [place]] * reached)
    return counts


@dataclass(frozen=True)
class Excess:
    """More generated images at training images than expected by chance, for every level of contrast.

    Attributes:
        fraction: float (L,), the estimated fraction of copies with such a contrast or more.
        error: float (L,), its standard error, with the images taken as independent and the real ones as given.
        p: of the level at which it stands out most from chance, in (0, 1].
        best: place in LEVELS of the largest fraction among the levels at which it stands out nearly as much.
    """

    fraction: np.ndarray
    error: np.ndarray
    p: float
    best: int


def _excess_test(counts: np.ndarray, references: References, *, generator: np.random.Generator) -> Excess:
    """Whether chance alone puts as many generated images at training images: a one-sided permutation test.

        excess = (1 / G) sum over classes of (n_train - (T / H) n_held_out)

    with n the generated images whose nearest real image is one of the T training or H held-out images of a class.
    The T / H makes it 0 in the mean over all ways of choosing which H were held out, and 1 if all are copies. The
    excess is divided by its standard deviation over these ways, and the largest over all levels of contrast compared
    with the largest under random ways, so that the choice of the level is part of the test. A binomial test would be
    wrong: generated images have neighbours in common, and one popular photograph attracts many.

    A class without any image on one side counts as 0. `counts` are those of `_nearest_counts`.

    Source: the permutation test, Fisher (1935); its maximum over levels, Westfall and Young (1993), section 2.3.
    """
    found, squares, variance = np.zeros((3, len(LEVELS)))
    by_chance = np.zeros((RESAMPLES, len(LEVELS)))
    for label in np.unique(references.labels):
        of_class = references.labels == label
        here, held_out = counts[of_class], ~references.is_train[of_class]
        n_held_out, n_train = int(held_out.sum()), int((~held_out).sum())
        if n_held_out and n_train:
            scale = 1 + n_train / n_held_out
            found += here.sum(axis=0) - scale * here[held_out].sum(axis=0)
            squares += here.sum(axis=0) + scale * (scale - 2) * here[held_out].sum(axis=0)  # of 1 and of 1 - scale
            variance += scale * n_train * here.var(axis=0, ddof=1)
            by_chance += here.sum(axis=0) - scale * _sums(here, n_held_out, generator=generator)
    scores, chance_scores = (
        np.divide(x, np.sqrt(variance), out=np.zeros_like(x), where=variance > 0) for x in (found, by_chance)
    )
    as_large = chance_scores.max(axis=1) >= scores.max() - 1e-9  # ways with the same counts, summed in another order
    n_images = max(counts[:, 0].sum(), 1)
    return Excess(
        fraction=found / n_images,
        error=np.sqrt(np.maximum(squares / n_images - (found / n_images) ** 2, 0) / n_images),
        p=float((1 + as_large.sum()) / (RESAMPLES + 1)),
        # Where it stands out most, copies that were altered are not all counted; where it hardly does, chance counts.
        best=int(np.where(scores >= LEAST_OF_BEST * scores.max(), found, -np.inf).argmax()),
    )


def _sums(counts: np.ndarray, size: int, *, generator: np.random.Generator) -> np.ndarray:
    """Sums over random subsets of that many rows, (RESAMPLES, L)."""
    sums = []
    for first in range(0, RESAMPLES, RESAMPLED_AT_ONCE):
        lots = generator.random((min(RESAMPLED_AT_ONCE, RESAMPLES - first), len(counts)))
        sums.append((lots <= np.partition(lots, size - 1, axis=1)[:, [size - 1]]).astype(float) @ counts)
    return np.concatenate(sums)


def _ratio(to_train: np.ndarray, to_held_out: np.ndarray) -> np.ndarray:
    """Below 1 where the training image is nearer; 1 where the same image is in both sets, and copied."""
    ratio = np.divide(to_train, to_held_out, out=np.full(len(to_train), np.inf), where=to_held_out > 0)
    return np.where((to_train == 0) & (to_held_out == 0), 1.0, ratio)


def ratio_test(ratio: np.ndarray, real_ratio: np.ndarray) -> float:
    """How often a real image that is surely no copy has a ratio as low as the median generated image: a p-value.

    It finds a generator that repeats a few training photographs, which may be nearer to anything by chance. It holds
    even if all generated images are one and the same, and can't be significant below 100 held-out images.

    `real_ratio`, (n,), is of held-out images, each against the training and against the other held-out images.

    >>> ratio_test(np.array([0.1, 0.1, 2.0]), np.linspace(0.5, 1.5, 199))
    0.005
    """
    return float((1 + (real_ratio <= np.median(ratio)).sum()) / (len(real_ratio) + 1))


def _held_out_ratio(references: References, to_train: np.ndarray) -> np.ndarray:
    """Of each held-out image, the distance to the nearest training over that to the nearest other held-out image."""
    held_out = references.held_out
    distances, indices = (part[0] for part in neighbours(held_out, held_out, count=2))
    if len(held_out) == 1:
        return np.full(1, np.inf)
    itself_first = indices[:, 0] == np.arange(len(held_out))  # a twin of it may come first
    return _ratio(to_train, distances[np.arange(len(held_out)), itself_first.astype(int)])


def _median(name: str, ratio: np.ndarray) -> dict[str, Any]:
    median = float(np.median(ratio))
    return {name: median} if np.isfinite(median) else {name: None, f"{name}_why": ON_HELD_OUT}


def _compare(
    images: np.ndarray, references: References, real_ratio: np.ndarray, *, generator: np.random.Generator
) -> tuple[dict[str, Any], Excess]:
    """The figures of `copying` for images against the real ones, and their excess."""
    sides = [neighbours(images, part, count=NEIGHBOURS) for part in (references.train, references.held_out)]
    ratio = _ratio(*(distances[:, :, 0].min(axis=0) for distances, _ in sides))
    (to_train, train), (to_held_out, held_out) = sides
    # The nearest of all real images in one list, which does not know who was held out: the test relies on that.
    together = np.concatenate([to_train, to_held_out], 2), np.concatenate([train, held_out + len(references.train)], 2)
    distances, indices = (part[:, :NEIGHBOURS] for part in _best_view(*_sorted(*together)))
    counts = _nearest_counts(distances, indices, n_real=len(references.labels))
    excess = _excess_test(counts, references, generator=generator)
    found = {
        "fraction_nearer_train": float(counts[references.is_train, 0].sum() / len(ratio)),
        "fraction_by_chance": float(counts[:, 0] @ _train_fraction(references) / len(ratio)),
        "excess": float(excess.fraction[excess.best]),
        "contrast": float(LEVELS[excess.best]),
    }
    found |= _median("median_ratio", ratio) | _median("median_ratio_real", real_ratio)
    return found | {"p_fraction": excess.p, "p_ratio": ratio_test(ratio, real_ratio)}, excess


def _train_fraction(references: References) -> np.ndarray:
    """The fraction of training images in the class of each real image, (T + H,)."""
    _, of_class, counts = np.unique(references.labels, return_inverse=True, return_counts=True)
    return (np.bincount(of_class, weights=references.is_train) / counts)[of_class]


def _distinct(references: References) -> References:
    """The real images without the near-duplicates of others on their side, the first of each set.

    An image that is there twice attracts no more images than one, but would count for two: a held-out set full of
    bursts makes every generator look like a copier. How far apart two images of one side must be is known from the
    other side, on which no image has a near-duplicate.
    """
    kept, features = np.ones(len(references.labels), bool), np.concatenate([references.train, references.held_out])
    for label in np.unique(references.labels):
        of_class = references.labels == label
        sides = [np.flatnonzero(of_class & side) for side in (references.is_train, ~references.is_train)]
        if not all(map(len, sides)):
            continue
        train, held_out = (features[side] for side in sides)
        # Images of two cameras are further apart than those of one: the difference of their means is subtracted.
        centred = [part - part.mean(axis=0) for part in (held_out, train)]
        apart = np.minimum(nearest(held_out, train)[0], nearest(*centred)[0])
        radius = TWINS * np.median(apart)
        for side, part in zip(sides, (train, held_out), strict=True):
            close = radius_neighbors_graph(part, radius)
            _, first = np.unique(connected_components(close, directed=False)[1], return_index=True)
            kept[side] = np.isin(np.arange(len(side)), first)
    n_train = len(references.train)
    return References(references.train[kept[:n_train]], references.held_out[kept[n_train:]], references.labels[kept])


def _references(train: np.ndarray, held_out: np.ndarray, labels: tuple[np.ndarray, np.ndarray]) -> References:
    if not len(np.intersect1d(*labels)):
        raise StudyError("no class has both training and held-out images to compare with; check the splits of 02")
    if len(held_out) < 2:
        raise StudyError("one held-out image is too few to find copies; hold out more in 02")
    return References(np.asarray(train), np.asarray(held_out), np.concatenate(labels))


def _flagged(found: dict[str, Any]) -> bool:
    ratio, real = (math.inf if found[name] is None else found[name] for name in ("median_ratio", "median_ratio_real"))
    nearer = found["p_ratio"] < SIGNIFICANCE and ratio <= LARGEST_RATIO * min(real, 1.0)
    return found["excess"] >= SMALLEST_EXCESS and (found["p_fraction"] < SIGNIFICANCE or nearer)


def _stands_out(excess: Excess, of_real: Excess) -> bool:
    """Whether more images are at training ones than of other real images, significantly, at the level reported."""
    most = of_real.fraction + norm.isf(SIGNIFICANCE) * of_real.error
    return bool(excess.fraction[excess.best] > most[excess.best])


def copying(
    generated: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    *,
    labels: tuple[np.ndarray, np.ndarray],
    features: str,
    features_saw_training: bool,
    generator: np.random.Generator,
    other_real: np.ndarray | None = None,
) -> dict[str, Any]:
    """Whether generated images are copies of training images, as `metrics.json` holds it.

    The excess estimates the fraction of copies, see `_excess_test`. The verdict, see RULE, needs both its size and
    significance. The second test, `ratio_test`, is for a generator that repeats a few training images: with T training
    and H held-out images of a class, the first one needs about 4.6 (T + H) / H different ones. This is not the test of
    Meehan et al. (2020), which asks whether generated images are nearer to training images than real ones are: so are
    all smooth, typical faces, copied or not. Real images are taken as independent; of near-duplicates one is searched.

    Time grows with G (T + H) D, and memory with the features and 10 (V G) distances.

    Args:
        generated: float (G, D), or (V, G, D) with V views of each, as from `views`.
        train: float (T, D), of the images that the generator was trained on.
        held_out: float (H, D), of real images that it was not trained on.
        labels: int64 (T,) and (H,), classes of the training and of the held-out images.
        features: what the features are, in words.
        features_saw_training: whether the network behind the features was trained on the training images.
        generator: of the test.
        other_real: float (M, D) or (V, M, D), of further real images that the generator was not trained on, as a
            check: they must not look like copies.

    Returns:
        copies (None where the features saw the training images, or where `other_real` looks like copies, too, or may
        do so: `why` says which), rule, features, n_generated, n_train, n_held_out (images searched);
        fraction_nearer_train, and fraction_by_chance, its expected value by the numbers of real images; excess, and
        contrast, the least of the images that it counts; median_ratio (distance to the nearest training over that to
        the nearest held-out image) and median_ratio_real (of held-out images), each None with its `_why` where it has
        no denominator; p_fraction and p_ratio; and real, the same figures of `other_real`, or None with real_why.

    Raises:
        StudyError: no class with images on both sides, or a single held-out image.
    """
    references = _distinct(_references(train, held_out, labels))
    real_ratio = _held_out_ratio(references, nearest(references.held_out, references.train)[0])
    found, excess = _compare(generated, references, real_ratio, generator=generator)
    real, why = None, KNOWN_BY_HEART if features_saw_training else None
    if other_real is not None:
        real, of_real = _compare(other_real, references, real_ratio, generator=generator)
        doubted = _flagged(found) and not _stands_out(excess, of_real)
        why = why or (SPLITS_DIFFER if _flagged(real) else UNCLEAR if doubted else None)
    verdict = {"copies": None, "why": why} if why else {"copies": _flagged(found)}
    searched = {"n_train": len(references.train), "n_held_out": len(references.held_out)}
    counts = {"n_generated": generated.shape[-2]} | searched
    beside = {"real": real} if real else {"real": None, "real_why": "no other real images were given"}
    return verdict | {"rule": RULE, "features": features} | counts | found | beside


def nearest_pairs(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, top: int) -> pd.DataFrame:
    """The generated images that come closest to a training image, `top` at most; each training image once.

    Returns:
        One row per pair, the smallest ratio first: generated, train and held_out (indices of the images, the nearest of
        each kind), distance_train, distance_held_out, ratio, which is missing where the held-out image coincides.

    >>> nearest_pairs(np.array([[0.0], [4.9], [9.0]]), np.array([[1.0], [5.0]]), np.array([[2.0], [7.0]]), top=2)
       generated  train  held_out  distance_train  distance_held_out     ratio
    0          1      1         1             0.1                2.1  0.047619
    1          0      0         0             1.0                2.0  0.500000
    """
    (to_train, train_index), (to_held_out, held_out_index) = (nearest(generated, part) for part in (train, held_out))
    table = pd.DataFrame(
        {
            "generated": np.arange(len(to_train)),
            "train": train_index,
            "held_out": held_out_index,
            "distance_train": to_train,
            "distance_held_out": to_held_out,
            "ratio": _ratio(to_train, to_held_out),
        }
    ).replace({"ratio": {np.inf: np.nan}})
    table = table.sort_values("ratio", kind="stable").drop_duplicates("train")
    return table.head(top).reset_index(drop=True)
