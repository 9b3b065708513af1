"""The whole graph at its smallest size: it runs, its answer has the promised form, and only what changed runs again."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from graph import snakemake
from reasons import without_reason

from kpop_rca.study import paths, stages
from kpop_rca.system import files

RULES = [f"notebook_{stage.notebook}" for stage in stages.STAGES] + ["report"]
METRICS = {
    "study", "seed", "image_size", "classes", "data", "oracles", "headline_oracle", "real", "generated", "rca",
    "visual", "paper", "seconds", "versions", "device", "confusion_corrected_accuracy", "over_oracles", "collapse",
    "cas", "trainings", "within_groups", "memorisation", "seconds_together", "assumption",
}  # fmt: skip


def planned(output, project=None, cores=2):
    """Names of the rules that another run would execute."""
    run = snakemake(output, "--dry-run", "--cores", str(cores), studies="smoke", project=project)
    assert run.returncode == 0, run.stderr
    return [name for name in RULES if f"rule {name}:" in run.stdout + run.stderr]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    output = tmp_path_factory.mktemp("smoke")
    run = snakemake(output, studies="smoke")
    assert run.returncode == 0, run.stderr[-20_000:]
    return output


def test_the_answer_has_the_promised_form(smoke):
    metrics = json.loads((smoke / "reports/smoke/metrics.json").read_text())
    assert set(metrics) == METRICS
    assert list(metrics["seconds"]) == [s.notebook for s in stages.STAGES if s.folder != "validity"]
    assert list(without_reason(metrics)) == []
    low, high = metrics["rca"]["ci95"]
    assert low <= metrics["rca"]["global"] <= high
    assert metrics["generated"]["n"] == 4 * 12
    assert metrics["trainings"]["n"] == len(metrics["trainings"]["rca"]) == 2
    assert len(metrics["rca"]["per_class"]) == len(metrics["classes"]) == 4
    assert max(metrics["seconds"].values()) < metrics["seconds_together"] <= sum(metrics["seconds"].values()) + 0.1


def test_notebooks_have_all_cores_and_follow_each_other(smoke):
    """Two that share the cores take longer than one after the other: each is given half of them, even while alone."""
    folders = [stage.folder for stage in stages.STAGES]
    made = [json.loads((smoke / f"artifacts/smoke/{folder}/manifest.json").read_text()) for folder in folders]
    times = sorted((manifest["began"], manifest["began"] + manifest["seconds"]) for manifest in made)
    assert all(ended <= began + 0.2 for (_, ended), (began, _) in itertools.pairwise(times))


def test_what_could_not_be_computed_says_why(smoke):
    visual = json.loads((smoke / "reports/smoke/metrics.json").read_text())["visual"]
    for name in ("fid", "is", "lpips_diversity"):
        value = visual[name].get("value", visual[name].get("mean"))
        assert value is not None or visual[name]["why"]


def test_the_report_needs_no_other_file(smoke):
    page = (smoke / "reports/smoke/index.html").read_text()
    assert "Does the model show the identity that was requested?" in page
    assert 'src="http' not in page
    for stage in stages.STAGES:
        assert (smoke / f"reports/smoke/{stage.notebook}.html").is_file()
        assert f'href="{stage.notebook}.html"' in page


def test_nothing_changed_runs_nothing(smoke):
    assert planned(smoke) == []


def test_other_cores_are_no_reason_to_run_again(smoke):
    assert planned(smoke, cores=1) == planned(smoke, cores=8) == []


def test_the_first_label_given_by_hand_runs_the_study_again(smoke):
    labels = smoke / "data" / "hand_labels" / "smoke.csv"  # where the labelling page writes without a parameter
    labels.parent.mkdir()
    labels.write_text("path,label\nnormal_cases/train/0000/8.jpg,wrong_person\n")
    assert planned(smoke) == RULES
    shutil.rmtree(labels.parent)
    assert planned(smoke) == []


@pytest.fixture
def project(tmp_path):
    """A copy of the project that a test may change."""
    left_behind = shutil.ignore_patterns(".*", "artifacts", "data", "reports")
    copy = tmp_path / "project"
    shutil.copytree(paths.project_root(), copy, ignore=left_behind)
    # the package's own folder of data sources shares its name with the one left behind
    shutil.copytree(paths.project_root() / "kpop_rca/data", copy / "kpop_rca/data")
    return copy


def test_an_untouched_copy_reruns_nothing(smoke, project):
    assert planned(smoke, project) == []


def test_a_changed_parameter_of_05_reruns_05_and_what_follows(smoke, project):
    study = project / "params/smoke.yaml"
    study.write_text(study.read_text().replace("sampling_steps: 4", "sampling_steps: 5"))
    assert planned(smoke, project) == RULES[4:]


def test_a_changed_module_reruns_the_notebooks_that_import_it(smoke, project):
    module = project / "kpop_rca/oracles/training.py"
    module.write_text(module.read_text() + "\n\nADDED = 1\n")
    assert planned(smoke, project) == [RULES[3], *RULES[5:]]


def test_a_generator_that_has_collapsed_is_measured(smoke, tmp_path):
    """06 and 09 on images that are all alike: no number breaks them."""
    output = tmp_path / "output"
    shutil.copytree(smoke, output)
    for folder in ("rca", "quality"):
        shutil.rmtree(output / "artifacts/smoke" / folder)
    (output / "reports/smoke/metrics.json").unlink()
    figures = [root / "reports/smoke/figures" for root in (output, smoke)]
    shutil.rmtree(figures[0])
    replaced(output / "artifacts/smoke/generated", np.zeros_like)
    for notebook in ("06", "09"):
        run = subprocess.run(
            [sys.executable, "-m", "kpop_rca.run", notebook, "--study", "smoke"],
            env=os.environ | {paths.OUTPUT_VARIABLE: str(output)},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
    report = output / "reports/smoke"
    metrics = json.loads((report / "metrics.json").read_text())
    assert list(without_reason(metrics)) == []
    spread, line = (metrics["visual"][f"oracle_{name}"] for name in ("feature_diversity", "frechet_infinity"))
    assert (spread["ci95"], [row["ci95"] for row in spread["per_class"]]) == (None, [None] * 4)
    assert "all alike" in spread["ci95_why"] and line["r_squared"] is None
    for table in (report / "tables").glob("0[69]_*.csv"):
        assert not re.search(r"(^|,)-?(inf|nan)(,|$)", table.read_text(), re.M), table.name
    drawn, of_smoke = ({path.name for path in folder.glob("0[69]_*.png")} for folder in figures)
    assert drawn >= of_smoke


def test_a_study_that_starts_from_published_weights_generates_what_its_training_would(smoke, tmp_path):
    """Up to the rounding of the weights; and the notebook says that nothing was trained."""
    output, weights = tmp_path / "output", tmp_path / "weights"
    shutil.copytree(smoke, output)
    before = {path.name: np.load(path) for path in (output / "artifacts/smoke/generated").glob("*.npy")}

    def run(*words):
        command, environment = [sys.executable, "-m", *words], os.environ | {paths.OUTPUT_VARIABLE: str(output)}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr

    run("kpop_rca.publish", "--study", "smoke", "--out", str(weights))
    for notebook in ("03", "05"):
        run("kpop_rca.run", notebook, "--study", "smoke", "--set", "trainings=1", "--set", f"weights={weights}")
    for name, images in before.items():
        again = np.load(output / "artifacts/smoke/generated" / name)[:6]  # the first of two trainings made these
        assert np.abs(images[:6].astype(int) - again).mean() < 2
    text = (output / "reports/smoke/notebooks/03_ddpm_training.ipynb").read_text()
    assert "Nothing is trained here" in text
    assert "Its training faces are those above" in text


def replaced(folder, change):
    """Change the generated images of a study, as if the generator had made them: the manifest holds their checksums."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for path in sorted(folder.glob("identity_*.npy")):
        np.save(path, change(np.load(path)))
        manifest["files"][path.name] = files.sha256(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_changed_code_cell_reruns_and_changed_prose_does_not(smoke, project):
    path = project / "notebooks/05_generation.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source += "\nOne word more."
    nbformat.write(notebook, path)
    assert planned(smoke, project) == []
    next(cell for cell in notebook.cells if "stage.finish()" in cell.source).source += "\nprint('done')"
    nbformat.write(notebook, path)
    assert planned(smoke, project) == RULES[4:]


def test_a_failing_cell_is_named_and_the_partial_notebook_kept(smoke, project, tmp_path):
    path = project / "notebooks/02_preprocessing.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if "crop_faces" in cell.source).source = "1 / 0"
    nbformat.write(notebook, path)
    output = tmp_path / "output"
    shutil.copytree(smoke, output)
    run = subprocess.run(
        [sys.executable, "-m", "kpop_rca.run", "02", "--study", "smoke"],
        env=os.environ | {paths.OUTPUT_VARIABLE: str(output), "PYTHONPATH": str(project)},
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "(1 / 0) failed: ZeroDivisionError" in run.stderr
    assert "Traceback" not in run.stderr
    kept = nbformat.read(output / "reports/smoke/notebooks/02_preprocessing.partial.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in kept.cells if c.cell_type == "code" for o in c.outputs)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["02", "--study", "smokey"], "there is no study 'smokey'"),
        (["99", "--study", "smoke"], "there is no notebook '99'"),
        (["02", "--study", "smoke-seed9"], f"run: {paths.python()} -m kpop_rca.run 01_data_audit --study smoke-seed9"),
        (["01", "--study", "lfw10-quick", "--data-root", "nowhere"], "data_root 'nowhere' is no folder"),
    ],
)
def test_a_users_mistake_gets_one_readable_error(tmp_path, arguments, expected):
    run = subprocess.run(
        [sys.executable, "-m", "kpop_rca.run", *arguments],
        env=os.environ | {paths.OUTPUT_VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert expected in run.stderr
    assert "Traceback" not in run.stderr


def test_a_cascade_goes_on_from_a_finished_study(smoke):
    """The last test, since the report of the study would be written again."""
    command = [sys.executable, "-m", "kpop_rca.run", "12", "--study", "smoke"]
    environment = os.environ | {paths.OUTPUT_VARIABLE: str(smoke), "PYTHONPATH": str(paths.project_root())}
    run = subprocess.run(command, env=environment, cwd=paths.project_root(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-20_000:]
    found = json.loads((smoke / "artifacts/smoke/cascade/cascade.json").read_text())
    assert found["verdict"] in ("rises", "falls", "no effect", "inconclusive")
    assert {row["level"] for row in found["levels"]} == {0.0, 0.6}
    assert {row["faces"] for row in found["label"]} == {"real", "generated"}
    assert all(row["lpips"] is not None for row in found["fidelity"]) or found["missing"]["lpips"]
