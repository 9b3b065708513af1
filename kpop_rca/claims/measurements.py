"""What one oracle says of the images of one small study, and what it and the generator were both trained on."""

from pathlib import Path
from typing import Any

import numpy as np

from kpop_rca import image_metrics, rca
from kpop_rca.faces import crops
from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Faces
from kpop_rca.rca.estimators import values

ONE_PICTURE = 1.0  # grey levels: mean difference of two crops of one picture, whose faces were found apart, at most


def measured_by_one(
    oracle: training.SmallImageResNet, real: Faces, generated: Faces, *, groups: list[list[int]]
) -> dict[str, Any]:
    """One oracle's view of one generator.

    Args:
        oracle: in evaluation mode.
        real: held-out faces.
        generated: images and the requested identities.
        groups: class numbers of the look-alikes, each class in one of them; [] for no groups.

    Returns:
        The entries of `from_counts`; frechet, precision and recall on the oracle's own features.
    """
    n_classes = int(real[1].max()) + 1
    seen_real, seen_generated = (training.predict(oracle, images) for images, _ in (real, generated))
    counts = [
        rca.confusion_counts(labels, seen[0].argmax(1), n_classes)
        for (_, labels), seen in ((real, seen_real), (generated, seen_generated))
    ]
    return from_counts(*counts, groups=groups) | {
        "frechet": image_metrics.frechet_distance(seen_real[1], seen_generated[1]),
        **image_metrics.neighbourhood_measures(seen_real[1], seen_generated[1], measures=["precision"]),
    }


def from_counts(real: np.ndarray, generated: np.ndarray, *, groups: list[list[int]]) -> dict[str, Any]:
    """What follows from one oracle's two confusion tables, int (K, K).

    Returns:
        n_real, n_generated, accuracy_real, accuracy_generated, rca; chance_corrected and confusion_corrected_accuracy,
        NaN where the oracle is too poor for them; the three of `within_groups`; pull, the fraction of the images of all
        *other* identities that are predicted as the first one; first_rca, the first identity's.
    """
    recall_real, recall_generated = rca.class_recall(real), rca.class_recall(generated, kind="generated")
    others = values(real, generated)
    return {
        "n_real": int(real.sum()),
        "n_generated": int(generated.sum()),
        "accuracy_real": rca.accuracy(real),
        "accuracy_generated": rca.accuracy(generated),
        "rca": rca.global_rca(real, generated),
        "chance_corrected": float(others["chance_corrected"]),
        "confusion_corrected_accuracy": float(others["confusion_corrected_accuracy"]),
        **within_groups(real, generated, groups),
        "pull": float(generated[1:, 0].sum() / generated[1:].sum()),
        "first_rca": float(recall_generated[0] / recall_real[0]) if recall_real[0] else np.nan,
    }


def within_groups(real: np.ndarray, generated: np.ndarray, groups: list[list[int]]) -> dict[str, float]:
    """How often generated faces are predicted as a look-alike, beyond real ones; NaN without groups.

        excess = rca.within_group_rate(generated) - rca.within_group_rate(real), as in `rca.group_excess`

    >>> real, generated = np.array([[7, 2, 1], [1, 9, 0], [1, 0, 9]]), np.array([[5, 5, 0], [4, 5, 1], [0, 0, 10]])
    >>> {name: round(rate, 3) for name, rate in within_groups(real, generated, [[0, 1], [2]]).items()}
    {'within_group_real': 0.1, 'within_group_generated': 0.3, 'within_group_excess': 0.2}
    """
    of_real, of_generated = (
        rca.within_group_rate(counts, groups) if groups else np.nan for counts in (real, generated)
    )
    return {
        "within_group_real": of_real,
        "within_group_generated": of_generated,
        "within_group_excess": of_generated - of_real,
    }


def shared_training_faces(
    generator_faces: Path, oracle_faces: Path, *, size: int, oracle_trained_on: str
) -> dict[str, int]:
    """Faces that a generator and an oracle, maybe of another study, were both trained on.

    In one study that keeps faces for its oracles there is none. Two studies of one seed have pictures in common, and
    though `faces.assign_splits` keeps nearly all of them on their side, where a study leaves some out others may change
    sides.

    Args:
        generator_faces, oracle_faces: `artifacts/<study>/faces` of the study whose generator, and whose oracle it is.
        size: side of the faces, pixels.
        oracle_trained_on: the split that the oracle was trained on, "oracle" or "train".

    Returns:
        n_learnt, the generator's training faces; n_learnt_by_both, those with a picture of the same name among the
        oracle's that shows the same (under one name there may be a portrait here and a statue there).
    """
    own = _pictures(generator_faces, size=size, split="train")
    others = _pictures(oracle_faces, size=size, split=oracle_trained_on)
    shared = [path for path in own.keys() & others.keys() if _is_same(own[path], others[path])]
    return {"n_learnt": len(own), "n_learnt_by_both": len(shared)}


def _pictures(folder: Path, *, size: int, split: str) -> dict[str, np.ndarray]:
    """The faces of a split by the path of their photograph."""
    index = crops.load_index(folder)
    images, _ = crops.load_crops(folder, size=size, split=split)
    return dict(zip(index.loc[index["split"] == split, "path"], images, strict=True))


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one.astype(np.float64) - other).mean() < ONE_PICTURE)
