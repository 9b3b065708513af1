"""Parity with Netflix's sureal 0.9.0 on the NFLX public ratings; its answers are in `sureal.json`."""

import json
from pathlib import Path

import numpy as np
import pytest

from kpop_rca.human_ratings import maximum_likelihood, mos, outliers, reference_answers

SUREAL = json.loads((Path(__file__).parent / "sureal.json").read_text(encoding="utf-8"))
BOTH = pytest.mark.parametrize("which", ["plain", "outliers"])


def ratings(which):
    return reference_answers.nflx(outliers=which == "outliers")


@BOTH
def test_the_same_raters_are_rejected(which):
    rejected = outliers.bt500(ratings(which).to_numpy())[0]
    assert np.flatnonzero(rejected).tolist() == SUREAL[which]["rejected"]


def test_rejection_after_z_scores_is_another_one():
    plain = ratings("plain").to_numpy()
    assert np.flatnonzero(outliers.bt500(mos.z_scores(plain))[0]).tolist() != SUREAL["plain"]["rejected"] == [2]


@BOTH
def test_z_scores(which):
    mean = mos.z_scores(ratings(which).to_numpy()).mean(axis=1)
    assert np.allclose(mean * 6 / 100 - 3, SUREAL[which]["zscoring_quality"], atol=1e-10)  # ddof 0 would be off by .006


@BOTH
def test_maximum_likelihood(which):
    found = maximum_likelihood.fit(ratings(which).to_numpy())
    for ours, theirs in ((found.quality, "quality"), (found.bias, "bias"), (found.inconsistency, "inconsistency")):
        assert np.allclose(ours, SUREAL[which][f"p910_{theirs}"], atol=1e-6)


def test_planted_outliers_bt500_misses_one_that_inconsistency_finds():
    table = outliers.screen(ratings("outliers")).set_index("rater")
    planted = table.loc[list(reference_answers.OUTLIERS)]
    assert planted["bt500"].sum() == 3
    assert planted["inconsistent"].all()
    assert not table.drop(index=planted.index)["inconsistent"].any()
    assert planted["inconsistency"].between(1.4, 1.9).all()
    assert table["inconsistency"].median() == pytest.approx(0.60, abs=0.01)
