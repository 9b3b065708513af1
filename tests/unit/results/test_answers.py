"""The sentences that 06 and 09 open with: from the committed numbers, and where numbers are missing."""

import pytest

from kpop_rca.results import answers, tables
from kpop_rca.study import paths

REJECTED = {"rejected_by": ["density"], "bounds": {"all": [0.6251, 0.7449]}}


@pytest.fixture(scope="module")
def metrics():
    return tables.read_metrics(paths.committed_report("quick") / "metrics.json")


def test_sentences_say_whether_the_identity_is_shown(metrics):
    first, *fraction, last = answers.about_identity(metrics)
    assert fraction == answers.about_fraction(metrics)
    ratio = metrics["rca"]
    assert f" {ratio['global']:.2f} times as often" in first and f"would have {ratio['chance']:.2f}" in first
    assert f"{100 * metrics['confusion_corrected_accuracy']['mean']:.0f} %" in " ".join(fraction)
    assert last.startswith(f"The verdict on the {len(ratio['per_class'])} identities") and last.count(" (") >= 1


@pytest.mark.parametrize(
    ("assumption", "first", "second"),
    [
        (REJECTED, "Between 63 % and 74 % of the images", "By the headline oracle alone it would be "),
        (REJECTED | {"bounds": {"all": None}}, "% of the images show", "which is rejected; no range can be given."),
        (REJECTED | {"bounds": None}, "% of the images show", "which is rejected; no range can be given."),
        ({"rejected_by": [], "bounds": None}, "% of the images show", "; no test rejects that."),
        (None, "% of the images show", ", which was not tested here."),
    ],
)
def test_corrected_accuracy_never_stands_without_what_its_assumption_is_worth(metrics, assumption, first, second):
    said = answers.about_fraction(metrics | {"assumption": assumption})
    assert first in said[0] and second in said[1]
    assert said == answers.about_identity(metrics | {"assumption": assumption})[1:3]


def test_an_oracle_too_poor_to_correct_for_leaves_the_verdict(metrics):
    nothing = metrics["confusion_corrected_accuracy"] | {"mean": None, "ci95": None, "why": "it can't be inverted"}
    part = metrics | {"confusion_corrected_accuracy": nothing}
    assert answers.about_identity(part)[1].startswith("The verdict on the ")
    assert answers.about_correction(part)[-1] == "Confusion-corrected accuracy was not computed: it can't be inverted."


def test_where_no_groups_are_named_none_are_compared(metrics):
    assert " points (" in answers.about_groups(metrics["within_groups"])
    assert answers.about_groups(None).startswith("Errors within look-alike groups are not compared")


def test_two_sentences_say_how_good_the_images_are(metrics):
    parts = [metrics[name] for name in ("visual", "cas", "memorisation")]
    near, copies = answers.about_quality(*parts)
    assert f"distance of {metrics['visual']['oracle_frechet']['value_at_same_n']:.2f} from real ones" in near
    assert copies.startswith("No copies are found: ")


def test_what_was_not_measured_is_said(metrics):
    why = {"value": None, "value_at_same_n": None, "real_vs_real": None, "why": "too few images"}
    cas = metrics["cas"] | {"ratio": {"value": None, "ci95": None, "why": "right on none"}}
    copying = [{"copies": None, "why": "real faces look like copies, too"}]
    near, copies = answers.about_quality({"oracle_frechet": why}, cas, copying)
    assert near == "No Fréchet distance was computed (too few images)."
    assert copies.endswith("was not determined: real faces look like copies, too.")
    found = metrics["memorisation"][0] | {"copies": True, "excess": 0.31}
    assert answers.about_quality(metrics["visual"], cas, [found])[1].startswith("31 % of them are copies")


def test_generated_faces_stand_beside_real_ones_in_what_has_a_value(metrics):
    table = tables.beside_real(metrics["visual"], metrics["cas"]).set_index("measure")
    distance = metrics["visual"]["oracle_frechet"]
    assert table.loc["Fréchet, oracle", "generated"] == distance["value_at_same_n"] / distance["real_vs_real"]
    assert (table.loc[table["kind"] == "ratio", "real"] == 1).all()
    assert "FID" not in table.index
    assert len(tables.beside_real({}, metrics["cas"])) == 1


def test_of_a_part_only_its_own_quantities_stand_beside_the_paper(metrics):
    whole = tables.beside_paper(metrics)["quantity"].tolist()
    of_06 = tables.beside_paper({name: part for name, part in metrics.items() if name != "visual"})["quantity"].tolist()
    assert [name for name in whole if name not in of_06] == ["FID", "Inception Score", "LPIPS diversity"]
