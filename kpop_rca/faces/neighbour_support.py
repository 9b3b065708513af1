"""Asking a face's look-alikes: a person behind a mask resembles that person's other pictures, a statue does not.

MTCNN doubts masked, shaded and tilted faces as much as it doubts creatures and patterns. The former resemble pictures
of the same identity that it does not doubt; the latter resemble each other, or one face here and another there.
"""

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

LOOK_ALIKES = 7  # more are asked in vain: an identity's few masked faces, or a corpus' few statues, are no more


def supported_probabilities(detections: pd.DataFrame, features: np.ndarray, *, candidates: np.ndarray) -> np.ndarray:
    """Probability of each image's most prominent face in the light of its look-alikes' (`mean_with_look_alikes`).

    Look-alikes are the nearest in the pixels that also tell identities apart (`label_issues.identity_features`).

    Args:
        detections: n rows with the faces, identity and view_probability.
        features: (n, d), `label_issues.identity_features` of the candidates; other rows are not looked at.
        candidates: (n,) bool, images whose most prominent face takes part.

    Returns:
        (n,) float in [0, 1], NaN for those that take no part. With a single candidate, its own view_probability.
    """
    faces, supported = detections[candidates], np.full(len(detections), np.nan)
    own = faces["view_probability"].to_numpy(dtype=np.float64)
    n_asked = min(LOOK_ALIKES, len(faces) - 1)
    if n_asked < 1:
        supported[candidates] = own
        return supported
    search = NearestNeighbors(n_neighbors=n_asked).fit(features[candidates])
    look_alikes = search.kneighbors(return_distance=False)  # of the fitted points, never themselves
    supported[candidates] = mean_with_look_alikes(own, faces["identity"].to_numpy(), look_alikes)
    return supported


def mean_with_look_alikes(probabilities: np.ndarray, names: np.ndarray, look_alikes: np.ndarray) -> np.ndarray:
    """Mean over a face and its look-alikes, of which those of another name can only add to the doubt.

        s_i = (p_i + sum_j q_ij) / (k + 1),    q_ij = p_j if j bears the name of i, else min(p_i, p_j)

    Whatever is no face has some face or other for its nearest; were all of them believed, nothing would be doubted
    that is the only one of its kind.

    Args:
        probabilities: (n,) p, in [0, 1].
        names: (n,) identity labels, whether right or wrong.
        look_alikes: (n, k) int, rows of the k most similar faces.

    Returns:
        (n,) float in [0, 1].
    """
    own, theirs = probabilities[:, None], probabilities[look_alikes]
    same_name = names[look_alikes] == names[:, None]
    return np.hstack([own, np.where(same_name, theirs, np.minimum(own, theirs))]).mean(axis=1)
