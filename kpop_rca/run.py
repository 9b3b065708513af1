"""Run one notebook of a study through papermill.

    python -m kpop_rca.run 03_ddpm_training --study quick

Shows progress cell by cell, and in a long cell a line every half minute. When a cell fails, prints which and why, and
keeps the partly executed notebook. Ctrl-C, and SIGTERM as a cluster sends it, let the notebook save what it has.
"""

import argparse
import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from traitlets.config import Config

from kpop_rca import account, disk, given, loading, locks, manifests, params, paths, stages, staleness, watch
from kpop_rca.errors import StudyError

with loading.left_out(*loading.IDLE):
    import nbformat
    import papermill
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

# Threads that wait by spinning slow each other down manifold as soon as anything else runs on the machine.
WAIT_POLICY = ("OMP_WAIT_POLICY", "PASSIVE")
KERNEL = (
    "--IPKernelApp.log_level=CRITICAL",  # a local kernel need not say that it is one, or that it was interrupted
    "--IPKernelApp.capture_fd_output=False",  # the way of `watch.say` past the notebook
    f"--IPKernelApp.exec_lines={loading.NO_GARBAGE_YET}",  # until `stage_run.begin`
)
# Cells take from milliseconds to hours: no time that is left can be told from those that are done.
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} cells, {elapsed}"
LONGEST_SOCKET = 103  # bytes of a path, on macOS; Linux allows four more
CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL)  # exit statuses
# What takes the most memory in a notebook, and what to lower.
HUNGRY = {
    "01_data_audit": "detector_batch_size",
    "03_ddpm_training": "batch_size",
    "04_oracle_benchmark": "judge_batch_size",
    "05_generation": "sampling_batch_size",
}


class _Kernel(AsyncKernelManager):
    """A kernel of this Python, the seconds that it has to end before it is made to, half of them before SIGTERM, and
    how it ended.

    What is installed as `python3` on the Jupyter path is the user's, and may be another Python.
    """

    shutdown_wait_time = 2.0  # its work is done, and saved
    exit_status: int | None = None  # of the kernel that ended last: a signal's number, negative, if one ended it

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="kpop_rca", language="python")

    async def is_alive(self) -> bool:
        status = await self.provisioner.poll() if self.has_kernel else None
        if status is not None:
            _Kernel.exit_status = status
        return await super().is_alive()


@contextmanager
def _apart() -> Iterator[Config]:
    """Settings of a kernel that has nothing of the user's account, and is spoken to through files, in place of ports.

    Its files, and what Jupyter keeps of a session, lie in a folder that is there for this run (`account.environment`).

    jupyter_client looks for free ports and lets them go again before the kernel takes them: of two notebooks that start
    at the same moment, one may find a port taken and die (issue 511 of nteract/papermill, 3689 of snakemake). No other
    run has the folder. Where its path is too long for a socket, it is ports after all.
    """
    with tempfile.TemporaryDirectory(prefix="kpop_rca-", ignore_cleanup_errors=True) as folder:
        path = f"{folder}/kernel"
        short = len(os.fsencode(f"{path}-5")) <= LONGEST_SOCKET  # the last of the five
        with account.left_out(Path(folder)):
            yield Config(KernelManager={"transport": "ipc", "ip": path} if short else {})


def _stop(number: int, frame: FrameType | None) -> None:
    """Give the kernel time to save what it has: ten steps of a large network on a CPU, and a checkpoint."""
    _Kernel.shutdown_wait_time = 600.0
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # that a cell was left waiting is no news now
    signal.default_int_handler(number, frame)


def run_notebook(notebook: str, study: str) -> Path:
    """Execute one notebook for a study and return the path of the executed copy.

    A notebook is handed those of its parameters whose value is not already the default written in it, so that
    a run of `quick` leaves exactly the notebook that a reader would get by running it in JupyterLab.

    Args:
        notebook: name in `stages.EVERY`, or its number, such as `03`.
        study: name of a study file, with `-seed<N>` behind it for another seed.

    Raises:
        StudyError: wrong parameters, an earlier stage missing or made otherwise, the same notebook at work in another
            process, a cell that failed, or no room or leave to write.
    """
    stage = stages.by_notebook(notebook)
    resolved = params.resolve(study)
    check_earlier_stages(stage, resolved)
    # Before the kernel takes the stage: a second papermill would write over the first one's executed notebook.
    what, then = f"{stage.notebook} of {study}", f"then run: {manifests.command(stage, study)}"
    with locks.held(manifests.lock_of(study, stage.notebook), what=what, then=then):
        if manifests.take_stage(study, stage):  # to see that no JupyterLab kernel has it; papermill's is to have it
            locks.release(manifests.lock_of(study, stage.folder))
        write_resolved(resolved)
        return _execute(stage, resolved)


def _execute(stage: stages.Stage, resolved: dict[str, Any]) -> Path:
    """The executed copy of a notebook, which takes the place of the last one when it has run to its end.

    See `run_notebook`. What a run that fails has executed is left in `paths.partial_notebook`.
    """
    study = resolved["study"]
    declared = params.declared(stage.notebook)
    handed = {name: resolved[name] for name, default in declared.items() if resolved[name] != default}
    os.environ.setdefault(*WAIT_POLICY)
    output = paths.partial_notebook(study, stage.notebook)
    folder = paths.artifacts_folder(study) / stage.folder
    continues = (folder / manifests.STARTED).is_file()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        logging.getLogger("papermill").setLevel(logging.CRITICAL)  # that a kernel died is said below, with the reason
        with _apart() as settings:
            os.environ[watch.BATCH] = f"{study} {stage.notebook}"  # until this block ends: a kernel inherits it
            papermill.execute_notebook(
                _as_it_is(paths.notebook_source(stage.notebook)),
                _as_it_is(output),
                parameters=handed,
                kernel_name="python3",
                cwd=paths.project_root() / "notebooks",
                extra_arguments=list(KERNEL),
                kernel_manager_class=_Kernel,
                config=settings,
                progress_bar={"desc": f"{study} {stage.notebook}", "file": sys.stdout, "bar_format": BAR},
            )
    except OSError:
        with disk.writing(output):
            raise
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from None
        raise StudyError(_failure(error, output, folder=folder, continues=continues)) from None
    except DeadKernelError:
        raise StudyError(_killed(stage, resolved, output)) from None
    except RuntimeError as error:  # jupyter_client's: the kernel died, or said nothing for a minute, before any cell
        command = manifests.command(stage, study)
        raise StudyError(f"the kernel of {stage.notebook} did not start ({error}); try again: {command}") from None
    finally:
        with suppress(StudyError):  # no room even for this; the first error says so
            _without_machine_traces(output)
    executed = output.replace(paths.executed_notebook(study, stage.notebook))
    manifests.record_executed(study, stage)
    return executed


def _as_it_is(path: Path) -> str:
    """A path in which papermill takes no braces for the place of a parameter."""
    return str(path).replace("{", "{{").replace("}", "}}")


def check_earlier_stages(stage: stages.Stage, resolved: dict[str, Any]) -> None:
    """Refuse artifacts made with other parameters, before a kernel is started.

    A notebook sees its own parameters alone; here all of the study's are known, so a changed parameter of an
    earlier notebook is found too.

    Raises:
        StudyError: see `staleness.require` and `params.parse_groups`.
    """
    for need in stage.needs:
        staleness.require(resolved["study"], need, resolved)
    if "faces" in stage.needs:  # before hours of training, not after them
        found = disk.read_json(manifests.folder_of(resolved["study"], "faces") / "data.json")
        params.parse_groups(resolved["look_alike_groups"], found["n_identities"])


def write_resolved(resolved: dict[str, Any]) -> None:
    """Write every parameter of the study as used to `reports/<study>/params.yaml`."""
    with disk.atomic(paths.report_folder(resolved["study"]) / "params.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")


def _failure(error: PapermillExecutionError, output: Path, *, folder: Path, continues: bool) -> str:
    """What a cell's error says to a reader, with what else may be behind it.

    Args:
        error: papermill's.
        output: the partly executed notebook.
        folder: of the stage's artifacts.
        continues: whether that folder was there before the run.
    """
    where = f"{output.name}, In [{error.exec_count}] ({error.source.strip().splitlines()[0]}) failed: "
    kept = f"\nWhat had run is kept in {output}"
    if error.ename == "StudyError":
        return f"{where}{error.evalue}{kept}"
    full = disk.trouble(folder)
    if full:
        return f"{where}{full}"
    damaged = f"; if work of an earlier run is damaged, remove {folder} and run again" if continues else ""
    return f"{where}{error.ename}: {error.evalue}{kept}{damaged}"


def _killed(stage: stages.Stage, resolved: dict[str, Any], output: Path) -> str:
    """What is said of a kernel that ended before its notebook did: killed from outside, or a library crashed."""
    command, kept = manifests.command(stage, resolved["study"]), f"\nWhat had run is kept in {output}"
    if _Kernel.exit_status in CRASHES:
        signal_name = signal.Signals(-_Kernel.exit_status).name
        return (
            f"the kernel of {stage.notebook} crashed ({signal_name}) in a library; try one thread: "
            f"OMP_NUM_THREADS=1 {command}{kept}"
        )
    hungry = HUNGRY.get(stage.notebook)
    lower = f"lower {hungry} (now {resolved[hungry]}), or " if hungry else ""
    return (
        f"the kernel of {stage.notebook} was killed, most likely because the memory ran out; {lower}free some memory, "
        f"and run: {command}{kept}"
    )


def _without_machine_traces(output: Path) -> None:
    """Drop what papermill notes of paths and times: a rerun should change what the results change."""
    if not output.is_file():
        return
    try:
        notebook = nbformat.read(output, as_version=4)
    except nbformat.reader.NotJSONError:  # cut short where there was no room
        return
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
    with disk.atomic(output) as temporary:
        nbformat.write(notebook, temporary)


def adopt(study: str) -> None:
    """Make a study's executed notebooks the committed ones; for `quick`, whose values are the defaults.

    The notebooks of the sweep and of the benchmarks are run for it, elsewhere: with the defaults they show the runs
    that came with the project, and are no part of the study's report.

    Raises:
        StudyError: the study has not run to the end, or its notebooks were handed other values than the defaults.
    """
    if params.resolve(study) != params.defaults() | {"study": study} or params.defaults()["study"] != study:
        raise StudyError(f"{study} is not the study whose values the notebooks declare; run this for quick")
    for stage in stages.STAGES:
        staleness.require(study, stage.folder, params.resolve(study))
        shutil.copy(paths.executed_notebook(study, stage.notebook), paths.notebook_source(stage.notebook))
    with tempfile.TemporaryDirectory(prefix="kpop_rca-") as elsewhere, _written_to(elsewhere):
        for stage in (stages.CLAIMS, stages.BENCHMARKS):
            shutil.copy(run_notebook(stage.notebook, study), paths.notebook_source(stage.notebook))


@contextmanager
def _written_to(folder: str) -> Iterator[None]:
    """Let artifacts and reports go to another folder for as long as the block runs."""
    before = os.environ.get(paths.OUTPUT_VARIABLE)
    os.environ[paths.OUTPUT_VARIABLE] = folder
    try:
        yield
    finally:
        os.environ.pop(paths.OUTPUT_VARIABLE)
        if before is not None:
            os.environ[paths.OUTPUT_VARIABLE] = before


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.run", description="Run one notebook of a study.")
    parser.add_argument("notebook", help="03_ddpm_training, or 03; `adopt` copies quick's results into notebooks/")
    parser.add_argument("--study", default="quick", help="a file in params/, with -seed<N> behind it for a seed")
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    with suppress(ValueError):  # not in the main thread
        for number in watch.SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _stop)
    try:
        given.give_options(options)
        if options.notebook == "adopt":
            adopt(options.study)
        else:
            run_notebook(options.notebook, options.study)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        command = f"{paths.python()} -m kpop_rca.run {options.notebook} --study {shlex.quote(options.study)}"
        print(f"stopped; continue with: {command}{given.arguments()}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
