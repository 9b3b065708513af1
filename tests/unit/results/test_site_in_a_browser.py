"""The site in Chromium: nothing is fetched or said to be wrong, nothing is clipped on a phone, and axe finds nothing.

axe-core comes from npm: `npm install axe-core`, and its `axe.min.js` in the environment variable AXE.
"""

import json
import os
from pathlib import Path

import browser
import pytest
from small_site import WITH_REFERENCE, built

from kpop_rca.study import paths

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium on this machine")
AXE = Path(os.environ.get("AXE") or paths.project_root() / "node_modules/axe-core/axe.min.js")
STUDIES = ("studies/quick.html", "studies/claims.html")
KINDS = ("index.html", *STUDIES, "notebooks/06_rca_analysis.html", "docs/limits.html")
KINDS += ("api/rca.html", "search.html") if WITH_REFERENCE else ()
PHONE, DESK = (390, 844), (1280, 900)
# Wider than the window, and in no box of its own that scrolls.
CLIPPED = """[...document.querySelectorAll("main *")].filter((part) => {
  const box = part.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !part.closest(".scroll, pre, math, details:not([open])");
}).map((part) => part.outerHTML.slice(0, 120))"""
UNMARKED = """[...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1 &&
  !(box.previousElementSibling?.matches(".hint") && box.tabIndex === 0)).length"""


@pytest.fixture(scope="module")
def folder():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(paths.OUTPUT_VARIABLE, raising=False)
        yield built()[1]


@pytest.fixture(scope="module")
def tab(folder, tmp_path_factory):
    with browser.tab(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("page", KINDS)
def test_nothing_is_clipped_on_a_phone(tab, folder, page):
    tab.resize(*PHONE, phone=True)
    tab.open(folder / page)
    assert tab.run("document.documentElement.scrollWidth") <= PHONE[0]
    assert tab.run(CLIPPED) == []
    assert tab.run(UNMARKED) == 0


# Figures narrower than they were drawn, by more than two thirds: their letters are too small to be read.
SMALL = """[...document.querySelectorAll("main img")].filter((image) => image.getBoundingClientRect().width &&
  image.getAttribute("width") > 700 && image.getBoundingClientRect().width < 600).length"""


@pytest.mark.parametrize("page", ["studies/quick.html", "notebooks/06_rca_analysis.html"])
def test_wide_figures_are_legible_on_a_phone(tab, folder, page):
    tab.resize(*PHONE, phone=True)
    tab.open(folder / page)
    assert tab.run('document.querySelectorAll("main .scroll.figure > img").length') > 1
    assert tab.run(SMALL) == 0


def test_a_page_fetches_only_what_lies_beside_it(tab, folder):
    tab.resize(*DESK)
    tab.events.clear()
    tab.open(folder / "notebooks/06_rca_analysis.html")
    for image in range(tab.run("document.images.length")):
        tab.run(f"document.images[{image}].scrollIntoView()")
    tab.run("new Promise((done) => setTimeout(done, 500))")  # what is fetched after that was not asked for by the page
    asked = [said["params"]["request"]["url"] for said in tab.events if said["method"] == "Network.requestWillBeSent"]
    assert any(name.endswith(".png") for name in asked)
    assert [name for name in asked if not name.startswith(folder.as_uri())] == []


def test_dark_or_light_is_the_readers_choice(tab, folder):
    tab.open(folder / "index.html")
    colours = []
    for _ in range(2):
        tab.run('document.getElementById("theme").click()')
        colours.append(tab.run("getComputedStyle(document.body).backgroundColor"))
    assert len(set(colours)) == 2


@pytest.mark.skipif(not WITH_REFERENCE, reason="no pdoc here, which search comes with: `make site` installs it")
def test_search_finds_a_section_from_a_disk(tab, folder):
    tab.open(folder / "search.html")
    tab.run('const q = document.getElementById("query"); q.value = "calibration"; q.dispatchEvent(new Event("input"))')
    assert tab.run('document.querySelectorAll("#found a").length') > 1
    assert "notebooks/04" in tab.run('[...document.querySelectorAll("#found a")].map((a) => a.href).join()')


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core here: npm install axe-core, and AXE=…/axe.min.js")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", KINDS)
def test_axe_finds_no_violation(tab, folder, page, theme):
    tab.resize(*DESK)
    tab.open(folder / page)
    tab.run(f'document.documentElement.dataset.theme = "{theme}"')
    tab.run('document.querySelectorAll("details").forEach((part) => { part.open = true; })')
    tab.run(AXE.read_text(encoding="utf-8"))
    found = json.loads(tab.run("axe.run().then((said) => JSON.stringify(said))"))
    assert [(flaw["id"], [node["html"][:160] for node in flaw["nodes"]][:5]) for flaw in found["violations"]] == []
    assert len(found["passes"]) > 20
