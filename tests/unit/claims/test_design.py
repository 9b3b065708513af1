"""What a sweep can see, against the test itself, and what its levels look like."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kpop_rca.claims import answers, design, level_faces, runs, verdicts
from kpop_rca.study import params, stage_run

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
    said = answers.about_claims(found)
    counted = "0 supported, 0 contradicted, 0 negligible, 2 inconclusive"
    assert said[0] == f"Of 2 comparisons, corrected for their number: {counted}."
    assert "not known" in answers.about_claims(found.tail(1))[1]


def test_what_an_interval_excludes_is_said_in_the_claimed_sense():
    rows = [
        ("a", +1, -0.2, 0.05, "inconclusive"),
        ("b", -1, -0.03, 0.4, "contradicted"),
        ("c", +1, 0.1, 0.2, "supported"),
    ]
    names = ["claim", "expected", "low", "high", "verdict"]
    found = pd.DataFrame(rows, columns=names).assign(level="32", reference="16")
    lines = answers.about_undecided(found)
    assert [line.split(":")[0] for line in lines] == ["a (32 against 16)", "b (32 against 16)"]
    assert "excluded is an effect above 0.05" in lines[0] and "excluded is an effect above 0.03" in lines[1]
    assert "excluded is any effect" in answers.about_undecided(found.assign(high=-0.1).head(1))[0]
    assert answers.about_undecided(found.assign(high=np.nan).head(1))[0].endswith("one seed excludes nothing")


def test_trainings_that_used_up_their_steps_are_not_called_flat():
    parameters = {"train_steps": 10, "ema_half_life": 1, "image_size": 32, "face_sizes": [32], "channels": [8, 16]}
    rows = [("longer", "32", 50), ("longer", "32", 40), ("size", "32", 10)]
    table = pd.DataFrame(rows, columns=["experiment", "level", "n_steps"])
    assert "32 px: 1 of 2." in design.about_flat(table, parameters | {"attention_size": 8})[1]


def test_an_image_costs_the_same_at_every_size():
    costs = design.operations(params.resolve("claims"), [16, 32, 64])
    assert max(costs) < 1.15 * min(costs)
    pixels = design.operations(params.resolve("claims") | {"image_size": 32, "channels": [48, 96, 192]}, [32])
    assert pixels[0] > 3 * costs[1]  # twice the channels: the count is not of something else


def test_the_sheet_of_generated_faces_is_read_as_it_was_saved(output, monkeypatch):
    rows = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3), dtype=np.uint8)
    run = stage_run.begin("08_claims", {"study": "smoke", "data_source": "idols"})
    run.save_tiles(rows, level_faces.SHEET)
    monkeypatch.setattr(level_faces.paths, "committed_report", lambda study: run.report)
    runs_of = [("size", "16", 0, "claims.size=16-seed0"), ("size", "32", 0, "claims-seed0")]
    runs_of += [("alikeness", "0.35", 0, "claims-seed0"), ("alikeness", "0.6", 1, "claims.alikeness=0.6-seed1")]
    table = pd.DataFrame(runs_of, columns=["experiment", "level", "seed", "study"])
    found = level_faces.committed_levels("claims", table)
    assert list(found) == ["size 16", "base"]
    assert (np.stack(list(found.values())) == rows).all()


def test_levels_that_no_other_levels_oracles_classify_share_nothing():
    shared = pd.DataFrame({"experiment": ["labels"] * 2, "level": ["clean", "spoilt"], "fraction": [0.1, 0.2]})
    assert answers.about_shared_faces(shared).endswith("20.0% (labels spoilt)")
    assert answers.about_shared_faces(shared.head(0)).startswith("No level")


def test_the_configuration_of_the_committed_runs():
    table = design.configuration(runs.committed_runs("claims"), design.committed_parameters("claims"))
    known = table.set_index("quantity")["value"]
    assert known["oracles of a set"] == "3"
    assert known["trainings of a level"].startswith("8 seeds")
    assert known["people"].startswith("6 avatars")


def test_each_level_changes_what_it_is_named_for():
    rows = level_faces.rendered_levels(PARAMETERS, ["16"])
    assert list(rows) == ["alikeness 0", "alikeness 1", "first one distinct", "wrong images", "16 px"]
    assert {row.shape for row in rows.values()} == {(4, 96, 96, 3)}
    blocks = rows["16 px"].reshape(4, 16, 6, 16, 6, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    for level in ("alikeness 0", "first one distinct"):
        assert (rows[level][0] != rows["alikeness 1"][0]).any()
