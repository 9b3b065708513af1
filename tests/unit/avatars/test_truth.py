"""What the renderer tells of its images, against the images."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_avatars import SMALL

from kpop_rca.avatars import dataset, photograph, truth


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered") / "avatars"
    return root, dataset.render_dataset(root, **SMALL, workers=1)


def solo(*, style=0, seed=0, **kind):
    person = dataset.people(seed=0, n_identities=4, alikeness=0.5)[style]
    shown = {"artifact": "", "hard": ""} | kind
    return photograph.solo(person, **shown, generator=np.random.default_rng(seed))


def test_the_shots_are_those_that_were_rendered(rendered):
    root, table = rendered
    found = dict(truth.shots(root))
    assert list(found) == table["path"].tolist()
    for row in table.itertuples():
        shot = found[row.path]
        assert shot.prop in (row.artifact, row.hard, "") and bool(shot.sitters) == (row.shown != "")
        if shot.sitters:
            assert round(shot.sitters[-1].look.yaw, 2) == row.yaw
    path = table["path"][0]
    painted = np.asarray(photograph.take(found[path], size=64)).astype(float)
    assert np.abs(painted - np.asarray(Image.open(root / path))).mean() < 6  # JPEG; other images differ by 40 and more


def test_a_face_lies_where_its_head_is():
    shot = solo()
    sitter = replace(
        shot.sitters[0], x=0.5, y=0.5, unit=0.2, look=replace(shot.sitters[0].look, yaw=0, roll=0, pitch=0)
    )
    shot = replace(shot, sitters=(sitter,))
    x0, y0, x1, y1 = truth.face_boxes(shot, size=100)[0]
    assert (x0 + x1) / 2 == pytest.approx(50, abs=0.1)
    assert y0 == pytest.approx(50 + 20 * truth.FOREHEAD)
    widest = 2 * 20 * 0.815 * sitter.person["face_width"]  # of the table of slices
    assert x1 - x0 == pytest.approx(widest, rel=0.01)
    moved = truth.face_boxes(replace(shot, shift=(0.1, 0.0)), size=100)[0]
    assert moved == pytest.approx([x0 + 10, y0, x1 + 10, y1])


def test_the_mask_fills_its_box_and_has_the_skin_in_it():
    shot = solo(style=3, seed=1)
    box, mask = truth.face_boxes(shot, size=128)[0], truth.face_mask(shot, size=128)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] == pytest.approx(box, abs=1.5)
    assert 0.6 < mask.sum() / np.prod(box[2:] - box[:2]) < 0.95


def test_a_group_has_all_of_its_faces_the_most_prominent_first():
    people = dataset.people(seed=0, n_identities=4, alikeness=0.5)
    shot = photograph.group(people[0], costars=people[1:3], generator=np.random.default_rng(0))
    areas = [np.prod(box[2:] - box[:2]) for box in truth.face_boxes(shot, size=160)]
    assert len(areas) == 3 and areas[0] == max(areas)
    nobody = photograph.nonface(photograph.NONFACE[0], generator=np.random.default_rng(0))
    assert truth.face_boxes(nobody, size=160).shape == (0, 4)
    assert not truth.face_mask(nobody, size=160).any()
    assert (truth.attributes(nobody), truth.prompts(nobody), truth.questions(nobody)) == ({}, {}, [])
    assert truth.full_prompt(nobody) == ""


@pytest.mark.parametrize("name", truth.PROPS)
def test_what_is_held_or_worn_is_told(name):
    kind = "artifact" if name in photograph.ARTIFACTS else "hard"
    shot = solo(**{kind: name})
    assert [prop for prop in truth.PROPS if truth.attributes(shot)[prop]] == [name]
    category = "action" if kind == "artifact" else "accessories"
    assert truth.prompts(shot)[category] == f"a portrait of a person {truth.PHRASES[name]}"
    answers = {question.attribute: question.answer for question in truth.questions(shot)}
    assert answers[name] and sum(answers[prop] for prop in truth.PROPS) == 1


def test_a_prompt_names_hair_expression_and_accessory():
    shot = solo(style=3, hard="sunglasses")
    sitter = shot.sitters[0]
    person = replace(sitter.person, traits=sitter.person.traits | {"hair_shade": 0.0})
    shot = replace(shot, sitters=(replace(sitter, person=person, look=replace(sitter.look, smile=0.2)),))
    assert truth.full_prompt(shot) == "a portrait of a person with short black hair wearing sunglasses"
    assert set(truth.prompts(shot)) == {"general", "facial_attributes", "view", "clothes", "accessories"}
    assert truth.attributes(solo(hard="wink"))["winking"] and truth.attributes(solo(hard="extreme_angle"))["turned"]


def test_rendered_pixels_are_what_they_were():
    """Means of 4 x 4 tiles: one grey level is what another processor's sines and logarithms may change in a pixel."""
    pixels = np.asarray(photograph.take(solo(hard="sunglasses"), size=64), dtype=float)
    tiles = pixels.reshape(4, 16, 4, 16, 3).mean(axis=(1, 3, 4))
    expected = [
        [177.0, 117.6, 136.8, 153.5],
        [219.0, 119.1, 137.4, 139.0],
        [224.4, 100.9, 123.1, 108.0],
        [178.9, 151.9, 134.4, 125.8],
    ]
    assert tiles == pytest.approx(np.array(expected), abs=0.1)
