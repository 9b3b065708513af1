import pandas as pd

from kpop_rca.plots import face_score


def test_scorers_are_in_the_order_of_their_worst_ladder():
    rows = [("good", "pairs", "adaptive", 0.8), ("good", "ladder", "blur", 0.9), ("good", "ladder", "noise", 0.7)]
    rows += [("bad", "pairs", "adaptive", 0.9), ("bad", "ladder", "blur", 1.0), ("bad", "ladder", "noise", 0.1)]
    table = pd.DataFrame(rows, columns=["scorer", "kind", "name", "fraction"])
    figure = face_score.pairs_and_ladders(table, pairs="adaptive", title="T", highlighted={"bad": "red"})
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bad", "good"]
    assert ax.get_yticklabels()[0].get_color() == "red"
    assert ax.lines[1].get_xdata().tolist() == [0.9, 0.8]


def test_each_tuning_has_a_panel_of_both_rewards():
    curves = pd.DataFrame({"tuning": ["a", "a", "b"], "step": [0, 9, 0], "r_own": 1.0, "r_held_out": 0.0})
    figure = face_score.rewards_on_the_way(curves, reward="r", title="T")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b"]
    assert [len(ax.lines) for ax in figure.axes] == [2, 2]


def test_changes_of_one_quantity_with_their_intervals():
    table = pd.DataFrame(
        {"claim": ["change in RCA: a", "change in RCA: b", "change in other: a"], "mean": [0.1, -0.2, 9.0],
         "low": [0.0, -0.3, 8.0], "high": [0.2, -0.1, 10.0]}
    )  # fmt: skip
    (ax,) = face_score.changes_by_tuning(table, words="RCA", title="T").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]  # the first on top
    assert ax.lines[0].get_xdata().tolist() == [-0.2, 0.1]


def test_each_reward_that_was_measured_has_a_panel_with_the_line_of_equal_gains():
    rises = pd.DataFrame({"reward": ["a", "a", "b", "b"], "tuning": ["t", "t", "u", "u"], "step": [0, 9] * 2})
    rises = rises.assign(own=[0.0, 2.0, 0.0, 1.0], held_out=[0.0, 1.0, 0.0, -1.0])
    figure = face_score.own_against_held_out(rises, rewards={"a": "A", "b": "B", "c": "C"}, title="T")
    assert [ax.get_title() for ax in figure.axes] == ["A", "B"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.0, 1.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["t", "u"]


def test_three_rewards_leave_no_empty_panel():
    rises = pd.DataFrame({"reward": ["a", "b", "c"], "tuning": "t", "step": 0, "own": 0.0, "held_out": 0.0})
    figure = face_score.own_against_held_out(rises, rewards={name: name for name in "abc"}, title="T")
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]


def test_a_tuning_lies_where_its_changes_are():
    row = {
        "tuning": "t",
        "score": 0.5,
        "score_low": 0.4,
        "score_high": 0.6,
        "rca": -0.1,
        "rca_low": -0.2,
        "rca_high": 0,
    }
    (ax,) = face_score.score_and_identity(pd.DataFrame([row]), title="T").axes
    at = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_label() == "t"]
    assert at == [(0.5, -0.1)]
