"""Variety within an identity, against hand-computed cases; a stand-in takes LPIPS' place."""

import json

import numpy as np
import pytest
import torch

from kpop_rca import diversity, networks
from kpop_rca.errors import StudyError

CPU = torch.device("cpu")


def noise(n, *, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def rng():
    return np.random.default_rng(7)


@pytest.fixture
def colour_lpips(monkeypatch):
    """Mean difference of grey levels in place of LPIPS."""

    def distances(network, images, pairs):
        first, second = (images[pairs[:, side]].astype(float) for side in (0, 1))
        return np.abs(first - second).mean(axis=(1, 2, 3))

    monkeypatch.setattr(networks, "load_lpips", lambda **_: None)
    monkeypatch.setattr(networks, "lpips_distances", distances)


def test_pairs_are_of_different_images():
    pairs = diversity.draw_pairs(30, 400, generator=rng())
    assert pairs.shape == (400, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel()) == set(range(30))
    np.testing.assert_array_equal(pairs, diversity.draw_pairs(30, 400, generator=rng()))
    assert len(diversity.draw_pairs(30, 435, generator=rng())) == 435  # there are 30 * 29 / 2 = 435
    assert len(np.unique(diversity.draw_pairs(30, 500, generator=rng()), axis=0)) == 435


def test_lpips_is_null_with_a_reason_without_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = diversity.lpips_diversity(
        noise(4), np.zeros(4, int), classes=["Ari"], n_pairs=5, generator=rng(), device=CPU, download=False
    )
    assert found["mean"] is None
    assert found["per_class"] == []
    assert "AlexNet" in found["why"]


def test_lpips_refuses_images_that_alexnet_cannot_take(colour_lpips):
    def of_size(size):
        images = noise(4, size=size)
        return diversity.lpips_diversity(
            images, np.zeros(4, int), classes=["Ari"], n_pairs=5, generator=rng(), device=CPU
        )

    assert of_size(30)["mean"] is None
    assert "31 pixels" in of_size(30)["why"]
    assert of_size(31)["mean"] > 0


def test_lpips_diversity_by_class_beside_real_images(colour_lpips):
    """Generated Ari is one picture over and over, Bo is noise; real ones the other way round. Classes never mix."""
    images, labels = np.concatenate([np.repeat(noise(1), 5, axis=0), noise(5, seed=1)]), np.repeat([0, 1], 5)
    order = rng().permutation(10)
    generated, real = (images[order], labels[order]), (images[order], 1 - labels[order])
    found = diversity.lpips_diversity(
        *generated, classes=["Ari", "Bo"], n_pairs=8, generator=rng(), device=CPU, real=real
    )
    same, varied = found["per_class"]
    assert (same["class"], same["lpips"], same["pairs"], same["n"]) == ("Ari", 0, 8, 5)
    assert varied["lpips"] > 50
    assert found["mean"] == pytest.approx(varied["lpips"] / 2)
    assert (same["real"] > 50, varied["real"], varied["real_pairs"], varied["n_real"]) == (True, 0, 8, 5)
    assert found["real"] == pytest.approx(same["real"] / 2)
    assert same["ci95"] == [0, 0]
    assert varied["ci95"][0] < varied["lpips"] < varied["ci95"][1]
    json.dumps(found, allow_nan=False)


def test_judge_feature_diversity_by_hand():
    features = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    found = diversity.judge_feature_diversity(
        features, np.array([0, 0, 1, 1, 1]), classes=["Ari", "Bo"], n_pairs=10, generator=rng()
    )
    ari, bo = found["per_class"]
    assert (ari["class"], ari["distance"], ari["pairs"], ari["ci95"]) == ("Ari", 5.0, 1, None)  # one pair says no more
    assert (bo["class"], bo["distance"], bo["pairs"]) == ("Bo", pytest.approx(2 / 3), 3)
    assert found["mean"] == pytest.approx((5 + 2 / 3) / 2)
    assert (found["real"], found["real_ci95"], bo["real"], bo["n_real"]) == (None, None, None, 0)
    # e = 1/3, 1/3, -2/3, whose squares sum to 2/3; by image 2/3, -1/3, -1/3, likewise. n (n-1) / (n-2)^2 = 6.
    reach = 4.302652729911275 * (6 * 2 / 3 - 2 / 3) ** 0.5 / 3  # Student's t of 2 degrees
    assert bo["ci95"] == pytest.approx([2 / 3 - reach, 2 / 3 + reach])


def test_diversity_of_a_single_image_names_the_identity():
    labels = np.array([0, 0, 1])
    with pytest.raises(StudyError, match="identity 'Bo' has 1 generated images"):
        diversity.judge_feature_diversity(np.zeros((3, 2)), labels, classes=["Ari", "Bo"], n_pairs=10, generator=rng())
    both = np.array([0, 0, 1, 1])
    found = diversity.judge_feature_diversity(
        np.zeros((4, 2)), both, classes=["Ari", "Bo"], n_pairs=10, generator=rng(), real=(np.zeros((3, 2)), labels)
    )
    assert found["real"] is None  # a single real Bo has no variety
    assert [entry["real"] for entry in found["per_class"]] == [0, None]


def test_real_images_change_nothing_about_generated_ones():
    """Their pairs are drawn after those of the generated images."""
    features, labels = np.random.default_rng(1).normal(size=(60, 3)), np.arange(60) % 2
    how = {"classes": ["Ari", "Bo"], "n_pairs": 20}
    alone = diversity.judge_feature_diversity(features, labels, generator=rng(), **how)
    beside = diversity.judge_feature_diversity(features, labels, generator=rng(), real=(features / 2, labels), **how)
    assert beside["mean"] == alone["mean"]
    assert beside["ci95"] == alone["ci95"]
    assert beside["real"] < 0.7 * beside["mean"]


def test_standard_error_of_pairs_that_share_no_image_is_the_usual_one():
    """But for n (n-1) / (n-2)^2, which is 1.0075 for 400 images."""
    distances = rng().normal(5, 1, size=200)
    found = diversity.pairs_standard_error(np.arange(400).reshape(200, 2), distances)
    assert found == pytest.approx(distances.std() / 200**0.5, rel=0.01)


def test_a_pair_drawn_twice_is_one_pair():
    """e = 1, 1, -1, -1: 2 for the pair drawn twice, and by image 2, 2, -1, -1, -1, -1."""
    pairs = np.array([[0, 1], [1, 0], [2, 3], [4, 5]])  # the second time the other way round
    found = diversity.pairs_standard_error(pairs, np.array([2.0, 2.0, 0.0, 0.0]))
    assert found == pytest.approx((30 / 16 * 12 - 6) ** 0.5 / 4)


@pytest.mark.parametrize(("n", "n_pairs"), [(20, 190), (60, 90)])
def test_interval_of_the_diversity_covers_it(n, n_pairs):
    """Of images x ~ N(0, 1) the mean distance is 2 / sqrt(pi). All pairs, and few random ones.

    Over 400 draws chance moves the share by 2 sd = 0.022; that distances are skewed costs 0.02 to 0.03. An interval
    that takes the pairs as independent covers far less.
    """
    draw, hits, naive = np.random.default_rng(5), 0, 0
    for _ in range(400):
        features = draw.normal(size=(n, 1))
        entry = diversity.judge_feature_diversity(
            features, np.zeros(n, int), classes=["Ari"], n_pairs=n_pairs, generator=draw
        )["per_class"][0]
        low, high = entry["ci95"]
        hits += low <= 2 / np.pi**0.5 <= high
        pairs = diversity.draw_pairs(n, n_pairs, generator=draw)
        found = np.abs(features[pairs[:, 0], 0] - features[pairs[:, 1], 0])
        naive += abs(found.mean() - 2 / np.pi**0.5) <= 1.96 * found.std() / len(pairs) ** 0.5
    assert 0.89 <= hits / 400 <= 0.98
    assert naive / 400 < (0.65 if n == 20 else 0.90)
