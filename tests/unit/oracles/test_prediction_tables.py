"""Predictions as a table without images, from which what 06 says is computed again."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.oracles import agreement, by_training, prediction_tables
from kpop_rca.study import paths

TABLES = paths.committed_report("quick") / "tables"


@pytest.fixture(scope="module")
def sides():
    return [prediction_tables.read_long(TABLES / "06_predictions.csv.gz", side) for side in ("real", "generated")]


def of_people(side):
    return side.drop_duplicates("image").sort_values("image")


def test_a_reader_computes_rca_under_every_oracle_again(sides):
    n_classes = sides[0]["label"].nunique()
    again = agreement.rca_by_oracle(*sides, n_classes).set_index("oracle")
    saved = pd.read_csv(TABLES / "06_by_oracle.csv").set_index("oracle")
    for name in ("accuracy_real", "accuracy_generated", "rca", "low", "high", "confusion_corrected_accuracy"):
        np.testing.assert_allclose(again[name], saved.loc[again.index, name], rtol=1e-9, err_msg=name)


def test_and_the_verdicts(sides):
    saved = pd.read_csv(TABLES / "06_people.csv", dtype={"class": str})
    bursts, training = of_people(sides[0])["burst"].to_numpy(), of_people(sides[1])["training"].to_numpy()
    how = {"headline": sides[0]["oracle"].iloc[0], "classes": saved["class"].tolist()}
    again = by_training.person_verdicts(*sides, training, bursts, **how)
    assert again["verdict"].tolist() == saved["verdict"].tolist()
    np.testing.assert_allclose(again[["rca", "low", "high"]], saved[["rca", "low", "high"]])
    table_4 = pd.read_csv(TABLES / "06_table4_class_rca.csv")
    assert table_4["verdict"].tolist() == saved["verdict"].tolist()


def test_it_is_small_and_has_no_image(sides):
    path = TABLES / "06_predictions.csv.gz"
    assert path.stat().st_size < 100_000
    found = pd.read_csv(path)
    assert all(pd.api.types.is_integer_dtype(found[name]) for name in found if name != "side")


def test_what_is_written_is_read_as_the_long_table_it_was(tmp_path):
    def long(n):
        about = {"a-0": ("a", 0, "oracle"), "a-1-seen": ("a", 1, "train")}
        images = {"image": range(n), "label": np.arange(n) % 2}
        rows = []
        for name, (architecture, seed, split) in about.items():
            which = {"oracle": name, "architecture": architecture, "seed": seed, "trained_on": split}
            rows.append(pd.DataFrame(which | images | {"predicted": (np.arange(n) + seed) % 2}))
        return pd.concat(rows, ignore_index=True)

    table = prediction_tables.study_table(long(4), long(6), np.arange(6) // 3, np.array([-1, 0, 0, -1]))
    table.to_csv(tmp_path / "t.csv", index=False)
    for side, n in (("real", 4), ("generated", 6)):
        found = prediction_tables.read_long(tmp_path / "t.csv", side)
        pd.testing.assert_frame_equal(found[long(n).columns].reset_index(drop=True), long(n), check_dtype=False)
    assert found["training"].tolist() == [0, 0, 0, 1, 1, 1] * 2
