"""What a report is written from, as small as can be."""

import json

import nbformat

from kpop_rca.study import manifests, paths, stages


def write_executed_copy(study, notebook):
    """A notebook as its run would leave it: the committed one, each cell of it run, and noted in the manifest."""
    path = paths.executed_notebook(study, notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    executed = json.loads(paths.notebook_source(notebook).read_text(encoding="utf-8"))
    for cell in executed["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 1
    path.write_text(json.dumps(executed), encoding="utf-8")
    stage = stages.by_notebook(notebook)
    if (paths.artifacts_folder(study) / stage.folder / manifests.MANIFEST).is_file():
        manifests.record_executed(study, stage)
    return path


def write_executed_notebooks(study, *, opening=lambda notebook: []):
    """The executed notebooks of a study, a code cell each, after the cells that `opening` gives for a notebook's name.

    Returns:
        The folder of the report.
    """
    for stage in stages.STAGES:
        path = paths.executed_notebook(study, stage.notebook)
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [*opening(stage.notebook), nbformat.v4.new_code_cell("1 + 1", execution_count=1)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return paths.report_folder(study)
