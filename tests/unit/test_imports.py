"""What a process loads, which is most of the time that a small study takes; seen in fresh interpreters."""

import subprocess
import sys

import pytest

from kpop_rca.study import paths

SLOW = {"torch", "pandas", "matplotlib", "scipy", "IPython", "diffusers"}


def loaded_by(line):
    """The packages that a fresh interpreter has loaded after one line of Python."""
    code = f"{line}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.project_root(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["run", "study.manifests", "study.fingerprint", "study.params", "study.sweeps"])
def test_what_starts_notebooks_loads_nothing_that_results_are_made_with(module):
    assert not loaded_by(f"import kpop_rca.{module}") & SLOW


@pytest.mark.parametrize(
    "module", ["study.stage_run", "faces.crops", "plots.charts", "plots.contact_sheets", "avatars.dataset"]
)
def test_what_draws_and_crops_does_without_torch(module):
    assert not loaded_by(f"import kpop_rca.{module}") & {"torch", "diffusers", "nbformat"}


def test_each_process_of_a_scoring_does_without_what_only_metrics_need():
    line = "import kpop_rca.scoring.embedded, kpop_rca.oracles.embeddings"
    assert not loaded_by(line) & {"torchmetrics", "lpips", "diffusers", "matplotlib", "sklearn"}
