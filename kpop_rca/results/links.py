"""Where the links and images of a site lead: within its folder, by relative addresses."""

import hashlib
import posixpath
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from kpop_rca.study import colab

# What is handed on as it is where a page links to it.
HANDED_ON = {".csv", ".json", ".yaml", ".toml", ".cff", ".txt", ".lock", ".png"}
NAME_LENGTH = 16  # characters of the hash by which an image is named


class Site(NamedTuple):
    """A folder of pages."""

    project: Path
    folder: Path
    pages: dict[str, str]  # page in the site, by its source in the project

    def image(self, content: bytes, *, page: str) -> str:
        """The address of a PNG on a page; the same image is one file, however many pages show it."""
        name = f"images/{hashlib.sha256(content).hexdigest()[:NAME_LENGTH]}.png"
        if not (self.folder / name).is_file():
            (self.folder / "images").mkdir(exist_ok=True)
            (self.folder / name).write_bytes(content)
        return relative(name, page)

    def link(self, href: str, *, page: str, source: str) -> str | None:
        """What a link of a source becomes on its page: another page, a file handed on, None where there is neither."""
        address = urlsplit(href)
        if address.scheme or address.netloc or not address.path:
            return href
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), unquote(address.path)))
        anchor = f"#{address.fragment}" if address.fragment else ""
        if known := self._page(target):
            return relative(known, page) + anchor
        owner = self.pages.get(f"{posixpath.dirname(target)}/index.html")
        if owner and posixpath.basename(target) == "tables":
            return f"{relative(owner, page)}#tables"
        if (self.project / target).is_file() and Path(target).suffix in HANDED_ON:
            return relative(self._hand_on(target), page)
        home = colab.repository()
        return f"{home.removesuffix('.git')}/blob/main/{target}" if home and (self.project / target).exists() else None

    def _page(self, target: str) -> str | None:
        """The page of a source; a notebook's page may be asked for as one of its study."""
        notebook = f"notebooks/{posixpath.basename(target).removesuffix('.html')}.ipynb"
        candidates = [target, f"{target}/index.html"]
        if target.startswith("reports/") and target.endswith(".html"):
            candidates.append(notebook)
        return next((self.pages[name] for name in candidates if name in self.pages), None)

    def _hand_on(self, target: str) -> str:
        copy = self.folder / "files" / target
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.project / target, copy)
        return f"files/{target}"


def relative(target: str, page: str) -> str:
    """An address within the site, from a page of it."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
