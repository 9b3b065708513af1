"""The package as others install it: a wheel in an environment of its own, away from any checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from flit_core.wheel import make_wheel_in

from kpop_rca.scoring import demonstration
from kpop_rca.study import paths

pytest.importorskip("dlib", reason="the extra `embeddings` is not installed")
FOLDERS = "with Hangul 김"


@pytest.fixture(scope="module")
def kpop_rca(tmp_path_factory):
    """Run the command of a fresh environment that has the wheel; what the package needs is lent by this one."""
    place = tmp_path_factory.mktemp("wheel")
    built = make_wheel_in(paths.project_root() / "pyproject.toml", place)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "env"], check=True)
    install = [sys.executable, "-m", "pip", "--quiet", "--python", place / "env", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, built.file], check=True)
    packages = next((place / "env").rglob("site-packages"))
    Path(packages, "lent.pth").write_text(sysconfig.get_path("purelib"))
    scripts = place / "env" / ("Scripts" if os.name == "nt" else "bin")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KPOP_RCA"))}

    def run(*arguments):
        command = [shutil.which("kpop-rca", path=str(scripts)), *map(str, arguments)]
        return subprocess.run(command, cwd=place, env=kept | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)

    run.place, run.packages = place, packages
    return run


@pytest.fixture(scope="module")
def scored(kpop_rca):
    """Two folders of avatars, scored by the installed command."""
    root = kpop_rca.place / FOLDERS
    real, generated, _ = demonstration.prepare(root, seed=0, people=3, photographs=4, images=10, workers=1)
    named = f"it's {{0}}={generated['mixture 0.9']}"
    return kpop_rca("score", "--real", real, "--generated", named, "--out", root / "out"), root


def test_two_folders_are_scored(scored):
    run, root = scored
    assert run.stdout.splitlines()[-1] == f"open {root / 'out' / 'index.html'}", run.stderr
    found = json.loads((root / "out" / "scores.json").read_text())
    assert found["generators"] == ["it's {0}"]
    assert {row["measure"] for row in found["measures"]} >= {"images", "accuracy", "rca", "rank_1"}
    assert "Traceback" not in run.stderr


def test_it_is_the_installed_package_that_ran(kpop_rca):
    code = "import kpop_rca, kpop_rca.cli; print(kpop_rca.__file__)"
    python = kpop_rca.packages.parents[2] / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", code], cwd=kpop_rca.place, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(kpop_rca.packages)


def test_only_the_named_folder_is_written(scored, kpop_rca):
    assert sorted(path.name for path in kpop_rca.place.iterdir() if path.suffix != ".whl") == ["env", FOLDERS]
    assert sorted(path.name for path in (kpop_rca.place / FOLDERS / "out").iterdir()) == [
        "index.html",
        "scores.json",
        "tables",
    ]


def test_a_study_says_what_it_lacks(kpop_rca):
    run = kpop_rca("study")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: study works in a checkout of the project")
