"""Scores by columns of the person and of the image, by hand and on generators and oracles of known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import rca
from kpop_rca.scoring import by_column as columns
from kpop_rca.scoring import similarity

N_PEOPLE, N_IMAGES = 12, 20


def images(chance=0.7, seed=0):
    """One row per image, 12 people of two ages with 20 images of four prompts; chance may be one per image."""
    rng, person = np.random.default_rng(seed), np.repeat(np.arange(N_PEOPLE), N_IMAGES)
    table = pd.DataFrame({"person": person, "age": np.where(person % 2, "old", "young")})
    table["prompt"] = np.tile(["action", "clothes", "plain", "view"], N_PEOPLE * N_IMAGES // 4)
    return table.assign(right=(rng.random(len(table)) < chance).astype(float))


def test_what_a_column_is_of():
    table = images()
    assert columns.unit_of(table, "age") == columns.OF_PERSON
    assert columns.unit_of(table, "prompt") == columns.OF_IMAGE
    assert columns.unit_of(table, "person") == columns.PERSON
    assert columns.unit_of(table.assign(name=table["person"].map(str)), "name") == columns.PERSON


def test_groups_of_people_by_hand():
    """People who are right on .2 and .4 of their images, against .6 and 1."""
    right = np.concatenate([np.repeat([1.0, 0.0], [n, 10 - n]) for n in (2, 4, 6, 10)])
    table = pd.DataFrame(
        {"person": np.repeat(np.arange(4), 10), "age": np.repeat(["old", "young"], 20), "right": right}
    )
    found = columns.by_group(table, "right", "age").set_index("group")
    old = found.loc["old"]
    assert old[["value", "others", "difference"]].tolist() == pytest.approx([0.3, 0.8, -0.5])
    assert old[["n_images", "n_people"]].tolist() == [20, 2]
    test = stats.ttest_ind([0.2, 0.4], [0.6, 1.0], equal_var=False)
    assert old["p"] == pytest.approx(test.pvalue)
    assert found.loc["young", "p_holm"] == pytest.approx(min(1, 2 * test.pvalue))
    assert (old["difference_low"] + old["difference_high"]) / 2 == pytest.approx(-0.5)
    assert found.loc["young", "difference"] == pytest.approx(0.5)
    assert old["verdict"] == rca.INCONCLUSIVE


def test_groups_of_images_are_compared_within_people():
    """Everyone is right on half of the side views and on all others; people have unequal numbers of them."""
    parts = [
        pd.DataFrame({"person": k, "view": ["side"] * 2 * n + ["front"] * 4, "right": [1.0, 0.0] * n + [1.0] * 4})
        for k, n in enumerate((1, 2, 3, 4, 5, 6))
    ]
    side = columns.by_group(pd.concat(parts), "right", "view").set_index("group").loc["side"]
    assert (side["unit"], side["difference"]) == (columns.OF_IMAGE, -0.5)
    assert side["verdict"] == columns.LOWER


def test_people_who_differ_are_no_difference_of_prompts():
    """Half of the people are always right, half never; each has all prompts."""
    table = images().assign(right=lambda t: (t["person"] % 2).astype(float))
    by_prompt = columns.by_group(table, "right", "prompt")
    assert by_prompt["difference"].abs().max() == 0
    assert (by_prompt["verdict"] == rca.INCONCLUSIVE).all()
    assert (by_prompt["high"] - by_prompt["low"]).min() > 0.5  # of other people: it may be anything
    by_age = columns.by_group(table, "right", "age").set_index("group")
    assert by_age["verdict"].to_dict() == {"old": columns.HIGHER, "young": columns.LOWER}


def test_a_person_stands_for_itself_alone():
    """One of 12 is right on 2 of 20 images, the others on 18."""
    table = images()
    table["right"] = np.tile(np.repeat([1.0, 0.0], [18, 2]), N_PEOPLE)
    table.loc[table["person"] == 3, "right"] = np.repeat([1.0, 0.0], [2, 18])
    found = columns.by_group(table, "right", "person").set_index("group")
    assert found["verdict"].eq(columns.LOWER).tolist() == [k == 3 for k in range(N_PEOPLE)]
    low, high = proportion_confint(2, 20, method="beta")
    assert found.loc[3, "low"] <= low and found.loc[3, "high"] >= high
    assert found.loc[3, ["low", "high"]].tolist() == pytest.approx([low, high], abs=0.03)


def test_a_group_of_one_person_is_not_compared():
    table = images()
    table["age"] = np.where(table["person"] == 0, "child", table["age"])
    found = columns.by_group(table, "right", "age").set_index("group")
    assert (found.loc["child", "reason"], found.loc["old", "reason"]) == (columns.ALONE, "")
    assert np.isnan(found.loc["child", "p"])
    assert found.loc["child", "low"] < found.loc["child", "value"] < found.loc["child", "high"]


def test_images_without_a_value_are_left_out():
    table = images()
    table.loc[:99, "prompt"] = ""
    table.loc[100:119, "prompt"] = np.nan
    found = columns.by_group(table, "right", "prompt")
    assert sorted(found["group"]) == ["action", "clothes", "plain", "view"]
    assert found["n_images"].sum() == 120
    one = columns.by_group(table[table["prompt"] == "plain"], "right", "prompt").iloc[0]
    assert (one["reason"], one["verdict"]) == (columns.ONE_GROUP, rca.INCONCLUSIVE)


@pytest.mark.parametrize("column", ["age", "prompt", "person"])
def test_without_a_difference_few_are_shown(column):
    shown = [
        (columns.by_group(images(0.8, seed), "right", column)["verdict"] != rca.INCONCLUSIVE).any()
        for seed in range(40)
    ]
    assert np.mean(shown) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)


def test_the_order_of_the_images_changes_nothing():
    table = images()
    pd.testing.assert_frame_equal(
        columns.by_group(table.sample(frac=1, random_state=0), "right", "prompt"),
        columns.by_group(table, "right", "prompt"),
    )


def test_an_interval_in_clusters_covers_the_mean_of_other_people():
    """Twenty people whose own chance is uniform; 93 to 98 % of 400 intervals cover .5."""
    rng, covered = np.random.default_rng(0), []
    person = np.repeat(np.arange(20), 10)
    for _ in range(400):
        right = (rng.random(200) < rng.random(20).repeat(10)).astype(float)
        _, low, high = columns.mean_interval(right, person)
        covered.append(low <= 0.5 <= high)
    assert 0.93 <= np.mean(covered) <= 0.99


def test_the_interval_of_images_that_are_all_right_is_that_of_a_proportion():
    found = columns.mean_interval(np.ones(40), np.repeat([0, 1], 20))
    assert found == pytest.approx((1, *proportion_confint(40, 40, method="beta")))


def test_an_interval_of_what_is_no_fraction():
    values, person = np.repeat([-2.0, -1.0, 3.0, 4.0], 5), np.repeat(np.arange(4), 5)
    mean, low, high = columns.mean_interval(values, person)
    error = np.array([-2.0, -1.0, 3.0, 4.0]).std(ddof=1) / 2
    assert (mean, high - mean) == pytest.approx((1, stats.t.isf(0.025, 3) * error))
    assert mean - low == pytest.approx(high - mean)


def test_a_difference_that_photographs_have_too_may_be_the_oracles():
    """Old people are recognised less often: on generated images alone, or on photographs as well."""
    generated = images(np.where(images()["age"] == "old", 0.4, 0.9))
    fair, unfair = images(0.95, seed=1), images(np.where(images()["age"] == "old", 0.4, 0.95), seed=1)
    said = {}
    for name, photographs in {"fair": fair, "unfair": unfair, "none": None}.items():
        found = columns.by_group(generated, "right", "age", photographs=photographs).set_index("group")
        assert found.loc["old", "verdict"] == columns.LOWER
        said[name] = found.loc["old", "due_to_oracle"]
    assert said == {"fair": columns.NOT_THE_ORACLE, "unfair": columns.THE_ORACLE, "none": columns.NOT_MEASURED}


def test_a_column_of_the_person_is_filled_in_for_photographs_and_one_of_the_image_is_not():
    photographs = images(0.9, seed=1).drop(columns=["age", "prompt"])
    by_age = columns.by_group(images(), "right", "age", photographs=photographs)
    assert by_age["real"].notna().all()
    generated = images(np.where(images()["prompt"] == "view", 0.1, 0.9))
    by_prompt = columns.by_group(generated, "right", "prompt", photographs=photographs).set_index("group")
    assert by_prompt.loc["view", ["verdict", "due_to_oracle"]].tolist() == [columns.LOWER, columns.NOT_MEASURED]
    assert by_prompt["real"].isna().all()


@pytest.fixture(scope="module")
def unfair():
    """An oracle for which people of the second group are alike: 10 people of each, 9 photographs of everyone."""
    rng, person = np.random.default_rng(0), np.repeat(np.arange(20), 9)
    centres = np.where(np.arange(20)[:, None] < 10, rng.normal(0, 2, (20, 32)), 2 + rng.normal(0, 0.6, (20, 32)))
    embeddings = centres[person] + rng.normal(0, 1.5, (len(person), 32))
    calibration = similarity.calibrate(embeddings, person, np.arange(len(person)), n_replicates=20, generator=rng)
    return calibration, np.where(person < 10, "a", "b")


def test_an_unfair_oracle_is_seen(unfair):
    calibration, groups = unfair
    found = columns.oracle_by_group(calibration, groups, column="group", generator=np.random.default_rng(0))
    a, b = found.set_index("group").loc[["a", "b"]].to_dict("records")
    assert a["accuracy"] > b["accuracy"]
    assert a["verdict"] == columns.HIGHER
    assert a["false_match_high"] < b["false_match_low"]
    assert a["threshold"] < b["threshold"]
    assert (a["n_pairs"], a["n_people"], a["n_images"]) == (45 * 81, 10, 90)
    for row in (a, b):
        assert row["false_match_low"] <= row["false_match_rate"] < row["false_match_high"]
        assert row["reason"] == ""


def test_a_group_too_small_for_a_threshold_says_so(unfair):
    calibration, groups = unfair
    groups = np.where(np.arange(len(groups)) < 27, "few", groups)
    found = columns.oracle_by_group(calibration, groups, column="group", generator=np.random.default_rng(0))
    few = found.set_index("group").loc["few"]
    assert np.isnan(few["threshold"])
    assert few["false_match_rate"] >= 0
    assert few["reason"].startswith("243 non-mated comparisons")


def test_a_person_whose_corrected_images_are_all_alike_has_an_interval():
    """Confusion-corrected, a right image may count 1.05: no fraction, and no spread of its own."""
    table = images(chance=0.7).assign(value=lambda rows: 1.05 * rows["right"])
    table.loc[table["person"] == 0, "value"] = 1.05
    found = columns.by_group(table, "value", "person").set_index("group").loc[0]
    reach = stats.norm.isf(0.025) * 1.05 / (N_IMAGES + 1)  # of twenty such images and one of 0
    assert found[["low", "high"]].tolist() == pytest.approx([1.05 - reach, 1.05 + reach])
