"""Diversity of content, against cases computed by hand."""

import numpy as np
import pytest

from kpop_rca.image_metrics import content_diversity as diversity


def test_features_of_a_chessboard():
    board = (np.indices((4, 4)).sum(0) % 2 * 255).astype(np.uint8)
    images = np.repeat(board[None, ..., None], 3, axis=-1)
    found = diversity.low_level_features(images).iloc[0]
    assert found["brightness"] == pytest.approx(0.5)
    assert found["contrast"] == pytest.approx(0.5)
    assert found["colourfulness"] == pytest.approx(0)
    # Of a black pixel the Laplacian is the number of its white neighbours (inside 4, at a side 3, in a corner 2, where
    # the border is mirrored), of a white one its negative: mean square (4 * 16 + 8 * 9 + 4 * 4) / 16, mean 0.
    assert found["sharpness"] == pytest.approx(np.sqrt(9.5))


def test_colourfulness_of_two_halves():
    """Red and green: rg is 255 and -255, yb 127.5 throughout."""
    image = np.zeros((1, 2, 2, 3), np.uint8)
    image[:, 0, :, 0], image[:, 1, :, 1] = 255, 255
    found = diversity.low_level_features(image)["colourfulness"][0]
    assert found == pytest.approx(255 + 0.3 * 127.5)


def test_relative_range_is_by_the_largest_of_all_sets():
    found = diversity.relative_range({"a": np.array([2.0, 6.0]), "b": np.array([1.0, 8.0])})
    assert found == {"a": 0.5, "b": 0.875}
    assert diversity.relative_range({"a": np.zeros(3)}) == {"a": None}


def test_uniformity_is_the_entropy_in_units_of_its_largest():
    half = np.array([0.0, 0.0, 3.0, 3.0])  # two of four bins: log 2 / log 4
    found = diversity.uniformity({"half": half, "all": np.arange(4.0)}, bins=4)
    assert found == pytest.approx({"half": 0.5, "all": 1.0})
    assert diversity.uniformity({"same": np.ones(5)}, bins=4) == {"same": 0.0}


def test_the_table_has_every_set_and_feature():
    rng = np.random.default_rng(0)
    sets = {"wide": rng.integers(256, size=(20, 8, 8, 3)), "narrow": rng.integers(100, 130, size=(20, 8, 8, 3))}
    table = diversity.diversity_of_content({name: images.astype(np.uint8) for name, images in sets.items()})
    assert table.groupby(["set", "feature"], sort=False).ngroups == len(table) == 8
    assert table["uniformity"].between(0, 1).all()
    contrast = table[table["feature"] == "contrast"].set_index("set")["mean"]
    assert contrast["wide"] > contrast["narrow"]
