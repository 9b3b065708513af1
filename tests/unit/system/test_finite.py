"""A number that is none stops the work where it appears: sampling, training, classifying, features."""

import dataclasses

import numpy as np
import pytest
import torch
from small_oracle import RECIPE as ORACLE_RECIPE
from small_training import CPU, RECIPE, small_trainer, small_unet
from tqdm import tqdm

from kpop_rca.data import tensors
from kpop_rca.diffusion import generation, held_out_loss
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.samplers import CHECK_EVERY, image_generator, sample, sampling_process
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics import feature_extractors
from kpop_rca.oracles import training
from kpop_rca.system import finite

BAD = pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
FORWARD = forward_process("squaredcos_cap_v2")


def one_line(caught):
    return "\n" not in str(caught.value)


@BAD
def test_the_first_bad_row_is_found_in_any_shape(bad):
    values = torch.zeros(4, 2, 3)
    assert finite.first_bad(values) is None
    values[2, 1, 0] = values[3] = bad
    assert finite.first_bad(values) == finite.first_bad(values[:, 1, 0]) == 2
    assert not finite.all_finite([torch.ones(3), values])
    assert finite.all_finite([torch.ones(3), torch.tensor(7)])


@BAD
def test_no_image_is_made_of_numbers_that_are_none(bad):
    x_0 = torch.zeros(3, 3, 4, 4)
    x_0[1, 2, 3, 0] = bad
    with pytest.raises(StudyError, match="not finite: image 1") as caught:
        tensors.to_images(x_0)
    assert one_line(caught)


class FailsAt(torch.nn.Module):
    """A network whose estimate has one bad number, in one image, from one call on."""

    def __init__(self, unet, *, call, image, bad):
        super().__init__()
        self.unet, self.config, self.device = unet, unet.config, unet.device
        self.left, self.image, self.bad = call, image, bad

    def forward(self, *given, **named):
        (eps,) = self.unet(*given, **named)
        self.left -= 1
        if self.left < 0:
            eps[self.image, 1, 5, 7] = self.bad
        return (eps,)


def generate(network, *, sampler, steps=4, **how):
    return sample(
        network,
        sampling_process(FORWARD, sampler),
        torch.tensor([0, 2, 1]),
        generators=[image_generator(seed=0, label=0, index=i) for i in range(3)],
        steps=steps,
        guidance=0.0,
        **how,
    )


@BAD
@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
def test_sampling_names_the_step_and_the_identity(sampler, bad):
    """An infinite estimate, which half precision overflows to, is clipped to a finite image by most samplers."""
    network = FailsAt(small_unet(n_classes=3).eval(), call=2, image=1, bad=bad)
    with pytest.raises(StudyError, match=r"step 3 of 4 \(t = \d+\), identity 2; train again \(03\)") as caught:
        generate(network, sampler=sampler)
    assert one_line(caught)


def test_a_long_sampling_is_stopped_before_its_end():
    network = FailsAt(small_unet(n_classes=3).eval(), call=1, image=0, bad=float("nan"))
    with pytest.raises(StudyError, match="step 2 of 400"):
        generate(network, sampler="ddim", steps=400)
    assert network.left == 1 - CHECK_EVERY


def test_half_precision_is_named_as_what_to_change():
    network = FailsAt(small_unet(n_classes=3).eval(), call=0, image=0, bad=float("inf"))
    with pytest.raises(StudyError, match="set mixed_precision to no in place of bf16, or"):
        generate(network, sampler="ddim", mixed_precision="bf16")


def test_no_file_is_written_of_images_that_are_none(tmp_path):
    plan = generation.GenerationPlan(
        sampler="dpmpp", steps=2, guidance=0.0, images_per_identity=2, batch_size=2, seed=1
    )
    network = FailsAt(small_unet(n_classes=2).eval(), call=0, image=0, bad=float("nan"))
    with pytest.raises(StudyError, match="identity 0"):
        generation.generate(network, FORWARD, plan, n_classes=2, folder=tmp_path, progress=list)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def fit_with(tmp_path, fresh_accelerate, faces, *, step, happens, **changed):
    """A training of 12 steps in which something happens to the trainer before a step."""
    fresh_accelerate(reset_partial_state=True)
    trainer = small_trainer(tmp_path, n_classes=3, recipe=dataclasses.replace(RECIPE, **changed))

    class Happens(tqdm):
        def __iter__(self):
            for number in super().__iter__():
                if number == step:
                    happens(trainer)
                yield number

    trainer.fit(*faces, checkpoint_minutes=1e-9, sample_grids=1, bar=Happens)


def spoil_weights(trainer):
    with torch.no_grad():
        trainer.weights[0][0, 0, 0, 0] = float("nan")


def spoil_average(trainer):
    trainer.ema.shadow_params[-1].view(-1)[0] = float("inf")


def spoil_gradient(trainer):
    trainer.weights[0].register_hook(lambda gradient: gradient * float("nan"))


def test_a_loss_that_is_none_names_its_step(coloured_faces, tmp_path, fresh_accelerate):
    with pytest.raises(StudyError, match="the loss is nan at step 5; lower learning_rate") as caught:
        fit_with(tmp_path, fresh_accelerate, coloured_faces, step=4, happens=spoil_weights)
    assert one_line(caught)


def test_in_half_precision_the_loss_names_it(coloured_faces, tmp_path, fresh_accelerate):
    with pytest.raises(StudyError, match="at step 1; set mixed_precision to no in place of bf16, or lower learning"):
        fit_with(
            tmp_path, fresh_accelerate, coloured_faces, step=0, happens=spoil_weights, mixed_precision="bf16", steps=2
        )


@pytest.mark.parametrize("spoil", [spoil_average, spoil_gradient])
def test_no_checkpoint_and_no_result_have_numbers_that_are_none(spoil, coloured_faces, tmp_path, fresh_accelerate):
    """Spoilt at the last step before a line of the log, whose loss does not tell, after a whole checkpoint."""
    with pytest.raises(StudyError, match="weights are not finite after step 12"):
        fit_with(tmp_path, fresh_accelerate, coloured_faces, step=11, happens=spoil)
    assert [path.name for path in tmp_path.glob("checkpoint_*")] == ["checkpoint_0000010"]
    assert not (tmp_path / "unet").exists()
    assert not (tmp_path / "unfinished_checkpoint").exists()


def test_the_losses_by_timestep_are_numbers(coloured_faces):
    unet = small_unet(n_classes=3).eval()
    torch.nn.init.constant_(unet.conv_out.bias, float("nan"))
    few = tuple(part[:4] for part in coloured_faces)
    with pytest.raises(StudyError, match="the loss at t = 10 is not finite"):
        held_out_loss.losses_of_each(unet, {"few": few}, forward=FORWARD, seed=0)


def train_oracle(splits, folder, **changed):
    recipe = dataclasses.replace(ORACLE_RECIPE, epochs=2, **changed)
    wanted = training.Training("resnet10", splits, recipe, folder, notes={})
    return training.train_or_load(wanted, device=CPU, bar=lambda epochs, desc: epochs)


def test_a_oracle_whose_loss_is_none_is_named_and_not_kept(splits, tmp_path):
    with pytest.raises(StudyError, match=r"oracle resnet10-1: .*lower oracle_learning_rate") as caught:
        train_oracle(splits, tmp_path / "resnet10-1", learning_rate=1e30)
    assert one_line(caught)
    assert not (tmp_path / "resnet10-1").exists()


def test_a_oracle_that_says_no_numbers_does_not_oracle(splits, tmp_path):
    oracle, _ = training.build_oracle("resnet10", n_classes=3, recipe=ORACLE_RECIPE)
    torch.nn.init.constant_(oracle.fc.bias, float("nan"))
    with pytest.raises(
        StudyError, match=r"not finite: the oracle's probabilities of image 0; train the oracles again \(04\)"
    ):
        training.predict(oracle.eval(), splits["test"][0])


class Spoilt(torch.nn.Module):
    """Stands for a feature network whose weights are damaged: an image that is bright has a NaN."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        found = images.flatten(1)[:, :5].clone()
        found[images.flatten(1).amax(dim=1) > 0.5, 2] = float("nan")
        return found


@pytest.mark.parametrize("name", feature_extractors.EXTRACTORS)
def test_features_are_numbers(name):
    images = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    images[2] = 255
    with pytest.raises(StudyError, match="not finite: Spoilt's features of image 2; its weights may be damaged"):
        feature_extractors.EXTRACTORS[name].features(Spoilt(), images)
