"""Run whole studies through Snakemake, as `make study` and `make audit` do.

    python -m kpop_rca.studies --study quick,lfw10-quick --seeds 0,1
    python -m kpop_rca.studies --study mine --data-root ../faces --set train_steps=100 --only-data

What is wrong with a study is said before Snakemake starts, in one line.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.study import account, given, params, paths, stages, sweeps
from kpop_rca.system import files, locks

# The stages lock themselves; the lock of Snakemake outlives a Snakemake that was killed. The user's
# profile is for other workflows.
FLAGS = ("--cores", "all", "--nolock", "--rerun-incomplete", "--profile", "none")
QUIET = ("--quiet", "rules", "host", "progress", "reason")
Work = tuple[str, stages.Stage]  # of a study
OF_THE_DATA = stages.STAGES[:2]  # which look at the photographs


def resolved(studies: str | list[str], seeds: str | list[str] = "") -> dict[str, dict[str, Any]]:
    """Name to parameters of the studies that `STUDY=a,b SEEDS=0,1` asks for, members and data folders tried as well."""
    found = {study: params.resolve(study) for study in sweeps.named(studies, seeds)}
    for values in found.values():
        for member in sweeps.members(values):
            params.resolve(member.study)
        if values["data_source"] == "folder":
            paths.photographs(values["data_root"])
        if values["weights"]:
            paths.published_weights(values["weights"])
    return found


def command(studies: Sequence[str], *, only_data: bool = False, further: Sequence[Work] = ()) -> list[str]:
    """The Snakemake that runs some studies as was given, and further stages beside them.

    Values go as lists in JSON, of which Snakemake reads text, whatever that looks like; of a bare text it would strip
    quotation marks, and take what looks like a number for one.
    """
    config = {"studies": list(studies), "set": given.settings()}
    told = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in config.items()]
    named = product(studies, OF_THE_DATA) if only_data else further
    manifests = [f"artifacts/{study}/{stage.folder}/manifest.json" for study, stage in named]
    graph = ["--snakefile", str(paths.project_root() / "Snakefile")]
    return [
        *(sys.executable, "-m", "snakemake", *(manifests if only_data else ["all", *manifests])),
        *(*graph, *FLAGS, *QUIET, "--config", *told),
    ]


def run(command: Sequence[str]) -> int:
    """Run Snakemake and return its exit status. It decides what Ctrl-C means, as its jobs do; SIGTERM is passed on."""
    with tempfile.TemporaryDirectory(prefix="kpop_rca-", ignore_cleanup_errors=True) as scratch:
        environment, at = account.environment(Path(scratch)), paths.output_root()
        with files.writing(at):
            at.mkdir(parents=True, exist_ok=True)  # where Snakemake writes its log; the project may be only to be read
        with subprocess.Popen(command, cwd=at, env=environment) as process:
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGINT, lambda number, frame: None)
                signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
            return process.wait()


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.studies", description="Run whole studies.")
    parser.add_argument("--study", default="quick", help="files in params/, comma-separated")
    parser.add_argument("--seeds", default="", help="the seeds of each, comma-separated; none for the study's own")
    parser.add_argument("--only-data", action="store_true", help="only 01 and 02, the notebooks on the photographs")
    about = "all: also the notebooks that a study can do without, 00, 10 and 12"
    parser.add_argument("--notebooks", choices=["study", "all"], default="study", help=about)
    given.add_arguments(parser)
    options = parser.parse_args(arguments)
    given.give(options.set)
    values = resolved(options.study, options.seeds)
    studies = list(values)
    every = options.notebooks == "all"
    further = [(study, stage) for study in studies if every for stage in stages.further(values[study])]
    for study in studies:  # Snakemake, which takes the lock, would say it in its way
        if holder := locks.holder(paths.artifacts_folder(study) / ".lock"):
            raise StudyError(f"the study {study} is in use by {holder}; wait for it, or stop it, then run it again")
    status = run(command(studies, only_data=options.only_data, further=further))
    if status:
        said = (
            "The reason is above, in a line that begins with error: or stopped. Once that is settled, the same command"
        )
        print(f"\nNot complete. {said} continues from there.", file=sys.stderr)
    elif options.only_data:
        for study in studies:
            print(*(paths.executed_notebook(study, stage.notebook) for stage in OF_THE_DATA), sep="\n")
        print(f"to go on: {paths.python()} -m kpop_rca.studies --study {','.join(studies)}{given.arguments()}")
    return status


if __name__ == "__main__":
    sys.exit(main())
