"""The generator: a class-conditional diffusion model, its training (03) and the images that it generates (05)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"generated_images"},
    submod_attrs={
        "generation": ["GenerationPlan", "generate", "generate_by_trainings"],
        "objective": ["compare_losses", "forward_process"],
        "samplers": ["forward_states", "image_generator", "sample", "sampling_process"],
        "trainer": ["DiffusionRecipe", "Trainer", "load_grids", "load_trained", "trained_precision"],
        "trainings": ["train", "training_folder", "training_folders"],
        "unet": ["build_unet"],
    },
)
