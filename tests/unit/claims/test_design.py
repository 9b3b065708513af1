"""What a sweep can see, against the test itself, and what its levels look like."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kpop_rca.claims import design, level_faces, runs, verdicts

PARAMETERS = {"seed": 0, "n_identities": 4, "idols_alikeness": 0.3, "sweep_alikeness": [0.0, 1.0]}


def test_an_effect_of_that_size_is_found_four_times_in_five():
    """Simulated: 4,000 tests, so that a power of .8 has a standard error of .006."""
    n, sd = 4, 0.2
    effect = design.detectable_effect(sd, n)
    samples = np.random.default_rng(0).normal(effect, sd, (4_000, n))
    found = (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean()
    assert found == pytest.approx(design.POWER, abs=0.025)


def test_the_spread_is_that_behind_the_interval():
    differences = np.array([0.1, 0.3, 0.25])
    low, high, _ = verdicts.student_interval(differences)
    table = pd.DataFrame({"low": [low, np.nan], "high": [high, np.nan], "n_seeds": [3, 1], "verdict": "inconclusive"})
    found = design.with_detectable(table)
    assert found["sd"].iloc[0] == pytest.approx(differences.std(ddof=1))
    assert np.isnan(found["detectable"].iloc[1])
    said = design.about_claims(found)
    assert said[0] == "Of 2 comparisons: 0 supported, 0 contradicted, 2 inconclusive."
    assert "not known" in design.about_claims(found.tail(1))[1]


def test_levels_that_no_other_levels_oracles_classify_share_nothing():
    shared = pd.DataFrame({"experiment": ["labels"] * 2, "level": ["clean", "spoilt"], "fraction": [0.1, 0.2]})
    assert design.about_shared_faces(shared).endswith("20.0% (labels spoilt)")
    assert design.about_shared_faces(shared.head(0)).startswith("No level")


def test_the_configuration_of_the_committed_runs():
    table = design.configuration(runs.committed_runs("claims"), design.committed_parameters("claims"))
    known = table.set_index("quantity")["value"]
    assert known["oracles of a set"] == "2"
    assert known["people"].startswith("6 avatars")


def test_each_level_changes_what_it_is_named_for():
    rows = level_faces.rendered_levels(PARAMETERS, ["16"])
    assert list(rows) == ["alikeness 0", "alikeness 1", "first one distinct", "wrong images", "16 px"]
    assert {row.shape for row in rows.values()} == {(4, 96, 96, 3)}
    blocks = rows["16 px"].reshape(4, 16, 6, 16, 6, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    for level in ("alikeness 0", "first one distinct"):
        assert (rows[level][0] != rows["alikeness 1"][0]).any()
