"""What `notebooks/` shows lies in no report folder, and readers of a report find it all the same."""

import shutil
import subprocess

import pytest

from kpop_rca.study import committed, paths

MIB = 2**20
MOST = 16 * MIB  # of everything that is committed but the showcase's weights


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose reports are empty; its notebooks are those of this one."""
    source = paths.notebook_source("01_data_audit").parent
    shutil.copytree(source, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    monkeypatch.delenv(paths.OUTPUT_VARIABLE, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("study", "notebook"),
    [("quick", "06_rca_analysis"), ("claims", "08_claims"), ("benchmarks-cpu", "90_benchmarks")],
)
def test_a_committed_report_is_read_with_the_notebook_that_shows_it(project, study, notebook):
    assert committed.shown_notebook(study, notebook) == project / "notebooks" / f"{notebook}.ipynb"


@pytest.mark.parametrize(("study", "notebook"), [("mine", "06_rca_analysis"), ("claims", "06_rca_analysis")])
def test_another_study_is_not_read_with_it(project, study, notebook):
    assert committed.shown_notebook(study, notebook) == paths.executed_notebook(study, notebook)


def test_once_anything_ran_all_notebooks_are_of_that_run(project):
    ran = paths.executed_notebook("quick", "01_data_audit")
    ran.parent.mkdir(parents=True)
    ran.touch()
    for notebook in ("01_data_audit", "06_rca_analysis"):
        assert committed.shown_notebook("quick", notebook) == paths.executed_notebook("quick", notebook)


def test_a_run_elsewhere_is_not_read_with_the_committed_notebooks(output):
    assert committed.shown_notebook("quick", "06_rca_analysis").is_relative_to(output)


def tracked():
    """The files of the last commit and of the index, as paths within the project."""
    root = paths.project_root()
    if not (root / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def test_what_is_committed_is_small():
    sizes = {
        path: path.stat().st_size for path in tracked() if path.relative_to(paths.project_root()).parts[0] != "weights"
    }
    largest = sorted(sizes, key=sizes.get, reverse=True)[:5]
    assert sum(sizes.values()) <= MOST, [f"{path.name}: {sizes[path] / MIB:.1f} MiB" for path in largest]


def test_an_executed_notebook_is_committed_once():
    root = paths.project_root()
    doubled = [
        path.relative_to(root).as_posix()
        for path in tracked()
        if path.suffix == ".ipynb"
        and path.relative_to(root).parts[0] == "reports"
        and committed.in_notebooks(path.relative_to(root).parts[1], path.stem)
    ]
    assert not doubled
