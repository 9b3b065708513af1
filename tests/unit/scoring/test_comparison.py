"""Comparisons of generators, by hand and on generators of known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kpop_rca import rca
from kpop_rca.scoring import comparison


def images(n_people=20, n_images=20, **generators):
    """One row per image; each generator is given by its values, or by the probability of a right image."""
    rng, parts = np.random.default_rng(0), []
    person = np.repeat(np.arange(n_people), n_images)
    for name, values in generators.items():
        if np.isscalar(values):
            values = (rng.random(len(person)) < values).astype(float)
        parts.append(pd.DataFrame({"generator": name, "person": person, "right": values}))
    return pd.concat(parts, ignore_index=True)


def test_a_pair_by_hand():
    """Of four images of a person 2 and 4 are right, of the next 1 and 2, of a third 0 and 4."""
    one, other = [1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1]
    row = comparison.compare(images(3, 4, gan=one, sdxl=other), "right").iloc[0]
    assert row[["value_a", "value_b", "difference"]].tolist() == pytest.approx([3 / 12, 10 / 12, -7 / 12])
    of_people = np.array([-0.5, -0.25, -1])
    assert row["p"] == pytest.approx(stats.ttest_1samp(of_people, 0).pvalue)
    reach = stats.t.isf(0.025, 2) * of_people.std(ddof=1) / np.sqrt(3)
    assert row[["low", "high"]].tolist() == pytest.approx([-7 / 12 - reach, -7 / 12 + reach])
    assert row[["n_people", "n_a", "n_b", "paired_by"]].tolist() == [3, 12, 12, "person"]
    assert (row["better"], row["verdict"], row["reason"]) == ("", rca.INCONCLUSIVE, "")


def test_which_is_better_follows_the_sign_and_the_direction():
    table = images(worse=0.5, good=0.9)
    assert comparison.compare(table, "right")["verdict"].tolist() == ["good is better than worse"]
    reverse = comparison.compare(table, "right", higher_is_better=False)
    assert reverse["verdict"].tolist() == ["worse is better than good"]
    swapped = comparison.compare(table.iloc[::-1], "right").iloc[0]
    forward = comparison.compare(table, "right").iloc[0]
    assert (swapped["a"], swapped["b"]) == ("good", "worse")
    assert [swapped["difference"], swapped["low"]] == pytest.approx([-forward["difference"], -forward["high"]])


def test_the_order_of_the_images_changes_nothing():
    table = images(a=0.5, b=0.6, c=0.7)
    mixed = table.groupby("generator", group_keys=False).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(comparison.compare(mixed, "right"), comparison.compare(table, "right"))


def test_a_tenth_apart_in_order():
    table = comparison.compare(images(one=0.9, two=0.8, three=0.7), "right")
    assert (table["difference"] > 0).all()
    assert table["p_holm"].tolist() == pytest.approx(rca.holm(table["p"]).tolist())


@pytest.mark.parametrize("truth", [0.5, 0.9, 1])
def test_equal_generators_are_seldom_told_apart(truth):
    """Of 300 comparisons of generators that differ from person to person, but not in the mean, at most 5 %."""
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        values = []
        for _ in range(2):
            chance = np.clip(truth + rng.normal(0, 0.1 * (truth < 1), 20), 0, 1).repeat(20)
            values.append((rng.random(400) < chance).astype(float))
        of_people = [part.reshape(20, 20).mean(axis=1) for part in values]
        person = np.repeat(np.arange(20), 20)
        errors = [comparison.error_of_images(part, person, spread=1) for part in values]
        found.append(comparison.mean_difference(of_people[0] - of_people[1], of_images=float(np.hypot(*errors)))[3])
    assert np.mean(np.array(found) < 0.05) <= 0.05 + 0.025  # two standard errors of 300


def test_generators_that_are_always_right_are_not_told_apart_but_might_be():
    row = comparison.compare(images(a=1.0, b=1.0), "right").iloc[0]
    assert (row["difference"], row["p"], row["better"]) == (0, 1, "")
    assert 0.002 < row["high"] < 0.02  # a wrong image or two of 400
    assert row["low"] == -row["high"]


def test_people_in_common_alone_count():
    table = images(a=0.5, b=1.0)
    left = table[~((table["generator"] == "b") & (table["person"] < 5))]
    row = comparison.compare(left, "right").iloc[0]
    assert row[["n_people", "n_a", "n_b"]].tolist() == [15, 300, 300]


def test_without_enough_people_there_is_a_reason():
    table = images(2, 10, a=0.5, b=0.9)
    one = comparison.compare(table[table["person"] == 0], "right").iloc[0]
    assert np.isfinite(one["difference"])
    assert np.isnan(one[["low", "high", "p", "p_holm"]].astype(float)).all()
    assert (one["reason"], one["better"]) == (comparison.ONE_PERSON, "")
    apart = table[(table["generator"] == "a") == (table["person"] == 0)]
    none = comparison.compare(apart, "right").iloc[0]
    assert (none["reason"], none["n_people"], none["verdict"]) == (comparison.NOBODY, 0, rca.INCONCLUSIVE)


def test_one_generator_has_no_pair():
    assert comparison.compare(images(a=0.5), "right").empty


def with_prompts(table):
    """Five prompts and four seeds for every person."""
    within = table.groupby(["generator", "person"]).cumcount()
    return table.assign(prompt=(within % 5).astype(str), seed=within // 5)


def test_pairs_by_prompt_and_seed_take_out_what_these_have_in_common():
    """Right or wrong is up to person, prompt and seed alone, but that b errs on one image more of each person."""
    rng = np.random.default_rng(2)
    one = (rng.random(400) < 0.5).astype(float)
    other = one.copy()
    other[[20 * k + int(np.flatnonzero(one[20 * k : 20 * k + 20])[0]) for k in range(20)]] = 0
    table = images(a=one, b=other)
    plain, paired = (comparison.compare(of, "right").iloc[0] for of in (table, with_prompts(table)))
    assert (plain["paired_by"], paired["paired_by"]) == ("person", "person, prompt, seed")
    assert plain["difference"] == paired["difference"] == pytest.approx(0.05)
    assert plain["better"] == ""
    assert paired["better"] == "a"


def test_other_seeds_are_no_pair():
    table = with_prompts(images(a=0.5, b=0.5))
    table.loc[table["generator"] == "b", "seed"] += 100
    assert comparison.compare(table, "right").loc[0, "paired_by"] == "person, prompt"


def test_a_prompt_that_one_lacks_is_left_out():
    table = with_prompts(images(a=0.5, b=0.5))
    row = comparison.compare(table[(table["generator"] == "a") | (table["prompt"] != "3")], "right").iloc[0]
    assert row[["n_a", "n_b", "paired_by"]].tolist() == [320, 320, "person, prompt, seed"]


def test_independent_images_have_the_usual_error():
    values, groups = np.repeat([0.0, 1.0], 200), np.tile([0, 1], 200)
    assert comparison.error_of_images(values, groups, spread=1) == pytest.approx(0.5 / np.sqrt(400), rel=0.01)
