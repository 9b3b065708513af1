"""What a failed run leaves, what `make study` mends, and commands in messages: each is executed as it stands.

In a copy of the project whose first three notebooks do next to nothing: real kernels, real commands.
"""

import json
import shlex
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from project_copy import environment, python, write_project
from small_report import write_executed_copy

from kpop_rca.errors import StudyError
from kpop_rca.study import given, manifests, params, paths, stage_run, stages
from kpop_rca.system import files

WORK = """
import os
from kpop_rca.study import params, stage_run
assert os.environ.get("FAILS") != "before"
stage = stage_run.begin("{notebook}", params.collect(globals()))
(stage.folder / "made.txt").write_text("made")
stage.finish()
assert os.environ.get("FAILS") != "after"
"""
FOLDER = "it's my faces"  # of photographs; quoted, or no command


def write_small_notebook(project, stage):
    """The notebook's parameters, and a cell that makes a file."""
    path = project / "notebooks" / f"{stage.notebook}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    notebook.cells = [*cells, nbformat.v4.new_code_cell(WORK.format(notebook=stage.notebook))]
    nbformat.write(notebook, path)


@pytest.fixture
def project(tmp_path, output):
    copy = write_project(tmp_path / "project")
    for stage in stages.STAGES[:3]:
        write_small_notebook(copy, stage)
    (copy / "params/mine.yaml").write_text("data_source: folder\nn_identities: 0\n")
    (copy / FOLDER).mkdir()
    return copy


def run(project, output, *arguments, **variables):
    command = [sys.executable, "-m", "kpop_rca.run", *arguments]
    return subprocess.run(
        command, env=environment(project, output) | variables, cwd=project, capture_output=True, text=True
    )


def test_a_run_that_fails_leaves_the_notebook_of_the_run_before_as_it_is(project, output):
    """Before its stage begins; once it has begun, that notebook shows no results that are there any more."""
    reports, manifest = output / "reports/smoke/notebooks", output / "artifacts/smoke/audit/manifest.json"
    executed, partial = reports / "01_data_audit.ipynb", reports / "01_data_audit.partial.ipynb"
    done = run(project, output, "01", "--study", "smoke")
    assert done.returncode == 0, done.stderr
    before = executed.read_bytes()
    done = run(project, output, "01", "--study", "smoke", FAILS="before")
    assert done.returncode == 1 and f"What had run is kept in {partial}" in done.stderr
    assert executed.read_bytes() == before and manifest.is_file() and '"error"' in partial.read_text()
    done = run(project, output, "01", "--study", "smoke", FAILS="after")
    assert done.returncode == 1
    assert not executed.exists() and manifest.is_file()  # what it made is whole, the notebook is not
    assert (output / "artifacts/smoke/audit/made.txt").is_file()


def said_command(text):
    """The command that a message ends with."""
    return text.strip().splitlines()[-1].rpartition("; run: ")[2]


def shell(project, output, command):
    return subprocess.run(
        ["sh", "-c", command], env=environment(project, output), cwd=project, capture_output=True, text=True
    )


def test_the_command_that_a_message_names_works_for_the_study(project, output):
    """One whose data folder was given on the command line, with a name that a shell must be told in quotes."""
    told = ["--data-root", FOLDER]
    done = run(project, output, "02", "--study", "mine", *told)
    command = said_command(done.stderr)
    assert "artifacts/mine/audit is missing" in done.stderr and command.endswith(shlex.quote(f"data_root={FOLDER}"))
    done = shell(project, output, command)
    assert done.returncode == 0, done.stderr
    audit = output / "artifacts/mine/audit"
    assert json.loads((audit / "started.json").read_text())["parameters"]["data_root"] == FOLDER
    (audit / "made.txt").write_text("altered")
    done = python(project, "-m", "kpop_rca.verify", "mine", output=output)  # which is not told the folder again
    command = said_command(done.stdout.splitlines()[0])
    assert "altered: made.txt" in done.stdout
    done = shell(project, output, command)
    assert done.returncode == 0, done.stderr
    assert json.loads((audit / "started.json").read_text())["parameters"]["data_root"] == FOLDER
    assert (audit / "made.txt").read_text() == "made"


def test_a_study_of_cells_alone_and_colab_are_told_which_notebook_to_run(output, monkeypatch):
    cell = {"study": "mine", "seed": 0}
    said = 'run: notebook 01_data_audit with study = "mine" in its parameters cell'
    with pytest.raises(StudyError, match=f"artifacts/mine/audit is missing; {said}"):
        stage_run.begin("02_preprocessing", cell)
    stage_run.begin("01_data_audit", cell).finish()
    with pytest.raises(StudyError, match="seed was 0 and is 1; set seed to 0 here, or run: notebook 01_data"):
        stage_run.begin("02_preprocessing", cell | {"seed": 1})
    audit = stages.by_folder("audit")
    assert manifests.command("smoke", audit) == f"{paths.python()} -m kpop_rca.run 01_data_audit --study smoke"
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    assert manifests.command("smoke", audit).startswith('notebook 01_data_audit with study = "smoke"')


def test_a_python_that_lies_elsewhere_is_named_so_that_a_shell_finds_it(monkeypatch, tmp_path):
    elsewhere = tmp_path / "my env"
    elsewhere.mkdir()
    for name in ("python", "python3"):
        (elsewhere / name).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(elsewhere / "python3"))
    assert paths.python() == shlex.quote(str(elsewhere / "python3"))


def test_a_command_is_told_the_data_folder_of_the_audit(output):
    audit = stages.by_folder("audit")
    given.give(["data_root=my faces"])
    stage_run.begin("01_data_audit", params.of_notebook("01_data_audit", params.resolve("lfw10-quick")))
    given.give()
    assert manifests.command("lfw10-quick", audit).endswith("--study lfw10-quick --set 'data_root=my faces'")


def withdrawn(stage):
    return manifests.withdraw("smoke", stage, params.of_notebook(stage.notebook, params.resolve("smoke")))


@pytest.fixture
def complete(output):
    """`smoke` with a table of each stage; its stages did nothing else."""
    for stage in stages.STAGES:
        made = stage_run.begin(stage.notebook, params.of_notebook(stage.notebook, params.resolve("smoke")))
        (made.folder / "made.txt").write_text("made")
        made.save_table(pd.DataFrame({"a": [1]}), f"{stage.notebook[:2]}_a")
        made.finish()
        write_executed_copy("smoke", stage.notebook)
    return output


def stopped(path):
    """As papermill leaves a notebook in which a cell failed."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[-1].execution_count = None
    nbformat.write(notebook, path)


SPOILT = {"gone": lambda path: path.unlink(), "other contents": lambda path: path.write_text("1")}


@pytest.mark.parametrize("name", ["notebooks/05_generation.ipynb", "tables/05_a.csv"])
@pytest.mark.parametrize(("how", "spoil"), SPOILT.items())
def test_what_a_stage_left_in_the_report_and_is_not_whole_takes_its_manifest_back(complete, name, how, spoil):
    stage, folder = stages.by_folder("generated"), complete / "artifacts/smoke/generated"
    assert withdrawn(stage) is None
    spoil(complete / "reports/smoke" / name)
    assert withdrawn(stage) == f"smoke 05_generation is made again, altered in the report: {name} ({how})"
    assert not (folder / "manifest.json").exists() and (folder / "made.txt").is_file()
    assert withdrawn(stage) is None


def test_a_run_records_what_its_notebook_shows(project, output):
    done = run(project, output, "01", "--study", "smoke")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((output / "artifacts/smoke/audit/manifest.json").read_text())
    name = "notebooks/01_data_audit.ipynb"
    assert manifest["report"] == {name: files.sha256(output / "reports/smoke" / name)}


def test_a_drawn_corpus_that_is_not_as_it_was_takes_the_audit_back(complete, tmp_path):
    stage, values = stages.by_folder("audit"), params.of_notebook("01_data_audit", params.resolve("smoke"))
    drawn = tmp_path / "drawn/one/1.png"
    drawn.parent.mkdir(parents=True)
    drawn.write_bytes(b"1")
    made = stage_run.begin(stage.notebook, values)
    files.write_json(made.folder / "source.json", {"root": str(tmp_path / "drawn"), "source": "idols"})
    made.finish()
    write_executed_copy("smoke", stage.notebook)
    assert withdrawn(stage) is None
    drawn.write_bytes(b"2")
    assert withdrawn(stage).startswith("smoke 01_data_audit is made again, stale: the photographs have changed (")
    assert not (made.folder / "manifest.json").exists()


def test_a_stage_that_is_at_work_is_left_alone(complete):
    stage = stages.by_folder("generated")
    (complete / "reports/smoke/notebooks/05_generation.ipynb").unlink()
    takes = "manifests.take_stage('smoke', stages.by_folder('generated')); print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", f"import sys; from kpop_rca.study import manifests, stages; {takes}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert withdrawn(stage) is None
    assert withdrawn(stage)


def test_a_page_that_is_not_as_it_was_written_takes_the_report_back(complete):
    folder = complete / "reports/smoke"
    (folder / "index.html").write_text("page")
    assert manifests.withdraw("smoke", None, {}) is None  # nothing says what it should be
    hashes = {"index.html": "another"}
    files.write_json(paths.report_record("smoke"), {"inputs": {}, "files": hashes, "code": {}})
    said = "smoke the report is made again, altered: index.html (other contents)"
    assert manifests.withdraw("smoke", None, {}) == said
    assert not (folder / "index.html").exists()


def test_the_graph_makes_again_what_is_not_whole(complete):
    """The next `make study` does: Snakemake, asked what it would run."""
    stopped(complete / "reports/smoke/notebooks/05_generation.ipynb")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--config", "studies=smoke"]
    root = paths.project_root()
    done = subprocess.run(command, env=environment(root, complete), cwd=root, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert (
        "note: smoke 05_generation is made again, altered in the report: notebooks/05_generation.ipynb (other" in said
    )
    planned = [stage.notebook[:2] for stage in stages.STAGES if f"rule notebook_{stage.notebook}:" in said]
    assert planned == ["05", "06", "07", "09"], said
