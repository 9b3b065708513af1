"""What the runner makes of a kernel: past it to the terminal, killed, interrupted. Real kernels, through papermill."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from children import hears_interrupts

from kpop_rca import paths, run, stages, watch
from kpop_rca.errors import StudyError

SPEAKS = 'from kpop_rca import watch\nwatch.say("hello")\nprint("shown")'
SPOKEN_TO = 'import ipykernel\nprint(ipykernel.get_connection_info(unpack=True)["transport"])'
EXECUTE = """
import sys, papermill
from kpop_rca import run
with run._sockets() as sockets:
    papermill.execute_notebook(*sys.argv[1:], kernel_name="python3", progress_bar=False,
        extra_arguments=list(run.KERNEL), kernel_manager_class=run._Kernel, config=sockets)
"""


def executed(folder, source, **environment):
    """The process that ran a notebook of one cell, and what the cell printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    command = [sys.executable, "-c", EXECUTE, str(folder / "in.ipynb"), str(folder / "out.ipynb")]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (shown,) = nbformat.read(folder / "out.ipynb", as_version=4).cells[0].outputs
    return done, shown.text


def test_a_notebook_speaks_to_the_terminal_and_its_output_does_not_hear_it(tmp_path):
    done, shown = executed(tmp_path, SPEAKS, **{watch.BATCH: "quick 05"})
    assert "quick 05  hello\n" in done.stderr
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


@pytest.fixture
def begun(tmp_path):
    """01 of a small study, with its kernel at work."""
    environment = os.environ | {paths.OUTPUT_VARIABLE: str(tmp_path)}
    command = [sys.executable, "-m", "kpop_rca.run", "01", "--study", "smoke"]
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
    assert "error: the kernel of 01_data_audit was killed, most likely because the memory ran out" in said
    assert "lower detector_batch_size (now 64)" in said
    assert "run.py" not in said  # no traceback of the runner; Python has one for a worker that was about to begin


def test_a_kernel_that_crashes_is_not_said_to_lack_memory(begun):
    process, kernel = begun
    kernel.send_signal(signal.SIGSEGV)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "error: the kernel of 01_data_audit crashed (SIGSEGV) in a library" in said
    assert (
        f"OMP_NUM_THREADS=1 {paths.python()} -m kpop_rca.run 01_data_audit --study smoke" in said
        and "memory" not in said
    )


@pytest.mark.parametrize("sent", watch.SIGNALS)
def test_a_run_that_is_asked_to_stop_says_how_to_go_on(begun, sent):
    process, kernel = begun
    process.send_signal(sent)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"stopped; continue with: {paths.python()} -m kpop_rca.run 01 --study smoke" in said.splitlines()
    assert not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE


def test_a_kernel_that_does_not_start_is_one_line(output, monkeypatch):
    monkeypatch.setattr(run, "KERNEL", ("--IPKernelApp.transport=pigeon",))
    with pytest.raises(StudyError, match=r"the kernel of 01_data_audit did not start \(Kernel died .* try again: "):
        run.run_notebook("01", "smoke")


def test_what_takes_the_most_memory_is_a_parameter_of_its_notebook():
    declared = {stage.notebook: run.params.declared(stage.notebook) for stage in stages.EVERY}
    assert all(name in declared[notebook] for notebook, name in run.HUNGRY.items())


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
