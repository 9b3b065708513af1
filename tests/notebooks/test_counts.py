"""Notebooks are short, and so are their sentences; `make counts` shows the numbers."""

import doctest

import nbformat
import notebook_counts
import pytest

from kpop_rca.study import paths, stages

LIMITS = {"cells": 35, "tables": 5, "fraction_long": 0.05}


def above(found):
    return {name for name, most in LIMITS.items() if found[name] > most}


@pytest.mark.parametrize("name", [stage.notebook for stage in stages.EVERY])
def test_a_notebook_and_its_sentences_are_short(name):
    found = notebook_counts.count(nbformat.read(paths.notebook_source(name), as_version=4))
    assert not above(found), found


PAGES = [*sorted((paths.project_root() / "docs").glob("*.md")), *sorted(paths.project_root().glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_of_docs_are_short(page):
    """A page of fewer than twenty sentences may have one long one."""
    found = notebook_counts.count_prose(page.read_text(encoding="utf-8"))
    assert found["sentences"] > 3
    assert found["long"] <= max(1, LIMITS["fraction_long"] * found["sentences"]), found


def test_sentences_are_told_apart():
    assert doctest.testmod(notebook_counts).failed == 0


def test_words_of_a_sentence():
    assert notebook_counts.words("RCA is 0.57 in `a.b(c, d)`, a look-alike's 95 %.") == 8


def test_a_long_notebook_would_be_found():
    long = " ".join(["word"] * 26) + "."
    cells = [nbformat.v4.new_markdown_cell(f"# T\n\n{long} Short.\n\n| {long} |\n") for _ in range(36)]
    shown = nbformat.v4.new_output("display_data", {"text/html": "<table></table>"})
    cells.append(nbformat.v4.new_code_cell("x", outputs=[shown] * 6))
    found = notebook_counts.count(nbformat.v4.new_notebook(cells=cells))
    assert (found["sentences"], found["long"], found["tables"]) == (72, 36, 6)
    assert above(found) == set(LIMITS)


def test_what_the_build_fills_in_counts_and_its_marks_do_not():
    found = notebook_counts.count_prose(
        f"# T\n\n<!-- findings: x -->\n{'word ' * 26}\n<!-- end -->\n\n```\ncode\n```\n"
    )
    assert (found["sentences"], found["words"], found["long"]) == (1, 26, 1)
