"""What came with the project of the runs over seeds, as 10 shows it."""

import pandas as pd
import pytest

from kpop_rca.preferences import committed, experiments, trials, tunings
from kpop_rca.study import paths

WORDS = "RCA under held-out oracles"


def changes(**means):
    return pd.DataFrame(
        [
            {
                "claim": f"change in {WORDS}: {name.replace('_', ' ')}",
                "mean": mean,
                "low": mean - 0.01,
                "high": mean + 0.01,
            }
            for name, mean in means.items()
        ]
    )


def test_what_changes_most_stands_beside_the_tuning_for_identity():
    found = changes(**{"random_pairs,_one_round": 0.004, "best_of_2_by_identity": 0.125, "guidance_by_x,_3": 0.5})
    assert committed.about_tunings(found, words=WORDS) == ""  # the headline's tuning was not measured
    headline = changes(x=0.02).assign(claim=f"change in {WORDS}: {tunings.HEADLINE}")
    said = committed.about_tunings(pd.concat([headline, found]), words=WORDS)
    assert said == (
        f"Tuning for identity ({tunings.HEADLINE}) changes RCA under held-out oracles by 0.020 (0.010 to 0.030); what "
        "changes it most is best of 2 by identity: 0.12 (0.12 to 0.14)."
    )
    one_seed = changes(real_faces=0.3).assign(low=None, high=None)
    assert committed.about_tunings(pd.concat([headline, found, one_seed]), words=WORDS) == said
    assert committed.about_tunings(headline, words=WORDS).endswith("by 0.020 (0.010 to 0.030).")
    assert committed.about_tunings(pd.DataFrame(), words=WORDS) == ""


def test_a_target_is_met_or_not_and_a_gain_has_a_side():
    of_fraction = {"claim": "face_score on a", "mean": 0.97, "low": 0.9, "high": 1.02, "n_seeds": 3, "target": 0.85}
    assert "0.97 (0.90 to 1.00)" in committed.about_targets(pd.DataFrame([of_fraction | {"met": True}]))[0]
    rows = [
        {"claim": "a", "mean": 0.744, "low": 0.694, "high": 0.795, "n_seeds": 3, "target": 0.7, "met": True},
        {"claim": "b", "mean": 0.058, "low": 0.042, "high": 0.074, "n_seeds": 6, "target": 0.25, "met": False},
        {"claim": "gain", "mean": 0.017, "low": 0.009, "high": 0.025, "n_seeds": 3, "target": None, "met": "higher"},
        {
            "claim": "change in x: y",
            "mean": 0.1,
            "low": 0.0,
            "high": 0.2,
            "n_seeds": 3,
            "target": None,
            "met": "higher",
        },
    ]
    assert committed.about_targets(pd.DataFrame(rows)) == [
        "a: 0.74 (0.69 to 0.80), 3 seeds; the target of 0.7 is met by the mean alone",
        "b: 0.058 (0.042 to 0.074), 6 seeds; the target of 0.25 is not met",
        "gain: 0.017 (0.009 to 0.025), 3 seeds; higher than 0",
    ]


def test_scorers_come_in_the_order_of_the_ladders_of_generators(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "committed_report", lambda name: tmp_path)
    assert committed.committed_scorers().empty and committed.committed_verdicts().empty
    rows = [
        {"scorer": scorer, "kind": "x", "name": name, "mean": mean, "low": low, "high": mean + 0.1, "n_seeds": 3}
        for scorer, mean, low in (("a", 0.5, 0.4), ("b", 0.75, float("nan")))
        for name in committed.TRIALS.values()
    ]
    pd.DataFrame(rows).to_csv(tmp_path / experiments.SCORERS_MEAN, index=False)
    found = committed.committed_scorers()
    assert found["scorer"].tolist() == ["b", "a"] and found["seeds"].tolist() == [3, 3]
    assert found.loc[1, list(committed.TRIALS)].tolist() == ["0.50 (0.40 to 0.60)"] * 4
    assert found["those of generators, mean"].tolist()[0] == "0.75"  # of one seed


def test_the_trials_are_ones_that_scorers_are_measured_on():
    assert trials.GENERATORS_MEAN in committed.TRIALS.values()
    assert set(committed.TRIALS.values()) >= set(experiments.TARGETS)


@pytest.mark.parametrize("read", [committed.committed_verdicts, committed.committed_scorers])
def test_what_is_committed_can_be_read(read):
    assert len(read())


def test_generators_stand_by_their_mean_score_over_seeds(monkeypatch):
    rows = [
        (scorer, generator, value + seed / 10, seed)
        for scorer, sign in ((trials.FACE_SCORE, 1), (trials.PAPER, -1))
        for generator, value in (("worse", 0.3 * sign), ("better", 0.5 * sign))
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["scorer", "generator", "normalised", "seed"])
    monkeypatch.setattr(committed, "_table", lambda name: table)
    found = committed.committed_generators()
    assert found["generator"].tolist() == ["better", "worse"] and found["seeds"].tolist() == [2, 2]
    assert found[trials.FACE_SCORE].str.split().str[0].tolist() == ["0.55", "0.35"]
    assert list(found) == ["generator", trials.PAPER, trials.FACE_SCORE, "seeds"]


def test_relations_are_those_of_a_score_with_attributes_and_with_other_scores(monkeypatch):
    pair = {"scorer": trials.PAPER, "seed": [0, 1]}
    tables = {
        experiments.ATTRIBUTES: pd.DataFrame(pair | {"attribute": "face_area", "spearman": [0.2, 0.4]}),
        experiments.PEARSON: pd.DataFrame(pair | {"other": trials.FACE_SCORE, "pearson": [-0.7, -0.5]}),
    }
    monkeypatch.setattr(committed, "_table", lambda name: tables[name].copy())
    found = committed.committed_relations().set_index("beside")[trials.PAPER]
    assert found["face area"].startswith("0.30") and found[trials.FACE_SCORE].startswith("-0.60")


@pytest.mark.parametrize("read", [committed.committed_generators, committed.committed_relations])
def test_what_is_committed_has_a_row_for_all_that_was_scored(read):
    assert len(read()) >= 5 and (read()["seeds"] >= 3).all()
    assert paths.committed_report(experiments.REPORT).is_dir()
    assert len(read().columns) <= 8


def test_a_target_inside_the_interval_is_met_by_the_mean_alone():
    row = {"claim": "a", "mean": 0.744, "low": 0.694, "high": 0.795, "n_seeds": 3, "target": 0.7, "met": True}
    (said,) = committed.about_targets(pd.DataFrame([row]))
    assert said.endswith("the target of 0.7 is met by the mean alone")


def test_seeds_that_all_give_one_value_have_no_interval(monkeypatch):
    """As MSCN moments, in which no seed has a part, of the same test faces: an interval of width 0 would claim much."""
    rows = {"scorer": trials.MSCN, "generator": "real faces", "normalised": [0.5, 0.5], "seed": [0, 1]}
    table = pd.concat([pd.DataFrame(rows), pd.DataFrame(rows | {"scorer": trials.FACE_SCORE})])
    monkeypatch.setattr(committed, "_table", lambda name: table)
    assert committed.committed_generators()[trials.MSCN].tolist() == ["0.50"]


def test_the_interval_of_a_fraction_ends_at_1():
    shown = committed.committed_scorers().drop(columns=["scorer", "seeds"]).stack()
    ends = shown.str.extract(r"\((.+) to (.+)\)").dropna().astype(float)
    assert len(ends) and ends.stack().between(0, 1).all()


def test_a_reward_rises_from_its_own_start_and_only_along_tunings_that_follow_it(monkeypatch):
    follows = {"t": "committee", "f": "face_score", "random": "random", "both": "both"}
    monkeypatch.setattr(tunings, "RECIPES", {name: (reward, {}) for name, reward in follows.items()})
    rows = [("t", 0, 0, 1.0, 5.0, None), ("t", 0, 25, 1.5, 5.2, None), ("t", 1, 0, 3.0, 7.0, None)]
    rows += [("t", 1, 25, 3.3, 6.8, None), ("f", 0, 0, 0.0, 0.0, 2.0), ("f", 0, 25, 0.1, 0.0, 2.5)]
    rows += [(name, 0, step, 0.0, 0.0, 0.0) for name in ("random", "both") for step in (0, 25)]
    rows += [("of before", 0, 0, 1.0, 1.0, 1.0), ("t", 0, 50, 9.0, 9.0, None)]  # seed 1 had ended at step 25
    columns = ["tuning", "seed", "step", "committee_own", "committee_held_out", "face_score_own"]
    table = pd.DataFrame(rows, columns=columns).assign(face_score_held_out=lambda t: t["face_score_own"] * 2)
    table = table.assign(identity_own=table["committee_own"], identity_held_out=table["committee_held_out"])
    monkeypatch.setattr(committed, "_table", lambda name: table)
    found = committed.rewards_since_start().set_index(["reward", "tuning", "step"])
    assert found.loc[("committee", "t", 25), ["own", "held_out", "n_seeds"]].tolist() == pytest.approx([0.4, 0.0, 2])
    assert found.loc[("face_score", "f", 25), ["own", "held_out", "n_seeds"]].tolist() == pytest.approx([0.5, 1.0, 1])
    assert ("committee", "t", 50) not in found.index
    shown = set(found.index.droplevel("step"))
    assert shown == {("committee", "t"), ("face_score", "f")} | {
        (reward, name) for reward in ("committee", "face_score") for name in ("random", "both")
    }
    monkeypatch.setattr(committed, "_table", lambda name: pd.DataFrame())
    assert committed.rewards_since_start().empty


def test_score_and_identity_are_of_tunings_that_have_an_interval_of_both():
    words, (first, second, third) = "held-out face score", tunings.EVERY[1:4]
    of_rca = {first: -0.2, second: 0.1, "guidance by x, 3": 0.3}
    of_score = {first: 0.5, second: 0.1, third: 0.3, "guidance by x, 3": 0.3}
    rows = [
        changes(x=mean).assign(claim=f"change in {column}: {name}")
        for column, means in ((WORDS, of_rca), (words, of_score))
        for name, mean in means.items()
    ]
    both = pd.concat(rows).assign(n_seeds=3)
    both.loc[both["claim"] == f"change in {words}: {second}", ["low", "high"]] = None
    found = committed.score_and_identity(both)
    assert found["tuning"].tolist() == [first]
    assert found.loc[0, ["score", "score_low", "rca", "rca_high"]].tolist() == pytest.approx([0.5, 0.49, -0.2, -0.19])


def test_the_recipe_in_use_is_the_one_that_the_committed_search_chose(monkeypatch):
    searched = committed._table(experiments.SEARCH)
    assert tunings.SEARCHED[tunings.chosen_recipe(searched)] == (tunings.CHOSEN_REWARD, tunings.CHOSEN)
    assert set(searched["seed"]) == {tunings.SEARCH_SEED}
    assert set(searched["tuning"]) == {trials.BASE, *tunings.SEARCHED, *tunings.FINE_TUNED}
    said = committed.about_search()
    assert said.startswith(f"Of {len(tunings.SEARCHED)} recipes") and tunings.chosen_recipe(searched) in said
    monkeypatch.setattr(committed, "_table", lambda name: pd.DataFrame())
    assert committed.about_search() == ""
