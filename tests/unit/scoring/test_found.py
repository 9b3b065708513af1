"""Faces of images as users have them: one answer for each file, whatever the order, the processes and what was kept."""

import re
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from mean_colours import MeanColours
from PIL import Image
from small_people import people_and_generator

from kpop_rca.errors import StudyError
from kpop_rca.scoring import embedded, found, inputs, shards

COLOURS = [MeanColours()]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return people_and_generator(tmp_path_factory.mktemp("rendered"))


@pytest.fixture
def given(rendered: tuple[Path, Path], tmp_path: Path) -> inputs.Inputs:
    """Four photographs of each person, and a generator of two images of each."""
    for folder in rendered:
        shutil.copytree(folder, tmp_path / folder.name)
    return again(tmp_path)


def again(tmp_path: Path) -> inputs.Inputs:
    """What lies in the folders of `given` now."""
    return inputs.read(tmp_path / "people", {"gan": tmp_path / "gan"})


def first_of(folder: Path) -> Path:
    return sorted(sorted(folder.iterdir())[0].iterdir())[0]


def faces(result: found.Found) -> dict[str, str]:
    return {Path(path).name: face for path, face in zip(result.images["path"], result.images["face"], strict=True)}


def assert_same(one: found.Found, other: found.Found) -> None:
    """Bit for bit."""
    pd.testing.assert_frame_equal(one.images, other.images, check_exact=True)
    np.testing.assert_array_equal(one.embeddings["colours"], other.embeddings["colours"])
    assert one.notes == other.notes


def test_a_face_on_every_image(given):
    result = found.find(given, COLOURS)
    assert result.notes == [] and (result.images["face"] == "found").all()
    vectors = result.embeddings["colours"]
    assert vectors.shape == (12, 27) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert result.images["face_size"].between(30, 160).all()
    assert list(result.images) == [*given.images, "face", "face_size", "reason", "cluster"]
    assert (result.people, result.generators, result.crops) == (given.people, ["gan"], None)


def test_processes_and_portions_change_nothing(given, monkeypatch):
    plain = found.find(given, COLOURS, size=32, workers=1)
    monkeypatch.setattr(embedded, "PORTION", 3)
    monkeypatch.setattr(embedded, "WORTH_A_PROCESS", 1)
    assert_same(plain, found.find(given, COLOURS, size=32, workers=2))


def test_order_changes_nothing(given):
    one = found.find(given, COLOURS)
    order = np.random.default_rng(0).permutation(len(given.images))
    shuffled = inputs.Inputs(given.people, given.generators, given.images.iloc[order].reset_index(drop=True), [])
    other = found.find(shuffled, COLOURS)
    np.testing.assert_array_equal(one.embeddings["colours"][order], other.embeddings["colours"])
    assert one.images["face_size"].to_numpy()[order].tolist() == other.images["face_size"].tolist()


def test_what_was_kept_is_not_looked_at_again(given, tmp_path, monkeypatch):
    keep = tmp_path / "keep"
    plain = found.find(given, COLOURS)
    seen = []
    assert_same(plain, found.find(given, COLOURS, keep=keep, progress=seen.append))
    assert sum(seen) == 12
    monkeypatch.setattr(embedded, "look", lambda *_, **__: pytest.fail("looked at again"))
    assert_same(plain, found.find(given, COLOURS, keep=keep))


def test_without_a_folder_nothing_is_written(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    found.find(given, COLOURS)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_killed_run_goes_on(given, tmp_path, monkeypatch):
    """The first four images are kept, then the process ends."""
    monkeypatch.setattr(embedded, "PORTION", 2)
    monkeypatch.setattr(embedded, "SAVED_AT_ONCE", 4)
    looked, plain = [], embedded.look

    def look(images, *, recipe):
        if len(looked) == 6:
            raise KeyboardInterrupt
        looked.extend(images)
        return plain(images, recipe=recipe)

    monkeypatch.setattr(embedded, "look", look)
    with pytest.raises(KeyboardInterrupt):
        found.find(given, COLOURS, keep=tmp_path / "keep", workers=1)
    looked.clear()
    monkeypatch.setattr(
        embedded, "look", lambda images, *, recipe: looked.extend(images) or plain(images, recipe=recipe)
    )
    result = found.find(given, COLOURS, keep=tmp_path / "keep", workers=1)
    assert len(looked) == 8
    assert_same(result, found.find(given, COLOURS))


def test_shards_together_are_the_whole(given, tmp_path, monkeypatch):
    keep = tmp_path / "keep"
    counts = [shards.embed_shard(given, COLOURS, shard=(number, 5), keep=keep, workers=1) for number in range(5)]
    assert counts == [3, 3, 2, 2, 2]
    monkeypatch.setattr(embedded, "look", lambda *_, **__: pytest.fail("looked at again"))
    gathered = found.find(given, COLOURS, keep=keep)
    monkeypatch.undo()
    assert_same(gathered, found.find(given, COLOURS))


def test_what_is_kept_is_of_contents_and_settings(given, tmp_path, monkeypatch):
    keep, looked, plain = tmp_path / "keep", [], embedded.look
    found.find(given, COLOURS, keep=keep)
    monkeypatch.setattr(
        embedded, "look", lambda images, *, recipe: looked.extend(images) or plain(images, recipe=recipe)
    )
    file = first_of(tmp_path / "gan")
    file.rename(file.with_name("renamed.png"))
    found.find(again(tmp_path), COLOURS, keep=keep)
    assert looked == []
    Image.open(file.with_name("renamed.png")).rotate(2).save(file)
    found.find(again(tmp_path), COLOURS, keep=keep)
    assert [Path(path) for _, path in looked] == [file]
    found.find(given := again(tmp_path), COLOURS, keep=keep, size=32)
    assert len(looked) == 1 + len(given.images)
    found.find(given, [MeanColours(size=96)], keep=keep)
    assert len(looked) == 1 + 2 * len(given.images)


def test_a_damaged_file_is_named(given, tmp_path):
    keep = tmp_path / "keep"
    found.find(given, COLOURS, keep=keep)
    next(keep.iterdir()).write_bytes(b"PAR1")
    with pytest.raises(StudyError, match=r"faces-.*parquet is damaged .*; remove it and run again"):
        found.find(given, COLOURS, keep=keep)


def test_sizes_of_faces_are_made_equal(given, tmp_path):
    """The same images four times as large: as large as the others once both are brought to 32 pixels."""
    small = found.find(given, COLOURS, size=32)
    for file in [*(tmp_path / "gan").rglob("*.png"), *(tmp_path / "people").rglob("*.png")]:
        image = Image.open(file)
        image.resize((640, 640), Image.Resampling.LANCZOS).save(file)
    large = found.find(given, COLOURS, size=32)
    similar = (small.embeddings["colours"] * large.embeddings["colours"]).sum(axis=1)
    assert np.median(similar) > 0.99 and similar.min() > 0.9  # the detector's box moves by a few per cent
    assert large.images["face_size"].median() == pytest.approx(4 * small.images["face_size"].median(), rel=0.1)


class Boxed(MeanColours):
    """Takes the box itself for its chip."""

    boxes: ClassVar[list] = []

    def chip(self, image, box, landmarks):
        self.boxes.append((box, landmarks, image.size))
        return np.asarray(image.crop(tuple(box)).resize((self.size, self.size)))


def test_a_face_of_a_size_lies_where_its_box_says(given):
    result = found.find(given, [Boxed(), MeanColours("second")], size=40, workers=1)
    for box, landmarks, size in Boxed.boxes:
        assert np.max(box[2:] - box[:2]) == pytest.approx(40, abs=1e-3) and size == (120, 120)
        np.testing.assert_allclose(box[:2] + box[2:], size, atol=1e-3)
        assert (landmarks > 40).all() and (landmarks < 80).all()
    full = found.find(given, [Boxed()], workers=1)
    similar = (result.embeddings["colours"] * full.embeddings["colours"]).sum(axis=1)
    assert similar.min() > 0.99  # the same part of each image


def test_another_size_is_advised(given, tmp_path):
    for file in (tmp_path / "gan").rglob("*.png"):
        Image.open(file).resize((50, 50), Image.Resampling.LANCZOS).save(file)
    result = found.find(given, COLOURS)
    median = result.images.query("generator == 'gan'")["face_size"].median()
    assert any(f"--size {median:.0f} brings all to one size" in note for note in result.notes)
    sized = found.find(given, COLOURS, size=40)
    assert sized.notes == ["4 of 12 faces are smaller than 40 px and were enlarged"]


@pytest.mark.parametrize("side", [32, 64])
def test_faces_of_small_images_are_found(given, tmp_path, side):
    for file in (tmp_path / "gan").rglob("*.png"):
        Image.open(file).resize((side, side), Image.Resampling.LANCZOS).save(file)
    result = found.find(given, COLOURS)
    assert (result.images["face"] == "found").mean() > 0.9


def test_crops_on_request(given):
    result = found.find(given, COLOURS, crops=32)
    assert result.crops.shape == (12, 32, 32, 3) and result.crops.dtype == np.uint8
    assert (result.crops.reshape(12, -1).std(axis=1) > 10).all()


def beside(image: Image.Image, *, second: float) -> Image.Image:
    """The image, and it again on its right at a fraction of its size."""
    both = Image.new("RGB", (320, 160), "grey")
    both.paste(image, (0, 0))
    side = round(160 * second)
    both.paste(image.resize((side, side), Image.Resampling.LANCZOS), (160, 0))
    return both


@pytest.mark.parametrize(("second", "expected"), [(1.0, "several"), (0.4, "found")])
def test_a_second_face_counts_where_it_is_comparable_and_generated(given, tmp_path, second, expected):
    for folder in ("people", "gan"):
        file = first_of(tmp_path / folder)
        beside(Image.open(file), second=second).save(file)
    result = found.find(given, COLOURS)
    assert faces(result)[first_of(tmp_path / "people").name] == "found"
    changed = result.images["path"] == str(first_of(tmp_path / "gan"))
    assert result.images["face"][changed].tolist() == [expected]
    assert np.isnan(result.embeddings["colours"][changed]).all() == (expected == "several")
    said = [note for note in result.notes if "several faces" in note]
    assert len(said) == (expected == "several")


def spoilt(name: str, file: Path) -> None:
    """A generated image as something else."""
    image = Image.open(file).convert("RGB")
    if name == "truncated":
        file.write_bytes(file.read_bytes()[:3000])
    elif name == "text":
        file.write_text("not an image")
    elif name == "empty":
        file.write_bytes(b"")
    elif name == "8 pixels":
        image.resize((8, 8)).save(file)
    elif name == "flat":
        Image.new("RGB", (160, 160), "grey").save(file)
    elif name == "gone":
        file.unlink()
    elif name == "a link to nothing":
        file.unlink()
        file.symlink_to("nothing.png")
    elif name == "a folder":
        file.unlink()
        file.mkdir()


FAILING = {
    "truncated": "unreadable (truncated|damaged)",
    "text": "unreadable not an image",
    "empty": "unreadable empty file",
    "8 pixels": "unreadable tiny: 8x8",
    "flat": "none ",
    "gone": "unreadable .*No such file",
    "a link to nothing": "unreadable .*No such file",
    "a folder": "unreadable ",
}


@pytest.mark.parametrize("name", FAILING)
def test_an_image_without_a_face_stays_in_the_denominator(given, tmp_path, name):
    file = first_of(tmp_path / "gan")
    spoilt(name, file)
    result = found.find(given, COLOURS)
    row = result.images.index[result.images["path"] == str(file)][0]
    image = result.images.loc[row]
    assert (
        len(result.images) == 12 and pd.isna(image["face_size"]) and np.isnan(result.embeddings["colours"][row]).all()
    )
    assert re.match(FAILING[name], f"{image['face']} {image['reason']}")
    assert result.notes[0].startswith("gan: 1 of 4 images are failures, in the denominator (")
    assert file.name in result.notes[0] and len(result.notes) == 1 and len(result.notes[0].splitlines()) == 1


def as_cmyk(file: Path) -> None:
    Image.open(file).convert("CMYK").save(file, "JPEG", quality=95)


def as_grey(file: Path) -> None:
    Image.open(file).convert("L").save(file)


def with_alpha(file: Path) -> None:
    image = Image.open(file).convert("RGBA")
    image.putalpha(255)
    image.save(file)


def turned(file: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.open(file).convert("RGB").rotate(90, expand=True).save(file, "JPEG", exif=exif, quality=95)


def of_40_megapixels(file: Path) -> None:
    Image.open(file).convert("RGB").resize((6400, 6400)).save(file, "JPEG")


@pytest.mark.parametrize("changed", [as_cmyk, as_grey, with_alpha, turned, of_40_megapixels])
def test_images_of_every_kind_are_read(given, tmp_path, changed):
    file, plain = first_of(tmp_path / "gan"), found.find(given, COLOURS)
    changed(file)
    result = found.find(given, COLOURS)
    row = result.images.index[result.images["path"] == str(file)][0]
    assert result.images["face"][row] == "found"
    if changed is not as_grey:
        assert result.embeddings["colours"][row] @ plain.embeddings["colours"][row] > 0.98


def test_near_duplicates_share_a_cluster(given, tmp_path):
    file = first_of(tmp_path / "people")
    Image.open(file).resize((120, 120), Image.Resampling.LANCZOS).save(file.with_name("zz smaller.jpg"))
    shutil.copy(file, file.with_name("zz copy.png"))
    result = found.find(again(tmp_path), COLOURS)
    clusters = dict(zip(result.images["path"].map(lambda p: Path(p).name), result.images["cluster"], strict=True))
    assert clusters[file.name] == clusters["zz copy.png"] == clusters["zz smaller.jpg"] == 0
    assert (result.images["cluster"] >= 0).sum() == 3
    assert (
        result.notes[0] == f"photographs: 1 of 10 images are byte for byte another one ({file.parent.name}/zz copy.png)"
    )
    assert result.notes[1].startswith("3 photographs are near-duplicates of others, 1 sets: no classifier")


def test_a_photograph_in_two_folders_and_generated_ones(given, tmp_path):
    ours, theirs = (sorted(folder.iterdir()) for folder in sorted((tmp_path / "people").iterdir()))
    shutil.copy(ours[0], theirs[0].with_name("zz.png"))
    shutil.copy(ours[1], first_of(tmp_path / "gan").with_name("zz.png"))
    result = found.find(again(tmp_path), COLOURS)
    assert "gan: 1 images are byte for byte photographs" in result.notes
    assert any(note.startswith("photographs that lie in the folders of two people (2: ") for note in result.notes)


def test_a_generator_of_one_image(given, tmp_path):
    for person in (tmp_path / "gan").iterdir():
        own = sorted(person.iterdir())
        shutil.copy(own[0], own[1])
    seen = []
    result = found.find(given, COLOURS, progress=seen.append)
    assert sum(seen) == 10
    assert result.notes[0].startswith("gan: 2 of 4 images are byte for byte another one")


def test_people_without_faces_are_named_before_generated_images_are_looked_at(given, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "PORTION", 4)
    folder = sorted((tmp_path / "people").iterdir())[1]
    for file in sorted(folder.iterdir())[:2]:
        Image.new("RGB", (160, 160), f"#{hash(file.name) % 4096:03x}").save(file)
    seen = []
    with pytest.raises(StudyError, match=rf"a face was found: {folder.name} \(2 of 4\); the minimum is 3 of each"):
        found.find(given, COLOURS, progress=seen.append, workers=1)
    assert sum(seen) == 8


def test_columns_of_the_user_are_kept_whatever_their_names(given):
    named = given.images.assign(note="mine", rival="x", phash="y", contents="z")
    result = found.find(inputs.Inputs(given.people, given.generators, named, []), COLOURS)
    assert (result.images["note"] == "mine").all() and (result.images["rival"] == "x").all()
