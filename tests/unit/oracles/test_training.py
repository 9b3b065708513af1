import dataclasses

import numpy as np
import pytest
import torch
from small_oracle import RECIPE
from torch.utils._python_dispatch import TorchDispatchMode
from tqdm import tqdm

from kpop_rca.oracles import augmentation, candidates, resnet, training
from kpop_rca.study import params

CPU = torch.device("cpu")


def train(splits, folder, architecture="resnet10", recipe=RECIPE):
    planned = training.Training(architecture, splits, recipe, folder / architecture, {"seed": 4, "trained_on": "train"})
    return training.train_or_load(planned, device=CPU, bar=lambda epochs, desc: epochs)


@pytest.mark.parametrize(("architecture", "millions"), [("resnet18", 11.2), ("resnet34", 21.3), ("resnet50", 23.5)])
def test_full_width_has_the_published_size(architecture, millions):
    oracle = resnet.SmallImageResNet(architecture, n_classes=10, width=64)
    assert sum(p.numel() for p in oracle.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_a_narrow_oracle_is_narrow_from_its_first_layer():
    """A sixteenth of the weights at a quarter of the width, but for the first and the last layer's quarter."""
    counts = []
    for width in (64, 16):
        oracle = resnet.SmallImageResNet("resnet18", n_classes=10, width=width)
        counts.append(sum(p.numel() for p in oracle.parameters() if p.ndim == 4) - oracle.conv1.weight.numel())
        assert oracle.conv1.weight.shape == (width, 3, 3, 3) and oracle.bn1.num_features == width
    assert counts[0] == 16 * counts[1]


def test_the_stem_keeps_the_resolution():
    oracle = resnet.SmallImageResNet("resnet10", n_classes=3, width=8).eval()
    shapes = []
    oracle.layer1.register_forward_hook(lambda module, given, made: shapes.append(tuple(made.shape)))
    assert oracle(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert shapes == [(2, 8, 32, 32)]


def test_augmentation_mirrors_and_shifts_within_reach():
    ramp = torch.arange(32, dtype=torch.uint8).repeat(64, 32, 1)[..., None].repeat(1, 1, 1, 3)
    seen = augmentation.augment(ramp, colour_jitter=0, generator=torch.Generator().manual_seed(0))
    middle = seen[:, 16, 16, 0].int()
    assert set(middle.tolist()) <= set(range(13, 19))
    rising = (seen[:, 16, 20, 0].int() > middle).float().mean()
    assert 0.3 < rising < 0.7
    assert torch.equal(seen[..., 0], seen[..., 2])


def test_the_list_of_the_recipe_is_what_the_optimiser_has():
    recipe = dataclasses.replace(RECIPE, weight_decay=0.02)
    oracle, _ = training.build_oracle("resnet10", n_classes=3, recipe=recipe)
    optimizer, schedule = training._steps_of_phase(oracle, "whole network", total=100, recipe=recipe)
    rates, betas = [], []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        betas.append(optimizer.param_groups[0]["betas"])
        optimizer.step()
        if len(rates) < 100:
            schedule.step()
    shown = recipe.table().set_index("setting")["value"]
    assert float(shown["weight_decay"]) == optimizer.param_groups[0]["weight_decay"] == 0.02
    assert shown["optimiser"] == f"AdamW, betas {betas[0][0]:g} and {betas[0][1]:g}, epsilon 1e-08"
    rise = (np.argmax(rates) + 1) / 100
    assert shown["one cycle, rise"] == (
        f"{rise:.0%} of the steps, from the learning rate / {max(rates) / rates[0]:g}; the first beta falls to "
        f"{min(betas)[0]:g}"
    )
    assert shown["one cycle, fall"] == (
        f"to the first rate / {rates[0] / rates[-1]:.0f}; the first beta rises to {betas[-1][0]:g}"
    )
    assert {field.name for field in dataclasses.fields(recipe)} <= set(shown.index)


class Waits(TorchDispatchMode):
    """Counts what a GPU's host would wait for: numbers read from tensors, and shapes that depend on them."""

    READING = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.masked_select)

    def __init__(self):
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.number += function.overloadpacket in self.READING
        return function(*args, **(kwargs or {}))


def test_an_epoch_is_waited_for_once(splits):
    """The steps of a small network are shorter than a GPU takes for a round trip."""
    recipe = dataclasses.replace(RECIPE, colour_jitter=0.1)
    oracle, _ = training.build_oracle("resnet10", n_classes=3, recipe=recipe)
    images, labels = (torch.as_tensor(part) for part in splits["train"])
    steps = training._steps_of_phase(oracle, "whole network", total=5, recipe=recipe)
    with Waits() as waits:
        training._train_epoch(oracle, images, labels, steps=steps, recipe=recipe, generator=torch.Generator())
    assert waits.number == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_faces_are_varied_without_waiting_for_the_gpu():
    gpu = torch.device("cuda")
    images, generator = torch.zeros(8, 32, 32, 3, dtype=torch.uint8, device=gpu), torch.Generator(gpu)
    augmentation.augment(images, colour_jitter=0.1, generator=generator)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert augmentation.augment(images, colour_jitter=0.1, generator=generator).device.type == "cuda"
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_recipe_takes_its_own_parameters_before_those_of_the_generator():
    recipe = training.OracleRecipe.of(params.defaults())
    assert (recipe.batch_size, recipe.learning_rate, recipe.weight_decay) == (64, 0.003, 0.05)
    assert (recipe.width, recipe.pretrained, recipe.seed) == (16, True, 0)


def test_an_oracle_is_trained_and_its_record_says_what_it_started_from(splits, tmp_path):
    about = train(splits, tmp_path)
    assert about["test"]["accuracy"] == 1.0
    assert about["starts_from"] == "random weights (not requested)"
    assert (about["seed"], about["trained_on"], about["n_train"]) == (4, "train", 72)
    assert training.OracleRecipe(**about["recipe"]) == RECIPE
    predictions = training.read_test_predictions(tmp_path / "resnet10")
    assert predictions.columns.tolist() == ["label", "predicted", "p_0", "p_1", "p_2"]
    assert predictions["label"].tolist() == splits["test"][1].tolist()


def test_a_saved_oracle_predicts_the_same_whatever_the_batch(splits, tmp_path):
    train(splits, tmp_path)
    oracle = training.load_oracle(tmp_path / "resnet10", CPU)
    whole, features = training.predict(oracle, splits["test"][0])
    assert features.shape == (24, 64)
    one_by_one = np.concatenate([training.predict(oracle, image[None])[0] for image in splits["test"][0]])
    np.testing.assert_allclose(whole, one_by_one, atol=1e-5)  # float32 sums in another order
    saved = training.read_test_predictions(tmp_path / "resnet10")[["p_0", "p_1", "p_2"]].to_numpy()
    np.testing.assert_allclose(whole, saved, atol=1e-6)


def test_a_finished_oracle_is_not_trained_again(splits, tmp_path):
    first = train(splits, tmp_path)
    written = (tmp_path / "resnet10" / training.WEIGHTS).stat().st_mtime_ns
    assert train(splits, tmp_path) == first
    assert (tmp_path / "resnet10" / training.WEIGHTS).stat().st_mtime_ns == written


def test_the_best_epoch_by_validation_loss_is_kept(splits, tmp_path):
    oracle, _ = training.build_oracle("resnet10", n_classes=3, recipe=RECIPE)
    history = training.train_oracle(
        oracle,
        splits["train"],
        splits["validation"],
        recipe=RECIPE,
        frozen_first=False,
        device=CPU,
        bar=lambda e, desc: e,
    )
    assert training.evaluate(oracle, *splits["validation"])["loss"] == pytest.approx(history["validation_loss"].min())


def test_the_warm_up_trains_only_the_new_layers(splits):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    oracle, _ = training.build_oracle("resnet10", n_classes=3, recipe=recipe)
    before = {name: p.detach().clone() for name, p in oracle.named_parameters()}
    changed = []

    def watch(epochs, desc):
        for epoch in epochs:
            yield epoch
            changed.append(
                (desc, {n.split(".")[0] for n, p in oracle.named_parameters() if not torch.equal(p, before[n])})
            )

    training.train_oracle(
        oracle, splits["train"], splits["validation"], recipe=recipe, frozen_first=True, device=CPU, bar=watch
    )
    assert changed[0] == ("frozen backbone", {"conv1", "fc"})
    assert "layer4" in changed[1][1]


def test_without_faces_of_their_own_all_oracles_learn_the_generators():
    planned = candidates.list_candidates(["resnet10", "resnet18"], n_seeds=2, seen=["resnet10"], apart=False)
    assert [c.name for c in planned] == ["resnet10-0", "resnet10-1", "resnet18-0", "resnet18-1"]
    assert {c.trained_on for c in planned} == {"train"}


def test_with_faces_of_their_own_the_seen_ones_come_beside():
    planned = candidates.list_candidates(["resnet10", "resnet18"], n_seeds=1, seen=["resnet18"], apart=True)
    assert [(c.name, c.trained_on) for c in planned] == [
        ("resnet10-0", "oracle"),
        ("resnet18-0", "oracle"),
        ("resnet18-0-seen", "train"),
    ]


def test_seeds_of_oracles_do_not_meet():
    """As study seed + s would: oracle 1 of study 0 and oracle 0 of study 1."""
    seeds = [candidates.oracle_seed(study, number) for study in range(20) for number in range(10)]
    assert len(set(seeds)) == 200


def test_capping_keeps_what_there_is_and_the_pairs():
    labels = np.array([0, 1, 0, 1, 0, 2])
    images, kept = candidates.capped(
        (labels * 10 + np.arange(6), labels), np.array([2, 5, 0]), generator=np.random.default_rng(0)
    )
    assert np.bincount(kept).tolist() == [2, 2]
    np.testing.assert_array_equal(images // 10, kept)
    assert (np.diff(images % 10) > 0).all()


def test_oracles_that_have_seen_learn_as_many_of_each(splits):
    images, labels = splits["train"]  # 24 of each of three
    own = (images[48:65], labels[48:65])  # 6, 6 and 5
    learning = candidates.training_faces(splits | {"train": (images[:48], labels[:48]), "oracle": own}, seed=0)
    assert learning["oracle"] is own
    assert np.bincount(learning["train"][1]).tolist() == np.bincount(own[1]).tolist() == [6, 6, 5]
    assert candidates.training_faces(splits, seed=0) == {"train": splits["train"]}


def test_all_oracles_are_trained_each_on_its_own(splits, tmp_path):
    images, labels = splits["train"]
    splits = splits | {"train": (images[:45], labels[:45]), "oracle": (images[45:], labels[45:])}
    planned = candidates.list_candidates(["resnet10"], n_seeds=2, seen=["resnet10"], apart=True)
    settings = {"recipe": dataclasses.replace(RECIPE, epochs=1), "folder": tmp_path, "device": CPU}
    epochs = []

    class Watched(tqdm):
        def close(self):
            epochs.append(self.n)
            super().close()

    for _ in range(2):  # the second time, all are there
        training.train_all(planned, splits, bar=Watched, **settings)
    names = ["resnet10-0", "resnet10-1", "resnet10-0-seen", "resnet10-1-seen"]
    assert epochs[0] == 4
    assert epochs[-1] == 0
    about = {name: training.read_about(tmp_path / name) for name in names}
    assert [entry["trained_on"] for entry in about.values()] == ["oracle", "oracle", "train", "train"]
    assert {entry["n_train"] for entry in about.values()} == {27}
    assert [entry["seed"] for entry in about.values()] == [0, 1, 0, 1]
    assert about["resnet10-0"]["recipe"]["seed"] == about["resnet10-0-seen"]["recipe"]["seed"]
    predictions = [training.read_test_predictions(tmp_path / name)["p_0"].to_numpy() for name in names]
    assert not any(np.allclose(predictions[i], predictions[j]) for i, j in [(0, 1), (0, 2), (2, 3)])


def test_colours_vary_by_as_much_as_was_requested_and_each_image_by_itself():
    generator = torch.Generator().manual_seed(0)
    grey = torch.full((4000, 2, 2, 3), 80, dtype=torch.uint8)
    varied = augmentation.vary_colours(grey, spread=0.1, generator=generator)
    assert varied.dtype == torch.uint8 and varied.shape == grey.shape
    gain = (varied[:, 0, 0].float() / 80).log()  # of brightness and of the colour: two factors of 0.1 each
    # 4,000 images estimate a standard deviation to 1.1 %; rounding to grey levels adds 0.004.
    assert gain.std(0).tolist() == pytest.approx([0.1 * 2**0.5] * 3, rel=0.05)
    between = (gain[:, 0] - gain[:, 1]).std().item()
    assert between == pytest.approx(0.1 * 2**0.5, rel=0.05)  # the brightness, which they have in common, cancels
    assert (varied == varied[:, :1, :1]).all()  # no noise within an image


def test_contrast_varies_about_the_mean_and_bright_pixels_do_not_wrap_round():
    generator = torch.Generator().manual_seed(0)
    halves = torch.tensor([100, 140], dtype=torch.uint8).repeat(2000, 1)[:, None, :, None].repeat(1, 2, 1, 3)
    varied = augmentation.vary_colours(halves, spread=0.1, generator=generator).float()
    contrast = ((varied[:, 0, 1] - varied[:, 0, 0]) / varied.mean(dim=(1, 2)) * 120 / 40).log()
    assert contrast[:, 0].std().item() == pytest.approx(0.1, rel=0.25)  # 4 to 6 grey levels, rounded
    white = augmentation.vary_colours(
        torch.full((200, 1, 1, 3), 250, dtype=torch.uint8), spread=0.3, generator=generator
    )
    assert white.min() > 60
