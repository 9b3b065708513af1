"""What is wrong with the images: one flag for each way in which the paper saw its crops fail.

Every flag has a rule that can be said in a sentence (`rules_table`); none has seen the avatars' truth, against which
`audit_tables.flag_accuracy` holds them.
"""

from typing import get_args

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from kpop_rca.data.duplicates import MAX_DISTANCE, MAX_DISTANCE_ACROSS, near_duplicates
from kpop_rca.faces.detection import most_prominent
from kpop_rca.faces.hand_labels import WRONG_LABELS
from kpop_rca.faces.label_issues import find_mismatches, identity_features, swap_trial
from kpop_rca.faces.neighbour_support import N_NEIGHBOURS, supported_probabilities
from kpop_rca.study.schema import Flag

FLAGS = ("unreadable", *get_args(Flag))

SECOND_FACE_FRACTION = 0.3  # of the most prominent face's size: smaller ones are people in the background
MAX_ROLL = 40.0  # degrees; MTCNN was trained on upright faces
EYE_DISTANCE = (0.2, 0.6)  # of the box's width
EYE_MOUTH_DISTANCE = (0.25, 0.55)  # of the box's height
MAX_YAW = 0.45  # `yaw` of `face_geometry`, no unit; about 40 degrees
TRIED_SCORES = (0.05, 0.1, 0.2, 0.5, 1.0)  # thresholds of the trial, beside the study's own


def face_geometry(detections: pd.DataFrame) -> pd.DataFrame:
    """How the five landmarks of each image's most prominent face lie.

    Returns:
        One row per image, NaN without a face:
        roll: degrees, 0 for eyes that are level, positive when the right one in the image is lower.
        eye_distance: distance between the eyes by the box's width.
        eye_mouth: how far the mouth lies below the line through the eyes, by the box's height.
        nose_height: where the nose lies between the eyes (0) and the mouth (1).
        yaw: sideways offset of the nose from the line between eyes and mouth, in distances between the eyes, times
            the distance from eyes to mouth in the same unit; 0 for a frontal face, positive to the right. A head
            that turns moves its nose aside and its eyes together: the product grows with both.
    """
    faces = most_prominent(detections)
    points = faces.landmarks.astype(np.float64).reshape(-1, 5, 2)
    size = (faces.boxes[:, 2:] - faces.boxes[:, :2]).astype(np.float64)
    eyes, mouth, nose = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1), points[:, 2]
    across, down = points[:, 1] - points[:, 0], mouth - eyes
    eye_distance, height = np.linalg.norm(across, axis=1), np.linalg.norm(down, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        axis = down / height[:, None]
        along = ((nose - eyes) * axis).sum(axis=1)
        below = (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]) / eye_distance
        aside = (nose - eyes)[:, 0] * axis[:, 1] - (nose - eyes)[:, 1] * axis[:, 0]
    return pd.DataFrame(
        {
            "roll": np.degrees(np.arctan2(across[:, 1], across[:, 0])),
            "eye_distance": eye_distance / size[:, 0],
            "eye_mouth": below / size[:, 1],
            "nose_height": along / height,
            "yaw": aside * height / eye_distance**2,
        },
        index=detections.index,
    )


def several_faces(detections: pd.DataFrame, *, min_probability: float) -> np.ndarray:
    """(n,) bool: a second face is likely, and large enough to be mistaken for the first."""
    first, flagged = most_prominent(detections), np.zeros(len(detections), dtype=bool)
    for rank in range(1, int(detections["n_faces"].to_numpy().max(initial=0))):
        other = most_prominent(detections, rank=rank)
        fraction = _side(other.boxes) / _side(first.boxes)
        flagged |= (other.probabilities >= min_probability) & (fraction >= SECOND_FACE_FRACTION)
    return flagged


def _side(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1)


def plausible_landmarks(detections: pd.DataFrame) -> np.ndarray:
    """(n,) bool: the landmarks of the most prominent face lie as in a face; False without one."""
    face = face_geometry(detections)
    plausible = (
        (face["roll"].abs() <= MAX_ROLL)
        & face["eye_distance"].between(*EYE_DISTANCE)
        & face["eye_mouth"].between(*EYE_MOUTH_DISTANCE)
        & face["nose_height"].between(0, 1)
    )
    return plausible.to_numpy()


def non_facial(detections: pd.DataFrame, probabilities: np.ndarray, *, min_probability: float) -> np.ndarray:
    """(n,) bool: something was found, but it is doubted or its landmarks do not lie as in a face.

    A face turned far aside is doubted too, but for that reason; it has a flag of its own.

    Args:
        detections: from `detection.detect_faces`, n rows.
        probabilities: (n,) from `neighbour_support.supported_probabilities`.
        min_probability: below which a face is doubted.
    """
    turned = face_geometry(detections)["yaw"].abs().to_numpy() > MAX_YAW
    believed = (probabilities >= min_probability) | turned
    return (detections["n_faces"].to_numpy() > 0) & ~(believed & plausible_landmarks(detections))


def flag_images(
    detections: pd.DataFrame, *, min_probability: float, min_face_width: int, max_mismatch_score: float, seed: int
) -> pd.DataFrame:
    """Every flag of every image; `rules_table` says in words what each means.

    Args:
        detections: from `detection.detect_faces`.
        min_probability: below which a face is doubted, in [0, 1]; of the most prominent face the mean over ten
            views of it and its neighbours, of further faces MTCNN's own.
        min_face_width: pixels, longer side of the box, below which a face is small.
        max_mismatch_score: probability of its own label, in [0, 1], below which a doubted label is flagged.
        seed: of the cross-validation behind the identity mismatches.

    Returns:
        A copy of `detections`, less its aligned faces, with duplicate_group (int, -1 alone), supported_probability
        (float in [0, 1], from `neighbour_support`; NaN where the landmarks are not those of a face), mismatch_score
        (float in [0, 1], the probability of its own label; NaN where not scored), likeliest_other (an identity; ""
        where not scored), other_score (float in [0, 1], the probability of that one), hand_label ("") and a bool
        column `flag_<name>` for each of `FLAGS`.
    """
    table = detections.copy()
    duplicates = near_duplicates(table["phash"], table["identity"])
    table["duplicate_group"] = duplicates.groups
    plausible = plausible_landmarks(table)
    features = identity_features(table, candidates=plausible)
    probabilities = supported_probabilities(table, features, candidates=plausible)
    table["supported_probability"] = probabilities
    flags = {
        "unreadable": table["unreadable"] != "",
        "no_face": (table["unreadable"] == "") & (table["n_faces"] == 0),
        "several_faces": several_faces(table, min_probability=min_probability),
        "non_facial": non_facial(table, probabilities, min_probability=min_probability),
        "small_face": table["face_width"] < min_face_width,
        "extreme_pose": face_geometry(table)["yaw"].abs() > MAX_YAW,
    }
    candidates = (table["n_faces"].to_numpy() > 0) & ~flags["non_facial"]
    doubts = find_mismatches(table, features, candidates=candidates, seed=seed)
    table["mismatch_score"], table["likeliest_other"], table["other_score"] = doubts[:3]
    flags["identity_mismatch"] = doubts.below(max_mismatch_score)
    flags["near_duplicate"] = (duplicates.groups >= 0) & table.duplicated(["identity", "duplicate_group"])
    flags["cross_identity_duplicate"] = duplicates.across
    for name in FLAGS:
        table[f"flag_{name}"] = np.asarray(flags[name], dtype=bool)
    table["hand_label"] = ""
    return table.drop(columns="aligned_face")  # pixels do not go into a table


def rules_table(*, min_probability: float, min_face_width: int, max_mismatch_score: float) -> pd.DataFrame:
    """What each flag means with these settings of `flag_images`: rule, paper (the figure that shows it).

    The rule of `non_facial` has exceptions that the table leaves out. Probabilities are means over ten views of a face
    (moved, tilted, darkened, mirrored). Similar faces of other identities count only where their probability is lower.
    A face in extreme pose is exempt from the probability's part. Landmarks also ask for a nose between eyes and mouth.
    """
    low, high = EYE_DISTANCE
    rules = {
        "unreadable": ("the file cannot be decoded, or is smaller than a face", ""),
        "no_face": ("MTCNN finds nothing", "section 5.1"),
        "several_faces": (
            f"a second face of probability {min_probability} or more, at least {SECOND_FACE_FRACTION:.0%} as large",
            "Fig 5",
        ),
        "non_facial": (
            f"the face and the {N_NEIGHBOURS} most similar ones have a mean probability below {min_probability}, or "
            f"the landmarks do not lie as in a face (eyes level within {MAX_ROLL:.0f} degrees, {low:.0%} to {high:.0%} "
            "of the box apart)",
            "Fig 6",
        ),
        "small_face": (f"box smaller than {min_face_width} px", ""),
        "extreme_pose": (f"the nose is far aside and the eyes close together: yaw measure above {MAX_YAW}", "Fig 4"),
        "identity_mismatch": (
            "a classifier trained on the other faces predicts someone else (confident learning), and gives its own "
            f"label less than {max_mismatch_score:.0%}",
            "Fig 5",
        ),
        "near_duplicate": (
            f"perceptual hash within {MAX_DISTANCE} of 256 bits of an earlier image of the same identity",
            "",
        ),
        "cross_identity_duplicate": (
            f"perceptual hash within {MAX_DISTANCE_ACROSS} of 256 bits of an image in another identity's folder: one "
            "file, perhaps resized or encoded again; a copy that was cropped is not found",
            "",
        ),
    }
    return pd.DataFrame.from_dict(rules, orient="index", columns=["rule", "paper"]).rename_axis("flag")


def doubt_order(flagged: pd.DataFrame) -> np.ndarray:
    """Positions of the images, the most doubtful first.

    First the faces for which another identity is likelier than their own, by self-confidence; then what else carries a
    flag; then the rest. Within each, images without a score come last. Group photographs follow after all others.
    """
    doubted = flagged["other_score"].to_numpy() > flagged["mismatch_score"].to_numpy()
    carries_flag = flagged[[f"flag_{name}" for name in FLAGS]].any(axis=1).to_numpy()
    tier = np.where(doubted, 0, np.where(carries_flag, 1, 2)) + 3 * (flagged["part"] == "group").to_numpy()
    return np.lexsort([flagged["mismatch_score"].fillna(np.inf), tier])


def mismatch_trial(detections: pd.DataFrame, flagged: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """How well `identity_mismatch` finds wrong labels in this data set; see `label_issues.swap_trial`.

    Labels are exchanged of faces in the normal part that have no near-duplicate and are not known or flagged as wrong.

    Args:
        detections: from `detection.detect_faces`, with its aligned faces.
        flagged, seed: from `flag_images`, and as given to it.
    """
    candidates = (flagged["n_faces"] > 0).to_numpy() & ~flagged["flag_non_facial"].to_numpy()
    scored = flagged["mismatch_score"].notna() & (flagged["part"] == "normal") & (flagged["duplicate_group"] < 0)
    doubted = flagged["flag_identity_mismatch"] | flagged["hand_label"].isin(WRONG_LABELS)
    table = detections.assign(duplicate_group=flagged["duplicate_group"])
    return swap_trial(
        table,
        identity_features(table, candidates=candidates),
        candidates=candidates,
        eligible=(scored & ~doubted).to_numpy(),
        seed=seed,
    )


def trial_table(trial: pd.DataFrame, *, max_mismatch_score: float) -> pd.DataFrame:
    """What the flag finds of the exchanged labels of a `mismatch_trial`, at several thresholds and the study's own.

    Returns:
        Indexed by max_mismatch_score: exchanged, found (counts), recall = found / exchanged with its 95 % Wilson
        interval (low, high), others, others_flagged (counts; some of these labels may be wrong in truth).
        Empty for an empty trial.
    """
    if trial.empty:
        return pd.DataFrame()
    rows = []
    for score in sorted({*TRIED_SCORES, max_mismatch_score}):
        believed = trial["issue"] & (trial["score"] < score)
        found, exchanged = int((believed & trial["swapped"]).sum()), int(trial["swapped"].sum())
        low, high = proportion_confint(found, exchanged, method="wilson")
        counts = {"exchanged": exchanged, "found": found, "recall": found / exchanged, "low": low, "high": high}
        others = {"others": int((~trial["swapped"]).sum()), "others_flagged": int((believed & ~trial["swapped"]).sum())}
        rows.append({"max_mismatch_score": score} | counts | others)
    return pd.DataFrame(rows).set_index("max_mismatch_score")


def flag_counts(flagged: pd.DataFrame) -> pd.DataFrame:
    """One row per identity and one for all: images, how many carry each flag (one may carry several), and `any`."""
    columns = [f"flag_{name}" for name in FLAGS]
    counts = flagged.groupby("identity", sort=False)[columns].sum()
    counts.columns = list(FLAGS)
    counts.insert(0, "images", flagged["identity"].value_counts())
    counts["any"] = flagged[columns].any(axis=1).groupby(flagged["identity"]).sum()
    counts.loc["all"] = counts.sum()
    return counts
