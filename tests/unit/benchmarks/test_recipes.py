import pytest

from kpop_rca.benchmarks.recipes import RECIPES
from kpop_rca.study import params, schema


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_sets_parameters_of_a_study(recipe):
    assert set(recipe) <= set(params.defaults())
    schema.Parameters.model_validate(recipe)
