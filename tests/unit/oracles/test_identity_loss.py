"""The identity loss of a generator's training: its formula, where its gradient goes, what it does to a generator."""

import dataclasses

import pytest
import small_training
import torch
from small_oracle import RECIPE

from kpop_rca.data import tensors
from kpop_rca.diffusion import objective, trainer
from kpop_rca.errors import StudyError
from kpop_rca.oracles import training
from kpop_rca.oracles.identity_loss import IdentityLoss

CPU = torch.device("cpu")
ARCFACE = dataclasses.replace(RECIPE, loss="arcface")
LEARNS = {"steps": 40, "prediction": "flow", "timestep_sampling": "logit_normal", "optimizer": "muon"}


@pytest.fixture(scope="module")
def oracle():
    return training.build_oracle("resnet10", n_classes=3, recipe=ARCFACE)[0]


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


LABELS, SIGMA = torch.tensor([0, 1, 2, 0]), torch.tensor([0.0, 0.5, 1.0, 20.0])


def test_it_is_the_margin_loss_of_each_image_weighted_by_its_signal(oracle, images):
    loss = IdentityLoss(oracle, weight=0.3)
    each = [oracle.fc.loss(oracle.features(images[[k]]), LABELS[[k]]) for k in range(4)]
    expected = 0.3 * sum(one * part for one, part in zip(each, [1, 0.8, 0.5, 1 / 401], strict=True)) / 4
    torch.testing.assert_close(loss(images, LABELS, SIGMA), expected)
    assert loss(images, LABELS.flip(0), SIGMA) != expected


def test_the_oracle_is_shown_what_an_image_can_hold(oracle, images):
    loss = IdentityLoss(oracle, weight=1.0)
    torch.testing.assert_close(loss(5 * images, LABELS, SIGMA), loss((5 * images).clamp(-1, 1), LABELS, SIGMA))


def test_its_gradient_is_the_images_and_never_the_oracles(oracle, images):
    loss = IdentityLoss(oracle.train(), weight=1.0)
    before = {name: value.clone() for name, value in oracle.state_dict().items()}
    loss(images.requires_grad_(), LABELS, SIGMA).backward()
    assert (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()
    assert not oracle.training
    assert all(weight.grad is None for weight in oracle.parameters())
    for name, value in oracle.state_dict().items():  # the running statistics of batch normalisation as well
        assert torch.equal(value, before[name]), name


def test_an_oracle_without_a_margin_is_refused():
    plain, _ = training.build_oracle("resnet10", n_classes=3, recipe=RECIPE)
    with pytest.raises(StudyError, match="set oracle_loss to arcface"):
        IdentityLoss(plain, weight=1.0)


def test_a_generator_moves_towards_the_oracle_that_rewards_it(splits, tmp_path, fresh_accelerate):
    """The oracle calls the faces by other labels than the generator is trained on, so that its wish is seen."""
    planned = training.Training("resnet10", splits, ARCFACE, tmp_path / "oracle", {"seed": 0, "trained_on": "train"})
    training.train_or_load(planned, device=CPU, bar=lambda epochs, desc: epochs)
    oracle = training.load_oracle(tmp_path / "oracle", CPU)
    recipe = dataclasses.replace(small_training.RECIPE, **LEARNS)
    (faces, labels), (test_faces, test_labels) = splits["train"], splits["test"]
    x_0, class_labels = tensors.to_model(torch.as_tensor(test_faces)), torch.as_tensor((test_labels + 1) % 3)
    tau = torch.full((len(x_0),), 0.5)
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    task = objective.noised("flow_prediction", x_0, noise, class_labels, t=1000 * tau, a=1 - tau, b=tau)
    found = []
    for weight in (None, 1.0):
        fresh_accelerate(reset_partial_state=True)
        folder, extra = tmp_path / str(weight), weight and IdentityLoss(oracle, weight=weight)
        trained = small_training.small_trainer(folder, n_classes=3, recipe=recipe, extra_loss=extra)
        trained.fit(faces, (labels + 1) % 3, checkpoint_minutes=60, sample_grids=1, bar=small_training.Bar)
        unet, _ = trainer.load_trained(folder, CPU)
        with torch.inference_mode():
            (predicted,) = unet(task.image, task.time, class_labels=class_labels, return_dict=False)
            logits = oracle(task.denoised(predicted).clamp(-1, 1))
        found.append(torch.nn.functional.cross_entropy(logits, class_labels).item())
    assert found[1] < 0.7 * found[0]
