"""Hashes of a notebook's code and of the modules that it imports: would it come to the same today?

Code counts by what it does: a comment, a docstring, a line break changes no hash.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kpop_rca.errors import StudyError
from kpop_rca.study import paths
from kpop_rca.system import files

PACKAGE = "kpop_rca"
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
# Packages and modules that keep the books of a study: where files lie, who has a stage, what was said to whom. They
# compute nothing, and import nothing of the package that does (a test holds them to it), so half-done work outlives a
# change of theirs.
BOOKKEEPING = frozenset({"errors", "study", "system.console", "system.files", "system.fonts", "system.locks"})
# Files that the package ships, by the module that reads them.
PACKAGE_DATA = {
    "image_metrics.no_reference": "image_metrics/parameters",
    "human_ratings.reference_answers": "human_ratings/reference",
    "results.paper": "results/paper_tables",
    "results.pages": "results/templates",
}


class Cell(NamedTuple):
    """One cell: "code" or "markdown", its text and its tags."""

    kind: str
    source: str
    tags: frozenset[str]


def cells_of(path: Path) -> list[Cell]:
    """The cells of a notebook of format 4, read as the JSON that it is: nbformat takes 1.2 s to load."""
    try:
        return [
            Cell(cell["cell_type"], "".join(cell["source"]), frozenset(cell["metadata"].get("tags", [])))
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StudyError(f"{path} is no notebook any more; put the one of the project back") from None


def of_notebook(notebook: str) -> str:
    """Hash of a notebook's code cells and of the package modules behind them.

    Outputs, prose and the defaults in the parameters cell are left out; parameters count by their resolved values.
    """
    path = paths.notebook_source(notebook)
    found = cells_of(path)
    code = [cell.source for cell in found if cell.kind == "code" and not {"parameters", "colab"} & cell.tags]
    try:
        modules = imported_modules("\n".join(code))  # together: what one cell imports, another uses
        return _digest([*map(_code, code), of_modules(*modules)])
    except SyntaxError as error:
        said = f"{error.msg}: {(error.text or '').strip()}"
        raise StudyError(f"a file that {path} needs is no Python any more ({said}); mend it") from None


def of_modules(*modules: str, without_bookkeeping: bool = False) -> str:
    """Hash of the code of modules and of everything in the package that they import."""
    closure = module_closure(frozenset(modules), without_bookkeeping=without_bookkeeping)
    folders = [PACKAGE_FOLDER / PACKAGE_DATA[module] for module in closure if module in PACKAGE_DATA]
    data = [f"{path.name} {files.sha256(path)}" for folder in folders for path in sorted(folder.iterdir())]
    return _digest([*(f"{name} {_code(_source_of(name))}" for name in closure), *data])


def of_computing(module: str) -> str:
    """Hash of the code of a module and its imports that computes: would half-done work go on to the same numbers?"""
    return of_modules(module, without_bookkeeping=True)


@cache
def imported_modules(source: str) -> frozenset[str]:
    """Names below `kpop_rca` of the modules that a piece of Python uses, as `rca.ratio`.

    What comes through a package, by import or as its attribute, counts as the module that it is from.
    """
    nodes, names = list(ast.walk(_parsed(source))), set()
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    within = [name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")]
    return frozenset().union(*(_homes(name, attributes) for name in within))


def _homes(name: str, attributes: set[str]) -> set[str]:
    """The modules behind an imported name: of a package, those whose names are used as attributes, else all of it."""
    path = _module_file(name)
    if path is None:  # a function, a class or a constant, of a module or through a package
        package, _, attribute = name.rpartition(".")
        return {_handed_on(package).get(attribute, package)} if _module_file(package) else set()
    return {home for attribute, home in _handed_on(name).items() if attribute in attributes} or {name}


def _handed_on(package: str) -> dict[str, str]:
    """What a package hands on, and the module that each is from: by import, or by `lazy_loader.attach`."""
    found = {}
    for node in ast.walk(_parsed(_source_of(package))) if _module_file(package).name == "__init__.py" else ():
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name: node.module.removeprefix(f"{PACKAGE}.") for alias in node.names}
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            for module, names in ast.literal_eval(node.value).items():
                found |= dict.fromkeys(names, f"{package}.{module}")
        if isinstance(node, ast.keyword) and node.arg == "submodules":
            found |= {module: f"{package}.{module}" for module in ast.literal_eval(node.value)}
    return found


def module_closure(modules: frozenset[str], *, without_bookkeeping: bool = False) -> tuple[str, ...]:
    """The modules and all that they import within the package, sorted."""
    known, to_read = set(), set(modules)
    while to_read:
        name = to_read.pop()
        if without_bookkeeping and keeps_books(name):
            continue
        known.add(name)
        to_read |= (imported_modules(_source_of(name)) | {*_handed_on(name).values()}) - known
    return tuple(sorted(known))


def keeps_books(module: str) -> bool:
    """Whether a module, or a package that it lies in, is one of BOOKKEEPING."""
    return any(f"{module}.".startswith(f"{name}.") for name in BOOKKEEPING)


def _module_file(name: str) -> Path | None:
    """The file of `kpop_rca.<name>`, dots allowed; None where `name` is no module (a function, say)."""
    stem = PACKAGE_FOLDER.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _source_of(module: str) -> str:
    return _module_file(module).read_text(encoding="utf-8")


def _parsed(source: str) -> ast.Module:
    """The tree of a module or of a notebook's cell, which may hold IPython's `%magic` and `!command`."""
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager  # not above: nearly no cell needs it

        return ast.parse(TransformerManager().transform_cell(source))


@cache
def _code(source: str) -> str:
    """A piece of Python as Python itself would write it, without comments and docstrings."""
    tree = _parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node, clean=False) is not None :] or [ast.Pass()]
    return ast.unparse(tree)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
