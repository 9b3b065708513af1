"""Near-duplicates: images of one burst, or one image saved twice, found by a perceptual hash."""

from typing import NamedTuple

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_SIZE = 16  # 16 x 16 = 256 bits: 64 bits cannot tell portraits on plain backgrounds apart
MAX_DISTANCE = 40  # bits of 256
# Copies of one file, re-encoded or resized, differ in 0 to 12 bits, seldom in more; of 13 million pairs of images of
# different people (avatars of the default study, press photographs) the closest differ in 38.
MAX_DISTANCE_ACROSS = 20
PAIRS_AT_ONCE = 2**22  # bounds the memory that distances take


def perceptual_hash(image: Image.Image) -> str:
    """256 bits as 64 hexadecimal digits: signs of the low DCT frequencies about their median (`imagehash.phash`)."""
    # Enough for a 64 x 64 hash input, and much faster than resampling a large photograph exactly.
    small = image.convert("L")
    small.thumbnail((256, 256), reducing_gap=2.0)
    return str(imagehash.phash(small, hash_size=HASH_SIZE))


def hamming_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of differing bits of every pair: (n, bits) and (m, bits) of 0 and 1 to (n, m) float32."""
    # With bits as -1 and 1 a dot product is bits - 2 * distance, which BLAS computes; exact in float32.
    signs_a, signs_b = a.astype(np.float32) * 2 - 1, b.astype(np.float32) * 2 - 1
    return (a.shape[1] - signs_a @ signs_b.T) / 2


class NearDuplicates(NamedTuple):
    """Near-duplicates among n images."""

    # (n,) int, whatever a chain of close pairs connects, of several identities perhaps: number of the group in order of
    # first appearance, -1 for an image that is alone
    groups: np.ndarray
    across: np.ndarray  # (n,) bool, a copy of the image lies in another identity's folder


def near_duplicates(
    hashes: pd.Series,
    identities: pd.Series,
    *,
    max_distance: int = MAX_DISTANCE,
    max_distance_across: int = MAX_DISTANCE_ACROSS,
) -> NearDuplicates:
    """Images that are nearly the same, within an identity and across identities.

    Args:
        hashes: from `perceptual_hash`; "" where there is no image.
        identities: same length.
        max_distance, max_distance_across: bits of 256 that a pair of one identity, of two identities may differ in.
    """
    names, found = pd.factorize(np.asarray(identities, dtype=object))[0], np.asarray(hashes, dtype=object)
    present = np.flatnonzero([bool(text) for text in found])
    groups, across = np.full(len(found), -1), np.zeros(len(found), dtype=bool)
    if len(present):
        names = names[present]
        limits = (max_distance, max_distance_across)
        rows, columns = _close_pairs(_bits(found[present]), names, limits=limits)
        edges = coo_array((np.ones(len(rows), dtype=np.uint8), (rows, columns)), shape=(len(names), len(names)))
        groups[present] = _numbered(connected_components(edges, directed=False)[1])
        strangers = names[rows] != names[columns]
        across[present[rows[strangers]]] = across[present[columns[strangers]]] = True
    return NearDuplicates(groups, across)


def _bits(hashes: np.ndarray) -> np.ndarray:
    """(n, 256) of 0 and 1 from hexadecimal text."""
    return np.unpackbits(np.array([list(bytes.fromhex(text)) for text in hashes], dtype=np.uint8), axis=1)


def _close_pairs(bits: np.ndarray, names: np.ndarray, *, limits: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all pairs within their limit, the first for equal names; each once, and each row's own."""
    pairs, step = [], max(1, PAIRS_AT_ONCE // len(bits))
    within, across = np.float32(limits)
    for start in range(0, len(bits), step):
        distances = hamming_distances(bits[start : start + step], bits[start:])
        same = names[start : start + step, None] == names[None, start:]
        rows, columns = np.nonzero(distances <= np.where(same, within, across))
        pairs.append(np.stack([rows, columns]) + start)
    rows, columns = np.concatenate(pairs, axis=1)
    return rows, columns


def _numbered(components: np.ndarray) -> np.ndarray:
    """Components of two or more as 0, 1, … in order of first appearance, the others as -1."""
    groups = np.full(len(components), -1)
    shared = np.bincount(components)[components] > 1
    groups[shared] = pd.factorize(components[shared])[0]
    return groups
