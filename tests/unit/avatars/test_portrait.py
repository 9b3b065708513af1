"""The rendering of people: traits, poses, images."""

from dataclasses import replace

import numpy as np
import pytest

from kpop_rca.avatars import canvas, creatures, photograph, portrait
from kpop_rca.avatars.head import Head

STYLES = ["long", "long", "long", "short", "short"]


def invent(*, alikeness, seed=0):
    return portrait.invent_people(styles=STYLES, alikeness=alikeness, generator=np.random.default_rng(seed))


def solo(person, *, seed=0, artifact="", hard=""):
    return photograph.solo(person, artifact=artifact, hard=hard, generator=np.random.default_rng(seed))


def pixels(shot, *, size=64):
    return np.asarray(photograph.take(shot, size=size))


def test_alikeness_one_makes_the_people_of_a_style_identical():
    people = invent(alikeness=1.0)
    assert people[0].traits == people[1].traits == people[2].traits
    assert people[3].traits == people[4].traits
    assert people[0].traits != people[3].traits


def test_the_distance_of_people_falls_in_proportion_to_alikeness():
    far, near = invent(alikeness=0.0), invent(alikeness=0.75)
    for name in portrait.TRAITS:
        distance = far[0][name] - far[1][name]
        assert near[0][name] - near[1][name] == pytest.approx(0.25 * distance)


def test_the_first_person_can_stand_out_and_the_others_stay_as_they_are():
    plain, apart = (
        portrait.invent_people(styles=STYLES, alikeness=0.5, first_stands_out=out, generator=np.random.default_rng(0))
        for out in (0.0, 1.0)
    )
    assert plain == invent(alikeness=0.5)
    assert plain[1:] == apart[1:]
    free = invent(alikeness=0.0)
    for name, trait in portrait.TRAITS.items():
        centre = np.mean([person[name] for person in free[:3]])
        assert abs(apart[0][name] - centre) == pytest.approx(trait.spread)  # an end of what alikeness 0 allows
        assert (apart[0][name] - centre) * (plain[0][name] - centre) >= -1e-12  # the nearer one


def test_no_two_people_of_a_style_share_a_level_of_any_trait():
    people = invent(alikeness=0.0)
    for name, trait in portrait.TRAITS.items():
        levels = sorted(person[name] for person in people[:3])
        assert np.diff(levels) == pytest.approx([trait.spread, trait.spread])  # -1, 0, 1 times the spread


def test_an_image_is_the_same_bits_again_and_another_with_another_seed():
    person = invent(alikeness=0.5)[0]
    first = pixels(solo(person, seed=3))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, pixels(solo(person, seed=3)))
    assert not np.array_equal(first, pixels(solo(person, seed=4)))


def test_the_canvas_may_have_any_size():
    for size in (48, 75, 160):
        assert pixels(solo(invent(alikeness=0.5)[3]), size=size).shape == (size, size, 3)


@pytest.mark.parametrize("name", photograph.ARTIFACTS)
def test_an_artifact_changes_the_image_of_the_same_person(name):
    shot = solo(invent(alikeness=0.5)[0], artifact=name)
    difference = np.abs(pixels(shot).astype(int) - pixels(replace(shot, prop=""))).max(axis=2)
    assert 0.01 < (difference > 40).mean() < 0.4


@pytest.mark.parametrize("name", ["mask", "hat", "sunglasses"])
def test_what_is_worn_changes_the_image_of_the_same_person(name):
    shot = solo(invent(alikeness=0.5)[3], hard=name)
    difference = np.abs(pixels(shot).astype(int) - pixels(replace(shot, prop=""))).max(axis=2)
    assert 0.01 < (difference > 40).mean() < 0.4


def test_a_wink_closes_one_eye_and_an_extreme_angle_is_beyond_ordinary_ones():
    people = invent(alikeness=0.5)
    assert {abs(solo(people[0], seed=seed, hard="wink").sitters[0].look.wink) for seed in range(5)} == {1}
    extreme = [abs(solo(people[0], seed=s, hard="extreme_angle").sitters[0].look.yaw) for s in range(20)]
    ordinary = [abs(solo(people[0], seed=s).sitters[0].look.yaw) for s in range(50)]
    assert max(ordinary) < min(extreme)


def test_the_costar_stands_in_front_larger_and_nearer_the_middle():
    people = invent(alikeness=0.5)
    for seed in range(10):
        shot = photograph.group(people[0], costars=[people[3]], generator=np.random.default_rng(seed))
        labelled, costar = shot.sitters
        assert costar.person.style == "short" and labelled.person.style == "long"
        assert costar.unit > 1.15 * labelled.unit
        assert abs(costar.x - 0.5) < abs(labelled.x - 0.5)


@pytest.mark.parametrize("kind", photograph.NONFACE)
def test_every_creature_is_painted(kind):
    for paint in creatures.KINDS[kind]:
        target = canvas.Canvas(photograph.Image.new("RGB", (128, 128), (90, 90, 90)))
        paint(target, canvas.Placement(64, 60, 26), np.random.default_rng(0))
        assert np.asarray(target.image).std() > 10


def test_a_moment_later_hardly_differs():
    person = invent(alikeness=0.5)[0]
    shot = solo(person, seed=1)
    later = photograph.moment_later(shot, generator=np.random.default_rng(9))
    here, there = pixels(shot).astype(float), pixels(later)
    other = pixels(solo(person, seed=2))
    assert 0 < np.abs(here - there).mean() < 0.25 * np.abs(here - other).mean()


def test_a_head_turned_right_shows_its_nose_to_the_right_and_keeps_its_width():
    shape = {"face_width": 1.0, "jaw": 1.0, "chin": 1.0, "pitch": 0.0}
    front, right = Head(**shape, yaw=0.0), Head(**shape, yaw=30.0)
    assert front.on_face(0.0, 0.4)[0] == pytest.approx(0.0)
    # 0.4 lies at z = 0.076 + 0.805 on the axis (by the table of slices), which a turn by 30 degrees moves by half
    assert right.on_face(0.0, 0.4)[0] == pytest.approx(0.5 * 0.881, abs=0.005)
    widths = [np.ptp(head.outline()[:, 0]) for head in (front, right)]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)


def test_a_smooth_curve_passes_through_its_points():
    corners = np.array([(0, 0), (2, 0), (2, 2), (0, 2)], float)
    curve = canvas.smooth(corners)
    assert curve.shape == (24, 2)
    assert curve[::6] == pytest.approx(corners)
    opened = canvas.smooth(corners, closed=False)
    assert opened.shape == (19, 2)
    assert opened[-1] == pytest.approx(corners[-1])


def test_placement_and_its_inverse_undo_each_other():
    place = canvas.Placement(30, 40, 12, roll=0.4)
    x, y = place.inverse(*place([(0.3, -0.7)])[0])
    assert (x, y) == (pytest.approx(0.3), pytest.approx(-0.7))
    assert canvas.Placement(0, 0, 1, roll=np.pi / 2)([(1, 0)])[0] == pytest.approx((0, 1))  # clockwise: y is down
