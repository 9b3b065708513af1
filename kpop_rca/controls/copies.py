"""Generators that copy the faces that they were trained on, each a little altered."""

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca.data import tensors
from kpop_rca.degradations import compressed, shifted
from kpop_rca.diffusion.samplers import denoise, deterministic_step, sampling_process, set_timesteps
from kpop_rca.oracles.candidates import Faces

JPEG_QUALITY = 50
DIFFUSED_TO = 120  # of 1000 timesteps: noise of about 24 grey levels on the cosine schedule
DIFFUSED_LEVELS = (80, 200, 400)  # timesteps of a sweep
DENOISING_STEPS = 25  # of the whole reverse process, of which the last few are taken
AT_ONCE = 100  # faces that are diffused in one batch


@torch.inference_mode()
def diffused(
    faces: Faces, unet: UNet2DModel, forward: DDPMScheduler, *, generator: torch.Generator, to: int = DIFFUSED_TO
) -> np.ndarray:
    """Faces with the noise of a timestep, denoised again by the model: the same faces, sampled anew.

    Args:
        faces: and the identities on them, on which the model is conditioned.
        unet: in evaluation mode.
        forward: the forward process that it was trained on.
        generator: of the noise, on the CPU.
        to: latest timestep, of 1000; the larger it is, the less is left of a face but its identity's label.

    Source: Meng et al. (2022), SDEdit, algorithm 1; here by DDIM.
    """
    process = sampling_process(forward, "ddim")
    set_timesteps(process, DENOISING_STEPS)
    timesteps = [t for t in process.timesteps if t <= to]
    denoised = []
    for images, labels in zip(*(np.array_split(part, -(-len(part) // AT_ONCE)) for part in faces), strict=True):
        x_0, class_labels = tensors.to_model(torch.from_numpy(images)), torch.from_numpy(labels).to(unet.device)
        x_t = forward.add_noise(x_0, torch.randn(x_0.shape, generator=generator), timesteps[0]).to(unet.device)
        for t in timesteps:
            estimate = denoise(unet, process, x_t, t, class_labels, guidance=0).clamp(-1, 1)
            x_t = deterministic_step(process, x_t, estimate, t)
        denoised.append(tensors.to_images(x_t))
    return np.concatenate(denoised)


def disguised(
    faces: Faces, unet: UNet2DModel, forward: DDPMScheduler, *, generator: torch.Generator
) -> dict[str, np.ndarray]:
    """Training faces as a copier would output them, each a little altered; see `diffused` for the arguments."""
    images, _ = faces
    return {
        "as they are": images,
        "mirrored": np.ascontiguousarray(images[:, :, ::-1]),
        "shifted by a pixel": shifted(images),
        f"JPEG of quality {JPEG_QUALITY}": compressed(images, quality=JPEG_QUALITY),
        "diffused and denoised": diffused(faces, unet, forward, generator=generator),
    }
