"""What every notebook of the study must look like, checked without running any."""

import ast
import re

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from kpop_rca.study import params, paths, stages

NOTEBOOKS = [stage.notebook for stage in stages.EVERY]
LONGEST_CELL = 25


@pytest.fixture(params=NOTEBOOKS)
def notebook(request):
    return nbformat.read(paths.notebook_source(request.param), as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def without_magics(source):
    return re.sub(r"^(\s*)[!%].*$", r"\1pass", source, flags=re.M)


def test_the_stages_are_the_notebooks():
    assert sorted(p.stem for p in (paths.project_root() / "notebooks").glob("*.ipynb")) == NOTEBOOKS


def test_it_opens_with_the_question_and_the_paper_section(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    for needed in ("**Question**", "paper section", "| reads |", "| writes |", "| takes |"):
        assert needed in first.source, needed
    assert notebook.cells[-1].source.startswith("## What differs from the paper")


def test_its_parameters_are_typed_commented_and_flat(notebook):
    (cell,) = tagged(notebook, "parameters")
    for line in cell.source.splitlines():
        assert re.fullmatch(r"[a-z_0-9]+: [a-z\[\]]+ = .+  # .+", line), line


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_declared_types_are_those_that_are_checked(name):
    """The annotation in the notebook, for the reader, agrees with the type of the default, which is checked."""
    (cell,) = tagged(nbformat.read(paths.notebook_source(name), as_version=4), "parameters")
    for node in ast.parse(cell.source).body:
        default = params.declared(name)[node.target.id]
        annotation = ast.unparse(node.annotation).split("[")[0]
        assert annotation == type(default).__name__, node.target.id


def test_cells_are_short_and_define_nothing(notebook):
    for cell in code_cells(notebook):
        tree = ast.parse(without_magics(cell.source))
        imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
        listed = "parameters" in cell.metadata.get("tags", []) or imports  # such a list is as long as it is
        assert listed or len(cell.source.splitlines()) <= LONGEST_CELL, cell.source
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in ast.walk(tree))


def test_it_installs_nothing_outside_colab(notebook):
    for cell in code_cells(notebook):
        if "install" in cell.source:
            assert "colab" in cell.metadata.tags
            assert 'if "google.colab" in sys.modules' in cell.source


def test_what_is_said_of_colab_leaves_the_report_with_its_cell(notebook):
    introductions = [
        cell for cell in notebook.cells if cell.source.startswith("The next cell does nothing outside Colab")
    ]
    assert [cell.metadata.tags for cell in introductions] == [["colab"]]


# Cells at most.
LENGTHS = dict.fromkeys(NOTEBOOKS, 35) | {"06_rca_analysis": 30}
# What computes the sentences of an answer.
SENTENCES = re.compile(r"about_|sentences|\.answer\(|\.lines\(\)")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_answers_one_question_shortly(name):
    notebook = nbformat.read(paths.notebook_source(name), as_version=4)
    shown = [
        output.data.get("text/html", "") for cell in code_cells(notebook) for output in cell.outputs if "data" in output
    ]
    assert len(notebook.cells) <= LENGTHS[name]
    assert sum("<table" in text for text in shown) <= 5


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_begins_with_its_answer(name):
    """Under the first heading a figure, and sentences that are computed."""
    notebook = nbformat.read(paths.notebook_source(name), as_version=4)
    headings = [place for place, cell in enumerate(notebook.cells) if cell.source.startswith("## ")]
    assert notebook.cells[headings[0]].source.startswith("## 1. The answer")
    answer = code_cells(nbformat.v4.new_notebook(cells=notebook.cells[headings[0] : headings[1]]))
    assert any("save_figure" in cell.source for cell in answer)
    assert any(SENTENCES.search(cell.source) for cell in answer)


COLUMNS = 8


def flaws(table):
    """What a reader should not meet in a table: NaN, truth values, cut text, names of variables, too many columns."""
    rows = [row.find_all(["th", "td"]) for row in BeautifulSoup(table, "html.parser").find_all("tr")]
    headers = {cell.get_text() for row in rows for cell in row if cell.find_parent("thead")}
    cells = {cell.get_text() for row in rows for cell in row}
    found = [text for text in ("NaN", "nan", "True", "False", "None") if text in cells]
    found += [text for text in sorted(cells) if text.endswith("...")]
    found += [name for name in sorted(headers) if re.search(r"[a-z]_[a-z]", name)]
    columns = max(map(len, rows))
    return found + ([f"{columns} columns"] if columns > COLUMNS else [])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_its_tables_are_formatted(name):
    cells = code_cells(nbformat.read(paths.notebook_source(name), as_version=4))
    shown = [output.get("data", {}).get("text/html", "") for cell in cells for output in cell.outputs]
    tables = [text for text in shown if "<table" in text]
    assert [flaws(table) for table in tables] == [[]] * len(tables)


def test_a_raw_table_would_be_found():
    raw = pd.DataFrame([[True, float("nan"), 60 * "a", *range(5)]], columns=["n_real", *"abcdefg"])
    assert flaws(raw._repr_html_()) == ["NaN", "True", f"{46 * 'a'}...", "n_real", "9 columns"]


def test_prose_comes_between_results(notebook):
    """No reader meets more than three code cells without a word."""
    run = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 3, cell.source


def test_it_was_run_to_the_end_without_errors(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [o for cell in code_cells(notebook) for o in cell.outputs if o.output_type == "error"]


def test_it_leaves_no_trace_of_the_machine_it_ran_on(notebook):
    text = nbformat.writes(notebook)
    assert not re.search(r"/home/|/root/|/Users/|/work/|\\\\Users", text)
