"""Tunings one at a time: what they are tuned with, what they are compared with, and how much of a gap they close."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import small_unet

from kpop_rca.diffusion.objective import forward_process
from kpop_rca.errors import StudyError
from kpop_rca.preferences import dpo, experiment, trials, tunings

LABELS = np.repeat([0, 1], 8)


def shades(first):
    return np.broadcast_to((first + np.arange(16, dtype=np.uint8))[:, None, None, None], (16, 4, 4, 3)), LABELS


def brightness(images, labels):
    return images.mean(axis=(1, 2, 3))


@dataclass
class Made:
    """Images and a reward in place of a generator's and an oracle's."""

    base_images: tuple = shades(100)
    few: tuple = shades(50)
    seed: int = 0

    def candidates(self, times=1):
        return self.few if times == 1 else shades(80)

    def rewarded(self, reward):
        return {experiment.IDENTITY: brightness}[reward]

    def faces(self, split):
        return shades(7)


def test_winners_are_brighter_than_losers_where_brightness_is_the_reward():
    win, loss, labels = tunings.preference_images(Made(), experiment.IDENTITY, recipe=dpo.TuningRecipe(steps=4))
    assert len(labels) == 32 and (brightness(win, labels) > brightness(loss, labels)).all()
    assert win.min() >= 50 and win.max() < 66  # candidates, and no image that a tuning is measured by


def test_a_smaller_fraction_of_more_candidates_leaves_the_extremes():
    recipe = dpo.TuningRecipe(steps=4, candidates=4, fraction=0.125)
    win, loss, _ = tunings.preference_images(Made(), experiment.IDENTITY, recipe=recipe)
    assert set(win.ravel()) == {87, 95} and set(loss.ravel()) == {80, 88}


def test_random_pairs_follow_no_reward_and_real_faces_are_those_of_training():
    win, loss, labels = tunings.preference_images(Made(), experiment.RANDOM, recipe=dpo.TuningRecipe(steps=4))
    assert 0 < (brightness(win, labels) > brightness(loss, labels)).mean() < 1
    real = tunings.preference_images(Made(), experiment.REAL, recipe=dpo.TuningRecipe(steps=4))
    assert real[0].min() >= 7 and real[0].max() < 23 and np.array_equal(real[0], real[1])


def test_the_better_of_each_two():
    made = Made(few=(np.where(np.arange(16)[:, None, None, None] % 2, 200, 0).repeat(4, axis=1).repeat(4, axis=2)
                            .repeat(3, axis=3).astype(np.uint8), LABELS))  # fmt: skip
    images, labels = tunings.best_of_two(made, experiment.IDENTITY)
    assert np.array_equal(labels, LABELS)
    assert images[1::2].min() == 200 and np.array_equal(images[::2], made.base_images[0][::2])


def test_a_gap_is_beside_the_base_of_its_own_seed():
    table = pd.DataFrame(
        {"tuning": [trials.BASE, "a", trials.BASE, "a", "a"], "seed": [0, 0, 1, 1, 2],
         "rca_held_out": [0.6, 0.7, 0.8, 0.7, 0.9]}
    ).assign(rca_other_photographs=0.5)  # fmt: skip
    found = tunings.with_gaps(table)
    assert found["gap_closed_held_out"].tolist() == pytest.approx([0, 0.25, 0, -0.5])
    assert set(found["seed"]) == {0, 1}  # seed 2 has no base


def test_images_are_made_once(tmp_path):
    class Kept(experiment.Experiment):
        folder = tmp_path

    one, made = Kept({"study": "smoke"}, 0, 1, 1, 1, None), []

    def make():
        made.append(1)
        return shades(3)

    first, again = (one.kept("it's, this", make) for _ in range(2))
    assert len(made) == 1 and np.array_equal(first[0], again[0]) and (tmp_path / "images" / "its-this.npz").is_file()


def test_every_name_is_measured_or_refused():
    assert len(set(tunings.EVERY)) == len(tunings.EVERY)
    with pytest.raises(StudyError, match="there is no tuning 'mine'"):
        tunings.images_of(Made(), "mine")


def test_the_chosen_recipe_has_the_largest_rca_of_those_that_keep_quality_by_oracles_that_do_not_report():
    names = [trials.BASE, "adapters, 1e-3", "adapters, 3e-3", "all weights, 1e-4"]
    table = pd.DataFrame(
        {"tuning": names, "rca_validation": [0.6, 0.7, 0.8, 0.75], "rca_held_out": [0.6, 0.9, 0.6, 0.6]}
    )
    table = table.assign(frechet_validation=[4.0, 4.0, 5.1, 5.0], frechet=9.0)
    assert tunings.chosen_recipe(table) == "all weights, 1e-4"
    assert tunings.chosen_recipe(table.assign(frechet_validation=[4.0, 4.0, 5.0, 5.0])) == "adapters, 3e-3"
    with pytest.raises(StudyError, match=r"more than 1\.25 times"):
        tunings.chosen_recipe(table.assign(frechet_validation=[1.0, 4.0, 5.0, 5.0]))


def test_controls_differ_from_one_round_of_the_headline_in_their_winners_alone():
    first = dict(tunings.CHOSEN, rounds=1)
    for name in [name for name in tunings.TUNED if name != tunings.HEADLINE]:
        by_winners = {"objective": "winners"} if name.startswith(("winners only", "real faces")) else {}
        assert tunings.TUNED[name][1] == first | by_winners, name


def test_a_second_round_starts_from_what_the_first_has_left_and_is_tuned_by_its_images(tmp_path, monkeypatch):
    class Small(experiment.Experiment):
        n_classes = 2
        folder, base = tmp_path, (small_unet(n_classes=3).eval(), forward_process("squaredcos_cap_v2", "flow"))

        def plan(self, images=0):
            return images

        def observers_of(self, reward):
            return None

        def rewarded(self, reward):
            return brightness

        def sampled(self, model, plan):
            asked.append((weight_of(model), plan))
            rng = np.random.default_rng(len(asked))
            return rng.integers(0, 255, (16, 16, 16, 3), dtype=np.uint8), LABELS

    def weight_of(model):
        return model[0].conv_out.weight.detach().clone()

    asked = []
    monkeypatch.setitem(tunings.RECIPES, "twice", (experiment.IDENTITY, {"adapter": "full", "rounds": 2, "steps": 3}))
    monkeypatch.setattr(trials, "Watch", lambda *of: lambda unet: {"identity_own": unet.conv_out.weight.sum().item()})
    monkeypatch.setattr(trials, "other_noise", lambda plan, number=1: number)
    one = Small({"study": "smoke", "timestep_sampling": "uniform"}, 0, 1, 4, 3, torch.device("cpu"))
    log, curve = tunings._tuned(one, "twice")
    (of_base, first), (of_tuned, second) = asked
    left = dpo.load_tuned(tmp_path / "tunings" / "twice", one.device)
    assert first != second and of_base.equal(weight_of(one.base)) and of_tuned.equal(weight_of(left))
    assert not of_base.equal(of_tuned) and not weight_of(tunings._tuned_model(one, "twice")).equal(of_tuned)
    assert log["step"].tolist() == [3, 6] and curve["step"].tolist() == [0, 3, 6]
    again = tunings._tuned(one, "twice")
    assert len(asked) == 2
    pd.testing.assert_frame_equal(again[0], log)
    pd.testing.assert_frame_equal(again[1], curve)
