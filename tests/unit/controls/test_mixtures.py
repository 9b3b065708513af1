"""Known mixtures: who is shown instead of whom, how often, and that no image plays twice."""

import numpy as np
import pytest
from known_oracle import NEXT, ORACLE, counts, faces_and_oracle, rng

from kpop_rca import rca
from kpop_rca.controls import draw_mixture, mixture_size, swap_patterns
from kpop_rca.errors import StudyError


def test_swap_patterns_by_hand():
    """Within a group there is one other; across, 0 and 3 are never confused, nor are 1 and 2."""
    patterns = swap_patterns(counts(ORACLE, 100), [[0, 1], [2, 3]])
    np.testing.assert_allclose(patterns["anyone"], (1 - np.eye(4)) / 3)
    assert patterns["a look-alike"].argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert patterns["someone unlike"].argmax(axis=1).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("groups", [[], [[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0], [1, 2, 3]]])
def test_swaps_are_permutations_without_oneself_that_respect_the_groups(groups):
    patterns = swap_patterns(counts(ORACLE, 100), groups)
    group_of = {c: number for number, group in enumerate(groups) for c in group}
    for name in ("a look-alike", "someone unlike"):
        swaps = patterns[name]
        assert not np.diag(swaps).any()
        assert (swaps.sum(axis=0) == 1).all() and (swaps.sum(axis=1) == 1).all()
    if sorted(map(len, groups)) == [2, 2]:
        for name, within in (("a look-alike", True), ("someone unlike", False)):
            assert all((group_of[c] == group_of[shown]) == within for c, shown in enumerate(patterns[name].argmax(1)))


def test_groups_outweigh_confusion():
    real = [[10, 0, 90, 0], [0, 10, 0, 90], [90, 0, 10, 0], [0, 90, 0, 10]]  # confused across the groups alone
    patterns = swap_patterns(np.array(real), [[0, 1], [2, 3]])
    assert patterns["a look-alike"].argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert patterns["someone unlike"].argmax(axis=1).tolist() == [3, 2, 1, 0]
    assert swap_patterns(np.array(real), [])["a look-alike"].argmax(axis=1).tolist() == [2, 3, 0, 1]


def test_mixture_size():
    labels = np.repeat([0, 1], [90, 31])
    assert mixture_size(labels, most=8) == 8
    assert mixture_size(labels, most=40) == 10
    with pytest.raises(StudyError, match="2 test faces"):
        mixture_size(np.repeat([0, 1], [9, 2]), most=8)


def test_a_mixture_and_the_confusion_have_no_image_in_common_and_nothing_is_lost():
    labels, _ = faces_and_oracle(n=60)
    playing, requested, left = draw_mixture(labels, 0.5, NEXT, n_per_condition=20, generator=rng())
    np.testing.assert_array_equal(np.sort(np.concatenate([playing, left])), np.arange(len(labels)))
    np.testing.assert_array_equal(requested, np.repeat(np.arange(4), 20))
    other = draw_mixture(labels, 0.5, NEXT, n_per_condition=20, generator=rng(1))[0]
    assert not np.array_equal(np.sort(playing), np.sort(other))  # drawn anew


def test_at_the_ends_a_mixture_shows_whom_it_must():
    labels, _ = faces_and_oracle(n=60)
    for truth, shift in ((1.0, 0), (0.0, 1)):
        playing, requested, _ = draw_mixture(labels, truth, NEXT, n_per_condition=20, generator=rng())
        np.testing.assert_array_equal(labels[playing], (requested + shift) % 4)


def test_the_truth_of_mixtures_in_the_mean():
    """100 draws of 80 images estimate a fraction of 0.3 to 0.005, one of the 0.7 spread over three others to 0.01."""
    labels, _ = faces_and_oracle(n=90)
    evenly = (1 - np.eye(4)) / 3
    shown = np.zeros((4, 4))
    for seed in range(100):
        playing, requested, _ = draw_mixture(labels, 0.3, evenly, n_per_condition=20, generator=rng(seed))
        shown += rca.confusion_counts(requested, labels[playing], 4) / 2000
    assert np.diag(shown).mean() == pytest.approx(0.3, abs=0.015)
    np.testing.assert_allclose(shown, 0.3 * np.eye(4) + 0.7 * evenly, atol=0.04)


def test_too_few_images_for_a_mixture():
    labels, _ = faces_and_oracle(n=20)
    with pytest.raises(StudyError, match="20 test faces of an identity are too few to mix 11 of each; lower mixture"):
        draw_mixture(labels, 0.5, NEXT, n_per_condition=11, generator=rng())
