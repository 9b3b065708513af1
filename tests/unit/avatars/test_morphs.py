"""Morphs: the ends are the two people, and only the person changes on the way."""

import numpy as np

from kpop_rca.avatars import dataset, morphs


def test_the_ends_are_the_people_and_the_middle_lies_between():
    one, other = dataset.people(seed=0, n_identities=2, alikeness=0.0)
    assert morphs.between(one, other, 0.0) == one and morphs.between(one, other, 1.0) == other
    half = morphs.between(one, other, 0.5)
    assert all(np.isclose(half[name], (one[name] + other[name]) / 2) for name in one.traits)


def test_doses_differ_by_the_person_alone_and_an_image_follows_from_its_number():
    people = dataset.people(seed=0, n_identities=3, alikeness=0.0)
    towards = np.array([1, 2, 0])
    found = morphs.morphed(people, towards, n=2, size=48, seed=3, doses=(0.0, 0.5, 1.0))
    assert found[0.0].shape == (6, 48, 48, 3)
    fewer = morphs.morphed(people, towards, n=1, size=48, seed=3, doses=(0.5,))
    np.testing.assert_array_equal(fewer[0.5], found[0.5][::2])
    corner = {dose: images[:, :6, :6].astype(int) for dose, images in found.items()}
    np.testing.assert_array_equal(corner[0.0], corner[1.0])  # backdrop and noise
    change = [np.abs(found[dose].astype(int) - found[0.0]).mean() for dose in (0.5, 1.0)]
    assert 0 < change[0] < change[1]


def test_no_step_is_no_change():
    people = dataset.people(seed=0, n_identities=2, alikeness=0.0)
    found = morphs.morphed(people, np.array([0, 1]), n=1, size=48, seed=3, doses=(0.0, 1.0))
    np.testing.assert_array_equal(found[0.0], found[1.0])
