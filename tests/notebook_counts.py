"""How long notebooks are, and their sentences: python tests/notebook_counts.py [FOLDER …], or `make counts`."""

import re
import sys
from pathlib import Path

import nbformat
import pandas as pd

LONG = 25  # words of a sentence; more are too many
NOT_PROSE = re.compile(r"```.*?```|\$\$.*?\$\$|^\|[^\n]*$|^#+ [^\n]*$|^ {4,}\S[^\n]*$", re.S | re.M)
MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}")
# Of these no full stop ends a sentence.
SHORTENED = re.compile(r"\b(e\.g|i\.e|Fig|Figs|eq|vs|al|cf|no|Dr)\.", re.I)
ENDS = re.compile(r"(?<=[.!?:])[)\"”]?\s+(?=[\"“(`*]?[A-Z0-9`])|\n\s*(?:[-*]|\d+\.)\s+|\n\s*\n")


def sentences(markdown: str) -> list[str]:
    """The sentences of a text: without code, tables, headings and formulas; a point of a list is one or more.

    >>> sentences("# T\\nIt is 0.5, e.g. here. Then `a.b` ends.\\n\\n- one\\n- two")
    ['It is 0.5, e.g here.', 'Then `a.b` ends.', 'one', 'two']
    """
    prose = NOT_PROSE.sub("", markdown)
    prose = SHORTENED.sub(r"\1", MARKUP.sub(r"\1", prose))
    prose = re.sub(r"\A\s*(?:[-*]|\d+\.)\s+", "", prose)
    return [" ".join(piece.split()) for piece in ENDS.split(prose) if re.search(r"\w", piece)]


def words(sentence: str) -> int:
    """Words of a sentence; a piece of code, a number and a hyphenated word are one each."""
    return len(re.findall(r"`[^`]*`|[\w'’.,/%×-]*\w[\w'’%-]*", sentence))


def count(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """Cells, tables shown, words, sentences, those of more than 25 words, and their fraction."""
    prose = [sentence for cell in notebook.cells if cell.cell_type == "markdown" for sentence in sentences(cell.source)]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    long = sum(words(sentence) > LONG for sentence in prose)
    return {
        "cells": len(notebook.cells),
        "tables": sum("<table" in output.get("data", {}).get("text/html", "") for output in outputs),
        "words": sum(map(words, prose)),
        "sentences": len(prose),
        "long": long,
        "fraction_long": round(long / max(1, len(prose)), 3),
    }


def table(folder: Path) -> pd.DataFrame:
    """The counts of every notebook of a folder, one row each."""
    found = {path.stem: count(nbformat.read(path, as_version=4)) for path in sorted(folder.glob("*.ipynb"))}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("notebook")


if __name__ == "__main__":
    for place in sys.argv[1:] or [Path(__file__).resolve().parents[1] / "notebooks"]:
        print(table(Path(place)).to_string())
