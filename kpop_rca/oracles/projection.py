"""An oracle's features in two dimensions, for a figure."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from kpop_rca.oracles.candidates import capped
from kpop_rca.system import seeds

EACH = 50  # faces of an identity: the time grows faster than their number
PERPLEXITY = 30.0


def projected(features: np.ndarray, labels: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces as points of the plane, near each other where their features are: float (n, 2) and labels, int64 (n,).

    Neighbourhoods are kept, distances between groups mean nothing.

    Args:
        features: float (N, D).
        labels: int64 (N,); at most EACH of an identity are shown.
        seed: of the study.

    Source: van der Maaten and Hinton (2008), t-SNE, as scikit-learn's.
    """
    generator = seeds.generator(seeds.Purpose.PROJECTION, seed)
    most = np.full(int(labels.max()) + 1, EACH)
    chosen, shown = capped((np.arange(len(labels)), labels), most, generator=generator)
    part = features[chosen]
    few = PCA(min(20, *part.shape), random_state=0).fit_transform(part)
    perplexity = min(PERPLEXITY, (len(few) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="pca", random_state=int(generator.integers(2**31)), n_jobs=1)
    return found.fit_transform(few), shown
