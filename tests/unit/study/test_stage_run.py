import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from project_copy import python, write_project

from kpop_rca.errors import StudyError
from kpop_rca.study import manifests, paths, stage_run, stages
from kpop_rca.system import console, files

AUDIT = {"study": "mine", "seed": 0, "min_face_size": 20, "device": "auto"}
FACES = {"study": "mine", "seed": 0, "crop_margin": 0.25}


def run_audit(parameters=AUDIT, content="a"):
    stage = stage_run.begin("01_data_audit", parameters)
    (stage.folder / "found.txt").write_text(content)
    stage.finish()
    return stage


def run_faces(parameters=FACES):
    stage = stage_run.begin("02_preprocessing", parameters)
    (stage.folder / "faces.txt").write_text("f")
    stage.finish()
    return stage


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with files.atomic(path) as temporary:
        temporary.write_text("first")
    with pytest.raises(RuntimeError), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float64("nan")])
def test_json_with_a_number_that_is_none_is_refused_by_its_key_and_leaves_nothing(tmp_path, number):
    content = {"n": 3, "visual": {"line": {"points": [{"n": 4, "frechet": 0.5}, {"n": 8, "frechet": number}]}}}
    with pytest.raises(StudyError, match=r"a\.json was not written: visual\.line\.points\.1\.frechet is (nan|inf);"):
        files.write_json(tmp_path / "a.json", content)
    assert not list(tmp_path.iterdir())


def test_a_stage_that_has_not_run_is_named_with_its_command(output):
    with pytest.raises(
        StudyError, match=r'artifacts/mine/audit .* run: notebook 01_data_audit with study = "mine" in its'
    ):
        stage_run.begin("02_preprocessing", FACES)


def test_artifacts_of_other_parameters_are_refused_and_named(output):
    run_audit()
    with pytest.raises(
        StudyError, match=r"audit is stale: seed was 0 and is 1; set seed to 0 here, or run: notebook 01"
    ):
        stage_run.begin("02_preprocessing", FACES | {"seed": 1})


def test_the_device_may_differ(output):
    run_audit()
    manifests.require("mine", "audit", AUDIT | {"device": "cuda"})


def test_an_earlier_stage_made_anew_makes_later_ones_stale(output):
    run_audit()
    run_faces()
    manifests.require("mine", "faces", FACES)
    run_audit(content="b")
    with pytest.raises(StudyError, match=r"made from an earlier audit; run: notebook 02_preprocessing with"):
        manifests.require("mine", "faces", FACES)


def test_an_earlier_stage_run_again_to_the_same_result_makes_nothing_stale(output):
    run_audit()
    run_faces()
    run_audit()
    manifests.require("mine", "faces", FACES)


def test_half_done_work_is_kept_when_the_same_is_begun_again(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    (stage.folder / "half.txt").write_text("half")
    assert (stage_run.begin("01_data_audit", AUDIT).folder / "half.txt").is_file()
    assert not (stage_run.begin("01_data_audit", AUDIT | {"seed": 1}).folder / "half.txt").exists()


@pytest.fixture
def not_batch(monkeypatch):
    monkeypatch.delenv(console.BATCH, raising=False)


def begin_with_work(parameters, text):
    folder = stage_run.begin("01_data_audit", parameters).folder
    (folder / "half.txt").write_text(text)
    return folder


def test_work_that_does_not_fit_is_set_aside_told_and_taken_up_again(output, capsys, not_batch):
    folder = begin_with_work(AUDIT, "half")
    begin_with_work(AUDIT | {"seed": 1}, "other")
    said = capsys.readouterr().out
    (moved,) = folder.parent.glob("audit.earlier-*")
    assert said.startswith(f"note: artifacts/mine/audit is stale: seed was 0 and is 1; it is set aside as {moved.name}")
    assert said.endswith(f"to free its room: rm -r {moved}\n") and len(said.splitlines()) == 1
    assert (moved / "half.txt").read_text() == "half"
    stage_run.begin("01_data_audit", AUDIT)
    assert (folder / "half.txt").read_text() == "half" and not moved.exists()
    assert f"artifacts/mine/audit goes on with what was set aside as {moved.name}" in capsys.readouterr().out
    (moved,) = folder.parent.glob("audit.earlier-*")
    assert (moved / "half.txt").read_text() == "other"


def test_all_that_was_set_aside_is_kept(output, not_batch):
    for seed in range(4):
        folder = begin_with_work(AUDIT | {"seed": seed}, str(seed))
    kept = [(path / "half.txt").read_text() for path in folder.parent.glob("audit.earlier-*")]
    assert sorted(kept) == ["0", "1", "2"]


def test_what_holds_no_work_is_not_kept(output, capsys, not_batch):
    stage_run.begin("01_data_audit", AUDIT)
    folder = stage_run.begin("01_data_audit", AUDIT | {"seed": 1}).folder
    assert not list(folder.parent.glob("audit.earlier-*")) and capsys.readouterr().out == ""


def test_altered_work_is_set_aside_and_not_taken_up_again(output, not_batch):
    folder = run_audit().folder
    (folder / "found.txt").write_text("b")
    for _ in range(2):
        assert not (stage_run.begin("01_data_audit", AUDIT).folder / "found.txt").exists()
    assert (folder.with_name("audit.earlier-altered") / "found.txt").read_text() == "b"


def test_a_library_of_another_version_goes_on_and_both_are_recorded(output, monkeypatch):
    folder, now = begin_with_work(AUDIT, "half"), manifests.versions()
    monkeypatch.setattr(manifests, "versions", lambda: now | {"torch": "9.9"})
    for _ in range(2):
        stage = stage_run.begin("01_data_audit", AUDIT)
    assert (folder / "half.txt").is_file()
    stage.finish()
    manifest = manifests.read(folder)
    assert manifest["begun_with"] == now and manifest["versions"]["torch"] == "9.9"


# Edits a module of the copy that it runs in, begins the training, says where its checkpoint is, and puts both back.
BEGIN_EDITED = """
import json, sys
from pathlib import Path
from kpop_rca.study import stage_run
CELL = {"study": "mine", "seed": 0}
for notebook in ("01_data_audit", "02_preprocessing"):
    stage_run.begin(notebook, CELL).finish()
checkpoint = stage_run.begin("03_ddpm_training", CELL).folder / "checkpoint_0000010/model.safetensors"
checkpoint.parent.mkdir()
checkpoint.write_text("weights")
for name, old, new in json.loads(sys.argv[1]):
    path = Path("kpop_rca") / name
    source = path.read_text()
    assert old in source, name
    path.write_text(source.replace(old, new, 1))
    stage_run.begin("03_ddpm_training", CELL)
    found = sorted(p.parent.parent.name for p in checkpoint.parent.parent.parent.rglob(checkpoint.name))
    found = [name.partition("earlier-")[0] for name in found]
    path.write_text(source)
    stage_run.begin("03_ddpm_training", CELL)
    print("found", name, checkpoint.is_file(), *found)
"""


def test_a_training_outlives_what_does_not_compute_and_nothing_deletes_it(tmp_path):
    """Real edits of a copy of the package: a font's name, what keeps the books, a comment; then numbers."""
    kept = [
        ("system/fonts.py", "NanumGothic", "Nanum Gothic"),
        ("system/locks.py", "is in use by", "is held by"),
        ("study/stage_run.py", "it is set aside", "it was set aside"),
        ("diffusion/trainer.py", "# fraction of the steps", "# part of the steps"),
        ("diffusion/trainer.py", '"""Training the', '"""The training of the'),
        ("faces/crops.py", "import", "import gc\nimport"),  # which 03 reads the work of, and does not compute with
    ]
    moved = [("diffusion/trainer.py", "WARM_UP = 0.05", "WARM_UP = 0.06")]
    moved += [("diffusion/noise.py", "return ", "return 2 * ")]
    project = write_project(tmp_path / "project")
    done = python(project, "-c", BEGIN_EDITED, json.dumps([*kept, *moved]), output=tmp_path / "output")
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("found ")]
    assert found == [[name, "True", "ddpm"] for name, *_ in kept] + [[name, "True", "ddpm."] for name, *_ in moved], (
        done.stderr
    )


def test_a_stage_that_was_begun_again_is_not_complete(output):
    run_audit()
    stage_run.begin("01_data_audit", AUDIT)
    with pytest.raises(StudyError, match="audit is missing"):
        manifests.require("mine", "audit", AUDIT)


def test_the_manifest_holds_a_hash_of_every_file(output):
    folder = run_audit().folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"] == {"found.txt": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}


def test_a_damaged_manifest_is_named(output):
    folder = run_audit().folder
    (folder / "manifest.json").write_text("{")
    with pytest.raises(StudyError, match="is damaged"):
        manifests.require("mine", "audit", AUDIT)


def test_only_declared_inputs_can_be_read(output):
    run_audit()
    stage = stage_run.begin("02_preprocessing", FACES)
    assert stage.input("audit").name == "audit"
    with pytest.raises(ValueError, match="does not declare"):
        stage.input("oracle")


def test_what_an_earlier_run_saved_and_this_one_did_not_leaves_the_report(output):
    def finished(*names):
        stage = stage_run.begin("01_data_audit", AUDIT)
        for name in names:
            stage.save_table(pd.DataFrame({"n": [1]}), name)
            stage.save_figure(plt.figure(figsize=(1, 1)), name)
        stage.finish()
        plt.close("all")
        return {path.stem for kind in ("figures", "tables") for path in (stage.report / kind).iterdir()}

    assert finished("01_a", "01_b") == {"01_a", "01_b"}
    (paths.report_folder("mine") / "tables" / "02_c.csv").write_text("n\n1\n")  # another stage's
    assert finished("01_b") == {"01_b", "02_c"}


def test_metrics_that_differ_in_seconds_alone_stay_as_they_are(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    path = stage.report / "metrics.json"
    stage.save_metrics({"rca": 0.7, "seconds": {"a": 1.0}, "seconds_together": 1.0})
    stage.save_metrics({"rca": 0.7, "seconds": {"a": 2.0}, "seconds_together": 2.0})
    assert json.loads(path.read_text())["seconds_together"] == 1.0
    stage.save_metrics({"rca": 0.8, "seconds": {"a": 3.0}, "seconds_together": 3.0})
    assert json.loads(path.read_text())["seconds_together"] == 3.0
    path.write_text("{")
    stage.save_metrics({"rca": 0.8})
    assert json.loads(path.read_text()) == {"rca": 0.8}


def test_tables_that_differ_in_seconds_alone_stay_as_they_are(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    path = stage.report / "tables" / "01_a.csv"
    for loss, seconds in ((0.1, 1.0), (0.1, 2.0)):
        stage.save_table(pd.DataFrame({"loss": [loss], "seconds": [seconds]}), "01_a")
        assert path.read_text() == "loss,seconds\n0.1,1.0\n"
    stage.save_table(pd.DataFrame({"loss": [0.2], "seconds": [3.0]}), "01_a")
    assert path.read_text() == "loss,seconds\n0.2,3.0\n"
    path.write_text("")
    stage.save_table(pd.DataFrame({"loss": [0.2], "seconds": [4.0]}), "01_a")
    assert path.read_text() == "loss,seconds\n0.2,4.0\n"
    stage.finish()
    assert path.is_file()


def test_seconds_that_are_measured_are_saved(output):
    stage = stage_run.begin("90_benchmarks", {"study": "mine"})
    for seconds in (1.0, 2.0):
        stage.save_table(pd.DataFrame({"seconds": [seconds]}), "90_a")
    assert (stage.report / "tables" / "90_a.csv").read_text() == "seconds\n2.0\n"


def test_tables_keep_a_named_index_and_drop_a_plain_one(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    stage.save_table(pd.DataFrame({"n": [1]}), "plain")
    stage.save_table(pd.DataFrame({"n": [1]}, index=pd.Index(["a"], name="who")), "named")
    assert (stage.report / "tables" / "plain.csv").read_text() == "n\n1\n"
    assert (stage.report / "tables" / "named.csv").read_text() == "who,n\na,1\n"


@pytest.mark.parametrize(
    ("alter", "how"),
    [
        (lambda folder: (folder / "found.txt").write_text("b"), r"found\.txt \(other contents\)"),
        (lambda folder: (folder / "found.txt").unlink(), r"found\.txt \(gone\)"),
        (lambda folder: (folder / "more.txt").write_text("b"), r"more\.txt \(not in the manifest\)"),
    ],
)
def test_altered_artifacts_are_not_read_and_the_named_command_makes_them_anew(output, alter, how):
    folder = run_audit().folder
    alter(folder)
    with pytest.raises(StudyError, match=rf"artifacts/mine/audit is altered: {how}; run: notebook 01_data_audit with"):
        stage_run.begin("02_preprocessing", FACES)
    stage = stage_run.begin("01_data_audit", AUDIT)
    assert {p.name: p.read_text() for p in stage.folder.glob("*.txt")} in ({}, {"found.txt": "a"})
    run_audit()
    stage_run.begin("02_preprocessing", FACES)


def test_a_strange_file_costs_no_finished_work(output):
    folder = run_audit().folder
    (folder / "notes.txt").write_text("mine")
    stage_run.begin("01_data_audit", AUDIT)
    assert (folder / "found.txt").is_file() and not (folder / "notes.txt").exists()


def test_hidden_files_are_no_results(output):
    folder = run_audit().folder
    (folder / ".DS_Store").write_text("x")
    (folder / ".parts").mkdir()
    (folder / ".parts" / "half").write_text("x")
    stage_run.begin("02_preprocessing", FACES)
    assert manifests.differences(folder, stages.by_folder("audit"), AUDIT, parts=["files"]) == []


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"stage": "01_data_audit"}', "\udcff"])
def test_what_is_no_manifest_is_named_and_made_anew(output, content):
    folder = run_audit().folder
    (folder / "manifest.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(
        StudyError, match=r'audit is damaged: manifest\.json; run: notebook 01_data_audit with study = "mine"'
    ):
        manifests.require("mine", "audit", AUDIT)
    (folder / "started.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    assert not (stage_run.begin("01_data_audit", AUDIT).folder / "found.txt").exists()


def test_a_manifest_of_an_earlier_version_is_named_before_a_notebook_reads_it(output):
    path = run_audit().folder / "manifest.json"
    manifest = files.read_json(path)
    del manifest["began"]
    files.write_json(path, manifest)
    with pytest.raises(StudyError, match=r"is damaged: manifest\.json; run: notebook 01_data_audit"):
        manifests.require("mine", "audit", AUDIT)
