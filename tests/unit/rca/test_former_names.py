"""What the version before wrote is read under today's names."""

import json

import pytest

from kpop_rca.rca.former_names import FORMER_KEYS, FORMER_VERDICTS
from kpop_rca.results import tables
from kpop_rca.study import paths

FORMER = {
    "oracle": {"resnet10-1": {"rca": 0.5, "fidelity": 0.4}},
    "judge": "resnet10-1",
    "over_judges": {"judges": ["resnet10-1"]},
    "visual": {"judge_frechet": {"value": 2.0}},
    "cas": {"judge_test_generated": {"accuracy": 0.5}},
    "memorisation": [{"share_nearer_train": 0.4, "p_share": 0.2}],
    "rca": {"per_class": [{"verdict": "in vain"}]},
}
PRESENT = {
    "oracles": {"resnet10-1": {"rca": 0.5, "confusion_corrected_accuracy": 0.4}},
    "headline_oracle": "resnet10-1",
    "over_oracles": {"oracles": ["resnet10-1"]},
    "visual": {"oracle_frechet": {"value": 2.0}},
    "cas": {"headline_oracle_test_generated": {"accuracy": 0.5}},
    "memorisation": [{"fraction_nearer_train": 0.4, "p_fraction": 0.2}],
    "rca": {"per_class": [{"verdict": "no effect of the condition"}]},
}


def test_metrics_of_the_version_before_are_read_with_a_note(tmp_path, capsys):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(FORMER | {"paper": FORMER}))
    assert tables.read_metrics(path) == PRESENT | {"paper": PRESENT}
    assert "was written by an earlier version" in capsys.readouterr().out
    path.write_text(json.dumps(PRESENT | {"paper": PRESENT}))
    assert tables.read_metrics(path) == PRESENT | {"paper": PRESENT}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("study", ["quick", "lfw10-quick"])
def test_committed_metrics_are_read_under_todays_names(study):
    found = tables.read_metrics(paths.committed_report(study) / "metrics.json")
    assert found["oracles"][found["headline_oracle"]]["rca"] == found["rca"]["global"]
    assert tables.identities_by_verdict(found)["n"].sum() == len(found["classes"]) == 10
    assert tables.beside_paper(found)["this study"].notna().sum() >= 10
    text = json.dumps(found)
    assert not [name for name in FORMER_KEYS if f'"{name}":' in text]
    assert not [name for name in FORMER_VERDICTS if f'"verdict": "{name}"' in text]
