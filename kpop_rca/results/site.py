"""The whole project as one static folder: its answer, its studies side by side, notebooks, docs and reference.

It is built from what is committed: `reports/`, `notebooks/`, `docs/`. A report is in it only where `.gitignore` names
its folder, so that a study of real people is not published by accident. Links are relative, images shared files: the
folder works from a disk, and under any address.
"""

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from kpop_rca.errors import StudyError
from kpop_rca.results import api_reference, layout, links, notebook_html, pages, report_tables
from kpop_rca.study import paths, stages
from kpop_rca.system import files, html

STUDIES, NOTEBOOKS, READING, REFERENCE = "Studies", "Notebooks", "Reading", "Reference"
DEFAULT = "quick"  # the study of the committed notebooks
# How the studies are ordered on the first page; others follow by name.
FIRST = (DEFAULT, "showcase", "lfw10-quick", "claims", "benchmarks-cpu")
NAMED = re.compile(r"^!/reports/([\w-]+)/$", re.M)  # in .gitignore: a report that may be committed
PICTURE = re.compile(
    r"!\[(?P<alt>[^]]*)\]\((?P<path>[^)]+\.png)\)\s+(?:<!--.*?-->\s+)?\*(?P<caption>.+?)\*(?=\n|\Z)", re.S
)
DOCS = ("docs/*.md", "CONTRIBUTING.md", "CHANGELOG.md", "weights/*/MODEL_CARD.md")
SECTION = 1200  # characters of a section that search looks at


class Page(NamedTuple):
    """A page before it is finished."""

    path: str  # within the site
    title: str
    group: str  # of the menu; "" for none
    source: str  # what its links are relative to, within the project
    body: Callable[[], str]
    scripts: tuple[str, ...] = ()


def build(folder: Path, *, reference: bool = True) -> list[Path]:
    """Write the site; returns its pages, the first one first.

    Args:
        folder: where; an earlier site there is replaced.
        reference: with the reference of the packages and the search, which need pdoc.

    Raises:
        StudyError: the folder holds something else, a report is damaged, or pdoc is missing.
    """
    _make_room(folder)
    found = _all_pages(reference=reference)
    menu = _menu(found)
    site = links.Site(paths.project_root(), folder, {page.source: page.path for page in found})
    sections = []
    for page in found:
        link = partial(site.link, page=page.path, source=page.source)
        finished = layout.finish(page.body(), image=partial(site.image, page=page.path), link=link)
        sections += [section for section in _sections(page, finished) if reference]
        _write(folder / page.path, _framed(page, finished, menu, searchable=reference))
    _write_assets(folder, sections)
    return [folder / page.path for page in found]


def _make_room(folder: Path) -> None:
    """An empty folder, in place of an earlier site."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "assets" / "style.css").is_file():
        raise StudyError(f"{folder} holds something that is no site; name another folder, or remove it")
    shutil.rmtree(folder, ignore_errors=True)
    _write(folder / "assets" / "style.css", html.template(layout.TEMPLATES, "style.css").render())


def _all_pages(*, reference: bool) -> list[Page]:
    studies, notebooks, docs = _studies(), _notebooks(), _docs()
    described = [*notebooks, *docs]
    further = api_reference.packages() if reference else []
    packages = [
        Page(f"api/{package.name}.html", package.name, REFERENCE, f"kpop_rca/{package.name}", package.body)
        for package in further
    ]
    front = Page("index.html", "Start", "", "README.md", partial(_front, studies, described, further))
    search = [Page("search.html", "Search", "", "search", _search, ("elasticlunr.js", "index.js", "search.js"))]
    return [front, *studies, *notebooks, *docs, *packages, *(search if reference else [])]


def published() -> list[str]:
    """The studies whose reports are there and may be committed, in the order of the first page."""
    named = NAMED.findall((paths.project_root() / ".gitignore").read_text(encoding="utf-8"))
    found = sorted({name for name in named if paths.report_folder(name).is_dir()})
    return sorted(found, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def _studies() -> list[Page]:
    """A page for each study, and for the notebooks of those that are not the committed ones."""
    found = []
    for study in published():
        body = partial(_study_body, study)
        found.append(Page(f"studies/{study}.html", study, STUDIES, f"reports/{study}/index.html", body))
        for notebook in _own_notebooks(study):
            title, body = f"{study} · {notebook[:2]}", partial(pages.notebook_body, study, notebook)
            source = f"reports/{study}/{notebook}.html"
            found.append(Page(f"studies/{study}/{notebook}.html", title, "", source, body))
    return found


def _own_notebooks(study: str) -> list[str]:
    """The executed notebooks of a report, where they are not the committed ones; of real people only numbers."""
    if study == DEFAULT or pages.is_tables_alone(study) or pages.alone_in(study) or not pages.shows_people(study):
        return []
    return [stage.notebook for stage in stages.STAGES if paths.executed_notebook(study, stage.notebook).is_file()]


def _study_body(study: str) -> str:
    """What a study found: of one model its result, of several their comparison, of numbers alone their tables."""
    tables = report_tables.links_to(study)
    if pages.is_tables_alone(study):
        return report_tables.page_of(study)
    if alone := pages.alone_in(study):
        return report_tables.comparison(study, alone) + tables
    return pages.index_body(study, pages.metrics(study), pages=_notebook_titles(study)) + tables


def _notebook_titles(study: str) -> dict[str, str]:
    named = list(pages.TITLES) if study == DEFAULT else _own_notebooks(study)
    return {name: title for name, title in pages.TITLES.items() if name in named}


def _notebooks() -> list[Page]:
    found = []
    for stage in stages.EVERY:
        title = _title(notebook_html.opening(stage.notebook))
        source, body = f"notebooks/{stage.notebook}.ipynb", partial(_notebook_body, stage.notebook)
        found.append(Page(f"notebooks/{stage.notebook}.html", title, NOTEBOOKS, source, body))
    return found


def _notebook_body(notebook: str) -> str:
    """The default study's executed copy where there is one, else the committed notebook."""
    if paths.executed_notebook(DEFAULT, notebook).is_file():
        return pages.notebook_body(DEFAULT, notebook)
    return notebook_html.body(nbformat.read(paths.notebook_source(notebook), as_version=4))


def _docs() -> list[Page]:
    root, found = paths.project_root(), []
    for pattern in DOCS:
        for path in sorted(root.glob(pattern)):
            text, source = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
            name = path.stem if path.stem.islower() else "-".join(path.relative_to(root).with_suffix("").parts).lower()
            found.append(Page(f"docs/{name}.html", _title(text), READING, source, partial(_prose, text)))
    return found


def _prose(text: str) -> str:
    return f'<div class="prose">{notebook_html.of_markdown(text)}</div>'


def _title(markdown: str) -> str:
    """What the first heading says."""
    heading = re.search(r"^# +(.+)$", markdown, re.M)
    return heading[1].replace("`", "").strip() if heading else "Untitled"


def _front(studies: list[Page], described: list[Page], packages: list[Any]) -> str:
    readme = (paths.project_root() / "README.md").read_text(encoding="utf-8")
    picture = PICTURE.search(readme)
    shown = {"figure": None, "alt": "", "caption": ""}
    if picture:
        figure = html.embedded((paths.project_root() / picture["path"]).read_bytes())
        caption = notebook_html.of_markdown(" ".join(picture["caption"].split()))
        shown = {"figure": figure, "alt": picture["alt"], "caption": caption}
    return html.template(layout.TEMPLATES, "front.html").render(
        title=_title(readme),
        answer=report_tables.answer(DEFAULT),
        rows=report_tables.side_by_side(published()),
        others=report_tables.comparisons(published()),
        notebooks=[page for page in described if page.group == NOTEBOOKS],
        questions={stage.notebook: notebook_html.question(stage.notebook) for stage in stages.EVERY},
        docs=[page for page in described if page.group == READING],
        packages=packages,
        **shown,
    )


def _search() -> str:
    return html.template(layout.TEMPLATES, "search.html").render()


def _menu(found: list[Page]) -> dict[str, list[Page]]:
    groups = {group: [page for page in found if page.group == group] for group in (STUDIES, NOTEBOOKS, READING)}
    packages = [page for page in found if page.group == REFERENCE]
    return {group: entries for group, entries in (groups | {REFERENCE: packages}).items() if entries}


def _framed(page: Page, finished: layout.Finished, menu: dict[str, list[Page]], *, searchable: bool) -> str:
    root = "../" * page.path.count("/")
    entries = {
        group: [layout.Entry(other.title, root + other.path, other.path == page.path) for other in others]
        for group, others in menu.items()
    }
    name = paths.project_root().joinpath("pyproject.toml").read_text(encoding="utf-8")
    home = layout.Entry(re.search(r'^name = "(.+)"', name, re.M)[1], f"{root}index.html")
    title = home.title if page.path == "index.html" else f"{page.title} · {home.title}"
    return layout.page(
        finished, title=title, menu=entries, home=home, root=root, searchable=searchable, scripts=page.scripts
    )


def _sections(page: Page, finished: layout.Finished) -> list[dict[str, str]]:
    """What search knows of a page: each section's heading and the beginning of its text."""
    found = [{"path": page.path, "page": page.title, "title": page.title, "text": ""}]
    for tag in finished.soup.find_all(["h2", "h3", "p", "li", "td"]):
        if tag.name in ("h2", "h3") and tag.get("id"):
            title = layout.words(tag)
            found.append({"path": f"{page.path}#{tag['id']}", "page": page.title, "title": title, "text": ""})
        elif len(found[-1]["text"]) < SECTION:
            found[-1]["text"] = f"{found[-1]['text']} {layout.words(tag)}"[:SECTION]
    return found


def _write_assets(folder: Path, sections: list[dict[str, str]]) -> None:
    names = ["page.js", *(["search.js"] if sections else [])]
    for name in names:
        _write(folder / "assets" / name, html.template(layout.TEMPLATES, name).render())
    if sections:
        _write(folder / "assets" / "index.js", f"const SECTIONS = {json.dumps(sections, ensure_ascii=False)};\n")
        _write(folder / "assets" / "elasticlunr.js", api_reference.search_library())
    _write(folder / ".nojekyll", "")  # GitHub Pages takes the files as they are


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
