import numpy as np
import pytest

from kpop_rca import metrics, rca
from kpop_rca.errors import StudyError


def test_groups_are_read_and_checked():
    assert metrics.parse_groups("0,2|1,3", 4) == [[0, 2], [1, 3]]
    assert metrics.parse_groups("", 4) == []
    with pytest.raises(StudyError, match="each of the classes 0 to 4 once"):
        metrics.parse_groups("0,2|1,3", 5)
    with pytest.raises(StudyError, match="class numbers such as"):
        metrics.parse_groups("a|b", 2)


def test_within_groups_tells_real_from_generated():
    real, generated = np.array([[8, 2, 0], [1, 9, 0], [0, 1, 9]]), np.array([[5, 0, 5], [0, 5, 5], [0, 0, 10]])
    within = metrics.within_groups(real, generated, [[0, 1], [2]])
    assert (within["real"]["n_within"], within["real"]["n_errors"]) == (3, 4)
    assert (within["generated"]["n_within"], within["generated"]["n_errors"]) == (0, 10)
    assert metrics.within_groups(real, generated, []) is None


def told(generated, fid=None):
    parts = rca.summary([[45, 5], [5, 45]], generated, ["Ari", "Bo"])
    return metrics.answer({"classes": ["Ari", "Bo"], "visual": {"fid": {"value": fid}}, **parts})


def test_the_answer_follows_the_numbers():
    good, blind, swapped = told([[90, 10], [20, 80]]), told([[50, 50], [50, 50]]), told([[10, 90], [90, 10]])
    assert "0.94 times" in good
    assert ", above the 0.56 of a model that ignores" in good
    assert "best on Ari (1.00) and worst on Bo (0.89)" in good
    assert ", not distinguishable from the 0.56" in blind
    assert ", below the 0.56" in swapped
    assert told([[90, 10], [20, 80]], fid=8.93).endswith("the FID of 8.9 shows none of this.")
    assert good.endswith("FID could not be computed here.")
