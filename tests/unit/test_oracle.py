import dataclasses

import numpy as np
import pytest
import torch

from kpop_rca import oracle
from kpop_rca.errors import StudyError

CPU = torch.device("cpu")
RECIPE = oracle.Recipe(width=8, warmup_epochs=1, epochs=10, batch_size=16, learning_rate=3e-3, pretrained=False, seed=0)


@pytest.fixture
def splits(coloured_faces):
    images, labels = coloured_faces
    return {
        "train": (images[:72], labels[:72]),
        "validation": (images[72:96], labels[72:96]),
        "test": (images[96:], labels[96:]),
    }


def train(splits, folder, architecture="resnet10", recipe=RECIPE):
    return oracle.train_or_load(
        architecture, splits, recipe=recipe, folder=folder / architecture, device=CPU, bar=lambda epochs, desc: epochs
    )


@pytest.mark.parametrize(("architecture", "millions"), [("resnet18", 11.2), ("resnet34", 21.3), ("resnet50", 23.5)])
def test_full_width_has_the_published_size(architecture, millions):
    judge = oracle.SmallImageResNet(architecture, n_classes=10, width=64)
    assert sum(p.numel() for p in judge.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_the_stem_keeps_the_resolution():
    judge = oracle.SmallImageResNet("resnet10", n_classes=3, width=8).eval()
    shapes = []
    judge.layer1.register_forward_hook(lambda module, given, made: shapes.append(tuple(made.shape)))
    assert judge(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert shapes == [(2, 8, 32, 32)]


def test_augmentation_mirrors_and_shifts_within_reach():
    ramp = torch.arange(32, dtype=torch.uint8).repeat(64, 32, 1)[..., None].repeat(1, 1, 1, 3)
    seen = oracle.augment(ramp, generator=torch.Generator().manual_seed(0))
    middle = seen[:, 16, 16, 0].int()
    assert set(middle.tolist()) <= set(range(13, 19))
    rising = (seen[:, 16, 20, 0].int() > middle).float().mean()
    assert 0.3 < rising < 0.7
    assert torch.equal(seen[..., 0], seen[..., 2])


def test_a_judge_learns_and_says_what_it_started_from(splits, tmp_path):
    about = train(splits, tmp_path)
    assert about["test"]["accuracy"] == 1.0
    assert about["starts_from"] == "random weights (not asked for)"
    answers = oracle.test_answers(tmp_path, "resnet10")
    assert answers.columns.tolist() == ["label", "judged", "p_0", "p_1", "p_2"]
    assert answers["label"].tolist() == splits["test"][1].tolist()


def test_a_saved_judge_says_the_same_whatever_the_batch(splits, tmp_path):
    train(splits, tmp_path)
    judge = oracle.load_judge(tmp_path / "resnet10", CPU)
    whole, features = oracle.judge_images(judge, splits["test"][0])
    assert features.shape == (24, 64)
    one_by_one = np.concatenate([oracle.judge_images(judge, image[None])[0] for image in splits["test"][0]])
    np.testing.assert_allclose(whole, one_by_one, atol=1e-5)  # float32 sums in another order
    saved = oracle.test_answers(tmp_path, "resnet10")[["p_0", "p_1", "p_2"]].to_numpy()
    np.testing.assert_allclose(whole, saved, atol=1e-6)


def test_a_finished_judge_is_not_trained_again(splits, tmp_path):
    first = train(splits, tmp_path)
    written = (tmp_path / "resnet10/judge.safetensors").stat().st_mtime_ns
    assert train(splits, tmp_path) == first
    assert (tmp_path / "resnet10/judge.safetensors").stat().st_mtime_ns == written


def test_the_best_epoch_by_validation_loss_is_kept(splits, tmp_path):
    judge, _ = oracle.build_judge("resnet10", n_classes=3, recipe=RECIPE)
    history = oracle.train_judge(
        judge,
        splits["train"],
        splits["validation"],
        recipe=RECIPE,
        frozen_first=False,
        device=CPU,
        bar=lambda e, desc: e,
    )
    assert oracle.evaluate(judge, *splits["validation"])["loss"] == pytest.approx(history["validation_loss"].min())


def test_the_warm_up_trains_only_the_new_layers(splits):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    judge, _ = oracle.build_judge("resnet10", n_classes=3, recipe=recipe)
    before = {name: p.detach().clone() for name, p in judge.named_parameters()}
    changed = []

    def watch(epochs, desc):
        for epoch in epochs:
            yield epoch
            changed.append(
                (desc, {n.split(".")[0] for n, p in judge.named_parameters() if not torch.equal(p, before[n])})
            )

    oracle.train_judge(
        judge, splits["train"], splits["validation"], recipe=recipe, frozen_first=True, device=CPU, bar=watch
    )
    assert changed[0] == ("frozen backbone", {"conv1", "fc"})
    assert "layer4" in changed[1][1]


def test_the_judge_is_chosen_without_the_test_split(tmp_path):
    for name, validation, test in (("resnet10", 0.8, 0.7), ("resnet18", 0.7, 0.9)):
        about = {"validation": {"accuracy": validation}, "test": {"accuracy": test}}
        oracle.artifacts.write_json(tmp_path / name / "about.json", about)
    assert oracle.select(tmp_path, "best") == "resnet10"
    assert oracle.select(tmp_path, "resnet18") == "resnet18"
    with pytest.raises(StudyError, match="selected_judge is 'resnet50', but the judges are resnet10, resnet18"):
        oracle.select(tmp_path, "resnet50")


def write_answers(folder, judge, judged, labels):
    (folder / judge).mkdir()
    oracle.pd.DataFrame({"label": labels, "judged": judged}).to_parquet(folder / judge / "test_answers.parquet")


def test_judges_are_compared_on_the_same_faces(tmp_path):
    """Six faces that only the first gets right and one that only the other does: p = 2 (1 + 7) / 2^7."""
    labels = np.zeros(10, dtype=int)
    write_answers(tmp_path, "a", [0] * 9 + [1], labels)
    write_answers(tmp_path, "b", [0] * 3 + [1] * 6 + [0], labels)
    row = oracle.paired_comparisons(tmp_path, ["a", "b"]).iloc[0]
    assert (row["only_judge_right"], row["only_other_right"]) == (6, 1)
    assert row["p"] == pytest.approx(2 * 8 / 128)
