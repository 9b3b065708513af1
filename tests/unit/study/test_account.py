"""What a study's processes take over from the account that they run in."""

import os
import subprocess
import sys

import pytest

from kpop_rca.study import account, paths

OF_OTHERS = {
    "PYTHONPATH": "/x",
    "PYTHONSTARTUP": "/x",
    "PYTHONOPTIMIZE": "2",
    "IPYTHONDIR": "/x",
    "JUPYTER_PATH": "/x",
    "JUPYTER_CONFIG_DIR": "/x",
    "MPLBACKEND": "TkAgg",
    "MPLCONFIGDIR": "/x",
    "MATPLOTLIBRC": "/x",
    "SNAKEMAKE_PROFILE": "x",
    "BASH_ENV": "/x",
    "ACCELERATE_MIXED_PRECISION": "fp16",
    "WORLD_SIZE": "8",
    "RANK": "3",
    "PMI_SIZE": "8",
}
OF_THE_USER = {
    "KPOP_RCA_COMPILE": "off",
    "TORCH_HOME": "/weights",
    "HF_HOME": "/hub",
    "OMP_NUM_THREADS": "3",
    "CUDA_VISIBLE_DEVICES": "1",
    "HTTPS_PROXY": "http://proxy",
    "LC_ALL": "C",
}


@pytest.fixture
def variables(monkeypatch):
    for name, value in (OF_OTHERS | OF_THE_USER).items():
        monkeypatch.setenv(name, value)


def test_what_sets_up_other_work_is_left_out_and_the_rest_stays(variables, tmp_path):
    found = account.environment(tmp_path)
    assert {name: found[name] for name in OF_THE_USER} == OF_THE_USER
    assert {name for name, value in OF_OTHERS.items() if found.get(name) == value} == set()
    assert found["PYTHONPATH"] == str(paths.project_root())
    assert all(found[name].startswith(str(tmp_path)) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"))


@pytest.mark.parametrize("home", ["/dev/null/nobody", "/proc/nobody"])
def test_where_the_home_folder_cannot_be_written_caches_go_to_the_output_folder(output, monkeypatch, tmp_path, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    assert account.environment(tmp_path)["XDG_CACHE_HOME"] == str(output / ".cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert account.environment(tmp_path)["XDG_CACHE_HOME"] == str(tmp_path / "cache")


def test_a_command_runs_apart(variables):
    ask = "import os; print('RANK' in os.environ, os.path.isdir(os.path.dirname(os.environ['IPYTHONDIR'])))"
    command = [sys.executable, "-m", "kpop_rca.study.account", sys.executable, "-c", ask]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=alone, cwd=paths.project_root(), capture_output=True, text=True)
    assert done.stdout == "False True\n"
