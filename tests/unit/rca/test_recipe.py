"""The mean of a recipe over trainings and oracles: by hand, by statsmodels, and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from kpop_rca.errors import StudyError
from kpop_rca.rca.recipe import _mean_squares, recipe_mean, shared_variance

TWO_BY_THREE = ["resnet10"] * 3 + ["resnet18"] * 3
DRAWS = 1000


def simulated(generator, *, training, oracle_seed, interaction, real_images, n=DRAWS, trainings=5):
    """(n, trainings, 6) RCA of mean 0.65 and the architectures' own effects, and its components of variance."""
    normal = generator.standard_normal
    return (
        0.65
        + np.repeat([-0.03, 0.03], 3)
        + training * normal((n, trainings, 1))
        + oracle_seed * normal((n, 1, 6))
        + interaction * normal((n, trainings, 6))
        + real_images * normal((n, 1, 1))
    )


SETTINGS = {
    "trainings differ most": {"training": 0.06, "oracle_seed": 0.02, "interaction": 0.02, "real_images": 0.01},
    "oracles differ most": {"training": 0.02, "oracle_seed": 0.06, "interaction": 0.02, "real_images": 0.01},
    "all alike": {"training": 0.03, "oracle_seed": 0.03, "interaction": 0.03, "real_images": 0.02},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_both_intervals_cover_as_often_as_they_say(setting):
    # Of 1,000 draws the fraction that is covered has a standard error of 0.7 %.
    components = SETTINGS[setting]
    generator = np.random.default_rng(20)
    covered, predicted = [], []
    for rca in simulated(generator, **components, trainings=6):
        known, further = rca[:5], rca[5].mean()
        found = recipe_mean(known, TWO_BY_THREE, shared_variance=components["real_images"] ** 2)
        covered.append(found.low <= 0.65 <= found.high)
        predicted.append(found.next_low <= further <= found.next_high)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert 0.93 <= np.mean(predicted) <= 0.97


def test_an_interval_over_trainings_alone_would_be_too_short_where_oracles_differ():
    rca = simulated(np.random.default_rng(21), **SETTINGS["oracles differ most"])
    means = rca.mean(axis=2)
    half = student.ppf(0.975, 4) * means.std(axis=1, ddof=1) / 5**0.5
    assert (np.abs(means.mean(axis=1) - 0.65) <= half).mean() < 0.8


def test_the_components_of_variance_are_found():
    components = SETTINGS["all alike"] | {"real_images": 0.0}
    rca = simulated(np.random.default_rng(22), **components, n=300, trainings=20)
    found = [recipe_mean(table, TWO_BY_THREE) for table in rca]
    for name in ("training", "oracle_seed", "interaction"):
        variance = np.mean([getattr(mean, name) ** 2 for mean in found])
        assert variance == pytest.approx(0.03**2, rel=0.1)  # of 300 tables; that of seeds has 4 degrees of freedom


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")  # of an effect and its nested one
def test_mean_squares_are_those_of_an_analysis_of_variance():
    rca = simulated(np.random.default_rng(23), **SETTINGS["all alike"], n=1)[0]
    rows = [
        {"rca": rca[t, o], "training": str(t), "kind": TWO_BY_THREE[o], "oracle": str(o)} for t, o in np.ndindex(5, 6)
    ]
    model = ols("rca ~ C(kind) + C(training) + C(kind):C(training) + C(oracle)", pd.DataFrame(rows)).fit()
    table = anova_lm(model)
    ms_t, _, ms_c = _mean_squares(rca, np.repeat([0, 1], 3))
    assert ms_t == pytest.approx(table.loc["C(training)", "mean_sq"])
    assert ms_c == pytest.approx(table.loc["Residual", "mean_sq"])


def test_one_kind_of_oracle_by_hand():
    # MS_T = 2 * 0.01, MS_B = 3 * 0.005, MS_C = 0; v = 0.035 / 6, df = 0.035^2 / (0.02^2 / 2 + 0.015^2 / 1)
    found = recipe_mean(np.array([[0.6, 0.7], [0.7, 0.8], [0.8, 0.9]]), ["resnet10", "resnet10"])
    assert found.df == pytest.approx(0.035**2 / (0.0002 + 0.000225))
    half = student.ppf(0.975, found.df) * (0.035 / 6) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.75 - half, 0.75 + half))
    assert found.next_high - found.value == pytest.approx(student.ppf(0.975, 2) * (4 / 3 * 0.02 / 2) ** 0.5)


def test_neither_the_order_of_trainings_nor_of_oracles_changes_it():
    rca = simulated(np.random.default_rng(24), **SETTINGS["all alike"], n=1)[0]
    order = [4, 0, 3, 5, 1, 2]
    other = recipe_mean(rca[::-1][:, order], [TWO_BY_THREE[o] for o in order])
    assert vars(other) == pytest.approx(vars(recipe_mean(rca, TWO_BY_THREE)))


@pytest.mark.parametrize(
    ("rca", "architectures", "says"),
    [
        (np.ones((1, 4)), ["a", "a", "b", "b"], "1 trainings and 2 a, 2 b"),
        (np.ones((5, 3)), ["a", "a", "b"], "2 a, 1 b"),
        (np.ones((5, 5)), ["a", "a", "a", "b", "b"], "3 a, 2 b"),
        (np.full((5, 2), np.nan), ["a", "a"], "no value"),
        (np.full((5, 6), 0.3), TWO_BY_THREE, "same RCA"),
        (np.tile([1.0, 1.1, 1.2, 1.3], (5, 1)), ["a", "a", "b", "b"], "same RCA"),  # every image right: no scatter
    ],
)
def test_what_does_not_suffice_is_refused(rca, architectures, says):
    with pytest.raises(StudyError, match=says):
        recipe_mean(rca, architectures)


def test_what_oracles_have_in_common_is_their_covariance():
    generator = np.random.default_rng(25)
    replicates = 0.02 * generator.standard_normal((20000, 1)) + 0.05 * generator.standard_normal((20000, 4))
    assert shared_variance(replicates) == pytest.approx(0.02**2, rel=0.1)  # its relative standard error is 3 %
    assert shared_variance(np.array([[0.0, 1.0], [1.0, 0.0]])) == 0.0  # never negative
