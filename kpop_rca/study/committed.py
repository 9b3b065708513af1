"""The committed results, of which there is one copy: an executed notebook that `notebooks/` has lies in no report."""

from pathlib import Path

from kpop_rca.study import params, paths

# Parameters by which a notebook names the study that its committed copy shows: its own, or one whose runs it reads.
NAMES_A_STUDY = ("study", "runs_of", "benchmarks_of")


def in_notebooks(study: str, notebook: str) -> bool:
    """Whether the committed copy of a notebook, in `notebooks/`, shows a study."""
    given = params.declared(notebook)
    return study in [given[name] for name in NAMES_A_STUDY if name in given]


def shown_notebook(study: str, notebook: str) -> Path:
    """The executed notebook that a reader of a study's report sees.

    That of the report's own folder, once anything ran there: what is shown is then of one run. Of a committed report,
    as it comes with the project, the copy in `notebooks/`.
    """
    own = paths.executed_notebook(study, notebook)
    comes_with_it = paths.report_folder(study) == paths.committed_report(study) and in_notebooks(study, notebook)
    return paths.notebook_source(notebook) if comes_with_it and not any(own.parent.glob("*.ipynb")) else own
