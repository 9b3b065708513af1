"""A face's nearest neighbours: a person behind a mask resembles that person's other images, a statue does not.

MTCNN doubts masked, shaded and tilted faces as much as it doubts creatures and patterns. The former resemble images
of the same identity that it does not doubt; the latter resemble each other, or one face here and another there.
"""

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

N_NEIGHBOURS = 7  # more do not help: an identity's few masked faces, or a data set's few statues, are no more


def supported_probabilities(detections: pd.DataFrame, features: np.ndarray, *, candidates: np.ndarray) -> np.ndarray:
    """Probability of each image's most prominent face in the light of its neighbours' (`mean_with_neighbours`).

    Args:
        detections: n rows with identity and view_probability.
        features: (n, d), `label_issues.identity_features` of the candidates; other rows are not looked at.
        candidates: (n,) bool, images whose most prominent face takes part.

    Returns:
        (n,) float in [0, 1], NaN for those that take no part. With a single candidate, its own view_probability.
    """
    faces, supported = detections[candidates], np.full(len(detections), np.nan)
    own = faces["view_probability"].to_numpy(dtype=np.float64)
    n_neighbours = min(N_NEIGHBOURS, len(faces) - 1)
    if n_neighbours < 1:
        supported[candidates] = own
        return supported
    search = NearestNeighbors(n_neighbors=n_neighbours).fit(features[candidates])
    neighbours = search.kneighbors(return_distance=False)  # of the fitted points, never themselves
    supported[candidates] = mean_with_neighbours(own, faces["identity"].to_numpy(), neighbours)
    return supported


def mean_with_neighbours(probabilities: np.ndarray, names: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Mean over a face and its neighbours, of which those of another name can only add to the doubt.

        s_i = (p_i + sum_j q_ij) / (k + 1),    q_ij = p_j if j bears the name of i, else min(p_i, p_j)

    Whatever is no face has some face or other for its nearest; were all of them believed, nothing would be doubted
    that is the only one of its kind.

    Args:
        probabilities: (n,) p, in [0, 1].
        names: (n,) identity labels, whether right or wrong.
        neighbours: (n, k) int, rows of the k most similar faces.
    """
    own, theirs = probabilities[:, None], probabilities[neighbours]
    same_name = names[neighbours] == names[:, None]
    return np.hstack([own, np.where(same_name, theirs, np.minimum(own, theirs))]).mean(axis=1)
