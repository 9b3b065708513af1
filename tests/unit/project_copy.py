"""A copy of the project that a test may change, and commands that run in it."""

import os
import shutil
import subprocess
import sys

from kpop_rca.study import paths


def write_project(folder):
    """Copy what commands need: the package, notebooks, study files, the graph; no artifacts, data or reports."""
    for name in ("kpop_rca", "notebooks", "params"):
        shutil.copytree(paths.project_root() / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("Snakefile", "Makefile"):
        shutil.copy(paths.project_root() / name, folder / name)
    return folder


def edit(path, old="", new="", *, append=""):
    """Replace the first of a piece of text, which must be there, and append another."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new, 1) + append)


def environment(project, output):
    return os.environ | {paths.OUTPUT_VARIABLE: str(output), "PYTHONPATH": str(project)}


def python(project, *arguments, output):
    """This Python, with the copy of the package, from within the copy."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment(project, output), cwd=project, capture_output=True, text=True)
