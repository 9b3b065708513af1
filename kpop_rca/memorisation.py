"""Does the generator draw its training photographs again? Nearest neighbours among training and held-out images.

A generator that learnt what the people look like, and not the photographs, knows nothing of which real images were
held out: its images lie as near to these as to equally many training images. One that copies draws images that lie
nearer to training images.

Take pixels, or features of a network that has seen neither set. A judge trained on the same images tells them from
held-out ones by itself: it has pushed the images that it learnt from towards the middle of their class, where typical
generated images lie, too, copied or not. On such features `copying` gives its figures and withholds its verdict.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import permutation_test
from sklearn.neighbors import NearestNeighbors

from kpop_rca.errors import StudyError

SIGNIFICANCE = 0.01  # of each of two tests
SMALLEST_EXCESS = 0.1  # of the generated images
RESAMPLES = 9999
PORTION = 1000  # images that are compared with their neighbours at once
RULE = (
    f"copies if {SMALLEST_EXCESS:.0%} or more of the images are nearer to training images than chance has it, "
    f"and p_share or p_ratio is below {SIGNIFICANCE}"
)
KNOWN_BY_HEART = "the network behind the features was trained on the training images and tells them apart by itself"
SPLITS_DIFFER = "real images that are no copies are nearer to the training images, too: the splits differ in themselves"


def views(images: np.ndarray) -> np.ndarray:
    """Pixels of images and of their mirror images, so that a mirrored copy is found.

    Args:
        images: uint8 (N, H, W, 3).

    Returns:
        float32 (2, N, H * W * 3) in [0, 1]: as they are, and mirrored.
    """
    both = np.stack([images, images[:, :, ::-1]])
    return both.reshape(2, len(images), -1).astype(np.float32) / 255


def nearest(generated: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest reference image of each generated one, over all its views.

    Args:
        generated: float (G, D), or (V, G, D) with V views of each image.
        reference: float (N, D).

    Returns:
        Euclidean distances, float64 (G,), and indices of the reference images, int64 (G,).

    >>> nearest(np.array([[0.0], [7.0]]), np.array([[1.0], [5.0], [9.0]]))
    (array([1., 2.]), array([0, 1]))
    """
    search, found = NearestNeighbors(n_neighbors=1).fit(reference), []
    for view in generated.reshape(-1, *generated.shape[-2:]):
        index = search.kneighbors(view, return_distance=False)[:, 0]
        portions = np.array_split(np.arange(len(view)), -(-len(view) // PORTION))  # each with copies of its images
        apart = [np.linalg.norm(view[part] - reference[index[part]], axis=1) for part in portions]
        found.append((np.concatenate(apart), index))  # a copy is at 0, not at 1e-8
    distances, indices = map(np.stack, zip(*found, strict=True))
    view, each = distances.argmin(axis=0), np.arange(distances.shape[1])
    return distances[view, each].astype(np.float64), indices[view, each]


def equal_references(
    train_labels: np.ndarray, held_out_labels: np.ndarray, *, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """As many training as held-out images of each class, drawn at random and paired.

    Without this the larger set, which lies more densely, would have the nearer neighbours.

    Args:
        train_labels: int64 (T,).
        held_out_labels: int64 (H,).
        generator: of the draw.

    Returns:
        Indices, int64 (n,) and (n,); images at the same place are of the same class.

    >>> equal_references([0, 1, 1, 1], [1, 0, 1], generator=np.random.default_rng(0))
    (array([0, 3, 1]), array([1, 2, 0]))
    """
    chosen = ([], [])
    for label in np.intersect1d(train_labels, held_out_labels):
        members = [np.flatnonzero(np.asarray(labels) == label) for labels in (train_labels, held_out_labels)]
        n = min(map(len, members))
        for side, part in zip(chosen, members, strict=True):
            side.append(generator.permutation(part)[:n])
    if not chosen[0]:
        raise StudyError("no class has both training and held-out images to compare with; check the splits of 02")
    return np.concatenate(chosen[0]), np.concatenate(chosen[1])


def _ratio(to_train: np.ndarray, to_held_out: np.ndarray) -> np.ndarray:
    """Below 1 where the training image is nearer; 1 where the same image is in both sets, and copied."""
    ratio = np.divide(to_train, to_held_out, out=np.full(len(to_train), np.inf), where=to_held_out > 0)
    return np.where((to_train == 0) & (to_held_out == 0), 1.0, ratio)


def _share_nearer(ratio: np.ndarray) -> float:
    return float((ratio < 1).mean() + (ratio == 1).mean() / 2)


def share_test(
    ratio: np.ndarray,
    nearest_train: np.ndarray,
    nearest_held_out: np.ndarray,
    n_reference: int,
    *,
    generator: np.random.Generator,
) -> float:
    """How often chance alone puts as many generated images nearer to training images: a one-sided p-value.

    Were training and held-out images interchangeable, the two of each pair could change places. The share is
    recomputed with all pairs changed at random. A binomial test against 1/2 would be wrong: generated images share
    their neighbours, one popular photograph draws many, and the more images are generated, the surer it would be of
    what is chance among the few real ones.

    Args:
        ratio: float (G,), distance to the nearest training over that to the nearest held-out image.
        nearest_train: int64 (G,) in [0, n_reference), the place of that training image among the pairs.
        nearest_held_out: the same of the held-out image.
        n_reference: pairs.
        generator: of the changes.

    Returns:
        In (0, 1].

    Source: the share, Platzer and Reutterer (2021), section 2.3; the test, Fisher (1935), by scipy.

    >>> train, held_out = np.arange(10), np.zeros(10, int)
    >>> share_test(np.full(10, 0.5), train, held_out, 10, generator=np.random.default_rng(0))  # 2^-10: exact
    0.0009765625
    """
    drawn = [
        np.bincount(index[side], minlength=n_reference)
        for index, side in ((nearest_train, ratio < 1), (nearest_held_out, ratio > 1))
    ]
    difference = (drawn[0] - drawn[1])[drawn[0] != drawn[1]].astype(np.float64)  # the other pairs say nothing
    if len(difference) < 2:  # as the test would have it, which needs two
        return 0.5 if difference.sum() > 0 else 1.0
    result = permutation_test(
        (difference,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=RESAMPLES,
        vectorized=True,
        batch=500,
        random_state=generator,
    )
    return float(result.pvalue)


def ratio_test(ratio: np.ndarray, real_ratio: np.ndarray) -> float:
    """How often a real image that is surely no copy has a ratio as low as the median generated image: a p-value.

    It finds a generator that draws a few training photographs over and over, of which the share says nothing, since
    a few may be nearer to anything by chance. Holds even if all generated images are one and the same.

    Args:
        ratio: float (G,) of the generated images.
        real_ratio: float (n,) of held-out images, each against the training and against the other held-out images.

    Returns:
        In [1 / (n + 1), 1]: below 100 held-out images it can't be significant.

    >>> ratio_test(np.array([0.1, 0.1, 2.0]), np.linspace(0.5, 1.5, 199))
    0.005
    """
    return float((1 + (real_ratio <= np.median(ratio)).sum()) / (len(real_ratio) + 1))


def _held_out_ratio(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Of each held-out image, the nearest training over the nearest other held-out image."""
    others = NearestNeighbors(n_neighbors=1).fit(held_out).kneighbors()[0][:, 0]
    return _ratio(nearest(held_out, train)[0], others)


def _compare(
    images: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, generator: np.random.Generator
) -> tuple[np.ndarray, dict[str, float]]:
    """Ratios of images against paired references, and what they say: share, excess, medians and both p-values."""
    (to_train, train_index), (to_held_out, held_out_index) = (nearest(images, part) for part in (train, held_out))
    ratio = _ratio(to_train, to_held_out)
    share, real_ratio = _share_nearer(ratio), _held_out_ratio(train, held_out)
    return ratio, {
        "share_nearer_train": share,
        "excess": 2 * share - 1,
        "median_ratio": float(np.median(ratio)),
        "median_ratio_real": float(np.median(real_ratio)),
        "p_share": share_test(ratio, train_index, held_out_index, len(train), generator=generator),
        "p_ratio": ratio_test(ratio, real_ratio),
    }


def _flagged(found: dict[str, float]) -> bool:
    return found["excess"] >= SMALLEST_EXCESS and min(found["p_share"], found["p_ratio"]) < SIGNIFICANCE


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
    """Whether generated images lie nearer to training than to held-out images, as `metrics.json` holds it.

    ratio = distance to the nearest training image / distance to the nearest held-out image, equally many of each
    share = share of images with a ratio below 1;  excess = 2 share - 1

    The excess is the share that copies make up if the others fall on either side alike. The verdict needs both its
    size and significance. It is not the test of Meehan et al. (2020), which asks whether generated images are nearer
    to training images than real ones are: so are all smooth, typical faces, copied or not. Near-duplicates among the
    real images should be thinned out before: the tests take them as drawn one by one.

    Args:
        generated: float (G, D), or (V, G, D) with V views of each, as from `views`.
        train: float (T, D), of the images that the generator was trained on.
        held_out: float (H, D), of real images that it was not.
        labels: int64 (T,) and (H,), classes of the training and of the held-out images.
        features: what the features are, in words.
        features_saw_training: whether the network behind the features was trained on the training images.
        generator: of the references and of the test.
        other_real: float (M, D) or (V, M, D), of further real images that the generator was not trained on, as a
            check: they must not look like copies.

    Returns:
        copies (None where the features saw the training images, or where `other_real` looks like copies, too: `why`
        says which), rule, features, n_generated, n_reference
        (images on either side), share_nearer_train (0.5 by chance), excess, median_ratio, median_ratio_real (of
        held-out images), p_share and p_ratio, see `share_test` and `ratio_test`; and real, the same six figures of
        `other_real`, or None with real_why.

    Raises:
        StudyError: no class with images on both sides.

    Source: Platzer and Reutterer (2021), section 2.3.
    """
    chosen = equal_references(*labels, generator=generator)
    references = [np.asarray(part)[index] for part, index in zip((train, held_out), chosen, strict=True)]
    if len(references[0]) < 2:
        raise StudyError("one held-out image is too few to tell copies by; hold out more in 02")
    _, found = _compare(generated, *references, generator=generator)
    real = None if other_real is None else _compare(other_real, *references, generator=generator)[1]
    why = KNOWN_BY_HEART if features_saw_training else SPLITS_DIFFER if real and _flagged(real) else None
    verdict = {"copies": None, "why": why} if why else {"copies": _flagged(found)}
    counts = {"features": features, "n_generated": generated.shape[-2], "n_reference": len(references[0])}
    beside = {"real": real} if real else {"real": None, "real_why": "no other real images were looked at"}
    return verdict | {"rule": RULE} | counts | found | beside


def nearest_pairs(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, top: int) -> pd.DataFrame:
    """The generated images that come closest to a training image, for looking at; each training image once.

    All training images are searched, unlike in `copying`, so that no copy is missed.

    Args:
        generated: float (G, D), or (V, G, D) with V views of each.
        train: float (T, D).
        held_out: float (H, D).
        top: at most so many rows.

    Returns:
        One row a pair, the smallest ratio first: generated, train and held_out (indices of the images, the nearest of
        each kind), distance_train, distance_held_out, ratio.

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
    )
    table = table.sort_values("ratio", kind="stable").drop_duplicates("train")
    return table.head(top).reset_index(drop=True)
