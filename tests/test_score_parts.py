"""The graph of a scoring in parts, without running it; `soak/test_slurm.py` runs it."""

import subprocess
import sys
from pathlib import Path

from kpop_rca.study import paths


def planned(folder: Path, **config: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "-s", str(paths.project_root() / "Snakefile.score"), "--dry-run"]
    given = [f"{name}={value}" for name, value in config.items()]
    return subprocess.run([*command, "--config", *given], cwd=folder, capture_output=True, text=True, check=False)


def people(folder: Path, *, count: int) -> Path:
    for name in ("ada", "bo"):
        for number in range(count):
            file = folder / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return folder


def test_every_part_is_a_job_and_the_scores_are_the_last(tmp_path):
    real, gan = people(tmp_path / "my people", count=3), people(tmp_path / "gan", count=2)
    given = {"real": real, "generated": f"gan={gan}", "keep": tmp_path / "keep", "out": tmp_path / "out"}
    run = planned(tmp_path, **given, parts=5)
    assert run.returncode == 0, run.stderr
    counts = {line.split()[0]: line.split()[1] for line in run.stdout.splitlines() if len(line.split()) == 2}
    assert (counts["part"], counts["scores"], counts["total"]) == ("5", "1", "6")
    assert not (tmp_path / "keep").exists()


def test_what_is_missing_is_a_line(tmp_path):
    run = planned(tmp_path, real=tmp_path)
    assert run.returncode and "--config lacks generated and keep and out" in run.stdout + run.stderr
    given = {"real": tmp_path / "nothing", "generated": "gan=g", "keep": "keep", "out": "out"}
    run = planned(tmp_path, **given)
    assert run.returncode and "nothing is not there; name one folder per person" in run.stdout + run.stderr
