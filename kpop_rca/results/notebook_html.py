"""A notebook, or a page of Markdown, as HTML without a frame: code folded, images within."""

import re
from functools import cache
from importlib import resources

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from traitlets.config import Config

from kpop_rca.results import layout
from kpop_rca.study import colab, fingerprint, paths
from kpop_rca.system.console import COLUMNS

WIDGET = "application/vnd.jupyter.widget-view+json"  # alive in a kernel alone; on a page its scripts would be fetched


def body(notebook: nbformat.NotebookNode) -> str:
    """An executed notebook's text, code and outputs."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = colab.BADGE.sub("", cell.source)  # its image lies on another server
        else:
            cell["outputs"] = [output for output in cell.get("outputs", []) if WIDGET not in output.get("data", {})]
            for output in cell["outputs"]:
                if output["output_type"] == "stream":
                    output["text"] = unwrapped(output["text"])
    return _exporter().from_notebook_node(notebook)[0]


def unwrapped(text: str) -> str:
    """Sentences without the line breaks of `console.wrapped`: a page breaks its lines itself, on a phone sooner.

    A break was made by it where the next word would have made the line too long.

    >>> unwrapped("word " * 21 + "reads\\non.\\nNew.").endswith("reads on.\\nNew.")
    True
    """
    lines: list[str] = []
    last = ""
    for line in text.split("\n"):
        word = line.split(" ", 1)[0]
        if word and last and len(last) <= COLUMNS < len(last) + 1 + len(word):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
        last = line
    return "\n".join(lines)


def opening(notebook: str) -> str:
    """The Markdown of a committed notebook's first cell."""
    return fingerprint.cells_of(paths.notebook_source(notebook))[0].source


def question(notebook: str) -> str:
    """What a notebook asks: the first question in its opening, else the first sentence after the title."""
    prose = " ".join(line for line in opening(notebook).splitlines() if not line.startswith(("#", "|", "[!")))
    sentences = re.split(r"(?<=[.?!])\s+", re.sub(r"[`*]|\([^)]*\)", "", prose).strip())
    asked = [sentence for sentence in sentences if sentence.endswith("?")] or sentences
    return asked[0].removeprefix("Question").lstrip(" .:")


def of_markdown(text: str) -> str:
    """A page of Markdown, its headings with ids."""
    return markdown2html_mistune(text)


@cache
def _exporter() -> HTMLExporter:
    config = Config()
    config.HTMLExporter.update(exclude_input_prompt=True, exclude_output_prompt=True)
    config.HTMLExporter.preprocessors = ["nbconvert.preprocessors.TagRemovePreprocessor"]
    config.TagRemovePreprocessor.remove_cell_tags = {"colab"}
    template = resources.files(layout.TEMPLATES) / "templates" / "notebook.html.j2"
    return HTMLExporter(config=config, raw_template=template.read_text(encoding="utf-8"))
