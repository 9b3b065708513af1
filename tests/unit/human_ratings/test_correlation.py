import numpy as np
import pandas as pd
import pytest

from kpop_rca.human_ratings import correlation


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    quality = rng.normal(size=80)
    columns = {"mos": 50 + 10 * quality, "good": quality + 0.2 * rng.normal(size=80), "poor": rng.normal(size=80)}
    return pd.DataFrame(columns | {"flat": 1.0, "two": (quality > 0).astype(float), "falling": -np.exp(quality)})


def test_metrics_against_mos(table):
    metrics = ["good", "poor", "flat", "two", "falling"]
    found, tested = correlation.agreement_table(table, metrics, n_replicates=60, generator=np.random.default_rng(1))
    found = found.set_index("metric")
    assert found.loc["good", "srcc_low"] > 0.9 > found.loc["poor", "srcc_high"]
    assert found.loc["poor", "srcc_low"] < 0 < found.loc["poor", "srcc_high"]
    assert found.loc["falling", "srcc"] == pytest.approx(-1.0)
    assert found.loc["falling", "plcc"] < found.loc["falling", "plcc_unfitted"] < 0
    for name, reason in {"flat": "the same for all", "two": "two values"}.items():
        assert np.isnan(found.loc[name, "srcc"]) and reason in found.loc[name, "reason"]
    pair = tested.set_index(["metric", "other"]).loc[("good", "poor")]
    assert pair["low"] > 0 and pair["p_holm"] >= pair["p"] and pair["p"] <= 2 * 1 / 61 + 1e-9
    assert not {"flat", "two"} & {*tested["metric"], *tested["other"]}


def test_a_metric_of_some_images_has_an_interval_and_no_pair(table):
    table.loc[:20, "good"] = np.nan
    how = {"n_replicates": 60, "generator": np.random.default_rng(1)}
    found, tested = correlation.agreement_table(table, ["good", "poor", "falling"], **how)
    assert found.loc[0, "n"] == 59 and found.loc[0, "srcc_low"] > 0.9
    assert tested[["metric", "other"]].to_numpy().tolist() == [["poor", "falling"]]


def test_the_logistic_is_found_again():
    x = np.linspace(-3, 3, 60)
    truth = correlation.logistic(x, 80, 20, 0.5, 0.6)
    predicted, _ = correlation.fitted(x, truth)
    assert np.allclose(predicted, truth, atol=0.01)
    assert np.allclose(correlation.fitted(-5 * x + 7, truth)[0], truth, atol=0.01)  # scale and direction are free


def test_groups_that_are_too_small_have_a_reason(table):
    table["generator"] = ["a"] * 75 + ["b"] * 5
    how = {"n_replicates": 200, "generator": np.random.default_rng(0)}
    found = correlation.by_group(table, ["good"], "generator", **how).set_index("generator")
    assert found.loc["a", "srcc"] > 0.9
    for name in correlation.UNFITTED:
        low, value, high = found.loc["a", [f"{name}_low", name, f"{name}_high"]]
        assert low < value < high and 0 < high - low < 0.3
    assert np.isnan(found.loc["b", "srcc_low"])
    assert found.loc["b", "reason"] == "5 images, 8 needed"


def test_order_of_images_changes_nothing(table):
    shuffled = table.sample(frac=1, random_state=2)
    for name in ("good", "falling"):
        one, other = (correlation.correlations(t[name].to_numpy(), t["mos"].to_numpy()) for t in (table, shuffled))
        assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("noise", [0.1, 0.5, 3.0])
def test_resamples_have_the_statistics_that_scipy_finds_one_by_one(noise):
    rng = np.random.default_rng(0)
    mos = rng.normal(50, 10, size=80)
    table = pd.DataFrame({"mos": mos, "metric": -np.exp((mos - 50) / 20) + noise * rng.normal(size=80)})
    draws = rng.integers(80, size=(20, 80))
    found = correlation.replicates(table, ["metric"], draws)[0]
    for drawn, row in zip(draws, found, strict=True):
        alone = correlation.correlations(table["metric"].to_numpy()[drawn], mos[drawn])
        assert row[[0, 1, 3]] == pytest.approx([alone["srcc"], alone["krcc"], alone["plcc_unfitted"]], abs=1e-9)
        # Where there is next to nothing to fit, each ends in a valley of its own, and either may be the deeper.
        assert row[4] == pytest.approx(alone["rmse"], rel=1e-3 if noise < 1 else 0.05)
        if noise < 1:
            assert row[2] == pytest.approx(alone["plcc"], abs=2e-3)
