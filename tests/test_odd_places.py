"""The real commands where nothing is as usual: a clone in an odd path, an odd account, an odd data folder."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from kpop_rca.avatars import dataset
from kpop_rca.study import flat_yaml, params, paths

ODD = 'a b\'s "q" {x} {{y}} $HOME %s #1 \\n é김 [z]* ; &'
COPIED = ("Makefile", "Snakefile", "pyproject.toml", "requirements.lock", "kpop_rca", "notebooks", "params")
PEOPLE = ["Anna {0}", "It's é김"]
SMALL = ("exclude_flags=[]", "max_side=128", "min_face_size=28", "min_face_width=20", "face_sizes=[32]")


def tree(folder):
    """Names, sizes and times of the files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files if ".pyc" not in path.name}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A clone of the project, a place for results, photographs of two people: all in a path of odd names."""
    root = tmp_path_factory.mktemp("odd") / ODD / ("long" * 30)
    clone, output, photographs = root / "clone", root / "out {put}", root / "my {faces}"
    clone.mkdir(parents=True)
    for name in COPIED:
        of = paths.project_root() / name
        copy = shutil.copytree if of.is_dir() else shutil.copy
        copy(of, clone / name, **({"ignore": shutil.ignore_patterns("__pycache__")} if of.is_dir() else {}))
    (clone / ".venv").symlink_to(sys.prefix)
    known = {name.removeprefix("idols_"): v for name, v in params.defaults().items() if name.startswith("idols_")}
    few = {"train_per_identity": 12, "test_per_identity": 4, "hard_per_identity": 0, "group_per_identity": 0}
    dataset.render_dataset(root / "drawn", **known | few | {"size": 128}, seed=0, n_identities=len(PEOPLE))
    drawn = sorted((root / "drawn" / "normal_cases" / "train").iterdir())
    for person, folder in zip(PEOPLE, drawn, strict=True):
        shutil.copytree(folder, photographs / person)
    return clone, output, photographs


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """Variables of an account without a home folder, full of settings for other work, each of which would be felt."""
    home = tmp_path_factory.mktemp("account")
    breaks = 'raise SystemExit("this is not for the study")\n'
    for name in ("py/numpy.py", "start.py", "ipython/profile_default/startup/00.py", "snakemake/default/config.yaml"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(breaks)
    (home / "ipython/profile_default/ipython_kernel_config.py").write_text(breaks)
    (home / "matplotlib").mkdir()
    (home / "matplotlib/matplotlibrc").write_text("figure.facecolor: red\nfont.size: 40\n")
    kernel = home / "jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["false"], "display_name": "other", "language": "python"}))
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON", "XDG_"))}
    return usual | {
        "HOME": "/dev/null/nobody",
        "XDG_CONFIG_HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_CONFIG_DIR": "/dev/null/jupyter",
        "MATPLOTLIBRC": str(home / "matplotlib"),
        "MPLBACKEND": "TkAgg",
        "PYTHONPATH": str(home / "py"),
        "PYTHONSTARTUP": str(home / "start.py"),
        "PYTHONWARNINGS": "error",
        "SNAKEMAKE_PROFILE": "default",
        "BASH_ENV": str(home / "start.py"),
        "SHELL": "/bin/false",
        "LC_ALL": "C",
        "TERM": "dumb",
        "TZ": "Asia/Kathmandu",
        "MAKEFLAGS": "-j4",
        "WORLD_SIZE": "2",
        "RANK": "1",
        "LOCAL_RANK": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def make(places, account):
    """Run `make` in the clone, in a shell that lets nobody else read what it writes."""
    clone, output, _ = places

    def run(*arguments):
        environment = account | {paths.OUTPUT_VARIABLE: str(output), "PYTHONDONTWRITEBYTECODE": "1"}
        command = ["make", "--old-file", ".venv/.complete", *arguments]
        return subprocess.run(
            command, env=environment, cwd=clone, capture_output=True, text=True, errors="replace", umask=0o077
        )

    return run


@pytest.fixture(scope="module")
def audited(places, make):
    """The study file that `make new` wrote, the clone as it was then, and the run of `make audit`."""
    clone, _, photographs = places
    new = make("new", "STUDY=mine", f"DATA_ROOT={str(photographs).replace('$', '$$')}")
    assert new.returncode == 0, new.stderr
    before = tree(clone)
    run = make("audit", "STUDY=mine", f"SET={' '.join(SMALL)}")
    assert run.returncode == 0, (run.stdout + run.stderr)[-5000:]
    return flat_yaml.read(clone / "params" / "mine.yaml", where="mine"), before, run


def test_a_new_study_file_names_the_folder_as_it_is(places, audited):
    assert audited[0]["data_root"] == str(places[2])


def test_the_photographs_are_audited_under_their_names(places, audited):
    _, output, photographs = places
    found = pd.read_parquet(output / "artifacts/mine/audit/detections.parquet")
    assert set(found["identity"]) == set(PEOPLE)
    assert {(photographs / path).is_file() for path in found["path"]} == {True}
    assert (output / "artifacts/mine/faces/manifest.json").is_file()


def test_it_says_where_the_notebooks_are(places, audited):
    executed = [Path(line) for line in audited[2].stdout.splitlines() if line.endswith(".ipynb")]
    assert [path.name for path in executed] == ["01_data_audit.ipynb", "02_preprocessing.ipynb"]
    assert all(path.is_relative_to(places[1]) and path.is_file() for path in executed)
    assert audited[2].stdout.splitlines()[
        -1
    ] == f"to go on: {paths.python()} -m kpop_rca.studies --study mine" + "".join(
        f" --set {shlex.quote(s)}" for s in SMALL
    )


def test_the_account_is_not_seen_in_the_notebooks(places, audited):
    for path in places[1].glob("reports/mine/notebooks/*.ipynb"):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        said = [output.text for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
        assert said == []


def test_only_the_output_folder_is_written(places, audited):
    assert tree(places[0]) == audited[1]
    assert not Path("/dev/null/nobody").exists()


def test_what_was_set_is_recorded(places, audited):
    used = flat_yaml.read(places[1] / "reports/mine/params.yaml", where="used")
    assert (used["max_side"], used["face_sizes"], used["exclude_flags"]) == (128, [32], [])
    assert used["oracle_fraction"] == 0.0  # the file's
    audit = (places[1] / "reports/mine/notebooks/01_data_audit.ipynb").read_text(encoding="utf-8")
    assert "note: this cell has" not in audit  # the kernel, too, knows what the study's values are


def test_the_same_values_in_the_file_or_beside_it_run_nothing(places, audited, make):
    """They are one and the same to the study, the folder of photographs likewise."""
    clone, _, photographs = places
    file = clone / "params" / "mine.yaml"
    known = flat_yaml.read(file, where="mine")
    of_file = known | {"exclude_flags": [], "max_side": 128, "min_face_size": 28, "min_face_width": 20}
    del of_file["data_root"]
    file.write_text(flat_yaml.dumps(of_file | {"face_sizes": [32]}), encoding="utf-8")
    run = make("audit", "STUDY=mine", f"DATA_ROOT={str(photographs).replace('$', '$$')}", "SET=max_side=128")
    assert run.returncode == 0, run.stderr
    assert "01_data_audit:" not in run.stdout + run.stderr
    changed = make("audit", "STUDY=mine", "SET=max_side=1")
    assert changed.returncode != 0
    assert "error: --set: max_side is 1 (int); expected greater than or equal to 96" in changed.stderr
