import sys

import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import pairs

ANSWERS = pd.DataFrame({"first": list("aaabbc"), "second": list("bbccca")})


def test_strengths_order_the_alternatives():
    pytest.importorskip("evalica")
    answers = ANSWERS.assign(winner=["first", "first", "first", "first", "tie", "second"])
    found = pairs.bradley_terry(answers)
    assert found["alternative"].tolist()[0] == "a"
    assert found["strength"].is_monotonic_decreasing


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "evalica", None)
    with pytest.raises(StudyError, match="install it"):
        pairs.bradley_terry(ANSWERS.assign(winner="tie"))
