"""Controls show the identities that they claim to."""

import numpy as np
import pytest
from known_oracle import ORACLE, counts, rng

from kpop_rca.controls import control_conditions, most_confused


def test_the_pair_that_is_confused_most():
    assert most_confused(counts(ORACLE, 100)) == (2, 3)
    assert most_confused(np.eye(3, dtype=int)) == (0, 1)


def test_controls_show_what_they_say():
    labels = np.repeat([0, 1, 2, 3], 50)
    found = control_conditions(labels, (1, 3), generator=rng())
    assert [truth for _, _, truth in found.values()] == [1, 0.5, 0.25, 0.25]
    for name, (shown, requested, truth) in found.items():
        realised = (labels[shown] == requested).mean()
        assert realised == pytest.approx(truth, abs=0.1 if name == "class-blind" else 1e-12)
        assert (np.bincount(requested) == 50).all()
    shown, requested, _ = found["swapped pair"]
    assert set(zip(labels[shown].tolist(), requested.tolist(), strict=True)) == {(0, 0), (1, 3), (2, 2), (3, 1)}
    assert (labels[found["one for all"][0]] == 0).all()
