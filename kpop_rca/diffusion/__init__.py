"""The generator: a class-conditional diffusion model, its training (03) and the images that it generates (05).

A training may be published: `published_weights`, from which 03 then starts.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"generated_images"},
    submod_attrs={
        "answers": ["about_generation", "about_training"],
        "generation": ["GenerationPlan", "generate", "generate_by_trainings"],
        "guidance_rule": ["about_guidance", "committed_guidance"],
        "inpainting": ["MASKS", "inpaint", "masks_of", "strengths_by_mask"],
        "held_out_loss": ["loss_difference", "losses_of_each", "mean_losses"],
        "lengths": ["about_lengths", "committed_curve", "over_trainings"],
        "objective": ["forward_process"],
        "published_weights": ["PublishedWeights"],
        "restoration": ["restore"],
        "samplers": ["forward_states", "image_generator", "sample", "sampling_process"],
        "shown_samples": ["WEIGHTS", "by_guidance", "effect_of_class_and_noise", "of_one_noise", "random_sheet"],
        "super_resolution": ["super_resolution_recipe", "train_super_resolution"],
        "trainer": ["DiffusionRecipe", "Trainer", "load_grids", "load_trained", "trained_precision"],
        "trainings": ["run_trainings", "training_folder", "training_folders"],
        "unet": ["build_unet"],
    },
)
