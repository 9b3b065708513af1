"""Broken generators: what each shows, what is estimated of it by hand, and copies."""

import numpy as np
import pandas as pd
import pytest
import torch
from known_judge import JUDGE, avatars, counts, faces_and_judge, judge_images, rng
from small_training import small_unet

from kpop_rca import broken_generators, degradation, rca, trials
from kpop_rca.diffusion.samplers import forward_process
from kpop_rca.oracles import training


def test_the_pair_that_is_confused_most():
    assert broken_generators.most_confused(counts(JUDGE, 100)) == (2, 3)
    assert broken_generators.most_confused(np.eye(3, dtype=int)) == (0, 1)


def test_broken_generators_show_what_they_say():
    labels = np.repeat([0, 1, 2, 3], 50)
    found = broken_generators.broken_conditions(labels, (1, 3), generator=rng())
    assert [truth for _, _, truth in found.values()] == [1, 0.5, 0.25, 0.25]
    for name, (shown, asked, truth) in found.items():
        realised = (labels[shown] == asked).mean()
        assert realised == pytest.approx(truth, abs=0.1 if name == "class-blind" else 1e-12)
        assert (np.bincount(asked) == 50).all()
    shown, asked, _ = found["swapped pair"]
    assert set(zip(labels[shown].tolist(), asked.tolist(), strict=True)) == {(0, 0), (1, 3), (2, 2), (3, 1)}
    assert (labels[found["one for all"][0]] == 0).all()


def test_broken_trial_by_hand():
    """A judge of exactly the same shares on either half: what is estimated has no noise but in the class-blind one."""
    labels, judged = faces_and_judge(n=200)
    halved = [np.flatnonzero((np.arange(len(labels)) % 2) == side) for side in (0, 1)]
    for half in halved:
        judged[half] = faces_and_judge(n=100)[1]
    found = broken_generators.broken_trial(labels, judged, parts=halved, pair=(2, 3), n_replicates=300, generator=rng())
    value = found.pivot(index="broken", columns="estimator", values="value")
    assert value.loc["perfect"].tolist() == pytest.approx([1, 1, 1])
    # 2 and 3 exchanged: judged as asked are 80 and 85 of 0 and 1, 10 and 25 of the two, of 320 that are right.
    assert value.loc["swapped pair", "rca"] == pytest.approx(200 / 320)
    assert value.loc["swapped pair", "fidelity"] == pytest.approx(0.5)
    assert value.loc["one for all"].tolist() == pytest.approx([0, 0.25, 0.25 / 0.8])
    assert value.loc["class-blind", "fidelity"] == pytest.approx(0.25, abs=0.1)
    pairs = found.set_index(["broken", "estimator"])
    assert pairs.loc[("swapped pair", "fidelity"), "held"] == 1 and pairs.loc[("swapped pair", "rca"), "held"] == 0
    assert pairs.loc[("swapped pair", "chance_corrected"), "target"] == pytest.approx(1 / 3)
    assert pairs.loc[("one for all", "chance_corrected"), "held"] == 1  # 0, and not the truth of 0.25


def test_the_zero_of_rca_depends_on_the_judge_and_that_of_fidelity_does_not():
    labels, good = faces_and_judge()
    _, worse = faces_and_judge(shares=0.5 * JUDGE + 0.125)
    hopeless = np.zeros_like(labels)
    answers = pd.concat(
        pd.DataFrame(
            {"judge": name, "trained_on": "judge", "image": np.arange(480), "label": labels, "judged": says}
        ).sample(frac=1, random_state=0)
        for name, says in {"good": good, "worse": worse, "hopeless": hopeless}.items()
    )
    found = broken_generators.blind_by_judge(answers, parts=trials.halves(labels, generator=rng())).set_index("judge")
    np.testing.assert_allclose(found["rca"], 0.25 / found["accuracy_real"])
    assert found.loc["worse", "rca"] > 1.3 * found.loc["good", "rca"]
    np.testing.assert_allclose(found.loc[["good", "worse"], "fidelity"], 0.25)
    np.testing.assert_allclose(found.loc[["good", "worse"], "chance_corrected"], 0, atol=1e-12)
    assert np.isnan(found.loc["hopeless", "fidelity"])


def test_copies_score_as_real_faces_and_only_the_search_tells_them_apart(monkeypatch):
    monkeypatch.setattr(training, "judge_images", judge_images)
    train, held_out, others = (avatars(n, seed=n) for n in (150, 130, 140))
    held_out = held_out[0][::-1], held_out[1][::-1]
    noisy = degradation.noised(train[0], 8, generator=rng()), train[1]
    suspects = {"copies": train, "noisy copies": noisy, "no copies": others}
    real = rca.confusion_counts(held_out[1], held_out[1], 3)
    found = broken_generators.copy_trial(
        suspects, "of crisp ones", real, train=train, held_out=held_out, n_replicates=100, generator=rng()
    ).set_index("suspect")
    np.testing.assert_allclose(found[["rca", "fidelity"]], 1)
    assert found["copies"].tolist() == [True, True, False]
    assert found.loc["copies", ["share_nearer_train", "excess"]].tolist() == [1, 1]
    assert found.loc["no copies", "share_by_chance"] == pytest.approx(150 / 280, abs=0.01)
    assert found.loc["no copies", "share_nearer_train"] == pytest.approx(150 / 280, abs=0.15)  # three standard errors


def test_copies_are_found_in_every_disguise_with_many_and_with_few_held_out_faces():
    """At the paper's ratio of 850 training to 49 held-out faces, and whether all or 12 % of the images are copies."""
    train, held_out, others = (avatars(n, seed=n) for n in (510, 300, 1100))
    order = rng().permutation(510)[:150]
    copies = broken_generators.disguised(
        (train[0][order], train[1][order]),
        small_unet(n_classes=3),
        forward_process("squaredcos_cap_v2"),
        generator=torch.Generator().manual_seed(0),
    )
    assert len(copies) == 5 and all(
        (part.shape, part.dtype) == ((150, 12, 12, 3), np.uint8) for part in copies.values()
    )
    found = broken_generators.disguise_trial(copies, others[0], train=train, held_out=held_out, generator=rng())
    assert found["n_held_out"].unique().tolist() == [300, 30]
    assert found.groupby("copied")["n"].first().to_dict() == {0: 1100, 0.12: 1250, 1: 150}
    assert found["found"].tolist() == (found["copied"] > 0).tolist()
    assert found[found["copied"] == 0.12]["excess"].between(0.1, 0.2).all()


def test_what_is_diffused_lightly_is_the_same_photograph_drawn_anew():
    images, labels = avatars(60, seed=0)
    unet, forward = small_unet(n_classes=3), forward_process("squaredcos_cap_v2")
    once, again = (
        broken_generators.diffused((images, labels), unet, forward, generator=torch.Generator().manual_seed(0))
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)
    away = np.abs(once.astype(float) - images).mean()
    to_another = np.abs(np.roll(images, 3, axis=0).astype(float) - images).mean()
    assert 3 < away < to_another / 2


def test_a_shift_repeats_the_border_and_a_compression_is_slight():
    images, _ = avatars(12, seed=0)
    moved = broken_generators.shifted(images)
    np.testing.assert_array_equal(moved[:, 1:, 1:], images[:, :-1, :-1])
    np.testing.assert_array_equal(moved[:, 0, 1:], images[:, 0, :-1])
    smooth = degradation.blurred(images, 2)
    errors = [
        np.abs(broken_generators.compressed(smooth, quality=quality).astype(float) - smooth).mean()
        for quality in (95, 50)
    ]
    assert 0 < errors[0] < errors[1] < 10
