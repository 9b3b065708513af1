"""A part of a face sampled anew: nothing outside the mask changes, and each image follows from its own seed."""

import numpy as np
import pytest

from kpop_rca.diffusion import inpainting
from kpop_rca.diffusion.objective import PREDICTIONS, forward_process
from kpop_rca.errors import StudyError

N, SIZE = 36, 16
IMAGES = np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = np.arange(N) % 3
MASKS = inpainting.masks_of("features", np.full((N, 10), np.nan), size=SIZE)


@pytest.fixture(params=PREDICTIONS)
def model(request, unet):
    return unet, forward_process("squaredcos_cap_v2", request.param)


def inpainted(model, rows=slice(None), **changed):
    how = {"strengths": 0.4, "seed": 0, "steps": 5} | changed
    return inpainting.inpaint(*model, IMAGES[rows], LABELS[rows], MASKS[rows], **how)


def test_only_the_mask_changes(model):
    found = inpainted(model)
    assert np.array_equal(found[~MASKS], IMAGES[~MASKS])
    assert (found[MASKS] != IMAGES[MASKS]).mean() > 0.5


def test_strength_0_returns_the_original(model):
    strengths = np.where(np.arange(N) % 2, 0.0, 0.4)
    found = inpainted(model, strengths=strengths)
    assert np.array_equal(found[1::2], IMAGES[1::2])
    assert (found[::2] != IMAGES[::2]).any(axis=(1, 2, 3)).all()


def test_an_image_does_not_depend_on_the_others(unet, forward):
    whole = inpainted((unet, forward))
    assert np.array_equal(whole[:3], inpainted((unet, forward), slice(0, 3)))
    assert (whole != inpainted((unet, forward), seed=1)).any()


def test_more_strength_changes_more(unet, forward):
    far = [np.abs(inpainted((unet, forward), strengths=s).astype(int) - IMAGES).mean() for s in (0.1, 0.4, 0.9)]
    assert far == sorted(far) and far[0] < far[2]


def test_a_strength_out_of_range_is_an_error(unet, forward):
    with pytest.raises(StudyError, match=r"strength of inpainting is 1\.5"):
        inpainted((unet, forward), strengths=1.5)


def test_masks_follow_the_landmarks():
    typical = (inpainting.TYPICAL_LANDMARKS * 32)[None]
    by_name = {name: inpainting.masks_of(name, typical, size=32)[0] for name in inpainting.MASKS}
    sizes = {name: mask.mean() for name, mask in by_name.items()}
    assert 0.2 < sizes["face"] < 0.35
    assert sizes["face"] > sizes["features"] > max(sizes["eyes"], sizes["mouth"])
    assert not by_name["eyes"][18:].any() and not by_name["mouth"][:16].any()
    moved = inpainting.masks_of("eyes", typical + np.tile([3, 0], 5), size=32)[0]
    assert np.array_equal(moved[:, 3:], by_name["eyes"][:, :-3])
    assert np.array_equal(inpainting.masks_of("eyes", np.full((1, 10), np.nan), size=32)[0], by_name["eyes"])


def test_strength_grows_with_the_mask():
    masks = np.zeros((3, 10, 10), dtype=bool)
    masks[0, 0, :3] = masks[1, :1] = masks[2, :5] = True
    assert inpainting.strengths_by_mask(masks).tolist() == [0.1, 0.2, 0.4]
