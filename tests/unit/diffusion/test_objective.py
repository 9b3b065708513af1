"""Every prediction, against formulas written out here, and against diffusers' own conversions."""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from small_training import small_unet

from kpop_rca.diffusion import objective, samplers

KINDS = ["eps", "v", "flow", "x_0"]
SAMPLERS = ["ddpm", "ddim", "dpmpp"]
COSINE = "squaredcos_cap_v2"


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", ["linear", COSINE])
def test_the_true_target_gives_back_the_image_at_every_timestep(kind, schedule):
    forward, t = objective.forward_process(schedule, kind), torch.arange(1000)
    x_0, eps = normal(1000, 3, 2, 2), normal(1000, 3, 2, 2, seed=1)
    a, b = (level.double() for level in objective.levels(forward, t))
    task = objective.noised(forward.config.prediction_type, x_0, eps, t, t=t, a=a, b=b)
    a, b = a.view(-1, 1, 1, 1), b.view(-1, 1, 1, 1)
    found = objective.denoised_image(forward.config.prediction_type, task.target, a * x_0 + b * eps, a, b)
    torch.testing.assert_close(found, x_0, atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["v", "flow", "x_0"])
def test_the_image_is_not_lost_to_rounding_where_hardly_anything_of_it_is_left(kind):
    """At the last timestep, where an error of eps counts 20,000 times."""
    forward, x_0, eps = objective.forward_process(COSINE, kind), normal(1, 3, 8, 8), normal(1, 3, 8, 8, seed=1)
    a, b = objective.levels(forward, torch.tensor([999]))
    x_0, eps = x_0.float(), eps.float()
    prediction, t = forward.config.prediction_type, torch.tensor([999])
    task = objective.noised(prediction, x_0, eps, t, t=t, a=a, b=b)
    found = objective.denoised_image(prediction, task.target, a * x_0 + b * eps, a, b)
    torch.testing.assert_close(found, x_0, atol=1e-5, rtol=0)


def test_flow_is_shown_its_own_straight_path():
    forward, t = objective.forward_process("linear", "flow"), torch.tensor([100, 700])
    x_0, eps = normal(2, 3, 2, 2), normal(2, 3, 2, 2, seed=1)
    a, b = (level.double() for level in objective.levels(forward, t))
    task = objective.noised("flow_prediction", x_0, eps, t, t=t, a=a, b=b)
    tau = (task.time / 1000).view(-1, 1, 1, 1)
    torch.testing.assert_close(task.image, (1 - tau) * x_0 + tau * eps)
    torch.testing.assert_close(tau.flatten() / (1 - tau.flatten()), b / a)
    assert torch.equal(task.target, eps - x_0)


def test_the_velocity_is_that_of_diffusers():
    forward, t = objective.forward_process(COSINE, "v"), torch.arange(0, 1000, 50)
    x_0, eps = normal(20, 3, 2, 2).float(), normal(20, 3, 2, 2, seed=1).float()
    a, b = objective.levels(forward, t)
    task = objective.noised("v_prediction", x_0, eps, t, t=t, a=a, b=b)
    assert torch.equal(task.image, forward.add_noise(x_0, eps, t))
    torch.testing.assert_close(task.target, forward.get_velocity(x_0, eps, t))


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_the_solver_sees_the_image_that_diffusers_would_make_of_the_prediction(kind):
    ours = samplers.sampling_process(objective.forward_process(COSINE, kind), "dpmpp")
    theirs = DPMSolverMultistepScheduler.from_config(ours.config, thresholding=True, sample_max_value=1.0)
    for process in (ours, theirs):
        samplers.set_timesteps(process, 8)
    x_t = normal(2, 3, 8, 8).float()
    of_theirs = x_t.clone()
    for number, t in enumerate(ours.timesteps):
        predicted = normal(2, 3, 8, 8, seed=number).float()
        levels = objective.levels(ours, t)
        estimate = objective.denoised_image(ours.config.prediction_type, predicted, x_t, *levels)
        x_t = samplers.step(ours, x_t, estimate, t, iter(()))
        of_theirs = theirs.step(predicted, t, of_theirs).prev_sample
        if kind == "eps":
            assert torch.equal(x_t, of_theirs), t
        torch.testing.assert_close(x_t, of_theirs, atol=1e-5, rtol=1e-5)


def test_ddim_of_a_flow_is_diffusers_euler_along_its_path():
    """With images that need no clipping: eps - x_0 constant, and x_t on the way between them."""
    process = samplers.sampling_process(objective.forward_process(COSINE, "flow"), "ddim")
    samplers.set_timesteps(process, 10)
    levels = [objective.levels(process, t) for t in process.timesteps]
    tau = [float(b / (a + b)) for a, b in levels]
    euler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    euler.set_timesteps(sigmas=tau)
    x_0, eps = normal(2, 3, 4, 4).clamp(-1, 1).float(), normal(2, 3, 4, 4, seed=1).float()
    (a, b), (a_s, b_s) = levels[4], levels[5]
    along = (1 - tau[4]) * x_0 + tau[4] * eps
    estimate = x_0 * 0.9
    flow = (along - estimate) / tau[4]  # of the estimate
    euler.set_begin_index(4)
    theirs = euler.step(flow, euler.timesteps[4], along).prev_sample
    ours = samplers.deterministic_step(process, along * (a + b), estimate, process.timesteps[4]) / (a_s + b_s)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_denoised_image_without_guidance_is_that_of_the_conditional_prediction(kind, sampler):
    unet, process = (
        small_unet(n_classes=3).eval(),
        samplers.sampling_process(objective.forward_process(COSINE, kind), sampler),
    )
    samplers.set_timesteps(process, 10)
    x_t, t, labels = normal(2, 3, 16, 16).float(), process.timesteps[3], torch.tensor([0, 2])
    a, b = objective.levels(process, t)
    with torch.inference_mode():
        alone, guided = (samplers.denoise(unet, process, x_t, t, labels, guidance=w) for w in (0, 1.5))
        image, time = (x_t / (a + b), 1000 * b / (a + b)) if kind == "flow" else (x_t, t)
        of_class, of_none = (unet(image, time, class_labels=c).sample for c in (labels, torch.tensor([3, 3])))

    def image_of(predicted):
        return {
            "eps": (x_t - b * predicted) / a,
            "v": a * x_t - b * predicted,
            "flow": (x_t - b * predicted) / (a + b),
            "x_0": predicted,
        }[kind]

    torch.testing.assert_close(alone, image_of(of_class), atol=1e-5, rtol=1e-4)
    expected = image_of(of_class) + 1.5 * (image_of(of_class) - image_of(of_none))
    torch.testing.assert_close(guided, expected, atol=1e-4, rtol=1e-4)


class OneWeight(torch.nn.Module):
    """net(x, t, c) = w x."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def forward(self, image, time, class_labels, return_dict):
        return (self.weight * image,)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_loss_by_hand(kind):
    """mean (w x - y)^2 has the gradient 2 mean x (w x - y)."""
    forward, t = objective.forward_process("linear", kind), torch.tensor([250, 900])
    x_0, eps = normal(2, 1, 1, 1), normal(2, 1, 1, 1, seed=1)
    a, b = (level.double() for level in objective.levels(forward, t))
    model = OneWeight()
    task = objective.noised(forward.config.prediction_type, x_0, eps, t, t=t, a=a, b=b)
    # The loss is taken in float32.
    objective.prediction_loss(model, task).backward()
    by_hand = 0.0
    for index in range(2):
        image, noise = x_0[index].item(), eps[index].item()
        kept, rest = a[index].item(), b[index].item()
        seen = kept * image + rest * noise
        target = {"eps": noise, "v": kept * noise - rest * image, "flow": noise - image, "x_0": image}[kind]
        if kind == "flow":
            seen /= kept + rest
        by_hand += 2 * seen * (0.3 * seen - target) / 2
    assert model.weight.grad.item() == pytest.approx(by_hand, rel=1e-5)


def test_logit_normal_times_are_one_of_each_part_of_the_distribution():
    generator, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    batches = [objective.training_times(16, "logit_normal", generator=generator, device=cpu) for _ in range(500)]
    for times in batches[:20]:
        z = (times / 1000).logit()
        assert (torch.special.ndtr(z) * 16).floor().tolist() == list(range(16))
    z = (torch.cat(batches) / 1000).logit()
    assert z.mean().item() == pytest.approx(0, abs=0.02)
    assert z.std().item() == pytest.approx(1, abs=0.02)


def test_uniform_times_are_the_whole_timesteps():
    generator = torch.Generator().manual_seed(0)
    times = objective.training_times(5000, "uniform", generator=generator, device=torch.device("cpu"))
    assert not times.is_floating_point() and times.min() == 0 and times.max() == 999


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", ["uniform", "logit_normal"])
def test_a_task_is_that_of_its_times(kind, sampling):
    """Of images that are 0, what is shown is b eps, and the target tells eps: of noise the level is left."""
    forward = objective.forward_process(COSINE, kind)
    task = objective.training_task(
        torch.zeros(64, 3, 8, 8),
        torch.zeros(64, dtype=torch.int64),
        forward=forward,
        no_class=3,
        label_dropout=0.0,
        flip=True,
        timestep_sampling=sampling,
        generator=torch.Generator().manual_seed(0),
    )
    kept, rest = (1 - task.time / 1000, task.time / 1000) if kind == "flow" else objective.levels(forward, task.time)
    per_eps = {"eps": 1, "v": kept.view(-1, 1, 1, 1), "flow": 1, "x_0": 0}[kind]
    torch.testing.assert_close(task.image * per_eps, rest.view(-1, 1, 1, 1) * task.target, atol=1e-6, rtol=1e-5)
    assert len(task.time.unique()) > 32


class Told(torch.nn.Module):
    """A network that predicts what it was told to."""

    def __init__(self, predicted):
        super().__init__()
        self.predicted = torch.nn.Parameter(predicted)

    def forward(self, image, time, class_labels, return_dict):
        return (self.predicted,)


def of_images(seen):
    """An extra loss that remembers what it is given."""

    def extra_loss(x_0, class_labels, sigma):
        seen.append((x_0.detach(), class_labels, sigma))
        return x_0.square().mean()

    return extra_loss


def task_with(kind, *, label_dropout):
    return objective.training_task(
        torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(1)),
        torch.arange(64) % 3,
        forward=objective.forward_process(COSINE, kind),
        no_class=3,
        label_dropout=label_dropout,
        flip=False,
        timestep_sampling="logit_normal",
        generator=torch.Generator().manual_seed(0),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_extra_loss_is_of_the_denoised_images_and_their_noise(kind):
    """A network that predicts the target has the images themselves for estimates."""
    task, seen = task_with(kind, label_dropout=0.0), []
    images = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    loss = objective.prediction_loss(Told(task.target), task, extra_loss=of_images(seen), no_class=3)
    ((x_0, class_labels, sigma),) = seen
    low = sigma < 5  # beyond it, rounding
    torch.testing.assert_close(x_0[low], images[low], atol=1e-4, rtol=1e-4)
    assert low.sum() > 32 and class_labels.tolist() == task.class_labels.tolist()
    if kind == "flow":
        torch.testing.assert_close(sigma, task.time / (1000 - task.time))
    torch.testing.assert_close(loss, x_0.square().mean())


def test_an_extra_loss_is_of_labelled_images_and_parts_of_a_batch_make_up_the_whole():
    task, seen = task_with("flow", label_dropout=0.5), []
    model, how = Told(task.target + 0.1), {"extra_loss": of_images(seen), "no_class": 3}
    whole = objective.prediction_loss(model, task, **how)
    labelled = task.class_labels != 3
    assert 16 < labelled.sum() < 48 and seen[0][1].tolist() == task.class_labels[labelled].tolist()
    plain = objective.prediction_loss(model, task)
    torch.testing.assert_close(whole, plain + seen[0][0].square().sum() / task.target.numel())
    parts = []
    for rows in (slice(0, 32), slice(32, 64)):
        model.predicted.data, before = model.predicted.data[rows], model.predicted.data
        parts.append(objective.prediction_loss(model, task.part(rows), **how).item())
        model.predicted.data = before
    assert sum(parts) / 2 == pytest.approx(whole.item(), rel=1e-5)
    seen.clear()
    none = task_with("flow", label_dropout=1.0)
    assert torch.equal(objective.prediction_loss(model, none, **how), objective.prediction_loss(model, none))
    assert not seen
