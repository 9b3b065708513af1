"""Studies of small files, made by the stages' own bookkeeping, and spoilt in one way each."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from project_copy import edit, python, write_project
from small_report import write_executed_copy

from kpop_rca import verify
from kpop_rca.study import given, params, paths, stage_run, stages, sweeps

SWEEP = "claims-smoke"
BEHIND_IT = {"06_rca_analysis", "07_rca_validity", "09_image_quality"}  # what reads oracles and generated images


def run(study, stage, content="a", *, runs=None):
    """What a notebook does, with a file in place of its results; that of the sweep with its table of runs."""
    made = stage_run.begin(stage.notebook, params.of_notebook(stage.notebook, params.resolve(study)))
    (made.folder / "made.txt").write_text(content)
    made.save_table(pd.DataFrame({"made": [content]}), f"{stage.notebook[:2]}_made")
    if runs is not None:
        made.save_table(runs, sweeps.RUNS)
    made.finish()
    write_executed_copy(study, stage.notebook)
    return made.folder


@pytest.fixture
def study(output):
    for stage in stages.STAGES:
        run("smoke", stage)
    return output / "artifacts" / "smoke"


def verdicts(capsys, *studies, status=1):
    """The lines of the command, by notebook."""
    capsys.readouterr()  # what the stages printed
    assert verify.main(list(studies)) == status
    lines = capsys.readouterr().out.splitlines()
    return {line.partition(": ")[0].split()[1]: line for line in lines}


def troubled(lines):
    return {name for name, line in lines.items() if ": complete, " not in line}


def mended_by(line):
    return line.rpartition("; run: ")[2]


def test_a_study_in_order_is_said_to_be(study, capsys):
    lines = verdicts(capsys, "smoke", status=0)
    assert list(lines) == [stage.notebook for stage in stages.STAGES]
    assert lines["03_ddpm_training"] == "smoke 03_ddpm_training: complete, 1 files"


def test_all_of_a_study_is_more_than_it_needs(study, capsys):
    """09 has its metrics in full, and 00, 10, 11 and 12 have run."""
    assert verify.main(["smoke", "--notebooks", "all"]) == 1
    lines = {line.split()[1].rstrip(":"): line for line in capsys.readouterr().out.splitlines()}
    given.give()
    further = {"00_score_your_images", "10_face_score", "11_human_ratings", "12_cascaded_diffusion"}
    assert troubled(lines) == {"09_image_quality", *further}
    assert "stale: panel was 'core' and is 'full'; run:" in lines["09_image_quality"]
    assert mended_by(lines["12_cascaded_diffusion"]).endswith("--study smoke --set panel=full")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "made.txt").write_text("b"), "altered: made.txt (other contents)"),
        (lambda f: (f / "made.txt").unlink(), "altered: made.txt (gone)"),
        (lambda f: (f / "more.txt").touch(), "altered: more.txt (not in the manifest)"),
        (lambda f: (f / "manifest.json").unlink(), "missing: begun, not finished"),
        (lambda f: (f / "manifest.json").write_text("{"), "damaged: manifest.json"),
        (lambda f: (f / "manifest.json").write_text("[1]"), "damaged: manifest.json"),
    ],
)
def test_what_is_wrong_with_a_stage_is_said_with_the_command_that_mends_it(study, capsys, spoil, said):
    spoil(study / "generated")
    lines = verdicts(capsys, "smoke")
    command = f"{paths.python()} -m kpop_rca.run 05_generation --study smoke"
    assert lines["05_generation"] == f"smoke 05_generation: {said}; run: {command}"
    assert troubled(lines) == {"05_generation", *BEHIND_IT}
    assert f"stale: generated is {said.partition(':')[0]}; run:" in lines["06_rca_analysis"]
    for name in lines:  # the commands, in the order of the lines
        if name in troubled(lines):
            run("smoke", stages.by_notebook(mended_by(lines[name]).split()[3]))
    verdicts(capsys, "smoke", status=0)


def test_a_stage_that_never_ran(output, capsys):
    lines = verdicts(capsys, "smoke")
    assert (
        lines["01_data_audit"]
        == f"smoke 01_data_audit: missing; run: {paths.python()} -m kpop_rca.run 01_data_audit --study smoke"
    )
    assert troubled(lines) == {stage.notebook for stage in stages.STAGES}


def test_a_changed_study_file_makes_stale_what_reads_the_parameter(study, capsys, monkeypatch):
    resolve = params.resolve
    monkeypatch.setattr(params, "resolve", lambda name: resolve(name) | {"guidance": 3.5, "device": "cuda"})
    before = resolve("smoke")["guidance"]
    lines = verdicts(capsys, "smoke")
    assert f"05_generation: stale: guidance was {before!r} and is 3.5; run:" in lines["05_generation"]
    readers = {s.notebook for s in stages.STAGES if "guidance" in params.declared(s.notebook)}
    assert readers <= troubled(lines) <= {"05_generation", *BEHIND_IT}


def test_a_parameter_that_is_new_is_named(study, capsys):
    path = study / "audit" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["parameters"]["min_face_size"]
    path.write_text(json.dumps(manifest))
    assert "stale: min_face_size was None and is " in verdicts(capsys, "smoke")["01_data_audit"]


def test_an_earlier_stage_that_was_made_again(study, capsys):
    run("smoke", stages.by_folder("oracle"), content="b")
    lines = verdicts(capsys, "smoke")
    assert "stale: made from an earlier oracle; run:" in lines["06_rca_analysis"]
    assert troubled(lines) == BEHIND_IT


# Modules, of which none is a stage's own, and the notebooks that import them, directly or not.
IMPORTED_BY = {
    "results/metrics_json.py": "06 09",
    "oracles/cas.py": "09",
    "validity/mixtures.py": "07",
    "oracles/training.py": "04 06 07 08 09",
    "faces/audit_tables.py": "01",
    "data/identity_folders.py": "01 08 09",
    "diffusion/samplers.py": "03 04 05 06 07 08 09",
    "plots/charts.py": "01 02 03 04 05 06 07 08 09",
    "verify.py": "",
    "benchmarks/collection.py": "",
}
# Edits a module of the copy that it runs in, verifies, and takes the edit back.
VERIFY_EDITED = """
import sys
from pathlib import Path
from kpop_rca import verify
for name in sys.argv[1:]:
    path = Path("kpop_rca") / name
    source = path.read_text()
    path.write_text(source + "\\n\\nADDED = 1\\n")
    print("edited", name, verify.main(["smoke", "claims-smoke"]))
    path.write_text(source)
"""


def told_of_code(said):
    """The notebooks that are said to be stale for their code, by number."""
    return {line.split()[1][:2] for line in said.splitlines() if "the code has changed since" in line}


def test_a_stage_is_stale_whose_notebook_imports_a_module_that_changed(both, project):
    done = python(project, "-c", VERIFY_EDITED, *IMPORTED_BY, output=both)
    found, said = {}, ""
    for line in done.stdout.splitlines(keepends=True):
        if line.startswith("edited "):
            _, name, status = line.split()
            found[name] = told_of_code(said)
            assert int(status) == bool(found[name]), said
        said = "" if line.startswith("edited ") else said + line
    assert found == {name: set(stale.split()) for name, stale in IMPORTED_BY.items()}, done.stderr


def test_the_command_tells_code_from_prose(both, project):
    """In cells and modules; a comment makes nothing stale."""
    cells_of_05, bar = project / "notebooks/05_generation.ipynb", 'unit=\\"batch\\")'
    edit(project / "kpop_rca/plots/charts.py", '"""', '"""Reworded. ')
    edit(project / "kpop_rca/rca/ratio.py", append="\n# A comment.\n")
    edit(cells_of_05, bar, f"{bar}  # as planned")
    done = python(project, "-m", "kpop_rca.verify", "smoke", output=both)
    assert done.returncode == 0, done.stdout
    edit(cells_of_05, 'unit=\\"batch\\"', 'unit=\\"group\\"')
    done = python(project, "-m", "kpop_rca.verify", "smoke", output=both)
    assert told_of_code(done.stdout) == {"05"} and done.returncode == 1


def test_the_manifest_of_another_stage(study, capsys):
    (study / "oracle" / "manifest.json").write_bytes((study / "ddpm" / "manifest.json").read_bytes())
    assert "damaged: manifest.json is that of 03_ddpm_training" in verdicts(capsys, "smoke")["04_oracle_benchmark"]


def test_a_stage_at_work_is_said_to_be(study, capsys):
    stage = stages.by_folder("generated")
    stage_run.begin(stage.notebook, params.of_notebook(stage.notebook, params.resolve("smoke")))
    assert f"missing: process {os.getpid()} on " in verdicts(capsys, "smoke")["05_generation"]


def test_many_files_are_counted(study, capsys):
    for number in range(5):
        (study / "rca" / f"{number}.txt").touch()
    assert "2.txt (not in the manifest) and 2 more; run:" in verdicts(capsys, "smoke")["06_rca_analysis"]


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "project")


@pytest.fixture
def both(study, sweep):
    """A study of one model, and a sweep."""
    return sweep


@pytest.fixture
def sweep(output):
    run(SWEEP, stages.CLAIMS, runs=pd.DataFrame({"study": [f"{SWEEP}-seed0"], "images": ["a"]}))
    return output


def lines_of(capsys, study, status):
    capsys.readouterr()
    assert verify.main([study]) == status
    return capsys.readouterr().out.splitlines()


def test_of_a_sweep_its_one_notebook_is_checked(sweep, capsys):
    assert lines_of(capsys, SWEEP, 0) == [f"{SWEEP} 08_claims: complete, 1 files"]
    (sweep / f"reports/{SWEEP}/tables/08_runs.csv").write_text("nothing\n")
    assert "altered in the report: tables/08_runs.csv (other contents)" in lines_of(capsys, SWEEP, 1)[0]


def test_a_sweep_is_stale_when_any_parameter_of_its_small_studies_is_another(sweep, capsys):
    """The notebook declares a few of them only; the training's steps are none of these."""
    assert "train_steps" not in params.declared(stages.CLAIMS.notebook)
    capsys.readouterr()
    assert verify.main([SWEEP, "--set", "train_steps=13"]) == 1
    assert "the parameters of the small studies have changed" in capsys.readouterr().out


def test_a_small_study_by_itself_ends_at_its_images(output, capsys):
    lines = lines_of(capsys, f"{SWEEP}.guidance=2-seed0", 1)
    assert [line.partition(":")[0].split()[1] for line in lines] == [stage.notebook for stage in stages.OF_SMALL_STUDY]


@pytest.mark.parametrize("name", ["nothing", "quick.guidence=1-seed0", "../quick", "claims.size=32"])
def test_a_mistake_is_one_line(output, capsys, name):
    assert verify.main([name, "nothing-else"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: ") and len(shown.err.splitlines()) == 2


def test_no_study_is_a_mistake_too(output, capsys):
    assert verify.main([""]) == 1
    assert capsys.readouterr().err == "error: no study is named; write STUDY=quick, for example\n"


def test_the_command(output):
    command = [sys.executable, "-m", "kpop_rca.verify", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=paths.project_root())
    assert done.returncode == 1 and done.stderr.startswith("error: there is no study 'nothing'")
