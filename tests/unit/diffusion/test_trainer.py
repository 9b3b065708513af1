import dataclasses
import hashlib
import signal

import numpy as np
import pytest
import torch
from small_training import CPU, RECIPE, small_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tqdm import tqdm

from kpop_rca.diffusion import held_out_loss, objective
from kpop_rca.diffusion import trainer as diffusion_trainer
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.errors import StudyError
from kpop_rca.study import params
from kpop_rca.system import parallel

LINEAR = forward_process("linear")


def new_trainer(folder, reset, recipe=RECIPE):
    reset(reset_partial_state=True)
    return small_trainer(folder, n_classes=3, recipe=recipe)


def fit(trainer, faces, bar=tqdm, checkpoint_minutes=60.0, curves=None):
    return trainer.fit(*faces, checkpoint_minutes=checkpoint_minutes, sample_grids=2, bar=bar, curves=curves)


def at_step(number, happens):
    """A progress bar with which something happens before a step."""

    class Happens(tqdm):
        def __iter__(self):
            for step in super().__iter__():
                if step == number:
                    happens()
                yield step

    return Happens


def killed():
    raise RuntimeError("killed")


def test_an_epoch_shows_every_image_once():
    batches = [diffusion_trainer.batch_indices(s, n=10, batch_size=4, seed=3) for s in range(5)]
    order = np.concatenate(batches)
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10].tolist() != order[10:].tolist()


def test_the_cosine_rises_and_falls_to_zero():
    recipe = dataclasses.replace(RECIPE, steps=100, learning_rate=1.0)
    rates = [diffusion_trainer.learning_rate_at(step, recipe) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert rates[-1] < 0.001
    constant = dataclasses.replace(recipe, learning_rate_schedule="constant")
    assert {diffusion_trainer.learning_rate_at(step, constant) for step in (0, 50, 99)} == {1.0}


def ema_recipe(**changed):
    return dataclasses.replace(RECIPE, **({"batch_size": 16, "ema_half_life": 1000, "ema_ramp_up": 0.0} | changed))


def averaged(recipe, values):
    """The average after each step of a single weight that takes these values; at first it is 0."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    ema, found = diffusion_trainer.Averaged([weight], recipe), []
    for value in values:
        weight.data[:] = value
        ema.step([weight])
        found.append(ema.shadow_params[0].item())
    return found


def test_after_the_half_life_a_step_counts_half():
    """An impulse at a step, by what is left of it so many images later; 10,000 images are 625 steps of 16."""
    for half_life, steps in ((160, 10), (10_000, 625)):
        left = averaged(ema_recipe(ema_half_life=half_life), [1.0] + [0.0] * (3 * steps))
        assert left[steps] / left[0] == pytest.approx(1 / 2)
        assert left[3 * steps] / left[0] == pytest.approx(1 / 8)


def test_the_ramp_holds_the_half_life_to_a_share_of_the_images_seen():
    """By hand, batches of 16, half of the images seen: none, 8, 16, 24, then the 24 requested."""
    recipe = ema_recipe(ema_half_life=24, ema_ramp_up=0.5)
    decays = [diffusion_trainer.ema_decay_at(step, recipe) for step in range(5)]
    assert decays == pytest.approx([0, 0.25, 0.5, 0.5 ** (2 / 3), 0.5 ** (2 / 3)])
    values = [3.0, -1.0, 2.0, 5.0, 7.0]
    weights = [np.prod(decays[k + 1 :]) * (1 - decays[k]) for k in range(5)]
    assert sum(weights) == pytest.approx(1)  # nothing is left of the random weights
    assert averaged(recipe, values)[-1] == pytest.approx(np.dot(weights, values))


def test_the_requested_half_life_is_reached_within_the_default_study():
    recipe = diffusion_trainer.DiffusionRecipe.of(params.defaults())
    last = recipe.steps - 1
    assert diffusion_trainer.half_life_at(last, recipe) == recipe.ema_half_life
    assert diffusion_trainer.ema_decay_at(last, recipe) == pytest.approx(
        0.5 ** (recipe.batch_size / recipe.ema_half_life)
    )


def test_the_weights_that_are_kept_are_the_mean_of_the_recipe(coloured_faces, tmp_path, fresh_accelerate):
    """Of a real training: the weights after every step, averaged by hand, against what is loaded at the end."""
    recipe = dataclasses.replace(RECIPE, ema_half_life=20, ema_ramp_up=0.5)
    trainer, passed = new_trainer(tmp_path, fresh_accelerate, recipe), []
    step = trainer._step

    def noted(number, *data):
        loss = step(number, *data)
        passed.append(trainer.weights[5].detach().double().clone())
        return loss

    trainer._step = noted
    fit(trainer, coloured_faces)
    expected = torch.zeros_like(passed[0])
    for number, weight in enumerate(passed):
        seen = number * recipe.batch_size
        half_life = min(20, 0.5 * seen)
        kept = 0.5 ** (recipe.batch_size / half_life) if seen else 0
        expected = kept * expected + (1 - kept) * weight
    unet, _ = diffusion_trainer.load_trained(tmp_path, CPU)
    torch.testing.assert_close(list(unet.parameters())[5].double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("clip", "moves"), [(1e-12, False), (1.0, True), (0.0, True)])
def test_the_gradient_is_clipped_as_asked_for(coloured_faces, tmp_path, fresh_accelerate, clip, moves):
    """By AdamW's epsilon of 1e-8, beside which a gradient of norm 1e-12 is nothing; 0 is for none."""
    recipe = dataclasses.replace(RECIPE, gradient_clip=clip, weight_decay=0.0, learning_rate_schedule="constant")
    trainer = new_trainer(tmp_path, fresh_accelerate, recipe)
    before = [weight.detach().clone() for weight in trainer.weights]
    trainer._step(0, *map(torch.as_tensor, coloured_faces))
    moved = max((now - was).abs().max().item() for now, was in zip(trainer.weights, before, strict=True))
    assert (moved > 0.5 * recipe.learning_rate) is moves


def test_the_list_of_the_recipe_is_what_the_optimiser_has(tmp_path, fresh_accelerate):
    recipe = dataclasses.replace(RECIPE, weight_decay=0.03, ema_half_life=20, ema_ramp_up=0.1)
    optimizer = new_trainer(tmp_path, fresh_accelerate, recipe).optimizer.param_groups[0]
    shown = recipe.table(n_images=48).set_index("setting")["value"]
    assert float(shown["weight_decay"]) == optimizer["weight_decay"] == 0.03
    assert shown["optimiser"] == f"AdamW, betas {optimizer['betas'][0]} and {optimizer['betas'][1]}, epsilon 1e-08"
    assert optimizer["eps"] == 1e-8
    assert shown["epochs"] == "2.0"
    assert shown["EMA half-life at the last step"] == "9 images"  # a tenth of the 88 seen, short of the 20 requested
    assert {field.name for field in dataclasses.fields(recipe)} - {"muon_learning_rate"} <= set(shown.index)
    assert "muon_learning_rate" not in shown.index  # which AdamW has not


class TellsNoise(torch.nn.Module):
    """A noise predictor that knows x_0 = 0 and so tells the noise exactly."""

    def __init__(self, forward):
        super().__init__()
        self.forward_process = forward

    def forward(self, x_t, t, class_labels, return_dict):
        scale = (1 - self.forward_process.alphas_cumprod[t]).sqrt()
        return (x_t / scale[:, None, None, None],)


def task(*, x_0, labels, label_dropout=0.2):
    return objective.training_task(
        x_0,
        labels,
        forward=LINEAR,
        no_class=7,
        label_dropout=label_dropout,
        flip=True,
        timestep_sampling="uniform",
        generator=torch.Generator().manual_seed(0),
    )


def test_the_loss_is_the_mean_squared_error_of_the_noise():
    model = TellsNoise(LINEAR)
    zeros, labels = torch.zeros(64, 3, 4, 4), torch.zeros(64, dtype=torch.int64)
    assert objective.prediction_loss(model, task(x_0=zeros, labels=labels)).item() == pytest.approx(0, abs=1e-9)
    assert objective.prediction_loss(model, task(x_0=zeros + 0.5, labels=labels)).item() > 0.01


def test_labels_are_dropped_at_the_rate_asked_for():
    shown = task(x_0=torch.zeros(5000, 3, 1, 1), labels=torch.zeros(5000, dtype=torch.int64))
    dropped = (shown.class_labels == 7).float().mean().item()
    assert dropped == pytest.approx(0.2, abs=0.02)  # three standard errors of a fraction of 5000
    assert shown.time.min() < 10
    assert shown.time.max() > 989


def test_parts_of_a_batch_make_up_the_whole():
    """Two halves of a batch, as two processes or threads see them, average to the loss of the whole."""
    model, whole = TellsNoise(LINEAR), task(x_0=torch.rand(8, 3, 4, 4), labels=torch.arange(8))
    halves = [objective.prediction_loss(model, whole.part(rows)).item() for rows in (slice(0, 4), slice(4, 8))]
    assert objective.prediction_loss(model, whole).item() == pytest.approx(np.mean(halves), rel=1e-5)


@pytest.mark.parametrize(
    ("size", "batch_size", "split"), [(32, 16, True), (32, 17, False), (32, 14, False), (16, 64, True)]
)
def test_a_batch_is_split_where_its_halves_are_worth_it(tmp_path, fresh_accelerate, size, batch_size, split):
    fresh_accelerate(reset_partial_state=True)
    unet = build_unet(image_size=size, channels=[8], layers_per_block=1, attention_size=0, n_classes=2)
    recipe = dataclasses.replace(RECIPE, batch_size=batch_size)
    assert bool(diffusion_trainer.Trainer(unet, recipe=recipe, folder=tmp_path, device=CPU).in_pieces) is split


def test_the_pieces_side_by_side_give_the_gradient_of_the_whole_batch(
    coloured_faces, tmp_path, fresh_accelerate, monkeypatch
):
    monkeypatch.setattr(diffusion_trainer, "PIXELS_OF_A_PIECE", 1)
    images, labels = map(torch.as_tensor, coloured_faces)
    gradients = []
    for in_pieces in (True, False):
        trainer = new_trainer(tmp_path / str(in_pieces), fresh_accelerate)
        assert trainer.in_pieces
        trainer.in_pieces, trainer.over_pieces = in_pieces, parallel.sharing_the_cores(2).map
        loss = trainer._backward(trainer._task(3, images, labels))
        gradients.append([loss, *(weight.grad for weight in trainer.bare_unet.parameters())])
    for by_pieces, at_once in zip(*gradients, strict=True):
        assert torch.allclose(by_pieces, at_once, rtol=1e-3, atol=1e-6)


def test_what_does_not_fit_into_memory_says_what_to_lower(coloured_faces, tmp_path, fresh_accelerate):
    trainer = new_trainer(tmp_path, fresh_accelerate)

    def too_large(*_, **__):
        return torch.empty(2**48)  # the allocator itself refuses

    trainer.unet.forward = too_large
    with pytest.raises(StudyError, match="step 0: the memory is too small for batch_size 8"):
        fit(trainer, coloured_faces)


def test_a_stopped_training_goes_on_as_if_it_had_not_been(coloured_faces, tmp_path, fresh_accelerate):
    log = fit(new_trainer(tmp_path / "whole", fresh_accelerate), coloured_faces)

    with pytest.raises(RuntimeError, match="killed"):
        folder = tmp_path / "stopped"
        stops = at_step(11, killed)
        fit(new_trainer(folder, fresh_accelerate), coloured_faces, bar=stops, checkpoint_minutes=1e-9)
    trainer = new_trainer(tmp_path / "stopped", fresh_accelerate)
    assert trainer.progress.step == 10
    resumed = fit(trainer, coloured_faces)
    assert resumed["loss"].tolist() == log["loss"].tolist()
    same_weights(tmp_path / "whole", tmp_path / "stopped")
    assert len(list((tmp_path / "stopped").glob("checkpoint_*"))) == 1


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_every_objective_and_optimiser_goes_on_as_if_it_had_not_been_killed(
    coloured_faces, tmp_path, fresh_accelerate, prediction, optimizer
):
    changed = {"prediction": prediction, "optimizer": optimizer, "timestep_sampling": "logit_normal"}
    recipe = dataclasses.replace(RECIPE, **changed)
    whole = fit(new_trainer(tmp_path / "whole", fresh_accelerate, recipe), coloured_faces)
    with pytest.raises(RuntimeError, match="killed"):
        stopped, stops = new_trainer(tmp_path / "stopped", fresh_accelerate, recipe), at_step(11, killed)
        fit(stopped, coloured_faces, bar=stops, checkpoint_minutes=1e-9)
    trainer = new_trainer(tmp_path / "stopped", fresh_accelerate, recipe)
    assert trainer.progress.step == 10
    assert fit(trainer, coloured_faces)["loss"].tolist() == whole["loss"].tolist()
    same_weights(tmp_path / "whole", tmp_path / "stopped")
    _, forward = diffusion_trainer.load_trained(tmp_path / "whole", CPU)
    assert forward.config.prediction_type == objective.PREDICTIONS[prediction]


def weights_of(folder):
    """As checksums: where files differ, pytest would compare them byte by byte for half an hour."""
    names = ("diffusion_pytorch_model.safetensors", "config.json")
    return [hashlib.sha256((folder / "unet" / name).read_bytes()).hexdigest() for name in names]


def same_weights(one, other):
    assert weights_of(one) == weights_of(other)


def test_an_extra_loss_of_nothing_changes_no_weight_and_another_does(coloured_faces, tmp_path, fresh_accelerate):
    for factor in (None, 0.0, 1.0):
        fresh_accelerate(reset_partial_state=True)
        extra_loss = None if factor is None else lambda x_0, labels, sigma, factor=factor: factor * x_0.mean()
        fit(small_trainer(tmp_path / str(factor), n_classes=3, extra_loss=extra_loss), coloured_faces)
    same_weights(tmp_path / "None", tmp_path / "0.0")
    assert weights_of(tmp_path / "None") != weights_of(tmp_path / "1.0")


def test_a_training_in_half_precision_is_that_of_whole_rounded(coloured_faces, tmp_path, fresh_accelerate, monkeypatch):
    """Three steps of bfloat16, stopped after the second, against three of float32."""
    monkeypatch.setattr(diffusion_trainer, "LOG_EVERY", 1)  # so that there is a checkpoint after every step
    whole = dataclasses.replace(RECIPE, steps=3)
    log = fit(new_trainer(tmp_path / "whole", fresh_accelerate, whole), coloured_faces)
    half, folder = dataclasses.replace(whole, mixed_precision="bf16"), tmp_path / "half"
    with pytest.raises(RuntimeError, match="killed"):
        stops = at_step(2, killed)
        fit(new_trainer(folder, fresh_accelerate, half), coloured_faces, bar=stops, checkpoint_minutes=1e-9)
    trainer = new_trainer(folder, fresh_accelerate, half)
    assert trainer.progress.step == 2
    losses = fit(trainer, coloured_faces)["loss"].tolist()
    assert losses == pytest.approx(log["loss"].tolist(), rel=1e-2)  # 8 bits, of which a mean over a batch keeps more
    assert losses != log["loss"].tolist()


def test_an_interrupted_training_saves_where_it_stands_and_goes_on(heard, coloured_faces, tmp_path, fresh_accelerate):
    log = fit(new_trainer(tmp_path / "whole", fresh_accelerate), coloured_faces)
    interrupted = at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="step 10"):  # with the next line of the log, as in a whole training
        fit(new_trainer(tmp_path / "stopped", fresh_accelerate), coloured_faces, bar=interrupted)
    trainer = new_trainer(tmp_path / "stopped", fresh_accelerate)
    assert trainer.progress.step == 10
    assert fit(trainer, coloured_faces)["loss"].tolist() == log["loss"].tolist()
    same_weights(tmp_path / "whole", tmp_path / "stopped")


def test_tensorboard_shows_the_log_once_however_often_it_was_stopped(heard, coloured_faces, tmp_path, fresh_accelerate):
    def fitted(bar):
        trainer = new_trainer(tmp_path / "ddpm", fresh_accelerate, dataclasses.replace(RECIPE, steps=34))
        return fit(trainer, coloured_faces, bar=bar, curves=tmp_path / "tensorboard")

    with pytest.raises(KeyboardInterrupt):
        fitted(at_step(3, lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(RuntimeError, match="killed"):  # its checkpoint is of step 10, its curves reach step 20
        fitted(at_step(25, killed))
    log = fitted(tqdm)
    shown = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"scalars": 0, "images": 0}).Reload()
    points = [(point.step, pytest.approx(point.value)) for point in shown.Scalars("training/loss")]
    assert points == list(zip(log["step"], log["loss"], strict=True))
    assert {"training/learning_rate", "training/images_per_second"} <= set(shown.Tags()["scalars"])
    assert shown.Tags()["images"]


def test_training_learns_and_the_result_can_be_loaded(coloured_faces, tmp_path, fresh_accelerate):
    fit(new_trainer(tmp_path, fresh_accelerate), coloured_faces)
    unet, forward = diffusion_trainer.load_trained(tmp_path, torch.device("cpu"))
    assert not unet.training
    assert forward.config.beta_schedule == "squaredcos_cap_v2"
    sets = {"a": coloured_faces, "b": coloured_faces}
    losses = held_out_loss.losses_of_each(unet, sets, forward=forward, seed=0)
    by_set = held_out_loss.mean_losses(losses).pivot(index="t", columns="faces", values="loss")
    assert (by_set["a"] == by_set["b"]).all()  # the same noise
    assert by_set.loc[900, "a"] < 1.0  # better than telling no noise at all
    grids = diffusion_trainer.load_grids(tmp_path)
    assert [(step, grid.shape) for step, grid in grids.items()] == [(6, (3, 16, 16, 3)), (12, (3, 16, 16, 3))]
