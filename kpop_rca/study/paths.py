"""Where things lie. Every path of the study is built here and nowhere else."""

import os
import shlex
import sys
from pathlib import Path

from kpop_rca.errors import StudyError

OUTPUT_VARIABLE = "KPOP_RCA_OUTPUT"


def project_root() -> Path:
    """The folder that holds `notebooks/`, `params/` and this package."""
    return Path(__file__).resolve().parents[2]


def python() -> str:
    """This Python as a shell in the project calls it: `.venv/bin/python`, or where it lies."""
    executable = Path(sys.executable)  # a link in .venv, which must not be followed
    within = executable.is_relative_to(project_root())
    return shlex.quote(str(executable.relative_to(project_root()) if within else executable))


def output_root() -> Path:
    """Where artifacts, reports and data are written: the project, or the folder named by KPOP_RCA_OUTPUT.

    A relative one is within the project, wherever the process that asks is at work: a kernel works in `notebooks/`.
    """
    return (project_root() / os.environ.get(OUTPUT_VARIABLE, "")).resolve()


def artifacts_folder(study: str) -> Path:
    return output_root() / "artifacts" / study


def report_folder(study: str) -> Path:
    return output_root() / "reports" / study


def report_record(study: str) -> Path:
    """What a study's report was written from; kept beside the artifacts, since no reader of the report needs it."""
    return artifacts_folder(study) / "report.json"


def committed_report(study: str) -> Path:
    """The report that came with the project, wherever new results are written."""
    return project_root() / "reports" / study


def data_folder(name: str) -> Path:
    return output_root() / "data" / name


def notebook_source(notebook: str) -> Path:
    return project_root() / "notebooks" / f"{notebook}.ipynb"


def executed_notebook(study: str, notebook: str) -> Path:
    return report_folder(study) / "notebooks" / f"{notebook}.ipynb"


def partial_notebook(study: str, notebook: str) -> Path:
    """Where a notebook is executed; it takes the place of the last executed copy once it has run to its end."""
    return executed_notebook(study, notebook).with_suffix(".partial.ipynb")


def study_file(study: str) -> Path:
    return project_root() / "params" / f"{study}.yaml"


def resolve_data_root(data_root: str) -> Path:
    """The folder that a parameter names: absolute, from the home folder, or within the project."""
    return project_root() / os.path.expanduser(data_root)  # noqa: PTH111 - "~nobody" stays, and is then no folder


def photographs(data_root: str) -> Path:
    """The data folder of a study whose `data_source` is `folder`; it is there."""
    if not data_root:
        raise StudyError("data_source is folder, but data_root names none; set it, or pass DATA_ROOT=… to make")
    root = resolve_data_root(data_root)
    if not root.is_dir():
        raise StudyError(f"data_root {data_root!r} is no folder; it should hold one folder per identity")
    return root


def published_weights(weights: str) -> Path:
    """The folder of published weights that a parameter names; it is there."""
    folder = resolve_data_root(weights)
    if not folder.is_dir():
        raise StudyError(f"weights is {weights!r}, which is no folder; set weights to '' to train")
    return folder
