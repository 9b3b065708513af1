"""Relative Classification Accuracy: does a class-conditional diffusion model draw the person it was told to?"""

__version__ = "0.1.0"
