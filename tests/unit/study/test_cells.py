"""Cells are read as nbformat reads them, without it."""

import subprocess
import sys

import nbformat
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.study import cells, paths, stages


@pytest.mark.parametrize("stage", stages.EVERY, ids=lambda stage: stage.notebook)
def test_every_notebook_reads_as_by_nbformat(stage):
    path = paths.notebook_source(stage.notebook)
    expected = nbformat.read(path, as_version=4).cells
    assert cells.of_notebook(path) == [
        cells.Cell(cell.cell_type, cell.source, frozenset(cell.metadata.get("tags", []))) for cell in expected
    ]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"cells": 1}', '{"cells": [{}]}', '{"cells": [null]}', "\x00"])
def test_what_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "03_ddpm_training.ipynb"
    path.write_text(content)
    with pytest.raises(StudyError, match=r"03_ddpm_training\.ipynb is no notebook"):
        cells.of_notebook(path)


def test_a_kernel_and_snakemake_do_without_nbformat():
    code = "import sys; from kpop_rca.study import stage_run, params, fingerprint; sys.exit('nbformat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
