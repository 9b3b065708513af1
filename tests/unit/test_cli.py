"""The command `kpop-rca`: what it hands on, and what it says of a user's mistake."""

import numpy as np
import pytest
import small_scores

from kpop_rca import cli, scoring
from kpop_rca.human_ratings import stimuli
from kpop_rca.human_ratings.stimuli import Stimulus
from kpop_rca.study import paths


@pytest.fixture
def called(monkeypatch, tmp_path):
    """Stand-ins for what scores; the arguments that they were given."""
    found = {}

    def scored(*arguments, **options):
        found.update(options | {"arguments": arguments})
        return small_scores.scores()

    monkeypatch.setattr(scoring, "score", scored, raising=False)
    monkeypatch.setattr(scoring, "demonstrate", scored, raising=False)
    monkeypatch.chdir(tmp_path)
    return found


def test_folders_reach_the_scoring_as_they_were_named(called, tmp_path, capsys):
    for place in ("my people", "gen/a=b", "g 1", "v"):
        (tmp_path / place).mkdir(parents=True)
    words = ["score", "--real", "my people", "--generated", "sd xl=gen/a=b", "--generators", "gan='g 1' vq=v"]
    assert (
        cli.main([*words, "--oracle", "dlib", "--oracle", "mine=m.onnx", "--oracle-size", "112", "--size", "32"]) == 0
    )
    assert str(called["real"]) == "my people"
    assert {name: str(path) for name, path in called["generated"].items()} == {
        "sd xl": "gen/a=b",
        "gan": "g 1",
        "vq": "v",
    }
    assert called["oracles"] == ["dlib", "mine"]
    assert {name: str(path) for name, path in called["models"].items()} == {"mine": "m.onnx"}
    assert (called["model_size"], called["size"]) == (112, 32)
    assert capsys.readouterr().out.splitlines()[-1] == "open reports/scores/index.html"
    assert (tmp_path / cli.OUT / "scores.json").is_file()


def test_a_csv_that_names_its_generators_needs_no_name(called, tmp_path):
    (tmp_path / "people").mkdir()
    (tmp_path / "all.CSV").touch()
    assert cli.main(["score", "--real", "people", "--generated", "all.CSV"]) == 0
    assert str(called["generated"]) == "all.CSV"


def test_without_images_avatars_are_scored(called):
    assert cli.main(["score", "--out", "here"]) == 0
    assert [str(argument) for argument in called["arguments"]] == ["here"]
    assert called["oracles"] == ["dlib"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scor"], "there is no command 'scor'; did you mean 'score'? There are score, study, rate, verify, report"),
        (["score", "--anonymise", "--publish-images"], "shows the faces of those whom --anonymise hides"),
        (["score", "--real", "people"], "--generated name=folder is missing"),
        (["score", "--generated", "sdxl=gen"], "--real folder is missing"),
        (["score", "--real", "p", "--generated", "gen/sdxl"], "--generated gen/sdxl: expected name=folder"),
        (["score", "--real", "p", "--generated", "a=b", "--generated", "a=c"], "--generated names a twice"),
        (["score", "--real", "p", "--generators", "a='b"], "No closing quotation; write name=folder"),
        (["score", "--oracle", "dlib", "--oracle", "dlib"], "--oracle names dlib twice"),
        (["score", "--real", "photo", "--generated", "a=gen"], "--real photo is not there; did you mean photos?"),
        (["score", "--real", "photos", "--generated", "a=x/y"], "--generated x/y is not there; name one folder per"),
    ],
)
def test_a_users_mistake_is_a_line(called, capsys, tmp_path, words, said):
    (tmp_path / "photos").mkdir()
    assert cli.main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert "Traceback" not in error
    assert not called


def test_a_failed_control_is_the_exit_status(called, monkeypatch, tmp_path, capsys):
    for place in ("p", "b"):
        (tmp_path / place).mkdir()
    monkeypatch.setattr(scoring, "score", lambda **options: small_scores.scores(gate=False))
    assert cli.main(["score", "--real", "p", "--generated", "a=b"]) == 1
    assert capsys.readouterr().out.startswith("Do not use these numbers")


def test_studies_want_a_checkout(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    assert cli.main(["study"]) == 1
    assert "works in a checkout of the project" in capsys.readouterr().err


def test_a_study_is_handed_its_own_words(capsys):
    assert cli.main(["verify", "nobodys-study"]) == 1
    assert "there is no study 'nobodys-study'" in capsys.readouterr().err


def test_rating_pages_of_a_study_without_images_say_what_to_run(output, capsys):
    assert cli.main(["rate", "--study", "smoke", "--out", str(output / "pages")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the study smoke has no images here yet; run: make study STUDY=smoke")
    assert not (output / "pages").exists()
    assert cli.main(["rate", "--study", "nobodys-study"]) == 1
    assert "there is no study 'nobodys-study'" in capsys.readouterr().err
    assert cli.main(["rate", "--generated", "a", "--out", str(output / "pages")]) == 1
    assert "expected name=folder" in capsys.readouterr().err


def test_photographs_of_people_are_not_written_into_the_project(output, capsys):
    docs = paths.project_root() / "docs" / "pages"
    assert cli.main(["rate", "--study", "lfw10-quick", "--out", str(docs)]) == 1
    assert "the pages show photographs of people" in capsys.readouterr().err


@pytest.mark.parametrize("public", [True, False])
def test_rating_pages_are_written(monkeypatch, output, tmp_path, capsys, public):
    found = [
        Stimulus(np.full((8, 8, 3), k, np.uint8), name=str(k), generator="g", level="l", identity="i")
        for k in range(30)
    ]
    monkeypatch.setattr(stimuli, "of_study", lambda study, n_images: found[:n_images])
    study, folder = "smoke" if public else "lfw10-quick", tmp_path / "pages"
    (paths.artifacts_folder(study) / "generated").mkdir(parents=True)
    words = ["rate", "--study", study, "--raters", "3", "--images", "20", "--practice", "2", "--out", str(folder)]
    assert cli.main(words) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["key.csv", *(f"rater-0{k}.html" for k in (1, 2, 3))]
    assert ("photographs of people" in capsys.readouterr().out) is not public


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_names_the_commands(capsys, words):
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in cli.ABOUT)
