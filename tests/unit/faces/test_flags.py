"""Flags: hand-made detections for each rule, counts, and the comparison with the truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.faces import audit_tables, label_issues
from kpop_rca.faces import flags as face_flags

# left eye, right eye, nose, left and right corner of the mouth, of a frontal face in a box from (0, 0) to (100, 130)
FRONTAL = [(28, 50), (72, 50), (50, 75), (32, 98), (68, 98)]
BOX = [0, 0, 100, 130]


def _detections(*images: dict) -> pd.DataFrame:
    """A table of detections; an image is given by `faces` [(box, probability, landmarks)], identity, part, ….."""
    rows = []
    for number, image in enumerate(images):
        faces = image.get("faces", [(BOX, 0.999, FRONTAL)])
        rows.append(
            {
                "path": f"{number}.png",
                "identity": image.get("identity", "A"),
                "split": "",
                "part": image.get("part", "normal"),
                "unreadable": image.get("unreadable", ""),
                "n_faces": len(faces),
                "boxes": [np.float32(box) for box, _, _ in faces],
                "probabilities": [np.float32(p) for _, p, _ in faces],
                "landmarks": [np.float32(points).ravel() for _, _, points in faces],
                "view_probability": np.float32(faces[0][1] if faces else np.nan),
                "face_width": max(faces[0][0][2:]) if faces else np.nan,
                "phash": image.get("phash", np.random.default_rng(number).bytes(32).hex()),
            }
        )
    return pd.DataFrame(rows)


def _moved(points: list, *, by: tuple[float, float], which: tuple[int, ...]) -> list:
    return [(x + by[0], y + by[1]) if i in which else (x, y) for i, (x, y) in enumerate(points)]


def _rotated(points: list, degrees: float) -> list:
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return ((np.array(points) - 50) @ matrix + 50).tolist()


def test_geometry_of_a_frontal_face_by_hand() -> None:
    face = face_flags.face_geometry(_detections({})).iloc[0]
    assert face["roll"] == 0 and face["yaw"] == 0
    assert face["eye_distance"] == pytest.approx(44 / 100)
    assert face["eye_mouth"] == pytest.approx(48 / 130)
    assert face["nose_height"] == pytest.approx(25 / 48)


def test_yaw_has_a_sign_and_does_not_change_with_roll() -> None:
    right = _moved(FRONTAL, by=(11, 0), which=(2,))
    yaw = face_flags.face_geometry(
        _detections({"faces": [(BOX, 1, right)]}, {"faces": [(BOX, 1, _rotated(right, 20))]}, {"faces": []})
    )
    assert yaw["yaw"].iloc[:2].tolist() == pytest.approx([11 * 48 / 44**2] * 2, abs=1e-4)
    assert yaw["roll"].iloc[1] == pytest.approx(20, abs=1e-3)
    assert yaw.iloc[2].isna().all()


@pytest.mark.parametrize(
    ("face", "expected"),
    [
        ((BOX, 0.999, FRONTAL), False),
        ((BOX, 0.80, FRONTAL), True),  # doubtful
        ((BOX, 0.80, _moved(FRONTAL, by=(20, 0), which=(2,))), False),  # doubtful, for it is turned aside
        ((BOX, 0.999, _rotated(FRONTAL, 60)), True),  # tilted
        ((BOX, 0.999, [(x, 148 - y) for x, y in FRONTAL]), True),  # mouth above the eyes
        ((BOX, 0.999, _moved(FRONTAL, by=(0, 60), which=(2,))), True),  # nose below the mouth
        (([0, 0, 400, 520], 0.999, FRONTAL), True),  # landmarks huddle in a corner of the box
    ],
)
def test_non_facial(face: tuple, expected: bool) -> None:
    probability = np.array([face[1]])
    assert face_flags.non_facial(_detections({"faces": [face]}), probability, min_probability=0.95).tolist() == [
        expected
    ]


def test_no_face_is_not_non_facial() -> None:
    assert face_flags.non_facial(_detections({"faces": []}), np.array([np.nan]), min_probability=0.95).tolist() == [
        False
    ]


@pytest.mark.parametrize(("size", "probability", "expected"), [(90, 0.99, True), (90, 0.9, False), (20, 0.99, False)])
def test_several_faces_need_a_likely_and_large_second_one(size: int, probability: float, expected: bool) -> None:
    second = ([200, 0, 200 + size, size], probability, FRONTAL)
    alone, both = {}, {"faces": [(BOX, 0.999, FRONTAL), second]}
    flags = face_flags.several_faces(_detections(alone, both), min_probability=0.95)
    assert flags.tolist() == [False, expected]


def test_any_further_face_counts_not_only_the_second() -> None:
    doubtful, likely = ([200, 0, 300, 100], 0.7, FRONTAL), ([400, 0, 490, 90], 0.99, FRONTAL)
    table = _detections({"faces": [(BOX, 0.999, FRONTAL), doubtful, likely]})
    assert face_flags.several_faces(table, min_probability=0.95).tolist() == [True]


def _flagged(*images: dict) -> pd.DataFrame:
    table = _detections(*images)
    noise = np.random.default_rng(0).integers(0, 256, (len(table), 32 * 32 * 3), dtype=np.uint8)
    faces = [face if n else None for n, face in zip(table["n_faces"], noise, strict=True)]
    table["aligned_face"] = pd.Series(faces, dtype=object)
    return face_flags.flag_images(table, min_probability=0.95, min_face_width=50, max_mismatch_score=0.05, seed=0)


def test_flags_of_a_small_corpus() -> None:
    turned = _moved(FRONTAL, by=(20, 0), which=(2,))
    flagged = _flagged(
        {},
        {"faces": [], "unreadable": "empty file", "phash": ""},
        {"faces": []},
        {"faces": [([0, 0, 30, 39], 0.999, np.array(FRONTAL) * 0.3)]},
        {"faces": [(BOX, 0.999, turned)], "identity": "B"},
        {"phash": "00" * 32},
        {"phash": "00" * 32},
        {"phash": "00" * 32, "identity": "B"},
    )
    expected = {"unreadable": [1], "no_face": [2], "small_face": [3], "extreme_pose": [4], "near_duplicate": [6]}
    expected["cross_identity_duplicate"] = [5, 6, 7]
    for name in face_flags.FLAGS:
        assert np.flatnonzero(flagged[f"flag_{name}"]).tolist() == expected.get(name, []), name
    assert flagged["mismatch_score"].isna().all()  # too few images to learn from
    counts = face_flags.flag_counts(flagged)
    assert counts.loc["A", ["images", "no_face", "near_duplicate", "any"]].tolist() == [6, 1, 1, 5]
    assert counts.loc["all", ["images", "extreme_pose", "any"]].tolist() == [8, 1, 7]
    pairs = audit_tables.filed_twice(flagged)
    assert pairs[["path", "copy"]].to_numpy().tolist() == [["5.png", "7.png"], ["6.png", "7.png"]]


def test_a_doubted_face_is_believed_where_its_look_alikes_are() -> None:
    """Of two doubted faces among sure ones of A, the one named B has nobody of its name to speak for it."""
    sure, doubted = {}, {"faces": [(BOX, 0.9, FRONTAL)]}
    flagged = _flagged(*[sure] * 9, doubted, doubted | {"identity": "B"})
    assert np.flatnonzero(flagged["flag_non_facial"]).tolist() == [10]
    assert flagged["supported_probability"].iloc[10] == pytest.approx(0.9)


def test_every_flag_has_a_rule() -> None:
    rules = face_flags.rules_table(min_probability=0.97, min_face_width=33, max_mismatch_score=0.07)
    assert rules.index.tolist() == list(face_flags.FLAGS)
    assert "0.97" in rules.loc["non_facial", "rule"] and "33 px" in rules.loc["small_face", "rule"]
    assert "7%" in rules.loc["identity_mismatch", "rule"]


def _two_people(*, wrong: tuple[int, ...], n: int = 60, strength: int = 60) -> pd.DataFrame:
    """Two identities that differ in a corner of the face; some pictures carry the other's name."""
    rng = np.random.default_rng(0)
    truth = ["AB"[number % 2] for number in range(n)]
    names = ["BA"["AB".index(name)] if number in wrong else name for number, name in enumerate(truth)]
    table = _detections(*[{"identity": name} for name in names]).assign(duplicate_group=-1)
    pixels = rng.normal(128, 25, (n, 32, 32, 3))
    for number in range(n):
        pixels[number, 12:20, 5:13, number % 2] += strength
    return table.assign(aligned_face=list(pixels.clip(0, 255).astype(np.uint8)))


def test_wrong_labels_are_found_with_who_they_are_and_the_threshold_decides() -> None:
    wrong = (4, 9, 22, 31, 40, 57)
    table, everyone = _two_people(wrong=wrong), np.ones(60, dtype=bool)
    features = label_issues.identity_features(table, candidates=everyone)
    found = label_issues.find_mismatches(table, features, candidates=everyone, seed=0)
    issue = found.below(0.5)
    assert np.flatnonzero(issue).tolist() == list(wrong)
    assert found.scores[issue].max() < 0.5 < found.scores[~issue].min()
    assert found.scores + found.other_scores == pytest.approx(np.ones(60))
    assert (found.others == np.where(table["identity"] == "A", "B", "A")).all()
    assert not found.below(0.0).any()


def test_the_flag_follows_its_threshold_and_doubt_its_scores() -> None:
    wrong = (4, 9, 22, 31, 40, 57)
    settings = {"min_probability": 0.5, "min_face_width": 50, "seed": 0}
    flagged = face_flags.flag_images(_two_people(wrong=wrong), max_mismatch_score=0.5, **settings)
    assert np.flatnonzero(flagged["flag_identity_mismatch"]).tolist() == list(wrong)
    assert set(face_flags.doubt_order(flagged)[:6]) == set(wrong)
    assert set(audit_tables.most_doubtful(flagged, count=6)["path"]) == {f"{number}.png" for number in wrong}
    flagged.loc[4, "hand_label"], flagged.loc[9, "part"] = "fine", "group"
    assert set(audit_tables.most_doubtful(flagged, count=4)["path"]) == {f"{number}.png" for number in wrong[2:]}
    assert face_flags.doubt_order(flagged)[-1] == 9
    strict = face_flags.flag_images(_two_people(wrong=wrong), max_mismatch_score=0.0, **settings)
    assert not strict["flag_identity_mismatch"].any()


def _trial(*, n: int, strength: int) -> pd.DataFrame:
    table = _two_people(wrong=(), n=n, strength=strength)
    settings = {"min_probability": 0.5, "min_face_width": 50, "max_mismatch_score": 0.5, "seed": 0}
    return face_flags.mismatch_trial(table, face_flags.flag_images(table, **settings), seed=0)


def test_the_trial_finds_what_can_be_found_and_says_what_cannot() -> None:
    """People who are told apart (.5 to .7 of 24 exchanged labels are found); then one person under two names."""
    clear, hopeless = _trial(n=80, strength=60), _trial(n=80, strength=0)
    assert clear["swapped"].sum() == 6 * 4  # six trials, a twentieth of eighty each
    table = face_flags.trial_table(clear, max_mismatch_score=0.3)
    assert table.index.tolist() == [0.05, 0.1, 0.2, 0.3, 0.5, 1.0]
    assert table.loc[0.5, "recall"] > 0.4 and table.loc[0.5, "others_flagged"] < 0.02 * table.loc[0.5, "others"]
    assert (table["others"] == 6 * 76).all() and table["recall"].is_monotonic_increasing
    assert (table["low"] <= table["recall"]).all() and (table["recall"] <= table["high"]).all()
    assert clear.loc[clear["swapped"], "rank"].median() < 0.06
    assert face_flags.trial_table(hopeless, max_mismatch_score=0.05).loc[0.05, "recall"] < 0.2
    assert hopeless.loc[hopeless["swapped"], "rank"].between(0.2, 0.8).mean() > 0.3  # by chance .6
    assert "misses most" in face_flags.trial_in_words(hopeless, max_mismatch_score=0.05)
    assert "misses most" not in face_flags.trial_in_words(clear, max_mismatch_score=0.5)


def test_the_trial_is_repeatable_and_too_few_faces_are_no_trial() -> None:
    assert _trial(n=40, strength=60).equals(_trial(n=40, strength=60))
    empty = _trial(n=12, strength=60)
    assert empty.empty and "No identity has enough faces" in face_flags.trial_in_words(empty, max_mismatch_score=0.05)


@pytest.fixture
def compared() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Six images, their flags and their truth, different from each other in every question."""
    rows = [  # path, n_faces, several, non_facial, no_face, mismatch, pose, duplicate, kind, hard, shown, burst
        ("0", 1, 0, 0, 0, 0, 0, 0, "portrait", "", "A", "x"),
        ("1", 1, 1, 0, 0, 1, 0, 1, "portrait", "", "A", "x"),
        ("2", 2, 1, 0, 0, 1, 0, 0, "group", "", "B", ""),
        ("3", 1, 0, 1, 0, 0, 1, 0, "mascot", "", "", ""),
        ("4", 1, 0, 0, 0, 0, 1, 0, "clutter", "", "", ""),
        ("5", 0, 0, 0, 1, 0, 0, 0, "pareidolia", "", "", ""),
        ("6", 0, 0, 0, 1, 0, 0, 0, "portrait", "extreme_angle", "A", "x"),
    ]
    flags = ["several_faces", "non_facial", "no_face", "identity_mismatch", "extreme_pose", "near_duplicate"]
    columns = ["path", "n_faces", *(f"flag_{name}" for name in flags), "kind", "hard", "shown", "burst"]
    table = pd.DataFrame(rows, columns=columns).assign(identity="A")
    table = table.astype({f"flag_{name}": bool for name in flags})
    return table.drop(columns=["kind", "hard", "shown", "burst"]), table[["path", "kind", "hard", "shown", "burst"]]


def test_accuracy_of_the_flags_by_hand(compared: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    accuracy = face_flags.flag_accuracy(*compared)
    counts = accuracy[["n_true", "n_flagged", "n_both"]]
    assert counts.loc["several_faces"].tolist() == [1, 2, 1]
    assert counts.loc["non_facial"].tolist() == [2, 1, 1]  # the pareidolia without a detection does not count
    assert counts.loc["no_face or non_facial"].tolist() == [3, 3, 2]
    assert counts.loc["identity_mismatch"].tolist() == [1, 2, 1]
    assert counts.loc["extreme_pose"].tolist() == [0, 2, 0]
    assert counts.loc["near_duplicate"].tolist() == [2, 1, 1]
    assert accuracy.loc["several_faces", ["precision", "recall"]].tolist() == [0.5, 1.0]
    assert accuracy.loc["non_facial", ["precision", "recall"]].tolist() == [1.0, 0.5]
    assert np.isnan(accuracy.loc["extreme_pose", "recall"])


def test_truth_read_from_a_csv_with_empty_cells(compared: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path) -> None:
    flagged, truth = compared
    truth.to_csv(tmp_path / "truth.csv", index=False)
    read = pd.read_csv(tmp_path / "truth.csv", dtype={"path": str})
    pd.testing.assert_frame_equal(face_flags.flag_accuracy(flagged, read), face_flags.flag_accuracy(flagged, truth))


def test_detection_rate_and_incomplete_truth(compared: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    flagged, truth = compared
    assert face_flags.detection_rate(flagged, truth) == {"n": 3, "found": 2, "rate": pytest.approx(2 / 3)}
    with pytest.raises(StudyError, match=r"no row for 6"):
        face_flags.flag_accuracy(flagged, truth.iloc[:6])


def test_hand_labels_are_read_and_joined(tmp_path: Path) -> None:
    path, flagged = tmp_path / "labels.csv", pd.DataFrame({"path": ["0.png", "1.png"]})
    path.write_text("path,label\n1.png,hard_case\n")
    joined = face_flags.join_hand_labels(flagged, face_flags.read_hand_labels(path), root=tmp_path)
    assert joined["hand_label"].tolist() == ["", "hard_case"]
    with pytest.raises(StudyError, match=r"'1\.png' not in"):
        face_flags.join_hand_labels(flagged[:1], face_flags.read_hand_labels(path), root=tmp_path)


def test_labels_of_identities_that_are_left_out_are_no_error(tmp_path: Path) -> None:
    labels = pd.DataFrame({"path": ["0.png", "1.png", "a", "b", "c", "d"], "label": "fine"})
    for name in ("0.png", "1.png"):
        (tmp_path / name).touch()
    flagged = pd.DataFrame({"path": ["0.png"]})
    assert face_flags.join_hand_labels(flagged, labels[:2], root=tmp_path)["hand_label"].tolist() == ["fine"]
    with pytest.raises(StudyError, match="'a', 'b', 'c' and 1 more not in"):
        face_flags.join_hand_labels(flagged, labels, root=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\na,fine\nb,nice\n", r"labels\.csv, line 3: label 'nice'; use one of contextual_artifact"),
        ("path,label\na,fine\nb,fine\na,hard_case\n", r"line 4: path 'a'; it has a label already"),
        ("file,label\na,fine\n", r"line 1: expected the columns path,label, found file,label"),
        ("", "is not a CSV"),
    ],
)
def test_bad_hand_labels_name_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(StudyError, match=message):
        face_flags.read_hand_labels(path)
    with pytest.raises(StudyError, match="does not exist"):
        face_flags.read_hand_labels(tmp_path / "none.csv")
