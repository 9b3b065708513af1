import json

import pytest

from kpop_rca import metrics, metrics_tables, params, paths
from kpop_rca.errors import StudyError


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
    assert metrics.seconds_at_work(stages) == expected


def test_groups_are_read_and_checked():
    assert params.parse_groups("0,2|1,3", 4) == [[0, 2], [1, 3]]
    assert params.parse_groups("", 4) == []
    with pytest.raises(StudyError, match="each of the classes 0 to 4 once"):
        params.parse_groups("0,2|1,3", 5)
    with pytest.raises(StudyError, match="such as 0,1"):
        params.parse_groups("a|b", 2)
    with pytest.raises(StudyError, match="two groups or more"):
        params.parse_groups("0,1", 2)


TERM = metrics_tables.FORMER_TERM


def test_metrics_of_an_earlier_version_are_read_under_todays_names(tmp_path, capsys):
    path = tmp_path / "metrics.json"
    former = {"oracle": {"resnet10-1": {"rca": 0.5}}, TERM: "resnet10-1", "visual": {f"{TERM}_frechet": {"value": 2.0}}}
    path.write_text(json.dumps(former | {"rca": {"per_class": [{"verdict": "in vain"}]}}))
    found = metrics_tables.read_metrics(path)
    assert found["headline_oracle"] == "resnet10-1" and found["oracles"] == {"resnet10-1": {"rca": 0.5}}
    assert found["visual"] == {metrics_tables.FORMER_KEYS[f"{TERM}_frechet"]: {"value": 2.0}}
    assert found["rca"]["per_class"] == [{"verdict": "no effect of the condition"}]
    assert "was written by an earlier version" in capsys.readouterr().out
    path.write_text(json.dumps(found))
    assert metrics_tables.read_metrics(path) == found
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("study", ["quick", "lfw10-quick"])
def test_committed_metrics_are_read_under_todays_names(study):
    found = metrics_tables.read_metrics(paths.committed_report(study) / "metrics.json")
    assert found["oracles"][found["headline_oracle"]]["rca"] == found["rca"]["global"]
    assert metrics_tables.identities_by_verdict(found)["n"].sum() == len(found["classes"]) == 10
    assert metrics_tables.beside_paper(found)["this study"].notna().sum() >= 10
    former = metrics_tables.FORMER_KEYS.keys() - set(metrics_tables.FORMER_KEYS.values())
    assert not [key for key in former if f'"{key}":' in json.dumps(found)]


def test_who_has_which_verdict():
    rows = [("Ari", "inconclusive"), ("Bo", "inferior to real"), ("Cy", "inferior to real")]
    found = {"rca": {"per_class": [{"class": name, "verdict": verdict, "rca": 1} for name, verdict in rows]}}
    expected = [["inferior to real", 2, "Bo, Cy"], ["inconclusive", 1, "Ari"]]
    assert metrics_tables.identities_by_verdict(found).values.tolist() == expected
