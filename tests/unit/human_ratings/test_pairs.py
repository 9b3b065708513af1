"""Comparisons: files as the page writes them (`test_rating_page` reads a browser's), strengths and fractions."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import pairs, rating_page

ANSWERS = pd.DataFrame({"first": list("aaabbc"), "second": list("bbccca")})
KEY = pd.DataFrame(
    {
        "id": ["0000000a", "12345678", "1e100000", "9000000f"],
        "generator": ["real", "ddpm", "ddpm", "bicubic"],
        "level": ["held out", "all steps", "quarter", "restored"],
    }
)
REAL, DDPM, QUARTER, BICUBIC = KEY["id"]


def sent_back(folder, rater, rows, *, mode, both=True):
    """A rater's CSV and JSON as rating_page.js writes them: the columns of its mode, an empty rating for no face."""
    columns = rating_page.COLUMNS[mode]
    rows = [dict(zip(columns, (rater, *row), strict=True)) for row in rows]
    lines = [",".join(columns), *(",".join(str(row[name]) for name in columns) for row in rows)]
    folder.mkdir(exist_ok=True)
    KEY.to_csv(folder / "key.csv", index=False)
    (folder / f"{rater}_0a1b2c3d4e.csv").write_text("\n".join(lines) + "\n")
    if both:
        told = {"version": 1, "page": "0a1b2c3d4e", "rater": rater, "mode": mode, "complete": True, "ratings": rows}
        (folder / f"{rater}_0a1b2c3d4e.json").write_text(json.dumps(told | {"practice": rows[:1]}))


def triplet(*points, trial=0):
    name = "-".join(sorted([REAL, DDPM, QUARTER]))
    return [(i, "quality", p, trial, 1.5, name) for i, p in zip([DDPM, REAL, QUARTER], points, strict=True)]


def test_pairs_of_many_raters_are_read_once_each(tmp_path):
    rows = [(REAL, DDPM, "quality", "first", 0, 3.2), (QUARTER, REAL, "quality", "second", 0, 2.0)]
    rows += [(DDPM, QUARTER, "quality", "none", 0, 1.0), (DDPM, REAL, "quality", "tie", 1, 1.0)]
    sent_back(tmp_path, "rater-01", rows, mode="pairwise")
    sent_back(tmp_path, "rater-02", rows[:1], mode="pairwise", both=False)
    found, points, faceless = pairs.of_folder(tmp_path)
    assert faceless == 1 and points.empty and len(found) == 4
    assert sorted(found["rater"].unique()) == ["r01", "r02"]
    (tie,) = found[found["trial"] == 1].to_dict("records")
    assert (tie["first"], tie["second"], tie["winner"]) == ("ddpm, all steps", "real, held out", "tie")
    first = found[(found["first"] == "real, held out") & (found["trial"] == 0)]
    assert set(first["question"]) == {tie["question"]}  # the sides change, the question does not
    assert pairs.order_and_repeats(found) == {"decided": 3, "first_won": 2 / 3, "repeats": 1, "same": 0.0}


def test_a_triplet_is_three_pairs_and_points(tmp_path):
    sent_back(tmp_path, "rater-01", triplet(2, 3, 1) + triplet("", "", "", trial=1), mode="triplet")
    found, points, faceless = pairs.of_folder(tmp_path)
    assert faceless == 3 and len(found) == 3
    winners = {row["first"] if row["winner"] == "first" else row["second"] for row in found.to_dict("records")}
    assert winners == {"real, held out", "ddpm, all steps"}
    assert points.set_index("model")["points"].to_dict() == {
        "ddpm, all steps": 2,
        "real, held out": 3,
        "ddpm, quarter": 1,
    }
    wide = pairs.by_annotator(points)
    assert list(wide) == ["triplet", "generator", "r01"] and wide.groupby("triplet")["r01"].sum().tolist() == [6]


@pytest.mark.parametrize(
    ("mode", "rows", "said"),
    [
        ("pairwise", [(REAL, DDPM, "quality", "A", 0, 1.0)], r"row 1: answer 'A' is none of first, second, tie, none"),
        (
            "pairwise",
            [(REAL, DDPM, "quality", "tie", 0, 1), (DDPM, REAL, "quality", "first", 0, 2)],
            "twice in trial 0",
        ),
        ("pairwise", [(REAL, "ffffffff", "quality", "tie", 0, 1)], "image ffffffff is not in key.csv"),
        ("triplet", triplet(1, 1, 3), "no ranks from 1 to 3"),
        ("triplet", triplet(4, 2, 3), "row 1: rating 4"),
        ("rating", [(REAL, "quality", 2.5, 0, 1.0)], "is no file of pairs or triplets"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, mode, rows, said):
    sent_back(tmp_path, "rater-01", rows, mode=mode, both=False)
    with pytest.raises(StudyError, match=said):
        pairs.of_folder(tmp_path)


def test_strengths_order_the_alternatives():
    pytest.importorskip("evalica")
    answers = ANSWERS.assign(winner=["first", "first", "first", "first", "tie", "second"])
    found = pairs.bradley_terry(answers)
    assert found["alternative"].tolist()[0] == "a"
    assert found["strength"].is_monotonic_decreasing
    twice = pd.concat([answers, answers[:3]], ignore_index=True)
    weighted = pairs.bradley_terry(answers, weights=np.array([2.0, 2, 2, 1, 1, 1])).set_index("alternative")["strength"]
    assert pairs.bradley_terry(twice).set_index("alternative")["strength"][weighted.index].to_numpy() == pytest.approx(
        weighted.to_numpy(), rel=1e-3
    )


def planted(*, strengths, raters=8, questions=60, seed=0):
    """Answers by Bradley and Terry's model, a fifth of them ties, repeated questions answered the same."""
    rng, names, rows = np.random.default_rng(seed), list(strengths), []
    for question in range(questions):
        first, second = rng.permutation(names)[:2]
        chance = strengths[first] / (strengths[first] + strengths[second])
        for rater in range(raters):
            winner = "tie" if rng.random() < 0.2 else "first" if rng.random() < chance else "second"
            rows.append((f"r{rater}", str(question), first, second, winner, 0))
    return pd.DataFrame(rows, columns=list(pairs.COLUMNS))


def test_fractions_and_strengths_have_intervals_that_hold_the_truth():
    pytest.importorskip("evalica")
    truth = {"good": 4.0, "fair": 2.0, "poor": 0.5}
    answers = planted(strengths=truth)
    found = pairs.compared(answers, n_replicates=60, generator=np.random.default_rng(1)).set_index("generator")
    assert found.index.tolist() == list(truth)
    assert (found[["win", "tie", "lose"]].sum(axis=1) - 1).abs().max() < 1e-12
    by_hand = answers[(answers["first"] == "good") | (answers["second"] == "good")]
    won = by_hand["winner"].eq("first") & by_hand["first"].eq("good")
    won |= by_hand["winner"].eq("second") & by_hand["second"].eq("good")
    assert found.loc["good", ["n", "win"]].tolist() == [len(by_hand), won.mean()]
    for name in ("log_strength", "win", "tie", "lose"):
        assert (found[f"{name}_low"] < found[name]).all() and (found[name] < found[f"{name}_high"]).all()
    log = np.log(list(truth.values())) - np.mean(np.log(list(truth.values())))
    assert ((found["log_strength_low"] < log) & (log < found["log_strength_high"])).all()


def test_repeats_and_images_of_one_generator_count_for_nothing():
    pytest.importorskip("evalica")
    answers = planted(strengths={"a": 1.0, "b": 1.0}, questions=10)
    more = [answers, answers.assign(trial=1), answers.assign(first="a", second="a", question="own")]
    how = {"n_replicates": 20}
    alone = pairs.compared(answers, generator=np.random.default_rng(0), **how)
    pd.testing.assert_frame_equal(pairs.compared(pd.concat(more), generator=np.random.default_rng(0), **how), alone)


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "evalica", None)
    with pytest.raises(StudyError, match="install it"):
        pairs.bradley_terry(ANSWERS.assign(winner="tie"))
