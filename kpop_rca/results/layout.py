"""The frame of every page, and what a text becomes in it: tables that scroll, images with a size, MathML formulas."""

import base64
import contextlib
import importlib.util
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from kpop_rca.system import html

TEMPLATES = "kpop_rca.results"  # the package whose they are
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\w$\\])\$(?=\S)([^$\n]+?)(?<=\S)\$(?![\w$])", re.S)
WHERE_DOLLARS_ARE_MEANT = {"code", "pre", "script", "style", "math"}
WIDE = 700  # pixels; a figure that is wider would be illegible at the width of a phone, and scrolls there
NOTHING_SAID = "No description has been provided for this image"  # nbconvert's words
LONG_CELL = 32  # characters; what is longer in a table is broken into lines


class Entry(NamedTuple):
    """A link of the menu."""

    title: str
    href: str
    here: bool = False


class Heading(NamedTuple):
    """A link of a page's table of contents."""

    title: str
    anchor: str
    level: int


class Finished(NamedTuple):
    """A text that is ready for its page."""

    body: str
    contents: list[Heading]
    soup: BeautifulSoup


def page(
    finished: Finished,
    *,
    title: str,
    menu: Mapping[str, Sequence[Entry]],
    home: Entry,
    root: str | None = None,
    searchable: bool = False,
    scripts: Sequence[str] = (),
) -> str:
    """A whole page.

    Args:
        menu: links by the title of their group, which may be empty.
        home: the link at the top.
        root: way to the folder of `assets/` ("", "../"); None for a page that needs no other file.
        searchable: whether `search.html` is in that folder.
        scripts: further ones in `assets/`.
    """
    return html.template(TEMPLATES, "layout.html").render(
        body=Markup(finished.body),  # nosec B704 - what comes from names was escaped in it
        contents=finished.contents,
        title=title,
        menu=menu,
        home=home,
        root=root,
        searchable=searchable,
        scripts=scripts,
    )


def finish(
    text: str, *, image: Callable[[bytes], str] | None = None, link: Callable[[str], str | None] | None = None
) -> Finished:
    """Make a body ready for its page.

    Args:
        text: HTML; its images are data addresses.
        image: where a PNG is put, as an address; None leaves it in the page.
        link: another address for a link, None for none.
    """
    soup = BeautifulSoup(text, "html.parser")
    _name_headings(soup)
    for style in soup.find_all("style", scoped=True):
        style.decompose()
    for table in soup.find_all("table"):
        _mend_table(soup, table)
    for tag in soup.find_all("img"):
        _mend_image(soup, tag, image)
    for tag in soup.find_all("a", href=True) if link else ():
        _lead(tag, link)
    _write_formulas(soup)
    headings = [tag for tag in soup.find_all(["h2", "h3"]) if tag.get("id")]
    contents = [Heading(words(tag), tag["id"], int(tag.name[1])) for tag in headings]
    return Finished(str(soup), contents, soup)


def words(tag: Tag) -> str:
    """What a heading says, without the sign of its link."""
    return " ".join(tag.get_text(" ").replace("¶", "").split())


def _name_headings(soup: BeautifulSoup) -> None:
    """Ids as GitHub gives them, each once, and links within the page that follow."""
    renamed, taken = {}, set()
    for tag in soup.find_all(["h1", "h2", "h3", "h4"]):
        if (old := tag.get("id")) is not None or tag.name in ("h2", "h3"):
            wanted = re.sub(r"[^\w\- ]", "", words(tag).lower()).strip().replace(" ", "-") or "section"
            name = wanted if re.search(r"\W", old or " ") or old != old.lower() else old
            name = next(
                n for n in itertools.chain([name], (f"{name}-{i}" for i in itertools.count(1))) if n not in taken
            )
            taken.add(name)
            tag["id"], renamed[f"#{old}"] = name, f"#{name}"
    for tag in soup.find_all("a", href=renamed.get):
        tag["href"] = renamed[tag["href"]]
    for tag in soup.find_all("a", class_="anchor-link"):
        tag["aria-label"] = f"Link to {words(tag.parent)}"


def _mend_table(soup: BeautifulSoup, table: Tag) -> None:
    """A header of one row where pandas gives the index a row of its own; scopes; a box that scrolls."""
    del table["border"]
    _join_header(table)
    for cell in table.find_all("th"):
        if words(cell):
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
        else:
            cell.name = "td"  # a header that says nothing is none
    for cell in table.find_all("td", class_=False):
        if len(words(cell)) > LONG_CELL:
            cell["class"] = "text"
    if not table.find_parent(class_="scroll"):
        table.wrap(soup.new_tag("div", attrs={"class": "scroll"}))


def _join_header(table: Tag) -> None:
    rows = table.thead.find_all("tr") if table.thead else []
    cells = [row.find_all(["th", "td"], recursive=False) for row in rows]
    if len(rows) == 2 and len(cells[0]) == len(cells[1]):
        pairs = list(zip(*cells, strict=True))
        if not any(words(above) and words(below) for above, below in pairs):
            for above, below in pairs:
                above.extend([] if words(above) else list(below.contents))
            rows[1].decompose()
    if rows and not words(table.thead):
        table.thead.decompose()


def _mend_image(soup: BeautifulSoup, tag: Tag, image: Callable[[bytes], str] | None) -> None:
    """Size, so that a text does not jump when an image comes; alternative text; an address in place of the bytes."""
    kind, _, coded = tag.get("src", "").partition(";base64,")
    tag["loading"], tag["decoding"] = "lazy", "async"
    if tag.get("alt", NOTHING_SAID) == NOTHING_SAID:
        tag["alt"] = _place_of(soup, tag)
    if kind != "data:image/png":
        return
    content = base64.b64decode(coded)
    if not tag.get("width"):
        with contextlib.suppress(UnidentifiedImageError):  # a damaged one is shown as a browser shows it
            tag["width"], tag["height"] = map(str, Image.open(io.BytesIO(content)).size)
    if int(tag.get("width", 0)) > WIDE and not tag.find_parent(class_="scroll"):
        tag.wrap(soup.new_tag("div", attrs={"class": "scroll figure"}))
    if image:
        tag["src"] = image(content)


def _place_of(soup: BeautifulSoup, tag: Tag) -> str:
    """Of an image that does not say what it shows: the heading of its section, and which figure of the page it is."""
    heading = tag.find_previous(["h1", "h2", "h3"])
    number = 1 + [id(image) for image in soup.find_all("img")].index(id(tag))
    return f"Figure {number}: {words(heading)}" if heading else f"Figure {number}"


def _lead(tag: Tag, link: Callable[[str], str | None]) -> None:
    found = link(tag["href"])
    if found is None:
        tag.unwrap()
    else:
        tag["href"] = found


def _write_formulas(soup: BeautifulSoup) -> None:
    """TeX between dollar signs as MathML, which a browser shows by itself; it stays TeX without latex2mathml."""
    if not importlib.util.find_spec("latex2mathml"):
        return
    from latex2mathml import converter

    for text in soup.find_all(string=FORMULA):
        if not {parent.name for parent in text.parents} & WHERE_DOLLARS_ARE_MEANT:
            written = FORMULA.sub(
                lambda found: converter.convert(found[1] or found[2], display="block" if found[1] else "inline"),
                str(text).replace("<", "&lt;"),
            )
            text.replace_with(BeautifulSoup(written, "html.parser"))
