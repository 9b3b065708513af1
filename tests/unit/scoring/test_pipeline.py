"""The whole of a scoring on a few avatars, by folders and by a CSV."""

import json

import jsonschema
import pandas as pd
import pytest

from kpop_rca import cli, scoring
from kpop_rca.errors import StudyError
from kpop_rca.scoring import answer, demonstration, pipeline, report

pytest.importorskip("dlib", reason="the extra `embeddings` is not installed")
FEW = {"people": 4, "photographs": 6, "images": 10, "workers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scored")


@pytest.fixture(scope="module")
def demonstrated(folder):
    return scoring.demonstrate(folder, keep=folder / "faces", **FEW)


def test_generators_of_known_truth_are_scored_as_their_truth(demonstrated):
    table = demonstrated.table.set_index("generator")
    low, high = (table[f"confusion_corrected_accuracy_{end}"] for end in ("low", "high"))
    assert ((low <= table["truth"]) & (table["truth"] <= high)).sum() >= len(table) - 1  # at 95 %
    assert table.index[0] == "mixture 0.9" and table.index[-1] == "copies"
    values = table["confusion_corrected_accuracy"]
    assert values["mixture 0.9"] > values["swapped pair"] > values["class-blind"]


def test_copies_are_flagged_and_no_other_generator_is(demonstrated):
    assert demonstrated.lines()[0].startswith("mixture 0.9 shows the requested person in")
    lines = [line for line in demonstrated.lines() if "repeats photographs" in line]
    assert [line.split(" repeats")[0] for line in lines] == ["copies"]


def test_copies_are_ranked_in_no_table_and_no_file(demonstrated, tmp_path):
    """The page said so alone, and the files beside it called the copies better than everyone."""
    demonstrated.report(tmp_path)
    for table in (
        demonstrated.comparisons,
        pd.read_csv(tmp_path / report.TABLES / "comparisons.csv", keep_default_na=False),
    ):
        with_them = table[table["a"].eq("copies") | table["b"].eq("copies")]
        assert set(with_them["verdict"]) == {"not ranked: copies repeats photographs"}
        assert set(with_them["better"]) == {""} and not table["better"].eq("copies").any()


def test_who_is_shown_instead(demonstrated):
    """A swapped pair is predicted as each other; every image of `copies` is one of its person's photographs."""
    found = answer.shown_instead(demonstrated).query("generator == 'swapped pair'")
    assert {("0000", "0001"), ("0001", "0000")} <= set(zip(found["requested"], found["predicted"], strict=True))
    assert (found["images"] <= found["of its images"]).all() and (found["requested"] != found["predicted"]).all()
    copies = demonstrated.images.query("generator == 'copies'")
    assert (copies["copied_person"] == copies["requested"]).all()
    of_folder = copies["copied_path"].str.split("/").str[-2]
    assert (of_folder == copies["requested"]).all()
    assert not {"path", "copied_path"} & {*demonstrated.anonymised().images}


def test_the_controls_pass(demonstrated):
    assert demonstrated.usable
    assert set(demonstrated.gate["control"]) == {"real", "shuffled", "copies"}


def test_its_json_is_as_the_schema_says(demonstrated, folder):
    demonstrated.report(folder / "report")
    found = json.loads((folder / "report" / report.JSON).read_text())
    jsonschema.validate(found, json.loads(report.SCHEMA.read_text()))
    assert found["truth"]["copies"] == 1


def test_one_oracle_has_nothing_to_agree_with(demonstrated):
    assert demonstrated.agreement["agree"].isna().all()
    assert demonstrated.agreement["reason"].str.contains("one oracle").all()


@pytest.fixture(scope="module")
def of_csv(demonstrated, folder):
    """Two of the generators by a CSV, with a prompt and an age group; what was embedded is taken from the folder."""
    root = folder / "avatars"
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "person": path.parent.name,
            "generator": generator,
            "prompt": ["a <b>", "=1+1"][number % 2],
            "age": "old" if path.parent.name < "0002" else "young",
        }
        for generator in ("mixture 0.9", "class-blind")
        for number, path in enumerate(sorted((root / demonstration.GENERATED / generator).rglob("*.jpg")))
    ]
    pd.DataFrame(rows).to_csv(root / "images.csv", index=False)
    where = root / demonstration.PHOTOGRAPHS, root / "images.csv"
    return scoring.score(*where, keep=folder / "faces", workers=1), where


def test_a_csv_is_scored_as_its_folders_are(of_csv, demonstrated):
    scores, _ = of_csv
    ours, theirs = (s.table.set_index("generator")["accuracy"] for s in (scores, demonstrated))
    assert ours.to_dict() == theirs[ours.index].to_dict()


def test_scores_are_given_by_the_columns_of_a_csv(of_csv, folder):
    scores, _ = of_csv
    assert set(scores.by("prompt")["group"]) == {"a <b>", "=1+1"}
    assert scores.by("age")["due_to_oracle"].notna().any()
    assert set(scores.fairness["column"]) == {"age"}  # photographs have no prompts
    page = scores.report(folder / "of csv").read_text()
    assert "a &lt;b&gt;" in page
    assert "'=1+1" in (folder / "of csv" / "tables" / "by_column.csv").read_text()


def test_a_column_that_is_not_there_is_named(of_csv):
    with pytest.raises(StudyError, match="no column 'promt'; there are prompt, age"):
        scoring.score(*of_csv[1], by=["promt"])


def test_an_oracle_that_is_missing_is_a_line_and_the_rest_goes_on(monkeypatch, of_csv, folder):
    opened = pipeline.open_embedding

    def missing(name, **options):
        if name == "sface":
            raise StudyError("the oracle sface cannot be used: no network")
        return opened(name, **options)

    monkeypatch.setattr(pipeline, "open_embedding", missing)
    scores = scoring.score(*of_csv[1], oracles=["sface", "dlib"], keep=folder / "faces", workers=1)
    assert scores.notes[0] == "the oracle sface cannot be used: no network"
    assert scores.oracle == "dlib"


def test_an_oracle_that_nobody_knows_is_named(of_csv):
    with pytest.raises(StudyError, match=r"no oracle is called 'dlob'; known are dlib"):
        scoring.score(*of_csv[1], oracles=["dlob", "dlib"])


def test_the_command_scores_shards_and_then_all(of_csv, folder, capsys, tmp_path, monkeypatch):
    real, images = of_csv[1]
    monkeypatch.chdir(tmp_path)
    given_files = {path: path.stat().st_mtime_ns for path in images.parent.rglob("*")}
    given = ["--real", str(real), "--generated", f"class-blind={images}", "--keep-embeddings", str(folder / "parts")]
    assert cli.main(["score", *given, "--shard", "2/2", "--workers", "1"]) == 0
    assert "images embedded into" in capsys.readouterr().out
    assert cli.main(["score", *given, "--workers", "1", "--out", str(folder / "out"), "--anonymise"]) == 0
    assert "class-blind shows the requested person in" in capsys.readouterr().out
    assert json.loads((folder / "out" / "scores.json").read_text())["people"][0] == "person 1"
    assert given_files == {path: path.stat().st_mtime_ns for path in images.parent.rglob("*")}
    assert not list(tmp_path.iterdir())  # nothing but what is named is written
