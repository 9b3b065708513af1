"""How far oracles agree, on predictions written by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from kpop_rca import rca
from kpop_rca.oracles import agreement

LABELS = np.repeat([0, 1, 2], 10)


def predicted(*right):
    """Of ten images of each class so many named rightly, the others as the class after it."""
    return np.concatenate([[k] * n + [(k + 1) % 3] * (10 - n) for k, n in enumerate(right)])


def predictions(oracles):
    """A long table from oracle names to their predictions."""
    parts = []
    for name, labels in oracles.items():
        architecture, seed = name.split("-")[:2]
        which = {"oracle": name, "architecture": architecture, "seed": int(seed)}
        which["trained_on"] = "train" if name.endswith("seen") else "oracle"
        parts.append(pd.DataFrame(which | {"image": range(len(labels)), "label": LABELS, "predicted": labels}))
    return pd.concat(parts, ignore_index=True)


REAL = predictions(
    {"a-0": predicted(8, 8, 8), "a-1": predicted(10, 8, 6), "b-0": predicted(5, 9, 10), "a-0-seen": predicted(8, 8, 8)}
)
GENERATED = predictions(
    {"a-0": predicted(2, 4, 6), "a-1": predicted(5, 5, 5), "b-0": predicted(1, 0, 2), "a-0-seen": predicted(8, 8, 8)}
)


def test_rca_under_every_oracle_by_hand():
    table = agreement.rca_by_oracle(REAL, GENERATED, 3).set_index("oracle")
    assert table.index.tolist() == ["a-0", "a-1", "b-0", "a-0-seen"]
    np.testing.assert_allclose(table["accuracy_real"], [0.8] * 4)
    np.testing.assert_allclose(table["accuracy_generated"], [0.4, 0.5, 0.1, 0.8])
    np.testing.assert_allclose(table["rca"], [0.5, 0.625, 0.125, 1.0])
    np.testing.assert_allclose(table["chance"], [1 / 2.4] * 4)
    assert tuple(table.loc["a-0", ["low", "high"]]) == pytest.approx(rca.ratio_interval(12, 30, 24, 30))
    assert table.loc["a-0-seen", "trained_on"] == "train"


def test_the_other_estimators_stand_beside_under_every_oracle():
    table = agreement.rca_by_oracle(REAL, GENERATED, 3).set_index("oracle")
    for name, row in table.iterrows():
        counts = [agreement._counts(table, 3)[name] for table in (REAL, GENERATED)]
        assert row["chance_corrected"] == pytest.approx(rca.chance_corrected_rca(*counts))
        if rca.condition_number(counts[0]) < 20:
            assert row["confusion_corrected_accuracy"] == pytest.approx(
                rca.confusion_corrected_accuracy(*counts).mean()
            )
        else:
            assert np.isnan(row["confusion_corrected_accuracy"])


def test_real_and_generated_are_not_exchangeable():
    swapped = agreement.rca_by_oracle(GENERATED, REAL, 3).set_index("oracle")["rca"]
    np.testing.assert_allclose(swapped, [2, 1.6, 8, 1])


def test_oracles_of_only_one_side_are_refused():
    with pytest.raises(ValueError, match="the real faces were classified by other oracles"):
        agreement.rca_by_oracle(REAL, GENERATED[GENERATED["oracle"] != "b-0"], 3)


def test_an_oracle_that_recognises_nobody_has_no_rca_and_leaves_the_others_theirs():
    """b-0 is right on no real face, a-0 predicts one name for all."""
    real = predictions({"a-0": np.zeros(30, int), "a-1": predicted(8, 8, 8), "b-0": predicted(0, 0, 0)})
    generated = predictions({"a-0": np.zeros(30, int), "a-1": predicted(4, 4, 4), "b-0": predicted(1, 1, 1)})
    table = agreement.rca_by_oracle(real, generated, 3).set_index("oracle")
    assert table.loc["a-1", "rca"] == pytest.approx(0.5)
    assert table.loc["b-0", ["rca", "low", "high", "chance", "chance_corrected"]].isna().all()
    assert table.loc["b-0", "why"].startswith("no rca: it recognises no real face; no chance_corrected: ")
    assert table.loc["a-0", "why"] == (
        "no chance_corrected: it is no better than chance on real faces; no confusion_corrected_accuracy: its "
        "confusion can't be inverted"
    )
    assert (table.loc["a-0", "rca"], table.loc["a-1", "why"]) == (1, "")


def test_the_effect_of_overlap_pairs_by_seed():
    table = agreement.effect_of_overlap(agreement.rca_by_oracle(REAL, GENERATED, 3))
    assert table[["architecture", "seed"]].to_numpy().tolist() == [["a", 0]]
    assert table.loc[0, ["rca_apart", "rca_seen", "difference"]].tolist() == pytest.approx([0.5, 1.0, 0.5])


def test_no_overlap_no_rows():
    one = REAL[REAL["oracle"] == "a-0"]
    assert agreement.effect_of_overlap(agreement.rca_by_oracle(one, one, 3)).empty


def test_pairs_by_hand():
    """a-0 and a-1 differ in the 3 + 1 + 1 images that only one names rightly; kappa from scikit-learn on the arrays."""
    table = agreement.pairwise(REAL, GENERATED, 3).set_index(["oracle", "other"])
    assert table["differ_in"].to_dict() == {
        ("a-0", "a-1"): "seed alone",
        ("a-0", "b-0"): "architecture",
        ("a-0", "a-0-seen"): "training faces",
        ("a-1", "b-0"): "architecture",
        ("a-1", "a-0-seen"): "training faces",
        ("b-0", "a-0-seen"): "architecture and training faces",
    }
    pair = table.loc[("a-0", "a-1")]
    assert pair["agreement"] == pytest.approx(25 / 30)
    # Each names 12 or so of each class: expected agreement (8 * 10 + 12 * 10 + 10 * 10) / 900.
    assert pair["kappa"] == pytest.approx((25 / 30 - 1 / 3) / (2 / 3))
    assert pair["kappa"] == pytest.approx(cohen_kappa_score(predicted(2, 4, 6), predicted(5, 5, 5)))
    assert table.loc[("b-0", "a-0-seen"), "agreement"] == pytest.approx(9 / 30)


def test_the_rank_of_the_classes_is_that_of_their_rca():
    """a-0 ranks 0.25 < 0.5 < 0.75; a-1 ranks 0.5 < 0.625 < 0.833, the same; b-0 1/5, 0, 2/10: a tie."""
    tau = agreement.pairwise(REAL, GENERATED, 3).set_index(["oracle", "other"])["tau_class_rca"]
    assert tau[("a-0", "a-1")] == pytest.approx(1)
    assert tau[("a-0", "b-0")] == pytest.approx((1 - 1) / np.sqrt(3 * 2))
    assert np.isnan(tau[("a-0", "a-0-seen")])  # 1, 1, 1 ranks nothing


def test_a_class_without_rca_is_left_out_of_the_rank():
    real = predictions({"a-0": predicted(0, 8, 4), "a-1": predicted(8, 8, 8)})
    generated = predictions({"a-0": predicted(9, 2, 3), "a-1": predicted(1, 3, 6)})
    assert agreement.pairwise(real, generated, 3)["tau_class_rca"].tolist() == pytest.approx([1])


def test_one_class_has_no_rank():
    real = predictions({"a-0": predicted(0, 8, 0), "a-1": predicted(8, 8, 8)})
    assert np.isnan(agreement.pairwise(real, real, 3).loc[0, "tau_class_rca"])


def test_agreement_beyond_chance_has_no_value_where_all_get_one_name():
    same = predictions({"a-0": np.zeros(30, int), "a-1": np.zeros(30, int)})
    row = agreement.pairwise(predictions({"a-0": predicted(8, 8, 8), "a-1": predicted(8, 8, 8)}), same, 3).iloc[0]
    assert row["agreement"] == 1
    assert np.isnan(row["kappa"])
    assert row["why"] == "no kappa: both predict one identity for all images"


def test_means_by_what_pairs_differ_in():
    pairs = agreement.pairwise(REAL, GENERATED, 3)
    table = agreement.by_difference(pairs).set_index("differ_in")
    assert table["n_pairs"].to_dict() == {
        "seed alone": 1,
        "architecture": 2,
        "training faces": 2,
        "architecture and training faces": 1,
    }
    two = pairs.loc[pairs["differ_in"] == "architecture", "agreement"]
    assert table.loc["architecture", "agreement"] == pytest.approx(two.mean())


def counted(oracle, counts, *, trained_on, seed):
    """A long table of one oracle's predictions, in one image order for all oracles."""
    labels, predicted = np.indices(counts.shape)
    columns = {
        "label": np.repeat(labels.ravel(), counts.ravel()),
        "predicted": np.repeat(predicted.ravel(), counts.ravel()),
    }
    table = pd.DataFrame(columns).assign(oracle=oracle, architecture="resnet10", seed=seed, trained_on=trained_on)
    return table.assign(image=range(len(table)))


def test_the_headline_counts_keep_oracles_of_one_kind_together():
    real, worse = np.array([[45, 5], [10, 40]]), np.array([[40, 10], [20, 30]])
    generated = np.array([[60, 40], [30, 70]])
    kinds = [("resnet10-0", "oracle", 0), ("resnet10-1", "oracle", 1), ("resnet10-0-seen", "train", 0)]
    sides = [
        pd.concat([counted(name, c, trained_on=way, seed=s) for (name, way, s), c in zip(kinds, tables, strict=True)])
        for tables in ((real, worse, real), (generated, generated, generated))
    ]
    found = agreement.headline_counts("resnet10-0", *sides, 2, n_replicates=200, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(found.real_counts, real)
    np.testing.assert_array_equal(found.generated_counts, generated)
    assert found.oracles == ["resnet10-0", "resnet10-1"]
    np.testing.assert_array_equal(found.counts, [[real, worse], [generated, generated]])
    np.testing.assert_array_equal(found.own_replicates["rca"], found.replicates["rca"][:, :, 0])
    assert (
        found.replicates["rca"][:, :, 1].mean() > found.own_replicates["rca"].mean()
    )  # the second is worse on real faces


def normal_replicates(covariance, n=20000, seed=0):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(covariance)), covariance, size=n).T


def test_two_oracles_are_compared_by_their_difference():
    """Variances of .0004 and .0009 and a covariance of .0003: the difference has one of .0007."""
    found = agreement.overidentification([0.9, 0.85], normal_replicates([[4e-4, 3e-4], [3e-4, 9e-4]]))
    assert found.statistic == pytest.approx(0.05**2 / 7e-4, rel=0.03)  # the variance of 20,000 replicates: 1 %
    assert (found.freedom, found.low, found.high, found.reason) == (1, 0.85, 0.9, "")
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 1))
    assert found.agree is True


def test_what_oracles_have_in_common_makes_a_difference_clear():
    """Two oracles 3 points apart, each with a standard error of 3 points that is the images' and not its own."""
    alone = agreement.overidentification([0.8, 0.83], normal_replicates(np.diag([9e-4, 9e-4])))
    common = agreement.overidentification([0.8, 0.83], normal_replicates(9e-4 + np.diag([2e-5, 2e-5])))
    assert (alone.agree, common.agree) == (True, False)


def test_the_order_and_a_common_change_of_the_oracles_do_not_matter():
    estimates, again = np.array([0.7, 0.8, 0.74]), normal_replicates(np.diag([4e-4, 4e-4, 9e-4]) + 1e-4)
    one = agreement.overidentification(estimates, again)
    other = agreement.overidentification(estimates[[2, 0, 1]] + 0.1, again[[2, 0, 1]] - 0.2)
    assert (other.statistic, other.p) == pytest.approx((one.statistic, one.p))


@pytest.mark.parametrize("n_oracles", [2, 3, 5])
def test_oracles_of_one_truth_are_rejected_at_the_level(n_oracles):
    covariance = 1e-4 + np.diag(np.linspace(1e-4, 9e-4, n_oracles))
    again, estimates = normal_replicates(covariance, 2000), normal_replicates(covariance, 1000, seed=1)
    rejected = [agreement.overidentification(0.8 + of, again).agree is False for of in estimates.T]
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.021)  # three standard errors


def test_one_oracle_has_no_test():
    for estimates in ([0.8], [0.8, np.nan]):
        found = agreement.overidentification(estimates, np.full((len(estimates), 500), 0.8))
        assert found.agree is None
        assert np.isnan([found.statistic, found.p]).all()
        assert found.reason.startswith("one oracle")
        assert (found.low, found.high) == (0.8, 0.8)


def test_oracles_that_never_differ_leave_nothing_to_test():
    again = np.tile(normal_replicates([[1e-4]]), (2, 1))
    found = agreement.overidentification([0.8, 0.8], again)
    assert (found.agree, found.freedom) == (None, 0)
    assert "nothing to test" in found.reason


def test_two_oracles_that_never_differ_count_as_one():
    again = normal_replicates(np.diag([1e-4, 4e-4]))
    two = agreement.overidentification([0.8, 0.86], again)
    three = agreement.overidentification([0.8, 0.8, 0.86], again[[0, 0, 1]])
    assert (three.freedom, three.statistic) == (1, pytest.approx(two.statistic))


def test_oracles_that_differ_by_the_same_amount_in_every_resample_do_not_agree():
    again = np.tile(normal_replicates([[1e-4]]), (2, 1))
    found = agreement.overidentification([0.8, 0.9], again)
    assert (found.agree, found.p, found.statistic) == (False, 0, np.inf)
    assert (found.low, found.high) == (0.8, 0.9)


def test_resamples_in_which_an_oracle_has_no_value_are_left_out():
    again = normal_replicates(np.diag([1e-4, 4e-4]), 1000)
    some = again.copy()
    some[0, :300] = np.nan
    kept = agreement.overidentification([0.8, 0.86], again[:, 300:])
    assert agreement.overidentification([0.8, 0.86], some).statistic == pytest.approx(kept.statistic)
    some[1, 350:] = np.nan
    assert "50 resamples alone" in agreement.overidentification([0.8, 0.86], some).reason
