"""Quality, raters' bias and inconsistency by maximum likelihood (ITU-T P.910, alternating projection)."""

from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-8  # Euclidean length of the last change of all qualities
FLOOR = 1e-8  # of a variance: a rater who agrees with the estimate to the last digit has not all the weight


class Fit(NamedTuple):
    """Estimates with the leading axes of the ratings, if they have any."""

    quality: np.ndarray  # (..., J), on the scale of the ratings
    standard_error: np.ndarray  # (..., J), of the quality, given the raters
    bias: np.ndarray  # (..., I), of mean 0 over the raters
    inconsistency: np.ndarray  # (..., I), standard deviation of a rater about quality plus bias


def fit(ratings: np.ndarray, *, steps: int = 1000) -> Fit:
    """Alternating projection: the model is rating = quality + bias + inconsistency · N(0, 1).

    Args:
        ratings: float (..., J images, I raters), NaN where there is none; leading axes are separate panels.

    >>> rated = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 1.0], [3.0, 4.0, 3.0], [4.0, 5.0, 2.0]])
    >>> found = fit(rated)  # the second is the first plus one; the third answers as he likes
    >>> (found.bias[1] - found.bias[0]).round(3).item(), found.inconsistency.round(2).tolist()
    (1.0, [0.0, 0.0, 1.48])
    """
    there = ~np.isnan(ratings)
    rated = np.where(there, ratings, 0.0)
    of_image, of_rater = there.sum(axis=-1), there.sum(axis=-2)
    quality = rated.sum(axis=-1) / of_image
    bias = _of_raters(rated - quality[..., None], there, of_rater)
    for _ in range(steps):
        residual = rated - quality[..., None] - bias[..., None, :]
        mean = _of_raters(residual, there, of_rater)
        variance = _of_raters((residual - mean[..., None, :]) ** 2, there, of_rater)
        weight = there / (variance + FLOOR)[..., None, :]
        before, quality = quality, (weight * (rated - bias[..., None, :])).sum(axis=-1) / weight.sum(axis=-1)
        bias = _of_raters(rated - quality[..., None], there, of_rater)
        if (np.linalg.norm(quality - before, axis=-1) < TOLERANCE).all():
            break
    centre = bias.mean(axis=-1, keepdims=True)
    return Fit(quality + centre, weight.sum(axis=-1) ** -0.5, bias - centre, np.sqrt(variance))


def _of_raters(values: np.ndarray, there: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean over the images that each rater rated."""
    return (values * there).sum(axis=-2) / count
