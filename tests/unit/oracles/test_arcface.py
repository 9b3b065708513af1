"""Oracles with an angular margin: the loss against its formula, its optimiser, and a training from start to file."""

import dataclasses

import numpy as np
import pytest
import torch
from small_oracle import RECIPE

from kpop_rca.oracles import arcface, training

CPU = torch.device("cpu")
ARCFACE = dataclasses.replace(RECIPE, loss="arcface", weight_decay=0.02)


@pytest.fixture
def layer():
    """A layer for three classes and features (5, 4), with their labels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return arcface.AngularMargin(4, 3), torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])


def cosines(layer, features):
    features, classes = (v / v.norm(dim=d, keepdim=True) for v, d in ((features, 1), (layer.margin_loss.W, 0)))
    return features @ classes


def test_logits_are_cosines_whatever_the_lengths(layer):
    layer, features, _ = layer
    expected = 16 * cosines(layer, features)
    torch.testing.assert_close(layer(features), expected)
    torch.testing.assert_close(layer(7 * features), expected)


def test_the_loss_is_that_of_the_paper(layer):
    """Equation 3: the own class's angle counts 15 degrees larger."""
    layer, features, labels = layer
    angles = cosines(layer, features).acos()
    own = torch.nn.functional.one_hot(labels, 3).bool()
    logits = torch.where(own, (angles + np.radians(15)).cos(), angles.cos()) * 16
    assert (angles[own] < np.radians(165)).all()
    torch.testing.assert_close(layer.loss(features, labels), torch.nn.functional.cross_entropy(logits, labels))


def test_its_vectors_are_a_group_of_their_own_that_does_not_decay():
    oracle, _ = training.build_oracle("resnet10", n_classes=3, recipe=ARCFACE)
    for phase in (training.FROZEN, training.WHOLE):
        optimizer, _ = training._steps_of_phase(oracle, phase, total=10, recipe=ARCFACE)
        body, last = optimizer.param_groups
        assert [p is oracle.fc.margin_loss.W for p in last["params"]] == [True]
        assert (body["weight_decay"], last["weight_decay"]) == (0.02, 0.0)
        grouped = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert grouped == {id(p) for p in oracle.parameters() if p.requires_grad}


def test_an_oracle_is_trained_saved_and_loaded(splits, tmp_path):
    planned = training.Training("resnet10", splits, ARCFACE, tmp_path / "oracle", {"seed": 0, "trained_on": "train"})
    about = training.train_or_load(planned, device=CPU, bar=lambda epochs, desc: epochs)
    assert about["test"]["accuracy"] == 1.0 and about["recipe"]["loss"] == "arcface"
    oracle = training.load_oracle(tmp_path / "oracle", CPU)
    probabilities, _ = training.predict(oracle, splits["test"][0])
    saved = training.read_test_predictions(tmp_path / "oracle")[["p_0", "p_1", "p_2"]].to_numpy()
    np.testing.assert_allclose(probabilities, saved, atol=1e-6)


def test_the_recipe_says_so():
    said = [recipe.table().set_index("setting")["value"]["loss"] for recipe in (RECIPE, ARCFACE)]
    assert said == ["cross-entropy", "cross-entropy with an angular margin (ArcFace)"]
