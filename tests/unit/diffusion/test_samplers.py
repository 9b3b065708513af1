from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_training import sampled

from kpop_rca.data import tensors
from kpop_rca.diffusion import noise, objective, samplers


def test_pixels_survive_the_way_to_the_model_and_back():
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    x_0 = tensors.to_model(torch.as_tensor(images))
    assert x_0.is_contiguous()
    assert x_0.min() == -1
    assert x_0.max() == 1
    assert np.array_equal(tensors.to_images(x_0), images)
    assert tensors.to_images(torch.tensor([[[[-3.0]], [[0.0]], [[3.0]]]])).tolist() == [[[[0, 128, 255]]]]


def test_the_forward_process_follows_equation_2(forward):
    images = np.full((1, 4, 4, 3), 255, dtype=np.uint8)
    noised = samplers.forward_states(images, forward, timesteps=[400], generator=torch.Generator().manual_seed(0))[0]
    eps = torch.randn((1, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    abar = forward.alphas_cumprod[400]
    assert np.array_equal(noised, tensors.to_images(abar.sqrt() * 1.0 + (1 - abar).sqrt() * eps))


def test_guidance_is_linear_in_its_weight(unet):
    x, t, labels = torch.randn(2, 3, 16, 16), torch.tensor(500), torch.tensor([0, 2])
    with torch.inference_mode():
        none = unet(x, t, class_labels=torch.tensor([3, 3])).sample
        of_class = samplers.guided(unet, x, t, labels, guidance=0.0)
        guided = samplers.guided(unet, x, t, labels, guidance=2.0)
        assert torch.equal(of_class, unet(x, t, class_labels=labels).sample)
    assert not torch.allclose(none, of_class, atol=1e-4)
    torch.testing.assert_close(guided, of_class + 2 * (of_class - none), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
def test_guidance_is_applied_within_its_interval_alone(unet, forward, sampler):
    def image(**how):
        return sampled(unet, forward, [1], [0], sampler=sampler, steps=6, **({"guidance": 3.0} | how))

    assert np.array_equal(image(guidance_interval=(0.0, 1.0)), image())
    assert np.array_equal(image(guidance_interval=(0.0, 0.0)), image(guidance=0.0))
    process = samplers.sampling_process(forward, sampler)
    samplers.set_timesteps(process, 6)
    levels = [objective.levels(process, t) for t in process.timesteps]
    noise_fractions = [float(b / (a + b)) for a, b in levels]
    third, fourth = noise_fractions[2:4]
    between = image(guidance_interval=((third + fourth) / 2, 1.0))  # the first three steps
    assert not np.array_equal(between, image())
    assert not np.array_equal(between, image(guidance=0.0))
    assert np.array_equal(between, image(guidance_interval=(third, 1.0)))


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
def test_an_image_depends_on_its_own_seed_alone(unet, forward, sampler):
    together = sampled(unet, forward, [0, 1, 2, 0], [0, 5, 7, 1], sampler=sampler)
    shuffled = sampled(unet, forward, [2, 0, 0, 1], [7, 1, 0, 5], sampler=sampler)
    assert np.array_equal(together, shuffled[[2, 3, 0, 1]])
    assert not np.array_equal(together[0], together[3])


def test_the_class_changes_the_image(unet, forward):
    one = sampled(unet, forward, [0], [0])
    generators = [samplers.image_generator(seed=1, label=0, index=0)]
    process = samplers.sampling_process(forward, "ddim")
    other = samplers.sample(unet, process, torch.tensor([1]), generators=generators, steps=3, guidance=0.0)
    assert not np.array_equal(one, other)


def test_states_run_from_noise_to_the_image(unet, forward):
    generators = [samplers.image_generator(seed=1, label=0, index=0)]
    process = samplers.sampling_process(forward, "ddim")
    image, states = samplers.sample(
        unet, process, torch.tensor([0]), generators=generators, steps=4, guidance=0.0, keep_every=2
    )
    assert states.shape == (3, 1, 16, 16, 3)
    assert np.array_equal(states[-1], image)


@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
@pytest.mark.parametrize("steps", [1, 8, 20, 50, 61, 333, 600, 1000])  # 61: diffusers' own spacing has 62 steps
def test_sampling_begins_at_noise_and_ends_at_the_image(schedule, sampler, steps):
    process = samplers.sampling_process(objective.forward_process(schedule), sampler)
    samplers.set_timesteps(process, steps)
    first, timesteps = 999, process.timesteps.tolist()
    if (sampler, schedule) == ("dpmpp", "squaredcos_cap_v2"):
        first = 995  # of those later still, log(sqrt(abar / (1 - abar))) lies below -5.1
    assert (timesteps[0], len(timesteps)) == (first, min(steps, first + 1))
    assert timesteps[-1] == round((first + 1) / len(timesteps)) - 1
    assert sorted(set(timesteps), reverse=True) == timesteps
    assert process.alphas_cumprod[first] < 4.1e-5  # what x_T still holds of an image
    if sampler == "dpmpp":
        assert process.sigmas[-1] == 0
    else:
        assert samplers._next_timestep(process, process.timesteps[-1]) == -1


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
@pytest.mark.parametrize("steps", [1, 8, 20, 50, 1000])
def test_the_spacing_is_diffusers_trailing_one_where_that_has_the_steps_asked_for(forward, sampler, steps):
    ours, theirs = (samplers.sampling_process(forward, sampler) for _ in range(2))
    samplers.set_timesteps(ours, steps)
    theirs.set_timesteps(steps)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()


def test_all_the_steps_of_the_paper_are_those_of_any_spacing(forward):
    process = samplers.sampling_process(forward, "ddpm")
    samplers.set_timesteps(process, 1000)
    assert process.timesteps.tolist() == list(range(999, -1, -1))


def clipped_image(process, x_t, eps, t):
    return objective.denoised_image("epsilon", eps, x_t, *objective.levels(process, t)).clamp(-1, 1)


@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("steps", [3, 51, 1000])
def test_the_ancestral_step_is_that_of_diffusers_to_the_bit(schedule, steps):
    process = samplers.sampling_process(objective.forward_process(schedule), "ddpm")
    samplers.set_timesteps(process, steps)
    x_t, eps = torch.randn(2, 5, 3, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    for t in process.timesteps[:: steps // 50 or 1]:
        theirs = process.step(eps, t, x_t, generator=torch.Generator().manual_seed(1)).prev_sample
        fresh = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(1)) if t > 0 else None
        ours = samplers.ancestral_step(process, x_t, clipped_image(process, x_t, eps, t), t, fresh_noise=fresh)
        assert torch.equal(ours, theirs), t


@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("steps", [4, 50, 1000])
def test_the_deterministic_step_is_that_of_diffusers_to_the_bit_where_the_steps_divide_t(schedule, steps):
    process = samplers.sampling_process(objective.forward_process(schedule), "ddim")
    process.set_timesteps(steps)
    x_t, eps = torch.randn(2, 5, 3, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    for t in process.timesteps[:: steps // 50 or 1]:
        theirs = process.step(eps, t, x_t, use_clipped_model_output=True).prev_sample
        assert torch.equal(samplers.deterministic_step(process, x_t, clipped_image(process, x_t, eps, t), t), theirs), t


def test_ancestral_images_are_those_of_the_process_with_a_generator_an_image(unet, forward):
    """The loop as a reader of diffusers would write it."""
    generators = [samplers.image_generator(seed=1, label=label, index=0) for label in (0, 2, 1)]
    process = samplers.sampling_process(forward, "ddpm")
    samplers.set_timesteps(process, 5)
    with torch.inference_mode():
        x_t = torch.stack([torch.randn((3, 16, 16), generator=g) for g in generators])
        for t in process.timesteps:
            eps = unet(x_t, t, class_labels=torch.tensor([0, 2, 1])).sample
            x_t = process.step(eps, t, x_t, generator=generators).prev_sample
    generated = sampled(unet, forward, [0, 2, 1], [0, 0, 0], sampler="ddpm", steps=5)
    assert np.array_equal(generated, tensors.to_images(x_t))


def test_every_call_of_the_network_gets_memory_laid_out_alike(unet, forward, monkeypatch):
    """Also with the noise of many steps in one block, as for a GPU: else a compiled network is compiled twice."""
    monkeypatch.setattr(samplers.noise, "of_steps", noise.in_blocks)
    strides = []
    hook = unet.register_forward_pre_hook(lambda module, given: strides.append(given[0].stride()))
    sampled(unet, forward, [0, 1], [0, 0], sampler="ddpm", steps=4)
    hook.remove()
    assert len(strides) == 4 and len(set(strides)) == 1


class OfOneGaussian(torch.nn.Module):
    """The best possible prediction where all pixels of x_0 are independent and N(0.2, 0.3^2)."""

    config = SimpleNamespace(out_channels=3, sample_size=8, num_class_embeds=2)
    device = torch.device("cpu")

    def __init__(self, forward):
        super().__init__()
        self.kept, self.prediction = forward.alphas_cumprod, forward.config.prediction_type

    def forward(self, image, time, class_labels, return_dict):
        if self.prediction == "flow_prediction":
            a, b = 1 - time / 1000, time / 1000
        else:
            a, b = self.kept[time].sqrt(), (1 - self.kept[time]).sqrt()
        surprise = (image - a * 0.2) / (a**2 * 0.3**2 + b**2)
        x_0, eps = 0.2 + a * 0.3**2 * surprise, b * surprise  # as they are to be expected
        return (
            {"epsilon": eps, "v_prediction": a * eps - b * x_0, "flow_prediction": eps - x_0, "sample": x_0}[
                self.prediction
            ],
        )


@pytest.mark.parametrize("prediction", ["eps", "v", "flow", "x_0"])
@pytest.mark.parametrize(("sampler", "steps"), [("ddim", 100), ("ddpm", 1000), ("dpmpp", 15)])
def test_every_sampler_gives_the_distribution_of_its_network(prediction, sampler, steps):
    forward = objective.forward_process("squaredcos_cap_v2", prediction)
    images = sampled(OfOneGaussian(forward), forward, [0] * 40, range(40), sampler=sampler, steps=steps)
    x_0 = images / 127.5 - 1.0
    assert x_0.mean() == pytest.approx(0.2, abs=0.02)  # seven standard errors of 7,680 pixels
    assert x_0.std() == pytest.approx(0.3, abs=0.02)


def spread_of_few_steps(forward, sampler, steps):
    """The standard deviation that exact arithmetic gives x_0 of `OfOneGaussian`: each step is linear in x_t.

    It lies below 0.3, since a step takes x_0 for known that is only expected.
    """
    kept, variance = [*forward.alphas_cumprod.double().tolist(), 1.0], 1.0  # -1 is x_0
    timesteps = [*(round(1000 * (1 - i / steps)) - 1 for i in range(steps)), -1]
    for t, s in pairwise(timesteps):
        known = kept[t] ** 0.5 * 0.3**2 / (kept[t] * 0.3**2 + 1 - kept[t])  # of x_0, by x_t
        if sampler == "ddim":
            of_x_t = ((1 - kept[s]) / (1 - kept[t])) ** 0.5
            gain, fresh = (kept[s] ** 0.5 - of_x_t * kept[t] ** 0.5) * known + of_x_t, 0.0
        else:
            alpha, rest, rest_s = kept[t] / kept[s], 1 - kept[t], 1 - kept[s]
            gain = kept[s] ** 0.5 * (1 - alpha) / rest * known + alpha**0.5 * rest_s / rest
            fresh = rest_s / rest * (1 - alpha)
        variance = gain**2 * variance + fresh
    return variance**0.5


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [("ddpm", 1), ("ddpm", 2), ("ddpm", 20), ("ddpm", 61), ("ddim", 6), ("ddim", 61), ("ddim", 600)],
)
def test_few_steps_give_what_exact_arithmetic_says(forward, sampler, steps):
    images = sampled(OfOneGaussian(forward), forward, [0] * 120, range(120), sampler=sampler, steps=steps)
    x_0 = images / 127.5 - 1.0
    assert x_0.mean() == pytest.approx(0.2, abs=0.008)  # four standard errors of 23,040 pixels
    assert x_0.std() == pytest.approx(spread_of_few_steps(forward, sampler, steps), abs=0.006)


def test_a_step_of_ddim_takes_its_noise_from_the_clipped_image(forward):
    """Song et al. (2021), eq. 12 with sigma = 0, of x_0 in [-1, 1] and the eps that makes x_t of it."""
    process = samplers.sampling_process(forward, "ddim")
    process.set_timesteps(10)
    t, s = process.timesteps[3], process.timesteps[4]
    kept, kept_s = forward.alphas_cumprod[t], forward.alphas_cumprod[s]
    x_t, eps = torch.randn(2, 5, 3, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    x_0 = (x_t - (1 - kept).sqrt() * eps) / kept.sqrt()
    assert (x_0.abs() > 1).float().mean() > 0.2  # or there would be nothing to clip
    x_0 = x_0.clamp(-1, 1)
    eps_of_it = (x_t - kept.sqrt() * x_0) / (1 - kept).sqrt()
    expected = kept_s.sqrt() * x_0 + (1 - kept_s).sqrt() * eps_of_it
    estimate = objective.denoised_image("epsilon", eps, x_t, *objective.levels(process, t))
    torch.testing.assert_close(samplers.step(process, x_t, estimate, t, iter(())), expected, atol=1e-5, rtol=1e-5)


def test_few_steps_of_the_fast_solver_end_where_many_of_ddim_do(forward):
    network = OfOneGaussian(forward)
    many, few, fast = (
        sampled(network, forward, [0] * 4, range(4), sampler=sampler, steps=steps).astype(float)
        for sampler, steps in (("ddim", 500), ("ddim", 15), ("dpmpp", 15))
    )
    assert np.abs(fast - many).mean() < 0.5 * np.abs(few - many).mean()


def test_a_network_is_run_in_the_precision_asked_for(unet, forward):
    kinds = []
    hook = unet.conv_out.register_forward_hook(lambda module, given, made: kinds.append(made.dtype))
    generators = [samplers.image_generator(seed=1, label=0, index=0)]
    half, whole = (
        samplers.sample(
            unet,
            samplers.sampling_process(forward, "ddim"),
            torch.tensor([0]),
            generators=generators,
            steps=2,
            guidance=0.0,
            mixed_precision=precision,
        )
        for precision in ("bf16", "no")
    )
    hook.remove()
    assert kinds == [torch.bfloat16] * 2 + [torch.float32] * 2
    assert half.shape == whole.shape
