"""How long notebooks and pages of Markdown are, and their sentences: python tests/notebook_counts.py [FOLDER …].

`make counts` counts those of the project.
"""

import re
import sys
from pathlib import Path

import nbformat
import pandas as pd

LONG = 25  # words of a sentence; more are too many
NOT_PROSE = re.compile(r"```.*?```|\$\$.*?\$\$|^\|[^\n]*$|^#+ [^\n]*$|^ {4,}\S[^\n]*$", re.S | re.M)
COMMENT = re.compile(r"<!--.*?-->", re.S)
MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}")
# Of these no full stop ends a sentence.
SHORTENED = re.compile(r"\b(e\.g|i\.e|Fig|Figs|eq|vs|al|cf|no|Dr)\.", re.I)
ENDS = re.compile(r"(?<=[.!?:])[)\"”]?\s+(?=[\"“(`*]?[A-Z0-9`])|\n\s*(?:[-*]|\d+\.)\s+|\n\s*\n")


def sentences(markdown: str) -> list[str]:
    """The sentences of a text: without code, tables, headings and formulas; a point of a list is one or more.

    >>> sentences("# T\\nIt is 0.5, e.g. here. Then `a.b` ends.\\n\\n- one\\n- two")
    ['It is 0.5, e.g here.', 'Then `a.b` ends.', 'one', 'two']
    """
    prose = NOT_PROSE.sub("", COMMENT.sub("", markdown))
    prose = SHORTENED.sub(r"\1", MARKUP.sub(r"\1", prose))
    prose = re.sub(r"\A\s*(?:[-*]|\d+\.)\s+", "", prose)
    return [" ".join(piece.split()) for piece in ENDS.split(prose) if re.search(r"\w", piece)]


def words(sentence: str) -> int:
    """Words of a sentence; a piece of code, a number and a hyphenated word are one each."""
    return len(re.findall(r"`[^`]*`|[\w'’.,/%×-]*\w[\w'’%-]*", sentence))


def count(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """Cells, tables shown, words, sentences, those of more than 25 words, and their fraction."""
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = sum("<table" in output.get("data", {}).get("text/html", "") for output in outputs)
    return {"cells": len(notebook.cells), "tables": shown} | count_prose(prose)


def count_prose(markdown: str) -> dict[str, float]:
    """Words, sentences, those of more than 25 words, and their fraction."""
    prose = sentences(markdown)
    long = sum(words(sentence) > LONG for sentence in prose)
    return {
        "words": sum(map(words, prose)),
        "sentences": len(prose),
        "long": long,
        "fraction_long": round(long / max(1, len(prose)), 3),
    }


def table(folder: Path) -> pd.DataFrame:
    """The counts of every notebook and every page of Markdown of a folder, one row each."""
    found = {path.name: count(nbformat.read(path, as_version=4)) for path in sorted(folder.glob("*.ipynb"))}
    found |= {path.name: count_prose(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.md"))}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("page")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    for place in map(Path, sys.argv[1:] or [root / "notebooks", root / "docs", root]):
        print(f"{place.name}/", table(place).to_string(na_rep=""), sep="\n")
