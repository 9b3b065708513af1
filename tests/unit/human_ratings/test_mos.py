import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kpop_rca.human_ratings import mos


def test_z_scores_are_not_clipped_and_forgive_bias_and_range():
    rated = np.r_[np.zeros(30), 5.0]
    z = mos.z_scores(np.stack([rated, 1 + rated / 5], axis=1))
    assert z.max() > 100
    assert np.allclose(z[:, 0], z[:, 1])
    assert np.allclose(z[:, 0], 100 * (stats.zscore(rated, ddof=1) + 3) / 6)


def test_mos_by_hand_and_too_few_ratings():
    scores = pd.DataFrame([[1.0, 2.0, 3.0], [4.0, np.nan, np.nan]], index=["a", "b"])
    table = mos.by_image(scores, least_ratings=3).set_index("image")
    half = 4.302653 / np.sqrt(3)  # Student's with two degrees of freedom
    assert table.loc["a", ["mos", "low", "high"]].tolist() == pytest.approx([2.0, 2 - half, 2 + half])
    assert np.isnan(table.loc["b", "mos"]) and table.loc["b", "reason"] == "1 valid ratings, 3 needed"


def table_of(rng, *, raters=12, images=40, effect=0.0):
    bias, quality = rng.normal(0, 3, raters), rng.normal(50, 10, (2, images)) + np.array([[0.0], [effect]])
    scores = quality.ravel()[:, None] + bias + rng.normal(0, 2, (2 * images, raters))
    frame = pd.DataFrame(scores, index=[f"{g}{i:02d}" for g in "ab" for i in range(images)])
    long = mos.long(frame)
    return long.assign(generator=long["image"].str[0])


HOW = {"clusters": ["rater", "image"], "n_replicates": 300}


def test_order_of_rows_changes_nothing():
    table = table_of(np.random.default_rng(0))
    shuffled = table.sample(frac=1, random_state=1)
    first, second = (
        mos.group_replicates(t, "generator", "score", generator=np.random.default_rng(5), **HOW)
        for t in (table, shuffled)
    )
    assert np.allclose(first, second)


def test_intervals_of_groups_cover_the_truth_and_ranks_are_sure_where_they_should_be():
    rng, covered = np.random.default_rng(2), []
    for _ in range(60):
        table = table_of(rng, effect=20.0)
        replicates = mos.group_replicates(table, "generator", "score", generator=rng, **HOW)
        found = mos.group_means(table, "generator", "score", replicates).set_index("generator")
        covered += [found.low["a"] <= 50 <= found.high["a"], found.low["b"] <= 70 <= found.high["b"]]
        assert found.loc["b", ["rank", "rank_low", "rank_high"]].tolist() == [1, 1, 1]
    assert 0.85 <= np.mean(covered) <= 1


def test_units_of_one_group_are_resampled_within_it():
    """Participants of one model each: its replicates depend on nothing that other models have."""
    table = pd.DataFrame({"model": ["a"] * 3 + ["b"] * 3, "who": list("uvwxyz"), "error": [0.0, 0, 0, 1, 1, 1]})
    how = {"clusters": ["who"], "n_replicates": 50, "generator": np.random.default_rng(0)}
    replicates = mos.group_replicates(table, "model", "error", **how)
    assert (replicates["a"] == 0).all() and (replicates["b"] == 1).all()
