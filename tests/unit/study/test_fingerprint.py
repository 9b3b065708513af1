import ast
import subprocess
import sys

import nbformat
import pytest
from project_copy import edit

from kpop_rca.errors import StudyError
from kpop_rca.study import fingerprint, paths, stages


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A function that writes a notebook with this code and prose, and gives its fingerprint."""
    monkeypatch.setattr(paths, "notebook_source", lambda name: tmp_path / f"{name}.ipynb")

    def write(code, *, prose="p", default="seed: int = 0", output=None):
        parameters = nbformat.v4.new_code_cell(default, metadata={"tags": ["parameters"]})
        cell = nbformat.v4.new_code_cell(code, outputs=[output] if output else [])
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose), parameters, cell])
        nbformat.write(nb, tmp_path / "n.ipynb")
        return fingerprint.of_notebook("n")

    return write


def test_only_code_makes_a_notebook_stale(notebook):
    before = notebook("x = 1")
    shown = nbformat.v4.new_output("stream", text="hello")
    assert notebook("x = 1", prose="other", default="seed: int = 5", output=shown) == before
    assert notebook("x = 2") != before


def test_the_modules_behind_a_notebook_count(notebook):
    assert notebook("from kpop_rca import rca") != notebook("from kpop_rca import faces")


def test_imports_are_found_in_every_form():
    source = """
from kpop_rca import study, faces as f
import kpop_rca.data.images
from kpop_rca.errors import StudyError
import os

def late():
    from kpop_rca import oracles

with late():
    import kpop_rca.system.files
"""
    assert fingerprint.imported_modules(source) == {
        "study",
        "faces",
        "data.images",
        "errors",
        "oracles",
        "system.files",
    }


def test_what_comes_through_a_package_counts_as_the_module_that_it_is_from():
    through = "from kpop_rca import data, faces\nfrom kpop_rca.faces import first_of_each\n"
    assert fingerprint.imported_modules(through + "data.scan(1)\nfaces.load_audit(2)\nfaces.load_crops(3)") == {
        "data.identity_folders", "faces.audit_files", "faces.crops"
    }  # fmt: skip
    assert fingerprint.imported_modules("from kpop_rca import data\nprint(data)") == {"data"}


def test_the_closure_follows_imports():
    closure = fingerprint.module_closure(frozenset({"diffusion.generation"}))
    assert {"diffusion.generation", "diffusion.unet", "system.files", "errors"} <= set(closure)
    assert not any(name.startswith("plots") for name in closure)


def test_code_counts_and_prose_does_not(notebook):
    before = notebook('def f(x):\n    """Doc."""\n    return x  # why')
    assert notebook("def f(x):\n\n    return x") == before
    assert notebook("def f(x):\n    return (x)") == before
    assert notebook("def f(x):\n    return x + 1") != before
    assert notebook("print('a')") != notebook("print('b')")  # which its outputs show


def test_a_cell_may_hold_what_only_ipython_reads(notebook):
    magic = "%matplotlib inline\n!ls\nfrom kpop_rca import rca"
    assert notebook(magic) == notebook(magic + "  # again")
    assert notebook(magic) != notebook(magic.replace("rca import rca", "rca import faces"))


def test_a_cell_that_is_no_python_is_named(notebook):
    with pytest.raises(StudyError, match=r"n\.ipynb needs is no Python any more \(.*: x = = 1\); mend it"):
        notebook("x = = 1")


# What computes with numbers, or on pixels; pandas and matplotlib write tables and draw figures here.
COMPUTING = {"torch", "torchvision", "numpy", "scipy", "sklearn", "PIL", "diffusers", "accelerate", "facenet_pytorch"}


@pytest.mark.parametrize("name", sorted(fingerprint.BOOKKEEPING))
def test_what_keeps_the_books_computes_nothing_and_imports_nothing_that_does(name):
    """Else a change of what computes would let half-done work go on."""
    source = fingerprint._source_of(name)
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & COMPUTING
    imported = fingerprint.imported_modules(source) - {"data"}  # an empty package
    assert all(map(fingerprint.keeps_books, imported))


@pytest.mark.parametrize("stage", stages.EVERY, ids=lambda stage: stage.notebook)
def test_a_stages_own_module_counts(stage):
    assert not fingerprint.keeps_books(stage.module)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules that compute and one that keeps the books."""
    (tmp_path / "training.py").write_text(
        "from kpop_rca import errors, noise\nRATE = 0.1\ndef f(x):\n    raise ValueError(f'lower {x}')\n"
    )
    (tmp_path / "noise.py").write_text("SIGMA = 1\n")
    (tmp_path / "errors.py").write_text("WORD = 'in use'\n")
    monkeypatch.setattr(fingerprint, "PACKAGE_FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "same"),
    [
        ("errors.py", "in use", "taken", True),
        ("training.py", "RATE", "# why\nRATE", True),
        ("training.py", "0.1", "0.2", False),
        ("training.py", "ValueError", "TypeError", False),
        ("noise.py", "1", "2", False),
    ],
)
def test_half_done_work_depends_on_what_computes_alone(package, name, old, new, same):
    before = fingerprint.of_computing("training")
    edit(package / name, old, new)
    assert (fingerprint.of_computing("training") == before) is same


@pytest.mark.parametrize("stage", stages.EVERY, ids=lambda stage: stage.notebook)
def test_every_notebook_reads_as_by_nbformat(stage):
    path = paths.notebook_source(stage.notebook)
    expected = nbformat.read(path, as_version=4).cells
    assert fingerprint.cells_of(path) == [
        fingerprint.Cell(cell.cell_type, cell.source, frozenset(cell.metadata.get("tags", []))) for cell in expected
    ]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"cells": 1}', '{"cells": [{}]}', '{"cells": [null]}', "\x00"])
def test_what_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "03_ddpm_training.ipynb"
    path.write_text(content)
    with pytest.raises(StudyError, match=r"03_ddpm_training\.ipynb is no notebook"):
        fingerprint.cells_of(path)


def test_a_kernel_and_snakemake_do_without_nbformat():
    code = "import sys; from kpop_rca.study import stage_run, params, fingerprint; sys.exit('nbformat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
