"""The generator: a class-conditional diffusion model, its training and its sampling."""
