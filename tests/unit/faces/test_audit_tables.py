"""The flags against the truth of rendered avatars, by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kpop_rca.avatars import dataset
from kpop_rca.avatars.folder import TRUTH
from kpop_rca.errors import StudyError
from kpop_rca.faces import audit_tables


@pytest.fixture
def compared(tmp_path: Path) -> tuple[pd.DataFrame, Path]:
    """Seven images, their flags and the folder of their truth, different from each other in every question."""
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
    truth = table[["path", "identity", "kind", "hard", "shown", "burst"]]
    truth.reindex(columns=dataset.COLUMNS).to_csv(tmp_path / TRUTH, index=False)
    return table.drop(columns=["kind", "hard", "shown", "burst"]), tmp_path


def test_accuracy_of_the_flags_by_hand(compared: tuple[pd.DataFrame, Path]) -> None:
    accuracy = audit_tables.flag_accuracy(*compared)
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


def test_detection_rate_and_incomplete_truth(compared: tuple[pd.DataFrame, Path]) -> None:
    flagged, root = compared
    assert audit_tables.detection_rate(flagged, root).to_dict("records") == [
        {"n": 3, "found": 2, "rate": pytest.approx(2 / 3)}
    ]
    truth = (root / TRUTH).read_text().splitlines()
    (root / TRUTH).write_text("\n".join(truth[:-1]))
    with pytest.raises(StudyError, match=r"no row for 6"):
        audit_tables.flag_accuracy(flagged, root)


def test_photographs_have_no_truth(compared: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    flagged, elsewhere = compared[0], tmp_path / "photographs"
    assert (
        audit_tables.flag_accuracy(flagged, elsewhere).empty and audit_tables.detection_rate(flagged, elsewhere).empty
    )
