"""What the trials share: estimates against the analysis, their targets, and halves of the faces."""

import doctest

import numpy as np
import pytest
from known_judge import JUDGE, NEXT, counts, rng

from kpop_rca import rca, trials
from kpop_rca.errors import StudyError


def test_docstring_examples():
    assert doctest.testmod(trials).failed == 0


def test_halves_are_disjoint_complete_and_balanced():
    labels = np.repeat([0, 1, 2], [11, 20, 8])
    playing, left = trials.halves(labels, generator=rng())
    assert not np.array_equal(playing, trials.halves(labels, generator=rng(1))[0])
    np.testing.assert_array_equal(np.sort(np.concatenate([playing, left])), np.arange(39))
    assert np.bincount(labels[playing]).tolist() == [4, 4, 4]
    assert np.bincount(labels[left]).tolist() == [7, 16, 4]
    with pytest.raises(StudyError, match="fewer than two test faces"):
        trials.halves(np.array([0, 0, 1]), generator=rng())


def test_estimates_and_their_asymmetry():
    real, generated = counts(JUDGE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ JUDGE, 1000)
    found = trials.estimate(real, generated, n_replicates=300, generator=rng())
    assert found["rca"][0] == pytest.approx(rca.global_rca(real, generated))
    assert found["chance_corrected"][0] == pytest.approx(rca.chance_corrected_rca(real, generated))
    assert found["fidelity"][0] == pytest.approx(0.6)
    np.testing.assert_allclose(found["class_fidelity"][0], rca.identity_fidelity(real, generated))
    for value, low, high in found.values():
        assert np.all((low < value) & (value < high))
    swapped = trials.estimate(generated, real, n_replicates=300, generator=rng())
    assert abs(swapped["rca"][0] - 0.6) > 0.3 and swapped["rca"][1] > found["rca"][2]


def test_the_width_follows_the_side_with_few_images():
    few, many = counts(JUDGE, 40), counts(JUDGE, 4000)
    widths = [
        np.subtract(*trials.estimate(*pair, n_replicates=2000, generator=rng())["fidelity"][:0:-1])
        for pair in ((few, many), (many, few), (many, many))
    ]
    assert min(widths[:2]) > 5 * widths[2]


def test_no_fidelity_from_a_judge_that_the_analysis_refuses():
    poor = counts([[0.52, 0.48], [0.48, 0.52]], 100)
    found = trials.estimate(poor, poor, n_replicates=100, generator=rng())
    assert np.isnan(found["fidelity"]).all() and np.isnan(found["class_fidelity"]).all()
    assert found["rca"][0] == 1
    with pytest.raises(StudyError):
        rca.identity_fidelity(poor, poor)


def test_the_chance_corrected_ratio_is_held_to_its_own_scale():
    assert trials.target("chance_corrected", 0.0, 5) == pytest.approx(-0.25)
    assert trials.target("chance_corrected", 0.2, 5) == pytest.approx(0)
    assert trials.target("rca", 0.2, 5) == trials.target("simplex", 0.2, 5) == 0.2
