"""What one oracle says of one small study, and what it has learnt of the same faces."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca import rca
from kpop_rca.claims import measurements
from kpop_rca.faces import crops as face_crops

GROUPS = [[0, 1], [2]]
REAL = np.array([[8, 1, 1], [0, 9, 1], [1, 0, 9]])  # of 30 faces 1 is taken for a look-alike
GENERATED = np.array([[9, 1, 0], [4, 6, 0], [2, 0, 8]])  # of 30 images 5


def test_pull_counts_what_was_asked_for_as_someone_else():
    found = measurements.from_counts(np.diag([10, 10, 10]), GENERATED, groups=GROUPS)
    assert found["pull"] == pytest.approx(6 / 20)  # and not the 9 that were asked for as the first
    assert found["first_rca"] == pytest.approx(0.9)
    assert found["rca"] == pytest.approx(23 / 30)
    swapped = measurements.from_counts(GENERATED, np.diag([10, 10, 10]), groups=GROUPS)
    assert swapped["rca"] > 1


def test_confusion_within_a_group_is_what_exceeds_the_oracles_own():
    found = measurements.from_counts(REAL, GENERATED, groups=GROUPS)
    assert found["within_group_real"] == pytest.approx(1 / 30)
    assert found["within_group_generated"] == pytest.approx(5 / 30)
    assert found["within_group_excess"] == pytest.approx(4 / 30)
    swapped = measurements.from_counts(GENERATED, REAL, groups=GROUPS)
    assert swapped["within_group_excess"] == pytest.approx(-4 / 30)


def test_a_generator_that_errs_as_the_oracle_does_has_no_excess():
    assert measurements.within_groups(GENERATED, 3 * GENERATED, GROUPS)["within_group_excess"] == pytest.approx(0)


def test_the_excess_is_that_of_the_analysis():
    known = rca.group_excess(REAL, GENERATED, GROUPS, n_replicates=300, generator=np.random.default_rng(0))
    found = measurements.within_groups(REAL, GENERATED, GROUPS)
    assert list(found.values()) == [known[f"rate_within_{side}"] for side in ("real", "generated")] + [known["excess"]]


def test_there_is_no_excess_without_groups():
    assert np.isnan(measurements.from_counts(REAL, GENERATED, groups=[])["within_group_excess"])


def test_a_oracle_that_cannot_be_inverted_gives_no_fidelity():
    confused = np.array([[5, 5], [5, 5]])
    assert np.isnan(measurements.from_counts(confused, np.diag([5, 5]), groups=[])["confusion_corrected_accuracy"])


def save(folder, crops, splits):
    """Faces by the number of their picture, {number: split}."""
    index = pd.DataFrame({"path": [f"{number}.jpg" for number in splits], "identity": "0000", "label": 0})
    face_crops.save_crops(folder, {8: crops[list(splits)]}, index.assign(split=list(splits.values())))
    return folder


def test_learnt_by_both_is_the_same_picture_in_the_two_splits(tmp_path):
    crops = np.random.default_rng(0).integers(1, 255, (9, 8, 8, 3), dtype=np.uint8)
    predicted = save(tmp_path / "oracle", crops, {0: "oracle", 1: "oracle", 2: "oracle", 3: "train", 4: "validation"})
    redrawn = crops.copy()
    redrawn[1] = redrawn[1][::-1]  # the same name, another picture
    redrawn[2, ::2] += 1  # the same picture, whose face was found a hair beside
    own = save(tmp_path / "own", redrawn, {8: "test", 4: "train", 3: "train", 2: "train", 1: "train", 0: "train"})
    count = measurements.shared_training_faces(own, predicted, size=8, oracle_trained_on="oracle")
    assert count == {"n_learnt": 5, "n_learnt_by_both": 2}  # pictures 0 and 2
    of_train = measurements.shared_training_faces(own, predicted, size=8, oracle_trained_on="train")
    assert of_train == {"n_learnt": 5, "n_learnt_by_both": 1}  # picture 3
    swapped = measurements.shared_training_faces(predicted, own, size=8, oracle_trained_on="oracle")
    assert swapped == {"n_learnt": 1, "n_learnt_by_both": 0}


def test_a_study_with_faces_for_its_oracles_shares_none_and_one_without_shares_all(tmp_path):
    crops = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    folder = save(tmp_path, crops, {0: "oracle", 1: "train", 2: "train", 3: "test"})
    for learnt, both in (("oracle", 0), ("train", 2)):
        found = measurements.shared_training_faces(folder, folder, size=8, oracle_trained_on=learnt)
        assert found == {"n_learnt": 2, "n_learnt_by_both": both}
