"""How each notebook opens in Colab: from one address, `tool.kpop_rca.repository` in pyproject.toml.

    python -m kpop_rca.study.colab        # after a change of that address: rewrites the notebooks' first cells

The address is empty until the project has a home: a badge that leads to a name that nobody owns is an invitation to
whoever registers it. The cell then asks the reader for an address.
"""

import re
import tomllib

import nbformat

from kpop_rca.study import paths, stages

CELL = """import sys

repository = "{repository}"  # address of this project's repository
if "google.colab" in sys.modules:  # elsewhere the environment comes from the lock, see the README
    if not repository:
        sys.exit("write the address of this project's repository into the third line, and run the cell again")
    ![ -d /content/kpop_rca ] || git clone --quiet --depth 1 {{repository}} /content/kpop_rca
    %pip install --quiet --no-deps -r /content/kpop_rca/requirements-colab.txt
    sys.path.insert(0, "/content/kpop_rca")"""
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)\n*")
GITHUB = "https://github.com/"


def repository() -> str:
    """The address in pyproject.toml, empty where the project has none."""
    declared = tomllib.loads((paths.project_root() / "pyproject.toml").read_text(encoding="utf-8"))
    return declared["tool"]["kpop_rca"]["repository"]


def badge(notebook: str, address: str) -> str:
    """The line that opens a notebook in Colab; empty for an address that Colab cannot open, so for none."""
    if not address.startswith(GITHUB):
        return ""
    colab = "https://colab.research.google.com"
    place = address.removeprefix(GITHUB).removesuffix("/").removesuffix(".git")
    image = f"![Open in Colab]({colab}/assets/colab-badge.svg)"
    return f"[{image}]({colab}/github/{place}/blob/main/notebooks/{notebook}.ipynb)"


def opened(notebook: nbformat.NotebookNode, *, name: str, address: str) -> nbformat.NotebookNode:
    """A notebook whose badge and Colab cell have the address."""
    title, _, rest = BADGE.sub("", notebook.cells[0].source).partition("\n\n")
    notebook.cells[0].source = "\n\n".join(part for part in (title, badge(name, address), rest) if part)
    (cell,) = (c for c in notebook.cells if c.cell_type == "code" and "colab" in c.metadata.get("tags", []))
    cell.source = CELL.format(repository=address)
    return notebook


def main() -> None:
    """Write the address into all notebooks."""
    for stage in stages.EVERY:
        path = paths.notebook_source(stage.notebook)
        notebook = opened(nbformat.read(path, as_version=4), name=stage.notebook, address=repository())
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
