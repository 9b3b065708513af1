"""RCA by quality where it is known which images are wrong."""

import numpy as np
import pytest
from scipy import stats

from kpop_rca import rca

REAL = np.array([[80, 20], [20, 80]])


def generated(n=1000, *, wrong):
    """Conditions and predictions of n images in the order of quality, of which those are wrong."""
    conditions = np.arange(n) % 2
    return conditions, np.where(wrong, 1 - conditions, conditions)


def test_where_the_worst_fifth_is_wrong_only_its_rca_falls():
    quality = np.arange(1000.0)
    table = rca.rca_by_quality(REAL, *generated(wrong=quality < 200), quality)
    assert table["rca"].tolist() == [0, *[1.25] * 4] and table["n"].tolist() == [200] * 5
    value, p = rca.quality_of_right_images(*generated(wrong=quality < 200), quality)
    assert value == 1 and p < 1e-9


def test_a_quality_that_says_nothing_leaves_rca_level():
    generator = np.random.default_rng(0)
    quality, wrong = generator.normal(size=4000), generator.random(4000) < 0.4
    table = rca.rca_by_quality(REAL, *generated(4000, wrong=wrong), quality)
    assert ((table["low"] < 0.75) & (table["high"] > 0.75)).all()
    value, p = rca.quality_of_right_images(*generated(4000, wrong=wrong), quality)
    assert value == pytest.approx(0.5, abs=0.03) and p > 0.05


def test_an_identity_that_is_drawn_well_and_recognised_says_nothing():
    """Everybody's images are alike, and the second person's are better and always right."""
    generator = np.random.default_rng(1)
    conditions = np.arange(2000) % 2
    quality = generator.normal(size=2000) + 10 * conditions
    predicted = np.where((conditions == 0) & (generator.random(2000) < 0.5), 1, conditions)
    table = rca.rca_by_quality(REAL, conditions, predicted, quality)
    assert np.ptp(table["rca"]) < 0.2
    assert rca.quality_of_right_images(conditions, predicted, quality)[1] > 0.05


def test_pairs_are_of_one_identity_by_hand():
    """Of the first identity two of three pairs, of the second none of two; a tie counts a half."""
    conditions, right = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([1, 0, 0, 0, 1, 1, 0], bool)
    quality = [2, 1, 1, 3, 90, 91, 92]
    value, p = rca.quality_of_right_images(conditions, np.where(right, conditions, 1 - conditions), quality)
    assert value == pytest.approx((2 + 0) / (3 + 2))
    z = abs(2 - 2.5) / np.sqrt(3 * 5 / 12 + 2 * 4 / 12)
    assert p == pytest.approx(2 * stats.norm.sf(z))
    tied, _ = rca.quality_of_right_images([0, 0], [0, 1], [1, 1])
    assert tied == 0.5


def test_one_identity_is_mann_and_whitney():
    generator = np.random.default_rng(2)
    quality, right = generator.normal(size=300), generator.random(300) < 0.6
    value, p = rca.quality_of_right_images(np.zeros(300, int), np.where(right, 0, 1), quality)
    known = stats.mannwhitneyu(quality[right], quality[~right], method="asymptotic", use_continuity=False)
    assert (value * right.sum() * (~right).sum(), p) == pytest.approx((known.statistic, known.pvalue))


def test_all_alike_and_all_right_are_measured():
    conditions, predicted = generated(20, wrong=False)
    assert rca.rca_by_quality(REAL, conditions, predicted, np.zeros(20))["n"].tolist() == [4] * 5
    assert np.isnan(rca.quality_of_right_images(conditions, predicted, np.zeros(20))).all()


def test_fewer_images_than_groups_have_fewer_groups():
    assert len(rca.rca_by_quality(REAL, [0, 1], [0, 1], [1.0, 2.0])) == 1


@pytest.mark.parametrize("quality", [[1.0], [1.0, np.nan]])
def test_an_image_without_quality_is_an_error(quality):
    with pytest.raises(ValueError, match="quality"):
        rca.rca_by_quality(REAL, [0, 1], [0, 1], quality)
