"""The generator: a class-conditional diffusion model, its training (03) and the images that it generates (05)."""

from kpop_rca.diffusion import generated_images
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.objective import compare_losses
from kpop_rca.diffusion.samplers import forward_process, forward_states, image_generator, sample, sampling_process
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer, load_grids, load_trained, trained_precision
from kpop_rca.diffusion.unet import build_unet

__all__ = [
    "DiffusionRecipe",
    "GenerationPlan",
    "Trainer",
    "build_unet",
    "compare_losses",
    "forward_process",
    "forward_states",
    "generate",
    "generated_images",
    "image_generator",
    "load_grids",
    "load_trained",
    "sample",
    "sampling_process",
    "trained_precision",
]
