"""What a process loads, which is most of the time that a small study takes; seen in fresh interpreters."""

import gc
import subprocess
import sys

import nbformat
import papermill
import pytest

from kpop_rca import loading, paths, run

SLOW = {"torch", "pandas", "numpy", "matplotlib", "scipy", "IPython", "diffusers", *loading.IDLE}


def loaded_by(line):
    """The packages that a fresh interpreter has loaded after one line of Python."""
    code = f"{line}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.project_root(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["run", "manifests", "fingerprint, params, sweeps"])
def test_what_starts_notebooks_loads_nothing_that_results_are_made_with(module):
    assert not loaded_by(f"from kpop_rca import {module}") & SLOW


@pytest.mark.parametrize("module", ["artifacts", "faces", "figures", "pictures", "data.idols"])
def test_what_draws_and_crops_does_without_torch(module):
    assert not loaded_by(f"import kpop_rca.{module}") & {"torch", "diffusers", "nbformat"}


def test_what_was_left_out_is_there_again():
    with loading.left_out("nbformat", "no_such_package"), pytest.raises(ImportError):
        import nbformat as missing  # noqa: F401
    assert sys.modules["nbformat"] is nbformat and "no_such_package" not in sys.modules


def test_a_kernel_loads_without_looking_for_garbage_until_its_stage_begins(tmp_path):
    lines = ["import gc", "print(gc.isenabled())", "from kpop_rca import loading", "loading.done()"]
    code = "\n".join([*lines, "print(gc.isenabled(), gc.get_freeze_count() > 0)"])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, tmp_path / "in.ipynb")
    options = {"kernel_name": "python3", "progress_bar": False, "extra_arguments": list(run.KERNEL)}
    papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", **options)
    (shown,) = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[0].outputs
    assert shown.text == "False\nTrue True\n"


def test_elsewhere_nothing_is_kept_from_the_search_for_garbage():
    before = gc.get_freeze_count()
    loading.done()
    assert gc.isenabled() and gc.get_freeze_count() == before
