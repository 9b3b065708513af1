"""Known mixtures: oracles of known errors, truths by hand, and an estimator that must fail the trial."""

import numpy as np
import pandas as pd
import pytest
from known_oracle import NEXT, ORACLE, counts, faces_and_oracle, rng

from kpop_rca import rca
from kpop_rca.controls import draw_mixture, swap_patterns
from kpop_rca.rca.estimators import ESTIMATORS, estimate
from kpop_rca.validity import mixtures


def trial(truths, *, n_draws, patterns=None, n_replicates=200):
    labels, predicted = faces_and_oracle()
    return mixtures.mixture_trial(
        labels,
        predicted,
        patterns or {"next": NEXT},
        truths=truths,
        n_draws=n_draws,
        n_per_condition=40,
        n_replicates=n_replicates,
        generator=rng(5),
    )


def test_corrected_accuracy_is_unbiased_and_covers_where_rca_does_not():
    """200 draws at each truth. A mean of four classes with 40 images varies by 0.03 to 0.06, so that the mean of the
    samples is known to 0.004; a coverage of 94 % is known to 1.7 %. The bounds are two and a half to three of these.

    At truth 0 the oracle predicts the next one as the requested one in 0.05, 0, 0.25 and 0 of the cases: 0.075 in the
    mean, over an accuracy of 0.8, so that RCA is 0.094 too high.
    """
    summary = mixtures.trial_summary(trial((0.0, 0.7, 1.0), n_draws=200)).set_index(["estimator", "truth"])
    for truth in (0.0, 0.7, 1.0):
        found = summary.loc[("confusion_corrected_accuracy", truth)]
        assert abs(found["bias"]) < 0.012
        assert 0.90 <= found["coverage"] <= 0.985
    ratio = summary.loc["rca"]
    assert ratio.loc[0.0, "bias"] == pytest.approx(0.094, abs=0.01)
    assert ratio.loc[0.0, "coverage"] < 0.2
    assert abs(ratio.loc[1.0, "bias"]) < 0.012
    assert summary.loc[("simplex", 1.0), "bias"] < -0.01  # forced into [0, 1], it is too low there


def test_an_estimator_that_swaps_real_and_generated_fails_the_trial():
    labels, predicted = faces_and_oracle()
    errors = {"right": [], "swapped": []}
    for seed in range(40):
        playing, requested, left = draw_mixture(labels, 0.7, NEXT, n_per_condition=40, generator=rng(seed))
        real = rca.confusion_counts(labels[left], predicted[left], 4)
        generated = rca.confusion_counts(requested, predicted[playing], 4)
        for name, pair in (("right", (real, generated)), ("swapped", (generated, real))):
            found = estimate(*pair, n_replicates=100, generator=rng(seed))
            errors[name].append(found["confusion_corrected_accuracy"][0] - 0.7)
    assert abs(np.mean(errors["right"])) < 0.03  # 40 samples estimate it to 0.01
    assert abs(np.mean(errors["swapped"])) > 0.2


def test_the_trial_is_paired_complete_and_repeatable():
    patterns = swap_patterns(counts(ORACLE, 100), [])
    found = trial((0.0, 1.0), n_draws=3, patterns=patterns, n_replicates=100)
    assert len(found) == 3 * 2 * 3 * (3 + 4 + 1)  # of the four classes each has a row
    assert set(found["estimator"]) == {*ESTIMATORS, "class_confusion_corrected_accuracy", "simplex"}
    draws = ["pattern", "truth", "draw"]
    means = found.pivot_table(index=draws, columns="estimator", values="value", aggfunc="mean", sort=False)
    np.testing.assert_allclose(means["confusion_corrected_accuracy"], means["class_confusion_corrected_accuracy"])
    classes = found[found["estimator"] == "class_confusion_corrected_accuracy"].groupby(draws)["class"].apply(list)
    assert all(numbers == [0, 1, 2, 3] for numbers in classes)
    assert found[found["estimator"] != "class_confusion_corrected_accuracy"]["class"].isna().all()
    assert found[found["estimator"] == "simplex"]["covered"].isna().all()
    pd.testing.assert_frame_equal(found, trial((0.0, 1.0), n_draws=3, patterns=patterns, n_replicates=100))


def test_trial_summary_by_hand():
    rows = [("a", 0.5, 0.4, 1.0), ("a", 0.5, 0.8, 0.0), ("a", 0.5, np.nan, 0.0), ("b", 0.5, 0.6, np.nan)]
    table = pd.DataFrame(rows, columns=["estimator", "truth", "value", "covered"])
    table = table.assign(target=0.5, low=[0.3, 0.6, np.nan, np.nan], high=[0.7, 0.8, np.nan, np.nan])
    a, b = mixtures.trial_summary(table).to_dict("records")
    assert (a["n_draws"], a["n_undefined"], a["bias"]) == (3, 1, pytest.approx(0.1))
    assert (a["sd"], a["width"]) == (pytest.approx(0.4 / np.sqrt(2)), pytest.approx(0.3))
    assert a["bias_high"] - a["bias"] == pytest.approx(1.96 * 0.2, rel=1e-4)  # 0.283 / sqrt(2)
    assert a["coverage"] == pytest.approx(1 / 3)  # where there is no value nothing is held
    assert (a["coverage_low"], a["coverage_high"]) == pytest.approx((0.061, 0.792), abs=0.001)  # Wilson, 1 of 3
    assert b["bias"] == pytest.approx(0.1)
    assert np.isnan([b["width"], b["coverage"], b["coverage_low"], b["coverage_high"]]).all()


def trial_of(pattern, truth, held, *, estimator="class_confusion_corrected_accuracy", label=None, width=0.5, value=0.4):
    """One draw for each value of whether the interval covers the truth."""
    about = {"pattern": pattern, "truth": truth, "estimator": estimator, "class": label, "target": truth}
    ends = {"value": value, "low": 0.1, "high": 0.1 + width}
    return [about | ends | {"draw": number, "covered": float(is_held)} for number, is_held in enumerate(held)]


def test_the_worst_class_of_each_cell_and_not_their_mean():
    good, poor = [1] * 19 + [0], [1] * 12 + [0] * 8
    rows = trial_of("anyone", 0.0, good, label=0) + trial_of("anyone", 0.0, poor, label=1)
    rows += trial_of("anyone", 1.0, poor[::-1], label=0) + trial_of("anyone", 1.0, good, label=1)
    rows += trial_of("anyone", 0.0, [0] * 20, estimator="confusion_corrected_accuracy")  # the mean has no class
    found = mixtures.worst_classes(pd.DataFrame(rows).astype({"class": "Int64"}), ["Ari", "Bo"])
    assert found[["truth", "class", "n_draws", "coverage"]].to_numpy().tolist() == [
        [0.0, "Bo", 20, 0.6],
        [1.0, "Ari", 20, 0.6],
    ]


def test_the_lowest_by_luck_is_the_median_of_what_luck_makes():
    lowest = rng().binomial(200, 0.95, size=(4000, 50)).min(axis=1) / 200
    assert mixtures.lowest_by_luck(200, 50) == np.median(lowest)


def test_the_findings_name_the_cells_that_the_pooled_coverage_hides():
    """At truth 0 the two cells are covered in 94 and 86 %: in 90 % together; single classes in 80 % at the least."""
    cells = trial_of("anyone", 0.0, [1] * 94 + [0] * 6) + trial_of(
        "someone unlike", 0.0, [1] * 86 + [0] * 14, width=0.013
    )
    cells += trial_of("anyone", 1.0, [1] * 99 + [0], width=0.25)
    single = trial_of("anyone", 0.0, [1] * 90 + [0] * 10, label=0) + trial_of(
        "anyone", 1.0, [1] * 80 + [0] * 20, label=1
    )
    table = pd.DataFrame([row | {"estimator": "confusion_corrected_accuracy"} for row in cells] + single).astype(
        {"class": "Int64"}
    )
    summary = mixtures.trial_summary(table, by=["pattern", "truth", "estimator"])
    worst = mixtures.worst_classes(table, ["Ari", "Bo"])
    found = mixtures.coverage_findings(summary, worst, n_classes=2).round(3)
    assert found["what"].tolist() == [
        "the mean, all cells",
        *["the mean, cell off target"] * 2,
        "single classes, lowest",
        "single classes, lowest by luck",
    ]
    assert found["n_draws"].tolist() == [300, 100, 100, 100, 100]
    assert found["coverage"].tolist()[:4] == [0.93, 0.86, 0.99, 0.8]
    assert found["coverage"].iloc[4] == mixtures.lowest_by_luck(100, 4)
    assert found.loc[1, ["coverage_low", "coverage_high", "width"]].tolist() == [0.779, 0.915, 0.013]
    assert found.loc[1, ["pattern", "truth"]].tolist() == ["someone unlike", 0] and found.loc[3, "class"] == "Bo"
    said = mixtures.about_single_classes(found)
    assert "covers the truth in 80% of the draws in the worst case (Bo, swapped for anyone, truth 1)" in said
    assert "less often than luck alone explains" in said
    lucky = found.assign(coverage_high=1.0)
    assert "no less often than by luck" in mixtures.about_single_classes(lucky)


def test_where_there_is_no_value_the_cell_is_off_target():
    worst = mixtures.worst_classes(pd.DataFrame(trial_of("anyone", 0.0, [1], label=0)), ["Ari"])
    for held, width, odd in (([1] * 19 + [0], 0.1, 0), ([0] * 20, np.nan, 1)):
        cells = pd.DataFrame(trial_of("anyone", 0.0, held, estimator="confusion_corrected_accuracy", width=width))
        summary = mixtures.trial_summary(cells, by=["pattern", "truth", "estimator"])
        found = mixtures.coverage_findings(summary, worst, n_classes=1)
        assert (found["what"] == "the mean, cell off target").sum() == odd
