"""Near-duplicates by perceptual hash."""

import io
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance
from small_avatars import SMALL

from kpop_rca.avatars import dataset
from kpop_rca.data import duplicates, identity_folders
from kpop_rca.faces import splits


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
    found = duplicates.near_duplicates(hashes, identities, max_distance=2, max_distance_across=-1)
    assert found.groups.tolist() == [-1, 0, 0, 0, 1, -1, -1, 1]
    assert not found.across.any()


def test_copies_in_two_folders_are_one_group_and_only_they_are_across() -> None:
    """A's burst of two, one of which is also B's; C's image is as close to it as A's burst is, and is another one."""
    hashes = pd.Series([_hash_with(bits=list(range(30))), _hash_with(bits=[]), _hash_with(bits=[7]), ""])
    hashes[3] = _hash_with(bits=list(range(100, 130)))
    found = duplicates.near_duplicates(hashes, pd.Series(["A", "A", "B", "C"]))
    assert found.groups.tolist() == [0, 0, 0, -1]
    assert found.across.tolist() == [False, True, True, False]


def test_a_copy_that_was_resized_and_encoded_again_is_found_under_another_name() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize((300, 300))
    saved = io.BytesIO()
    image.resize((150, 150)).save(saved, "JPEG", quality=60)
    hashes = pd.Series([duplicates.perceptual_hash(i) for i in (image, Image.open(saved))])
    assert duplicates.near_duplicates(hashes, pd.Series(["A", "B"])).across.all()


def test_ten_thousand_images_take_seconds_and_no_two_strangers_are_copies() -> None:
    bits = np.random.default_rng(0).integers(0, 256, (10_000, 32), dtype=np.uint8)
    bits[9_999] = bits[0]
    hashes = pd.Series([row.tobytes().hex() for row in bits])
    began = time.monotonic()
    found = duplicates.near_duplicates(hashes, pd.Series(np.arange(10_000) % 10))
    assert time.monotonic() - began < 20
    assert np.flatnonzero(found.across).tolist() == [0, 9_999]


def test_distance_is_inclusive_and_no_images_are_no_groups() -> None:
    pair = pd.Series([_hash_with(bits=[]), _hash_with(bits=[3, 4, 5])])
    same = pd.Series(["A", "A"])
    assert duplicates.near_duplicates(pair, same, max_distance=3).groups.tolist() == [0, 0]
    assert duplicates.near_duplicates(pair, same, max_distance=2).groups.tolist() == [-1, -1]
    assert duplicates.near_duplicates(pair[:0], same[:0]).groups.tolist() == []
    assert duplicates.near_duplicates(pd.Series(["", ""]), same).groups.tolist() == [-1, -1]


def test_more_rows_than_one_block(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", 3 * 8)
    hashes = pd.Series([_hash_with(bits=[i * 20 + j for j in range(10)]) for i in (0, 1, 2, 3, 4, 5, 1, 0)])
    found = duplicates.near_duplicates(hashes, pd.Series(["A"] * 8), max_distance=0)
    assert found.groups.tolist() == [0, 1, -1, -1, -1, -1, 1, 0]


def test_hash_ignores_size_and_light_but_not_content() -> None:
    image, other = (Image.effect_mandelbrot((300, 300), box, 100) for box in ((-2, -1, 1, 1), (-1, -1, 1, 0)))
    brighter = ImageEnhance.Brightness(image.resize((180, 180))).enhance(1.15)
    bits = duplicates._bits(np.array([duplicates.perceptual_hash(i) for i in (image, brighter, other)]))
    distances = duplicates.hamming_distances(bits, bits)
    assert distances[0, 1] <= duplicates.MAX_DISTANCE < distances[0, 2]


def test_avatars_of_different_people_are_no_copies_and_one_file_under_two_names_is(tmp_path: Path) -> None:
    """Look-alikes against the same backgrounds; then one image, encoded again, and a hard case, both in training."""
    truth = dataset.render_dataset(
        tmp_path, **(SMALL | {"size": 96, "train_per_identity": 40, "alikeness": 0.8}), workers=1
    )
    table = identity_folders.scan(tmp_path)
    found = duplicates.near_duplicates(_hashes(tmp_path, table), table["identity"])
    assert len(table) == len(truth) and not found.across.any()
    train = tmp_path / "normal_cases" / "train"
    alone = table["path"][(found.groups == -1) & table["path"].str.startswith("normal_cases/train/0000/")].iloc[0]
    Image.open(tmp_path / alone).resize((80, 80)).save(train / "0001" / "copy.jpg", quality=70)
    shutil.copy(tmp_path / "hard_cases" / "test" / "0002" / "0.jpg", train / "0002" / "twin.jpg")
    table = identity_folders.scan(tmp_path).assign(hand_label="", flag_unreadable=False, flag_no_face=False)
    found = duplicates.near_duplicates(_hashes(tmp_path, table), table["identity"])
    assert set(table["path"][found.across]) == {alone, "normal_cases/train/0001/copy.jpg"}
    table["duplicate_group"] = found.groups
    reasons = splits.exclusion_reasons(table, exclude_flags=[], exclude_hand_labels=[])
    assert reasons[table["path"] == "normal_cases/train/0002/twin.jpg"].tolist() == ["twin_of_hard_case"]


def _hashes(root: Path, table: pd.DataFrame) -> pd.Series:
    return table["path"].map(lambda path: duplicates.perceptual_hash(Image.open(root / path)))
