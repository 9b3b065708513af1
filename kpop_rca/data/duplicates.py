"""Near-duplicates: pictures of one burst, or one picture saved twice, found by a perceptual hash."""

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_SIZE = 16  # 16 x 16 = 256 bits: 64 bits cannot tell portraits on plain backgrounds apart
MAX_DISTANCE = 40  # bits of 256
ROWS_AT_ONCE = 2048  # bounds the distance matrix of one identity to 2048 rows


def perceptual_hash(image: Image.Image) -> str:
    """The picture's perceptual hash (signs of its low DCT frequencies about their median).

    Args:
        image: any mode, any size.

    Returns:
        256 bits as 64 hexadecimal digits.

    Source:
        `imagehash.phash`.
    """
    # Enough for a 64 x 64 hash input, and much faster than resampling a large photograph exactly.
    small = image.convert("L")
    small.thumbnail((256, 256), reducing_gap=2.0)
    return str(imagehash.phash(small, hash_size=HASH_SIZE))


def hamming_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of differing bits of every pair.

    Args:
        a: (n, bits) of 0 and 1.
        b: (m, bits) of 0 and 1.

    Returns:
        (n, m) int.
    """
    # With bits as -1 and 1 a dot product is bits - 2 * distance, which BLAS computes; exact in float32.
    signs_a, signs_b = a.astype(np.float32) * 2 - 1, b.astype(np.float32) * 2 - 1
    return np.rint((a.shape[1] - signs_a @ signs_b.T) / 2).astype(int)


def duplicate_groups(hashes: pd.Series, identities: pd.Series, *, max_distance: int = MAX_DISTANCE) -> np.ndarray:
    """Groups of near-duplicates within an identity: whatever a chain of close pairs connects.

    Args:
        hashes: from `perceptual_hash`; "" where there is no picture.
        identities: same length; pictures of different identities are never grouped.
        max_distance: bits of 256 that a pair of near-duplicates may differ in.

    Returns:
        (n,) int: number of the group in order of first appearance, -1 for a picture that is alone.
    """
    hashes, identities = np.asarray(hashes, dtype=object), np.asarray(identities, dtype=object)
    components = np.arange(len(hashes))  # everyone in a component of its own, named after its first member
    present = np.array([bool(text) for text in hashes], dtype=bool)
    for identity in pd.unique(identities[present]):
        rows = np.flatnonzero(present & (identities == identity))
        components[rows] = rows[_first_members(_bits(hashes[rows]), max_distance=max_distance)]
    return _numbered(components)


def _bits(hashes: np.ndarray) -> np.ndarray:
    """(n, 256) of 0 and 1 from hexadecimal text."""
    return np.unpackbits(np.array([list(bytes.fromhex(text)) for text in hashes], dtype=np.uint8), axis=1)


def _first_members(bits: np.ndarray, *, max_distance: int) -> np.ndarray:
    """For each row, the first row of its connected component."""
    pairs = []
    for start in range(0, len(bits), ROWS_AT_ONCE):
        near = hamming_distances(bits[start : start + ROWS_AT_ONCE], bits) <= max_distance
        rows, columns = np.nonzero(near)
        pairs.append(np.stack([rows + start, columns]))
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(rows), dtype=np.uint8), (rows, columns)), shape=(len(bits), len(bits)))
    labels = connected_components(graph, directed=False)[1]
    first = pd.Series(np.arange(len(bits))).groupby(labels).min().to_numpy()
    return first[labels]


def _numbered(components: np.ndarray) -> np.ndarray:
    """Components of two or more as 0, 1, … in order of first appearance, the others as -1."""
    groups = np.full(len(components), -1)
    _, inverse, counts = np.unique(components, return_inverse=True, return_counts=True)
    shared = counts[inverse] > 1
    groups[shared] = pd.factorize(components[shared])[0]
    return groups
