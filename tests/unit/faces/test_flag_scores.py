"""Scores behind the flags, and what 01 and 02 say of them, by hand."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.avatars import dataset
from kpop_rca.avatars.folder import TRUTH
from kpop_rca.faces import answers, crops, flag_scores


@pytest.fixture
def flagged() -> pd.DataFrame:
    rows = [  # path, n_faces, supported, mismatch, no_face, non_facial, several, mismatch, copy
        ("0", 1, 0.9, 0.8, False, False, False, False, False),
        ("1", 1, 0.2, 0.6, False, True, True, False, False),
        ("2", 1, 0.7, 0.1, False, False, False, True, False),
        ("3", 0, np.nan, np.nan, True, False, False, False, False),
        ("4", 1, np.nan, 0.5, False, False, False, False, False),
    ]
    flags = ["no_face", "non_facial", "several_faces", "identity_mismatch", "cross_identity_duplicate"]
    columns = ["path", "n_faces", "supported_probability", "mismatch_score", *(f"flag_{name}" for name in flags)]
    return pd.DataFrame(rows, columns=columns).assign(identity="A")


@pytest.fixture
def avatars(flagged, tmp_path):
    truth = flagged[["path", "identity"]].assign(
        kind=["portrait", "mascot", "group", "portrait", "portrait"], hard="", burst="", shown=["A", "", "B", "A", "A"]
    )
    truth.reindex(columns=dataset.COLUMNS).to_csv(tmp_path / TRUTH, index=False)
    return tmp_path


TRIAL = pd.DataFrame({"score": [0.01, 0.9], "swapped": [True, False]})


def test_the_truth_of_avatars_says_which_images_deserve_a_flag(flagged, avatars):
    scores = flag_scores.images_by_score(flagged, TRIAL, avatars)
    wrong = scores[scores["truth"] == flag_scores.WRONG].groupby("flag")["score"].apply(list).to_dict()
    assert wrong == {"non_facial": [0.2], "identity_mismatch": [0.1], flag_scores.EXCHANGED: [0.01]}
    assert scores.groupby("flag").size().to_dict() == {"non_facial": 3, "identity_mismatch": 4, "exchanged labels": 2}
    assert flag_scores.score_histogram(scores)["images"].sum() == len(scores)


def test_of_photographs_only_exchanged_labels_have_a_curve(flagged, tmp_path):
    scores = flag_scores.images_by_score(flagged, TRIAL, tmp_path)
    assert set(scores["truth"]) == {flag_scores.UNKNOWN, flag_scores.RIGHT, flag_scores.WRONG}
    assert set(flag_scores.precision_recall(scores)["flag"]) == {flag_scores.EXCHANGED}
    none = flag_scores.images_by_score(flagged, TRIAL.head(0), tmp_path)
    assert flag_scores.precision_recall(none).empty


def test_the_flags_own_points():
    accuracy = pd.DataFrame({"precision": [0.5, 0.25], "recall": [1.0, 0.5]}, index=["non_facial", "identity_mismatch"])
    strength = pd.DataFrame({"found": [6], "others_flagged": [2], "recall": [0.6]}, index=[0.05])
    points = flag_scores.operating_points(accuracy, strength, max_mismatch_score=0.05)
    assert points["precision"].tolist() == [0.5, 0.25, 0.75]
    assert flag_scores.operating_points(accuracy.head(0), strength.head(0), max_mismatch_score=0.05).empty


def test_the_answer_counts_an_image_once(flagged):
    said = answers.about_audit(flagged, pd.DataFrame(), pd.DataFrame())
    assert said[0] == "Flags doubt who or what is shown in 2 of 5 images (40.0%); in 1 others no face is found."
    assert "not known" in said[1]
    accuracy = pd.DataFrame({"recall": [0.5, 1.0, np.nan]}, index=["non_facial", "several_faces", "identity_mismatch"])
    said = answers.about_audit(flagged, accuracy, pd.DataFrame())
    assert said[1].endswith("they find 100% of group shots, 50% of images without a human face.")
    strength = pd.DataFrame({"recall": [0.6], "low": [0.5], "high": [0.7]})
    assert "flags 60% (95 % interval 50% to 70%)" in answers.about_audit(flagged, pd.DataFrame(), strength)[1]


def test_areas_are_those_that_are_cropped():
    detections = pd.DataFrame({"boxes": [[[10.0, 20.0, 30.0, 60.0]]]})
    assert crops.crop_areas(detections, margin=0.25).tolist() == [[-10.0, 10.0, 50.0, 70.0]]
