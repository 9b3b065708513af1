"""The paper's own tables, recomputed: what the package must give from them, to the paper's rounding."""

import json
from importlib import resources

import numpy as np
import pytest
from reasons import without_reason

from kpop_rca import rca
from kpop_rca.results import paper

HALF = 0.005  # the most that a number with two decimals can be off


def test_the_tables_are_shipped_with_the_package():
    names = {entry.name for entry in resources.files("kpop_rca").joinpath("results", "paper_tables").iterdir()}
    assert {f"{t}.csv" for t in ("table1_oracles", "table2_oracle_confusion", "table4_classwise", "headline")} <= names
    assert {"table3_lpips_diversity.csv", "README.md"} <= names


def test_accuracy_of_table_2_is_that_of_table_1():
    real = paper.oracle_confusion()
    table = paper.table1().set_index("metric")
    assert real.shape == (10, 10)
    assert rca.accuracy(real) == 753 / 980
    assert round(rca.accuracy(real), 3) == 0.768 == table.loc["test_accuracy", "resnet34"]


@pytest.mark.parametrize("measure", ["precision", "recall", "f1"])
def test_table_4_on_real_images_follows_from_table_2(measure):
    report = rca.classwise_report(paper.oracle_confusion())
    np.testing.assert_array_equal(report[measure].round(2), paper.table4()[f"real_{measure}"])


def test_table_2_transposed_does_not_give_table_4():
    report = rca.classwise_report(paper.oracle_confusion().T)
    assert not np.allclose(report["recall"].round(2), paper.table4()["real_recall"])


def test_macro_f1_and_its_extremes_are_those_of_table_1():
    f1 = rca.classwise_report(paper.oracle_confusion())["f1"]
    table = paper.table1().set_index("metric")["resnet34"]
    stated = table[["macro_f1", "best_class_f1", "worst_class_f1"]]
    np.testing.assert_allclose([f1.mean(), f1.max(), f1.min()], stated, atol=HALF)


def test_class_rca_of_table_4_follows_from_its_recalls():
    """Each printed ratio lies between the smallest and largest that recalls and ratio can round from.

    The recalls become counts of 10,000, so that `class_rca` itself is at work.
    """
    table = paper.table4()

    def counts(recalls):
        right = (10_000 * recalls.clip(lower=0)).round().astype(int).to_numpy()[:, None]
        return np.where(np.eye(10), right, 0) + np.where(np.roll(np.eye(10), 1, axis=1), 10_000 - right, 0)

    def ratios(shift_generated, shift_real):
        real, generated = table["real_recall"] + shift_real, table["generated_recall"] + shift_generated
        return rca.class_rca(counts(real), counts(generated))["rca"]

    lowest, highest = ratios(-HALF, HALF) - HALF, ratios(HALF, -HALF) + HALF
    assert (lowest <= table["class_rca"]).all()
    assert (table["class_rca"] <= highest).all()
    # All but class 2, whose recall of 0.02 has one digit, are pinned to better than 0.045, which rejects 0.
    assert ((highest - lowest)[table["generated_recall"] > 0.02] < 0.045).all()
    # Without the shifts, the ratio of the rounded recalls is within 0.01 of what is printed.
    np.testing.assert_allclose(ratios(0, 0), table["class_rca"], atol=0.0101)


def test_global_rca_interval_and_chance():
    metrics = paper.paper_metrics()
    assert round(metrics["rca"]["global"], 2) == paper.headline()["global_rca"] == 0.27
    assert [round(end, 3) for end in metrics["rca"]["ci95"]] == [0.260, 0.281]
    assert round(metrics["rca"]["chance"], 3) == 0.130


def test_generated_recalls_average_to_the_stated_accuracy():
    # Ten classes of equal size, each recall off by 0.005 at most, so their mean is too.
    stated = paper.headline()["generated_accuracy"]
    assert paper.table4()["generated_recall"].mean() == pytest.approx(stated, abs=HALF)


def test_the_oracles_errors_on_real_images_stay_within_the_groups():
    found = paper.paper_metrics()["within_groups"]["real"]
    assert (found["n_within"], found["n_errors"]) == (174, 227)
    assert found["fraction_within"] == pytest.approx(0.767, abs=0.0005)
    assert found["fraction_if_even"] == pytest.approx(4 / 9)


def test_strongest_real_confusion_is_the_one_that_the_text_names():
    strongest = rca.strongest_confusions(paper.oracle_confusion(), 1).iloc[0]
    assert (strongest["condition"], strongest["predicted_as"], strongest["count"]) == ("3", "6", 13)


def test_predicted_class_frequencies_from_table_4():
    fraction = paper.predicted_class_frequencies()["fraction"]
    np.testing.assert_allclose(fraction[:3], [0.21, 0.25, 0.006], atol=HALF)
    # Precisions and recalls of two decimals leave the ten fractions 1.1 % off their sum.
    assert fraction.sum() == pytest.approx(1, abs=0.02)


def test_table_3_averages_to_what_it_says():
    table = paper.table3()
    assert table["class"].tolist() == [str(c) for c in range(10)]
    assert table["lpips"].mean() == pytest.approx(paper.headline()["lpips_diversity"], abs=0.00005)
    assert (table["pairs"] == 1000).all()


def test_disagreements_are_computed():
    recomputed = paper.disagreements().set_index("what")["recomputed"]
    assert recomputed["global RCA"] == "27.03%"
    assert recomputed["generated images that the oracle recognises"] == "20.77%"
    assert recomputed["accuracy on real images"] == "0.768"


def test_paper_metrics_are_json_with_a_reason_for_every_null():
    metrics = json.loads(json.dumps(paper.paper_metrics(), allow_nan=False))
    assert set(metrics) == {"oracles", "headline_oracle", "oracles_test", "real", "generated", "rca", "visual"} | {
        "collapse",
        "within_groups",
    }
    assert metrics["oracles_test"]["z"] == pytest.approx(1.24, abs=HALF)
    assert metrics["real"] == {"n": 980, "accuracy": 753 / 980}
    assert metrics["oracles"]["resnet18"] == {"accuracy": 0.744, "loss": 0.9438, "macro_f1": 0.74, "n_test": 980}
    assert metrics["visual"]["fid"]["value"] == 8.9294
    assert sum(c["n_real"] for c in metrics["rca"]["per_class"]) == 980
    assert metrics["rca"]["per_class"][1]["rca"] == 0.55
    assert list(without_reason(metrics)) == []
