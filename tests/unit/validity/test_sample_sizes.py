"""How many images are enough: widths against closed forms, and a recommendation that follows from the table."""

import numpy as np
import pandas as pd
import pytest
from known_oracle import NEXT, ORACLE, counts, rng

from kpop_rca import rca
from kpop_rca.rca.estimators import estimate
from kpop_rca.validity import sample_sizes


def test_widths_shrink_like_one_over_the_root_of_n():
    """Four times as many of both: half the width. 2,000 replicates estimate a width to some 3 %."""
    real, generated = counts(ORACLE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ ORACLE, 1000)
    found = sample_sizes.interval_widths(
        real, generated, n_real=[50, 200], n_generated=[100, 400], n_replicates=2000, generator=rng()
    ).set_index(["n_real", "n_generated"])
    assert len(found) == 4
    for name in ("rca", "confusion_corrected_accuracy", "class_rca", "class_confusion_corrected_accuracy"):
        assert found.loc[(50, 100), name] / found.loc[(200, 400), name] == pytest.approx(2, rel=0.15)
    assert found.loc[(50, 400), "rca"] > found.loc[(200, 400), "rca"]
    assert (found["class_rca"] > found["rca"]).all()


def test_widths_take_the_real_fractions_for_the_real_images():
    """An oracle that never errs on a thousand real images: half of the generated ones are right, by the binomial."""
    real, generated = 50 * np.eye(4, dtype=int), counts(0.5 * np.eye(4) + 0.5 * NEXT, 100)
    found = sample_sizes.interval_widths(
        real, generated, n_real=[10, 1000], n_generated=[100], n_replicates=2000, generator=rng()
    ).set_index("n_real")
    for name in ("rca", "confusion_corrected_accuracy"):
        assert found[name][1000] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 400), rel=0.1)
    assert found["rca"][10] > 1.03 * found["rca"][1000]  # no error in 40 is weaker evidence


def test_widths_at_the_numbers_of_the_study_are_those_of_the_study():
    real, generated = counts(ORACLE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ ORACLE, 200)
    (found,) = sample_sizes.interval_widths(
        real, generated, n_real=[100], n_generated=[200], n_replicates=4000, generator=rng()
    ).to_dict("records")
    own = estimate(real, generated, n_replicates=4000, generator=rng(1))
    assert found["rca"] == pytest.approx(own["rca"][2] - own["rca"][1])
    assert found["confusion_corrected_accuracy"] == pytest.approx(
        own["confusion_corrected_accuracy"][2] - own["confusion_corrected_accuracy"][1], rel=0.1
    )
    classes = rca.class_rca(real, generated)
    assert found["class_rca"] == pytest.approx(np.median(classes["high"] - classes["low"]))
    assert found["class_confusion_corrected_accuracy"] == pytest.approx(
        np.median(own["class_confusion_corrected_accuracy"][2] - own["class_confusion_corrected_accuracy"][1])
    )


def test_no_width_of_what_has_no_value():
    poor = counts([[0.52, 0.48], [0.48, 0.52]], 100)
    (row,) = sample_sizes.interval_widths(
        poor, poor, n_real=[50], n_generated=[50], n_replicates=100, generator=rng()
    ).to_dict("records")
    assert (
        np.isnan(row["confusion_corrected_accuracy"])
        and np.isnan(row["class_confusion_corrected_accuracy"])
        and row["rca"] > 0
    )


def test_balanced_generated_is_where_the_interval_stops_shrinking():
    """By Katz' interval of the ratio, which is another piece of code: on a log scale sqrt(2) and sqrt(1.1) as wide."""
    real, generated = counts(ORACLE, 1000), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ ORACLE, 1000)
    found = sample_sizes.balanced_generated(real, generated)
    assert (found["n_real"], found["n_generated"]) == (4000, 4000)
    a_g = rca.accuracy(generated)

    def width(n):
        low, high = rca.ratio_interval(a_g * n, n, 3200, 4000, method="katz")
        return np.log(high / low)

    endless = width(1e12)
    assert width(found["n_equal"]) / endless == pytest.approx(np.sqrt(2), rel=1e-3)
    assert width(found["n_enough"]) / endless == pytest.approx(np.sqrt(1.1), rel=1e-3)
    # 0.5 wrong to 4000.5 right: an oracle without an error has a variance too
    never_wrong = sample_sizes.balanced_generated(1000 * np.eye(4, dtype=int), generated)
    assert never_wrong["n_equal"] > 100 * found["n_equal"]
    of_each = {"n_real": 80.0, "n_generated": 40.0, "n_equal": 4_000.0, "n_enough": 40_000.0}
    said = sample_sizes.about_balance(of_each, n_classes=4)
    assert said.startswith("With 20 real test faces of each identity, 1,000 generated images of each")
    assert "this study has 10. Beyond 10,000 more" in said


WIDTHS = ["n_real", "n_generated", *sample_sizes.WIDEST]


def recommended(rows):
    """Of a study with 10 real images of each of two classes: (n_real, n_generated) that each estimator needs."""
    real = counts([[0.8, 0.2], [0.2, 0.8]], 10)
    found = sample_sizes.recommendation(real, pd.DataFrame(rows, columns=WIDTHS)).set_index("estimator")
    return {
        name: None if pd.isna(row["n_real"]) else (row["n_real"], row["n_generated"]) for name, row in found.iterrows()
    }


def test_the_recommendation_follows_from_the_table():
    """Each estimator its own: RCA needs 1000 images, the corrected one more real ones, its classes cannot be had."""
    rows = [(10, 100, 0.22, 0.32, 0.2, 0.7), (10, 1000, 0.1, 0.21, 0.1, 0.6)]
    rows += [(20, 100, 0.2, 0.3, 0.1, 0.5), (20, 1000, 0.01, 0.09, 0.01, 0.4), (99, 100, 0.01, 0.01, 0.01, 0.3)]
    assert list(recommended(rows).values()) == [(10, 1000), (20, 1000), (10, 100), None]
    without = [(n_real, n_generated, rca, np.nan, *others) for n_real, n_generated, rca, _, *others in rows]
    assert recommended(without)["confusion_corrected_accuracy"] is None


def test_from_a_number_on_means_from_there_on():
    """Narrow enough at 100 by luck and no more at 300: not before 1000."""
    rows = [(10, n, width, 0.3, 0.3, 0.3) for n, width in ((100, 0.09), (300, 0.11), (1000, 0.08))]
    assert recommended(rows)["rca"] == (10, 1000)
