"""RCA of each training's images, on predictions written by hand."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.oracles import by_training

LABELS = np.repeat([0, 1], 10)
MADE_BY = np.tile(np.repeat([0, 1], 5), 2)  # five images of each identity


def predictions(**right):
    """A long table: of the ten images of both identities the first so many are classified correctly, by oracle."""
    parts = []
    for name, n in right.items():
        wrong = np.arange(20) % 10 >= n
        which = {"oracle": name, "architecture": "a", "seed": 0, "trained_on": "train" if "seen" in name else "oracle"}
        parts.append(pd.DataFrame(which | {"image": range(20), "label": LABELS, "predicted": LABELS ^ wrong}))
    return pd.concat(parts, ignore_index=True)


REAL = predictions(one=10, other=8, seen=10)


def test_each_training_has_the_rca_of_its_own_images():
    table = by_training.rca_by_training(REAL, predictions(one=7, other=4, seen=10), MADE_BY, 2, headline="one")
    assert table["training"].tolist() == [0, 1]
    assert table["n"].tolist() == [10, 10]
    np.testing.assert_allclose(table["rca"], [1.0, 0.4])
    np.testing.assert_allclose(table["chance"], [0.5, 0.5])
    # "other" has an accuracy of 0.8 on real faces, and of 4/5 and 0 on the images; "seen" is of another kind
    np.testing.assert_allclose(table["mean_over_oracles"], [(1.0 + 1.0) / 2, (0.4 + 0.0) / 2])
    assert by_training.trainings_summary(table)["sd"] == pytest.approx(np.std([1.0, 0.4], ddof=1))


def test_one_training_has_no_standard_deviation_and_a_reason():
    table = by_training.rca_by_training(
        REAL, predictions(one=7, other=4, seen=10), np.zeros(20, int), 2, headline="one"
    )
    found = by_training.trainings_summary(table)
    assert found == {"n": 1, "rca": [0.7], "sd": None, "sd_why": "one training does not tell how trainings vary"}
    assert by_training.about_trainings(found, headline="one")[0].startswith("The generator was trained once.")


def test_where_an_rca_has_no_value_it_is_said():
    blind = predictions(one=0)
    table = by_training.rca_by_training(blind, predictions(one=7), MADE_BY, 2, headline="one")
    found = by_training.trainings_summary(table)
    assert found == {"n": 2, "rca": [None, None], "sd": None, "sd_why": "an RCA has no value"}
    assert "has no value." in by_training.about_trainings(found, headline="one")[0]


def of_recipe(real, generated, *, bursts=None):
    bursts = np.full(20, -1) if bursts is None else bursts
    how = {"n_replicates": 4000, "generator": np.random.default_rng(0)}
    return by_training.recipe_summary(real, generated, MADE_BY, bursts, headline="one", **how)


def test_the_recipe_is_the_mean_over_trainings_and_oracles_of_one_kind():
    found = of_recipe(REAL, predictions(one=7, other=4, seen=10))
    # RCA by training and oracle is [[1, 0.8 / 0.8], [0.4, 0]]; the oracle that saw the faces takes no part
    assert found["value"] == pytest.approx((1.0 + 1.0 + 0.4 + 0.0) / 4)
    assert found["sd"]["training"] == pytest.approx(np.sqrt((2 * 0.32 - 0.04) / 2))  # means 1 and 0.2; MS_C 0.04
    assert (found["n_trainings"], found["oracles"]) == (2, ["one", "other"])
    assert found["variance"] == pytest.approx({name: sd**2 for name, sd in found["sd"].items()})
    assert set(found["variance"]) == {"training", "oracle_seed", "interaction", "real_images"}


def test_people_have_verdicts_over_the_same_oracles():
    made = predictions(one=7, other=4, seen=10)
    table = by_training.person_verdicts(REAL, made, MADE_BY, np.full(20, -1), headline="one", classes=["Ari", "Bo"])
    assert table["rca"].tolist() == pytest.approx([(0.7 + 0.4) / (1.0 + 0.8)] * 2)
    cells = by_training.class_rca_by_training(REAL, made, MADE_BY, headline="one", classes=["Ari", "Bo"])
    found = cells[cells["class"] == "Bo"].pivot(index="training", columns="oracle", values="rca")
    np.testing.assert_allclose(found[["one", "other"]], [[1.0, 1.0], [0.4, 0.0]])
    assert len(cells) == 8 and set(cells["n"]) == {5}


def test_images_of_a_burst_count_as_one():
    real, generated = predictions(one=5, other=5), predictions(one=4, other=2)
    alone = of_recipe(real, generated)["sd"]["real_images"]
    in_bursts = of_recipe(real, generated, bursts=np.arange(20) // 5)["sd"]["real_images"]
    assert in_bursts > 1.5 * alone  # each identity has but two bursts, one right and one wrong
    assert alone > 0  # both oracles err on the same images


@pytest.mark.parametrize(
    ("real", "generated", "why"),
    [({"one": 8}, {"one": 7}, "1 a"), ({"one": 8, "other": 0}, {"one": 7, "other": 1}, "recognises no real face")],
)
def test_a_recipe_without_a_value_says_why(real, generated, why):
    found = of_recipe(predictions(**real), predictions(**generated))
    assert found["value"] is None
    assert why in found["why"]
