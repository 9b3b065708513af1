"""Running the study's graph as a user does, for tests that look at what it made."""

import os
import subprocess
import sys

from kpop_rca.study import paths


def snakemake(output, *arguments, studies, project=None, data_root=None):
    """Run the graph of a copy of the project, the real one by default, into a scratch folder."""
    project = project or paths.project_root()
    command = [sys.executable, "-m", "snakemake", "-s", str(project / "Snakefile"), "--cores", "2", *arguments]
    environment = os.environ | {paths.OUTPUT_VARIABLE: str(output), "PYTHONPATH": str(project)}
    return subprocess.run(
        [*command, "--config", f"studies={studies}", *([f"data_root={data_root}"] if data_root else [])],
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
    )
