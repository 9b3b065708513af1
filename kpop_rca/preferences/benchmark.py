"""Scorers beside pairs that they were not trained on, and beside ladders of known quality."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import t as student

from kpop_rca.degradations import blurred, compressed, noised
from kpop_rca.errors import StudyError
from kpop_rca.preferences.pairs import Pairs
from kpop_rca.preferences.scorer import Scorer
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

# From better to worse; None leaves the images as they are.
LEVELS = {"blur": (0.0, 0.6, 1.0, 1.6), "noise": (0.0, 5.0, 12.0, 25.0), "JPEG": (None, 75, 40, 15)}
DOWNSAMPLED = (1.0, 0.75, 0.5, 0.3)  # of the side, enlarged again
DEVELOPMENT = ("blur", "noise")  # ladders on which a score may be chosen; the others judge it
Ladder = Sequence[np.ndarray]  # the same images at each level, uint8 (N, H, W, 3), from better to worse


def ladders(images: np.ndarray, *, generator: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """Images degraded more and more, by the name of each ladder."""
    return {
        "blur": [blurred(images, level) for level in LEVELS["blur"]],
        "noise": [noised(images, level, generator=generator) for level in LEVELS["noise"]],
        "JPEG": [images if q is None else compressed(images, quality=q) for q in LEVELS["JPEG"]],
        "downsampling": [_downsampled(images, fraction) for fraction in DOWNSAMPLED],
    }


def _downsampled(images: np.ndarray, fraction: float) -> np.ndarray:
    side, small = images.shape[1], round(fraction * images.shape[1])
    if small == side:
        return images
    sizes = ((small, small), (side, side))
    return np.stack([_resized(_resized(image, sizes[0]), sizes[1]) for image in images])


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def ordered_fraction(better: np.ndarray, worse: np.ndarray) -> float:
    """How often the better one scores higher, (n,) each; a tie counts half.

    >>> ordered_fraction(np.array([2.0, 1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 3.0]))
    0.625
    """
    return float(((better > worse) + (better == worse) / 2).mean())


def ladder_accuracy(scores: Sequence[np.ndarray]) -> float:
    """Fraction of pairs of levels that an image's scores order right, over all images and pairs: scores (N,) a level.

    >>> ladder_accuracy([np.array([3.0, 3.0]), np.array([2.0, 4.0]), np.array([1.0, 1.0])]).__round__(3)
    0.833
    """
    return float(np.mean([ordered_fraction(better, worse) for better, worse in combinations(scores, 2)]))


def scorer_table(
    scorers: Mapping[str, Scorer], pairs: Mapping[str, Pairs], steps: Mapping[str, Ladder]
) -> pd.DataFrame:
    """Every scorer on every set of pairs and every ladder: scorer, kind ("pairs" or "ladder"), name, n, fraction."""
    rows = []
    for scorer, of_images in scorers.items():
        for name, own in pairs.items():
            fraction = ordered_fraction(of_images(own.win), of_images(own.loss))
            rows.append({"scorer": scorer, "kind": "pairs", "name": name, "n": len(own), "fraction": fraction})
        for name, ladder in steps.items():
            fraction = ladder_accuracy([of_images(images) for images in ladder])
            rows.append({"scorer": scorer, "kind": "ladder", "name": name, "n": len(ladder[0]), "fraction": fraction})
    return pd.DataFrame(rows)


def mean_scores(scorers: Mapping[str, Scorer], generators: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The mean score of each generator's images: scorer, generator, n, mean, standard_error, normalised.

    normalised is the mean with each scorer's scores of all these images taken to [0, 1].

    Source: Liao et al. (2024), "FaceScore", tables 5 and 6.
    """
    rows = []
    for scorer, of_images in scorers.items():
        scores = {name: of_images(images) for name, images in generators.items()}
        every = np.concatenate([*scores.values()])
        for name, own in scores.items():
            error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
            found = {"n": len(own), "mean": own.mean(), "standard_error": error}
            spread = np.ptp(every)
            found["normalised"] = (own.mean() - every.min()) / spread if spread else np.nan
            rows.append({"scorer": scorer, "generator": name} | found)
    return pd.DataFrame(rows)


def pearson(scorers: Mapping[str, Scorer], images: np.ndarray) -> pd.DataFrame:
    """Pearson's correlation of every two scorers over images: scorer, other, n, pearson; NaN for a constant score."""
    scores = {name: of_images(images) for name, of_images in scorers.items()}
    rows = []
    for scorer, other in combinations(scores, 2):
        varied = np.ptp(scores[scorer]) > 0 and np.ptp(scores[other]) > 0
        found = float(np.corrcoef(scores[scorer], scores[other])[0, 1]) if varied else np.nan
        rows.append({"scorer": scorer, "other": other, "n": len(images), "pearson": found})
    return pd.DataFrame(rows)


def with_triplets(scorers: Mapping[str, Scorer], images: np.ndarray, triplets: pd.DataFrame) -> pd.DataFrame:
    """Each scorer beside people's order of images of one triplet: scorer, n, accuracy, pearson.

    accuracy is over pairs of a triplet that people do not rate alike, a tie of the scorer counting half; pearson that
    of the scorer's ranks within a triplet with people's points.

    Args:
        images: uint8 (N, H, W, 3).
        triplets: triplet (any label), image (index into `images`) and points (by majority or mean; higher is better).

    Raises:
        StudyError: a column is missing, an image is not there, or no triplet has two images of different points.

    Source: Liao et al. (2024), "FaceScore", tables 2 and 6.
    """
    _require_triplets(triplets, len(images))
    better, worse = _ordered_pairs(triplets.reset_index(drop=True))
    rows = []
    for scorer, of_images in scorers.items():
        scores = of_images(images[triplets["image"]])
        ranks = pd.Series(scores).groupby(triplets["triplet"].to_numpy()).rank()
        rows.append(
            {
                "scorer": scorer,
                "n": len(better),
                "accuracy": ordered_fraction(scores[better], scores[worse]),
                "pearson": float(np.corrcoef(ranks, triplets["points"])[0, 1]) if ranks.nunique() > 1 else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _require_triplets(triplets: pd.DataFrame, n_images: int) -> None:
    missing = {"triplet", "image", "points"} - set(triplets.columns)
    if missing:
        raise StudyError(f"a table of triplets needs the column {min(missing)}; it has {', '.join(triplets.columns)}")
    stray = triplets.loc[~triplets["image"].isin(range(n_images)), "image"]
    if len(stray):
        raise StudyError(f"image {stray.iloc[0]} of a triplet is none of the {n_images}; give their indices")


def _ordered_pairs(triplets: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the better and of the worse image of each pair within a triplet, int (n,) each."""
    points, found = triplets["points"], []
    for rows in triplets.groupby("triplet", sort=False).indices.values():
        found += [
            (a, b) if points[a] > points[b] else (b, a) for a, b in combinations(rows, 2) if points[a] != points[b]
        ]
    if not found:
        raise StudyError("no triplet has two images that people rated differently; gather more ratings")
    better, worse = np.array(found).T
    return better, worse


def random_scorer(seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """The control that knows nothing."""
    generator = seeds.generator(Purpose.BENCHMARK_IMAGES, seed, 2)
    return lambda images: generator.random(len(images))


def over_seeds(table: pd.DataFrame, *, by: Sequence[str], value: str) -> pd.DataFrame:
    """The mean over seeds of a column and its 95 % t interval, NaN of a single seed: by, mean, low, high, n_seeds."""
    found = table.groupby(list(by), sort=False)[value].agg(["mean", "std", "count"]).reset_index()
    reach = student.ppf(0.975, (found["count"] - 1).clip(lower=1)) * found["std"] / np.sqrt(found["count"])
    found = found.assign(low=found["mean"] - reach, high=found["mean"] + reach)
    return found.rename(columns={"count": "n_seeds"}).drop(columns="std")[[*by, "mean", "low", "high", "n_seeds"]]
