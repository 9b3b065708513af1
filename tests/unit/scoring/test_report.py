"""The report of made-up scores: a page, JSON and tables that say the same and show nobody."""

import json
import re
from dataclasses import replace

import jsonschema
import pandas as pd
import pytest
import small_scores
from PIL import Image

from kpop_rca.scoring import report
from kpop_rca.scoring.scores import MEASURES, unranked


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    small_scores.scores().report(folder)
    return folder


def content(folder):
    return json.loads((folder / report.JSON).read_text())


def test_the_json_is_as_its_schema_says(written):
    schema = json.loads(report.SCHEMA.read_text())
    jsonschema.Draft202012Validator(schema).validate(content(written))
    assert schema["properties"]["measures"]["items"]["properties"]["measure"]["enum"] == list(MEASURES)
    assert schema["properties"]["schema_version"]["const"] == report.SCHEMA_VERSION


def test_a_value_that_is_missing_has_its_reason(written):
    missing = [row for row in content(written)["measures"] if row["value"] is None]
    assert {row["reason"] for row in missing} == {small_scores.REASON}


def test_the_page_needs_no_other_file_and_runs_no_script(written):
    page = (written / report.PAGE).read_text()
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "&lt;b&gt;Cleo&lt;/b&gt;" in page
    assert page.count("<img") == page.count('alt="') == page.count("data:image/png")


def test_the_page_opens_with_the_answer(written):
    page = (written / report.PAGE).read_text()
    answer = page.index("sdxl shows the requested person in")
    assert answer < page.index("sdxl is better than gan") < page.index("<table>") < page.index("<img")
    assert "Do not use these numbers" not in page


def test_a_failed_control_is_said_first(tmp_path):
    scores = small_scores.scores(gate=False)
    page = scores.report(tmp_path).read_text()
    assert page.index("Do not use these numbers") < page.index("shows the requested person in")
    assert "shuffled under dlib" in page
    assert content(tmp_path)["usable"] is False
    assert scores.lines()[0].startswith("Do not use these numbers")


def test_oracles_that_disagree_are_said_first(tmp_path):
    page = small_scores.scores(agree=False).report(tmp_path).read_text()
    assert page.index("somewhere between 50 % and 70 %") < page.index("shows the requested person in")


def test_the_ceiling_of_a_weak_oracle_stands_above_the_numbers(written):
    page = (written / report.PAGE).read_text()
    assert page.index("dlib recognises 86 % of these photographs") < page.index("<table>")


def test_no_cell_is_a_formula(written):
    cells = [
        cell
        for path in (written / report.TABLES).glob("*.csv")
        for cell in pd.read_csv(path, dtype=str, keep_default_na=False).stack()
    ]
    assert "'=cmd()" in cells
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-(?!\d)", cell)]


def test_anonymised_no_name_is_anywhere(tmp_path):
    small_scores.scores().report(tmp_path, anonymise=True)
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    for name in ("Ada", "ada", "cmd()", "Cleo", "다현"):
        assert not [text for text in texts if re.search(rf"(?<![\w/+]){re.escape(name)}(?![\w/+=])", text)], name
    assert any("person 4" in text for text in texts)


def test_tables_of_an_earlier_run_are_removed(written, tmp_path):
    scores = small_scores.scores()
    scores.report(tmp_path)
    (tmp_path / report.TABLES / "by_column.csv").write_text("old")
    scores.report(tmp_path)
    assert not (tmp_path / report.TABLES / "by_column.csv").exists()


def test_a_single_generator_is_compared_with_photographs_alone(tmp_path):
    scores = small_scores.scores(generators=1, oracles=("dlib",))
    page = scores.report(tmp_path).read_text()
    assert "Its RCA, relative to photographs, is" in page
    assert "Which generators differ?" not in page


@pytest.mark.parametrize(
    ("how", "shown"),
    [({}, False), ({"publish_images": True}, True), ({"publish_images": True, "anonymise": True}, False)],
)
def test_faces_are_shown_on_request_alone(tmp_path, how, shown):
    Image.new("RGB", (40, 60), "red").save(tmp_path / "face.png")
    paths = [str(tmp_path / "face.png"), None]
    scores = replace(small_scores.scores(), examples=dict.fromkeys(["", *small_scores.TRUE], paths))
    page = scores.report(tmp_path / "out", **how).read_text()
    assert page.count("An image of each of 2 people") == (4 if shown else 0)
    assert "face.png" not in (tmp_path / "out" / report.JSON).read_text()


def test_avatars_are_shown(tmp_path):
    Image.new("RGB", (40, 60), "red").save(tmp_path / "face.png")
    examples = {name: [str(tmp_path / "face.png")] for name in ["", *small_scores.TRUE]}
    scores = replace(small_scores.scores(), examples=examples, truth=small_scores.TRUE)
    assert "What do the images look like?" in scores.report(tmp_path / "out").read_text()


def test_a_generator_that_repeats_photographs_is_not_ranked():
    scores = small_scores.scores()
    table = report.compared(replace(scores, comparisons=unranked(scores.comparisons, {"gan"})))
    copies = table[["a", "b"]].eq("gan").any(axis=1)
    assert set(table.loc[copies, "verdict"]) == {"not ranked: gan repeats photographs"}
    assert not table.loc[~copies, "verdict"].str.startswith("not ranked").any()
    assert len(table) == 3 and copies.sum() == 2
