"""Tuning by preferences: the loss by hand, the start, which way a step goes, and a tuning that was stopped."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import CPU, small_unet

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.errors import StudyError
from kpop_rca.preferences import dpo

FORWARD = forward_process("squaredcos_cap_v2", "flow")
RNG = np.random.default_rng(0)
WIN, LOSS = (RNG.integers(*reach, (24, 16, 16, 3), dtype=np.uint8) for reach in ((0, 100), (150, 256)))
IMAGES = WIN, LOSS, np.arange(24) % 3
RECIPE = dpo.TuningRecipe(steps=20, batch_size=8, learning_rate=1e-3, beta=100.0, rank=2, largest_rise=9.0)


@pytest.fixture(scope="module")
def unet():
    return small_unet(n_classes=3).eval()


def tuned(unet, folder, images=IMAGES, **changed):
    how = {key: changed.pop(key) for key in ("watch", "watch_every", "steps_at_most") if key in changed}
    recipe = dpo.TuningRecipe(**vars(RECIPE) | changed)
    log = dpo.tune(unet, FORWARD, images, recipe=recipe, folder=folder, **how)
    return log


def weights(folder):
    return dpo.load_tuned(folder, CPU)[0].state_dict()


def test_the_loss_of_a_case_by_hand():
    win, loss, of_win, of_loss = (torch.tensor(v) for v in ([0.10, 0.30], [0.40, 0.20], [0.12, 0.20], [0.30, 0.20]))
    # Margins: (-0.02) - 0.10 = -0.12 and 0.10 - 0 = 0.10, times beta / 2 = 10.
    expected = (np.log1p(np.exp(-1.2)) + np.log1p(np.exp(1.0))) / 2
    assert dpo.dpo_loss(win, loss, of_win, of_loss, beta=20.0).item() == pytest.approx(expected, abs=1e-6)
    assert dpo.dpo_loss(loss, win, of_loss, of_win, beta=20.0).item() != pytest.approx(expected, abs=1e-2)


def test_the_gradient_lowers_the_winners_error_and_raises_the_losers():
    win, loss = (torch.tensor([0.2], requires_grad=True) for _ in range(2))
    dpo.dpo_loss(win, loss, torch.tensor([0.2]), torch.tensor([0.2]), beta=100.0).backward()
    assert win.grad.item() == pytest.approx(25.0) and loss.grad.item() == pytest.approx(-25.0)


@pytest.mark.parametrize("prediction", ["eps", "v", "flow", "x_0"])
def test_with_adapters_a_network_begins_as_the_reference(unet, prediction):
    forward, policy = forward_process("squaredcos_cap_v2", prediction), small_unet(n_classes=3)
    dpo.add_adapters(policy, 4, seed=0)
    how = {"unet": unet, "forward": forward, "sampling": "uniform", "number": 3}
    sides = dpo.alike_noised(IMAGES, np.arange(8), **how)
    assert torch.equal(sides[0].time, sides[1].time)
    own, reference = ([dpo.errors(network, task) for task in sides] for network in (policy, unet))
    assert all(torch.equal(*both) for both in zip(own, reference, strict=True))
    assert dpo.dpo_loss(*own, *reference, beta=2000.0).item() == np.float32(np.log(2))


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_winners_become_likelier_than_losers_and_swapped_the_reverse(unet, tmp_path, adapter):
    log = tuned(unet, tmp_path / "own", adapter=adapter)
    assert log["loss"].iloc[-1] < np.log(2)
    assert log["win"].iloc[-1] < log["lose"].iloc[-1]
    swapped = tuned(unet, tmp_path / "swapped", (LOSS, WIN, IMAGES[2]), adapter=adapter)
    assert swapped["win"].iloc[-1] < swapped["lose"].iloc[-1]  # what is now called the winner
    own, before = weights(tmp_path / "own"), unet.state_dict()
    assert any(not torch.equal(own[name], before[name]) for name in before)


def test_a_stopped_tuning_goes_on_as_if_it_had_not_been_stopped(unet, tmp_path):
    def watch(network):
        return {"first": network.conv_in.weight.sum().item()}

    whole = tuned(unet, tmp_path / "whole", adapter="full", watch=watch, watch_every=10)
    tuned(unet, tmp_path / "half", adapter="full", watch=watch, watch_every=10, steps_at_most=10)
    assert not (tmp_path / "half" / dpo.RESULT).exists()
    again = tuned(unet, tmp_path / "half", adapter="full", watch=watch, watch_every=10)
    pd.testing.assert_frame_equal(again, whole)
    one, other = (weights(tmp_path / name) for name in ("whole", "half"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    watched = [pd.read_csv(tmp_path / name / dpo.WATCHED) for name in ("whole", "half")]
    pd.testing.assert_frame_equal(*watched)
    assert watched[0]["step"].tolist() == [0, 10, 20]
    pd.testing.assert_frame_equal(tuned(unet, tmp_path / "half"), whole)  # it is there, and not done again


def test_it_stops_where_the_winners_become_less_likely(unet, tmp_path):
    log = tuned(unet, tmp_path, learning_rate=1e-2, beta=5000.0, adapter="full", steps=60, largest_rise=-1.0)
    assert log["step"].tolist() == [10]


def test_a_rise_of_the_learning_rate_begins_with_small_steps_and_ends_at_the_whole(unet, tmp_path):
    """Adam's first step is the learning rate in every weight that has a gradient."""
    before = unet.state_dict()["conv_in.weight"]
    reached = {}
    for warm_up in (0, 4):
        folder = tmp_path / str(warm_up)
        tuned(unet, folder, adapter="full", steps=1, warm_up=warm_up)
        reached[warm_up] = (weights(folder)["conv_in.weight"] - before).abs().max().item()
    assert reached[0] == pytest.approx(RECIPE.learning_rate, rel=1e-2)
    assert reached[4] == pytest.approx(RECIPE.learning_rate / 4, rel=1e-2)


def test_winners_alone_are_a_plain_training(unet, tmp_path):
    one = tuned(unet, tmp_path / "one", objective="winners", adapter="full")
    other = tuned(unet, tmp_path / "other", (WIN, WIN[::-1].copy(), IMAGES[2]), objective="winners", adapter="full")
    assert one["loss"].tolist() == other["loss"].tolist()
    assert one["win"].iloc[-1] < 0


def test_without_pairs_there_is_nothing_to_tune(unet, tmp_path):
    with pytest.raises(StudyError, match="without pairs"):
        tuned(unet, tmp_path, (WIN[:0], LOSS[:0], IMAGES[2][:0]))


def test_winners_are_the_best_of_a_class_and_losers_the_worst():
    labels, rewards = np.repeat([0, 1], 10), np.tile(np.arange(10.0), 2)
    win, loss = dpo.ranked_pairs(rewards, labels, n=40, generator=np.random.default_rng(0))
    assert (labels[win] == labels[loss]).all() and set(labels[win]) == {0, 1}
    assert rewards[win].min() >= 7 and rewards[loss].max() <= 2
    with pytest.raises(StudyError, match="identity 2 has a single image"):
        dpo.ranked_pairs(np.append(rewards, 0.0), np.append(labels, 2), n=4, generator=np.random.default_rng(0))


def test_a_committee_says_the_mean_of_its_members(monkeypatch):
    monkeypatch.setattr(dpo, "identity_reward", lambda oracle: lambda images, labels: np.full(len(labels), oracle))
    assert dpo.committee_reward([1.0, 4.0])(None, np.zeros(2)).tolist() == [2.5, 2.5]


def test_a_sum_of_rewards_weighs_them_alike():
    rewards = [lambda images, labels: np.array([0.0, 1.0, 2.0]), lambda images, labels: np.array([300.0, 200.0, 100.0])]
    assert np.allclose(dpo.summed_reward(*rewards)(None, None), 0)


def test_tunings_side_by_side_are_those_that_follow_each_other(unet, tmp_path):
    swapped = IMAGES[1], IMAGES[0], IMAGES[2]
    how = {"recipe": RECIPE, "named": lambda name: iter}
    folders = dpo.tune_each(unet, FORWARD, {"as they are": IMAGES, "swapped": swapped}, folder=tmp_path, **how)
    assert [folder.name for folder in folders.values()] == ["as_they_are", "swapped"]
    for folder, images in zip(folders.values(), (IMAGES, swapped), strict=True):
        tuned(unet, tmp_path / "alone" / folder.name, images)
        own, alone = weights(folder), weights(tmp_path / "alone" / folder.name)
        assert own.keys() == alone.keys() and all(torch.equal(own[key], alone[key]) for key in own)
