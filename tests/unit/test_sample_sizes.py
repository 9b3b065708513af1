"""How many images are enough: widths against closed forms, and a recommendation that says what the table has."""

import doctest

import numpy as np
import pandas as pd
import pytest
from known_judge import JUDGE, NEXT, counts, rng

from kpop_rca import rca, sample_sizes


def test_docstring_examples():
    assert doctest.testmod(sample_sizes).failed == 0


def test_widths_shrink_like_one_over_the_root_of_n():
    """Four times as many of both: half the width. 2,000 replicates know a width to some 3 %."""
    real, generated = counts(JUDGE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ JUDGE, 1000)
    found = sample_sizes.interval_widths(
        real, generated, n_real=[50, 200], n_generated=[100, 400], n_replicates=2000, generator=rng()
    ).set_index(["n_real", "n_generated"])
    assert len(found) == 4
    for name in ("rca", "fidelity", "class_rca", "class_fidelity"):
        assert found.loc[(50, 100), name] / found.loc[(200, 400), name] == pytest.approx(2, rel=0.15)
    assert found.loc[(50, 400), "rca"] > found.loc[(200, 400), "rca"]
    assert (found["class_rca"] > found["rca"]).all()


def test_widths_take_the_real_shares_for_the_real_images():
    """A judge that never errs on real images: their number does not matter, that of the generated ones does."""
    real, generated = 50 * np.eye(4, dtype=int), counts(0.5 * np.eye(4) + 0.5 * NEXT, 100)
    found = sample_sizes.interval_widths(
        real, generated, n_real=[10, 1000], n_generated=[100, 400], n_replicates=2000, generator=rng()
    ).set_index(["n_real", "n_generated"])["rca"]
    assert found[10, 100] == pytest.approx(found[1000, 100], rel=0.1)
    assert found[10, 100] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 400), rel=0.1)


def test_no_width_of_a_fidelity_that_there_is_not():
    poor = counts([[0.52, 0.48], [0.48, 0.52]], 100)
    (row,) = sample_sizes.interval_widths(
        poor, poor, n_real=[50], n_generated=[50], n_replicates=100, generator=rng()
    ).to_dict("records")
    assert np.isnan(row["fidelity"]) and np.isnan(row["class_fidelity"]) and row["rca"] > 0


def test_balanced_generated_is_where_the_interval_stops_shrinking():
    """By Katz' interval of the ratio, which is another piece of code: on a log scale sqrt(2) and sqrt(1.1) as wide."""
    real, generated = counts(JUDGE, 1000), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ JUDGE, 1000)
    found = sample_sizes.balanced_generated(real, generated)
    assert (found["n_real"], found["n_generated"]) == (4000, 4000)
    a_g = rca.accuracy(generated)

    def width(n):
        low, high = rca.ratio_interval(a_g * n, n, 3200, 4000, method="katz")
        return np.log(high / low)

    endless = width(1e12)
    assert width(found["n_equal"]) / endless == pytest.approx(np.sqrt(2), rel=1e-3)
    assert width(found["n_enough"]) / endless == pytest.approx(np.sqrt(1.1), rel=1e-3)
    # 0.5 wrong to 4000.5 right: a judge without an error has a variance too
    never_wrong = sample_sizes.balanced_generated(1000 * np.eye(4, dtype=int), generated)
    assert never_wrong["n_equal"] > 100 * found["n_equal"]


def test_the_recommendation_says_what_the_table_has():
    real, generated = counts([[0.8, 0.2], [0.2, 0.8]], 10), counts([[0.4, 0.6], [0.6, 0.4]], 100)
    rows = [(10, 100, 0.2, 0.1, 0.3, 0.3), (10, 1000, 0.1, 0.04, 0.3, 0.2), (99, 100, 0.01, 0.01, 0.01, 0.01)]
    widths = pd.DataFrame(rows, columns=["n_real", "n_generated", "rca", "fidelity", "class_rca", "class_fidelity"])
    said = sample_sizes.recommendation(real, generated, widths)
    assert "with 10 real test faces of each identity (the study has 10)" in said
    assert "no wider than 0.1 from 1000 generated ones on" in said
    assert (
        "no wider than 0.2 only with more real faces, since 1000 generated ones do not suffice; the study has 100"
        in said
    )
    assert "Up to 55 of each" in said and "from 549 on" in said  # half of 110 and of 1098, see balanced_generated
    without = sample_sizes.recommendation(real, generated, widths.assign(fidelity=np.nan, class_fidelity=np.nan))
    assert "from 1000 generated ones on" in without
