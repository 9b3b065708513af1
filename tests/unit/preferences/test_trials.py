"""Trials of scorers at their smallest: what each recipe makes, what is said of it, and what a tuning cost."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import small_unet

from kpop_rca.diffusion.generation import GenerationPlan
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.preferences import benchmark, dpo, guidance, trials
from kpop_rca.preferences.scorer import ScorerRecipe

PLAN = GenerationPlan(sampler="ddim", steps=2, guidance=0.0, images_per_identity=5, batch_size=4, seed=0)


def faces(seed, n=24):
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2), np.arange(n) % 3


@pytest.fixture(scope="module")
def material():
    torch.manual_seed(0)
    oracle = SmallImageResNet("resnet10", n_classes=3, width=8).eval()
    parts = {part: faces(k) for k, part in enumerate((trials.TRAINING, trials.DEVELOPMENT, trials.HELD_OUT))}
    landmarks = {part: np.full((24, 10), np.nan) for part in parts}
    model = small_unet(n_classes=3).eval(), forward_process("squaredcos_cap_v2", "flow")
    return trials.Material(model, oracle, parts, landmarks, faces(3), 12, ScorerRecipe(epochs=1), 0)


def test_every_recipe_of_pairs(material):
    found = trials.training_pairs(material)
    assert list(found) == list(trials.TRAINED)
    assert {len(pairs) for pairs in found.values()} == {12}
    kinds = {name: set(pairs.table["kind"]) for name, pairs in found.items()}
    assert kinds[trials.MIXED] == {"inpainted", "generated", "degraded"}
    assert set(found[trials.FIXED_LOW].table["strength"]) == {0.1}
    assert np.array_equal(found[trials.PAPER].win, found[trials.MATCHED].win)
    assert (found[trials.WHOLE].win != found[trials.WHOLE].loss).any(axis=3).mean() > 0.9


def test_every_scorer_has_a_fraction_of_all(material):
    scorers = trials.trained_scorers(material, trials.training_pairs(material, trials.IN_FACE_SCORE))
    every = trials.as_scorers(scorers) | {trials.FACE_SCORE: trials.face_score(material, scorers)}
    plan = trials.replace(PLAN, images_per_identity=2)
    steps = trials.all_ladders(material, plan, [material.model] * 2, n_images=6, n_classes=3)
    assert np.array_equal(*steps[trials.TRAININGS])  # the same noise whatever the model
    own = trials.held_out_pairs(material)
    baselines = trials.baselines(material)
    table = trials.with_means(benchmark.scorer_table(every | baselines, own, steps))
    assert table["fraction"].between(0, 1).all() and len(table) == (3 + len(baselines)) * (3 + 6 + 2)
    blind = table[(table["scorer"] == trials.FACE_SCORE) & (table["name"] == trials.TRAININGS)]
    assert blind["fraction"].item() == 0.5  # twice the same model
    mean = table[(table["scorer"] == trials.SHARPNESS) & (table["kind"] == "mean")].set_index("name")["fraction"]
    of_ladders = table[(table["scorer"] == trials.SHARPNESS) & (table["kind"] == "ladder")]["fraction"]
    assert mean["ladders, mean"] == pytest.approx(of_ladders.mean())
    assert len(trials.answer(table)) == 3


def test_the_answer_is_no_where_nothing_is_upside_down():
    rows = [(name, kind, part, 0.9) for name in (trials.PAPER, trials.SHARPNESS, trials.FACE_SCORE) for kind, part in
            (("pairs", trials.ADAPTIVE_PAIRS), ("ladder", "blur"))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["scorer", "kind", "name", "fraction"])
    assert trials.answer(table)[0].startswith("No: FaceScore's recipe orders 90 % of its own held-out pairs")


def observers(material, *, other=True):
    oracle = material.oracle
    kinds = {"rewarding": [oracle], "held out": [oracle] if other else [], "other photographs": []}
    reward = {"identity": dpo.identity_reward(oracle)}
    real = material.faces[trials.HELD_OUT]
    return trials.Observers(reward, reward, kinds, real, Reference.of(mscn_moments(real[0])))


def test_real_faces_have_an_rca_of_1_and_no_distance(material):
    seen = observers(material)
    found = trials.measured(seen, seen.real)
    assert found["rca_held_out"] == 1 and found["frechet"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(found["rca_other_photographs"]) and found["identity_own"] == found["identity_held_out"]
    same = np.repeat(seen.real[0][:3], 8, axis=0), np.repeat([0, 1, 2], 8)
    alike = trials.measured(seen, same)
    assert alike["diversity"] < 1e-3 < found["diversity"]
    assert alike["frechet"] > 1e-3


def test_guidance_without_strength_is_sampling(material):
    plain = trials.sampled(material.model, PLAN, n_classes=3)
    assert len(plain[1]) == 15 and plain[1].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    towards = guidance.identity_guidance(material.oracle)
    guided = trials.guided_images(material.model, PLAN, towards, strength=0.0, n_classes=3)
    assert np.array_equal(guided[0], plain[0]) and np.array_equal(guided[1], plain[1])


def test_oracles_that_none_can_be_held_out_of(tmp_path):
    from small_oracle import write_oracle

    write_oracle(tmp_path, "resnet10-0", np.zeros(6, dtype=int), np.arange(6) % 3)
    with pytest.raises(StudyError, match="resnet10-0 is the only oracle of its faces"):
        trials.oracles_by_kind(tmp_path, rewarding="resnet10-0", device=torch.device("cpu"))


def test_a_head_on_a_network_that_is_not_there_says_why(material, monkeypatch):
    def missing(name):
        raise StudyError(f"the oracle {name} cannot be used: not installed")

    monkeypatch.setattr(trials, "open_embedding", missing)
    (row,) = trials.head_on_embedding(material, name="dlib", margin=0.25, most=6).to_dict("records")
    assert "fraction" not in row and row["n"] == 0 and row["why"] == "the oracle dlib cannot be used: not installed"


def test_a_head_on_features_of_crops(material, monkeypatch):
    monkeypatch.setattr(trials, "open_embedding", lambda name: name)
    monkeypatch.setattr(
        trials, "embed_crops", lambda _, crops, margin: crops.reshape(len(crops), -1)[:, ::97].astype(float)
    )
    table = trials.head_on_embedding(material, name="dlib", margin=0.25, most=6)
    assert table["name"].tolist() == [trials.ADAPTIVE_PAIRS, "JPEG", "downsampling"]
    assert table["n"].tolist() == [3, 3, 3] and table["fraction"].between(0, 1).all()


def test_real_faces_of_a_comparison_are_of_all_people(material):
    """The faces of a split come person by person, of which a first part has but some."""
    images = np.arange(90, dtype=np.uint8)[:, None, None, None] // 30 * np.ones((1, 4, 4, 3), dtype=np.uint8)
    sorted_faces = trials.replace(material, faces={trials.HELD_OUT: (images, np.arange(90) // 30)})
    assert set(trials.some_real(sorted_faces, 20)[:, 0, 0, 0]) == {0, 1, 2}


def test_rungs_of_ladders_have_names_of_their_own():
    images = [np.full((2, 4, 4, 3), k, dtype=np.uint8) for k in range(7)]
    steps = {trials.TRAININGS: images[:3], trials.SAMPLING: images[3:], "blur": images[:2]}
    found = trials.by_generator(steps, real=images[0], full_steps=80)
    assert [*found] == ["real faces", "80 training steps", "40 training steps", "20 training steps",
                        *(f"{n} sampling steps" for n in (16, 8, 4, 2))]  # fmt: skip
    assert found["20 training steps"].max() == 2


def test_copies_of_training_faces_are_counted(material):
    rng = np.random.default_rng(0)
    train, real = ((rng.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8), np.arange(60) % 3) for _ in range(2))
    seen = trials.replace(observers(material), train=train, real=real)
    copies, new = train, (rng.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8), np.arange(60) % 3)
    assert trials.measured(seen, copies)["copied"] > 0.9 > 0.4 > trials.measured(seen, new)["copied"]


def test_an_oracle_that_cannot_be_inverted_leaves_no_corrected_accuracy(material):
    seen = observers(material)
    useless = trials.replace(seen, answers=seen.real_counts | {"held out": [np.full((3, 3), 8)]})
    assert np.isnan(trials.measured(useless, seen.real)["confusion_corrected"])
    perfect = trials.replace(seen, answers=seen.real_counts | {"held out": [8 * np.eye(3, dtype=int)]})
    found = trials.measured(perfect, seen.real)  # an oracle that never errs has nothing to correct
    (own,) = seen.real_counts["held out"]
    assert found["confusion_corrected"] == pytest.approx(own.trace() / 24)
    assert found["rca_held_out"] == pytest.approx(own.trace() / 24)
