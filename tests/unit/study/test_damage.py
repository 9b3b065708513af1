"""Artifacts with a byte changed or their end cut off: each is named with the command that makes it again, and that
command does. Real files of every kind that stages hand to each other."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import small_oracle
import small_training
import torch
from safetensors.torch import save_file
from small_report import write_executed_notebooks
from spoiling import SPOILT, empty, truncate

from kpop_rca import report
from kpop_rca.diffusion import generated_images, generation
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.errors import StudyError
from kpop_rca.oracles import training
from kpop_rca.results import pages
from kpop_rca.study import checksums, flat_yaml, manifests, params, stage_run
from kpop_rca.system import files

AUDIT = {"study": "mine", "seed": 0}
KINDS = ("table.parquet", "array.npy", "weights.safetensors", "state.pt", "record.json", "table.csv")


def run_audit():
    """A stage that leaves a file of every kind."""
    stage = stage_run.begin("01_data_audit", AUDIT)
    table = pd.DataFrame({"a": range(100), "b": list("xy") * 50})
    stage.save_parquet(table, "table")
    with files.atomic(stage.folder / "array.npy") as temporary:
        np.save(temporary, np.arange(1000))
    files.write_json(stage.folder / "record.json", {"a": list(range(100))})
    with files.atomic(stage.folder / "weights.safetensors") as temporary:
        save_file({"a": torch.arange(100.0)}, temporary)
    with files.atomic(stage.folder / "state.pt") as temporary:
        torch.save({"a": torch.arange(100.0)}, temporary)
    with files.atomic(stage.folder / "table.csv") as temporary:
        table.to_csv(temporary, index=False)
    stage.finish()
    return stage


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_damaged_file_of_any_kind_is_never_read_and_made_again(output, spoil):
    stage = run_audit()
    for name in KINDS:
        before = (stage.folder / name).read_bytes()
        spoil(stage.folder / name)
        said = rf"artifacts/mine/audit is altered: {name} \(other contents\); run: notebook 01_data_audit with"
        with pytest.raises(StudyError, match=said):
            stage_run.begin("02_preprocessing", AUDIT)
        assert (run_audit().folder / name).read_bytes() == before or name == "state.pt"
        stage_run.begin("02_preprocessing", AUDIT)


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("name", ["manifest.json", "started.json"])
def test_a_damaged_record_is_named_or_its_stage_made_anew(output, spoil, name):
    stage = run_audit()
    spoil(stage.folder / name)
    if name == "manifest.json":
        with pytest.raises(StudyError, match=r"is damaged: manifest\.json.*; run: notebook 01_data_audit|altered"):
            stage_run.begin("02_preprocessing", AUDIT)
    run_audit()
    stage_run.begin("02_preprocessing", AUDIT)


def train(folder, fresh_accelerate):
    fresh_accelerate(reset_partial_state=True)
    recipe = replace(small_training.RECIPE, steps=10, batch_size=4)
    trainer = small_training.small_trainer(folder, n_classes=2, recipe=recipe)
    begun_at = trainer.progress.step
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    trainer.fit(images, np.arange(8) % 2, checkpoint_minutes=60, sample_grids=1, bar=small_training.Bar)
    return begun_at


def test_a_damaged_checkpoint_is_named_removed_and_the_training_done_again(output, fresh_accelerate, capsys):
    """Every file of a real one; a changed byte in its weights would otherwise be trained on without a word."""
    stage = stage_run.begin("01_data_audit", AUDIT)
    assert train(stage.folder, fresh_accelerate) == 0
    (checkpoint,) = stage.folder.glob("checkpoint_*")
    checksums.record(checkpoint)
    kept = output / "kept"
    shutil.copytree(checkpoint, kept)
    assert train(stage_run.begin("01_data_audit", AUDIT).folder, fresh_accelerate) == 10  # undamaged
    names = [path.name for path in kept.iterdir()]
    assert len(names) >= 5
    for name in names:
        for spoil in SPOILT:
            shutil.copytree(kept, checkpoint, dirs_exist_ok=True)
            checksums.record(checkpoint)
            spoil(checkpoint / name)
            capsys.readouterr()
            stage_run.begin("01_data_audit", AUDIT)
            said = capsys.readouterr().out
            assert said == f"{checkpoint.name} is damaged; it is removed, and its work done again\n", (name, spoil)
            assert not checkpoint.exists()
    assert train(stage.folder, fresh_accelerate) == 0


def test_an_undamaged_checkpoint_is_kept_and_one_with_a_strange_file_is_not(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    for name in ("good", "more"):
        (stage.folder / name).mkdir()
        (stage.folder / name / "state.bin").write_text("state")
        checksums.record(stage.folder / name)
    (stage.folder / "more" / "custom.pkl").write_text("harm")
    stage_run.begin("01_data_audit", AUDIT)
    assert [path.name for path in stage.folder.iterdir() if path.is_dir()] == ["good"]


PLAN = generation.GenerationPlan(sampler="ddim", steps=2, guidance=0.0, images_per_identity=5, batch_size=2, seed=0)


def draw(folder, *, stop_after=6):
    """Draw the images of two classes, three batches each; the batches that were drawn."""
    drawn = []

    def progress(batches):
        for batch in batches:
            if len(drawn) == stop_after:
                raise KeyboardInterrupt
            drawn.append(batch)
            yield batch

    unet = small_training.small_unet(n_classes=2).eval()
    generation.generate(unet, forward_process("linear"), PLAN, n_classes=2, folder=folder, progress=progress)
    return drawn


def drawn_halfway(folder):
    """Four of six batches."""
    with pytest.raises(KeyboardInterrupt):
        draw(folder, stop_after=4)


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize(
    ("before", "damaged", "again"),
    [
        (drawn_halfway, "batches/identity_0000_from_000002.npy", [(0, 2), (1, 2), (1, 4)]),
        (draw, "identity_0001.npy", [(1, 0), (1, 2), (1, 4)]),
    ],
)
def test_damaged_images_of_a_stopped_run_are_named_and_drawn_again(output, capsys, before, damaged, again, spoil):
    draw(output / "reference")
    stage = stage_run.begin("01_data_audit", AUDIT)
    before(stage.folder)
    spoil(stage.folder / damaged)
    assert generation.missing_batches(stage.folder, PLAN, n_classes=2) == again
    capsys.readouterr()
    stage_run.begin("01_data_audit", AUDIT)
    said = f"{(stage.folder / damaged).name} is damaged; it is removed, and its work done again\n"
    assert capsys.readouterr().out == said
    assert draw(stage.folder) == again
    for found, expected in zip(*map(generated_images.load, (stage.folder, output / "reference")), strict=True):
        np.testing.assert_array_equal(found, expected)
    stage.finish()
    made = manifests.read(stage.folder)["files"]
    assert sorted(made) == ["identity_0000.npy", "identity_0001.npy"]


def test_batches_that_a_kill_left_beside_their_identity_are_no_results(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    draw(stage.folder)
    with checksums.recorded(stage.folder / "batches" / "identity_0000_from_000002.npy") as temporary:
        np.save(temporary, np.zeros(3))
    assert draw(stage.folder) == []
    assert [path.name for path in stage.folder.iterdir() if path.is_dir()] == []


def train_oracle(folder):
    """An oracle of next to no training; whether it had to be trained."""
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    faces, epochs = (images, np.arange(8) % 2), []
    recipe = replace(small_oracle.RECIPE, warmup_epochs=0, epochs=1, batch_size=8)
    splits = dict.fromkeys(("train", "validation", "test"), faces)
    wanted = training.Training("resnet10", splits, recipe, folder, notes={})
    training.train_or_load(wanted, device=small_training.CPU, bar=lambda found, desc: epochs.append(desc) or found)
    return bool(epochs)


def test_a_damaged_oracle_of_a_stopped_run_is_named_and_trained_again(output, capsys):
    """Every file of it; also one that was not damaged but never recorded, as after a kill."""
    oracle = stage_run.begin("01_data_audit", AUDIT).folder / "resnet10-0"
    assert train_oracle(oracle)
    assert not train_oracle(oracle)
    kept = output / "kept"
    shutil.copytree(oracle, kept)
    names = sorted(path.name for path in kept.iterdir())
    assert names == ["about.json", "history.csv", "oracle.safetensors", "test_predictions.parquet"]
    for name in names:
        for spoil in SPOILT:
            shutil.copytree(kept, oracle, dirs_exist_ok=True)
            checksums.record(oracle)
            spoil(oracle / name)
            assert not checksums.is_whole(oracle)
            capsys.readouterr()
            stage_run.begin("01_data_audit", AUDIT)
            assert capsys.readouterr().out.startswith("resnet10-0 is damaged;")
            assert not oracle.exists()
    shutil.copytree(kept, oracle)  # without its record
    stage_run.begin("01_data_audit", AUDIT)
    assert train_oracle(oracle)
    assert all((oracle / name).read_bytes() == (kept / name).read_bytes() for name in names)


@pytest.fixture
def reported(output):
    """The files that a report is written from, but for its figures."""
    folder = write_executed_notebooks("mine")
    (folder / "params.yaml").write_text(flat_yaml.dumps(params.resolve("smoke")))
    files.write_json(folder / "metrics.json", {"rca": {"global": 0.5, "ci95": [0.4, 0.6], "chance": 0.1}})
    return folder


@pytest.mark.parametrize(
    "spoil", [truncate, empty, lambda path: path.write_text("[1]"), lambda p: p.write_bytes(b"\xff")]
)
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("metrics.json", "notebook 09_image_quality with"),
        ("params.yaml", "notebook 01_data_audit with"),
        ("notebooks/03_ddpm_training.ipynb", "notebook 03_ddpm_training with"),
    ],
)
def test_a_damaged_file_of_the_report_is_named_with_its_command(reported, spoil, name, command):
    if name == "params.yaml" and spoil is truncate:
        pytest.skip("half of a flat YAML file is a flat YAML file")
    spoil(reported / name)
    with pytest.raises(StudyError, match=rf"reports/mine/{name} is damaged; run: {command}"):
        pages.build("mine")


def test_metrics_are_named_where_the_answer_is_wanted(reported, capsys):
    assert report.main(["--where", "mine"]) == 0
    truncate(reported / "metrics.json")
    assert report.main(["--where", "mine"]) == 1
    assert "metrics.json is damaged; run: notebook 09_image_quality with" in capsys.readouterr().err


def test_a_notebook_that_was_stopped_or_is_gone_is_named(reported):
    path = reported / "notebooks/05_generation.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["execution_count"] = None
    path.write_text(json.dumps(notebook))
    with pytest.raises(StudyError, match=r"05_generation\.ipynb was not run to its end; run: .* 05_generation"):
        pages.build("mine")
    path.unlink()
    with pytest.raises(StudyError, match=r"05_generation\.ipynb is not there; run: .* 05_generation"):
        pages.build("mine")
