"""What the audit shows to a reader: counts, examples, and how the flags fare where the truth is known.

A drawn corpus brings its truth along. It is read here, for evaluation, and nowhere else.
"""

from pathlib import Path

import pandas as pd

from kpop_rca.avatars import dataset
from kpop_rca.data import identity_folders
from kpop_rca.faces import flags


def photographs_of_each(photographs: pd.DataFrame) -> pd.DataFrame:
    """Photographs of each identity, a column for each part and split of the folder.

    Args:
        photographs: from `identity_folders.scan`.

    Returns:
        Indexed by identity; columns such as "normal train", "hard test", or "photographs" for a flat folder.
    """
    kind = (photographs["part"] + " " + photographs["split"]).where(photographs["split"] != "", "photographs")
    counts = pd.crosstab(photographs["identity"], kind)
    counts = counts.reindex(index=photographs["identity"].unique(), columns=kind.unique())
    counts.columns.name = None
    return counts


def left_out(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Everything in the data folder that is no picture to work with, or not as its file says, and why.

    Args:
        flagged: from `audit.flag_images`.
        root: the data folder.

    Returns:
        path, reason: first the images that could not be read, then those of which something was ignored, such as a
        damaged colour profile, then what was not tried (`identity_folders.left_out`), but for the records that a drawn
        corpus keeps of itself.
    """
    unread = flagged.loc[flagged["flag_unreadable"], ["path", "unreadable"]].set_axis(["path", "reason"], axis=1)
    noted = flagged.loc[flagged["note"] != "", ["path", "note"]].set_axis(["path", "reason"], axis=1)
    noted["reason"] = "read, but: " + noted["reason"]
    not_tried = identity_folders.left_out(root)
    own = {dataset.TRUTH, dataset.ARGUMENTS} if truth_of(root) is not None else set()
    return pd.concat([unread, noted, not_tried[~not_tried["path"].isin(own)]], ignore_index=True)


def most_doubtful(flagged: pd.DataFrame, *, count: int) -> pd.DataFrame:
    """The images without a label by hand whose own label is the least probable, the most doubtful first.

    Group photographs, which are used for nothing else, are left out.

    Args:
        flagged: from `audit.flag_images`.
        count: at most so many.

    Returns:
        Rows of `flagged`, numbered anew.
    """
    unsettled = flagged["mismatch_score"].notna() & (flagged["hand_label"] == "") & (flagged["part"] != "group")
    return flagged[unsettled].sort_values("mismatch_score", kind="stable", ignore_index=True).head(count)


def filed_twice(flagged: pd.DataFrame) -> pd.DataFrame:
    """Pairs of copies of one picture in two identities' folders.

    Args:
        flagged: from `audit.flag_images`.

    Returns:
        One row per pair: path, copy (paths relative to the data folder), and the labels by hand of both.
    """
    copies = flagged.loc[
        flagged["flag_cross_identity_duplicate"], ["duplicate_group", "identity", "path", "hand_label"]
    ]
    pairs = copies.merge(copies, on="duplicate_group", suffixes=("", "_of_copy"))
    pairs = pairs[pairs["identity"] < pairs["identity_of_copy"]].rename(columns={"path_of_copy": "copy"})
    return pairs[["path", "copy", "hand_label", "hand_label_of_copy"]].reset_index(drop=True)


def samples(detections: pd.DataFrame, *, identities: int, of_each: int) -> pd.DataFrame:
    """The first photographs of the first identities: rows of the audit's table."""
    chosen = detections["identity"].unique()[:identities]
    return detections[detections["identity"].isin(chosen)].groupby("identity", sort=False).head(of_each)


def truth_of(root: Path) -> pd.DataFrame | None:
    """The truth of a drawn corpus; None for photographs, of which nobody knows it."""
    return dataset.read_truth(root) if (root / dataset.TRUTH).is_file() else None


def contextual_artifacts(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Pictures labelled by hand as holding a contextual artifact, or, in a drawn corpus, those drawn with one."""
    truth = truth_of(root)
    if truth is None:
        return flagged[flagged["hand_label"] == "contextual_artifact"]
    return flagged[flagged["path"].isin(truth.loc[truth["artifact"] != "", "path"])]


def flag_accuracy(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """`audit.flag_accuracy` against the truth of the corpus; empty where there is none."""
    truth = truth_of(root)
    return pd.DataFrame() if truth is None else flags.flag_accuracy(flagged, truth)


def detection_rate(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """`audit.detection_rate` as a table of one row; empty where there is no truth."""
    truth = truth_of(root)
    return pd.DataFrame([] if truth is None else [flags.detection_rate(flagged, truth)])
