import nbformat
import pytest

from kpop_rca import fingerprint, paths


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
from kpop_rca import audit, faces as f
import kpop_rca.data.images
from kpop_rca.errors import StudyError
import os

def late():
    from kpop_rca import oracle

with late():
    import kpop_rca.disk
"""
    assert fingerprint.imported_modules(source) == {"audit", "faces", "data.images", "errors", "oracle", "disk"}


def test_the_closure_follows_imports():
    closure = fingerprint.module_closure(frozenset({"sampling"}))
    assert {"sampling", "diffusion", "disk", "errors"} <= set(closure)
    assert "figures" not in closure


def test_a_data_folder_changes_with_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.jpg").write_bytes(b"1")
    before = fingerprint.of_data(str(tmp_path))
    assert fingerprint.of_data(str(tmp_path)) == before
    (tmp_path / "a" / "1.jpg").write_bytes(b"2")
    assert fingerprint.of_data(str(tmp_path)) != before
    assert fingerprint.of_data(str(tmp_path / "none")) is None
    assert fingerprint.of_data("") is None
