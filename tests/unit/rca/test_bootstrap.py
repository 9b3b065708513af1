"""The bootstrap against closed forms, the spread of fractions and real repetitions."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import at_both_ends, statistics


def predictions(*, n, accuracy, n_oracles=1, seed=0, n_classes=4):
    """Labels and the predictions of oracles that are right with a probability each, on independent images."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), n // n_classes)
    wrong = (labels + rng.integers(1, n_classes, size=(n_oracles, len(labels)))) % n_classes
    return labels, np.where(
        rng.random((n_oracles, len(labels))) < np.broadcast_to(accuracy, (n_oracles,))[:, None], labels, wrong
    )


def test_statistics_are_those_of_the_estimators():
    real, generated = np.array([[8, 1, 1], [2, 16, 2], [0, 1, 4]]), np.array([[40, 50, 10], [0, 100, 0], [60, 20, 20]])
    found = statistics(np.stack([real, generated]), np.stack([generated, real]))
    assert found["rca"][0] == pytest.approx(rca.global_rca(real, generated))
    assert found["rca"][1] == pytest.approx(rca.global_rca(generated, real))
    assert found["macro_rca"][0] == pytest.approx(rca.macro_rca(real, generated))
    assert found["chance_corrected"][0] == pytest.approx(rca.chance_corrected_rca(real, generated))
    np.testing.assert_allclose(found["class_rca"][0], rca.class_rca(real, generated)["rca"])
    np.testing.assert_allclose(
        found["class_confusion_corrected_accuracy"][0], rca.confusion_corrected_accuracy(real, generated)
    )
    assert found["confusion_corrected_accuracy"][0] == pytest.approx(
        rca.confusion_corrected_accuracy(real, generated).mean()
    )


def test_a_stack_is_its_tables_one_by_one():
    draw = np.random.default_rng(0).multinomial
    real = draw(40, np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.0, 0.3, 0.7]]), size=(20, 3))
    generated = draw(30, np.full((3, 3), 1 / 3), size=(20, 3))
    found = statistics(real, generated)
    for number in range(20):
        for name, value in statistics(real[number], generated[number]).items():
            np.testing.assert_allclose(found[name][number], value, atol=1e-10, err_msg=name)


def test_tables_that_cannot_be_inverted_leave_the_others_alone():
    """The first without a trace of information, the last with nothing but rounding errors of it."""
    oracle = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.0, 0.3, 0.7]])
    nearly = oracle.copy()
    nearly[1] = nearly[0] + 1e-13 * np.array([1, -1, 0])
    for stack in (np.stack([np.full((3, 3), 1 / 3), oracle, nearly]), np.stack([nearly, oracle, nearly])):
        found = statistics(stack, np.stack([oracle] * 3))
        np.testing.assert_allclose(found["confusion_corrected_accuracy"], [np.nan, 1, np.nan])
        assert np.isfinite(found["rca"]).all()


def test_rows_drawn_again_are_images_drawn_again():
    """Of one oracle both ways are the same distribution: 20,000 replicates estimate a mean to 0.01 of an image."""
    counts = np.array([[8, 0, 2], [1, 19, 0], [0, 0, 7]])
    true, predicted = (np.repeat(part.ravel(), counts.ravel()) for part in np.indices(counts.shape))
    how = {"n_replicates": 20_000, "generator": np.random.default_rng(4)}
    of_images = rca.resampled_counts(true, predicted[None], 3, **how)[:, :, 0]
    of_rows = rca.resampled(counts, **how)
    for found in (of_images, of_rows):
        np.testing.assert_allclose(found.sum(axis=-1), np.broadcast_to([10, 20, 7], found.shape[:-1]))
    np.testing.assert_allclose(of_images.mean(axis=1), of_rows.mean(axis=1), atol=4 * 0.015)
    np.testing.assert_allclose(of_images.std(axis=1), of_rows.std(axis=1), atol=4 * 0.015)


def test_a_single_proportion_has_the_limits_of_clopper_and_pearson():
    """Of a binary prediction of one class; the scale by (n - 1) / n widens them, with 400 images by 0.1 %."""
    ends = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    for right in (0, 1, 7, 200, 399, 400):
        tables = rca.resampled([[right, 400 - right]], 60_000, generator=np.random.default_rng(0), ends=ends)
        found = rca.intervals(tables[..., 0, 0] / 400)
        # A quantile of 60,000 replicates is known to 0.7 % of its distance from the value.
        assert found == pytest.approx(proportion_confint(right, 400, method="beta"), abs=0.0012)


@pytest.mark.parametrize("n_each", [3, 50])
def test_resampled_fractions_vary_as_fractions_do(n_each):
    """By s^2 / n with s^2 = p (1 - p), where weights of n images would vary by a quarter less if n is 3."""
    labels, predicted = predictions(n=4 * n_each, accuracy=0.7)
    how = {"n_replicates": 20_000, "generator": np.random.default_rng(1), "added": 1e-9}
    tables = rca.resampled_counts(labels, predicted, 4, **how)[0, :, 0]
    fractions = rca.confusion_counts(labels, predicted[0], 4) / n_each
    found = tables / n_each
    # A mean fraction has a standard error of sqrt(p (1 - p) / n / 20000), at most 0.0021; a variance, of 2 %.
    np.testing.assert_allclose(found.mean(axis=0), fractions, atol=4 * 0.0021)
    np.testing.assert_allclose(found.var(axis=0), fractions * (1 - fractions) / n_each, rtol=0.08, atol=1e-4)


def test_with_one_oracle_it_agrees_with_katz():
    real, generated = predictions(n=800, accuracy=0.8), predictions(n=2000, accuracy=0.4, seed=1)
    replicates = rca.bootstrap(real, generated, 4, n_replicates=4000, generator=np.random.default_rng(0))
    right = [(predicted[0] == labels).sum() for labels, predicted in (real, generated)]
    katz = rca.ratio_interval(right[1], 2000, right[0], 800, method="katz")
    # The classes are of equal accuracy, so that drawing within classes changes little; the rest is quantile noise.
    assert rca.intervals(replicates["rca"][:, :, 0]) == pytest.approx(katz, abs=0.008)


@pytest.mark.parametrize("n_each", [25, 60])
def test_coverage_away_from_the_edges(n_each):
    """Of a known oracle and generator: 300 studies estimate a coverage of 0.95 to a standard error of 0.0126.

    Three of these are allowed.
    """
    rng, n_studies = np.random.default_rng(0), 300
    oracle = np.array([[8, 1, 1], [1, 7, 2], [0, 2, 8]]) / 10
    model = np.array([[6, 3, 1], [1, 5, 4], [2, 2, 6]]) / 10
    truth = statistics(oracle, model)
    names = ("macro_rca", "chance_corrected", "confusion_corrected_accuracy")
    held = dict.fromkeys(names, 0)
    for _ in range(n_studies):
        tables = [np.stack([rng.multinomial(n_each, row) for row in fractions]) for fractions in (oracle, model)]
        again = at_both_ends(*(rca.resampled(table, 400, generator=rng) for table in tables))
        for name in names:
            low, high = rca.intervals(again[name])
            held[name] += low <= truth[name] <= high
    assert all(abs(n / n_studies - 0.95) < 3 * 0.0126 for n in held.values()), held


def test_an_image_takes_along_what_every_oracle_says():
    """Ten oracles that always agree give no more information than one; ten that err apart do."""
    labels, predicted = predictions(n=400, accuracy=0.7)
    generated = predictions(n=40_000, accuracy=0.5, seed=1)

    def width(real_predicted, seed):
        repeated = np.repeat(generated[1], 10, axis=0)
        rng = np.random.default_rng(seed)
        found = rca.bootstrap((labels, real_predicted), (generated[0], repeated), 4, n_replicates=3000, generator=rng)
        return np.subtract(*rca.intervals(found["rca"].mean(axis=2))[::-1])

    one = rca.bootstrap((labels, predicted), generated, 4, n_replicates=3000, generator=np.random.default_rng(0))
    alone = np.subtract(*rca.intervals(one["rca"][:, :, 0])[::-1])
    assert width(np.repeat(predicted, 10, axis=0), 1) == pytest.approx(alone, rel=0.1)
    independent = predictions(n=400, accuracy=0.7, n_oracles=10, seed=3)[1]
    assert width(independent, 2) < 0.75 * alone


def test_every_oracle_has_replicates_of_its_own():
    """Around its own value, and the same as if it were alone with the same random numbers."""
    real = predictions(n=4000, accuracy=[0.6, 0.9], n_oracles=2)
    generated = predictions(n=4000, accuracy=[0.5, 0.5], n_oracles=2, seed=1)
    found = rca.bootstrap(real, generated, 4, n_replicates=500, generator=np.random.default_rng(0))
    assert found["rca"].shape == (2, 500, 2) and found["class_rca"].shape == (2, 500, 2, 4)
    # The mean of 500 ratios with a standard deviation of 0.015 is known to 0.001; the accuracies are those drawn.
    for oracle in range(2):
        counts = [rca.confusion_counts(labels, predicted[oracle], 4) for labels, predicted in (real, generated)]
        assert found["rca"][:, :, oracle].mean() == pytest.approx(rca.global_rca(*counts), abs=0.004)


def test_same_generator_same_replicates():
    part = predictions(n=40, accuracy=0.7, n_oracles=2)
    one, two = (rca.bootstrap(part, part, 4, n_replicates=50, generator=np.random.default_rng(3)) for _ in range(2))
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


def test_intervals_of_a_quantity_that_often_has_no_value():
    values = np.linspace(0, 1, 1000)
    low, high = rca.intervals(np.stack([np.stack([values, np.where(values > 0.5, np.nan, values)], axis=1)] * 2))
    assert (low[0], high[0]) == pytest.approx((0.025, 0.975))
    assert np.isnan(low[1]) and np.isnan(high[1])


def test_what_cannot_be_drawn_again():
    labels, predicted = predictions(n=40, accuracy=0.7)
    rng = np.random.default_rng(0)
    with pytest.raises(StudyError, match="class 4 has no image"):
        rca.resampled_counts(labels, predicted, 5, n_replicates=2, generator=rng)
    with pytest.raises(ValueError, match="1 oracles on real images, 2 on generated"):
        rca.bootstrap((labels, predicted), (labels, np.repeat(predicted, 2, axis=0)), 4, n_replicates=2, generator=rng)


def test_two_classes_and_one_image_each():
    """An oracle that always predicts the first may have done so by chance, but can't be inverted."""
    labels, predicted = np.array([0, 1]), np.array([[0, 0]])
    found = rca.bootstrap(
        (labels, predicted), (labels, predicted), 2, n_replicates=200, generator=np.random.default_rng(0)
    )
    low, high = rca.intervals(found["rca"])
    assert low < 0.5 and high > 2
    low, high = rca.intervals(found["confusion_corrected_accuracy"])
    assert np.isnan(low).all() or (high - low > 1).all()
