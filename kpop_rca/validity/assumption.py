"""The tests of the assumption, calibrated: real faces, altered or not, play generators whose truth is known."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.controls import draw_mixture
from kpop_rca.data.images import crop_square
from kpop_rca.faces import mtcnn
from kpop_rca.faces.detection import build_detector, prominence
from kpop_rca.oracles import training
from kpop_rca.oracles.assumption import MISLEADING, Seen, agreement_test, feature_distances
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.rca.estimators import ESTIMATORS, estimate
from kpop_rca.validity.degraded import SEEN_WITHOUT

AS_THEY_ARE = "as they are"
TRUTHS = (0.3, 0.7, 1.0)
AT_ONCE = 40  # images that the detector looks at together


class Altered(NamedTuple):
    """Images that play a generator, each requested for `labels`; a truth of NaN is not known."""

    kind: str
    level: float
    images: np.ndarray  # uint8 (n, H, W, 3)
    labels: np.ndarray  # int64 (n,)
    truth: float = 1.0


def agreement_trial(
    real: Seen,
    altered: dict[str, np.ndarray],
    patterns: dict[str, np.ndarray],
    *,
    n_draws: int,
    n_per_condition: int,
    generator: np.random.Generator,
    progress: Callable = iter,
) -> pd.DataFrame:
    """How often the oracles' test rejects mixtures of real images, which meet the assumption, and of altered ones.

    Args:
        real: the test images under every oracle.
        altered: by name, what the oracles predict for the same images altered, int (S, N).
        patterns: from `controls.swap_patterns`.
        n_draws: of mixtures at each of TRUTHS and each pattern.
        n_per_condition: images requested, of each identity.

    Returns:
        One row per kind of images (AS_THEY_ARE first), pattern and truth: images, pattern, truth, n_draws, rejected
        (fraction), and rejected_low and rejected_high (Wilson 95 %).
    """
    kinds, rows = {AS_THEY_ARE: real.predicted} | altered, []
    for (name, predicted), (pattern, swaps), truth in progress(list(product(kinds.items(), patterns.items(), TRUTHS))):
        rejected = 0
        for _ in range(n_draws):
            how = {"n_per_condition": n_per_condition, "generator": generator}
            playing, requested, left = draw_mixture(real.labels, truth, swaps, **how)
            found = agreement_test(real[left], Seen(requested, predicted[:, playing]), len(swaps))
            rejected += found.agree is False
        rows.append({"images": name, "pattern": pattern, "truth": truth, "n_draws": n_draws, "rejected": rejected})
    return with_rates(pd.DataFrame(rows))


def with_rates(counts: pd.DataFrame) -> pd.DataFrame:
    """Numbers rejected of n_draws as fractions with their intervals."""
    low, high = proportion_confint(counts["rejected"], counts["n_draws"], method="wilson")
    return counts.assign(rejected=counts["rejected"] / counts["n_draws"], rejected_low=low, rejected_high=high)


def pooled_rates(trial: pd.DataFrame) -> pd.DataFrame:
    """`agreement_trial` over all patterns and truths: one row per kind of images."""
    counts = trial.assign(rejected=(trial["rejected"] * trial["n_draws"]).round())
    return with_rates(counts.groupby("images", sort=False)[["rejected", "n_draws"]].sum().reset_index())


def altered_trial(
    real: tuple[np.ndarray, np.ndarray],
    altered: Iterable[Altered],
    oracle: SmallImageResNet,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Every estimator on altered images, and how far these lie outside the oracle's features of real ones.

    Args:
        real: images and identities that estimate the confusion, none of them altered below.
        oracle: in evaluation mode.

    Returns:
        One row per `Altered`: kind, level, n, truth; ESTIMATORS, each with _low and _high; density, coverage and energy
        (see `feature_distances`); and error, how far the confusion-corrected accuracy is from the truth.
    """
    (images, labels), rows = real, []
    probabilities, features = training.predict(oracle, images)
    predicted, n_classes = probabilities.argmax(1), int(labels.max()) + 1
    counts = rca.confusion_counts(labels, predicted, n_classes)
    for one in altered:
        found, of_them = training.predict(oracle, one.images)
        generated = rca.confusion_counts(one.labels, found.argmax(1), n_classes)
        values = estimate(counts, generated, n_replicates=n_replicates, generator=generator)
        row = {"kind": one.kind, "level": one.level, "n": len(one.labels), "truth": one.truth}
        for name in ESTIMATORS:
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, values[name]), strict=True))
        both = (predicted, found.argmax(1))
        row |= feature_distances(features, of_them, predicted=both, n_classes=n_classes)
        rows.append(row | {"error": abs(row["confusion_corrected_accuracy"] - one.truth)})
    return pd.DataFrame(rows)


def misled(altered: pd.DataFrame) -> pd.Series:
    """Where correction is off by more than MISLEADING, and its interval leaves out the truth: few images scatter.

    Args:
        altered: from `altered_trial`, of kinds whose truth is known.
    """
    low, high = (altered[f"confusion_corrected_accuracy_{end}"] for end in ("low", "high"))
    return (altered["error"] > MISLEADING) & ~altered["truth"].between(low, high)


def density_limit(altered: pd.DataFrame) -> float:
    """The highest density at which correction `misled`; NaN where it never did."""
    found = altered.loc[misled(altered), "density"]
    return float(found.max()) if len(found) else float("nan")


def about_assumption(trial: pd.DataFrame) -> str:
    """How often the oracles' test is right, in one sentence."""
    rates = pooled_rates(trial)
    alarms = rates.loc[rates["images"] == AS_THEY_ARE, "rejected"].iloc[0]
    power = [f"{row.rejected:.0%} of those of images with {row.images}" for row in rates.iloc[1:].itertuples()]
    return (
        f"Oracles are found to disagree in {alarms:.1%} of the mixtures of real images (by design in 5 %), and in "
        f"{', and in '.join(power)}."
    )


def about_density(altered: pd.DataFrame, *, limit_in_use: float) -> list[str]:
    """Below which density correction misleads here, and the limit that a study is held to."""
    limit = density_limit(altered)
    if np.isnan(limit):
        return [f"No alteration misled confusion-corrected accuracy by more than {MISLEADING}."]
    below, is_misled = altered["density"] <= limit, misled(altered)
    return [
        f"Where confusion-corrected accuracy was off by more than {MISLEADING}, and by more than the sampling of the "
        f"images explains, the density was {limit:.3f} or less.",
        f"Of the {below.sum()} kinds of images with such a density, {(below & ~is_misled).sum()} did not mislead.",
        f"A study is warned at {limit_in_use:.2f} or less; above that, "
        f"{(is_misled & (altered['density'] > limit_in_use)).sum()} of these kinds misled.",
    ]


def about_parts(table: pd.DataFrame) -> list[str]:
    """RCA by what an oracle sees, and what of it tells real people apart, from `parts_trial`."""
    said = [
        f"Seeing {row.sees}, an oracle is right on {row.accuracy_real:.0%} of the real faces, and RCA is {row.rca:.2f} "
        f"({row.rca_low:.2f} to {row.rca_high:.2f})."
        for row in table.itertuples()
    ]
    accuracy = table.set_index("sees")["accuracy_real"]
    face, rest = (accuracy.get(SEEN_WITHOUT[hidden], float("nan")) for hidden in ("hair", "face"))
    if rest > face:
        said.append(
            f"Hair, neck and backdrop alone were enough for more real faces ({rest:.0%}) than the face alone "
            f"({face:.0%}): RCA measures both."
        )
    return said


def cropped_faces(images: np.ndarray, *, margin: float, size: int, min_face_size: int) -> list[np.ndarray | None]:
    """The most prominent face of each image as a study crops it, uint8 (size, size, 3); None where none is found.

    Args:
        images: uint8 (n, H, W, 3).
        margin: see `images.crop_square`.
    """
    detector, crops = build_detector(min_face_size=min_face_size, device="cpu"), []
    for first in range(0, len(images), AT_ONCE):
        opened = [Image.fromarray(pixels) for pixels in images[first : first + AT_ONCE]]
        for image, (boxes, probabilities, _) in zip(opened, mtcnn.find_faces(detector, opened), strict=True):
            order = np.argsort(-prominence(boxes, probabilities, size=image.size), kind="stable")
            box = boxes[order[0]] if len(boxes) else None
            crops.append(None if box is None else np.asarray(crop_square(image, box, margin=margin, size=size)))
    return crops


def morphs(
    images: dict[float, np.ndarray], requested: np.ndarray, *, margin: float, size: int, min_face_size: int
) -> list[Altered]:
    """Morphs of `avatars.morphed`, cropped; the truth is that of the end to which a dose is, and NaN between."""
    found = []
    for dose, of_dose in images.items():
        crops = cropped_faces(of_dose, margin=margin, size=size, min_face_size=min_face_size)
        seen = np.array([crop is not None for crop in crops])
        truth = {0.0: 1.0, 1.0: 0.0}.get(dose, float("nan"))
        shown = np.stack([crop for crop in crops if crop is not None])
        found.append(Altered("morph", dose, shown, requested[seen], truth))
    return found
