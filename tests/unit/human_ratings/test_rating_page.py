"""The rating page: what it shows and hides, and, in a real browser, that nothing a rater says is lost."""

import csv
import io
import json
import re
import time

import browser
import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import pairs, rating_page
from kpop_rca.human_ratings.rating_page import Plan
from kpop_rca.human_ratings.stimuli import FRACTIONS, Stimulus
from kpop_rca.study import paths

GENERATORS = ("real", "degraded", "zebrafish", "quokka")
LEVEL, SOMEBODY = "wombat", "somebody"
in_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium on this machine")


def stimuli(n, *, side=16, seed=0):
    """Noise by four generators, with references; every fifth is restored, and has two images beside it."""
    noise = np.random.default_rng(seed).integers(256, size=(3 * n, side, side, 3), dtype=np.uint8)
    found = []
    for k in range(n):
        person, restored = k // 4 % 4, k % 5 == 0
        beside = [("Reference", noise[2 * n + person], f"{SOMEBODY}-{person}")]
        if restored:
            beside = [("Low quality", noise[n + k], f"low-{k}"), ("Original", noise[2 * n + k], f"high-{k}")]
        found.append(
            Stimulus(
                noise[k],
                name=f"{GENERATORS[k % 4]}/{LEVEL}/{k}",
                generator=GENERATORS[k % 4],
                level=LEVEL,
                identity=f"{SOMEBODY}-{person}",
                beside=beside,
                prompt="" if restored or k % 2 else "long brown hair",
                restored=restored,
                anchor=k % 4 == 1,
            )
        )
    return found


def content(path):
    """What a page's script is given."""
    found = re.search(r'<script type="application/json" id="plan">(.*?)</script>', path.read_text(), flags=re.S)
    return json.loads(found[1])


def pages(folder, n=40, **how):
    plan = Plan(**{"raters": 2, "seed": 0, "repeats": 5, "practice": 6} | how)
    return rating_page.write_pages(stimuli(n), folder, plan)


def test_a_page_tells_neither_generator_nor_level_nor_person(tmp_path):
    for mode in rating_page.MODES:
        for path in pages(tmp_path / mode, mode=mode):
            text = re.sub(r"data:image/png;base64,[\w+/=]+", "", path.read_text())
            assert not [word for word in (*GENERATORS[2:], LEVEL, SOMEBODY, "anchor/") if word in text]
            assert re.fullmatch(r"rater-\d\d\.html", path.name)


def test_the_key_translates_every_id(tmp_path):
    written = pages(tmp_path)
    key = pd.read_csv(tmp_path / rating_page.KEY, dtype=str).set_index("id")
    of = {s.name: s for s in stimuli(40)}
    for path in written:
        page = content(path)
        assert {*page["images"]} <= {*key.index}
        assert set(key["page"]) == {page["page"]}
        for item in page["items"]:
            row = key.loc[item["images"][0]]
            assert (row["generator"], row["level"]) == (of[row["image"]].generator, LEVEL)
            assert item["dimensions"] == of[row["image"]].dimensions
            assert " ".join(name for name, _ in item["beside"]) == row["beside"]
            assert (row["role"] == "practice") == item["practice"]
    assert (key.query("role == 'anchor'")["generator"] == "degraded").all()


def real_stimuli():
    """Of a study's own generators and levels, as `stimuli.of_study` names them."""
    noise = np.random.default_rng(1).integers(256, size=(90, 8, 8, 3), dtype=np.uint8)
    kinds = list(FRACTIONS)
    return [
        Stimulus(
            noise[k],
            name=f"{generator}/{level}/{k}",
            generator=generator,
            level=level,
            identity=f"{k // len(kinds) % 2:04d}",
            beside=[
                ("Original" if level == "restored" else "Reference", noise[80 + k % 9], f"{generator}/{level}/-{k}")
            ],
            restored=level == "restored",
            anchor=level == "anchor",
        )
        for k in range(70)
        for generator, level in [kinds[k % len(kinds)]]
    ]


@pytest.mark.parametrize("mode", rating_page.MODES)
def test_what_a_page_is_given_names_none_of_a_studys_generators_and_levels(tmp_path, mode):
    (path,) = rating_page.write_pages(real_stimuli(), tmp_path, Plan(raters=1, seed=0, mode=mode, practice=2))
    page = content(path)
    told = json.dumps(page | {"images": list(page["images"]), "dimensions": list(page["dimensions"])}).lower()
    words = {word for kind in FRACTIONS for word in kind}
    assert len(words) == 10 and not [word for word in words if word in told]


def test_an_example_is_never_asked_about(tmp_path):
    """Its caption says what to answer, and of which kind it is."""
    (path,) = rating_page.write_pages(real_stimuli(), tmp_path, Plan(raters=1, seed=0, practice=2))
    page, key = content(path), pd.read_csv(tmp_path / rating_page.KEY, dtype=str).set_index("id")
    captions = {caption: key.loc[name, ["generator", "role"]].tolist() for name, caption in page["examples"]}
    assert captions == {"Near 0": ["degraded", "example"], "Near 5": ["real", "example"]}
    asked = {name for item in page["items"] for name in item["images"]}
    assert not asked & {name for name, _ in page["examples"]} and len(asked) == 68
    assert {*key.index[key["role"].isin(["practice", "anchor", "rated"])]} == asked


def test_practice_comes_first_and_repeats_come_late(tmp_path):
    one, two = (content(path)["items"] for path in pages(tmp_path))
    for items in (one, two):
        assert [item["practice"] for item in items] == [True] * 6 + [False] * 37
        place = {(item["images"][0], item["trial"]): k for k, item in enumerate(items)}
        again = [image for image, trial in place if trial == 1]
        assert len(again) == 5 and len(place) == len(items)
        assert all(place[image, 1] - place[image, 0] > 5 for image in again)
    assert [item["images"] for item in one[:6]] == [item["images"] for item in two[:6]]
    assert [item["images"] for item in one] != [item["images"] for item in two]
    assert {item["images"][0] for item in one} == {item["images"][0] for item in two}


@pytest.mark.parametrize("mode", ["pairwise", "triplet"])
def test_compared_images_are_of_one_person_and_several_generators(tmp_path, mode):
    page = content(pages(tmp_path, mode=mode, n=90)[0])
    key = pd.read_csv(tmp_path / rating_page.KEY, dtype=str).set_index("id")
    assert len(page["items"]) > 20
    for item in page["items"]:
        rows = key.loc[item["images"]]
        assert len(rows) == rating_page.MODES[mode] == rows["generator"].nunique()
        assert rows["identity"].nunique() == 1
    firsts = key.loc[[item["images"][0] for item in page["items"]], "generator"]
    assert firsts.nunique() > 1  # the sides are by lot


def test_the_same_images_make_the_same_pages_and_others_are_refused(tmp_path):
    before = [path.read_bytes() for path in pages(tmp_path)]
    assert [path.read_bytes() for path in pages(tmp_path)] == before
    with pytest.raises(StudyError, match="is the key of other pages"):
        pages(tmp_path, n=44)
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.html"))] == before


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(StudyError, match="6 images are too few"):
        pages(tmp_path, n=6)
    with pytest.raises(StudyError, match="too few images of one identity"):
        pages(tmp_path, n=8, mode="triplet")


def test_photographs_of_people_stay_out_of_the_repository(tmp_path):
    rating_page.require_private(tmp_path, public=False)
    rating_page.require_private(paths.project_root() / "ratings" / "mine", public=False)
    rating_page.require_private(paths.project_root() / "docs", public=True)
    with pytest.raises(StudyError, match="photographs of people"):
        rating_page.require_private(paths.project_root() / "docs", public=False)
    with pytest.raises(StudyError, match="photographs of people"):
        rating_page.require_private(paths.project_root() / "ratings" / ".." / "docs", public=False)
    assert "/ratings/" in (paths.project_root() / ".gitignore").read_text().splitlines()


def test_a_board_may_have_its_own_words(tmp_path):
    (path, _) = pages(tmp_path, consent=["As <approved>."], contact="Ada <ada@example.org>")
    text = path.read_text()
    assert "<p>As &lt;approved&gt;.</p>" in text and "Ada &lt;ada@example.org&gt;" in text
    assert "Taking part is voluntary" not in text


# ---- in a browser

ANSWER = """
function valueOf(image, dimension, trial) {
  return ((parseInt(image, 16) + 97 * dimension.length + 13 * trial) % 501) / 100;
}
function answer(n) {  // the sliders of the present item, from the first on
  const plan = JSON.parse(document.getElementById("plan").textContent);
  const item = plan.items[document.getElementById("progress").value];
  for (const field of [...document.querySelectorAll("fieldset")].slice(0, n)) {
    const range = field.querySelector("input");
    range.focus();
    range.value = valueOf(item.images[0], field.dataset.dimension, item.trial);
    range.dispatchEvent(new Event("input"));
  }
}
function onTo(place) {
  while (document.getElementById("progress").value < place) {
    answer(9);
    document.getElementById("next").click();
    if (!document.getElementById("end").hidden) return;
  }
}
"""


def click(tab, name):
    tab.run(f"document.getElementById('{name}').click()")


def place(tab):
    return tab.run("document.getElementById('progress').value")


def saved(folder, ending):
    """A file that the browser saved, once it is whole."""
    for _ in range(100):
        if (found := list(folder.glob(f"*.{ending}"))) and not list(folder.glob("*.crdownload")):
            return found[0].read_text()
        time.sleep(0.1)
    raise AssertionError(f"no .{ending} was saved")


def expected(page):
    """The rows that ANSWER makes of a page: image, dimension, rating, trial."""
    rows = []
    for item in page["items"]:
        if not item["practice"]:
            image, trial = item["images"][0], item["trial"]
            for name in item["dimensions"]:
                value = ((int(image, 16) + 97 * len(name) + 13 * trial) % 501) / 100
                rows.append((image, name, f"{value:.2f}".rstrip("0").rstrip("."), str(trial)))
    return rows


@in_browser
def test_300_images_are_rated_over_five_reloads_and_a_closed_browser(tmp_path):
    images = stimuli(302, side=64)
    path, _ = rating_page.write_pages(images, tmp_path / "ratings", Plan(raters=2, seed=0))
    page = content(path)
    assert path.stat().st_size <= 15e6
    assert len({item["images"][0] for item in page["items"]}) == 300  # two more are examples
    n = len(page["items"])
    with browser.tab(tmp_path / "browser") as tab:
        tab.open(path)
        click(tab, "agree")
        click(tab, "begin")
        for reload in range(1, 6):
            tab.run(ANSWER)
            tab.run(f"onTo({reload * n // 12})")
            tab.run("answer(1)")  # and the next one is left half answered
            before = tab.run("[...document.querySelectorAll('output')].map((o) => o.textContent)")
            tab.reload()
            assert place(tab) == reload * n // 12
            assert tab.run("[...document.querySelectorAll('output')].map((o) => o.textContent)") == before
            assert before[0] != "–" and before[-1] == "–"
    with browser.tab(tmp_path / "browser") as tab:  # the next day
        tab.open(path)
        assert place(tab) == 5 * n // 12
        tab.run(ANSWER)
        tab.run(f"onTo({n})")
        assert tab.run("document.getElementById('end').hidden") is False
        tab.reload()
        assert tab.run("document.getElementById('clear').disabled") is True
        click(tab, "csv")
        rows = list(csv.DictReader(io.StringIO(saved(tmp_path / "browser", "csv"))))
        click(tab, "json")
        told = json.loads(saved(tmp_path / "browser", "json"))
        assert tab.run("localStorage.length") == 1
        click(tab, "clear")
        tab.reload()
        assert tab.run("localStorage.length") == 0
        requested = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
        assert requested and all(re.match("file:|data:|blob:", url) for url in requested)
        assert not [e for e in tab.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert [*rows[0]] == rating_page.COLUMNS["rating"]
    assert [(r["image"], r["dimension"], r["rating"], r["trial"]) for r in rows] == expected(page)
    assert {r["rater"] for r in rows} == {"rater-01"}
    assert [{name: str(value) for name, value in row.items()} for row in told["ratings"]] == rows
    assert told["complete"] is True and told["page"] == page["page"] and len(told["practice"]) > 0


@in_browser
def test_keys_rate_pause_and_go_back(tmp_path):
    path, _ = pages(tmp_path / "ratings")
    with browser.tab(tmp_path / "browser") as tab:
        tab.open(path)
        click(tab, "agree")
        click(tab, "begin")

        def shown():
            return tab.run("[...document.querySelectorAll('output')].map((o) => o.textContent)")

        tab.press("Enter")
        assert place(tab) == 0 and set(shown()) == {"–"}  # nothing is answered yet
        tab.press("4")
        tab.press("ArrowRight")
        tab.press("ArrowLeft", modifiers=8)
        assert shown()[0] == "4.09"
        for _ in shown()[1:]:
            tab.press("Tab")
            tab.press("0")
        assert set(shown()[1:]) == {"0.00"}
        tab.press("Enter")
        assert place(tab) == 1
        tab.press("p")
        assert tab.run("document.getElementById('paused').hidden") is False
        click(tab, "resume")
        tab.press("Backspace")
        assert (place(tab), shown()[0]) == (0, "4.09")
        # What is beside an image is shown for ID fidelity alone, and the description for correspondence.
        field = "document.querySelector('[data-dimension={}] input').focus()"
        for name, hidden in (("quality", True), ("id_fidelity", False)):
            tab.run(field.format(name))
            found = "getComputedStyle(document.querySelector('.beside')).visibility"
            assert (tab.run(found) == "hidden") is hidden
        # Whoever withdraws leaves nothing.
        tab.run("window.confirm = () => true")
        click(tab, "pause")
        click(tab, "withdraw")
        tab.reload()
        assert tab.run("localStorage.length") == 0


@in_browser
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)])
def test_the_page_fits_and_every_control_has_a_name(tmp_path, width, phone):
    path, _ = pages(tmp_path / "ratings")
    with browser.tab(tmp_path / "browser") as tab:
        tab.resize(width, 844, phone=phone)
        tab.open(path)
        for button in ("agree", "begin", "pause"):
            assert tab.run("document.documentElement.scrollWidth") <= width
            nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
            controls = [n for n in nodes if n.get("role", {}).get("value") in ("button", "slider", "image")]
            assert controls and all(n["name"]["value"] for n in controls if not n["ignored"])
            click(tab, button)


@in_browser
@pytest.mark.parametrize(("mode", "keys"), [("pairwise", ["a", "t", "b", "n"]), ("triplet", ["ca", "ab", "n"])])
def test_comparisons_are_answered_by_keys(tmp_path, mode, keys):
    path, _ = pages(tmp_path / "ratings", mode=mode, n=90, practice=1, repeats=1)
    items = content(path)["items"]
    with browser.tab(tmp_path / "browser") as tab:
        tab.open(path)
        click(tab, "agree")
        click(tab, "begin")
        for k in range(len(items)):
            for key in keys[k % len(keys)]:
                tab.press(key)
            tab.press("Enter")
        click(tab, "csv")
        rows = list(csv.DictReader(io.StringIO(saved(tmp_path / "browser", "csv"))))
        click(tab, "json")
        saved(tmp_path / "browser", "json")
    assert [*rows[0]] == rating_page.COLUMNS[mode]
    given = [keys[k % len(keys)] for k in range(1, len(items))]
    if mode == "pairwise":
        words = {"a": "first", "t": "tie", "b": "second", "n": "none"}
        assert [row["answer"] for row in rows] == [words[key] for key in given]
        assert [[row["first"], row["second"]] for row in rows] == [item["images"] for item in items[1:]]
    else:
        scores = {"ca": ["2", "1", "3"], "ab": ["3", "2", "1"], "n": ["", "", ""]}
        assert [row["rating"] for row in rows] == [score for key in given for score in scores[key]]
        assert [row["image"] for row in rows] == [image for item in items[1:] for image in item["images"]]
    # What the browser saved is read back: both files once, the ids by the key.
    for file in (tmp_path / "browser").glob("rater-*"):
        file.rename(tmp_path / "ratings" / file.name)
    answers, points, faceless = pairs.of_folder(tmp_path / "ratings")
    per_question = 1 if mode == "pairwise" else 3
    assert len(answers) == per_question * sum(key != "n" for key in given)
    assert faceless == per_question * given.count("n") and len(points) == (0 if mode == "pairwise" else len(answers))
    assert set(answers["first"]) <= {f"{name}, {LEVEL}" for name in GENERATORS}
