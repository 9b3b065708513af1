"""Noise sampled many steps at once by several threads, against each image's generator step after step."""

import threading

import pytest
import torch

from kpop_rca.diffusion import noise

CPU = torch.device("cpu")


def generators(number):
    return [torch.Generator().manual_seed(seed) for seed in range(number)]


def one_by_one(number, shape, *, steps):
    of_each = [[torch.randn(shape, generator=generator) for _ in range(steps)] for generator in generators(number)]
    return torch.stack([torch.stack(of_one) for of_one in of_each])


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 32, 32), (3, 6, 6)], ids=str)  # the last is no multiple of 16 numbers
@pytest.mark.parametrize("number", [1, 3, 9])
@pytest.mark.parametrize("sampling", [noise.of_steps, noise.in_blocks])
def test_every_image_gets_the_noise_of_its_generator(monkeypatch, shape, number, sampling):
    monkeypatch.setattr(noise, "BLOCK_BYTES", 4 * 4 * number * 3 * shape[1] ** 2)  # four steps
    sampled = list(sampling(generators(number), shape, steps=11, device=CPU))
    assert torch.equal(torch.stack(sampled, dim=1), one_by_one(number, shape, steps=11))


def test_blocks_are_of_many_steps_and_one_ahead(monkeypatch):
    begun, begin = [], noise._begin

    def noted(*given, steps, pinned):
        begun.append(steps)
        return begin(*given, steps=steps, pinned=pinned)

    monkeypatch.setattr(noise, "_begin", noted)
    monkeypatch.setattr(noise, "BLOCK_BYTES", 4 * 4 * 2 * 48)  # four steps
    sampled = noise.in_blocks(generators(2), (3, 4, 4), steps=10, device=CPU)
    next(sampled)
    assert begun == [4, 4]
    assert len(list(sampled)) == 9
    assert begun == [4, 4, 2]


def test_noise_that_nobody_takes_leaves_no_thread():
    before = set(threading.enumerate())
    sampled = noise.in_blocks(generators(2), (3, 4, 4), steps=10, device=CPU)
    next(sampled)
    assert set(threading.enumerate()) > before
    sampled.close()
    assert set(threading.enumerate()) == before


def test_what_a_thread_raises_is_raised():
    sampled = noise.in_blocks([*generators(2), None, "no generator"], (3, 4, 4), steps=3, device=CPU)
    with pytest.raises(TypeError):
        next(sampled)
