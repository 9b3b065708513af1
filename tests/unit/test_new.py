"""The study file that is written for a folder of photographs, whose sizes and numbers are made up here."""

import numpy as np
import pytest
from PIL import Image

from kpop_rca import new
from kpop_rca.errors import StudyError
from kpop_rca.study import params, paths


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a data folder of so many photographs of each person; study files go to a scratch folder."""
    (tmp_path / "params").mkdir()
    monkeypatch.setattr(paths, "study_file", lambda study: tmp_path / "params" / f"{study}.yaml")

    def make(counts, *, size=(250, 250), split=""):
        for person, count in counts.items():
            place = tmp_path / "faces" / split / person
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                Image.fromarray(np.full((size[1], size[0], 3), number % 256, np.uint8)).save(place / f"{number}.png")
        return str(tmp_path / "faces")

    return make


def written(data_root):
    new.write("mine", data_root)
    return params.read_study_file(paths.study_file("mine"))


def test_few_photographs_are_not_parted_and_trained_on_for_longer(folder):
    root = folder(dict.fromkeys("abcdefgh", 30), size=(64, 64))
    assert written(root) == {
        "data_source": "folder",
        "data_root": root,
        "n_identities": 0,
        "exclude_flags": ["non_facial", "small_face", "identity_mismatch", "cross_identity_duplicate"],
        "oracle_fraction": 0.0,
        "seen_oracles": [],
        "oracle_epochs": 59,  # 1,200 / (8 x 24 x 0.85 / 8)
        "trainings": 1,
        "train_steps": 2400,  # 200 x 192 / 16
        "images_per_identity": 100,
        "look_alike_groups": "",
    }


def test_many_photographs_are_parted_as_in_the_default_study(folder):
    values = written(folder({"a": 260, "b": 250}, size=(64, 64)))
    assert values.keys() & {"oracle_fraction", "seen_oracles", "max_per_identity", "test_fraction"} == set()
    assert values["oracle_epochs"] == 14  # 1,200 / (0.8 x 255 x 0.5 x 0.85)


def test_people_of_few_photographs_are_left_out_where_others_have_more(folder):
    values = written(folder({"a": 25, "b": 30, "c": 3}))
    assert (values["n_identities"], values["min_per_identity"]) == (0, 20)
    assert "keeps 2 people; 1 with fewer photographs" in paths.study_file("mine").read_text()


def test_where_all_have_few_they_stay_and_enough_are_tested_on(folder):
    values = written(folder({"a": 12, "b": 14}))
    assert (values["n_identities"], values["test_fraction"]) == (0, 0.34)


def test_a_test_folder_is_the_test_split(folder):
    folder({"a": 40, "b": 40}, split="train")
    values = written(folder({"a": 10, "b": 10}, split="test"))
    assert "test_fraction" not in values
    assert values["train_steps"] == 1000  # 200 x 80 / 16


def test_who_has_very_many_does_not_outvote_the_others(folder):
    assert written(folder({"a": 100, "b": 22, "c": 20}, size=(40, 40)))["max_per_identity"] == 66


def test_in_small_photographs_smaller_faces_are_looked_for(folder):
    values = written(folder({"a": 22, "b": 22}, size=(48, 60)))
    assert (values["min_face_size"], values["min_face_width"]) == (24, 20)


def test_a_folders_name_is_no_yaml(folder):
    """Names of people stand in the comments, that of the folder in a value."""
    root = folder({"a\nstudy: x": 100, "#b: {": 20, "'c": 20}, split="it's: {x} #1 é김")
    values = written(f"{root}/it's: {{x}} #1 é김")
    assert values["data_root"] == f"{root}/it's: {{x}} #1 é김"
    assert values["max_per_identity"] == 60


def test_a_study_file_is_never_written_over(folder):
    root = folder({"a": 20, "b": 20})
    new.write("mine", root)
    before = paths.study_file("mine").read_text()
    with pytest.raises(StudyError, match=r"params/mine\.yaml is there already; give the study another name"):
        new.write("mine", root)
    assert paths.study_file("mine").read_text() == before


@pytest.mark.parametrize(
    ("study", "root", "expected"),
    [
        ("", "faces", "STUDY is ''; write STUDY=mine"),
        ("Mine", "faces", "STUDY is 'Mine'"),
        ("../mine", "faces", "STUDY is"),
        ("mine-seed1", "faces", "no -seed<N>"),
        ("mine.size=32", "faces", "STUDY is"),
        ("mine", "", "DATA_ROOT is missing; write DATA_ROOT=../faces"),
        ("mine", "nowhere", "data_root 'nowhere' is no folder"),
    ],
)
def test_what_cannot_be_written_is_one_line(folder, capsys, study, root, expected):
    assert new.main([study, root]) == 1
    assert expected in capsys.readouterr().err
    assert not list(paths.study_file("mine").parent.iterdir())
