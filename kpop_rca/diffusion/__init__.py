"""The generator: a class-conditional diffusion model, its training (03) and the images that it generates (05).

A training may be published: `published_weights`, from which 03 then starts.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"generated_images"},
    submod_attrs={
        "generation": ["GenerationPlan", "generate", "generate_by_trainings"],
        "inpainting": ["MASKS", "inpaint", "masks_of", "strengths_by_mask"],
        "objective": ["compare_losses", "forward_process"],
        "published_weights": ["PublishedWeights"],
        "restoration": ["restore"],
        "samplers": ["forward_states", "image_generator", "sample", "sampling_process"],
        "super_resolution": ["super_resolution_recipe", "train_super_resolution"],
        "trainer": ["DiffusionRecipe", "Trainer", "load_grids", "load_trained", "trained_precision"],
        "trainings": ["run_trainings", "training_folder", "training_folders"],
        "unet": ["build_unet"],
    },
)
