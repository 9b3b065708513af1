"""A sweep's small studies: what is shared, what a stopped sweep keeps, and when a loss is flat."""

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca.claims import flat_loss, small_studies
from kpop_rca.diffusion import trainings
from kpop_rca.errors import StudyError
from kpop_rca.faces.crops import class_names
from kpop_rca.study import given, params, paths

STUDY = "claims-smoke"


def run_all(folder):
    return small_studies.run_all(params.resolve(STUDY), folder=folder, bar=small_studies.SILENT)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder of a sweep at its smallest size, and its runs."""
    root = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.OUTPUT_VARIABLE, str(root))
        yield root / "small_studies", run_all(root / "small_studies")


@pytest.fixture(autouse=True)
def where(swept, monkeypatch):
    monkeypatch.setenv(paths.OUTPUT_VARIABLE, str(swept[0].parent))
    monkeypatch.setenv(given.VARIABLE, "[]")


def test_levels_share_images_where_nothing_behind_them_differs(swept):
    images = swept[1].set_index(["experiment", "level"])["images"]
    base = images["guidance", "0"]
    assert images["dominance", "equal"] == images["sampler", "ddim-4"] == base
    others = images[images != base]
    assert len(others) == others.nunique() == 5


def test_oracles_of_a_level_that_would_bias_them_are_those_of_another(swept):
    """Three times the pictures of one person: the real faces, and so their number, stay those of the base."""
    runs = swept[1].set_index(["experiment", "level"])
    equal, more = runs.loc[("dominance", "equal")], runs.loc[("dominance", "more-pictures")]
    assert equal["n_real"] == more["n_real"] and equal["accuracy_real"] == more["accuracy_real"]
    assert more["n_training_faces"] > equal["n_training_faces"] and more["n_shared_faces"] > 0
    assert equal["n_shared_faces"] == 0


def test_a_stopped_sweep_goes_on_and_one_of_other_parameters_begins_anew(swept):
    folder, runs = swept
    before = {path.name: path.stat().st_mtime_ns for path in (folder / small_studies.ROWS).iterdir()}
    pd.testing.assert_frame_equal(run_all(folder), runs)
    assert {path.name: path.stat().st_mtime_ns for path in (folder / small_studies.ROWS).iterdir()} == before
    given.give(["train_steps=13"])
    names = {run.name for run in small_studies.plan(params.resolve(STUDY))}
    assert len(names) == len(before) and not names & {name.removesuffix(".csv") for name in before}


def test_half_done_work_of_other_code_is_not_taken_over(swept, monkeypatch):
    """The name of what a seed makes on the way, like that of its measures, follows from the code."""
    folder, _ = swept
    before = small_studies._work_of(folder, 0), small_studies.plan(params.resolve(STUDY))[0].name
    monkeypatch.setattr(small_studies.fingerprint, "of_computing", lambda module: "other")
    after = small_studies._work_of(folder, 0), small_studies.plan(params.resolve(STUDY))[0].name
    assert before[0] != after[0] and before[1] != after[1]


def test_a_run_that_is_made_again_is_the_same(swept):
    folder, runs = swept
    run = next(run for run in small_studies.plan(params.resolve(STUDY)) if run.member.level == "2")
    (folder / small_studies.ROWS / f"{run.name}.csv").unlink()
    again = run_all(folder)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), runs.drop(columns="seconds"))


def test_what_was_made_on_the_way_does_not_stay(swept):
    assert sorted(path.name for path in swept[0].iterdir()) == [small_studies.FIRST, small_studies.ROWS]
    first = dict(small_studies.first_images(params.resolve(STUDY), folder=swept[0]))
    assert {images.shape[0] for images in first.values()} == {4}


def test_a_small_study_leaves_out_whom_the_audit_would(tmp_path):
    """It has every parameter of the notebooks whose work it does, those of a folder of people among them."""
    parameters = params.resolve(STUDY) | {"exclude_identities": ["0002"]}
    made = small_studies.SmallStudy(parameters, False, tmp_path, torch.device("cpu"))
    assert class_names(made.faces) == ["0000", "0001", "0003"]


def test_a_training_ends_where_its_loss_is_flat(tmp_path, monkeypatch):
    """A learning rate of nearly nothing is flat from the first look on; the weights are then those of the start."""
    monkeypatch.setattr(flat_loss, "EVERY", 10)
    changed = {"learning_rate": 1e-12, "muon_learning_rate": 1e-12, "learning_rate_schedule": "constant"}
    parameters = params.resolve(STUDY) | changed | {"train_steps": 2_000}
    images, labels = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), np.uint8), np.arange(16) % 4
    begun = trainings.begin(parameters, n_classes=4, folder=tmp_path, device=torch.device("cpu"))
    seen = flat_loss.train(begun, (images, labels), (images, labels), seed=0)
    assert len(seen) == 1 + flat_loss.PATIENCE and np.ptp(seen) < 1e-3
    assert pd.read_csv(tmp_path / "loss_log.csv")["step"].max() == len(seen) * flat_loss.EVERY


def test_a_look_at_the_loss_leaves_the_training_as_it_was(tmp_path, monkeypatch):
    """Twice the same steps, once with looks: the same weights to the last bit."""
    monkeypatch.setattr(flat_loss, "EVERY", 10)
    parameters = params.resolve(STUDY) | {"learning_rate_schedule": "constant", "train_steps": 30}
    images, labels = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), np.uint8), np.arange(16) % 4
    how = {"n_classes": 4, "device": torch.device("cpu")}
    looked = trainings.begin(parameters, folder=tmp_path / "looked", **how)
    flat_loss.train(looked, (images, labels), (images, labels), seed=0)
    plain = trainings.begin(parameters, folder=tmp_path / "plain", **how)
    plain.fit(images, labels, checkpoint_minutes=np.inf, sample_grids=0, bar=small_studies.SILENT)
    for one, other in zip(looked.weights, plain.weights, strict=True):
        assert torch.equal(one, other)


def test_a_level_whose_oracles_are_not_swept_is_refused():
    given.give(["sweep_dominance=[more-pictures, distinct-face]"])
    with pytest.raises(StudyError, match="has more-pictures without equal"):
        small_studies.plan(params.resolve(STUDY))
