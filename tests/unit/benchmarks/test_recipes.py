import pandas as pd
import pytest

from kpop_rca.benchmarks import recipes, record
from kpop_rca.benchmarks.recipes import RECIPES
from kpop_rca.study import params, schema


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_sets_parameters_of_a_study(recipe):
    assert set(recipe) <= set(params.defaults())
    schema.Parameters.model_validate(recipe)


def test_the_default_study_has_one_of_the_recipes():
    own = params.defaults()
    assert any(
        all(own[name] == recipe[name] for name in recipe if name != "train_steps") for recipe in RECIPES.values()
    )


def test_two_recipes_are_two_trainings_and_a_seed_gives_one_row(tiny, output, monkeypatch):
    for name in ("eps", "flow-muon"):
        monkeypatch.setitem(RECIPES, name, RECIPES[name] | {"train_steps": 3})
    one, other = (recipes.compare(tiny, name, seed=0) for name in ("eps", "flow-muon"))
    assert one["step"] == 3 and one["frechet"] != other["frechet"] and one["guidance"] == recipes.GUIDANCE
    again = recipes.compare(tiny, "eps", seed=0)
    assert (again["rca"], again["frechet"]) == (one["rca"], one["frechet"])
    table = record.Table(output / "recipes.csv", machine="one", columns=recipes.COLUMNS)
    run = {"study": "tiny", "recipe": "eps", "guidance": 1.0, "seed": 0}
    assert not table.has(run)
    table.put(run, [one])
    assert table.has(run) and not table.has(run | {"seed": 1})
    assert list(table.read().columns) == recipes.COLUMNS


def test_the_summary_has_means_and_intervals_over_seeds():
    rows = [("eps", 0, 0.2, 90.0), ("eps", 1, 0.4, 110.0), ("flow", 0, 0.6, 10.0)]
    table = pd.DataFrame(rows, columns=["recipe", "seed", "rca", "frechet"]).assign(step=3, cpu_seconds=[1.0, 3.0, 2.0])
    found = recipes.by_recipe(table)
    assert found["recipe"].tolist() == ["flow", "eps"]
    eps = found.set_index("recipe").loc["eps"]
    assert (eps["n_seeds"], eps["rca"], eps["cpu_seconds"]) == (2, pytest.approx(0.3), 2)
    assert eps["rca_low"] < 0.2 and eps["rca_high"] > 0.4 and eps["predicts"] == "noise"
    assert found.set_index("recipe").loc["flow", ["rca_low", "frechet_high"]].isna().all()


def test_a_change_is_measured_seed_by_seed():
    """Each gains about 0.5, and keeps a quarter of the distance; what has no partner is left out."""
    rows = [("eps", 0, 0.1, 80.0), ("v", 0, 0.6, 20.0), ("eps", 1, 0.2, 40.0), ("v", 1, 0.72, 10.1), ("v", 2, 0.9, 1.0)]
    found = recipes.by_change(pd.DataFrame(rows, columns=["recipe", "seed", "rca", "frechet"]))
    assert found["change"].tolist() == ["velocity v in place of noise"]
    assert found["n_seeds"].item() == 2
    assert found["rca"].item() == pytest.approx(0.51) and found["frechet"].item() == pytest.approx(0.25, abs=0.01)
    assert found["rca_low"].item() < 0.5 < found["rca_high"].item() and found["frechet_high"].item() > 0.25
    assert recipes.with_intervals(found)["rca"].item() == "+0.51 (+0.38 to +0.64)"
