"""Labels by hand: read, joined, and refused with the line that is wrong."""

from pathlib import Path

import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.faces import hand_labels


def test_hand_labels_are_read_and_joined(tmp_path: Path) -> None:
    path, flagged = tmp_path / "labels.csv", pd.DataFrame({"path": ["0.png", "1.png"]})
    path.write_text("path,label\n1.png,hard_case\n")
    joined = hand_labels.join_hand_labels(flagged, path, root=tmp_path)
    assert joined["hand_label"].tolist() == ["", "hard_case"]
    with pytest.raises(StudyError, match=r"not in .*: '1\.png'"):
        hand_labels.join_hand_labels(flagged[:1], path, root=tmp_path)


def test_labels_of_identities_that_are_left_out_are_no_error(tmp_path: Path) -> None:
    few, all_labels = tmp_path / "few.csv", tmp_path / "all.csv"
    few.write_text("path,label\n0.png,fine\n1.png,fine\n")
    all_labels.write_text(few.read_text() + "a,fine\nb,fine\nc,fine\nd,fine\n")
    for name in ("0.png", "1.png"):
        (tmp_path / name).touch()
    flagged = pd.DataFrame({"path": ["0.png"]})
    assert hand_labels.join_hand_labels(flagged, few, root=tmp_path)["hand_label"].tolist() == ["fine"]
    with pytest.raises(StudyError, match="'a', 'b', 'c' and 1 more"):
        hand_labels.join_hand_labels(flagged, all_labels, root=tmp_path)


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
        hand_labels.read_hand_labels(path)
    with pytest.raises(StudyError, match="does not exist"):
        hand_labels.read_hand_labels(tmp_path / "none.csv")
