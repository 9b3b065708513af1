"""Photographs and generated images as users have them: what is read, what is noted, and what is refused in a line."""

import csv
import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.scoring import inputs
from kpop_rca.scoring.anonymous import without_names

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "김 O'Neil") for form in ("NFC", "NFD"))
PEOPLE = ("ada", "bo")


def touch(root: Path, *names: str) -> Path:
    """Empty files: what is given is listed, not opened."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def photographs(root: Path, people=PEOPLE, *, count: int = 3) -> Path:
    return touch(root, *(f"{name}/{number}.jpg" for name in people for number in range(count)))


def generated(root: Path, people=PEOPLE, *, count: int = 2) -> Path:
    return touch(root, *(f"{name}/{number}.png" for name in people for number in range(count)))


def table(file: Path, rows: list[dict], *, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    """A CSV, and an empty file for each path in it that is relative."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if not row["path"].startswith(("/", "..")):
            touch(file.parent, row["path"])
    with file.open("w", encoding=encoding, newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return file


def rows_of(people=PEOPLE, *, count: int = 2, **columns: str) -> list[dict]:
    return [{"path": f"{name} {n}.png", "person": name, **columns} for name in people for n in range(count)]


@pytest.fixture
def real(tmp_path):
    return photographs(tmp_path / "people")


@pytest.fixture
def gan(tmp_path):
    return generated(tmp_path / "gan")


def counts(given: inputs.Inputs) -> dict:
    return given.images.groupby(["generator", "person"]).size().to_dict()


def test_folders(real, gan, tmp_path):
    given = inputs.read(real, {"gan": gan, "sdxl": generated(tmp_path / "sdxl", count=1)})
    assert (given.people, given.generators, given.notes) == (["ada", "bo"], ["gan", "sdxl"], [])
    assert list(given.images) == ["path", "person", "generator"]
    assert counts(given) == {("", 0): 3, ("", 1): 3, ("gan", 0): 2, ("gan", 1): 2, ("sdxl", 0): 1, ("sdxl", 1): 1}
    assert given.images["path"][0] == str(real / "ada" / "0.jpg") and (given.images["generator"][:6] == "").all()
    assert given.images["person"].dtype == np.int64


@pytest.mark.parametrize("layout", ["train/{}", "normal_cases/train/{}", "{}/images"])
def test_every_layout_of_photographs(layout, gan, tmp_path):
    real = photographs(tmp_path / "people", [layout.format(name) for name in PEOPLE])
    assert counts(inputs.read(real, {"gan": gan}))["", 1] == 3


def test_hard_cases_and_groups_are_not_used(gan, tmp_path):
    real = photographs(tmp_path / "people", [f"normal_cases/train/{name}" for name in PEOPLE])
    touch(real, "hard_cases/test/ada/1.jpg", "Group_cases/test/bo/1.jpg")
    given = inputs.read(real, {"gan": gan})
    assert len(given.images) == 10
    assert given.notes == [f"{real}: 2 images of hard cases and groups are not used"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_as_a_spreadsheet_saves_it(real, tmp_path, encoding, delimiter):
    rows = rows_of(prompt="a face, smiling", seed="07")
    file = table(tmp_path / "gen" / "gan.csv", rows, encoding=encoding, delimiter=delimiter)
    given = inputs.read(real, {"gan": file})
    assert given.images["prompt"].tolist() == [""] * 6 + ["a face, smiling"] * 4
    assert given.images["seed"].tolist() == [""] * 6 + ["07"] * 4  # text, as it stands there
    assert given.images["path"][6] == str(tmp_path / "gen" / "ada 0.png")
    assert given.notes == ["further columns, by which scores can be compared: prompt, seed"]


def test_one_csv_for_all(tmp_path):
    rows = [row | {"generator": ""} for row in rows_of(count=3)]
    rows += [{"path": f"{g}/{n}.png", "person": n, "generator": g} for g in ("sdxl", "gan") for n in PEOPLE]
    file = table(tmp_path / "all.csv", rows)
    given = inputs.read(file, file)
    assert given.generators == ["sdxl", "gan"]
    assert counts(given) == {("", 0): 3, ("", 1): 3} | {(g, n): 1 for g in ("sdxl", "gan") for n in (0, 1)}
    again = inputs.read(file, {"gan": file})
    assert again.generators == ["gan"] and len(again.images) == 8
    said = "rows that are of no generator that is scored: no generator: photographs (6), sdxl (2)"
    assert again.notes == [f"{file}: {said}"]


def test_the_order_of_rows_changes_nothing(real, tmp_path):
    rows = rows_of(count=3, seed="1")
    one = inputs.read(real, {"gan": table(tmp_path / "one" / "gan.csv", rows)})
    other = inputs.read(real, {"gan": table(tmp_path / "one" / "gan.csv", rows[::-1])})
    pd.testing.assert_frame_equal(one.images, other.images)


def test_columns_of_some_images_alone(real, gan, tmp_path):
    given = inputs.read(real, {"gan": gan, "sdxl": table(tmp_path / "s" / "a.csv", rows_of(age="old"))})
    assert given.images.groupby("generator")["age"].agg(set).to_dict() == {"": {""}, "gan": {""}, "sdxl": {"old"}}


@pytest.mark.parametrize("name", ["Ada Lovelace", "O'Neil", 'say "x"', "=cmd|x", "<b>", "$(id)", "-rf", "김"])
def test_names_are_text(tmp_path, name):
    real = photographs(tmp_path / "people", [name, "bo"])
    folder = inputs.read(real, {"gan": generated(tmp_path / "gan", [name, "bo"])})
    listed = inputs.read(real, {"gan": table(tmp_path / "csv" / "a.csv", rows_of([name, "bo"]))})
    assert set(folder.people) == set(listed.people) == {name, "bo"}


@pytest.mark.parametrize(("on_disk", "claimed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_one_name_in_both_compositions(tmp_path, on_disk, claimed):
    real = photographs(tmp_path / "people", [on_disk, "bo"])
    for form in (generated(tmp_path / "gan", [claimed, "bo"]), table(tmp_path / "a.csv", rows_of([claimed, "bo"]))):
        given = inputs.read(real, {"gan": form})
        assert set(given.people) == {COMPOSED, "bo"} and len(given.images) == 10


def test_a_path_in_the_other_composition_than_the_disk_has(real, tmp_path):
    file = table(tmp_path / "gen" / "gan.csv", rows_of(["ada", "bo"]))
    touch(file.parent, f"{DECOMPOSED}.png")
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{COMPOSED}.png,ada\n")
    assert counts(inputs.read(real, {"gan": file}))["gan", 0] == 3


def test_files_that_are_no_images(real, gan):
    touch(gan, "ada/.DS_Store", "Thumbs.db", "ada/notes.txt", "readme.md", "bo/1.nef", "stray.png")
    given = inputs.read(real, {"gan": gan})
    assert len(given.images) == 10
    assert [note.removeprefix(f"{gan}: not read ") for note in given.notes] == [
        "(2: ada/notes.txt, readme.md): file without an image's ending",
        "(1: bo/1.nef): photograph of a kind that is not read; save it as JPEG or PNG",
        "(1: stray.png): in no identity's folder",
    ]


def test_links_that_leave_the_folder_are_not_followed(real, gan, tmp_path):
    secret = touch(tmp_path / "elsewhere", "secret.png")
    (gan / "ada" / "out.png").symlink_to(secret / "secret.png")
    (gan / "cy").symlink_to(secret)
    given = inputs.read(real, {"gan": gan})
    assert len(given.images) == 10
    assert given.notes == [f"{gan}: not read (2: ada/out.png, cy): link out of the data folder"]


def test_people_without_a_counterpart(tmp_path):
    real, gan = photographs(tmp_path / "people", [*PEOPLE, "cy", "di"]), tmp_path / "gan"
    (real / "empty").mkdir()
    generated(gan, [*PEOPLE, "empty", "stranger"])
    (gan / "void").mkdir()
    given = inputs.read(real, {"gan": gan})
    assert given.people == ["ada", "bo"]
    assert given.notes == [
        f"{real}: no image in the folders of 1 people: empty",
        f"{gan}: no image in the folders of 1 people: void",
        "photographs but no generated images, left out: 2 people (cy, di)",
        "no photographs, so 4 images of gan left out: 2 people (empty, stranger)",
    ]


def test_a_generator_without_half_of_the_people(gan, tmp_path):
    people = ["ada", "bo", "cy", "di"]
    half = {"half": generated(tmp_path / "half", ["cy", "di"]), "all": generated(tmp_path / "all", people)}
    given = inputs.read(photographs(tmp_path / "people", people), half)
    assert given.people == people
    assert given.notes == ["half has no images of 2 people (ada, bo); its scores are of the others"]


def test_one_photograph_is_refused_by_name(tmp_path):
    real = photographs(tmp_path / "people", [*PEOPLE, "cy"])
    touch(real, "Zoe/1.jpg", "Yan/1.jpg", "Yan/2.jpg", "nobody requested/1.jpg")
    gan = generated(tmp_path / "gan", [*PEOPLE, "Zoe", "Yan"])
    with pytest.raises(StudyError, match=r"too few photographs: Yan \(2\), Zoe \(1\); the minimum is three"):
        inputs.read(real, {"gan": gan})


def test_three_photographs_work(real, gan):
    assert inputs.MIN_PHOTOGRAPHS == 3 and len(inputs.read(real, {"gan": gan}).images) == 10


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (["Ada", "bo"], r"only in capitals, spaces or signs \('Ada' and 'ada'\)"),
        (["ada_", "bo"], r"\('ada_' and 'ada'\)"),
        (
            ["ada", "cy"],
            r"fewer than two people have both.*photographs: 2 people \(ada, bo\); gan: 2 people \(ada, cy\)",
        ),
        ([f"stranger {n}" for n in range(5)], r"gan: 5 people \(stranger 0, stranger 1, stranger 2 and 2 more\)"),
    ],
)
def test_names_that_do_not_meet(real, tmp_path, people, said):
    with pytest.raises(StudyError, match=said):
        inputs.read(real, {"gan": generated(tmp_path / "gan", people)})


def test_a_generator_of_strangers_beside_one_that_is_right(real, gan, tmp_path):
    other = generated(tmp_path / "other", ["x", "y"])
    with pytest.raises(StudyError, match="other has no images of anyone with photographs"):
        inputs.read(real, {"gan": gan, "other": other})


def test_two_generators_with_one_folder(real, gan, tmp_path):
    (tmp_path / "link").symlink_to(gan)
    for again in (gan, f"{gan}/", tmp_path / "link"):
        with pytest.raises(StudyError, match="a and b have the same files; name another folder"):
            inputs.read(real, {"a": gan, "b": again})


def test_two_generators_that_share_a_file(real, tmp_path):
    rows = [row | {"generator": "a"} for row in rows_of()] + [row | {"generator": "b"} for row in rows_of(count=3)[2:]]
    given = inputs.read(real, table(tmp_path / "gen" / "all.csv", rows))
    assert given.notes == ["a and b share 2 files, which count for both"]


def test_a_generator_that_is_the_photographs(real):
    with pytest.raises(StudyError, match="6 images of gan are files of the photographs; give its own images"):
        inputs.read(real, {"gan": real})


@pytest.mark.parametrize("made", [lambda p: None, lambda p: p.mkdir(), lambda p: touch(p, "ada/notes.txt")])
@pytest.mark.parametrize("which", ["people", "gan"])
def test_nothing_there(tmp_path, which, made):
    real, gan = photographs(tmp_path / "people_"), generated(tmp_path / "gan_")
    made(tmp_path / which)
    given = {"people": real, "gan": gan} | {which: tmp_path / which}
    with pytest.raises(
        StudyError, match=rf"{which}.* (is not there|no images in)|no images in .*{which}|{which} is not"
    ):
        inputs.read(given["people"], {"gan": given["gan"]})


@pytest.mark.parametrize("generators", [{}, {"": "gan"}, {" ": "gan"}, {"a": "gan", "a ": "gan"}])
def test_generators_need_names(real, gan, generators):
    with pytest.raises(StudyError, match=r"as sdxl="):
        inputs.read(real, dict.fromkeys(generators, gan))


def test_a_folder_alone_is_given_with_a_name(real, gan):
    with pytest.raises(StudyError, match=f"names no generators; give it with a name, as sdxl={gan}"):
        inputs.read(real, gan)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../people/ada/0.jpg", "leaves the folder of the CSV"),
        ("/etc/passwd", "leaves the folder of the CSV"),
        ("inner/../../people/ada/0.jpg", "leaves the folder of the CSV"),
        ("out.png", "leaves the folder of the CSV"),
        ("linked/0.jpg", "leaves the folder of the CSV"),
        ("circle.png", "leaves the folder|no such file"),
        ("nul\x00.png", "leaves the folder of the CSV|not a CSV"),
        ("nothing.png", "no such file"),
        ("x" * 5000, "no such file|leaves"),
        ("inner", "no such file"),
        ("pipe.png", "no such file"),
        ("", "no path; fill it in"),
    ],
)
def test_paths_that_lead_elsewhere(real, tmp_path, path, said):
    file = table(tmp_path / "gen" / "gan.csv", rows_of())
    (file.parent / "inner").mkdir()
    (file.parent / "out.png").symlink_to(real / "ada" / "0.jpg")
    (file.parent / "linked").symlink_to(real / "ada")
    (file.parent / "circle.png").symlink_to("circle.png")
    os.mkfifo(file.parent / "pipe.png")
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{path},ada\n")
    with pytest.raises(StudyError, match=rf"gan.csv(, row 6: .*| is )({said})") as caught:
        inputs.read(real, {"gan": file})
    assert len(str(caught.value)) < 400


def test_a_name_that_is_nearly_one_with_photographs_is_asked_about(tmp_path):
    real, gan = photographs(tmp_path / "people", ["Colin Powell", "Bo"]), tmp_path / "gan"
    generated(gan, ["Collin Powell", "Bo", "Colin Powell"])
    (note,) = inputs.read(real, {"gan": gan}).notes
    assert note.endswith("(Collin Powell); is it Collin Powell for Colin Powell?")
    assert without_names(note) == "no photographs, so 2 images of gan left out: 1 person"


def test_paths_that_stay_within(real, tmp_path):
    file = table(tmp_path / "gen" / "gan.csv", rows_of())
    touch(file.parent, "inner/x.png", "y.png")
    (file.parent / "link.png").symlink_to("y.png")
    with file.open("a", encoding="utf-8") as out:
        out.write(f"inner/../inner/x.png,ada\nlink.png,ada\n\n{file.parent / 'y.png'},ada\n")
    given = inputs.read(real, {"gan": file})
    assert counts(given)["gan", 0] == 4
    assert given.notes == [f"{file}: row 9 name an image again and are left out"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no column path or person"),
        (b"file,name\na.png,ada\n", "has no column path or person; its first row must name path and person"),
        (b"path\na.png\n", "has no column person"),
        (b"path,person,path\n", "path name two columns each; rename them"),
        (b"path,person,cluster\n", "cluster are names that scoring uses itself"),
        (b"path,person\n", "no images in"),
        (b"path,person\na.png,\n", "row 2: no person; fill it in"),
        (b"path,person\na.png,ada,,more\n", "row 2: more cells than the header"),
        (b"path,person\na.png,ada\na.png,bo\n", "rows 2, 3: one image for several people"),
        (b'path,person\na.png,"ada\n', r"is not a CSV \(unexpected end of data\)"),
        (b'path,person\n"a".png,ada\n', "is not a CSV"),
        ("path,person\na.png,Zoë\n".encode("latin-1"), "is not UTF-8; save it as CSV UTF-8"),
        ("path,person\na.png,ada\n".encode("utf-16"), "is not UTF-8"),
        (b"path,person\na.png," + b"x" * 200_000, "is not a CSV .field larger"),
    ],
)
def test_a_csv_that_cannot_be_used(real, tmp_path, content, said):
    file = touch(tmp_path / "gen", "a.png") / "gan.csv"
    file.write_bytes(content)
    with pytest.raises(StudyError, match=said) as caught:
        inputs.read(real, {"gan": file})
    assert "gan.csv" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_columns_without_a_name_and_headers_in_capitals(real, tmp_path):
    rows = [{"": "0", "Path": r["path"], " PERSON ": r["person"], "Age": "old"} for r in rows_of()]
    for row in rows:
        touch(tmp_path / "gen", row["Path"])
    file = tmp_path / "gen" / "gan.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    given = inputs.read(real, {"gan": file})
    assert list(given.images) == ["path", "person", "generator", "Age"]
    assert f"{file}: 1 columns without a name are left out" in given.notes


def test_formulas_are_text_and_are_written_as_text(real, tmp_path):
    rows = rows_of(prompt='=HYPERLINK("x")', seed="-1")
    given = inputs.read(real, {"gan": table(tmp_path / "gen" / "gan.csv", rows)})
    assert given.images["prompt"].iloc[-1] == '=HYPERLINK("x")'
    written = inputs.neutralised(given.images)
    assert written["prompt"].iloc[-1] == '\'=HYPERLINK("x")'
    assert written["seed"].iloc[-1] == "-1"
    pd.testing.assert_series_equal(written["person"], given.images["person"])


@pytest.mark.parametrize("cell", ["=1", "+cmd", "-cmd", "@SUM(1)", "\t=1", "\r=1", "+1+1", "-2+3"])
def test_every_beginning_of_a_formula(cell):
    written = inputs.neutralised(pd.DataFrame({cell: [cell, 1.5, None]}))
    assert list(written) == [f"'{cell}"]
    assert written.iloc[:, 0].tolist()[:2] == [f"'{cell}", 1.5]


def test_a_generator_that_the_csv_does_not_name(real, tmp_path):
    file = table(tmp_path / "gen" / "all.csv", rows_of(generator="gan"))
    with pytest.raises(StudyError, match="has no row of the generator sdxl; correct the name"):
        inputs.read(real, {"sdxl": file})
    with pytest.raises(StudyError, match="names a generator in each row; leave it empty for photographs"):
        inputs.read(file, {"gan": real})
