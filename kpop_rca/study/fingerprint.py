"""What makes a result stale: hashes of a notebook's code, of the modules it imports, and of photographs.

Code counts by what it does: a comment, a docstring, a line break changes no hash.
"""

import ast
import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from kpop_rca.errors import StudyError
from kpop_rca.study import cells, data_files, paths
from kpop_rca.system import files

PACKAGE = "kpop_rca"
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
HASHING_THREADS = 4
NOT_READ = "not to be read"
# Packages and modules that keep the books of a study: where files lie, who has a stage, what was said to whom. They
# compute nothing, and import nothing of the package that does (a test holds them to it), so half-done work outlives a
# change of theirs.
BOOKKEEPING = frozenset({"errors", "study", "system.console", "system.files", "system.fonts", "system.locks"})
# Files that the package ships, by the module that reads them.
PACKAGE_DATA = {"results.paper": "results/paper_tables", "results.pages": "results/templates"}


def of_notebook(notebook: str) -> str:
    """Hash of a notebook's code cells and of the package modules behind them: would it show the same today?

    Outputs, prose and the defaults in the parameters cell are left out; parameters count by their resolved values.

    Raises:
        StudyError: the file is no notebook, or a cell of it is no Python.
    """
    path = paths.notebook_source(notebook)
    found = cells.of_notebook(path)
    code = [cell.source for cell in found if cell.kind == "code" and not {"parameters", "colab"} & cell.tags]
    try:
        modules = imported_modules("\n".join(code))  # together: what one cell imports, another uses
        return _digest([*map(_code, code), of_modules(*modules)])
    except SyntaxError as error:
        said = f"{error.msg}: {(error.text or '').strip()}"
        raise StudyError(f"a file that {path} needs is no Python any more ({said}); mend it") from None


def of_modules(*modules: str) -> str:
    """Hash of the code of modules and of everything in the package that they import."""
    closure = module_closure(frozenset(modules))
    return _digest([*(f"{name} {_code(_source_of(name))}" for name in closure), *_package_data(closure)])


def of_computing(module: str) -> str:
    """Hash of the code of a module and its imports that computes: would half-done work go on to the same numbers?

    BOOKKEEPING does not count, nor do the words of messages.
    """
    closure = module_closure(frozenset({module}), without_bookkeeping=True)
    code = (f"{name} {_code(_source_of(name), messages=False)}" for name in closure)
    return _digest([*code, *_package_data(closure)])


def of_photographs(folder: Path) -> dict[str, Any]:
    """Number of the photographs below a data folder (`files`), and a hash of their names and contents (`contents`).

    What no stage reads does not count: hidden files and folders, links out of the folder, files that are no images.
    """
    drawn = [(name,) for name in data_files.RECORDS if (folder / name).is_file() and not (folder / name).is_symlink()]
    found = sorted([*data_files.found_in(folder).photographs, *drawn])
    with ThreadPoolExecutor(max_workers=HASHING_THREADS) as pool:  # hashing and reading release the interpreter's lock
        hashes = pool.map(_contents, [folder.joinpath(*parts) for parts in found])
    contents = _digest([f"{'/'.join(parts)} {checksum}" for parts, checksum in zip(found, hashes, strict=True)])
    return {"files": len(found), "contents": contents}


@cache
def imported_modules(source: str) -> frozenset[str]:
    """Names below `kpop_rca` of the modules that a piece of Python uses, as `rca.ratio`.

    What comes through a package, by import or as its attribute, counts as the module that it is from.
    """
    nodes, found = list(ast.walk(_parsed(source))), set()
    attributes = {(node.value.id, node.attr) for node in nodes if _is_attribute_of_name(node)}
    for node in nodes:
        if isinstance(node, ast.Import):
            names = {alias.name: alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}": alias.asname or alias.name for alias in node.names}
        else:
            continue
        for name, known_as in names.items():
            if name.startswith(f"{PACKAGE}."):
                used = {attribute for of, attribute in attributes if of == known_as}
                found |= _homes(name.removeprefix(f"{PACKAGE}."), used)
    return frozenset(found)


def _is_attribute_of_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


def _homes(name: str, used: set[str]) -> set[str]:
    """The modules behind an imported name: of a package, those of its attributes that are used, else all of it."""
    path = _module_file(name)
    if path is None:  # a function, a class or a constant, of a module or through a package
        package, _, attribute = name.rpartition(".")
        return {_handed_on(package).get(attribute, package)} if _module_file(package) else set()
    if path.name != "__init__.py" or not used:
        return {name}
    return set().union(*(_homes(f"{name}.{attribute}", set()) for attribute in used))


def _handed_on(package: str) -> dict[str, str]:
    """What a package hands on, and the module that each is from: by import, or by `lazy_loader.attach`."""
    if _module_file(package).name != "__init__.py":
        return {}
    found = {}
    for node in ast.walk(_parsed(_source_of(package))):
        if isinstance(node, ast.ImportFrom):
            home = node.module.removeprefix(f"{PACKAGE}.")
            found |= {alias.asname or alias.name: home for alias in node.names}
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":  # of lazy_loader.attach
            for module, names in ast.literal_eval(node.value).items():
                found |= dict.fromkeys(names, f"{package}.{module}")
    return {name: home for name, home in found.items() if _module_file(home)}


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
    return any(module == name or module.startswith(f"{name}.") for name in BOOKKEEPING)


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
def _code(source: str, *, messages: bool = True) -> str:
    """A piece of Python as Python itself would write it, without comments and docstrings.

    Args:
        source: of a module or a cell.
        messages: keep the words of errors, warnings and prints as well.
    """
    tree = _parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node, clean=False) is not None :] or [ast.Pass()]
        if messages:
            continue
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args = node.exc.keywords = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "warnings.warn"):
            node.args = node.keywords = []
    return ast.unparse(tree)


def _package_data(modules: tuple[str, ...]) -> list[str]:
    folders = [PACKAGE_FOLDER / PACKAGE_DATA[module] for module in modules if module in PACKAGE_DATA]
    return [f"{path.name} {files.sha256(path)}" for folder in folders for path in sorted(folder.iterdir())]


def _contents(path: Path) -> str:
    """Hash of a file's bytes; of a file that may not be read, that it may not."""
    try:
        return files.sha256(path)
    except OSError:
        return NOT_READ


def _digest(parts: list[str]) -> str:
    # A file's name may be bytes that are no text.
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]
