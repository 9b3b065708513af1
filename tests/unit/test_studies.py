"""How whole studies are handed to Snakemake, and what is said where they cannot be."""

import os
import subprocess
import sys

import pytest
from snakemake.cli import parse_config

from kpop_rca import studies
from kpop_rca.study import given, params, paths
from kpop_rca.system import locks


@pytest.fixture(autouse=True)
def nothing_given():
    yield
    given.give()


@pytest.mark.parametrize("folder", ["../faces", "12", "null", "True", "'/a b' \"q\" {x} $ \\ é김, [1]: #", "'x'"])
def test_snakemake_reads_what_was_given(folder):
    """Snakemake takes a bare value for a number, a truth value or YAML where it looks like one, and strips quotes."""
    settings = ["look_alike_groups=0,1|2,3", "guidance=1.0", "oracles=[resnet10, resnet18]", "hand_labels='it''s'"]
    given.give([f"data_root={folder}", *settings])
    command = studies.command(["1", "smoke-seed0"])
    read = parse_config(command[command.index("--config") + 1 :])
    assert read == {"studies": ["1", "smoke-seed0"], "set": [f"data_root={folder}", *settings]}


def test_the_graph_takes_braces_for_text_and_passes_on_what_was_given(output, tmp_path):
    """As a user calls Snakemake; a rule's parameter would be searched for wildcards."""
    folder = tmp_path / "{x} {params.y}"
    folder.mkdir()
    config = ["studies=lfw10-quick", f"data_root={folder}", "set=train_steps=5 look_alike_groups="]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "--cores", "1", "--config", *config]
    environment = os.environ | {"PYTHONPATH": str(paths.project_root())}
    done = subprocess.run(command, env=environment, cwd=paths.project_root(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = f"--study lfw10-quick --set 'data_root={folder}' --set train_steps=5 --set look_alike_groups="
    assert f"{sys.executable} -m kpop_rca.run 03_ddpm_training {told}" in done.stdout + done.stderr


def test_an_audit_asks_for_the_stages_of_the_photographs_alone():
    command = studies.command(["smoke"], only_data=True)
    wanted = [word for word in command if word.startswith("artifacts/")]
    assert wanted == ["artifacts/smoke/audit/manifest.json", "artifacts/smoke/faces/manifest.json"]
    assert "all" in studies.command(["smoke"])


def test_further_notebooks_are_asked_for_beside_all(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(studies, "run", lambda command: seen.append(command) or 0)
    studies.main(["--study", "smoke,claims-smoke,koin10-64", "--data-root", str(tmp_path), "--notebooks", "all"])
    studies.main(["--study", "smoke"])
    further = ("scores", "face_score", "ratings")
    places = [*(f"smoke/{stage}" for stage in (*further, "cascade")), *(f"koin10-64/{stage}" for stage in further)]
    of_all = [f"artifacts/{place}/manifest.json" for place in places]
    wanted = [[word for word in command if word.startswith("artifacts/")] for command in seen]
    assert wanted == [of_all, []]
    assert all("all" in command for command in seen)
    given_to = [[word for word in command if word.startswith("set=")] for command in seen]
    assert given_to == [[f'set=["data_root={tmp_path}", "panel=full"]'], ["set=[]"]]


def test_who_names_the_panel_is_heard_with_all_notebooks_too():
    given.give(["panel=core"], notebooks="all")
    assert given.settings() == ["panel=core"]


@pytest.fixture
def study_file(tmp_path, monkeypatch):
    """The file of a study `mine`."""
    usual, file = paths.study_file, tmp_path / "mine.yaml"
    monkeypatch.setattr(paths, "study_file", lambda study: file if study == "mine" else usual(study))
    return file


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        ("train_step: 3\n", [], "params/mine.yaml: no notebook declares the parameter 'train_step'; did you mean"),
        ("train_steps: x\n", [], "params/mine.yaml: train_steps is 'x' (str); expected integer"),
        ("a: [\n", [], "params/mine.yaml: not readable as YAML"),
        ("data_source: folder\n", [], "data_source is folder, but data_root names none"),
        ("data_source: folder\n", ["--data-root=/no {where}"], "data_root '/no {where}' is no folder"),
        ("weights: nowhere\n", [], "weights is 'nowhere', which is no folder; set weights to '' to train"),
        ("{}\n", ["--settings=train_steps=x"], "--set: train_steps is 'x' (str); expected integer"),
        ("{}\n", ["--seeds=a"], "seeds are whole numbers with commas between them, such as 0,1; 'a' is none"),
        ("sweep_seeds: 1\nsweep_guidance: [0.0]\n", [], "sweep_guidance is [0.0]; expected [] or two levels or more"),
    ],
)
def test_a_wrong_study_is_one_line_and_nothing_was_said_above(study_file, output, capsys, content, arguments, expected):
    study_file.write_text(content)
    assert studies.main(["--study", "mine", *arguments]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
    assert expected in said
    assert not (output / ".snakemake").exists()


def test_a_study_at_work_is_not_run_twice(output, capsys):
    """By whom it is in use is said in one line, before Snakemake finds the lock taken."""
    lock = paths.artifacts_folder("smoke") / ".lock"
    holds = "import sys, pathlib, time; from kpop_rca.system import locks; "
    holds += "locks.take(pathlib.Path(sys.argv[1]), what='', then=''); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holds, str(lock)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert studies.main(["--study", "smoke"]) == 1
        other.kill()
    assert f"error: the study smoke is in use by process {other.pid} on " in capsys.readouterr().err
    assert locks.holder(lock) is None


def test_a_relative_output_folder_is_one_place_wherever_a_process_works(monkeypatch, tmp_path):
    """A kernel works in notebooks/, Snakemake in the output folder."""
    monkeypatch.setenv(paths.OUTPUT_VARIABLE, "results/of mine")
    found = set()
    for place in (paths.project_root(), paths.project_root() / "notebooks", tmp_path):
        monkeypatch.chdir(place)
        found.add(paths.output_root())
    assert found == {paths.project_root() / "results/of mine"}


def test_the_exit_status_is_snakemakes_and_its_environment_apart(output, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/other/work")
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    checks = "import os, sys; from kpop_rca.study import paths; sys.exit(7 if os.getcwd() == sys.argv[1] and "
    checks += "'SNAKEMAKE_PROFILE' not in os.environ and os.environ['PYTHONPATH'] == str(paths.project_root()) else 1)"
    assert studies.run([sys.executable, "-c", checks, str(output)]) == 7
    assert os.environ["PYTHONPATH"] == "/of/other/work"


def test_studies_are_resolved_with_their_seeds():
    found = studies.resolved("quick", "0,1")
    assert list(found) == ["quick-seed0", "quick-seed1"]
    assert found["quick-seed1"] == params.resolve("quick-seed1")
