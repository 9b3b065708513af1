"""What the trials have in common: targets of the estimators, rows of their tables, and halves of the faces."""

import numpy as np
import pytest
from known_oracle import rng

from kpop_rca.errors import StudyError
from kpop_rca.validity import estimators


def test_halves_are_disjoint_complete_and_balanced():
    labels = np.repeat([0, 1, 2], [11, 20, 8])
    playing, left = estimators.halves(labels, generator=rng())
    assert not np.array_equal(playing, estimators.halves(labels, generator=rng(1))[0])
    np.testing.assert_array_equal(np.sort(np.concatenate([playing, left])), np.arange(39))
    assert np.bincount(labels[playing]).tolist() == [4, 4, 4]
    assert np.bincount(labels[left]).tolist() == [7, 16, 4]
    with pytest.raises(StudyError, match="fewer than two test faces"):
        estimators.halves(np.array([0, 0, 1]), generator=rng())


def test_single_classes_have_a_row_each():
    ends = (np.array([0.1, 0.6]), np.array([0.2, 0.7]))
    found = {
        "confusion_corrected_accuracy": (np.array(0.4), 0.3, 0.65),
        "class_confusion_corrected_accuracy": (np.array([0.15, 0.65]), *ends),
    }
    mean, first, second = estimators.trial_rows(
        found, 0.6, 2, ("confusion_corrected_accuracy", "class_confusion_corrected_accuracy"), draw=7
    )
    about = {"draw": 7, "truth": 0.6, "target": 0.6}
    assert mean == about | {
        "estimator": "confusion_corrected_accuracy",
        "value": 0.4,
        "low": 0.3,
        "high": 0.65,
        "covered": 1,
    }
    about |= {"estimator": "class_confusion_corrected_accuracy"}
    assert first == about | {"class": 0, "value": 0.15, "low": 0.1, "high": 0.2, "covered": 0}
    assert second == about | {"class": 1, "value": 0.65, "low": 0.6, "high": 0.7, "covered": 1}


def test_the_chance_corrected_ratio_is_held_to_its_own_scale():
    assert estimators.target("chance_corrected", 0.0, 5) == pytest.approx(-0.25)
    assert estimators.target("chance_corrected", 0.2, 5) == pytest.approx(0)
    assert estimators.target("rca", 0.2, 5) == estimators.target("simplex", 0.2, 5) == 0.2
