"""The committed project as a site: whole, without a request to elsewhere, and readable from any folder."""

import io
import re
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from PIL import Image
from small_site import WITH_REFERENCE, Reading, built

from kpop_rca.errors import StudyError
from kpop_rca.results import layout, links, pages, report_tables, site
from kpop_rca.study import paths, stages
from kpop_rca.system import html

LARGEST = 1_500_000  # bytes of a page


@pytest.fixture(scope="module")
def folder(monkeypatch_module):
    return built()[1]


@pytest.fixture(scope="module")
def monkeypatch_module():
    """The committed reports, wherever other tests write theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(paths.OUTPUT_VARIABLE, raising=False)
        yield patch


@pytest.fixture(scope="module")
def read(folder):
    """What each page refers to."""
    return {page: Reading(page) for page in built()[2]}


def test_studies_notebooks_and_docs_have_their_pages(folder):
    made = {path.relative_to(folder).as_posix() for path in built()[2]}
    assert {f"notebooks/{stage.notebook}.html" for stage in stages.EVERY} <= made
    assert {
        f"studies/{study}.html" for study in ("quick", "showcase", "lfw10-quick", "claims", "benchmarks-cpu")
    } <= made
    assert {f"docs/{path.stem}.html" for path in (paths.project_root() / "docs").glob("*.md")} <= made
    assert built()[2][0] == folder / "index.html"


def test_every_report_of_tables_alone_says_what_it_holds(folder):
    reports = [path.stem for path in (folder / "studies").glob("*.html")]
    of_tables = [study for study in reports if pages.is_tables_alone(study) and not pages.alone_in(study)]
    assert "verdicts" in of_tables and set(of_tables) <= set(report_tables.TITLES)


def test_no_request_leaves_a_page(read, folder):
    for page, found in read.items():
        assert [name for name in found.resources if urlsplit(name).scheme or name.startswith(("/", "data:"))] == [], (
            page
        )
    for name in ("style.css", "page.js"):
        text = (folder / "assets" / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|sendBeacon", text), name
    for page in read:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<script(?! src=)", text), page
        assert not any(re.search(r"url\(|@import", style) for style in re.findall(r"<style.*?</style>", text, re.S)), (
            page
        )


def test_every_link_and_resource_is_there_and_relative(read, folder):
    broken = []
    for page, found in read.items():
        for name in found.links + found.resources:
            address = urlsplit(name)
            if address.scheme in ("https", "http", "mailto"):
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            there = target.is_file() and target.is_relative_to(folder.resolve()) and not name.startswith("/")
            if there and address.fragment and target in read:
                there = unquote(address.fragment) in read[target].ids
            broken += [] if there else [(page.relative_to(folder).as_posix(), name)]
    assert broken == []


def test_an_id_is_given_once(read):
    for page, found in read.items():
        assert len(found.ids) == len(set(found.ids)), page


def test_every_image_has_its_text_and_its_size_and_waits(read):
    images = [image for found in read.values() for image in found.images]
    assert len(images) > 50
    for image in images:
        assert len(image["alt"]) > 10 and image["alt"] != layout.NOTHING_SAID
        assert image["loading"] == "lazy" and int(image["width"]) > 0


def test_pages_are_small_and_an_image_is_one_file(read, folder):
    assert {page.name: page.stat().st_size for page in read if page.stat().st_size >= LARGEST} == {}
    contents = [path.read_bytes() for path in (folder / "images").iterdir()]
    assert len(contents) == len(set(contents))


def test_the_first_page_has_the_answer_the_faces_and_every_study(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert re.search(r"RCA of the study .*?<b>\d\.\d\d</b>\s*<small>95 % interval \d\.\d\d to \d\.\d\d</small>", page)
    assert "<math" in page and re.search(r"<figure>(<div [^>]*>)?<img ", page)
    for study in site.published():
        assert f'href="studies/{study}.html"' in page


def test_code_is_folded(folder):
    page = (folder / "notebooks/06_rca_analysis.html").read_text(encoding="utf-8")
    assert page.count('<details class="code"><summary>Code</summary>') >= 8
    assert '<details class="contents"' in page and "<th scope=" in page


@pytest.mark.skipif(
    not WITH_REFERENCE, reason="no pdoc here: `make site` installs it, and the site's workflow tries this"
)
def test_packages_are_described_and_found(folder):
    page = (folder / "api/rca.html").read_text(encoding="utf-8")
    assert "confusion_corrected" in page and "Returns" in page
    index = (folder / "assets/index.js").read_text(encoding="utf-8")
    assert "notebooks/06_rca_analysis.html#" in index and "api/rca.html#" in index


def test_a_report_that_git_ignores_stays_at_home(output, monkeypatch):
    for name in ("quick", "of_my_friends"):
        paths.report_folder(name).mkdir(parents=True)
    assert site.published() == ["quick"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StudyError, match="holds something that is no site"):
        site.build(tmp_path)
    assert (tmp_path / "letter.txt").is_file()


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("https://example.org/a", "https://example.org/a"),
        ("#part", "#part"),
        ("../docs/limits.md#privacy", "../docs/limits.html#privacy"),
        ("metrics.json", None),  # is not beside the notebook
        ("../reports/quick/metrics.json", "../files/reports/quick/metrics.json"),
        ("../reports/quick/tables/", "../studies/quick.html#tables"),
        ("../kpop_rca/run.py", None),  # source has no page, and the project no address
    ],
)
def test_a_link_leads_to_a_page_a_file_or_nowhere(tmp_path, monkeypatch, href, found):
    monkeypatch.setattr(links.colab, "repository", lambda: "")
    pages = {"docs/limits.md": "docs/limits.html", "reports/quick/index.html": "studies/quick.html"}
    place = links.Site(paths.project_root(), tmp_path, pages)
    said = place.link(href, page="notebooks/06.html", source="notebooks/06.ipynb")
    assert said == found
    if found and found.startswith("../files"):
        assert (tmp_path / found.removeprefix("../")).is_file()


def test_a_header_of_two_rows_becomes_one():
    table = "<table border=1><thead><tr><th></th><th>n</th></tr><tr><th>who</th><th></th></tr></thead></table>"
    body = layout.finish(table).body
    assert body.count("<tr>") == 1 and '<th scope="col">who</th><th scope="col">n</th>' in body
    kept = "<table><thead><tr><th>a</th><th>n</th></tr><tr><th>who</th><th></th></tr></thead></table>"
    assert layout.finish(kept).body.count("<tr>") == 2


def test_headings_have_ids_that_links_can_name_each_once():
    text = (
        '<h2 id="1.-A,-B?">1. A, B?<a class="anchor-link" href="#1.-A,-B?">¶</a></h2><h2 id="x">Same</h2><h2>Same</h2>'
    )
    finished = layout.finish(text)
    assert [heading.anchor for heading in finished.contents] == ["1-a-b", "x", "same"]
    assert 'href="#1-a-b"' in finished.body and 'aria-label="Link to 1. A, B?"' in finished.body


def test_an_image_that_says_nothing_is_named_by_its_section():
    body = layout.finish('<h2 id="a">Loss</h2><p>It falls.</p>' + 2 * '<img src="data:image/gif;base64,R0=">').body
    assert 'alt="Figure 1: Loss"' in body and 'alt="Figure 2: Loss"' in body
    assert layout.finish('<img alt="Time (s)" src="data:image/gif;base64,R0=">').soup.img["alt"] == "Time (s)"


def png(width):
    written = io.BytesIO()
    Image.new("RGB", (width, 4)).save(written, "PNG")
    return html.embedded(written.getvalue())


def test_a_wide_figure_has_a_box_that_scrolls_and_a_narrow_one_has_none():
    wide, narrow = (layout.finish(f'<img src="{png(width)}">').soup.img for width in (layout.WIDE + 1, layout.WIDE))
    assert wide.parent["class"] == ["scroll", "figure"] and narrow.parent.name != "div"


@pytest.mark.parametrize("notebook", [stage.notebook for stage in stages.EVERY])
def test_each_figure_of_a_notebook_says_what_is_plotted(notebook):
    executed = nbformat.read(paths.notebook_source(notebook), as_version=4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    said = [output.metadata.get("image/png", {}).get("alt", "") for output in shown]
    assert said and len(set(said)) == len(said), said
    assert all(len(alt.split()) >= 3 for alt in said), said


def test_no_two_figures_of_a_page_share_a_text(read):
    for page, found in read.items():
        said = [image["alt"] for image in found.images]
        assert len(set(said)) == len(said), page


def test_the_table_of_studies_has_eight_columns_at_most(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    head = page.split('id="studies"')[1].split("</thead>")[0]
    assert 2 < head.count("<th") - head.count("<thead") <= 8
    assert re.search(r"<small>rejected: 0\.\d\d to", page) and "<small>not tested" in page
    assert re.search(r"benchmarks-cpu</a></th><td class=\"note\">\d\.\d\d times as fast", page)


def test_formulas_are_mathml():
    pytest.importorskip("latex2mathml", reason="`make site` installs it")
    body = layout.finish("<p>$\\frac{a}{b}$ costs 5$ or $6, <code>$x$</code></p>").body
    assert body.count("<math") == 1 and "<code>$x$</code>" in body and "costs 5$ or $6" in body
