"""What is said of the guidance weight is what the committed table says."""

import pandas as pd

from kpop_rca.diffusion import guidance_rule
from kpop_rca.study import params


def test_the_committed_choice_is_that_of_the_rule_and_of_the_default_study():
    table = guidance_rule.committed_guidance("quick")
    weight = guidance_rule.chosen_guidance(table)
    assert table.loc[table["chosen"], "guidance"].tolist() == [weight]
    assert params.resolve("quick")["guidance"] == weight
    assert guidance_rule.about_guidance(table, weight).endswith("validation oracles.")


def test_another_weight_and_a_study_without_a_choice_are_said():
    table = pd.DataFrame({"guidance": [0.0, 1.0], "rca": [0.5, 0.7], "frechet": [4.0, 4.5], "chosen": [False, True]})
    assert guidance_rule.about_guidance(table.assign(n_oracles=2), 0.0).endswith("; here w is 0.")
    assert "not chosen" in guidance_rule.about_guidance(guidance_rule.committed_guidance("mine"), 1.0)
