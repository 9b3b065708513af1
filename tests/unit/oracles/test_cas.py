"""The Classification Accuracy Score, with classifiers that learn colours, and its interval against simulation."""

import dataclasses
import json

import numpy as np
import pytest
import small_oracle
import torch
from tqdm import tqdm

from kpop_rca import rca
from kpop_rca.oracles import cas, training
from kpop_rca.system import files

CPU = torch.device("cpu")
RECIPE = dataclasses.replace(small_oracle.RECIPE, warmup_epochs=0, epochs=8, seed=3)


def test_swapping_the_two_inverts_the_ratio_and_its_interval():
    low, high = cas.paired_ratio_interval(40, 10, 30)
    assert high < 1
    swapped = cas.paired_ratio_interval(40, 30, 10)
    assert swapped == pytest.approx((1 / high, 1 / low))


@pytest.mark.parametrize("cells", [(400, 100, 300, 200), (150, 30, 60, 60)])
def test_the_interval_agrees_with_a_bootstrap_over_images(cells):
    """Resampling images is resampling the four cells. At these counts both ends agree to a few percent of the width."""
    samples = np.random.default_rng(0).multinomial(sum(cells), np.array(cells) / sum(cells), size=20_000)
    ratios = (samples[:, 0] + samples[:, 1]) / (samples[:, 0] + samples[:, 2])
    low, high = np.percentile(ratios, [2.5, 97.5])
    assert cas.paired_ratio_interval(*cells[:3]) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_the_interval_covers():
    """1,000 samples of 60 images: a coverage of 95 % is estimated to about 0.7 %; three of these is 2 %."""
    cells = np.array([0.3, 0.05, 0.4, 0.25])
    ratio = (cells[0] + cells[1]) / (cells[0] + cells[2])
    samples = np.random.default_rng(0).multinomial(60, cells, size=1000)
    covered = [low <= ratio <= high for low, high in (cas.paired_ratio_interval(*row[:3]) for row in samples.tolist())]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_it_is_narrower_than_if_the_images_were_not_the_same():
    low, high = cas.paired_ratio_interval(60, 5, 10)
    wide_low, wide_high = rca.ratio_interval(65, 100, 70, 100)
    assert high - low < 0.7 * (wide_high - wide_low)


def test_no_image_right():
    low, high = cas.paired_ratio_interval(0, 0, 20)
    assert low == 0
    assert 0 < high < 0.5
    with pytest.raises(ValueError, match="no ratio of accuracies"):
        cas.paired_ratio_interval(0, 5, 0)
    none = cas.compare_on_same_faces(np.array([True, False]), np.array([False, False]))
    assert (none["value"], none["ci95"]) == (None, None)
    assert "right on none" in none["why"]


def test_comparison_by_hand():
    """Both right on two, only the first on one, only the second on three: 3/5, and McNemar's p of one in four."""
    first = np.array([1, 1, 1, 0, 0, 0, 0], dtype=bool)
    second = np.array([1, 1, 0, 1, 1, 1, 0], dtype=bool)
    found = cas.compare_on_same_faces(first, second)
    assert found["value"] == pytest.approx(3 / 5)
    assert (found["only_first_right"], found["only_second_right"]) == (1, 3)
    assert found["p"] == pytest.approx(2 * 5 / 16)
    assert found["ci95"][0] < 3 / 5 < found["ci95"][1]


def test_both_learn_from_as_many_of_each():
    one, other = np.array([0] * 5 + [1] * 2 + [2] * 4), np.array([0] * 3 + [1] * 6)
    sets = cas.equal_counts((one * 10, one), (other * 10, other), generator=np.random.default_rng(0))
    for images, labels in sets:
        assert np.bincount(labels).tolist() == [3, 2]
        np.testing.assert_array_equal(images, labels * 10)


@pytest.fixture
def oracle(tmp_path):
    """The folder of a selected oracle, as far as it is read."""
    about = {"architecture": "resnet10", "recipe": dataclasses.asdict(RECIPE), "n_train": 77}
    files.write_json(tmp_path / "resnet10-0" / training.ABOUT, about)
    return tmp_path / "resnet10-0"


def scores(faces, generated, oracle, folder):
    images, labels = faces
    return cas.classification_accuracy_scores(
        generated,
        (images[:48], labels[:48]),
        validation=(images[48:72], labels[48:72]),
        test=(images[72:], labels[72:]),
        predicted=np.zeros(len(generated[1]), dtype=int),
        like=oracle,
        folder=folder,
        device=CPU,
        bar=tqdm,
    )


def test_a_generator_that_confuses_two_teaches_their_confusion(coloured_faces, oracle, tmp_path):
    """Red and green swapped: whoever is trained on these errs on up to two thirds of the real faces. Not the reverse.

    It stops at the epoch with the lowest loss on real faces, before it is sure of the wrong names, so it may err less.
    """
    images, labels = coloured_faces
    swapped = images[:60], np.array([1, 0, 2])[labels[:60]]
    found = scores(coloured_faces, swapped, oracle, tmp_path / "cas")
    assert found["train_real_test_real"]["accuracy"] == 1
    assert 0.3 < found["train_generated_test_real"]["accuracy"] < 0.6
    assert found["ratio"]["value"] == pytest.approx(found["train_generated_test_real"]["accuracy"])
    assert found["ratio"]["only_first_right"] == 0
    assert {found[f"train_{name}_test_real"]["n_train"] for name in ("generated", "real")} == {48}
    assert found["headline_oracle_test_generated"]["accuracy"] == pytest.approx(1 / 3)
    assert found["headline_oracle_test_generated"]["n_train"] == 77
    other_way = found["train_real_test_generated"]  # by the classifier of the reference, which was trained on as many
    assert other_way["n_train"] == 48 and other_way["accuracy"] == pytest.approx(1 / 3, abs=0.05)
    json.dumps(found, allow_nan=False)


def test_finished_classifiers_are_not_trained_again(coloured_faces, oracle, tmp_path, monkeypatch):
    first = scores(coloured_faces, coloured_faces, oracle, tmp_path / "cas")
    monkeypatch.setattr(training, "train_oracle", None)
    assert scores(coloured_faces, coloured_faces, oracle, tmp_path / "cas") == first
