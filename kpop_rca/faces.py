"""From photographs to arrays: which images are kept, square crops of their faces, and the split."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca import disk, seeds, workers
from kpop_rca.data import images
from kpop_rca.errors import StudyError
from kpop_rca.seeds import Purpose

SPLITS = ("train", "judge", "validation", "test", "hard")  # "train" is what the generator learns from
# Leaving these out of the *test* images would remove those that a classifier finds hard, and raise its accuracy.
NOT_APPLIED_TO_TEST = ("identity_mismatch",)
ALWAYS_LEFT_OUT = ("unreadable", "no_face")
# Who or what is shown: whoever labels an image by hand has looked, and would have called it wrong_person or not_a_face.
ANSWERED_BY_HAND = ("non_facial", "several_faces", "identity_mismatch", "cross_identity_duplicate")
FEWEST_TEST_FACES = 3  # of each identity: one for a mixture of known faces (07), two for the confusion beside it


def load_audit(folder: Path) -> tuple[pd.DataFrame, Path, str]:
    """The audit's table, one row a photograph; the data folder that its paths are relative to; and its source.

    Args:
        folder: `artifacts/<study>/audit`.

    Raises:
        StudyError: the photographs are no longer where the audit saw them.
    """
    source = disk.read_json(folder / "source.json")
    root = Path(source["root"])
    if not root.is_dir():
        raise StudyError(f"the photographs were at {root}, which is no folder now; bring it back or run 01 again")
    return pd.read_parquet(folder / "detections.parquet"), root, source["source"]


def exclusion_reasons(
    detections: pd.DataFrame, *, exclude_flags: Sequence[str], exclude_hand_labels: Sequence[str]
) -> pd.Series:
    """Why each image is left out, the first reason that applies; "" for an image that is kept.

    An unreadable image and one without a face can't be cropped and are always left out. Next come labels given by hand:
    an excluded one leaves the image out, and `fine` keeps it whatever its flags. Any other label answers the flags that
    doubt who or what is shown. Flags that a classifier raised are not applied to a test split that the folder brings:
    the judge would be tested on easy images only. Last come the images that `set_aside` names.

    Args:
        detections: the audit's table, one row an image, with `flag_<name>` columns and hand_label.
        exclude_flags: names of flags without `flag_`, in the order in which they are given as the reason.
        exclude_hand_labels: of `audit.HAND_LABELS`; such an image's reason is `labelled_<label>`.

    Returns:
        A string an image, on the index of `detections`.
    """
    by_hand, own_split = detections["hand_label"], detections["split"]
    applies = {flag: detections[f"flag_{flag}"] for flag in ALWAYS_LEFT_OUT}
    applies |= {f"labelled_{label}": by_hand == label for label in exclude_hand_labels}
    for flag in exclude_flags:
        if flag not in ALWAYS_LEFT_OUT:
            answered = by_hand != "" if flag in ANSWERED_BY_HAND else by_hand == "fine"
            applied = own_split != "test" if flag in NOT_APPLIED_TO_TEST else True
            applies[flag] = detections[f"flag_{flag}"] & ~answered & applied
    reasons = pd.Series("", index=detections.index, dtype=object)
    for reason, rows in applies.items():
        reasons[(reasons == "") & rows.astype(bool)] = reason
    kept = reasons[reasons == ""].index
    reasons[kept] = set_aside(detections.loc[kept])
    return reasons


def set_aside(kept: pd.DataFrame) -> pd.Series:
    """Which of the kept images no split may have, and why; "" for the others.

    Group photographs are for the audit only. Of near-duplicates, within an identity or across, the hard cases stay;
    else those of the test split that the folder brings. Their twins, and those of group photographs, would be
    trained on and tested on.

    Args:
        kept: rows of the audit's table (split, part, duplicate_group).

    Returns:
        A string an image, on the index of `kept`: group_case, twin_of_hard_case, twin_of_test, twin_of_group_case, "".
    """
    part, own_split = kept["part"].to_numpy(dtype=object), kept["split"].to_numpy(dtype=object)
    in_test, groups = (part == "normal") & (own_split == "test"), _duplicate_groups(kept)
    reasons = pd.Series(np.where(part == "group", "group_case", ""), index=kept.index, dtype=object)
    held_out = {"hard_case": part == "hard", "test": in_test, "group_case": part == "group"}
    for name, these in held_out.items():
        twins = groups.isin(set(groups[these])).to_numpy() & (part == "normal") & ~these
        if name == "group_case":
            twins &= ~in_test
        reasons[(reasons == "").to_numpy() & twins] = f"twin_of_{name}"
    return reasons


def exclusion_table(detections: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """Counts before and after: a row an identity, with the photographs, those kept, and those left out by reason.

    Args:
        detections: the audit's table.
        reasons: from `exclusion_reasons`.
    """
    counts = pd.crosstab(detections["identity"], reasons.replace("", "kept"))
    by_reason = counts.reindex(columns=["kept", *sorted(set(counts.columns) - {"kept"})], fill_value=0)
    total = by_reason.sum(axis=1)
    by_reason.columns.name = None
    return by_reason.assign(**{"left out": total - by_reason["kept"], "photographs": total})


def assign_splits(
    kept: pd.DataFrame, *, judge_fraction: float, validation_fraction: float, test_fraction: float, seed: int
) -> pd.Series:
    """The split of each kept image: one of SPLITS, or "" where it must be left out.

    Stratified: the fractions hold in every identity. Near-duplicates stay together, those of several identities too, so
    a judge is never tested on a picture whose twin it was trained on, nor trained on the twin of one that the generator
    learns from. Where the folder brings its own test split, that one is used. Images of the `hard` part are a test set
    of their own. What `set_aside` names is left out.

    Args:
        kept: rows of the audit's table (path, identity, split, part, duplicate_group).
        judge_fraction: share of each identity's training images, test and validation taken off, that the judges
            learn from and the generator never sees, in [0, 1). With 0, judges learn from the generator's images.
        validation_fraction: share of each identity's training images that select the judge, in (0, 1).
        test_fraction: share of each identity's images for the test where the folder has none, in (0, 1).
        seed: of the random split.

    Returns:
        A string an image, on the index of `kept`.
    """
    split = pd.Series("", index=kept.index, dtype=object)
    split[kept["part"] == "hard"] = "hard"
    normal = kept[(kept["part"] == "normal") & (set_aside(kept) == "")]
    groups = _duplicate_groups(normal)
    test = normal["split"] == "test"
    if not test.any():
        test = _draw(normal, groups, fraction=test_fraction, seed=seeds.number(Purpose.TEST_SPLIT, seed))
    rest = normal[~test]
    validation = _draw(rest, groups, fraction=validation_fraction, seed=seeds.number(Purpose.VALIDATION_SPLIT, seed))
    to_learn = rest[~validation]
    judge = _draw(
        to_learn, groups, fraction=judge_fraction, seed=seeds.number(Purpose.JUDGE_SPLIT, seed), rounded=math.floor
    )
    split[test.index[test]] = "test"
    split[rest.index[validation]] = "validation"
    split[to_learn.index] = np.where(judge, "judge", "train")
    return split


def _duplicate_groups(table: pd.DataFrame) -> pd.Series:
    """A number for each set of near-duplicates; an image without one is a set of its own."""
    alone = -2 - np.arange(len(table))
    group = table["duplicate_group"].to_numpy()
    return pd.Series(np.where(group == -1, alone, group), index=table.index)


def _draw(
    table: pd.DataFrame, groups: pd.Series, *, fraction: float, seed: int, rounded: Callable[[float], int] = math.ceil
) -> pd.Series:
    """A random share of every identity's near-duplicate groups, as a mask on the table's index.

    A group's lot follows from the seed and its first path alone: where a few pictures are left out, or more are added,
    nearly all others stay on their side. So what a judge learnt in one study, a generator does not learn in the next.
    A group of several identities counts as the identity's of its first path.
    """
    drawn = pd.Series(False, index=table.index)
    first_paths = table["path"].groupby(groups[table.index]).transform("min")
    owners = first_paths.map(table.set_index("path")["identity"])
    for _, own in first_paths.groupby(owners):
        lots = sorted(own.unique(), key=partial(_lot, seed))
        count = min(rounded(fraction * len(lots)), len(lots) - 1)
        # None where none are wanted, or for one picture, which can't be on both sides: `check_classes` tells.
        drawn[own.index[own.isin(lots[: max(0, count)])]] = True
    return drawn


def _lot(seed: int, path: str) -> bytes:
    return hashlib.sha256(f"{seed} {path}".encode()).digest()


def make_index(kept: pd.DataFrame) -> pd.DataFrame:
    """One row a face that is used: path, identity, label and split, without those that no split took.

    Args:
        kept: rows of the audit's table, with the split from `assign_splits`.

    Returns:
        Columns path, identity, label (int64, 0 to K-1 in the audit's order of identities), split.
    """
    labels = {name: label for label, name in enumerate(kept["identity"].unique())}
    used = kept.loc[kept["split"].isin(SPLITS), ["path", "identity", "split"]]
    used.insert(2, "label", used["identity"].map(labels).astype(np.int64))
    return used


def split_sizes(index: pd.DataFrame) -> pd.DataFrame:
    """Faces for each identity and split."""
    order = index["identity"].drop_duplicates()
    counts = pd.crosstab(index["identity"], index["split"]).reindex(order)
    counts.columns.name = None
    return counts.reindex(columns=[split for split in SPLITS if split in counts], fill_value=0)


def data_summary(detections: pd.DataFrame, reasons: pd.Series, index: pd.DataFrame, *, source: str) -> dict:
    """What `metrics.json` says of the data.

    Args:
        detections: the audit's table.
        reasons: from `exclusion_reasons`.
        index: from `make_index`.
        source: where the photographs come from.

    Returns:
        source, n_images, n_identities, n_faces (used), and excluded, the number left out for each reason.
    """
    excluded = reasons[reasons != ""].value_counts()
    return {
        "source": source,
        "n_images": len(detections),
        "n_identities": int(detections["identity"].nunique()),
        "n_faces": len(index),
        "excluded": {reason: int(n) for reason, n in excluded.items()},
    }


def check_classes(index: pd.DataFrame, detections: pd.DataFrame, *, judge_fraction: float) -> None:
    """Refuse a data set in which identities have too few images left in one of the splits.

    Args:
        index: kept images (identity, split).
        detections: all that the audit saw (identity, part, n_faces).
        judge_fraction: as in `assign_splits`; with 0 the judge split is empty by intention.

    Raises:
        StudyError: names every such identity, what it lacks, and the parameters that help.
    """
    counts = pd.crosstab(index["identity"], index["split"])
    counts = counts.reindex(index=detections["identity"].unique(), columns=list(SPLITS), fill_value=0)
    needed = {"train": 1, "judge": 1 if judge_fraction else 0, "validation": 1, "test": FEWEST_TEST_FACES}
    lacking = {
        name: [f"{row[split]} in {split}" for split, least in needed.items() if row[split] < least]
        for name, row in counts.iterrows()
    }
    lacking = {name: splits for name, splits in lacking.items() if splits}
    if lacking:
        raise StudyError(_too_few(lacking, detections))


def _too_few(lacking: dict[str, list[str]], detections: pd.DataFrame) -> str:
    """What is said of identities with too few usable faces: all of them, and what to set."""
    normal = detections[detections["part"] == "normal"]
    photographs, faces = (
        table["identity"].value_counts().reindex(detections["identity"].unique(), fill_value=0)
        for table in (normal, normal[normal["n_faces"] > 0])
    )
    listed = "; ".join(
        f"{json.dumps(name, ensure_ascii=False)} ({faces[name]} of {photographs[name]} photographs with a face: "
        f"{', '.join(splits)})"
        for name, splits in lacking.items()
    )
    fewest, most = photographs.drop(list(lacking)).min(), photographs[list(lacking)].max()
    same = f" (the same as min_per_identity: {most + 1})" if fewest > most else ""
    names = json.dumps(list(lacking), ensure_ascii=False)
    helps = ["add photographs", "raise test_fraction", "exclude fewer flags"]
    if len(photographs) - len(lacking) >= 2:  # enough for a study
        helps.insert(0, f"leave them out by exclude_identities: {names}{same}")
    if (faces[list(lacking)] == 0).any():
        helps.append("lower min_face_size, where no face was found")
    return (
        f"too few usable faces of {len(lacking)} of {len(photographs)} identities: {listed}.\n"
        f"Each needs one in train, judge (unless judge_fraction is 0) and validation, and {FEWEST_TEST_FACES} in test, "
        f"for the trial of the metric (07): {', or '.join(helps)}"
    )


def _crops_of(row: tuple[str, Sequence[float]], *, root: Path, margin: float, sizes: Sequence[int]) -> list[np.ndarray]:
    path, box = row
    image = images.read_rgb(root / path)
    return [np.asarray(images.crop_square(image, box, margin=margin, size=size)) for size in sizes]


def crop_faces(
    detections: pd.DataFrame,
    root: Path,
    *,
    margin: float,
    sizes: Sequence[int],
    progress: Callable = iter,
) -> dict[int, np.ndarray]:
    """Crop the most prominent face of every image, at several sizes from one decoding.

    Args:
        detections: rows with `path` and at least one box, the most prominent first.
        root: the data folder.
        margin: see `crop_square`.
        sizes: sides in pixels.
        progress: wraps the iterable, `tqdm` for example.

    Returns:
        For each size, uint8 (N, size, size, 3) in the order of `detections`.
    """
    rows = [(path, boxes[0]) for path, boxes in zip(detections["path"], detections["boxes"], strict=True)]
    crop = partial(_crops_of, root=root, margin=margin, sizes=sizes)
    with ThreadPoolExecutor(workers.cores()) as pool:  # decoding and resampling release the interpreter's lock
        crops = list(progress(pool.map(crop, rows)))
    return {size: np.stack([c[k] for c in crops]) for k, size in enumerate(sizes)}


def save(folder: Path, crops: dict[int, np.ndarray], index: pd.DataFrame) -> None:
    """Write `faces_<size>.npy` and `index.parquet` (path, identity, label, split), whole or not at all."""
    for size, array in crops.items():
        with disk.atomic(folder / f"faces_{size}.npy", size=array.nbytes) as temporary:
            np.save(temporary, array, allow_pickle=False)
    with disk.atomic(folder / "index.parquet") as temporary:
        index.to_parquet(temporary, index=False)


def load_index(folder: Path) -> pd.DataFrame:
    """One row a face: path, identity, label (0 to K-1, identities in natural order), split."""
    return pd.read_parquet(folder / "index.parquet")


def class_names(folder: Path) -> list[str]:
    """Identities in the order of their labels."""
    index = load_index(folder)
    return index.drop_duplicates("label").sort_values("label")["identity"].tolist()


def load(folder: Path, *, size: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Faces of one split.

    Args:
        folder: `artifacts/<study>/faces`.
        size: side in pixels.
        split: one of SPLITS.

    Returns:
        uint8 (n, size, size, 3) and int64 labels (n,).

    Raises:
        StudyError: the faces were not cropped at this size.
    """
    path = folder / f"faces_{size}.npy"
    if not path.is_file():
        sizes = ", ".join(sorted(p.stem.removeprefix("faces_") for p in folder.glob("faces_*.npy")))
        raise StudyError(f"faces were cropped at {sizes} px, not at {size}; add {size} to face_sizes of 02")
    index = load_index(folder)
    chosen = (index["split"] == split).to_numpy()
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.array(array[chosen]), index.loc[chosen, "label"].to_numpy(dtype=np.int64, copy=True)


def first_of_each(images: np.ndarray, labels: np.ndarray, *, count: int) -> np.ndarray:
    """The first few faces of every class, in the order of the labels, for showing.

    Args:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
        count: how many of each; fewer where a class has fewer.

    Returns:
        uint8 (K, n, H, W, 3).
    """
    count = min(count, np.bincount(labels).min())
    return np.stack([images[labels == label][:count] for label in range(labels.max() + 1)])
