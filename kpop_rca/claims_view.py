"""What one judge says of the images of one small study, and what judge and generator have both learnt from."""

from pathlib import Path
from typing import Any

import numpy as np

from kpop_rca import image_metrics, rca, trials
from kpop_rca.faces import crops
from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Faces

ONE_PICTURE = 1.0  # grey levels: mean difference of two crops of one picture, whose faces were found apart, at most


def judged_by_one(
    judge: training.SmallImageResNet, real: Faces, generated: Faces, *, groups: list[list[int]]
) -> dict[str, Any]:
    """One judge's view of one generator.

    Args:
        judge: in evaluation mode.
        real: uint8 (N, H, W, 3) and labels (N,), held-out faces.
        generated: uint8 (G, H, W, 3) and the identities asked for (G,).
        groups: class numbers of the look-alikes, each class in one of them; [] for no groups.

    Returns:
        n_real, n_generated and the columns of `from_counts`; frechet, precision and recall on the judge's own features.
    """
    n_classes = int(real[1].max()) + 1
    seen_real, seen_generated = (training.judge_images(judge, images) for images, _ in (real, generated))
    counts = [
        rca.confusion_counts(labels, seen[0].argmax(1), n_classes)
        for (_, labels), seen in ((real, seen_real), (generated, seen_generated))
    ]
    return from_counts(*counts, groups=groups) | {
        "frechet": image_metrics.frechet_distance(seen_real[1], seen_generated[1]),
        **image_metrics.neighbourhood_measures(seen_real[1], seen_generated[1], measures=["precision"]),
    }


def from_counts(real: np.ndarray, generated: np.ndarray, *, groups: list[list[int]]) -> dict[str, Any]:
    """What follows from one judge's two confusion tables.

    Args:
        real: int (K, K), rows true, columns judged.
        generated: int (K, K), rows asked for, columns judged.
        groups: as in `judged_by_one`.

    Returns:
        n_real, n_generated, accuracy_real, accuracy_generated, rca; chance_corrected and fidelity, NaN where the judge
        is too poor for them; within_group_real, within_group_generated and within_group_excess, see `within_groups`;
        pull, the share of the images of all *other* identities that are judged to be the first one; first_rca, the
        first identity's.
    """
    recall_real, recall_generated = rca.class_recall(real), rca.class_recall(generated, kind="generated")
    others = trials.values(real, generated)
    return {
        "n_real": int(real.sum()),
        "n_generated": int(generated.sum()),
        "accuracy_real": rca.accuracy(real),
        "accuracy_generated": rca.accuracy(generated),
        "rca": rca.global_rca(real, generated),
        "chance_corrected": float(others["chance_corrected"]),
        "fidelity": float(others["fidelity"]),
        **within_groups(real, generated, groups),
        "pull": float(generated[1:, 0].sum() / generated[1:].sum()),
        "first_rca": float(recall_generated[0] / recall_real[0]) if recall_real[0] else np.nan,
    }


def within_groups(real: np.ndarray, generated: np.ndarray, groups: list[list[int]]) -> dict[str, float]:
    """How often generated faces are taken for a look-alike, beyond what the judge does with real ones.

        excess = rca.within_group_rate(generated) - rca.within_group_rate(real)

    Args:
        real, generated: int (K, K), see `from_counts`.
        groups: a partition of the class numbers 0 to K-1, or [] for no groups.

    Returns:
        within_group_real, within_group_generated (shares of the images) and within_group_excess; NaN without groups.

    Source: paper, section 6.2, whose claim lacks the comparison; the difference is that of `rca.group_excess`.

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


def learnt_by_both(generator_faces: Path, judge_faces: Path, *, size: int, judge_learnt: str) -> dict[str, int]:
    """Faces that a generator has learnt from and a judge as well, maybe of another study.

    In one study that keeps faces for its judges there is none. Two studies of one seed have pictures in common, and
    though `faces.assign_splits` keeps nearly all of them on their side, where a study leaves some out others may change
    sides: the judges of one may have learnt faces that the generator of the other has.

    Args:
        generator_faces: `artifacts/<study>/faces` of the study whose generator it is.
        judge_faces: the same of the study whose judge it is.
        size: side of the faces, pixels.
        judge_learnt: the split that the judge has learnt from, "judge" or "train".

    Returns:
        n_learnt, the generator's training faces; n_learnt_by_both, those of them that the judge has learnt: a
        picture of the same name that shows the same (under one name there may be a portrait here and a statue there).
    """
    own = _pictures(generator_faces, size=size, split="train")
    others = _pictures(judge_faces, size=size, split=judge_learnt)
    shared = [path for path in own.keys() & others.keys() if _is_same(own[path], others[path])]
    return {"n_learnt": len(own), "n_learnt_by_both": len(shared)}


def _pictures(folder: Path, *, size: int, split: str) -> dict[str, np.ndarray]:
    """The faces of a split by the path of their photograph."""
    index = crops.load_index(folder)
    images, _ = crops.load(folder, size=size, split=split)
    return dict(zip(index.loc[index["split"] == split, "path"], images, strict=True))


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one.astype(np.float64) - other).mean() < ONE_PICTURE)
