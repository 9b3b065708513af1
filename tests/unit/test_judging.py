"""Choosing and comparing judges, on answers written by hand and on judges just trained enough to answer."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from test_oracle import RECIPE
from tqdm import tqdm

from kpop_rca import candidates, disk, figures, judging, oracle
from kpop_rca.errors import StudyError

CPU = torch.device("cpu")


def write_judge(folder, name, judged, labels, *, trained_on="judge", validation=0.5, sure=0.8, n_classes=3):
    """A judge's files as far as they are read here: it names `judged`, equally sure of each."""
    architecture, seed = name.split("-")[:2]
    probabilities = np.full((len(labels), n_classes), (1 - sure) / (n_classes - 1))
    probabilities[np.arange(len(labels)), judged] = sure
    table = pd.DataFrame(probabilities, columns=[f"p_{k}" for k in range(n_classes)])
    table.insert(0, "label", labels)
    table.insert(1, "judged", judged)
    accuracy = float((np.asarray(judged) == labels).mean())
    about = {"architecture": architecture, "seed": int(seed), "trained_on": trained_on, "n_train": 30}
    about |= {"starts_from": "random weights", "validation": {"accuracy": validation}}
    disk.write_json(
        folder / name / "about.json", about | {"test": {"accuracy": accuracy, "loss": 0.5, "macro_f1": 0.6}}
    )
    table.to_parquet(folder / name / "test_answers.parquet", index=False)


def write_judges(folder, validation):
    for name, accuracy in validation.items():
        write_judge(
            folder, name, [0], np.array([0]), validation=accuracy, trained_on="train" if "seen" in name else "judge"
        )


def test_the_best_architecture_by_its_mean_and_its_best_seed(tmp_path):
    """resnet18 has the best single judge and the lower mean; the judges that have seen are out of it."""
    validation = {"resnet10-0": 0.80, "resnet10-1": 0.82, "resnet18-0": 0.60, "resnet18-1": 0.90}
    write_judges(tmp_path, validation | {"resnet10-0-seen": 0.99})
    assert judging.select(tmp_path, "best") == "resnet10-1"
    assert judging.select(tmp_path, "resnet18") == "resnet18-1"
    assert judging.select(tmp_path, "resnet18-0") == "resnet18-0"
    assert judging.select(tmp_path, "resnet10-0-seen") == "resnet10-0-seen"


def test_the_test_split_has_no_say(tmp_path):
    labels = np.zeros(4, dtype=int)
    write_judge(tmp_path, "resnet10-0", [0, 0, 1, 1], labels, validation=0.8)
    write_judge(tmp_path, "resnet10-1", [0, 0, 0, 0], labels, validation=0.7)
    assert judging.select(tmp_path, "best") == "resnet10-0"


def test_where_all_have_seen_all_may_judge(tmp_path):
    write_judge(tmp_path, "resnet10-0", [0], np.array([0]), trained_on="train")
    assert judging.select(tmp_path, "best") == "resnet10-0"
    assert judging.trained(tmp_path)["may_judge"].all()


def test_a_judge_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyError, match="no judge has been trained"):
        judging.select(tmp_path, "best")
    write_judges(tmp_path, {"resnet10-0": 0.8, "resnet18-0-seen": 0.8})
    for wanted in ("resnet34", "resnet10-1", "resnet18"):  # the last was trained, but has only judges that have seen
        with pytest.raises(
            StudyError, match=f"selected_judge is '{wanted}', but the judges are resnet10-0, resnet18-0"
        ):
            judging.select(tmp_path, wanted)


def test_judges_come_in_the_order_of_their_numbers(tmp_path):
    write_judges(tmp_path, {f"resnet10-{seed}": 0.5 for seed in (9, 0, 2)} | {"resnet10-0-seen": 0.5})
    assert judging.trained(tmp_path)["judge"].tolist() == ["resnet10-0", "resnet10-2", "resnet10-9", "resnet10-0-seen"]


def test_answers_are_one_long_table(tmp_path):
    labels = np.array([0, 1, 2])
    write_judge(tmp_path, "resnet10-1", [0, 1, 1], labels)
    write_judge(tmp_path, "resnet18-0", [2, 1, 0], labels, sure=0.9)
    answers = judging.load_answers(tmp_path)
    assert answers["judge"].tolist() == ["resnet10-1"] * 3 + ["resnet18-0"] * 3
    assert answers["image"].tolist() == [0, 1, 2] * 2
    assert answers["label"].tolist() == [0, 1, 2] * 2
    assert answers["judged"].tolist() == [0, 1, 1, 2, 1, 0]
    np.testing.assert_allclose(answers["confidence"], [0.8] * 3 + [0.9] * 3)
    assert answers.columns.tolist() == [*judging.WHICH, "image", "label", "judged", "confidence"]


def test_every_judge_sees_every_image(coloured_faces, tmp_path):
    """What `judge_all` says of the test faces is what training wrote down of them."""
    images, labels = coloured_faces
    splits = {"train": (images[:48], labels[:48]), "judge": (images[:0], labels[:0])}
    splits |= {"validation": (images[48:96], labels[48:96]), "test": (images[96:], labels[96:])}
    recipe = dataclasses.replace(RECIPE, warmup_epochs=0, epochs=1)
    planned = candidates.candidates(["resnet10"], n_seeds=2, seen=[], apart=False)
    oracle.train_all(planned, splits, recipe=recipe, folder=tmp_path, device=CPU, bar=tqdm)
    again = judging.judge_all(tmp_path, *splits["test"], device=CPU)
    pd.testing.assert_frame_equal(again, judging.load_answers(tmp_path), atol=1e-6)
    hard = judging.hard_case_accuracy(tmp_path, splits["validation"], device=CPU)
    assert hard["judge"].tolist() == ["resnet10-0", "resnet10-1"]
    assert hard["n_hard"].tolist() == [48, 48]
    about = disk.read_json(tmp_path / "resnet10-1" / "about.json")
    assert hard.loc[1, "accuracy_hard"] == pytest.approx(about["validation"]["accuracy"])
    assert hard.loc[1, "accuracy_test"] == pytest.approx(about["test"]["accuracy"])


def test_no_hard_cases_no_rows(tmp_path):
    assert judging.hard_case_accuracy(tmp_path, (np.empty((0, 8, 8, 3)), np.empty(0)), device=CPU).empty


def long(judge, judged, label, *, trained_on="judge"):
    architecture, seed = judge.split("-")[:2]
    which = {"judge": judge, "architecture": architecture, "seed": int(seed), "trained_on": trained_on}
    return pd.DataFrame(which | {"image": range(len(judged)), "label": label, "judged": judged})


def test_stacked_labels_follow_seeds_and_images_whatever_the_order_of_rows():
    parts = [long("a-2", [0, 1, 2, 2], 0), long("a-0", [1, 1, 0, 2], 0), long("b-0", [2, 2, 2, 2], 0)]
    parts.append(long("a-0-seen", [0, 0, 0, 0], 0, trained_on="train"))
    answers = pd.concat(parts).sample(frac=1, random_state=0)
    stacked = judging.stacked_labels(answers, architecture="a", trained_on="judge")
    assert stacked.dtype == np.int64
    np.testing.assert_array_equal(stacked, [[1, 1, 0, 2], [0, 1, 2, 2]])
    with pytest.raises(StudyError, match="no b was trained on the split 'train'"):
        judging.stacked_labels(answers, architecture="b", trained_on="train")
    missing = pd.concat([parts[0], parts[1].iloc[1:]])
    with pytest.raises(ValueError, match="did not see the same images"):
        judging.stacked_labels(missing, architecture="a", trained_on="judge")


def test_table_1_by_hand(tmp_path):
    """Two of four right, always 0.8 sure: an error of 0.3; F1 of the classes 2/3, 1/2 and 0."""
    write_judge(tmp_path, "resnet10-0", [0, 1, 1, 1], np.array([0, 0, 1, 2]))
    row = judging.comparison(tmp_path).iloc[0]
    interval = binomtest(2, 4).proportion_ci(method="wilson")
    assert row["test_accuracy"] == 0.5
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["calibration_error"] == pytest.approx(0.3, abs=1e-6)
    assert (row["best_class_f1"], row["worst_class_f1"]) == pytest.approx((2 / 3, 0))
    assert (row["judge"], row["n_test"], row["n_train"], row["trained_on"]) == ("resnet10-0", 4, 30, "judge")


def test_the_two_ways_of_training_are_not_averaged():
    table = pd.DataFrame({"architecture": "a", "trained_on": ["judge", "judge", "train"], "rca": [0.2, 0.6, 0.9]})
    summary = judging.over_seeds(table, ["rca"]).set_index("trained_on")
    assert summary.loc["judge", ["n_judges", "rca_lowest", "rca_highest"]].tolist() == [2, 0.2, 0.6]
    assert summary["rca_mean"].tolist() == pytest.approx([0.4, 0.9])


def test_reliability_of_every_judge_and_its_diagram(tmp_path):
    labels = np.array([0, 1, 2, 2])
    write_judge(tmp_path, "resnet10-0", [0, 1, 1, 1], labels)
    write_judge(tmp_path, "resnet10-0-seen", [0, 1, 2, 2], labels, trained_on="train", sure=0.9)
    table = judging.reliability(tmp_path).set_index("judge")
    assert table["accuracy"].to_dict() == {"resnet10-0": 0.5, "resnet10-0-seen": 1.0}
    assert table["n"].tolist() == [4, 4]
    figure = figures.reliability_diagrams(table.reset_index())
    assert [ax.get_title() for ax in figure.axes if ax.get_visible()] == [
        "resnet10, learnt the split 'judge'",
        "resnet10, learnt the split 'train'",
    ]


def test_architectures_are_compared_seed_by_seed_on_the_same_faces():
    """Seed 0: six faces that only a gets right, one that only b does, p = 2 (1 + 7) / 2^7. Seed 1: two against none."""
    parts = [long("a-0", [0] * 9 + [1], 0), long("b-0", [0] * 3 + [1] * 6 + [0], 0)]
    parts += [long("a-1", [0] * 10, 0), long("b-1", [0] * 8 + [1] * 2, 0)]
    parts.append(long("a-0-seen", [1] * 10, 0, trained_on="train"))
    table = judging.paired_comparisons(pd.concat(parts))
    assert table[["judge", "other"]].to_numpy().tolist() == [["a-0", "b-0"], ["a-1", "b-1"]]
    assert table[["only_judge_right", "only_other_right"]].to_numpy().tolist() == [[6, 1], [2, 0]]
    assert table["p"].tolist() == pytest.approx([2 * 8 / 128, 0.5])
    assert table["p_holm"].tolist() == pytest.approx([2 * 2 * 8 / 128, 0.5])


def test_one_architecture_has_none_to_be_compared_with():
    table = judging.paired_comparisons(long("a-0", [0, 1], 0))
    assert table.empty
    assert "p_holm" in table
