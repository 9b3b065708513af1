"""What is wrong with the photographs: one flag for each way in which the paper saw its crops fail.

Every flag has a rule that can be said in a sentence (`rules_table`); none has seen the truth of the drawn corpus,
against which `flag_accuracy` holds them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from kpop_rca.data.duplicates import MAX_DISTANCE, MAX_DISTANCE_ACROSS, near_duplicates
from kpop_rca.errors import StudyError
from kpop_rca.faces.detection import most_prominent
from kpop_rca.faces.label_issues import find_mismatches, identity_features, swap_trial
from kpop_rca.faces.neighbour_support import LOOK_ALIKES, supported_probabilities

FLAGS = (
    "unreadable",
    "no_face",
    "several_faces",
    "non_facial",
    "small_face",
    "extreme_pose",
    "identity_mismatch",
    "near_duplicate",
    "cross_identity_duplicate",
)
HAND_LABELS = ("contextual_artifact", "hard_case", "wrong_person", "not_a_face", "fine")
WRONG_LABELS = ("wrong_person", "not_a_face")
NON_FACES = ("mascot", "pareidolia", "clutter")

SECOND_FACE_SHARE = 0.3  # of the most prominent face's size: smaller ones are people in the background
MAX_ROLL = 40.0  # degrees; MTCNN was trained on upright faces
EYE_DISTANCE = (0.2, 0.6)  # of the box's width
EYE_MOUTH_DISTANCE = (0.25, 0.55)  # of the box's height
MAX_YAW = 0.45  # `yaw` of `face_geometry`, no unit; about 40 degrees
LOWEST = 0.1  # of the self-confidences: what a person may be asked to look through
TRIED_SCORES = (0.05, 0.1, 0.2, 0.5, 1.0)  # thresholds of the trial, beside the study's own


def face_geometry(detections: pd.DataFrame) -> pd.DataFrame:
    """How the five landmarks of each image's most prominent face lie.

    Args:
        detections: from `detection.detect_faces`, n rows.

    Returns:
        n rows, NaN without a face:
        roll: degrees, 0 for eyes that are level, positive when the right one in the picture is lower.
        eye_distance: distance between the eyes as a share of the box's width.
        eye_mouth: how far the mouth lies below the line through the eyes, as a share of the box's height.
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
        share = _side(other.boxes) / _side(first.boxes)
        flagged |= (other.probabilities >= min_probability) & (share >= SECOND_FACE_SHARE)
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
        probabilities: (n,) that it is a face, in [0, 1], from `look_alikes.supported_probabilities`.
        min_probability: in [0, 1], below which it is doubted.
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
            views of it and its look-alikes, of further faces MTCNN's own.
        min_face_width: pixels, longer side of the box, below which a face is small.
        max_mismatch_score: probability of its own label, in [0, 1], below which a doubted label is flagged.
        seed: of the cross-validation behind the identity mismatches.

    Returns:
        A copy of `detections`, less its aligned faces, with duplicate_group (int, -1 alone), supported_probability
        (float in [0, 1], from `look_alikes`; NaN where the landmarks are not those of a face), mismatch_score (float
        in [0, 1], the probability of its own label; NaN where not scored), likeliest_other (str, an identity; "" where
        not scored), other_score (float in [0, 1], the probability of that one), hand_label ("") and a bool column
        `flag_<name>` for each of `FLAGS`.
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
    """What each flag means, in words, and which figure of the paper shows it.

    Args:
        min_probability: as given to `flag_images`.
        min_face_width: as given to `flag_images`.
        max_mismatch_score: as given to `flag_images`.

    Returns:
        Indexed by flag: rule, paper.
    """
    low, high = EYE_DISTANCE
    rules = {
        "unreadable": ("the file cannot be decoded, or is smaller than a face", ""),
        "no_face": ("MTCNN finds nothing", "section 5.1"),
        "several_faces": (
            f"a second face of probability {min_probability} or more, at least {SECOND_FACE_SHARE:.0%} as large",
            "Fig 5",
        ),
        "non_facial": (
            f"probability over ten views (moved, tilted, darkened, mirrored) below {min_probability} in the mean of "
            f"the face and the {LOOK_ALIKES} most similar ones, of which those of other identities count only where "
            "they are lower, though the face is not in extreme pose; or "
            f"landmarks that do not lie as in a face: eyes level within {MAX_ROLL:.0f} degrees and {low:.0%} to "
            f"{high:.0%} of the box apart, nose between eyes and mouth",
            "Fig 6",
        ),
        "small_face": (f"box smaller than {min_face_width} px", ""),
        "extreme_pose": (f"the nose is far aside and the eyes close together: yaw measure above {MAX_YAW}", "Fig 4"),
        "identity_mismatch": (
            "a classifier trained on the other faces takes it for someone else (confident learning), and gives its "
            f"own label less than {max_mismatch_score:.0%}",
            "Fig 5",
        ),
        "near_duplicate": (
            f"perceptual hash within {MAX_DISTANCE} of 256 bits of an earlier picture of the same identity",
            "",
        ),
        "cross_identity_duplicate": (
            f"perceptual hash within {MAX_DISTANCE_ACROSS} of 256 bits of a picture in another identity's folder: one "
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
        flagged: from `flag_images`.
        seed: as given to `flag_images`.
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
    """What the flag finds of exchanged labels, at several thresholds.

    Args:
        trial: from `mismatch_trial`.
        max_mismatch_score: the study's threshold, one of the rows.

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


def trial_in_words(trial: pd.DataFrame, *, max_mismatch_score: float) -> str:
    """Two or three sentences on a trial, with its numbers.

    Args:
        trial: from `mismatch_trial`; may be empty.
        max_mismatch_score: the study's threshold.
    """
    if trial.empty:
        return "No identity has enough faces for a trial; identity_mismatch flags nothing here."
    row = trial_table(trial, max_mismatch_score=max_mismatch_score).loc[max_mismatch_score]
    ranks = trial.loc[trial["swapped"], "rank"]
    said = (
        f"{row['found']:.0f} of {row['exchanged']:.0f} exchanged labels were flagged ({row['recall']:.0%}; 95 % "
        f"interval {row['low']:.0%} to {row['high']:.0%}).\n{(ranks <= LOWEST).mean():.0%} of them are among the "
        f"{LOWEST:.0%} of faces with the lowest self-confidence; their median rank is {ranks.median():.1%}."
    )
    if row["high"] < 0.5:
        said += (
            "\nThe flag alone misses most wrong labels in a data set like this; look through the most doubtful faces."
        )
    return said


def flag_counts(flagged: pd.DataFrame) -> pd.DataFrame:
    """Images per identity, and how many carry each flag (an image may carry several).

    Returns:
        Indexed by identity, with a last row "all": images, one column per flag, and `any`.
    """
    columns = [f"flag_{name}" for name in FLAGS]
    counts = flagged.groupby("identity", sort=False)[columns].sum()
    counts.columns = list(FLAGS)
    counts.insert(0, "images", flagged["identity"].value_counts())
    counts["any"] = flagged[columns].any(axis=1).groupby(flagged["identity"]).sum()
    counts.loc["all"] = counts.sum()
    return counts


def flag_accuracy(flagged: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Precision and recall of the flags on the drawn corpus.

    Args:
        flagged: from `flag_images`.
        truth: the corpus' truth.csv (path, kind, hard, shown, burst, …).

    Returns:
        One row per question, indexed by flag: truth (what it should find, in words), among (which images count),
        n_true, n_flagged, n_both (counts), precision = n_both / n_flagged, recall = n_both / n_true (NaN where
        the denominator is 0).

    Raises:
        StudyError: the truth misses an image.
    """
    table = _with_truth(flagged, truth)
    found = table["n_faces"] > 0
    non_face = table["kind"].isin(NON_FACES)
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
        ("near_duplicate", table["flag_near_duplicate"], "later picture of a burst", repeated, everything),
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


def _with_truth(flagged: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    missing = ~flagged["path"].isin(truth["path"])
    if missing.any():
        raise StudyError(
            f"truth.csv has no row for {flagged['path'][missing].iloc[0]}; draw the corpus again into an empty folder"
        )
    known = truth[["path", "kind", "hard", "shown", "burst"]].fillna("").astype({"burst": str, "shown": str})
    return flagged.merge(known, on="path", how="left", validate="one_to_one")


def detection_rate(flagged: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """In how many of the drawn portraits, which all show the target's face, MTCNN finds a face.

    Returns:
        n (portraits), found, rate = found / n.

    Raises:
        StudyError: no portrait among the images.
    """
    table = _with_truth(flagged, truth)
    portraits = table[table["kind"] == "portrait"]
    if portraits.empty:
        raise StudyError("truth.csv names no portrait; draw the corpus again with idols_train_per_identity above 0")
    found = int((portraits["n_faces"] > 0).sum())
    return {"n": len(portraits), "found": found, "rate": found / len(portraits)}


def read_hand_labels(path: Path | str) -> pd.DataFrame:
    """Labels given by hand, for what no rule finds: contextual artifacts (Fig 3), hard cases (Fig 4), ….

    Args:
        path: CSV with the columns path (relative to the data folder) and label (one of `HAND_LABELS`).

    Returns:
        path, label (str); one row per image.

    Raises:
        StudyError: no such file, columns missing, an unknown label, or an image named twice; names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"hand_labels: {path} does not exist; make it with the labelling page or set it to ''")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        raise StudyError(f"{path} is not a CSV of path,label ({error}); mend or remove it") from None
    if not {"path", "label"} <= set(table.columns):
        raise StudyError(f"{path}, line 1: expected the columns path,label, found {','.join(table.columns)}")
    unknown, repeated = ~table["label"].isin(HAND_LABELS), table["path"].duplicated()
    for wrong, column, advice in (
        (unknown, "label", f"use one of {', '.join(HAND_LABELS)}"),
        (repeated, "path", "it has a label already; keep one of the two lines"),
    ):
        if wrong.any():
            line = int(np.argmax(wrong)) + 2  # the first line holds the column names
            raise StudyError(f"{path}, line {line}: {column} {table[column].iloc[line - 2]!r}; {advice}")
    return table[["path", "label"]]


def join_hand_labels(flagged: pd.DataFrame, labels: pd.DataFrame, *, root: Path) -> pd.DataFrame:
    """A copy of the flagged images with hand_label filled in, "" where there is none.

    Labels of images that are in the data folder but not in this study, of an excluded identity say, are ignored.

    Raises:
        StudyError: labels name images that are not there.
    """
    unknown = labels["path"][~labels["path"].isin(flagged["path"])]
    missing = [path for path in unknown if not (root / path).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise StudyError(
            f"hand_labels: {', '.join(map(repr, missing[:3]))}{more} not in {root}; mend these paths, which "
            "are relative to it, or remove their lines"
        )
    by_path = labels.set_index("path")["label"]
    return flagged.assign(hand_label=flagged["path"].map(by_path).fillna(""))
