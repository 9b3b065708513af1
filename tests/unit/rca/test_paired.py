"""Changes of identity on the same images: antisymmetric, narrower than unpaired, and right as often as they say."""

import numpy as np
import pytest

from kpop_rca.rca import change_verdict, paired_accuracy, paired_rca

LABELS = np.repeat(np.arange(4), 50)


def rng(seed=0):
    return np.random.default_rng(seed)


def outcomes(before, gain, *, seed=0):
    """Images that are right with probability `before`, and of which a fraction `gain` becomes right."""
    first = rng(seed).random(len(LABELS)) < before
    return first, first | (rng(seed + 1000).random(len(LABELS)) < gain)


def change(before, after, seed=0, n_replicates=1000):
    found = paired_accuracy(before, after, LABELS, n_replicates=n_replicates, generator=rng(seed))
    return found["change"], found["change_low"], found["change_high"]


def test_a_gain_one_way_is_a_loss_the_other():
    before, after = outcomes(0.5, 0.2)
    (gain, low, high), (loss, lowest, highest) = change(before, after), change(after, before)
    assert gain == pytest.approx(-loss)
    assert (low, high) == pytest.approx((-highest, -lowest), abs=0.02)  # noise of 1000 replicates
    assert 0 < low < gain < high


def test_the_same_images_twice_leave_a_change_of_nought():
    before, _ = outcomes(0.5, 0.0)
    value, low, high = change(before, before)
    assert value == 0
    assert -0.03 < low < 0 < high < 0.03  # one image more in 200


def test_the_interval_covers_the_true_change():
    """Right to a half at first; a fifth of the others becomes right: a change of 0.1."""
    covered = [low <= 0.1 <= high for _, low, high in (change(*outcomes(0.5, 0.2, seed=s), s, 400) for s in range(200))]
    assert np.mean(covered) > 0.92  # 95 % with a standard error of 1.5 %


def test_classes_count_alike():
    labels = np.array([0] * 90 + [1] * 10)
    found = paired_accuracy(labels == 0, labels == 1, labels, n_replicates=200, generator=rng())
    assert (found["before"], found["after"]) == (0.5, 0.5)


def test_what_helps_the_oracle_on_both_sides_leaves_rca_as_it_is():
    sides = [np.stack(outcomes(0.5, 0.5, seed=s), axis=1) for s in (0, 1)]
    found = paired_rca(*((side, LABELS) for side in sides), n_replicates=1000, generator=rng())
    assert found["change_low"] < 0 < found["change_high"]
    assert found["before"] == pytest.approx(1, abs=0.2)


def test_what_helps_on_generated_faces_alone_raises_rca_and_not_the_other_way_round():
    still, better = np.stack(outcomes(0.5, 0.0), axis=1), np.stack(outcomes(0.5, 0.5), axis=1)
    how = {"n_replicates": 1000, "generator": rng()}
    up = paired_rca((still, LABELS), (better, LABELS), **how)
    down = paired_rca((better, LABELS), (still, LABELS), **how)
    assert change_verdict(up["change_low"], up["change_high"]) == "rises"
    assert change_verdict(down["change_low"], down["change_high"]) == "falls"
