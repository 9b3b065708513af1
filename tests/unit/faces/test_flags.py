"""Flags: hand-made detections for each rule, counts, and the comparison with the truth."""

import numpy as np
import pandas as pd
import pytest

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


def test_flags_of_a_small_data_set() -> None:
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
    """Two identities that differ in a corner of the face; some images carry the other's name."""
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


def test_the_trial_is_repeatable_and_too_few_faces_are_no_trial() -> None:
    assert _trial(n=40, strength=60).equals(_trial(n=40, strength=60))
    empty = _trial(n=12, strength=60)
    assert empty.empty and face_flags.trial_table(empty, max_mismatch_score=0.05).empty
