"""The reference of the public packages, from their docstrings, by pdoc: needed by `make site` alone."""

import importlib
import pkgutil
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from bs4 import BeautifulSoup

import kpop_rca
from kpop_rca.errors import StudyError


class Package(NamedTuple):
    """A public package: its name, the first line of its docstring, and the body of its page."""

    name: str
    summary: str
    body: Any


def packages() -> list[Package]:
    """Every package below `kpop_rca`, with what its `__init__` hands on.

    Raises:
        StudyError: pdoc is not installed.
    """
    pdoc = _pdoc()
    names = [found.name for found in pkgutil.iter_modules(kpop_rca.__path__) if found.ispkg]
    modules = {f"kpop_rca.{name}": pdoc.doc.Module(_loaded(f"kpop_rca.{name}")) for name in names}
    pdoc.render.configure(docformat="google", show_source=False, search=False)
    return [
        Package(name, (module.docstring.strip().splitlines() or [""])[0], partial(_body, module, modules))
        for name, module in zip(names, modules.values(), strict=True)
    ]


def _loaded(name: str) -> ModuleType:
    """A package with all that it hands on, in its dictionary, where pdoc looks: it is loaded lazily."""
    module = importlib.import_module(name)
    vars(module).update({public: getattr(module, public) for public in getattr(module, "__all__", ())})
    return module


def search_library() -> str:
    """The library of full-text search that pdoc ships and uses itself, as JavaScript."""
    folder = Path(_pdoc().__file__).parent / "templates" / "resources"
    return (folder / "elasticlunr.min.js").read_text(encoding="utf-8")


def _body(module: Any, modules: dict[str, Any]) -> str:
    """What pdoc writes of a package, without its frame: signatures and docstrings."""
    soup = BeautifulSoup(_pdoc().render.html_module(module, all_modules=modules), "html.parser")
    main = soup.find("main")
    for tag in main.find_all(class_="headerlink"):
        tag.decompose()
    for tag in main.find_all(["input", "label"]):
        tag.decompose()
    for tag in main.find_all(["h4", "h5", "h6"]):  # Arguments, Returns: of each function, so no headings of the page
        tag.name, tag.attrs = "p", {"class": "part"}
    for section in main.find_all("section", id=True):
        _give_heading(soup, section)
    return f'<div class="reference">{main.decode_contents()}</div>'


def _give_heading(soup: BeautifulSoup, section: Any) -> None:
    """A heading for each public name, by which contents and search find it."""
    heading = soup.new_tag("h2", id=section["id"])
    heading.string = section["id"]
    del section["id"]
    section.insert(0, heading)


@cache
def _pdoc() -> Any:
    try:
        import pdoc
    except ImportError:
        raise StudyError("pdoc is not installed, which the reference is written by; run: make site") from None
    return pdoc
