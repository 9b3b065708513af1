"""Features to measure: sets drawn from normal distributions."""

import numpy as np


def rng():
    return np.random.default_rng(7)


def normals(*sizes, d=3, seed=0, shift=0.0):
    """Sets of standard normal features; the last set is shifted."""
    draw = np.random.default_rng(seed)
    sets = [draw.normal(size=(n, d)) for n in sizes]
    sets[-1] = sets[-1] + shift
    return sets
