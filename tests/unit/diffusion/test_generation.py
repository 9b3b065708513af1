import dataclasses

import numpy as np
import pytest
import torch
from small_training import sampled

from kpop_rca.diffusion import generated_images, generation
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.errors import StudyError
from kpop_rca.system import devices


@pytest.fixture
def plan():
    return generation.GenerationPlan(sampler="ddim", steps=2, guidance=0.5, images_per_identity=5, batch_size=2, seed=1)


def generate(unet, forward, plan, folder, progress=list):
    generation.generate(unet, forward, plan, n_classes=2, folder=folder, progress=progress)


def test_generation_gives_the_planned_images_in_order(unet, forward, plan, tmp_path):
    generate(unet, forward, plan, tmp_path)
    images, conditions = generated_images.load(tmp_path)
    assert images.shape == (10, 16, 16, 3)
    assert conditions.tolist() == [0] * 5 + [1] * 5
    assert np.array_equal(images[5:7], sampled(unet, forward, [1, 1], [0, 1], guidance=0.5, steps=2))
    assert not list(tmp_path.glob("batches/*"))


def test_each_training_makes_its_part_of_every_identity(unet, forward, plan, tmp_path):
    """Of five images the first two and the last three, in batches of two."""
    torch.manual_seed(1)
    other = build_unet(image_size=16, channels=[8, 16], layers_per_block=1, attention_size=8, n_classes=3).eval()
    plan = dataclasses.replace(plan, trainings=2)
    models = [(unet, forward), (other, forward)]
    generation.generate_by_trainings(models, plan, n_classes=2, folder=tmp_path, progress=list)
    images, conditions = generated_images.load(tmp_path)
    assert generated_images.training_of(conditions, trainings=2).tolist() == [0, 0, 1, 1, 1] * 2
    how = {"guidance": 0.5, "steps": 2}
    assert np.array_equal(images[5:7], sampled(unet, forward, [1, 1], [0, 1], **how))
    assert np.array_equal(images[7:9], sampled(other, forward, [1, 1], [2, 3], **how))
    assert np.array_equal(images[9], sampled(other, forward, [1, 1], [4, 5], **how)[0])


def test_the_parts_of_the_trainings_are_all_images_and_none_is_empty():
    for trainings in (1, 3, 7):
        conditions = np.repeat([0, 1], 7)
        made_by = generated_images.training_of(conditions, trainings=trainings)
        assert len(made_by) == 14
        assert np.bincount(made_by[:7], minlength=trainings).min() >= 1
        assert np.array_equal(made_by[:7], made_by[7:])


def test_an_interrupted_generation_ends_with_the_same_images(unet, forward, plan, tmp_path):
    generate(unet, forward, plan, tmp_path / "whole")

    def stop_after_four(batches):
        for number, batch in enumerate(batches):
            if number == 4:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        generate(unet, forward, plan, tmp_path / "stopped", progress=stop_after_four)
    done = []
    generate(unet, forward, plan, tmp_path / "stopped", progress=lambda batches: done.extend(batches) or batches)
    assert len(done) == 2  # of six; the four generated before are not generated again
    whole, stopped = (generated_images.load(tmp_path / name)[0] for name in ("whole", "stopped"))
    assert np.array_equal(whole, stopped)


def test_whether_to_compile_follows_from_the_whole_plan(unet, forward, plan, tmp_path, monkeypatch):
    """One process, two that share the batches, one that goes on with the last: a compiled network rounds otherwise."""
    calls_of_plan = []
    monkeypatch.setattr(devices, "compile_where_it_pays", lambda network, device, *, calls: calls_of_plan.append(calls))
    generate(unet, forward, plan, tmp_path / "whole")
    batches = generation.missing_batches(tmp_path / "shared", plan, n_classes=2)
    for part in (batches[::2], batches[1:-1:2]):
        generation.generate_batches([(unet, forward)], plan, part, tmp_path / "shared", n_classes=2, progress=list)
    assert len(generation.missing_batches(tmp_path / "shared", plan, n_classes=2)) == 1
    generate(unet, forward, plan, tmp_path / "shared")
    assert calls_of_plan == [2 * 6] * 4  # steps x batches


def test_images_are_the_same_on_any_number_of_cores(unet, forward, plan, tmp_path, monkeypatch):
    for cores in (1, 3):
        monkeypatch.setattr(generation.parallel, "cores", lambda cores=cores: cores)
        generate(unet, forward, plan, tmp_path / str(cores))
    one, three = (generated_images.load(tmp_path / name)[0] for name in ("1", "3"))
    assert np.array_equal(one, three)


def test_what_does_not_fit_into_memory_says_what_to_lower(unet, forward, plan, monkeypatch):
    monkeypatch.setattr(generation, "sample", lambda *_, **__: torch.empty(2**48))  # the allocator itself refuses
    with pytest.raises(StudyError, match="too small to generate 2 images at once; lower sampling_batch_size"):
        generation.generate_batch([(unet, forward)], plan, (1, 0))
