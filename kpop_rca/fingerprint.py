"""What makes a result stale: hashes of a notebook's code, of the modules it imports, and of a data folder.

Code counts by what it does: a comment, a docstring, a line break changes no hash. Two hashes answer two questions:
- `of_notebook`: would the notebook show the same today? All that it imports counts, down to a colour in a figure.
- `of_computing`: would half-done work go on to the same numbers? Only the modules that compute count, and of those
  not the words of their messages.
"""

import ast
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from kpop_rca import cells, disk, paths
from kpop_rca.data import files
from kpop_rca.errors import StudyError

PACKAGE = "kpop_rca"
PACKAGE_FOLDER = Path(__file__).resolve().parent
HASHING_THREADS = 4
RECORDS_OF_A_CORPUS = ("truth.csv", "idols.json")
NOT_READ = "not to be read"
JUST_NOW = 2_000_000_000  # nanoseconds; the coarsest clock of a file system in use
# Modules that keep the books of a study: where files lie, who has a stage, what was said to whom. They compute nothing,
# and import nothing of the package that does (a test holds them to it), so half-done work outlives a change of theirs.
BOOKKEEPING = frozenset({
    "artifacts", "cells", "data", "data.files", "disk", "errors", "fingerprint", "flat_yaml", "given", "letters",
    "loading", "locks", "manifests", "params", "paths", "privacy", "seals", "set_aside", "stages", "sweeps", "watch",
    "wrapping",
})  # fmt: skip


def _digest(parts: list[str]) -> str:
    # A file's name may be bytes that are no text.
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]


def _module_file(name: str) -> Path | None:
    """The file of `kpop_rca.<name>`, dots allowed; None where `name` is no module (a function, say)."""
    stem = PACKAGE_FOLDER.joinpath(*name.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def imported_modules(source: str) -> frozenset[str]:
    """Names below `kpop_rca` that a piece of Python imports, as `audit` or `data.idols`."""
    found = set()
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {n.removeprefix(f"{PACKAGE}.") for n in names if n.startswith(f"{PACKAGE}.")}
    return frozenset(name for name in found if _module_file(name))


def module_closure(modules: frozenset[str], *, without: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The modules and all that they import within the package, sorted; those of `without` are not followed."""
    known, to_read = set(), set(modules) - without
    while to_read:
        name = to_read.pop()
        known.add(name)
        to_read |= imported_modules(_source_of(name)) - known - without
    return tuple(sorted(known))


def of_modules(*modules: str) -> str:
    """Hash of the code of modules and of everything in the package that they import."""
    closure = module_closure(frozenset(modules))
    return _digest([*(f"{name} {_code(_source_of(name))}" for name in closure), *_package_data(closure)])


def of_computing(module: str) -> str:
    """Hash of the code that computes, of a module and of what it imports: BOOKKEEPING and messages do not count."""
    closure = module_closure(frozenset({module}), without=BOOKKEEPING)
    return _digest(
        [*(f"{name} {_code(_source_of(name), messages=False)}" for name in closure), *_package_data(closure)]
    )


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
        if not messages:
            _drop_words(node)
    return ast.unparse(tree)


def _drop_words(node: ast.AST) -> None:
    """Drop what a node says to a reader: the arguments of the error that it raises, of `print` and of a warning."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        node.exc.args = node.exc.keywords = []
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "warnings.warn"):
        node.args = node.keywords = []


def _package_data(modules: tuple[str, ...]) -> list[str]:
    """Hashes of the files that the package ships and a module reads: the paper's tables, the report's templates."""
    folders = [folder for module, folder in (("reference", "paper"), ("report", "templates")) if module in modules]
    return [
        f"{path.name} {disk.sha256(path)}" for folder in folders for path in sorted((PACKAGE_FOLDER / folder).iterdir())
    ]


def of_notebook(notebook: str) -> str:
    """Hash of a notebook's code cells and of the package modules behind them.

    Outputs, prose and the defaults in the parameters cell are left out: saving a notebook or rewording it
    reruns nothing, and parameters count by their resolved values.

    Raises:
        StudyError: the file is no notebook, or a cell of it is no Python.
    """
    path = paths.notebook_source(notebook)
    found = cells.of_notebook(path)
    code = [cell.source for cell in found if cell.kind == "code" and not {"parameters", "colab"} & cell.tags]
    try:
        modules = set().union(*(imported_modules(source) for source in code))
        return _digest([*map(_code, code), of_modules(*modules)])
    except SyntaxError as error:
        said = f"{error.msg}: {(error.text or '').strip()}"
        raise StudyError(f"a file that {path} needs is no Python any more ({said}); mend it") from None


def of_data(root: str) -> str | None:
    """Hash of the names and contents of the photographs below a data folder; None where there is no such folder.

    This runs before every build: a photograph is read again only where its size or times are others than when it was
    read last, which `.photographs-….json` beside the artifacts says. What no stage reads does not count.
    """
    folder = paths.resolve_data_root(root)
    if not root or not folder.is_dir():
        return None
    record = paths.known_photographs(folder)
    known = _read_known(record)
    found = _files_to_read(folder)
    states = {name: _state(path) for name, path in found.items()}
    unchanged = {name: known[name][1] for name in states if states[name] and known.get(name, [""])[0] == states[name]}
    hashes = unchanged | _hashes({name: path for name, path in found.items() if name not in unchanged})
    kept = {name: [states[name], hashes[name]] for name in found if states[name] and hashes[name] != NOT_READ}
    if kept != known:
        with suppress(StudyError):  # no permission to write: all is read again next time
            disk.write_json(record, kept)
    return _digest([f"{name} {hashes[name]}" for name in sorted(found)])


def of_photographs(folder: Path) -> dict[str, Any]:
    """Hash of the contents of the photographs below a data folder, and how many they are.

    What no stage reads does not count: hidden files and folders, links out of the folder, files that are no images.

    Args:
        folder: the data folder.

    Returns:
        files: how many; contents: hash of their names and contents.
    """
    hashes = _hashes(_files_to_read(folder))
    return {"files": len(hashes), "contents": _digest([f"{name} {hashes[name]}" for name in sorted(hashes)])}


def _files_to_read(folder: Path) -> dict[str, Path]:
    """The photographs below a folder by their names in it, and the records of a drawn corpus, which 01 reads."""
    drawn = [(name,) for name in RECORDS_OF_A_CORPUS if (folder / name).is_file() and not (folder / name).is_symlink()]
    return {"/".join(parts): folder.joinpath(*parts) for parts in [*files.found_in(folder).photographs, *drawn]}


def _hashes(found: dict[str, Path]) -> dict[str, str]:
    with ThreadPoolExecutor(max_workers=HASHING_THREADS) as pool:  # hashing and reading release the interpreter's lock
        return dict(zip(found, pool.map(_contents, found.values()), strict=True))


def _contents(path: Path) -> str:
    """Hash of a file's bytes; of a file that may not be read, that it may not."""
    try:
        return disk.sha256(path)
    except OSError:
        return NOT_READ


def _state(path: Path) -> str:
    """What changes with a file's contents; "" for one that was written just now, and may be again within the clock's
    resolution, and for one that is gone."""
    try:
        state = path.stat()
    except OSError:
        return ""
    latest = max(state.st_mtime_ns, state.st_ctime_ns)
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}" if time.time_ns() - latest > JUST_NOW else ""


def _read_known(record: Path) -> dict[str, list[str]]:
    """Name of each photograph to its state and hash when it was read last; empty where nothing is known."""
    try:
        found = disk.read_json(record)
    except (StudyError, OSError):
        return {}
    well = isinstance(found, dict) and all(isinstance(pair, list) and len(pair) == 2 for pair in found.values())
    return found if well else {}
