"""A study's images as they are rated, by simulated raters or by people, and what metrics say of the same images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import mos, outliers, raw_ratings, simulated
from kpop_rca.human_ratings.stimuli import AUTHENTICITY, ID_FIDELITY, QUALITY, Stimulus
from kpop_rca.image_metrics import content_diversity, full_reference
from kpop_rca.system import seeds

# Qualities that simulated raters see, 0 to 5. They are invented, and in the order in which one would expect them.
KNOWN = {
    "real, held out": 3.9,
    "ddpm, all steps": 3.1,
    "ddpm, quarter of the steps": 2.0,
    "bicubic, restored": 1.8,
    "ddpm, restored": 2.5,
    "degraded, anchor": 0.9,
    "swapped, anchor": 3.9,
}
REAL_BONUS = 0.6  # of authenticity, for real images
SPREAD = 0.4  # standard deviation of quality about that, half of its variance from sharpness
REPEATED = 20  # images that a simulated rater sees twice
TRIPLET = ("real, held out", "ddpm, all steps", "ddpm, quarter of the steps")


def images_of(stimuli: Sequence[Stimulus], groups: Sequence[Sequence[int]], names: Sequence[str]) -> pd.DataFrame:
    """One row per image: image, generator (with its level), identity, group of look-alikes (1, 2, …; 0 for none)."""
    group = {names[label]: number for number, labels in enumerate(groups, start=1) for label in labels}
    rows = [(s.name, f"{s.generator}, {s.level}", s.identity, group.get(s.identity, 0)) for s in stimuli]
    return pd.DataFrame(rows, columns=["image", "generator", "identity", "group"])


def metrics_of(stimuli: Sequence[Stimulus], probabilities: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Metrics of each image, in order: sharpness, contrast, oracle_probability (of the requested identity), psnr.

    PSNR is of restored images, beside their original; NaN for the others.

    Args:
        probabilities: float (N, K) by an oracle, of the stimuli's images.
    """
    found = content_diversity.low_level_features(np.stack([s.image for s in stimuli]))[["sharpness", "contrast"]]
    requested = [names.index(s.identity) for s in stimuli]
    found["oracle_probability"] = probabilities[np.arange(len(stimuli)), requested]
    truth = {k: image for k, s in enumerate(stimuli) for caption, image, _ in s.beside if caption == "Original"}
    found["psnr"] = np.nan
    if truth:
        pair = np.stack([stimuli[k].image for k in truth]), np.stack(list(truth.values()))
        found.loc[list(truth), "psnr"] = full_reference.full_reference(*pair)["psnr"].to_numpy()
    return found


def known_qualities(images: pd.DataFrame, metrics: pd.DataFrame, *, seed: int) -> dict[str, np.ndarray]:
    """What simulated raters see in each image, 0 to 5, by dimension: a made-up truth, in which metrics have a part."""
    rng = seeds.generator(seeds.Purpose.SIMULATED_QUALITY, seed)
    base = images["generator"].map(KNOWN).to_numpy()
    sharpness = metrics["sharpness"].rank(pct=True).to_numpy() - 0.5
    noise = rng.standard_normal((3, len(images)))
    quality = base + SPREAD * np.sqrt(0.5) * (np.sqrt(12) * sharpness + noise[0])
    authenticity = quality - 0.5 + REAL_BONUS * images["generator"].eq(TRIPLET[0]) + SPREAD * noise[1]
    swapped = images["generator"].str.startswith("swapped")
    fidelity = np.where(swapped, 0.5, 0.5 + 3.5 * metrics["oracle_probability"]) + SPREAD * noise[2]
    truth = {QUALITY: quality, AUTHENTICITY: authenticity, ID_FIDELITY: fidelity}
    return {name: np.clip(np.asarray(values), 0.1, 4.9) for name, values in truth.items()}


def simulated_ratings(
    stimuli: Sequence[Stimulus], truth: dict[str, np.ndarray], panel: simulated.Panel, *, seed: int
) -> pd.DataFrame:
    """A table as `raw_ratings.read_folder` reads it, of simulated raters; some images are rated twice."""
    tables = []
    for number, (dimension, quality) in enumerate(truth.items()):
        rng = seeds.generator(seeds.Purpose.SIMULATED_RATERS, seed, number)
        asked = np.array([dimension in s.dimensions for s in stimuli])
        names = np.array([s.name for s in stimuli])[asked]
        seen = np.r_[np.arange(len(names)), np.arange(min(REPEATED, len(names)))]
        who = simulated.rate(quality[asked], panel, generator=rng, again=seen[len(names) :])
        raters = [f"simulated-{k + 1:02d}" for k in range(panel.raters)]
        frame = pd.DataFrame(who, columns=raters).assign(image=names[seen], trial=np.arange(len(seen)) // len(names))
        tables.append(frame.melt(["image", "trial"], var_name="rater", value_name="rating").assign(dimension=dimension))
    return raw_ratings.checked(pd.concat(tables, ignore_index=True), source=simulated.NOTE)


def of_people(folder: Path, images: pd.DataFrame) -> pd.DataFrame:
    """The files of a folder that raters sent back, with the images' names in place of the ids on their pages.

    Raises:
        StudyError: the key of the pages is missing, or they show other images than `images`.
    """
    key = Path(folder) / raw_ratings.KEY
    if not key.is_file():
        raise StudyError(
            f"{folder} has no {raw_ratings.KEY}, which kpop-rca rate writes beside the pages; put it there"
        )
    known = pd.read_csv(key, dtype=str)
    rated = known.loc[known["role"].isin(["practice", "anchor", "rated"]), "image"]
    if set(rated) - set(images["image"]):
        raise StudyError(
            f"the pages of {folder} show {len(rated)} images of another sample; set rated_images={len(rated)}"
        )
    table = raw_ratings.pseudonymous(raw_ratings.read_folder(folder))
    names = table["image"].map(known.set_index("id")["image"])
    if names.isna().any():
        raise StudyError(f"{folder}: image {table['image'][names.isna()].iloc[0]} is not in {raw_ratings.KEY}")
    return table.assign(image=names)


def scored(
    table: pd.DataFrame, *, least_ratings: int, rater_groups: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every dimension from raw ratings to MOS; a rater who is rejected in one is left out of that one.

    Args:
        rater_groups: rater to group, where groups rated different images, as in F-Bench: each is screened for itself.

    Returns:
        screening (dimension and the columns of `outliers.screen`), scores (dimension, image, rater, score: z-scores on
        0 to 100 of the raters who count), and MOS (dimension and the columns of `mos.by_image`).
    """
    groups = table["rater"].map(rater_groups) if rater_groups else pd.Series("all", index=table.index)
    screened, scores, means = [], [], []
    for dimension in sorted(table["dimension"].unique()):
        parts = []
        for _, of_group in table[table["dimension"] == dimension].groupby(groups):
            matrix = raw_ratings.matrix(of_group, dimension)
            found = outliers.screen(matrix)
            kept = matrix.loc[:, ~found["rejected"].to_numpy()]
            parts.append(pd.DataFrame(mos.z_scores(kept.to_numpy()), index=kept.index, columns=kept.columns))
            screened.append(found.assign(dimension=dimension))
        z = pd.concat(parts, axis="columns").sort_index()
        scores.append(mos.long(z).assign(dimension=dimension))
        means.append(mos.by_image(z, least_ratings=least_ratings).assign(dimension=dimension))
    return tuple(pd.concat(part, ignore_index=True) for part in (screened, scores, means))


def effect_of_steps(replicates: pd.DataFrame, means: pd.DataFrame) -> dict[str, float]:
    """MOS of images in a quarter of the sampling steps less that of all steps, with its 95 % interval."""
    _, full, quarter = TRIPLET
    of = means.set_index("generator")["mean"]
    low, high = np.percentile(replicates[quarter] - replicates[full], [2.5, 97.5])
    return {"change": float(of[quarter] - of[full]), "low": float(low), "high": float(high)}


def triplets(table: pd.DataFrame, images: pd.DataFrame, *, annotators: int = 5) -> pd.DataFrame:
    """Three images of one identity (a real one, all steps, a quarter) with five raters' points, 3 for the best.

    Returns:
        one row per image: triplet, generator, and the points of each of the first raters who rated all of them.
    """
    matrix = raw_ratings.matrix(table, QUALITY)
    part = images[images["generator"].isin(TRIPLET) & images["image"].isin(matrix.index)]
    part = part.assign(number=part.groupby(["generator", "identity"]).cumcount())
    part["triplet"] = part["identity"] + "/" + part["number"].astype(str)
    part = part[part.groupby("triplet")["image"].transform("size") == len(TRIPLET)].sort_values("triplet")
    rated = matrix.loc[part["image"]].dropna(axis="columns").iloc[:, :annotators]
    points = rated.groupby(part["triplet"].to_numpy()).rank(method="first").astype(int)
    return part[["triplet", "generator"]].reset_index(drop=True).join(points.reset_index(drop=True))
