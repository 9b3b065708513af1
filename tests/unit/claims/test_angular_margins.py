"""Angular margins, from small faces to the tables; and the arithmetic of images paired by face or by noise."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from small_oracle import RECIPE
from small_training import RECIPE as SMALL

from kpop_rca import plots
from kpop_rca.claims import angular_margins, margin_tables, verdicts
from kpop_rca.errors import StudyError
from kpop_rca.faces.crops import save_crops
from kpop_rca.oracles import candidates, training
from kpop_rca.study import params, paths

CPU = torch.device("cpu")
GROUPS = [[0, 1], [2]]


def test_images_are_paired_and_identities_count_alike():
    """Identity 0 has 100 pairs of which half change, identity 1 has 4 and none does."""
    differences = pd.Series([-1.0, 0.0] * 50 + [0.0] * 4, index=[0] * 100 + [1] * 4)
    mean, low, high = margin_tables.image_interval(differences)
    error = np.std([-1, 0] * 50, ddof=1) / 10 / 2
    assert (mean, low, high) == pytest.approx((-0.25, -0.25 - 1.96 * error, -0.25 + 1.96 * error), abs=1e-4)


def test_of_one_image_no_scatter_is_known():
    mean, low, high = margin_tables.image_interval(pd.Series([0.5, 1.0], index=[0, 1]))
    assert mean == 0.75 and np.isnan([low, high]).all()


def answers(taken):
    """Predictions of 20 images of identity 0: so many are predicted as the look-alike 1, one as the stranger 2."""
    return pd.DataFrame({"label": 0, "predicted": [1] * taken + [2] + [0] * (19 - taken)})


def generator_answers(weight, seed, kind, taken):
    return answers(taken).assign(weight=weight, seed=seed, kind=kind, image=range(20))


def test_the_intervals_are_those_of_the_effect():
    oracles = {("softmax", 0): answers(4), ("arcface", 0): answers(2), ("softmax", 1): answers(6)}
    oracles["arcface", 1] = answers(2)
    generators = [
        generator_answers(weight, seed, margin_tables.HELD_OUT, taken + extra)
        for weight, extra in (("0", 5), ("0.1", 0))
        for seed, taken in ((0, 1), (1, 3))
        for _ in range(2)  # oracles
    ]
    table = margin_tables.look_alike_answers(oracles, pd.concat(generators), GROUPS)
    rows = [
        ("within_group", "softmax", "arcface"),
        ("within_group_generated_held_out", "0", "0.1"),
        ("rca_gap", "0", "1"),
    ]
    found = pd.DataFrame(rows, columns=["response", "reference", "level"])
    found = margin_tables.with_image_intervals(found, table)
    centres = (found["image_low"] + found["image_high"]) / 2
    assert centres[0] == pytest.approx(-(2 + 4) / 2 / 20)
    assert centres[1] == pytest.approx(-5 / 20)
    assert centres[2:].isna().all()


def measures(weight, seed, kind, oracle, value):
    return {"weight": weight, "seed": seed, "kind": kind, "oracle": oracle} | dict.fromkeys(
        margin_tables.MEASURED, value
    )


def test_a_gain_that_only_the_rewarding_oracle_sees_is_told():
    rows = []
    for seed in range(3):
        for weight, gain in (("0", 0.0), ("0.1", 0.3 + 0.01 * seed)):
            rows.append(measures(weight, seed, margin_tables.REWARDING, "seen", 0.5 + gain))
            rows += [measures(weight, seed, margin_tables.HELD_OUT, f"resnet18-{k}", 0.4 + 0.1 * k) for k in (0, 1)]
    oracles = pd.DataFrame(columns=["loss", "seed", "within_group", "accuracy", "auc", "log_loss"])
    levels = margin_tables.compared_levels(oracles, pd.DataFrame(rows))
    found = verdicts.verdict_table(levels, margin=0.1, claims=margin_tables.claims_of(["0.1"])).set_index("response")
    assert found.loc["rca_gap", ["effect", "verdict"]].tolist() == [pytest.approx(0.31), "supported"]
    assert found.loc["within_group_generated_rewarding", "verdict"] == "contradicted"
    assert found.loc["within_group_generated_held_out", ["effect", "verdict"]].tolist() == [0.0, "inconclusive"]


@pytest.fixture
def experiment(output, coloured_faces, monkeypatch):
    """A study of three coloured people, with oracles of two architectures on faces of their own."""
    images, labels = coloured_faces
    splits = np.array(["train", "oracle", "validation", "test"])[np.arange(120) // 3 % 4]
    index = pd.DataFrame(
        {"path": [f"{k}.jpg" for k in range(120)], "identity": labels, "label": labels, "split": splits}
    )
    folder = paths.artifacts_folder("mine")
    save_crops(folder / "faces", {16: images}, index)
    resolved = params.defaults() | dataclasses.asdict(SMALL)
    resolved |= {f"oracle_{name}": value for name, value in dataclasses.asdict(RECIPE).items()}
    resolved |= {"study": "mine", "image_size": 16, "channels": [8, 16], "attention_size": 0, "sampling_steps": 2}
    resolved |= {"look_alike_groups": "0,1|2", "oracle_seeds": 1, "oracle_epochs": 2, "oracle_warmup_epochs": 0}
    resolved |= {"architectures": ["resnet10", "resnet18"], "device": "cpu"}
    made = angular_margins.Experiment(resolved, steps=4, images=2)
    planned = candidates.list_candidates(resolved["architectures"], n_seeds=1, seen=[], apart=True)
    faces = {split: made.faces(split) for split in ("train", "oracle", "validation", "test")}
    recipe = training.OracleRecipe.of(resolved)
    training.train_all(planned, faces, recipe=recipe, folder=folder / "oracle", device=CPU, bar=angular_margins.tqdm)
    monkeypatch.setattr(params, "resolve", lambda study: resolved)
    return made


def test_one_command_goes_from_faces_to_tables_and_does_nothing_twice(
    experiment, fresh_accelerate, monkeypatch, capsys
):
    angular_margins.train_oracles(experiment, 0, device=CPU)
    without = angular_margins.write_tables(experiment)
    assert without["experiment"].tolist() == ["oracle loss"] * 4
    command = ["--study", "mine", "--weight", "0", "--weight", "0.5", "--steps", "4", "--images", "2"]
    assert angular_margins.main(command) == 0
    tables = [paths.report_folder("arcface") / name for name in ("oracles.csv", "generators.csv", "verdicts.csv")]
    oracles, generators, found = (pd.read_csv(path, dtype={"weight": str}) for path in tables)
    assert oracles["loss"].tolist() == ["softmax", "arcface"] and set(oracles["n"]) == {30}
    kinds = generators.groupby("weight")["kind"].agg(list)
    assert kinds["0"] == kinds["0.5"] == ["rewarding", "same architecture", "held out"]
    assert len(found) == 9 and set(found["n_seeds"]) == {1} and set(found["verdict"]) == {"inconclusive"}
    monkeypatch.setattr(angular_margins, "train_generator", None)
    before = [path.read_bytes() for path in tables]
    assert angular_margins.main(command) == 0
    assert [path.read_bytes() for path in tables] == before


def test_a_study_whose_oracles_cannot_be_told_apart_is_refused():
    one = params.defaults() | {"study": "mine", "architectures": ["resnet10"], "oracle_fraction": 0.0}
    with pytest.raises(StudyError, match="set architectures to two or more, oracle_fraction above 0"):
        angular_margins.Experiment(one, steps=1, images=1).require()
    angular_margins.Experiment(params.defaults() | {"study": "mine"}, steps=1, images=1).require()


def test_the_figure_shows_the_mean_over_seeds_of_each_kind():
    rows = [
        measures(weight, seed, kind, "resnet18-0", value + seed)
        for weight, value in (("0", 1.0), ("0.1", 3.0))
        for seed in (0, 1)
        for kind in (margin_tables.REWARDING, margin_tables.ALIKE, margin_tables.HELD_OUT)
    ]
    figure = plots.identity_loss(margin_tables.by_kind(pd.DataFrame(rows)), ["rca", "recall"])
    for ax in figure.axes:
        means = [line.get_ydata().tolist() for line in ax.lines if line.get_marker() == "D"]
        assert means == [[1.5, 3.5]] * 3
        assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1"]
    plt.close(figure)
