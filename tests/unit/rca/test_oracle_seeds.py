"""Means over oracles that differ by their seed: intervals by hand and by simulation, and what has no value."""

import json

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from kpop_rca import rca
from kpop_rca.rca.bootstrap import at_both_ends, resampled, statistics
from kpop_rca.rca.oracle_seeds import seed_interval

REAL = np.array([[[45, 5], [10, 40]], [[40, 10], [10, 40]], [[48, 2], [5, 45]]])
GENERATED = np.array([[[60, 40], [30, 70]], [[55, 45], [30, 70]], [[70, 30], [40, 60]]])
ORACLES = ["a-0", "a-1", "a-2"]


def replicates(seed=0):
    """Of the three oracles, resampled for each by itself."""
    rng = np.random.default_rng(seed)
    return at_both_ends(*(resampled(counts, 400, generator=rng) for counts in (REAL, GENERATED)))


def over(real=REAL, generated=GENERATED, oracles=ORACLES, found=None):
    found = found or replicates()
    rng = np.random.default_rng(1)
    result = rca.over_oracles(oracles, real, generated, found, classes=["Ari", "Bo"], generator=rng)
    return json.loads(json.dumps(result, allow_nan=False))


def test_without_scatter_of_images_it_is_student_s_interval():
    values = np.array([0.6, 0.75, 0.7])
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert seed_interval(values, np.full((2, 50, 3), values.mean())) == pytest.approx((expected.low, expected.high))


def test_without_scatter_of_oracles_it_is_the_normal_interval():
    means = np.random.default_rng(0).normal(0.7, 0.02, size=50_000)
    low, high = seed_interval(np.full(3, 0.7), np.broadcast_to(means[:, None], (2, 50_000, 3)))
    assert (low, high) == pytest.approx((0.7 - 1.96 * 0.02, 0.7 + 1.96 * 0.02), abs=0.002)


def test_both_scatters_add_with_satterthwaite_s_degrees_of_freedom():
    values, noise = np.array([0.6, 0.7, 0.8]), 0.05
    found = np.broadcast_to(np.random.default_rng(0).normal(0.7, noise, size=(100_000, 1)), (2, 100_000, 3))
    of_oracles, of_images = 0.01 / 3, noise**2
    freedom = 2 * (of_oracles + of_images) ** 2 / of_oracles**2
    reach = t.isf(0.025, freedom) * np.sqrt(of_oracles + of_images)
    assert seed_interval(values, found) == pytest.approx((0.7 - reach, 0.7 + reach), abs=0.003)


def test_coverage_of_another_seed_where_the_bootstrap_s_own_is_too_short():
    """Three oracles of random accuracy on real and generated images, and the RCA that the next ones would find.

    600 samples estimate a coverage of 0.95 to a standard error of 0.009; the bounds are three of these and a hundredth
    for the spread of a ratio that is not normal. A hierarchical bootstrap over three oracles covers three quarters
    where oracles are all that varies, and here not much more.
    """
    rng, n_images, draws = np.random.default_rng(0), 4000, 600
    truth, held = 0.5 / 0.8, {"student": [], "bootstrap": []}
    for _ in range(draws):
        right = rng.normal([0.8, 0.5], 0.03, size=(3, 2))
        counts = rng.binomial(n_images, right) / n_images
        again = rng.binomial(n_images, counts, size=(200, 3, 2)) / n_images
        values, ratios = counts[:, 1] / counts[:, 0], again[..., 1] / again[..., 0]
        low, high = seed_interval(values, np.stack([ratios] * 2))
        held["student"].append(low <= truth <= high)
        chosen = rng.integers(3, size=(200, 3))
        low, high = rca.intervals(np.stack([np.take_along_axis(ratios, chosen, axis=1).mean(axis=1)] * 2))
        held["bootstrap"].append(low <= truth <= high)
    assert 0.915 <= np.mean(held["student"]) <= 0.99
    assert np.mean(held["bootstrap"]) < 0.85


def test_means_over_oracles_have_both_intervals():
    found = over()
    assert found["oracles"] == ORACLES
    ratios = [rca.global_rca(*tables) for tables in zip(REAL, GENERATED, strict=True)]
    assert found["rca"]["value"] == pytest.approx(np.mean(ratios))
    accuracies = [rca.confusion_corrected_accuracy(*tables).mean() for tables in zip(REAL, GENERATED, strict=True)]
    assert found["confusion_corrected_accuracy"]["value"] == pytest.approx(np.mean(accuracies))
    assert found["macro_rca"]["value"] == pytest.approx(
        np.mean([rca.macro_rca(*t) for t in zip(REAL, GENERATED, strict=True)])
    )
    bo = [rca.class_rca(*tables)["rca"][1] for tables in zip(REAL, GENERATED, strict=True)]
    assert found["per_class"][1]["class"] == "Bo" and found["per_class"][1]["rca"]["value"] == pytest.approx(
        np.mean(bo)
    )
    low, high = found["per_class"][1]["rca"]["ci95"]
    assert low < min(bo) and max(bo) < high  # of three by Student, the reach is 2.5 standard deviations and more
    for name in rca.OVER_ORACLES:
        low, high = found[name]["ci95"]
        assert low < found[name]["value"] < high
        assert found[name]["ci95_bootstrap"][0] < found[name]["value"] < found[name]["ci95_bootstrap"][1]


def test_the_bootstrap_cannot_reach_beyond_the_oracles():
    """Oracles far apart, on images without scatter: its ends are the lowest and the highest oracle."""
    values = np.array([0.4, 0.6, 0.95])
    found = {name: np.broadcast_to(values, (2, 1000, 3)) for name in rca.OVER_ORACLES}
    found |= {name: np.ones((2, 1000, 3, 2)) for name in ("class_rca", "class_confusion_corrected_accuracy")}
    result = over(found=found)
    assert result["rca"]["ci95_bootstrap"] == pytest.approx([0.4, 0.95])


def test_one_oracle_does_not_tell_how_oracles_vary():
    alone = over(REAL[:1], GENERATED[:1], ORACLES[:1], {name: part[:, :, :1] for name, part in replicates().items()})
    assert alone["rca"]["ci95"] is None
    assert alone["rca"]["ci95_bootstrap"][0] < alone["rca"]["value"] < alone["rca"]["ci95_bootstrap"][1]


def test_an_oracle_too_poor_to_be_inverted_leaves_no_mean_corrected_accuracy():
    poor = REAL.copy()
    poor[1] = [[26, 24], [24, 26]]
    found = over(poor)
    assert (
        found["confusion_corrected_accuracy"]["value"] is None and found["confusion_corrected_accuracy"]["ci95"] is None
    )
    assert found["confusion_corrected_accuracy"]["why"].startswith(
        "under a-1: the oracle tells the identities apart too badly"
    )
    assert found["rca"]["value"] > 0


def test_an_oracle_no_better_than_chance_leaves_no_corrected_ratio():
    blind = REAL.copy()
    blind[2] = [[25, 25], [25, 25]]
    found = over(blind)
    assert found["chance_corrected"]["value"] is None
    assert "a-2" in found["chance_corrected"]["why"]


def test_where_every_oracle_is_right_on_every_image_the_interval_has_a_width():
    """Of 48 images that are all right the fraction may be .93 (Clopper and Pearson: 1 - 0.025^(1/48) = 0.074)."""
    labels = np.repeat(np.arange(4), 12)
    sides = [(labels, np.stack([labels] * 3))] * 2
    again = rca.bootstrap(*sides, 4, n_replicates=2000, generator=np.random.default_rng(0))
    perfect = np.stack([12 * np.eye(4, dtype=int)] * 3)
    found = rca.over_oracles(ORACLES, perfect, perfect, again, classes="abcd", generator=np.random.default_rng(1))
    for name in ("rca", "macro_rca", "confusion_corrected_accuracy"):
        for key in ("ci95", "ci95_bootstrap"):
            low, high = found[name][key]
            assert 0.9 < low < 0.935 and 1.06 < high < 1.12, (name, key)
    for row in found["per_class"]:  # of 12 images 1 - 0.025^(1/12) = 0.26
        for name in ("rca", "confusion_corrected_accuracy"):
            assert 0.6 < row[name]["ci95"][0] < 0.8


@pytest.mark.parametrize("truth", [0.0, 0.9, 0.99])
def test_it_covers_at_the_edges_with_oracles_that_see_the_same_images(truth):
    """Three oracles right on 97 % of the images; 100 samples estimate 0.95 to a standard error of 0.022."""
    rng, n_classes, n_each, held = np.random.default_rng(3), 4, 12, []
    labels = np.repeat(np.arange(n_classes), n_each)

    def predicted(shown):
        errs = rng.random((3, len(shown))) < 0.03
        return np.where(errs, (shown + rng.integers(1, n_classes, errs.shape)) % n_classes, shown)

    for _ in range(100):
        others = (labels + rng.integers(1, n_classes, len(labels))) % n_classes
        real = predicted(labels)
        shown = np.where(rng.random(len(labels)) < truth, labels, others)
        sides = [(labels, real), (labels, predicted(shown))]
        again = rca.bootstrap(*sides, n_classes, n_replicates=200, generator=rng)
        tables = [np.stack([rca.confusion_counts(labels, of, n_classes) for of in part]) for _, part in sides]
        low, high = seed_interval(
            statistics(*tables)["confusion_corrected_accuracy"], again["confusion_corrected_accuracy"]
        )
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.93
