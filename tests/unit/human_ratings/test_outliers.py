import numpy as np
import pandas as pd
import pytest

from kpop_rca.human_ratings import outliers, simulated
from kpop_rca.system import seeds


def panel(**changes):
    rng = seeds.generator(seeds.Purpose.SIMULATED_RATERS, 1, 99)
    quality = simulated.qualities((100,), generator=rng)
    return simulated.rate(quality, simulated.Panel(**changes), generator=rng)


def test_extremes_are_counted_by_hand():
    """One rater far above and one far below nine that are near: √20 standard deviations are out of reach of ten."""
    near = np.tile([2.0, 2.1, 1.9, 2.2, 1.8, 2.0, 2.1, 1.9, 2.05, 1.95, 2.0, 2.1], (4, 1))
    far = np.array([[3.0], [1.0], [3.0], [1.0]])
    rejected, beyond, asymmetry = outliers.bt500(np.hstack([near, far]))
    deviation = far[0] - np.append(near[0], 3.0).mean()
    kurtosis = (np.append(near[0], 3.0) - np.append(near[0], 3.0).mean()) ** 4
    assert deviation > 0 and kurtosis.mean() / np.append(near[0], 3.0).var() ** 2 > 4  # so that √20 is the limit
    assert not rejected.any() and beyond[-1] == 0 and asymmetry[-1] == 0


def test_a_strict_rater_stays_and_one_of_both_sides_goes():
    rng = np.random.default_rng(0)
    rated = rng.normal(3, 0.5, size=(200, 15))
    strict = np.full((200, 1), 1.5) + rng.normal(0, 0.1, size=(200, 1))
    wild = 3 + 1.5 * rng.choice([-1, 1], size=(200, 1))
    rejected, beyond, asymmetry = outliers.bt500(np.hstack([rated, strict, wild]))
    assert rejected.tolist() == [False] * 16 + [True]
    assert beyond[15] > 0.05 and asymmetry[15] > 0.9


def test_equal_ratings_make_nobody_extreme():
    assert outliers.bt500(np.full((5, 4), 3.0))[1].tolist() == [0.0] * 4


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_order_and_batch_change_nothing(missing):
    ratings = panel(spammers=4, missing=missing)
    rng = np.random.default_rng(3)
    images, raters = rng.permutation(ratings.shape[0]), rng.permutation(ratings.shape[1])
    for screening in (outliers.bt500, outliers.inconsistent):
        plain = screening(ratings)[0]
        assert (screening(ratings[images][:, raters])[0] == plain[raters]).all()
        assert (screening(np.stack([ratings, ratings[images]]))[0] == plain).all()


def test_rules():
    frame = pd.DataFrame(panel(spammers=4))
    tables = {rule: outliers.screen(frame, rule=rule) for rule in ("bt500", "inconsistent", "either")}
    assert tables["inconsistent"]["rejected"].tolist() == [False] * 12 + [True] * 4
    either = tables["bt500"]["rejected"] | tables["inconsistent"]["rejected"]
    assert (tables["either"]["rejected"] == either).all()
