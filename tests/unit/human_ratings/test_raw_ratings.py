import json

import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import raw_ratings

ROWS = [
    {"rater": "ann@home", "image": "a", "dimension": "quality", "rating": 4.0, "trial": 0, "seconds": 2.5},
    {"rater": "ann@home", "image": "a", "dimension": "quality", "rating": 3.0, "trial": 1, "seconds": 2.5},
    {"rater": "ann@home", "image": "b", "dimension": "quality", "rating": 1.25, "trial": 0, "seconds": 2.5},
]


def test_files_of_both_kinds_become_one_table(tmp_path):
    pd.DataFrame(ROWS).assign(email="x").to_csv(tmp_path / "ann.csv", index=False)
    other = [row | {"rater": 7} for row in ROWS]
    (tmp_path / "seven.json").write_text(json.dumps({"name": "Bo", "ratings": other}), encoding="utf-8")
    table = raw_ratings.pseudonymous(raw_ratings.read_folder(tmp_path))
    assert list(table.columns) == list(raw_ratings.COLUMNS)
    assert set(table["rater"]) == {"r01", "r02"}
    matrix = raw_ratings.matrix(table, "quality")
    assert matrix.loc["a"].tolist() == [3.5, 3.5]
    assert raw_ratings.self_consistency(table)[["repeats", "mean_change"]].to_numpy().tolist() == [[1, 1.0], [1, 1.0]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rating": 6.0}, "row 3: rating 6.0 is no number from 0 to 5"),
        ({"rating": "good"}, "row 3: rating good"),
        ({"rating": float("nan")}, "row 3: rating nan"),
        ({"image": None}, "row 3: image is empty"),
        ({"image": "a"}, "rates quality of a twice in trial 0"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(change, said):
    table = pd.DataFrame([*ROWS[:2], ROWS[2] | change])
    with pytest.raises(StudyError, match=said) as error:
        raw_ratings.checked(table, source="ann.csv")
    assert "\n" not in str(error.value)


def test_a_column_that_is_missing_a_file_sent_twice_and_no_files(tmp_path):
    with pytest.raises(StudyError, match="no column 'image'"):
        raw_ratings.checked(pd.DataFrame(ROWS).drop(columns="image"), source="ann.csv")
    with pytest.raises(StudyError, match=r"holds no \.csv"):
        raw_ratings.read_folder(tmp_path)
    for name in ("one.csv", "two.csv"):
        pd.DataFrame(ROWS).assign(rating=[4.0, 3.0, 1.25 if name == "one.csv" else 2.0]).to_csv(
            tmp_path / name, index=False
        )
    with pytest.raises(StudyError, match="twice"):
        raw_ratings.read_folder(tmp_path)
    (tmp_path / "one.csv").rename(tmp_path / "one.json")
    with pytest.raises(StudyError, match="no file of ratings"):
        raw_ratings.read_folder(tmp_path)


def test_the_same_answers_as_csv_and_as_json_count_once(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "ann.csv", index=False)
    (tmp_path / "ann.json").write_text(json.dumps({"ratings": ROWS}), encoding="utf-8")
    assert len(raw_ratings.read_folder(tmp_path)) == len(ROWS)


def test_a_dimension_that_nobody_rated_is_refused():
    with pytest.raises(StudyError, match="quality"):
        raw_ratings.matrix(raw_ratings.checked(pd.DataFrame(ROWS), source="x"), "authenticity")
