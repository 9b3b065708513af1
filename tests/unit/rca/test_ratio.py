"""RCA against hand-computed cases, scikit-learn, scipy and simulation."""

import gc
import json
import math

import numpy as np
import pytest
from scipy.stats.contingency import chi2_contingency, relative_risk
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.proportion import test_proportions_2indep as score_test

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.rca import ratio

# Three identities of unequal size; nothing in here is symmetric, so that swapping anything shows.
REAL = np.array([[8, 1, 1], [2, 16, 2], [0, 1, 4]])  # recalls 0.8, 0.8, 0.8; accuracy 28/35 = 0.8
GENERATED = np.array([[40, 50, 10], [0, 100, 0], [60, 20, 20]])  # recalls 0.4, 1.0, 0.2; accuracy 160/300
NAMES = ["Ari", "Bo", "Cy"]


def labels_of(counts):
    """True and classified labels that give these counts."""
    true, predicted = np.indices(counts.shape)
    return np.repeat(true.ravel(), counts.ravel()), np.repeat(predicted.ravel(), counts.ravel())


def test_counts_are_those_of_the_labels_in_any_order():
    true, predicted = labels_of(REAL)
    order = np.random.default_rng(0).permutation(len(true))
    np.testing.assert_array_equal(rca.confusion_counts(true, predicted, 3), REAL)
    np.testing.assert_array_equal(rca.confusion_counts(true[order], predicted[order], 3), REAL)
    np.testing.assert_array_equal(rca.confusion_counts(predicted, true, 3), REAL.T)


def test_counts_add_up_over_batches():
    true, predicted = labels_of(GENERATED)
    parts = [rca.confusion_counts(true[i : i + 7], predicted[i : i + 7], 3) for i in range(0, len(true), 7)]
    np.testing.assert_array_equal(sum(parts), GENERATED)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([], [], "equally long"),
        ([0, 1], [0], "equally long"),
        ([0, 3], [0, 1], "true labels reach from 0 to 3"),
        ([0, 1], [-1, 1], "predicted labels reach from -1 to 1"),
    ],
)
def test_labels_that_make_no_counts(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        rca.confusion_counts(true, predicted, 3)


@pytest.mark.parametrize("counts", [[[1]], [[1, 2]], [[1, -1], [0, 1]], [[0, 0], [0, 0]]])
def test_arrays_that_are_no_confusion_counts(counts):
    with pytest.raises(ValueError, match="confusion counts must"):
        rca.accuracy(counts)


def test_accuracy_and_recall_by_hand():
    assert rca.accuracy(REAL) == pytest.approx(0.8)
    assert rca.accuracy(GENERATED) == pytest.approx(160 / 300)
    np.testing.assert_allclose(rca.class_recall(GENERATED), [0.4, 1.0, 0.2])


def test_classwise_report_agrees_with_scikit_learn():
    report = rca.classwise_report(GENERATED, classes=NAMES)
    precision, recall, f1, n = precision_recall_fscore_support(*labels_of(GENERATED))
    assert report["class"].tolist() == NAMES
    np.testing.assert_array_equal(report["n"], n)
    np.testing.assert_array_equal(report["n_predicted"], GENERATED.sum(axis=0))
    np.testing.assert_allclose(report[["precision", "recall", "f1"]], np.stack([precision, recall, f1], axis=1))


def test_precision_of_a_class_that_is_never_predicted_is_undefined():
    report = rca.classwise_report([[3, 0], [2, 0]])
    assert math.isnan(report["precision"][1])
    assert report["recall"][1] == 0
    assert report["f1"][1] == 0


def test_rca_by_hand():
    assert rca.global_rca(REAL, GENERATED) == pytest.approx((160 / 300) / 0.8)
    table = rca.class_rca(REAL, GENERATED, classes=NAMES)
    np.testing.assert_allclose(table["rca"], [0.5, 1.25, 0.25])
    np.testing.assert_array_equal(table["n_real"], [10, 20, 5])
    np.testing.assert_array_equal(table["n_generated"], [100, 100, 100])
    assert rca.macro_rca(REAL, GENERATED) == pytest.approx((0.5 + 1.25 + 0.25) / 3)
    assert rca.chance_rca(REAL) == pytest.approx((1 / 3) / 0.8)


def test_swapping_real_and_generated_inverts_rca():
    assert rca.global_rca(GENERATED, REAL) == pytest.approx(0.8 / (160 / 300))
    assert rca.global_rca(GENERATED, REAL) != pytest.approx(rca.global_rca(REAL, GENERATED))


def test_transposed_counts_give_another_class_rca():
    assert not np.allclose(rca.class_rca(REAL, GENERATED)["rca"], rca.class_rca(REAL.T, GENERATED.T)["rca"])


def test_micro_and_macro_differ_when_class_sizes_do():
    uneven = np.array([[90, 10], [10, 0]])
    even = np.array([[50, 50], [50, 50]])
    assert rca.global_rca(uneven + np.eye(2, dtype=int), even) == pytest.approx(0.5 / (92 / 112))
    assert rca.macro_rca(uneven + np.eye(2, dtype=int), even) == pytest.approx((0.5 / (91 / 101) + 0.5 / (1 / 11)) / 2)


def test_a_perfect_copy_has_rca_one_and_a_class_blind_generator_chance():
    assert rca.global_rca(REAL, REAL * 10) == pytest.approx(1)
    blind = np.tile([70, 20, 10], (3, 1))  # one and the same mixture, whatever was requested
    assert rca.global_rca(REAL, blind) == pytest.approx(rca.chance_rca(REAL))


def test_the_chance_of_a_class_is_what_a_generator_that_ignores_the_class_gets():
    """It generates the same faces whatever is requested, twice as many of the first: the class RCA is that chance."""
    frequencies = np.array([0.5, 0.25, 0.25]) @ (REAL / REAL.sum(axis=1)[:, None])
    for sizes in (np.array([100, 100, 100]), np.array([100, 400, 40])):
        table = rca.class_rca(REAL, np.outer(sizes, frequencies))
        np.testing.assert_allclose(table["rca"], table["chance"])
    assert table["chance"].max() > 1.5 * table["chance"].min()


def test_empty_classes_are_errors_that_name_the_class():
    empty = np.array([[8, 1, 1], [0, 0, 0], [0, 1, 4]])
    with pytest.raises(StudyError, match="identity 'Bo' has no real image"):
        rca.class_rca(empty, GENERATED, classes=NAMES)
    with pytest.raises(StudyError, match="identity 'Bo' has no generated image"):
        rca.class_rca(REAL, empty, classes=NAMES)
    with pytest.raises(StudyError, match="identity '1' has no real image"):
        rca.classwise_report(empty)
    with pytest.raises(StudyError, match="identity '1' has no"):
        rca.informedness(empty)
    for sides, kind in (((empty, GENERATED), "real"), ((REAL, empty), "generated")):
        with pytest.raises(StudyError, match=f"identity 'Bo' has no {kind} image"):
            rca.class_tests(*sides, classes=NAMES)
        with pytest.raises(StudyError, match=f"identity 'Bo' has no {kind} image"):
            rca.directed_flows(sides[1], real_counts=sides[0], classes=NAMES)


def test_a_class_without_images_has_no_weight_in_the_global_figures():
    """The stated limit of what counts images and not classes: it is the RCA of the others."""
    empty = np.array([[8, 1, 1], [0, 0, 0], [0, 1, 4]])
    assert rca.accuracy(empty) == 12 / 15
    assert rca.global_rca(empty, GENERATED) == pytest.approx(160 / 300 / (12 / 15))


def test_two_classes_of_one_image_each():
    one, flipped = np.eye(2, dtype=int), np.eye(2, dtype=int)[::-1]
    low, high = rca.class_confusion_corrected_intervals(one, one)
    assert (low < 1).all() and (high >= 1).all() and (high - low > 0.5).all()
    assert rca.class_tests(one, one)["p_no_effect"].isna().all()
    flow = rca.directed_flows(flipped, real_counts=one).iloc[0]
    assert flow["net"] == 0 and flow["p"] == 1 and flow["low"] < 0 < flow["high"]
    with pytest.raises(ValueError, match="single group"):
        rca.group_excess(one, one, [[0, 1]], n_replicates=200, generator=np.random.default_rng(0))
    found = rca.group_excess(one, flipped, [[0], [1]], n_replicates=200, generator=np.random.default_rng(0))
    assert (found["excess"], found["p"], found["ci95"]) == (0, 1, [0, 0])  # nobody has a look-alike


def test_an_oracle_that_is_never_right_gives_no_rca():
    wrong = [[0, 5], [5, 0]]
    for measure in (lambda: rca.global_rca(wrong, [[1, 1], [1, 1]]), lambda: rca.chance_rca(wrong)):
        with pytest.raises(StudyError, match="right on no real image"):
            measure()


def test_as_many_names_as_classes():
    with pytest.raises(ValueError, match="2 class names for 3 classes"):
        rca.class_rca(REAL, GENERATED, classes=["Ari", "Bo"])


# --- intervals ---


def test_katz_interval_is_that_of_scipy():
    result = relative_risk(30, 100, 15, 20)
    expected = result.confidence_interval(0.95)
    assert rca.ratio_interval(30, 100, 15, 20, method="katz") == pytest.approx((expected.low, expected.high))
    assert rca.ratio_interval(15, 20, 30, 100, method="katz") != pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("counts", [(30, 100, 15, 20), (1, 20, 1, 20), (3, 5000, 1, 98), (100, 100, 15, 20)])
def test_score_interval_is_the_closed_form_where_that_one_holds(counts):
    expected = confint_proportions_2indep(*counts, compare="ratio", method="score")
    assert rca.ratio_interval(*counts) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.3, 0.9, 1.0, 1.7])
def test_score_statistic_is_that_of_statsmodels(value):
    for counts in ((30, 100, 60, 80), (1, 50, 40, 50), (99, 100, 30, 40), (0, 20, 5, 7)):
        expected = score_test(*counts, value=value, compare="ratio", method="score").statistic
        assert ratio._score_statistic(value, *counts) == pytest.approx(expected, rel=1e-9)


def test_score_interval_holds_at_the_edges():
    """Over all small tables it is finite, contains the ratio, and is 0 at the left only where nothing is right."""
    for n_generated, n_real in [(1, 1), (2, 3), (7, 5), (1, 1000)]:
        for count_generated in range(n_generated + 1):
            for count_real in {1, n_real // 2 + 1, n_real}:
                low, high = rca.ratio_interval(count_generated, n_generated, count_real, n_real)
                ratio = (count_generated / n_generated) / (count_real / n_real)
                assert 0 <= low <= ratio < high < math.inf
                assert (low == 0) == (count_generated == 0)


def test_intervals_without_a_value():
    assert all(map(math.isnan, rca.ratio_interval(5, 10, 0, 10)))
    assert all(map(math.isnan, rca.ratio_interval(0, 10, 5, 10, method="katz")))
    with pytest.raises(ValueError, match="no proportions"):
        rca.ratio_interval(11, 10, 5, 10)
    with pytest.raises(ValueError, match="method must be"):
        rca.ratio_interval(5, 10, 5, 10, method="wald")


def test_katz_interval_covers_the_true_ratio_of_the_paper():
    """980 real and 5,000 generated images: 1000 samples estimate a coverage of 0.95 to 0.007, and 3 of these pass."""
    rng = np.random.default_rng(3)
    samples = zip(rng.binomial(5_000, 0.2077, 1000), rng.binomial(980, 0.768, 1000), strict=True)
    ends = np.array([rca.ratio_interval(g, 5_000, r, 980, method="katz") for g, r in samples])
    held = ((ends[:, 0] <= 0.2077 / 0.768) & (ends[:, 1] >= 0.2077 / 0.768)).mean()
    assert abs(held - 0.95) < 0.021


@pytest.mark.parametrize(("p_generated", "p_real"), [(0.2, 0.77), (0.02, 0.69), (0.7, 0.95)])
def test_score_interval_covers_the_true_ratio(p_generated, p_real):
    """95 % of intervals from 20 real and 60 generated images hold the true ratio.

    Over 1000 samples chance alone moves the fraction by 2 sd = 0.014; the small counts add up to 0.02 of their own.
    """
    rng = np.random.default_rng(1)
    samples = zip(rng.binomial(60, p_generated, 1000), rng.binomial(20, p_real, 1000), strict=True)
    seen = {}
    hits = 0
    for counts in samples:
        if counts not in seen:
            seen[counts] = rca.ratio_interval(counts[0], 60, counts[1], 20)
        low, high = seen[counts]
        hits += low <= p_generated / p_real <= high
    assert 0.92 <= hits / 1000 <= 0.985


# --- chance and tests ---


def test_chance_corrected_ratio_of_the_paper_and_by_hand():
    assert rca.chance_corrected(0.2077, 753 / 980, 10) == pytest.approx(0.161, abs=5e-4)
    expected = (160 / 300 - 1 / 3) / (0.8 - 1 / 3)
    assert rca.chance_corrected_rca(REAL, GENERATED) == pytest.approx(expected)
    assert rca.chance_corrected_rca(GENERATED, REAL) == pytest.approx(1 / expected)
    assert rca.chance_corrected_rca(REAL, np.ones((3, 3), dtype=int)) == pytest.approx(0)
    with pytest.raises(StudyError, match="no more than by chance"):
        rca.chance_corrected_rca(np.ones((3, 3), dtype=int), GENERATED)


def test_informedness_by_hand_and_by_balanced_accuracy():
    # Ari: 0.4 of those conditioned on Ari, 60 of 200 conditioned on others. Bo: 1.0 and 70 of 200. Cy: 0.2, 10.
    np.testing.assert_allclose(rca.informedness(GENERATED), [0.4 - 0.3, 1.0 - 0.35, 0.2 - 0.05])
    true, predicted = labels_of(GENERATED)
    for c, found in enumerate(rca.informedness(GENERATED)):
        assert found == pytest.approx(balanced_accuracy_score(true == c, predicted == c, adjusted=True))


def test_informedness_is_zero_for_a_generator_that_ignores_the_class_and_favours_one():
    np.testing.assert_allclose(rca.informedness([[70, 20, 10]] * 3), 0, atol=1e-12)
    np.testing.assert_allclose(rca.informedness(GENERATED.T)[2], 20 / 30 - 80 / 270)  # not 0.15: rows are requested


def test_class_tests_are_chi_squared_under_holm():
    table = rca.class_tests(REAL, GENERATED, classes=NAMES)
    pairs = [((40, 100), (60, 200)), ((100, 100), (70, 200)), ((20, 100), (10, 200))]
    p = [chi2_contingency([[a, n - a], [b, m - b]], correction=False).pvalue for (a, n), (b, m) in pairs]
    np.testing.assert_allclose(table["p_no_effect"], multipletests(p, method="holm")[1])


def test_class_tests_keep_their_family_wise_error():
    """A class-blind generator is called better than blind in some class in at most 5 % of the studies."""
    gc.freeze()  # statsmodels collects garbage at every correction: it need not look through all of torch
    rng, real = np.random.default_rng(0), np.full((5, 5), 4) + 60 * np.eye(5, dtype=int)
    found = [
        (rca.class_tests(real, rng.multinomial(100, [0.5, 0.2, 0.1, 0.1, 0.1], size=5))["p_no_effect"] < 0.05).any()
        for _ in range(400)
    ]
    gc.unfreeze()
    # 400 studies estimate 0.05 to a standard error of 0.011; without Holm's correction it would be near 0.13.
    assert np.mean(found) < 0.05 + 3 * 0.011


def test_all_right_on_both_sides_is_no_difference():
    table = rca.class_tests([[100, 0], [0, 100]], [[100, 0], [0, 100]])
    assert (table["p_equal_to_real"] == 1).all()


def test_whom_the_oracle_does_not_recognise_is_not_tested():
    real = np.array([[18, 2, 0], [2, 18, 0], [6, 5, 0]])
    perfect = np.array([[180, 20, 0], [20, 180, 0], [100, 100, 0]])
    table = rca.class_tests(real, perfect)
    assert table[["p_no_effect", "p_equal_to_real"]].isna().all(axis=1).tolist() == [False, False, True]
    alone = rca.class_tests(real[:2, :2], perfect[:2, :2])  # the others are corrected for there being two
    assert table["p_equal_to_real"][0] == pytest.approx(alone["p_equal_to_real"][0])


def test_a_perfect_generator_of_people_tested_unevenly_is_not_said_to_have_lost():
    recall = np.array([0.98] + 9 * [0.6])
    fractions = np.diag(recall) + (1 - recall)[:, None] * (1 - np.eye(10)) / 9
    real, generated = (np.array([500] + 9 * [20]))[:, None] * fractions, 1000 * fractions
    assert rca.global_rca(real, generated) == pytest.approx(rca.perfect_rca(real, generated))
    assert rca.perfect_rca(real, generated) < 0.75 and rca.perfect_rca(generated, generated) == pytest.approx(1)


def test_nobody_is_perfect_under_an_oracle_that_recognises_nobody():
    with pytest.raises(StudyError):
        rca.perfect_rca([[0, 3], [4, 0]], [[5, 5], [5, 5]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_counts_that_are_no_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        rca.global_rca([[8, bad], [2, 8]], [[8, 2], [2, 8]])


# --- metrics.json ---

REPLICATES = {
    "macro_rca": np.stack([np.linspace(0.5, 1.5, 1001)] * 2),
    "chance_corrected": np.stack([np.linspace(0, 1, 1001)] * 2),
}


def test_summary_has_the_layout_of_the_study():
    result = json.loads(json.dumps(rca.summary(REAL, GENERATED, NAMES, REPLICATES), allow_nan=False))
    assert result["real"] == {"n": 35, "accuracy": pytest.approx(0.8)}
    assert result["generated"] == {"n": 300, "accuracy": pytest.approx(160 / 300)}
    assert set(result["rca"]) == {
        "global", "ci95", "ci95_method", "macro", "macro_ci95", "chance", "perfect", "chance_corrected",
        "chance_corrected_ci95", "verdict_limits", "per_class", "macro_ci95_method", "chance_corrected_ci95_method",
    }  # fmt: skip
    assert result["rca"]["macro_ci95"] == pytest.approx([0.525, 1.475])
    assert result["rca"]["chance_corrected_ci95"] == pytest.approx([0.025, 0.975])
    assert result["rca"]["ci95"] == pytest.approx(rca.ratio_interval(160, 300, 28, 35))
    assert result["rca"]["ci95"][0] < result["rca"]["global"] < result["rca"]["ci95"][1]
    bo = result["rca"]["per_class"][1]
    low, high = bo.pop("ci95")
    assert low < 1.25 < high
    assert {bo.pop(name) for name in ("p_no_effect", "p_equal_to_real")} != {1.0}
    expected = {"class": "Bo", "n_real": 20, "n_generated": 100, "recall_real": 0.8, "recall_generated": 1.0}
    tests = {"informedness": pytest.approx(0.65), "informedness_real": pytest.approx(0.8 - 2 / 15)}
    # Of the images conditioned on each, (0.5, 1, 0.2) are classified as Bo, of her real ones 0.8.
    assert bo == expected | tests | {"rca": pytest.approx(1.25), "chance": pytest.approx(1.7 / 3 / 0.8)}


def test_a_class_that_the_oracle_never_recognises_is_null_with_the_reason():
    blind_to_cy = np.array([[8, 1, 1], [2, 16, 2], [2, 3, 0]])
    nothing = REPLICATES | {"macro_rca": np.full((2, 100), np.nan)}
    result = json.loads(json.dumps(rca.summary(blind_to_cy, GENERATED, NAMES, nothing), allow_nan=False))["rca"]
    assert result["per_class"][2]["rca"] is None
    assert result["per_class"][2]["ci95"] is None
    assert result["per_class"][2]["why"] == "0 of 5 real images are recognised"
    assert result["per_class"][2]["p_no_effect"] is None
    assert result["macro"] is None and result["macro_ci95"] is None
    assert "no value" in result["macro_why"]
    assert result["global"] == pytest.approx((160 / 300) / (24 / 35))


def test_a_generator_that_is_never_right_has_an_interval_from_zero():
    result = rca.summary([[8, 2], [2, 8]], [[0, 50], [50, 0]], "ab", REPLICATES)["rca"]
    assert result["global"] == 0
    assert result["ci95"][0] == 0 < result["ci95"][1] < 0.1
