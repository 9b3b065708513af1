"""Cross-fitting: what each classifier is trained on, and that nothing of what it is tested on leaks into it."""

import numpy as np
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.scoring import cross_fitting
from kpop_rca.scoring.cross_fitting import NOBODY, cross_fit

ALONE = -1


def people(n_each, *, spread, width=32, seed=0):
    """Embeddings of photographs of K people about a random mean each, and who they show."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(len(n_each)), n_each)
    means = rng.normal(size=(len(n_each), width)) / np.sqrt(width)
    faces = means[person] + spread * rng.normal(size=(len(person), width)) / np.sqrt(width)
    return faces / np.linalg.norm(faces, axis=1, keepdims=True), person


def memorising(embeddings, person):
    return lambda images: person[(images @ embeddings.T).argmax(axis=1)]


def accuracy(found):
    counts = found.real_counts()
    return np.trace(counts) / counts.sum()


def test_a_classifier_that_memorises_is_at_chance_on_shuffled_names():
    """Also if every photograph is there twice. Of 600 photographs a chance of 1/5 is met to 0.016."""
    faces, person = people([120] * 5, spread=1.0)
    shuffled = np.random.default_rng(1).permutation(person)
    alone = cross_fit(faces, shuffled, np.full(600, ALONE), faces[:1], fit=memorising)
    assert accuracy(alone) == pytest.approx(0.2, abs=4 * 0.016)
    twice = np.repeat(faces, 2, axis=0), np.repeat(shuffled, 2)
    apart = cross_fit(*twice, np.repeat(np.arange(600), 2), faces[:1], fit=memorising)
    assert accuracy(apart) == pytest.approx(0.2, abs=4 * 0.016)
    leaking = cross_fit(*twice, np.full(1200, ALONE), faces[:1], fit=memorising)
    assert accuracy(leaking) > 0.9  # so it would have been seen


def test_few_photographs_with_shuffled_names_are_at_chance_too():
    """Leaving out one photograph alone would be below chance: its own person's mean would lack it, the others' not."""
    found = []
    for seed in range(60):
        faces, person = people([4] * 5, spread=1.0, seed=seed)
        shuffled = np.random.default_rng(seed).permutation(person)
        found.append(accuracy(cross_fit(faces, shuffled, np.full(20, ALONE), faces[:1])))
    assert np.mean(found) == pytest.approx(0.2, abs=4 * 0.4 / np.sqrt(60 * 20))


def test_each_classifier_is_trained_without_some_of_everybody_and_predicts_all_generated_images():
    faces, person = people([3, 5, 40], spread=0.5)
    trained, predicted = [], []

    def recording(embeddings, who):
        trained.append(np.bincount(who))
        predict = cross_fitting.nearest_centroid(embeddings, who)
        return lambda images: predicted.append(len(images)) or predict(images)

    found = cross_fit(faces, person, np.full(48, ALONE), faces[:7], fit=recording)
    assert [rows.tolist() for rows in np.unique(trained, axis=0)] == [[2, 4, 38]]
    assert len(trained) == 20 and found.generated.shape == (20, 7) and predicted.count(7) == 20
    np.testing.assert_allclose(found.real_counts().sum(axis=1), [3, 5, 40])
    assert (found.held_out.sum(axis=0)[person == 2] == 1).all()
    assert set(found.held_out.sum(axis=0)[person == 0]) == {6, 7}


def test_near_duplicates_are_held_out_together():
    faces, person = people([9, 9], spread=0.5)
    cluster = np.array([0, 0, 0, ALONE, ALONE, ALONE, 1, 1, ALONE] * 2)  # the same numbers for other people
    found = cross_fit(faces, person, cluster, faces[:1])
    for who in (0, 1):
        for number in (0, 1):
            own = found.held_out[:, (person == who) & (cluster == number)]
            assert (own == own[:, :1]).all() and own.any()
    assert len(np.unique(found.unit)) == 12 and len(found.held_out) == 6


def test_the_order_of_the_photographs_changes_nothing():
    faces, person = people([4, 7, 12], spread=1.2)
    generated, _ = people([20, 20, 20], spread=1.2)
    cluster = np.where(np.arange(23) % 5 == 0, np.arange(23) % 2, ALONE)
    order = np.random.default_rng(3).permutation(23)
    one = cross_fit(faces, person, cluster, generated)
    other = cross_fit(faces[order], person[order], cluster[order], generated)
    np.testing.assert_array_equal(one.held_out[:, order], other.held_out)
    np.testing.assert_array_equal(one.predicted[:, order], other.predicted)
    np.testing.assert_array_equal(one.generated, other.generated)
    np.testing.assert_allclose(one.expected, other.expected, atol=1e-12)


def test_images_without_a_face_are_kept_out():
    faces, person = people([6, 6], spread=0.3)
    generated = faces.copy()
    faces[0], generated[[2, 5]] = np.nan, np.nan
    found = cross_fit(faces, person, np.full(12, ALONE), generated)
    assert not found.held_out[:, 0].any() and (found.predicted[:, 0] == NOBODY).all()
    np.testing.assert_array_equal(np.flatnonzero(found.generated[0] == NOBODY), [2, 5])
    assert found.real_counts().sum() == pytest.approx(11)
    assert found.generated_counts(person).sum(axis=1).tolist() == pytest.approx([4, 6])
    none = cross_fit(faces, person, np.full(12, ALONE), np.full((3, 32), np.nan))
    assert (none.generated == NOBODY).all()


def test_people_are_recognised():
    faces, person = people([12, 15, 11], spread=0.7)
    assert accuracy(cross_fit(faces, person, np.full(38, ALONE), faces[:1])) > 0.95


def test_too_few_photographs_are_refused_by_name():
    faces, person = people([2, 5, 4], spread=0.3)
    cluster = np.array([ALONE] * 7 + [3, 3, 3, ALONE])
    with pytest.raises(StudyError, match=r"needs 3 or more: Ari \(2\), Cleo \(2\); add some"):
        cross_fit(faces, person, cluster, faces, people=["Ari", "Bo", "Cleo"])


def test_who_is_confused_with_whom_is_seen_on_training_photographs():
    """Two people of three are alike: they are expected to be confused with each other, and not with the third."""
    rng = np.random.default_rng(0)
    means = np.array([[1.0, 0, 0], [0.9, 0.44, 0], [0, 0, 1]])
    person = np.repeat([0, 1, 2], 12)
    faces = means[person] + 0.3 * rng.normal(size=(36, 3))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    expected = cross_fit(faces, person, np.full(36, ALONE), faces[:1]).expected.mean(axis=0)
    assert expected.sum(axis=1) == pytest.approx(np.ones(3))
    assert min(expected[0, 1], expected[1, 0]) > 0.1 > 0.03 > expected[[0, 1], 2].max()
