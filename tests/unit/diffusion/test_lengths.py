"""What is said of longer trainings is what the committed curve says, and only of its own recipe."""

import pandas as pd
import pytest

from kpop_rca.diffusion import lengths
from kpop_rca.study import params

ABOUT = {"study": "quick", "train_steps": 10, "real": {"rca": 1.0, "frechet": 2.5}}


def curve(*, steps=(5, 10, 20), rca=(0.2, 0.6, 0.8), apart=0.1):
    """Two trainings of each length that differ by `apart`, the second one by a little more at the longest."""
    rows = []
    for n, value in zip(steps, rca, strict=True):
        for number in range(2):
            more = number * (apart + 0.02 * (n == steps[-1]))
            rows.append({"steps": n, "training": number, "loss": 0.2, "rca": value + more, "frechet": 40 / n})
    return pd.DataFrame(rows)


def of_03(study):
    return params.of_notebook(lengths.NOTEBOOK, params.resolve(study))


def test_the_committed_curve_is_that_of_the_default_study_and_of_every_length():
    table, about = lengths.committed_curve(of_03("quick"))
    assert about["study"] == "quick" and about["train_steps"] == of_03("quick")["train_steps"]
    sizes = table.groupby("steps").size()
    assert len(sizes) == 4 and sizes.nunique() == 1 and about["train_steps"] in sizes.index
    assert table["n_images"].nunique() == 1 and table[["loss", "rca", "frechet"]].notna().all(axis=None)


@pytest.mark.parametrize("study", ["koin10-32", "smoke"])
def test_a_curve_of_another_recipe_is_not_shown(study):
    table, about = lengths.committed_curve(of_03(study))
    assert table.empty and list(table) == lengths.COLUMNS and about == {}
    assert "not measured for this recipe" in lengths.about_lengths(table, about)[0]


def test_another_length_is_of_the_same_recipe():
    quick = params.resolve("quick")
    assert lengths.recipe_of(quick | {"train_steps": 7, "trainings": 1}) == lengths.recipe_of(quick)
    assert lengths.recipe_of(quick | {"optimizer": "adamw"}) != lengths.recipe_of(quick)


def test_changes_are_paired_by_training():
    """Trainings that differ among themselves by as much at every length leave the change without scatter."""
    apart = lengths.changes(curve(apart=0.5), 10, 20)
    longest = lengths.changes(curve(), 10, 20)  # 0.20 and 0.22: t of 1 degree of freedom
    assert longest.loc["rca", "mean"] == pytest.approx(0.21)
    assert longest.loc["rca", "high"] == pytest.approx(0.21 + 12.7062 * 0.01, abs=1e-4)
    assert apart.loc["rca"].tolist() == pytest.approx(longest.loc["rca"].tolist())


def test_what_is_said_names_the_change_with_its_sign():
    told = " ".join(lengths.about_lengths(curve(), ABOUT))
    assert "From 5 to 10 steps, the length of `quick`, RCA goes from 0.25 to 0.65." in told
    assert "RCA changes by +0.21 (+0.08 to +0.34)" in told and "the Fréchet distance changes by -2.0" in told
    ends_there = lengths.about_lengths(curve(steps=(2, 5, 10)), ABOUT)
    assert not any("changes" in sentence for sentence in ends_there)
    of_one = lengths.about_lengths(curve().query("training == 0"), ABOUT)
    assert not any("changes" in sentence or "nan" in sentence for sentence in of_one)


def test_the_loss_of_the_end_is_that_of_the_last_tenth():
    log = pd.DataFrame({"step": range(1, 101), "loss": [1.0] * 90 + [0.5] * 10})
    assert lengths.loss_at_the_end(log) == 0.5
