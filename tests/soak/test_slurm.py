"""On a real Slurm of one node: a scoring in parts, and a member of a sweep beside it.

Needs root, Debian's slurm-wlm and munge, snakemake-executor-plugin-slurm, and the oracle dlib; skipped, with what is
missing, where it cannot run.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_people import people_and_generator

from kpop_rca.study import paths

SCRIPT = Path(__file__).with_name("one_node_slurm.sh")
SYSTEMS = Path("/etc/slurm/slurm.conf")  # where the processes of a job look for it
AUDIT = "artifacts/smoke/audit/manifest.json"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
MODULES = ("snakemake_executor_plugin_slurm", "dlib", "face_recognition_models")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Slurm, started for these tests and stopped after them."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    missing += [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing or os.geteuid() or SYSTEMS.exists():
        pytest.skip(f"needs root, no {SYSTEMS}, and {', '.join(PROGRAMS + MODULES)}; missing: {missing or 'none'}")
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([SCRIPT, "start", folder], check=True)
    SYSTEMS.parent.mkdir(exist_ok=True)
    SYSTEMS.symlink_to(folder / "slurm.conf")
    yield folder
    SYSTEMS.unlink()
    subprocess.run([SCRIPT, "stop", folder], check=True)


def submitted(output, *arguments):
    """Snakemake with Slurm as its executor, which has no accounting to be asked."""
    command = [sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "2", "--slurm-no-account"]
    command += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"]
    environment = os.environ | {
        paths.OUTPUT_VARIABLE: str(output),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.run(
        [*command, *arguments], cwd=paths.project_root(), env=environment, capture_output=True, text=True, timeout=3600
    )


def test_a_scoring_in_parts(slurm, tmp_path):
    real, generated = people_and_generator(tmp_path)
    keep, out = tmp_path / "keep", tmp_path / "out"
    given = [f"real={real}", f"generated=g={generated}", f"keep={keep}", "parts=3", f"out={out}"]
    run = submitted(tmp_path, "-s", "Snakefile.score", "--directory", tmp_path, "--config", *given)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    assert len(list(keep.glob("*.parquet"))) == 3
    assert json.loads((out / "scores.json").read_text())
    assert (slurm / "jobs.log").read_text().count("JobState=COMPLETED") == 4


def test_a_stage_of_a_study(slurm, tmp_path):
    run = submitted(tmp_path, "-s", "Snakefile", AUDIT, "--config", "studies=smoke")
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    assert (tmp_path / AUDIT).is_file()
