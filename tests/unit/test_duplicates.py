"""Near-duplicates by perceptual hash."""

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance

from kpop_rca.data import duplicates


def _hash_with(*, bits: list[int]) -> str:
    """A hash of zeros but for the given bits."""
    flags = np.zeros(256, dtype=np.uint8)
    flags[bits] = 1
    return np.packbits(flags).tobytes().hex()


def test_distances_by_hand() -> None:
    a = np.array([[0, 0, 1, 1], [1, 1, 1, 1]])
    b = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    assert duplicates.hamming_distances(a, b).tolist() == [[0, 3, 2], [2, 3, 4]]


def test_groups_are_chains_within_an_identity() -> None:
    hashes = pd.Series(
        [
            _hash_with(bits=[100, 101, 102, 103]),  # alone: 4 bits from the nearest of A
            _hash_with(bits=[]),
            _hash_with(bits=[0, 1]),
            _hash_with(bits=[0, 1, 2, 3]),  # 4 bits from row 1, but 2 from row 2
            _hash_with(bits=[]),  # equal to row 1, of another identity
            "",  # unreadable
            "",
            _hash_with(bits=[7]),  # near row 4
        ]
    )
    identities = pd.Series(["A", "A", "A", "A", "B", "B", "B", "B"])
    groups = duplicates.duplicate_groups(hashes, identities, max_distance=2)
    assert groups.tolist() == [-1, 0, 0, 0, 1, -1, -1, 1]


def test_distance_is_inclusive_and_no_images_are_no_groups() -> None:
    pair = pd.Series([_hash_with(bits=[]), _hash_with(bits=[3, 4, 5])])
    same = pd.Series(["A", "A"])
    assert duplicates.duplicate_groups(pair, same, max_distance=3).tolist() == [0, 0]
    assert duplicates.duplicate_groups(pair, same, max_distance=2).tolist() == [-1, -1]
    assert duplicates.duplicate_groups(pair[:0], same[:0]).tolist() == []


def test_more_rows_than_one_block(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "ROWS_AT_ONCE", 3)
    hashes = pd.Series([_hash_with(bits=[i * 20 + j for j in range(10)]) for i in (0, 1, 2, 3, 4, 5, 1, 0)])
    groups = duplicates.duplicate_groups(hashes, pd.Series(["A"] * 8), max_distance=0)
    assert groups.tolist() == [0, 1, -1, -1, -1, -1, 1, 0]


def test_hash_ignores_size_and_light_but_not_content() -> None:
    image, other = (Image.effect_mandelbrot((300, 300), box, 100) for box in ((-2, -1, 1, 1), (-1, -1, 1, 0)))
    brighter = ImageEnhance.Brightness(image.resize((180, 180))).enhance(1.15)
    bits = duplicates._bits(np.array([duplicates.perceptual_hash(i) for i in (image, brighter, other)]))
    distances = duplicates.hamming_distances(bits, bits)
    assert distances[0, 1] <= duplicates.MAX_DISTANCE < distances[0, 2]
