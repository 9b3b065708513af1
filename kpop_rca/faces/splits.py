"""Which images are kept (and why others are not), and the split of those that are."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

SPLITS = ("train", "oracle", "validation", "test", "hard")  # "train" is what the generator is trained on
# Leaving these out of the *test* images would remove those that a classifier finds hard, and raise its accuracy.
NOT_APPLIED_TO_TEST = ("identity_mismatch",)
ALWAYS_LEFT_OUT = ("unreadable", "no_face")
# Who or what is shown: whoever labels an image by hand has looked, and would have called it wrong_person or not_a_face.
ANSWERED_BY_HAND = ("non_facial", "several_faces", "identity_mismatch", "cross_identity_duplicate")
FEWEST_TEST_FACES = 3  # of each identity: one for a mixture of known faces (07), two for the confusion beside it


def exclusion_reasons(
    detections: pd.DataFrame, *, exclude_flags: Sequence[str], exclude_hand_labels: Sequence[str]
) -> pd.Series:
    """Why each image is left out, the first reason that applies; "" for an image that is kept.

    An unreadable image and one without a face can't be cropped and are always left out. Next come labels given by hand:
    an excluded one leaves the image out, and `fine` keeps it whatever its flags. Any other label answers the flags that
    doubt who or what is shown. Flags that a classifier raised are not applied to a test split that the folder brings:
    the oracle would be tested on easy images only. Last come the images that `not_for_any_split` names.

    Args:
        detections: the audit's table.
        exclude_flags: without `flag_`, in the order in which they are given as the reason.
        exclude_hand_labels: of `hand_labels.HAND_LABELS`; such an image's reason is `labelled_<label>`.
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
    reasons[kept] = not_for_any_split(detections.loc[kept])
    return reasons


def not_for_any_split(kept: pd.DataFrame) -> pd.Series:
    """Why a kept image may be in no split: group_case, twin_of_hard_case, twin_of_test, twin_of_group_case; else "".

    Group photographs are for the audit only. Of near-duplicates, within an identity or across, the hard cases stay;
    else those of the test split that the folder brings. Their twins, and those of group photographs, would be
    trained on and tested on.

    Args:
        kept: rows of the audit's table (split, part, duplicate_group).
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
    """One row per identity: images that are kept, those left out by each reason and in all, photographs in all."""
    counts = pd.crosstab(detections["identity"], reasons.replace("", "kept"))
    by_reason = counts.reindex(columns=["kept", *sorted(set(counts.columns) - {"kept"})], fill_value=0)
    total = by_reason.sum(axis=1)
    by_reason.columns.name = None
    return by_reason.assign(**{"left out": total - by_reason["kept"], "photographs": total})


def assign_splits(
    kept: pd.DataFrame, *, oracle_fraction: float, validation_fraction: float, test_fraction: float, seed: int
) -> pd.Series:
    """The split of each kept image: one of SPLITS, or "" where it must be left out.

    Stratified: the fractions hold in every identity. Near-duplicates stay together, those of several identities too, so
    an oracle is never tested on an image whose twin it was trained on, nor trained on the twin of one that the
    generator is trained on. Where the folder brings its own test split, that one is used. Images of the `hard` part
    are a test set of their own. What `not_for_any_split` names is left out.

    Args:
        kept: rows of the audit's table (path, identity, split, part, duplicate_group).
        oracle_fraction: fraction of each identity's training images, test and validation taken off, that the oracles
            are trained on and the generator never sees, in [0, 1). With 0, they share the generator's images.
        validation_fraction: fraction of each identity's training images that select the oracle, in (0, 1).
        test_fraction: fraction of each identity's images for the test where the folder has none, in (0, 1).
        seed: of the random split.
    """
    split = pd.Series("", index=kept.index, dtype=object)
    split[kept["part"] == "hard"] = "hard"
    normal = kept[(kept["part"] == "normal") & (not_for_any_split(kept) == "")]
    groups = _duplicate_groups(normal)
    test = normal["split"] == "test"
    if not test.any():
        test = _sampled(normal, groups, fraction=test_fraction, seed=seeds.number(Purpose.TEST_SPLIT, seed))
    rest = normal[~test]
    validation = _sampled(rest, groups, fraction=validation_fraction, seed=seeds.number(Purpose.VALIDATION_SPLIT, seed))
    training = rest[~validation]
    oracle = _sampled(
        training, groups, fraction=oracle_fraction, seed=seeds.number(Purpose.ORACLE_SPLIT, seed), rounded=math.floor
    )
    split[test.index[test]] = "test"
    split[rest.index[validation]] = "validation"
    split[training.index] = np.where(oracle, "oracle", "train")
    return split


def _duplicate_groups(table: pd.DataFrame) -> pd.Series:
    """A number for each set of near-duplicates; an image without one is a set of its own."""
    alone = -2 - np.arange(len(table))
    group = table["duplicate_group"].to_numpy()
    return pd.Series(np.where(group == -1, alone, group), index=table.index)


def _sampled(
    table: pd.DataFrame, groups: pd.Series, *, fraction: float, seed: int, rounded: Callable[[float], int] = math.ceil
) -> pd.Series:
    """A random fraction of every identity's near-duplicate groups, as a mask on the table's index.

    A group's lot follows from the seed and its first path alone: where a few images are left out, or more are added,
    nearly all others stay on their side. So what an oracle was trained on in one study, no generator is in the next.
    A group of several identities counts as the identity's of its first path.
    """
    sampled = pd.Series(False, index=table.index)
    first_paths = table["path"].groupby(groups[table.index]).transform("min")
    owners = first_paths.map(table.set_index("path")["identity"])
    for _, own in first_paths.groupby(owners):
        lots = sorted(own.unique(), key=partial(_lot, seed))
        count = min(rounded(fraction * len(lots)), len(lots) - 1)
        # None where none are wanted, or for one image, which can't be on both sides: `check_classes` tells.
        sampled[own.index[own.isin(lots[: max(0, count)])]] = True
    return sampled


def _lot(seed: int, path: str) -> bytes:
    return hashlib.sha256(f"{seed} {path}".encode()).digest()


def make_index(kept: pd.DataFrame) -> pd.DataFrame:
    """One row per face that is used: path, identity, label (int64, 0 to K-1 in the audit's order), split, burst.

    Images of one burst, from 0, are near-duplicates of each other; -1 is alone.

    Args:
        kept: rows of the audit's table, with the split from `assign_splits`.
    """
    labels = {name: label for label, name in enumerate(kept["identity"].unique())}
    used = kept.loc[kept["split"].isin(SPLITS), ["path", "identity", "split", "duplicate_group"]]
    used.insert(2, "label", used["identity"].map(labels).astype(np.int64))
    return used.rename(columns={"duplicate_group": "burst"})


def split_sizes(index: pd.DataFrame) -> pd.DataFrame:
    """Faces for each identity and split."""
    order = index["identity"].drop_duplicates()
    counts = pd.crosstab(index["identity"], index["split"]).reindex(order)
    counts.columns.name = None
    return counts.reindex(columns=[split for split in SPLITS if split in counts], fill_value=0)


def check_classes(index: pd.DataFrame, detections: pd.DataFrame, *, oracle_fraction: float) -> None:
    """Refuse a data set in which identities have too few images left in one of the splits.

    Args:
        index: from `make_index`.
        detections: the audit's table.
        oracle_fraction: as in `assign_splits`; with 0 the oracle split is empty by intention.

    Raises:
        StudyError: names every such identity, what it lacks, and the parameters that help.
    """
    names = detections["identity"].unique()
    counts = pd.crosstab(index["identity"], index["split"]).reindex(index=names, columns=list(SPLITS), fill_value=0)
    needed = {"train": 1, "oracle": 1 if oracle_fraction else 0, "validation": 1, "test": FEWEST_TEST_FACES}
    lacking = {
        name: [f"{row[split]} in {split}" for split, least in needed.items() if row[split] < least]
        for name, row in counts.iterrows()
    }
    lacking = {name: splits for name, splits in lacking.items() if splits}
    if not lacking:
        return
    normal = detections[detections["part"] == "normal"]
    photographs = normal["identity"].value_counts().reindex(names, fill_value=0)
    with_face = normal.loc[normal["n_faces"] > 0, "identity"].value_counts().reindex(names, fill_value=0)
    listed = "; ".join(
        f"{json.dumps(name, ensure_ascii=False)} ({with_face[name]} of {photographs[name]} photographs with a face: "
        f"{', '.join(splits)})"
        for name, splits in lacking.items()
    )
    helps = ["add photographs", "raise test_fraction", "exclude fewer flags", "lower min_face_size"]
    if len(names) - len(lacking) >= 2:  # enough for a study
        helps.insert(0, f"leave them out by exclude_identities: {json.dumps(list(lacking), ensure_ascii=False)}")
    raise StudyError(
        f"too few usable faces of {len(lacking)} of {len(names)} identities: {listed}.\n"
        f"Each needs one in train, oracle (unless oracle_fraction is 0) and validation, {FEWEST_TEST_FACES} in test, "
        f"for the trial of the metric (07): {', or '.join(helps)}"
    )
