"""Faces of which a part is sampled anew: SDEdit by the study's own model within a mask, RePaint's blend outside.

Masks follow the five landmarks of MTCNN, or those of a typical face where there are none.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor

from kpop_rca.data.tensors import to_images, to_model
from kpop_rca.diffusion import objective
from kpop_rca.diffusion.objective import TIMESTEPS
from kpop_rca.diffusion.samplers import denoise, deterministic_step, sampling_process
from kpop_rca.errors import StudyError
from kpop_rca.system import parallel, seeds
from kpop_rca.system.seeds import Purpose

MASKS = ("face", "features", "eyes", "mouth")  # features: eyes, nose and mouth
STEPS = 25  # denoising steps of the whole reverse process, of which a strength takes its part
BATCH = 32  # images; the one shape of all batches, since another may change a pixel by a grey level
# Face area over the area of a whole photograph, up to which a strength is taken; None leaves the face out.
# Source: Liao et al. (2024), "FaceScore", table 4.
STRENGTH_BY_AREA = ((0.004, None), (0.01, 0.1), (0.1, 0.2), (1.0, 0.4))
STRENGTH_BY_MASK = ((0.06, 0.1), (0.15, 0.2), (1.0, 0.4))  # of a crop, whose mask's size stands for the face's
# Of a crop with a margin of a quarter: left eye, right eye, nose, left and right corner of the mouth, in sides.
TYPICAL_LANDMARKS = np.array([0.37, 0.43, 0.63, 0.43, 0.5, 0.55, 0.4, 0.67, 0.6, 0.67])
# Half axes of ellipses, in distances between the eyes and the mouth.
FACE_AXES, EYE_AXES, NOSE_AXES, MOUTH_AXES = (1.05, 1.35), (0.42, 0.3), (0.4, 0.45), (0.62, 0.38)


def strength_by_area(ratio: float) -> float | None:
    """The paper's adaptive strength of a face in a photograph; None for a face too small to be taken.

    >>> [strength_by_area(ratio) for ratio in (0.003, 0.004, 0.005, 0.05, 0.3)]
    [None, None, 0.1, 0.2, 0.4]
    """
    return next(strength for largest, strength in STRENGTH_BY_AREA if ratio <= largest)


def strengths_by_mask(masks: np.ndarray) -> np.ndarray:
    """The adaptive strengths of crops, float (N,), by the fraction of each that its mask, bool (N, H, W), covers."""
    bounds, strengths = zip(*STRENGTH_BY_MASK, strict=True)
    return np.array(strengths)[np.searchsorted(bounds, masks.mean(axis=(1, 2)))]


def masks_of(name: str, landmarks: np.ndarray, *, size: int) -> np.ndarray:
    """What is to be sampled anew of crops: bool (N, size, size).

    Args:
        name: one of MASKS, or "whole" for all of each crop.
        landmarks: (N, 10), x and y in pixels of the crops, in the order of `detection.LANDMARKS`; NaN for none.
    """
    if name == "whole":
        return np.ones((len(landmarks), size, size), dtype=bool)
    known = np.isfinite(landmarks).all(axis=1, keepdims=True)
    points = np.where(known, landmarks, TYPICAL_LANDMARKS * size).reshape(-1, 5, 2)
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    unit = np.linalg.norm(mouth - eyes, axis=1)
    both_eyes = [(points[:, 0], EYE_AXES), (points[:, 1], EYE_AXES)]
    ellipses = {
        "face": [((eyes + mouth) / 2, FACE_AXES)],
        "features": [*both_eyes, (points[:, 2], NOSE_AXES), (mouth, MOUTH_AXES)],
        "eyes": both_eyes,
        "mouth": [(mouth, MOUTH_AXES)],
    }[name]
    return np.any([_ellipse(centre, axes, unit, size=size) for centre, axes in ellipses], axis=0)


def _ellipse(centre: np.ndarray, axes: tuple[float, float], unit: np.ndarray, *, size: int) -> np.ndarray:
    """Pixels within upright ellipses about centres (N, 2), with half axes in units (N,) of pixels."""
    places = np.arange(size) + 0.5
    x = (places - centre[:, :1]) / (axes[0] * unit[:, None])
    y = (places - centre[:, 1:]) / (axes[1] * unit[:, None])
    return y[:, :, None] ** 2 + x[:, None, :] ** 2 <= 1


def inpaint(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    images: np.ndarray,
    labels: np.ndarray,
    masks: np.ndarray,
    *,
    strengths: Sequence[float] | float,
    seed: int,
    steps: int = STEPS,
    guidance: float = 0.0,
    progress: Callable = iter,
) -> np.ndarray:
    """Images with their masked part sampled anew by a model of any prediction, uint8 (N, H, W, 3).

    An image is noised to `strength` T and denoised by DDIM; after each step the part outside the mask is replaced by
    the original with the noise of that timestep, and at last by the original itself, bit by bit. Strength 0 returns
    the original. Image i follows from (seed, i), its label, mask and strength alone.

    Args:
        unet: in evaluation mode.
        forward: the forward process that it was trained on.
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
        masks: bool (N, H, W), true where an image is sampled anew.
        strengths: of all, or of each, in [0, 1].
        seed: of the study.
        steps: denoising steps of strength 1.
        guidance: see `samplers.guided`.
        progress: wraps the list of batches, `tqdm` for example.

    Raises:
        StudyError: a strength is out of range.

    Source: Meng et al. (2022), SDEdit, algorithm 2; Lugmayr et al. (2022), RePaint, eq. 8, without resampling.
    """
    strengths = np.broadcast_to(np.asarray(strengths, dtype=float), len(images))
    if not ((strengths >= 0) & (strengths <= 1)).all():
        raise StudyError(f"a strength of inpainting is {strengths.min():g} to {strengths.max():g}; give 0 to 1")
    batches = [
        rows
        for strength in np.unique(strengths[strengths > 0])
        for rows in _split(np.flatnonzero(strengths == strength))
    ]

    def of_rows(rows: np.ndarray) -> np.ndarray:
        padded = np.resize(rows, BATCH)
        generators = [torch.Generator().manual_seed(seeds.number(Purpose.INPAINTED, seed, int(i))) for i in padded]
        x_0 = to_model(torch.as_tensor(images[padded], device=unet.device))
        eps = torch.stack([torch.randn(x_0.shape[1:], generator=generator) for generator in generators])
        inside = torch.as_tensor(masks[padded], device=unet.device)[:, None]
        class_labels = torch.as_tensor(labels[padded], device=unet.device)
        how = {"strength": float(strengths[rows[0]]), "steps": steps, "guidance": guidance}
        return to_images(_inpainted(unet, forward, x_0, eps.to(unet.device), inside, class_labels, **how))[: len(rows)]

    inpainted = images.copy()
    made = parallel.a_core_each(of_rows, batches, device=unet.device)
    for rows, sampled in zip(progress(batches), made, strict=True):
        inpainted[rows] = np.where(masks[rows][..., None], sampled, images[rows])
    return inpainted


def _split(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]


@torch.inference_mode()
def _inpainted(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    x_0: Tensor,
    eps: Tensor,
    inside: Tensor,
    class_labels: Tensor,
    *,
    strength: float,
    steps: int,
    guidance: float,
) -> Tensor:
    """One batch of one strength, (B, 3, H, W) in [-1, 1]."""
    process = sampling_process(forward, "ddim")
    last, taken = max(1, round(strength * TIMESTEPS)), max(1, round(strength * steps))
    process.timesteps = torch.from_numpy(np.linspace(last, 0, min(taken, last), endpoint=False).round().astype(int) - 1)
    a, b = objective.levels(process, process.timesteps[0])
    x_t = a * x_0 + b * eps
    for number, t in enumerate(process.timesteps, 1):
        estimate = denoise(unet, process, x_t, t, class_labels, guidance=guidance).clamp(-1, 1)
        x_t = deterministic_step(process, x_t, estimate, t)
        if number < len(process.timesteps):
            a, b = objective.levels(process, process.timesteps[number])
            x_t = torch.where(inside, x_t, a * x_0 + b * eps)
    return x_t
