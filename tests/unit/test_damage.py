"""Artifacts with a byte changed or their end cut off: each is named with the command that makes it again, and that
command does. Real files of every kind that stages hand to each other."""

import json
import shutil

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from kpop_rca import artifacts, params, paths, report, seals, stages, training
from kpop_rca.diffusion import build_unet
from kpop_rca.errors import StudyError

AUDIT = {"study": "mine", "seed": 0}
KINDS = ("table.parquet", "array.npy", "weights.safetensors", "state.pt", "record.json", "table.csv")


def flip(path):
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def truncate(path):
    """Cut off the second half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path):
    path.write_bytes(b"")


SPOILT = (flip, truncate, empty)


def run_audit():
    """A stage that leaves a file of every kind."""
    stage = artifacts.begin("01_data_audit", AUDIT)
    table = pd.DataFrame({"a": range(100), "b": list("xy") * 50})
    stage.save_parquet(table, "table")
    stage.save_array(np.arange(1000), "array")
    artifacts.write_json(stage.folder / "record.json", {"a": list(range(100))})
    with artifacts.atomic(stage.folder / "weights.safetensors") as temporary:
        save_file({"a": torch.arange(100.0)}, temporary)
    with artifacts.atomic(stage.folder / "state.pt") as temporary:
        torch.save({"a": torch.arange(100.0)}, temporary)
    with artifacts.atomic(stage.folder / "table.csv") as temporary:
        table.to_csv(temporary, index=False)
    stage.finish()
    return stage


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_damaged_file_of_any_kind_is_never_read_and_made_again(output, spoil):
    stage = run_audit()
    for name in KINDS:
        before = (stage.folder / name).read_bytes()
        spoil(stage.folder / name)
        said = (
            rf"artifacts/mine/audit/{name} is other contents .*; run: python -m kpop_rca.run 01_data_audit --study mine"
        )
        with pytest.raises(StudyError, match=said):
            artifacts.begin("02_preprocessing", AUDIT)
        assert (run_audit().folder / name).read_bytes() == before or name == "state.pt"
        artifacts.begin("02_preprocessing", AUDIT)


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("name", ["manifest.json", "started.json"])
def test_a_damaged_record_is_named_or_its_stage_made_anew(output, spoil, name):
    stage = run_audit()
    spoil(stage.folder / name)
    if name == "manifest.json":
        with pytest.raises(StudyError, match=r"manifest\.json is damaged .*; remove it and run its stage again|other"):
            artifacts.begin("02_preprocessing", AUDIT)
    run_audit()
    artifacts.begin("02_preprocessing", AUDIT)


class Bar(list):
    def set_postfix(self, **_):
        pass


def train(folder, fresh_accelerate, *, steps):
    fresh_accelerate(reset_partial_state=True)
    torch.manual_seed(0)
    unet = build_unet(image_size=16, channels=[8, 16], layers_per_block=1, attention_size=0, n_classes=2)
    recipe = training.Recipe(
        steps=steps, batch_size=4, learning_rate=1e-3, learning_rate_schedule="constant", label_dropout=0.1,
        ema_decay=0.9, flip=True, noise_schedule="linear", mixed_precision="no", seed=0,
    )  # fmt: skip
    trainer = training.Trainer(unet, recipe=recipe, folder=folder, device=torch.device("cpu"))
    begun_at = trainer.progress.step
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8), np.arange(8) % 2
    trainer.fit(images, labels, checkpoint_minutes=60, sample_grids=1, bar=lambda steps, **_: Bar(steps))
    return begun_at, torch.cat([p.detach().flatten() for p in trainer.bare_unet.parameters()])


def test_a_damaged_checkpoint_is_named_removed_and_the_training_done_again(output, fresh_accelerate, capsys):
    """Every file of a real one; a changed byte in its weights would otherwise be trained on without a word."""
    stage = artifacts.begin("01_data_audit", AUDIT)
    assert train(stage.folder, fresh_accelerate, steps=10)[0] == 0
    (checkpoint,) = stage.folder.glob("checkpoint_*")
    seals.seal(checkpoint)
    kept = output / "kept"
    shutil.copytree(checkpoint, kept)
    assert train(artifacts.begin("01_data_audit", AUDIT).folder, fresh_accelerate, steps=10)[0] == 10  # undamaged
    names = [path.name for path in kept.iterdir()]
    assert len(names) >= 5
    for name in names:
        for spoil in SPOILT:
            shutil.copytree(kept, checkpoint, dirs_exist_ok=True)
            spoil(checkpoint / name)
            capsys.readouterr()
            artifacts.begin("01_data_audit", AUDIT)
            said = capsys.readouterr().out
            assert said.startswith(f"{checkpoint.name} is damaged ("), (name, spoil)
            assert name in said or name == seals.SEAL
            assert not checkpoint.exists()
    assert train(stage.folder, fresh_accelerate, steps=10)[0] == 0


def test_an_undamaged_checkpoint_is_kept_and_one_with_a_strange_file_is_not(output):
    stage = artifacts.begin("01_data_audit", AUDIT)
    for name in ("good", "more"):
        (stage.folder / name).mkdir()
        (stage.folder / name / "state.bin").write_text("state")
        seals.seal(stage.folder / name)
    (stage.folder / "more" / "custom.pkl").write_text("harm")
    artifacts.begin("01_data_audit", AUDIT)
    assert [path.name for path in stage.folder.iterdir() if path.is_dir()] == ["good"]


@pytest.fixture
def reported(output):
    """The files that a report is written from, but for its figures."""
    folder = paths.report_folder("mine")
    for stage in stages.STAGES:
        path = paths.executed_notebook("mine", stage.notebook)
        path.parent.mkdir(parents=True, exist_ok=True)
        cell = nbformat.v4.new_code_cell("1", execution_count=1)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    (folder / "params.yaml").write_text(yaml.safe_dump(params.resolve("smoke")))
    artifacts.write_json(folder / "metrics.json", {"rca": {"global": 0.5, "ci95": [0.4, 0.6], "chance": 0.1}})
    return folder


@pytest.mark.parametrize(
    "spoil", [truncate, empty, lambda path: path.write_text("[1]"), lambda p: p.write_bytes(b"\xff")]
)
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("metrics.json", "python -m kpop_rca.run 06_rca_analysis --study mine"),
        ("params.yaml", "python -m kpop_rca.run 01_data_audit --study mine"),
        ("notebooks/03_ddpm_training.ipynb", "python -m kpop_rca.run 03_ddpm_training --study mine"),
    ],
)
def test_a_damaged_file_of_the_report_is_named_with_its_command(reported, spoil, name, command):
    if name == "params.yaml" and spoil is truncate:
        pytest.skip("half of a flat YAML file is a flat YAML file")
    spoil(reported / name)
    with pytest.raises(StudyError, match=rf"reports/mine/{name} is damaged; run: {command}"):
        report.build("mine")


def test_metrics_are_named_where_the_answer_is_wanted(reported, capsys):
    assert report.main(["--where", "mine"]) == 0
    truncate(reported / "metrics.json")
    assert report.main(["--where", "mine"]) == 1
    assert "metrics.json is damaged; run: python -m kpop_rca.run 06_rca_analysis" in capsys.readouterr().err


def test_a_notebook_that_was_stopped_or_is_gone_is_named(reported):
    path = reported / "notebooks/05_generation.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["execution_count"] = None
    path.write_text(json.dumps(notebook))
    with pytest.raises(StudyError, match=r"05_generation\.ipynb was not run to its end; run: .* 05_generation"):
        report.build("mine")
    path.unlink()
    with pytest.raises(StudyError, match=r"05_generation\.ipynb is not there; run: .* 05_generation"):
        report.build("mine")
