import pytest

from kpop_rca.errors import StudyError
from kpop_rca.results import metrics_json, tables
from kpop_rca.study import params


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], 0.0),
        ([(5.0, 2.0), (7.0, 3.0)], 5.0),  # one after the other
        ([(5.0, 2.0), (60.0, 3.0)], 5.0),  # a night between them
        ([(60.0, 3.0), (5.0, 10.0), (6.0, 2.0)], 13.0),  # one within the other, told in another order
    ],
)
def test_the_time_of_stages_side_by_side_counts_once(stages, expected):
    assert metrics_json.seconds_at_work(stages) == expected


def test_groups_are_read_and_checked():
    assert params.parse_groups("0,2|1,3", 4) == [[0, 2], [1, 3]]
    assert params.parse_groups("", 4) == []
    with pytest.raises(StudyError, match="each of the classes 0 to 4 once"):
        params.parse_groups("0,2|1,3", 5)
    with pytest.raises(StudyError, match="such as 0,1"):
        params.parse_groups("a|b", 2)
    with pytest.raises(StudyError, match="two groups or more"):
        params.parse_groups("0,1", 2)


def test_who_has_which_verdict():
    rows = [("Ari", "inconclusive"), ("Bo", "inferior to real"), ("Cy", "inferior to real")]
    found = {"rca": {"per_class": [{"class": name, "verdict": verdict, "rca": 1} for name, verdict in rows]}}
    expected = [["inferior to real", 2, "Bo, Cy"], ["inconclusive", 1, "Ari"]]
    assert tables.identities_by_verdict(found).values.tolist() == expected
