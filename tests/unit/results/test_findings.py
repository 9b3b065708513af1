"""README and docs say what the reports have."""

import json
import re
import shutil
import subprocess

import pytest

from kpop_rca.errors import StudyError
from kpop_rca.results import findings
from kpop_rca.study import paths

MOST_LINES = 90


@pytest.fixture
def project(tmp_path, monkeypatch):
    """README, docs and the reports that they tell of, to be changed."""
    root = paths.project_root()
    shutil.copy(root / "README.md", tmp_path / "README.md")
    shutil.copytree(root / "docs", tmp_path / "docs")
    for study in findings.STUDIES:
        (tmp_path / "reports" / study).mkdir(parents=True)
        shutil.copy(root / "reports" / study / "metrics.json", tmp_path / "reports" / study / "metrics.json")
    for study, table in findings.COMPARING.items():
        (tmp_path / "reports" / study / "tables").mkdir(parents=True)
        shutil.copy(root / "reports" / study / "tables" / table, tmp_path / "reports" / study / "tables" / table)
    for folder in ("scoring-lfw", "panel", "preferences", "training_length", "record", "recipes"):
        shutil.copytree(root / "reports" / folder, tmp_path / "reports" / folder)
    shutil.copytree(root / "params", tmp_path / "params")
    shutil.copytree(root / "notebooks", tmp_path / "notebooks")
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    findings.main([])
    return tmp_path


def test_a_question_that_no_committed_run_answers_is_not_asked(project):
    before = findings.questions()
    assert len(before.splitlines()) == 9 and "Which metrics" in before and "longer training" in before
    shutil.rmtree(project / "reports" / "panel")
    assert "Which metrics" not in findings.questions() and len(findings.questions().splitlines()) == 8


def change(project, study, alter):
    path = project / "reports" / study / "metrics.json"
    content = json.loads(path.read_text())
    alter(content)
    path.write_text(json.dumps(content))


def test_no_page_is_stale():
    """Of the reports as they are committed: a study that somebody has rerun here need not be told of."""
    root = paths.project_root()
    if (root / ".git").exists() and shutil.which("git"):
        unchanged = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "reports"], cwd=root, check=False)
        if unchanged.returncode:
            pytest.skip("reports/ differs from what is committed; make lint compares all the same")
    assert not findings.stale(), f"run: {findings.COMMAND}"


def test_a_result_that_changed_makes_the_readme_stale_until_it_is_filled_in(project, capsys):
    change(project, "quick", lambda m: m["rca"].update(recipe={"value": None, "why": "x"}, **{"global": 0.123456}))
    assert findings.main(["--check"]) == 1
    assert "README.md is stale; run: make docs" in capsys.readouterr().out
    assert "0.12**" not in (project / "README.md").read_text()
    assert findings.main([]) == 0
    assert "**RCA 0.12**" in (project / "README.md").read_text()
    assert findings.main(["--check"]) == 0


def test_a_study_of_the_table_makes_docs_stale(project):
    change(project, "lfw10-quick", lambda m: m["real"].update(accuracy=0.4321))
    assert [path.name for path in findings.stale()] == ["results.md"]


def test_what_is_not_a_finding_is_named():
    with pytest.raises(StudyError, match="a page asks for the finding 'weather'; there are answer, "):
        findings.filled("<!-- findings: weather -->\nx\n<!-- end of findings -->", where="a page")
    with pytest.raises(StudyError, match="without <!-- end of findings -->"):
        findings.filled("<!-- findings: answer -->\nx\n", where="a page")


def test_the_readme_is_short_has_one_figure_and_the_result():
    text = (paths.project_root() / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert text.count("![") == 1
    assert "<!-- findings: answer -->" in text


def test_links_between_pages_lead_somewhere():
    for page in findings.pages():
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_further_trainings_are_told_where_they_were_made(project):
    change(project, "quick", lambda m: m["rca"]["recipe"].update(further_trainings={"n": 12, "n_within": 11}))
    assert "with 95 % probability; 11 of 12 further trainings did." in findings.answer()
    change(project, "quick", lambda m: m["rca"]["recipe"].update(further_trainings={"n": None, "why": "none made"}))
    assert "with 95 % probability." in findings.answer() and "further trainings" not in findings.answer()


def test_corrected_accuracy_stands_beside_what_its_assumption_is_worth(project):
    rejected = {"rejected_by": ["density"], "bounds": {"all": [0.421, 0.567]}}
    change(project, "quick", lambda m: m.update(assumption=rejected))
    assert "Between 42 % and 57 % of the images show" in findings.answer()
    assert "| rejected: 0.42 to 0.57 |" in findings.studies()
    change(project, "quick", lambda m: m.update(assumption={"rejected_by": [], "bounds": None}))
    assert "rejected:" not in findings.studies() and findings.studies().count("| not rejected |") == 2
    change(project, "quick", lambda m: m.pop("assumption"))
    assert "which was not tested here." in findings.answer() and findings.studies().count("| not tested |") == 2


def test_verdicts_are_counted_and_the_people_are_said_to_be_fixed(project):
    def alter(found):
        for row, verdict in zip(
            found["rca"]["per_class"], ["inferior to real"] * 4 + ["inconclusive"] * 6, strict=True
        ):
            row["verdict"] = verdict

    change(project, "quick", alter)
    said = findings.answer()
    assert "Verdicts on the 10 people: 0 non-inferior to real, 4 inferior to real, 6 inconclusive." in said
    assert "it says nothing of other people" in said and re.search(r"at guidance \d\.\d", said)


def test_the_figure_has_its_number_and_a_table_eight_columns_at_most(project):
    change(project, "showcase", lambda m: m["rca"].update(**{"global": 0.777, "ci95": [0.7, 0.8]}))
    assert "RCA is 0.78 (95 % interval 0.70 to 0.80), by one training" in findings.showcase()
    assert findings.studies().splitlines()[0].count("|") <= 9
    assert all(re.search(r"\d", line) for line in findings.comparisons().splitlines()[2:])
