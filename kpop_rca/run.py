"""Run one notebook of a study through papermill.

    python -m kpop_rca.run 03_ddpm_training --study quick

Shows progress cell by cell, and where the bars of a long cell stand. When a cell fails, says which and why, and keeps
the partly executed notebook. Ctrl-C, and SIGTERM as a cluster sends it, let the notebook save what it has.
"""

import argparse
import base64
import logging
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.study import account, flat_yaml, given, manifests, params, paths, stages
from kpop_rca.system import console, files, locks, pictures

KERNEL = (
    "--IPKernelApp.log_level=CRITICAL",  # a local kernel need not say that it is one, or that it was interrupted
    "--IPKernelApp.capture_fd_output=False",  # the way of `console.say` past the notebook
)
# Cells take from milliseconds to hours: no time that is left can be told from those that are done.
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} cells, {elapsed}"
BAR_OF_A_CELL = "application/vnd.jupyter.widget-view+json"
NOT_COMPARED = "nbval-ignore-output"
LONGEST_SOCKET = 103  # bytes of a path, on macOS; Linux allows four more


class _Kernel(AsyncKernelManager):
    """A kernel of this Python: what is installed as `python3` on the Jupyter path is the user's, and may be another."""

    shutdown_wait_time = 2.0  # seconds that it has to end before it is killed: its work is done, and saved

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="kpop_rca", language="python")


@contextmanager
def _apart() -> Iterator[Config]:
    """Settings of a kernel that has nothing of the user's account, and is spoken to through files, in place of ports.

    jupyter_client looks for free ports and lets them go again before the kernel takes them: of two notebooks that start
    at the same moment, one may find a port taken and die (issue 511 of nteract/papermill, 3689 of snakemake). No other
    run has the folder. Where its path is too long for a socket, it is ports after all.
    """
    with tempfile.TemporaryDirectory(prefix="kpop_rca-", ignore_cleanup_errors=True) as folder:
        path = f"{folder}/kernel"
        short = len(os.fsencode(f"{path}-5")) <= LONGEST_SOCKET  # the last of the five
        with patch.dict(os.environ, account.environment(Path(folder)), clear=True):
            yield Config(KernelManager={"transport": "ipc", "ip": path} if short else {})


def _stop(number: int, frame: FrameType | None) -> None:
    """Give the kernel time to save what it has: ten steps of a large network on a CPU, and a checkpoint."""
    _Kernel.shutdown_wait_time = 600.0
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # that a cell was left waiting is no news now
    signal.default_int_handler(number, frame)


def run_notebook(notebook: str, study: str) -> None:
    """Execute one notebook, `03_ddpm_training` or `03`, for a study; whatever keeps it from its end is a StudyError."""
    stage, resolved = stages.by_notebook(notebook), params.resolve(study)
    # A notebook sees its own parameters alone; here a changed parameter of an earlier one is found too.
    for need in stage.needs:
        manifests.require(study, need, resolved)
    if "faces" in stage.needs:  # before hours of training, not after them
        found = files.read_json(manifests.folder_of(study, "faces") / "data.json")
        params.parse_groups(resolved["look_alike_groups"], found["n_identities"])
    # Before the kernel takes the stage: a second papermill would write over the first one's executed notebook.
    lock = manifests.lock_of(study, stage.notebook)
    locks.take(lock, what=f"{stage.notebook} of {study}", then=f"then run: {manifests.command(study, stage)}")
    try:
        if manifests.take_stage(study, stage):  # to see that no JupyterLab kernel has it; papermill's is to have it
            locks.release(manifests.lock_of(study, stage.folder))
        with files.atomic(paths.report_folder(study) / "params.yaml") as temporary:  # every parameter, as used
            temporary.write_text(flat_yaml.dumps(resolved), encoding="utf-8")
        _execute(stage, resolved)
    finally:
        locks.release(lock)


def _execute(stage: stages.Stage, resolved: dict[str, Any]) -> None:
    """Let the executed copy of a notebook take the place of the last one, when it has run to its end.

    It is handed the parameters whose value is not the default written in it, so that a run of `quick` leaves exactly
    the notebook that a reader would get in JupyterLab. What has run of one that fails is in `paths.partial_notebook`.
    """
    study, declared = resolved["study"], params.declared(stage.notebook)
    what, output = f"{study} {stage.notebook}", paths.partial_notebook(study, stage.notebook)
    kept = f"\nWhat had run is kept in {output}"
    # Threads that wait by spinning slow each other down many times as soon as anything else runs on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # that a kernel died is said below, with the reason
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with _apart() as settings:
            os.environ[console.BATCH] = what  # until this block ends: a kernel inherits it
            papermill.execute_notebook(
                nbformat.read(paths.notebook_source(stage.notebook), as_version=4),
                str(output).replace("{", "{{").replace("}", "}}"),  # else papermill looks for parameters in it
                parameters={name: resolved[name] for name in declared if resolved[name] != declared[name]},
                kernel_name="python3",
                cwd=paths.project_root() / "notebooks",
                extra_arguments=list(KERNEL),
                kernel_manager_class=_Kernel,
                config=settings,
                progress_bar={"desc": what, "file": sys.stdout, "bar_format": BAR},
            )
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from None
        cell = f"{output.name}, In [{error.exec_count}] ({error.source.strip().splitlines()[0]})"
        said = error.evalue if error.ename == "StudyError" else f"{error.ename}: {error.evalue}"
        raise StudyError(f"{cell} failed: {said}{kept}") from None
    except OSError:
        with files.writing(output):
            raise
    except RuntimeError as error:  # of nbclient and jupyter_client
        raise StudyError(
            f"the kernel of {stage.notebook} did not start, or was ended from outside ({error}), most likely because "
            f"the memory ran out: lower its batch size or free some. Then run: {manifests.command(study, stage)}{kept}"
        ) from None
    finally:
        with suppress(StudyError, OSError, ValueError):  # cut short where there was no room; the first error says so
            _without_machine_traces(output)
    output.replace(paths.executed_notebook(study, stage.notebook))
    manifests.record_executed(study, stage)


def _without_machine_traces(output: Path) -> None:
    """Drop what is noted of paths and times, and make pictures small: a rerun should change what the results change."""
    notebook = nbformat.read(output, as_version=4)
    notebook.metadata.pop("widgets", None)  # where the bars stood
    for part in (notebook, *notebook.cells):
        for noted in ("papermill", "execution"):
            part.metadata.pop(noted, None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = _settled(cell.outputs, compared=NOT_COMPARED not in cell.metadata.get("tags", []))
    with files.atomic(output) as temporary:
        nbformat.write(notebook, temporary)


def _settled(outputs: list[nbformat.NotebookNode], *, compared: bool) -> list[nbformat.NotebookNode]:
    """A cell's outputs without progress bars, with small pictures.

    A bar has a number of its own in each run. In a cell whose outputs nbval compares its first words stay.
    """
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if data.pop(BAR_OF_A_CELL, None) is not None and not compared:
            continue
        if "image/png" in data:
            small = pictures.small_png(base64.b64decode(data["image/png"]))
            data["image/png"] = base64.b64encode(small).decode()
        kept.append(output)
    return kept


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.run", description="Run one notebook of a study.")
    parser.add_argument("notebook", help="03_ddpm_training, or 03")
    parser.add_argument("--study", default="quick", help="a file in params/, with -seed<N> behind it for a seed")
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    for number in console.SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        given.give(options.set)
        run_notebook(options.notebook, options.study)
    except KeyboardInterrupt:
        command = f"{paths.python()} -m kpop_rca.run {options.notebook} --study {shlex.quote(options.study)}"
        print(f"stopped; continue with: {command}{given.arguments()}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
