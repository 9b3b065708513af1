import numpy as np
import pandas as pd
import pytest

from kpop_rca.human_ratings import agreement


def test_alpha_of_chance_is_near_0_and_ignores_single_ratings():
    rng = np.random.default_rng(0)
    ratings = rng.uniform(0, 5, size=(400, 5))
    assert abs(agreement.krippendorff_alpha(ratings)) < 0.05
    single = np.r_[np.array([[1.0, 1.0], [5.0, 5.0]]), [[3.0, np.nan]]]
    assert agreement.krippendorff_alpha(single) == 1.0
    assert agreement.krippendorff_alpha(np.full((3, 2), 2.0)) is None


def test_alpha_is_that_of_evalica():
    evalica = pytest.importorskip("evalica")
    ratings = np.random.default_rng(1).integers(1, 6, size=(30, 4)).astype(float)
    ratings[0, 0] = np.nan
    theirs = evalica.alpha(pd.DataFrame(ratings.T), distance="interval")
    assert agreement.krippendorff_alpha(ratings) == pytest.approx(theirs.alpha)


def test_majority_of_five():
    points = pd.DataFrame([[3, 3, 3, 1, 2], [1, 1, 2, 2, 3], [2, 2, 2, 2, 2]])
    table, agreed = agreement.points_by_majority(points, pd.Series(["x", "y", "y"]))
    assert agreed == pytest.approx(2 / 3)
    assert table.set_index("model").loc["x"].tolist() == [0, 0, 1, 3]
    assert table.set_index("model").loc["y", "score 2"] == 1.0


def test_who_did_not_rank_a_triplet_does_not_vote():
    points = pd.DataFrame({"a": [3, 2, 1], "b": [3, 1, 2], "c": [np.nan] * 3})
    table, agreed = agreement.points_by_majority(points, pd.Series(["x", "y", "y"]))
    assert agreed == pytest.approx(1 / 3)
    assert table.set_index("model").loc["x", "score 3"] == 1 and table.set_index("model").loc["y", "score 1"] == 1
