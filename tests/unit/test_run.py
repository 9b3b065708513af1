"""What the runner makes of a kernel: past it to the terminal, killed, interrupted. Real kernels, through papermill."""

import asyncio
import base64
import io
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
from children import hears_interrupts
from PIL import Image

from kpop_rca import run
from kpop_rca.errors import StudyError
from kpop_rca.study import paths
from kpop_rca.system import console

SPEAKS = """
import time
from kpop_rca.system import console
console.LINE_EVERY = 0.2
for _ in console.bar(range(4), desc="drawing", leave=False):
    time.sleep(0.15)
console.say("hello")
print("shown")
"""
SPOKEN_TO = 'import ipykernel\nprint(ipykernel.get_connection_info(unpack=True)["transport"])'
EXECUTE = """
import sys, papermill
from kpop_rca import run
with run._apart() as settings:
    papermill.execute_notebook(*sys.argv[1:], kernel_name="python3", progress_bar=False,
        extra_arguments=list(run.KERNEL), kernel_manager_class=run._Kernel, config=settings)
"""


def executed(folder, source, **environment):
    """The process that ran a notebook of one cell, and what the cell printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    command = [sys.executable, "-c", EXECUTE, str(folder / "in.ipynb"), str(folder / "out.ipynb")]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    *bars, shown = nbformat.read(folder / "out.ipynb", as_version=4).cells[0].outputs
    assert {bar.output_type for bar in bars} <= {"display_data"}  # and no warning
    return done, shown.text


def test_a_notebook_speaks_to_the_terminal_and_its_output_does_not_hear_it(tmp_path):
    done, shown = executed(tmp_path, SPEAKS, **{console.BATCH: "quick 05"})
    assert "quick 05  hello\n" in done.stderr
    assert "quick 05  drawing:  50%|" in done.stderr
    assert shown == "shown\n"


def test_a_kernel_takes_no_port_that_another_may_have_been_promised(tmp_path):
    with tempfile.TemporaryDirectory() as scratch:  # pytest's own may be too long for a socket
        _, shown = executed(tmp_path, SPOKEN_TO, TMPDIR=scratch)
        assert not list(Path(scratch).iterdir())
    assert shown == "ipc\n"


def test_a_kernel_takes_ports_where_a_socket_would_have_too_long_a_path(tmp_path):
    scratch = tmp_path / ("long" * 25)
    scratch.mkdir()
    _, shown = executed(tmp_path, SPOKEN_TO, TMPDIR=str(scratch))
    assert shown == "tcp\n"


OF_THE_KERNEL = """
import sys, kpop_rca, matplotlib
has_started = "started" in globals()
print(sys.executable, has_started, matplotlib.rcParams["font.size"], matplotlib.get_backend(), kpop_rca.__file__)
"""


@pytest.mark.parametrize("home", ["home", "/dev/null/nobody"])
def test_a_kernel_is_this_python_without_the_users_settings(tmp_path, home):
    """Another `python3` on the Jupyter path, start-up files, a matplotlibrc, modules of other work."""
    home = tmp_path / home
    files = {
        ".local/share/jupyter/kernels/python3/kernel.json": '{"argv": ["false"], "display_name": "", "language": ""}',
        ".ipython/profile_default/startup/00.py": "started = True",
        ".ipython/profile_default/ipython_kernel_config.py": "raise SystemExit('a configuration file of the user')",
        ".config/matplotlib/matplotlibrc": "font.size: 40",
        "work/numpy.py": "raise SystemExit('a module of the user')",
        "start.py": "started = True",
    }
    for name, text in files.items() if home.is_relative_to(tmp_path) else ():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    of_the_user = {
        "HOME": str(home),
        "JUPYTER_PATH": str(home / ".local/share/jupyter"),
        "PYTHONSTARTUP": str(home / "start.py"),
        "MPLBACKEND": "TkAgg",
    }
    _, shown = executed(tmp_path, OF_THE_KERNEL, **of_the_user)  # its only output: nothing is warned of
    package = paths.project_root() / "kpop_rca" / "__init__.py"
    assert shown == f"{sys.executable} False 10.0 module://matplotlib_inline.backend_inline {package}\n"


@pytest.fixture
def begun(tmp_path):
    """01 of a small study, with its kernel at work."""
    environment = os.environ | {paths.OUTPUT_VARIABLE: str(tmp_path)}
    command = [sys.executable, "-m", "kpop_rca.run", "01", "--study", "smoke", "--set", "seed=1"]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_interrupts,
    )
    while process.poll() is None and not list(tmp_path.glob("artifacts/smoke/audit/started.json")):
        time.sleep(0.1)
    kernels = [c for c in psutil.Process(process.pid).children() if "ipykernel" in " ".join(c.cmdline())]
    yield process, kernels[0]
    for left in (*kernels, process):
        left.kill() if isinstance(left, subprocess.Popen) or left.is_running() else None


def test_a_killed_kernel_says_what_to_lower(begun):
    process, kernel = begun
    kernel.kill()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert (
        "error: the kernel of 01_data_audit did not start, or was ended from outside (Kernel died), most likely "
        in said
    )
    assert "because the memory ran out: lower its batch size or free some. Then run: " in said
    assert f"{paths.python()} -m kpop_rca.run 01_data_audit --study smoke --set seed=1" in said
    assert "run.py" not in said  # no traceback of the runner; Python has one for a worker that was about to begin


@pytest.mark.parametrize("sent", console.SIGNALS)
def test_a_run_that_is_asked_to_stop_says_how_to_go_on(begun, sent):
    process, kernel = begun
    process.send_signal(sent)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (
        f"stopped; continue with: {paths.python()} -m kpop_rca.run 01 --study smoke --set seed=1" in said.splitlines()
    )
    assert not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE


def test_a_kernel_that_does_not_start_is_one_line(output, monkeypatch):
    monkeypatch.setattr(run, "KERNEL", ("--IPKernelApp.transport=pigeon",))
    with pytest.raises(StudyError, match=r"the kernel of 01_data_audit did not start, .* \(Kernel died .* Then run: "):
        run.run_notebook("01", "smoke")
    assert console.BATCH not in os.environ  # else the next stage that this process begins takes itself for a batch's


def test_what_a_stopped_notebook_leaves_waiting_is_no_traceback(monkeypatch, caplog):
    monkeypatch.setattr(run._Kernel, "shutdown_wait_time", 2.0)
    log = logging.getLogger("asyncio")
    before, loop = log.level, asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            run._stop(signal.SIGINT, None)
        loop.call_exception_handler({"message": "Task exception was never retrieved"})
        assert not caplog.records
        log.setLevel(before)
        loop.call_exception_handler({"message": "Task exception was never retrieved"})
        assert len(caplog.records) == 1
    finally:
        log.setLevel(before)
        loop.close()


def bar(text="drawing: 0%"):
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "5f"}, "text/plain": text}
    return nbformat.v4.new_output("display_data", data)


def picture():
    greys = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(greys).convert("RGB").save(png := io.BytesIO(), "PNG")
    return nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(png.getvalue()).decode()})


@pytest.mark.parametrize(("tags", "kept"), [(["nbval-ignore-output"], 2), ([], 3)])
def test_a_notebook_keeps_no_times_and_small_pictures(tmp_path, tags, kept):
    said = nbformat.v4.new_output("stream", text="12 faces")
    noted = {"execution": {"iopub.status.busy": "2026-11-28T17:33:24Z"}, "papermill": {"duration": 3.1}, "tags": tags}
    cell = nbformat.v4.new_code_cell("draw", outputs=[bar(), said, picture()], metadata=noted)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"x": {"state": {}}}, "papermill": {}})
    nbformat.write(notebook, path := tmp_path / "n.ipynb")
    run._without_machine_traces(path)
    (left,) = (found := nbformat.read(path, as_version=4)).cells
    assert "widgets" not in found.metadata and "papermill" not in found.metadata
    assert left.metadata == {"tags": tags}
    assert len(left.outputs) == kept and left.outputs[-2] == said
    assert "widget-view" not in path.read_text()
    assert len(left.outputs[-1].data["image/png"]) < len(picture().data["image/png"])
    before = path.read_text()
    run._without_machine_traces(path)
    assert path.read_text() == before
