"""The study's tables: verdicts over seeds, and runs that are not done again."""

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca.preferences import committed, experiments, trials, tunings
from kpop_rca.preferences.experiment import Experiment
from kpop_rca.preferences.tunings import HEADLINE
from kpop_rca.study import paths


def scorers(face_score, mscn):
    names = [trials.ADAPTIVE_PAIRS, trials.HIGH_PAIRS, "ladders of generators, mean"]
    return pd.DataFrame(
        [
            {"scorer": scorer, "kind": "pairs", "name": name, "n": 9, "fraction": value + 0.01 * seed, "seed": seed}
            for scorer, value in ((trials.FACE_SCORE, face_score), (trials.MSCN, mscn))
            for name in names
            for seed in range(3)
        ]
    )


@pytest.mark.parametrize(("mscn", "sign"), [(0.7, "higher"), (0.95, "lower")])
def test_targets_are_met_or_not_and_a_gain_has_a_sign(mscn, sign):
    found = scorers(0.86, mscn)
    found.loc[(found["scorer"] == trials.MSCN) & (found["seed"] == 1), "fraction"] += 0.005
    table = experiments.verdicts(found, pd.DataFrame()).set_index("claim")
    assert table["met"].tolist() == [True, True, False, sign]
    assert table.loc["face_score on adaptive", ["mean", "n_seeds", "target"]].tolist() == [pytest.approx(0.87), 3, 0.7]


def test_the_gap_is_that_of_the_tuning_for_identity():
    tunings = pd.DataFrame(
        {
            "tuning": ["base", HEADLINE] * 2,
            "gap_closed_held_out": [0.0, 0.3, 0.0, 0.4],
            "seed": [0, 0, 1, 1],
            "rca_held_out": [0.5, 0.7, 0.5, 0.72],
        }
    ).assign(face_score_held_out=1.0, frechet=[2.0, 3.0, 2.0, 1.0], diversity=[9.0, 8.0, 9.0, 9.5])
    row, *changes = experiments.verdicts(pd.DataFrame(), tunings).to_dict("records")
    assert [change["met"] for change in changes] == ["higher", "inconclusive", "inconclusive", "inconclusive"]
    assert changes[0]["mean"] == pytest.approx(0.21)
    assert row["mean"] == pytest.approx(0.35) and row["low"] < 0 and row["met"] is False


def test_a_mean_above_the_target_is_met_only_with_an_interval_above_0():
    tunings = pd.DataFrame({"tuning": HEADLINE, "gap_closed_held_out": [0.3, 0.31], "seed": [0, 1]})
    tunings = tunings.assign(**dict.fromkeys(experiments.EFFECTS, 1.0))
    row, *_ = experiments.verdicts(pd.DataFrame(), tunings).to_dict("records")
    assert row["low"] > 0 and row["met"] is True


def test_tables_of_all_seeds_of_one_size_come_together(output):
    for seed, size in ((0, 12), (1, 12), (2, 99)):
        one = Experiment({"study": "smoke"}, seed, size, 4, 10, torch.device("cpu"))
        experiments.write(one, {experiments.SCORERS: scorers(0.9, 0.8).query("seed == 0").drop(columns="seed")})
    one = Experiment({"study": "smoke"}, 0, 12, 4, 10, torch.device("cpu"))
    assert experiments.done(one, experiments.SCORERS)["seed"].unique().tolist() == [0, 1]
    assert experiments.done(one, experiments.TUNINGS).empty
    experiments.write_report(one)
    written = {path.name for path in paths.report_folder(experiments.REPORT).iterdir()}
    assert written == {experiments.SCORERS, experiments.SCORERS_MEAN, experiments.VERDICTS}


def test_guidance_stands_beside_the_same_noise_without_it():
    signs = {"face_score": -1, "identity": 1}
    each = [(score, at, seed) for score in signs for at in (0.0, 10.0) for seed in (0, 1)]
    rows = [(score, at, seed, 0.5 + at / 100 * signs[score] + seed / 10) for score, at, seed in each]
    guided = pd.DataFrame(rows, columns=["score", "strength", "seed", "rca_held_out"]).assign(frechet=[1.0, 2.0] * 4)
    table = experiments.verdicts(pd.DataFrame(), pd.DataFrame(), guided=guided).set_index("claim")
    assert table.loc[
        "change in RCA under held-out oracles: guidance by the scorer of mixed losers, 10", "mean"
    ] == pytest.approx(-0.1)
    assert table.loc[
        "change in RCA under held-out oracles: guidance by the rewarding oracle, 10", "mean"
    ] == pytest.approx(0.1)
    assert len(table) == 4 and (table.filter(like="Fréchet", axis=0)["mean"] == 0).all()


def test_faces_stand_in_a_row_for_each_generator_of_avatars_and_of_photographs_in_none(output, monkeypatch):
    shades = {trials.BASE: 10, HEADLINE: 200}
    labels = np.repeat([0, 1, 2], 2)

    def images_of(experiment, name):
        return np.full((6, 4, 4, 3), shades[name], dtype=np.uint8) + labels[:, None, None, None].astype(
            np.uint8
        ), labels

    monkeypatch.setattr(tunings, "images_of", images_of)
    monkeypatch.setattr(paths, "committed_report", paths.report_folder)
    for source in ("lfw", "idols"):
        one = Experiment({"study": "smoke", "data_source": source}, 0, 12, 4, 10, torch.device("cpu"))
        if source == "lfw":
            experiments.write(one, {experiments.TUNINGS: pd.DataFrame({"tuning": [*shades]})})
        experiments.run_faces([one])
        faces, names = committed.committed_faces()
        assert len(names) == (0 if source == "lfw" else 2)
    assert names == [*shades] and faces.shape == (2, 3, 4, 4, 3)
    assert faces[:, :, 0, 0, 0].tolist() == [[10, 11, 12], [200, 201, 202]]
