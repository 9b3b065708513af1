"""What the audit shows to a reader: counts, examples, and how the flags fare where the truth is known.

Avatars bring their truth along. It is read here, for evaluation, and nowhere else.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca import avatars
from kpop_rca.avatars import photograph
from kpop_rca.avatars.folder import RECORDS, TRUTH
from kpop_rca.data import identity_folders
from kpop_rca.errors import StudyError


def photographs_of_each(photographs: pd.DataFrame) -> pd.DataFrame:
    """One row per identity of a scan: photographs "normal train", "hard test", …; "photographs" in a flat folder."""
    kind = (photographs["part"] + " " + photographs["split"]).where(photographs["split"] != "", "photographs")
    counts = pd.crosstab(photographs["identity"], kind)
    counts = counts.reindex(index=photographs["identity"].unique(), columns=kind.unique())
    counts.columns.name = None
    return counts


def left_out(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Everything in the data folder that is no image to work with, or not as its file says: path, reason.

    First the images that could not be read, then those of which something was ignored, such as a damaged colour
    profile, then what was not tried (`identity_folders.left_out`), but for the records that avatars have beside them.
    """
    unread = flagged.loc[flagged["flag_unreadable"], ["path", "unreadable"]].set_axis(["path", "reason"], axis=1)
    noted = flagged.loc[flagged["note"] != "", ["path", "note"]].set_axis(["path", "reason"], axis=1)
    noted["reason"] = "read, but: " + noted["reason"]
    not_tried = identity_folders.left_out(root)
    own = RECORDS if (root / TRUTH).is_file() else ()
    return pd.concat([unread, noted, not_tried[~not_tried["path"].isin(own)]], ignore_index=True)


def most_doubtful(flagged: pd.DataFrame, *, count: int) -> pd.DataFrame:
    """The images without a label by hand whose own label is the least probable, the most doubtful first.

    Group photographs, which are used for nothing else, are left out.
    """
    unsettled = flagged["mismatch_score"].notna() & (flagged["hand_label"] == "") & (flagged["part"] != "group")
    return flagged[unsettled].sort_values("mismatch_score", kind="stable", ignore_index=True).head(count)


def filed_twice(flagged: pd.DataFrame) -> pd.DataFrame:
    """One row per pair of copies of an image in two identities' folders: path, copy, and the labels by hand of both."""
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
    """The truth of rendered avatars; None for photographs, of which nobody knows it."""
    return avatars.read_truth(root) if (root / TRUTH).is_file() else None


def contextual_artifacts(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Images labelled by hand as holding a contextual artifact, or, of avatars, those rendered with one."""
    truth = truth_of(root)
    if truth is None:
        return flagged[flagged["hand_label"] == "contextual_artifact"]
    return flagged[flagged["path"].isin(truth.loc[truth["artifact"] != "", "path"])]


def flag_accuracy(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Precision and recall of the flags on rendered avatars; empty for photographs.

    Returns:
        One row per question, indexed by flag: truth (what it should find, in words), among (which images count),
        n_true, n_flagged, n_both (counts), precision = n_both / n_flagged, recall = n_both / n_true (NaN where
        the denominator is 0).

    Raises:
        StudyError: the truth misses an image.
    """
    truth = truth_of(root)
    if truth is None:
        return pd.DataFrame()
    table = with_truth(flagged, truth)
    found = table["n_faces"] > 0
    non_face = table["kind"].isin(photograph.NONFACE)
    nothing = table["flag_no_face"] | table["flag_non_facial"]
    everything = pd.Series(True, index=table.index)
    repeated = (table["burst"] != "") & table.duplicated(["identity", "burst"])
    someone_else = (table["shown"] != "") & (table["shown"] != table["identity"])
    questions = [
        ("several_faces", table["flag_several_faces"], "group shot", table["kind"] == "group", everything),
        ("non_facial", table["flag_non_facial"], "no human face", non_face, found),
        ("no_face or non_facial", nothing, "no human face", non_face, everything),
        ("identity_mismatch", table["flag_identity_mismatch"], "shows someone else", someone_else, found),
        ("extreme_pose", table["flag_extreme_pose"], "extreme angle", table["hard"] == "extreme_angle", found),
        ("near_duplicate", table["flag_near_duplicate"], "later image of a burst", repeated, everything),
    ]
    rows = [
        {"flag": flag, "truth": words, "among": "all images" if among.all() else "images with a detection"}
        | _agreement(predicted[among], actual[among])
        for flag, predicted, words, actual, among in questions
    ]
    return pd.DataFrame(rows).set_index("flag")


def _agreement(predicted: pd.Series, actual: pd.Series) -> dict[str, float]:
    n_true, n_flagged, n_both = int(actual.sum()), int(predicted.sum()), int((predicted & actual).sum())
    return {
        "n_true": n_true,
        "n_flagged": n_flagged,
        "n_both": n_both,
        "precision": n_both / n_flagged if n_flagged else np.nan,
        "recall": n_both / n_true if n_true else np.nan,
    }


def with_truth(flagged: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    missing = ~flagged["path"].isin(truth["path"])
    if missing.any():
        raise StudyError(
            f"{TRUTH} has no row for {flagged['path'][missing].iloc[0]}; remove the data folder and run 01 again"
        )
    known = truth[["path", "kind", "hard", "shown", "burst"]].fillna("").astype({"burst": str, "shown": str})
    return flagged.merge(known, on="path", how="left", validate="one_to_one")


def detection_rate(flagged: pd.DataFrame, root: Path) -> pd.DataFrame:
    """In how many of the avatars that show one person, the labelled one, MTCNN finds a face.

    Returns:
        One row: n (avatars), found, rate = found / n. Empty for photographs.
    """
    truth = truth_of(root)
    if truth is None:
        return pd.DataFrame()
    table = with_truth(flagged, truth)
    found = table.loc[table["kind"] == "portrait", "n_faces"] > 0
    return pd.DataFrame([{"n": len(found), "found": int(found.sum()), "rate": found.mean()}])
