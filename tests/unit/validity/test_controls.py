"""The estimators on controls, by hand, and the search for copies on copiers."""

import numpy as np
import pandas as pd
import pytest
import torch
from known_oracle import ORACLE, avatars, faces_and_oracle, predict, rng
from small_training import small_unet

from kpop_rca import degradations, rca, validity
from kpop_rca.controls import disguised
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.oracles import training


def test_control_trial_by_hand():
    """An oracle of exactly the same fractions on either half: only the class-blind one has noise."""
    labels, predicted = faces_and_oracle(n=200)
    halved = [np.flatnonzero((np.arange(len(labels)) % 2) == side) for side in (0, 1)]
    for half in halved:
        predicted[half] = faces_and_oracle(n=100)[1]
    found = validity.control_trial(labels, predicted, parts=halved, pair=(2, 3), n_replicates=300, generator=rng())
    value = found.pivot(index="control", columns="estimator", values="value")
    assert value.loc["perfect"].tolist() == pytest.approx([1, 1, 1])
    # 2 and 3 exchanged: classified as requested are 80 and 85 of 0 and 1, 10 and 25 of the two, of 320 that are right.
    assert value.loc["swapped pair", "rca"] == pytest.approx(200 / 320)
    assert value.loc["swapped pair", "confusion_corrected_accuracy"] == pytest.approx(0.5)
    assert value.loc["one for all"].tolist() == pytest.approx([0, 0.25, 0.25 / 0.8])
    assert value.loc["class-blind", "confusion_corrected_accuracy"] == pytest.approx(0.25, abs=0.1)
    pairs = found.set_index(["control", "estimator"])
    assert (
        pairs.loc[("swapped pair", "confusion_corrected_accuracy"), "covered"] == 1
        and pairs.loc[("swapped pair", "rca"), "covered"] == 0
    )
    assert pairs.loc[("swapped pair", "chance_corrected"), "target"] == pytest.approx(1 / 3)
    assert pairs.loc[("one for all", "chance_corrected"), "covered"] == 1  # 0, and not the truth of 0.25


def test_the_zero_of_rca_depends_on_the_oracle_and_that_of_the_corrected_accuracy_does_not():
    labels, good = faces_and_oracle()
    _, worse = faces_and_oracle(fractions=0.5 * ORACLE + 0.125)
    hopeless = np.zeros_like(labels)
    predictions = pd.concat(
        pd.DataFrame(
            {"oracle": name, "trained_on": "oracle", "image": np.arange(480), "label": labels, "predicted": predicted}
        ).sample(frac=1, random_state=0)
        for name, predicted in {"good": good, "worse": worse, "hopeless": hopeless}.items()
    )
    parts = validity.halves(labels, generator=rng())
    found = validity.class_blind_by_oracle(predictions, parts=parts).set_index("oracle")
    np.testing.assert_allclose(found["rca"], 0.25 / found["accuracy_real"])
    assert found.loc["worse", "rca"] > 1.3 * found.loc["good", "rca"]
    np.testing.assert_allclose(found.loc[["good", "worse"], "confusion_corrected_accuracy"], 0.25)
    np.testing.assert_allclose(found.loc[["good", "worse"], "chance_corrected"], 0, atol=1e-12)
    assert np.isnan(found.loc["hopeless", "confusion_corrected_accuracy"])


def test_copies_score_as_real_faces_and_only_the_search_tells_them_apart(monkeypatch):
    monkeypatch.setattr(training, "predict", predict)
    train, held_out, others = (avatars(n, seed=n) for n in (150, 130, 140))
    held_out = held_out[0][::-1], held_out[1][::-1]
    noisy = degradations.noised(train[0], 8, generator=rng()), train[1]
    suspects = {"copies": train, "noisy copies": noisy, "no copies": others}
    real = rca.confusion_counts(held_out[1], held_out[1], 3)
    found = validity.copy_trial(
        suspects, "of crisp ones", real, train=train, held_out=held_out, n_replicates=100, generator=rng()
    ).set_index("suspect")
    np.testing.assert_allclose(found[["rca", "confusion_corrected_accuracy"]], 1)
    assert found["copies"].tolist() == [True, True, False]
    assert found.loc["copies", ["fraction_nearer_train", "excess"]].tolist() == [1, 1]
    assert found.loc["no copies", "fraction_by_chance"] == pytest.approx(150 / 280, abs=0.01)
    # Within three standard errors.
    assert found.loc["no copies", "fraction_nearer_train"] == pytest.approx(150 / 280, abs=0.15)


def test_copies_are_found_in_every_disguise_with_many_and_with_few_held_out_faces():
    """At the paper's ratio of 850 training to 49 held-out faces, and whether all or 12 % of the images are copies."""
    train, held_out, others = (avatars(n, seed=n) for n in (510, 300, 1100))
    order = rng().permutation(510)[:150]
    copies = disguised(
        (train[0][order], train[1][order]),
        small_unet(n_classes=3),
        forward_process("squaredcos_cap_v2"),
        generator=torch.Generator().manual_seed(0),
    )
    assert len(copies) == 5 and all(
        (part.shape, part.dtype) == ((150, 12, 12, 3), np.uint8) for part in copies.values()
    )
    found = validity.disguise_trial(copies, others[0], train=train, held_out=held_out, generator=rng())
    assert found["n_held_out"].unique().tolist() == [300, 30]
    assert found.groupby("copied")["n"].first().to_dict() == {0: 1100, 0.12: 1250, 1: 150}
    assert found["found"].tolist() == (found["copied"] > 0).tolist()
    assert found[found["copied"] == 0.12]["excess"].between(0.1, 0.2).all()
