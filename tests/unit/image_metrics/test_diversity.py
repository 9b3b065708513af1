"""Diversity within an identity, against hand-computed cases; a stand-in takes LPIPS' place."""

import json

import numpy as np
import pytest
import torch
from reasons import without_reason
from scipy.stats import t

from kpop_rca.image_metrics import diversity, feature_extractors

CPU = torch.device("cpu")


def noise(n, *, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def rng():
    return np.random.default_rng(7)


def feature_diversity(*features, **how):
    return diversity.feature_diversity(*features, words="any", **how)


@pytest.fixture
def colour_lpips(monkeypatch):
    """Mean difference of grey levels in place of LPIPS."""

    def distances(network, images, pairs):
        first, second = (images[pairs[:, side]].astype(float) for side in (0, 1))
        return np.abs(first - second).mean(axis=(1, 2, 3))

    monkeypatch.setattr(feature_extractors, "load_lpips", lambda **_: None)
    monkeypatch.setattr(feature_extractors, "lpips_distances", distances)


def test_pairs_are_of_different_images():
    pairs = diversity.sample_pairs(30, 400, generator=rng())
    assert pairs.shape == (400, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel()) == set(range(30))
    np.testing.assert_array_equal(pairs, diversity.sample_pairs(30, 400, generator=rng()))
    assert len(diversity.sample_pairs(30, 435, generator=rng())) == 435  # there are 30 * 29 / 2 = 435
    assert len(np.unique(diversity.sample_pairs(30, 500, generator=rng()), axis=0)) == 435


def test_lpips_is_null_with_a_reason_without_weights(no_weights):
    found = diversity.lpips_diversity(
        noise(4), np.zeros(4, int), classes=["Ari"], n_pairs=5, generator=rng(), device=CPU
    )
    assert found["mean"] is None
    assert found["per_class"] == []
    assert found["why"].startswith("alexnet-owt-7be5be79.pth is missing")


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
    """Generated Ari is one image over and over, Bo is noise; real ones the other way round. Classes never mix."""
    images, labels = np.concatenate([np.repeat(noise(1), 5, axis=0), noise(5, seed=1)]), np.repeat([0, 1], 5)
    order = rng().permutation(10)
    generated, real = (images[order], labels[order]), (images[order], 1 - labels[order])
    found = diversity.lpips_diversity(
        *generated, classes=["Ari", "Bo"], n_pairs=10, generator=rng(), device=CPU, real=real
    )
    same, varied = found["per_class"]
    assert (same["class"], same["lpips"], same["pairs"], same["n"]) == ("Ari", 0, 10, 5)
    assert varied["lpips"] > 50
    assert found["mean"] == pytest.approx(varied["lpips"] / 2)
    assert (same["real"] > 50, varied["real"], varied["real_pairs"], varied["n_real"]) == (True, 0, 10, 5)
    assert found["real"] == pytest.approx(same["real"] / 2)
    assert (same["ci95"], same["ci95_why"]) == (None, diversity.ALIKE)  # none of width 0
    assert found["ci95"][0] < found["mean"] < found["ci95"][1]
    assert varied["ci95"][0] < varied["lpips"] < varied["ci95"][1]
    json.dumps(found, allow_nan=False)


def test_feature_diversity_by_hand():
    features = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    found = feature_diversity(features, np.array([0, 0, 1, 1, 1]), classes=["Ari", "Bo"], n_pairs=10, generator=rng())
    ari, bo = found["per_class"]
    assert (ari["class"], ari["distance"], ari["pairs"], ari["ci95"]) == ("Ari", 5.0, 1, None)  # one pair says no more
    assert (bo["class"], bo["distance"], bo["pairs"]) == ("Bo", pytest.approx(2 / 3), 3)
    assert found["mean"] == pytest.approx((5 + 2 / 3) / 2)
    assert (found["real"], found["real_ci95"], bo["real"], bo["n_real"]) == (None, None, None, 0)
    assert list(without_reason(found)) == []


def test_interval_of_the_diversity_by_hand():
    """Three images at 1, 1 and 2 of each other, three at 2, 2 and 4: e = 1/3, 1/3, -2/3 on sides 0-1, 1-2, 0-2.

    By image -1/3, 2/3, -1/3, whose squares sum to 2/3; n (n-1) / (n-2)^2 = 6, so that se^2 = 6 * 2/3 / 9 = 4/9, and
    16/9 of the second. Their freedom is (4/9 + 16/9)^2 / ((4/9)^2 / 2 + (16/9)^2 / 2) = 50 / 17.
    """
    features, labels = np.array([[0.0], [1], [2], [0], [2], [4]]), np.repeat([0, 1], 3)
    found = feature_diversity(features, labels, classes=["Ari", "Bo"], n_pairs=9, generator=rng())
    assert found["mean"] == pytest.approx((4 / 3 + 8 / 3) / 2)
    reach = np.exp(t.isf(0.025, 50 / 17) * (20 / 9) ** 0.5 / 2 / found["mean"])
    assert found["ci95"] == pytest.approx([2 / reach, 2 * reach])
    assert [entry["ci95"] for entry in found["per_class"]] == [None, None]  # three are too few for one identity
    assert "3 images of 'Bo' in 3 pairs" in found["per_class"][1]["ci95_why"]


def test_a_pair_or_two_images_of_each_have_no_interval():
    """The spread of a single distance is not known, however many identities have one: the interval had width 0."""
    features, few, many = np.random.default_rng(1).normal(size=(80, 3)), np.repeat(np.arange(4), 2), np.arange(80) % 2
    two = feature_diversity(features[:8], few, classes="abcd", n_pairs=500, generator=rng())
    one_pair = feature_diversity(features, many, classes="ab", n_pairs=1, generator=rng())
    for found, said in ((two, "2 images of 'a' in 1 pairs"), (one_pair, "40 images of 'a' in 1 pairs")):
        assert found["mean"] > 0
        assert found["ci95"] is None
        assert said in found["ci95_why"]
        assert [entry["ci95"] for entry in found["per_class"]] == [None] * len(found["per_class"])
        assert list(without_reason(found)) == []


def test_diversity_of_a_single_image_is_null_and_names_the_identity():
    labels = np.array([0, 0, 1])
    found = feature_diversity(np.zeros((3, 2)), labels, classes=["Ari", "Bo"], n_pairs=10, generator=rng())
    assert (found["mean"], found["per_class"][0]["distance"], found["per_class"][1]["distance"]) == (None, 0, None)
    assert "identity 'Bo' has too few images: 1" in found["why"]
    both = np.array([0, 0, 1, 1])
    found = feature_diversity(
        np.zeros((4, 2)), both, classes=["Ari", "Bo"], n_pairs=10, generator=rng(), real=(np.zeros((3, 2)), labels)
    )
    assert found["real"] is None  # a single real Bo has no diversity
    assert [entry["real"] for entry in found["per_class"]] == [0, None]


def test_real_images_change_nothing_about_generated_ones():
    """Their pairs are sampled after those of the generated images."""
    features, labels = np.random.default_rng(1).normal(size=(60, 3)), np.arange(60) % 2
    how = {"classes": ["Ari", "Bo"], "n_pairs": 20}
    alone = feature_diversity(features, labels, generator=rng(), **how)
    beside = feature_diversity(features, labels, generator=rng(), real=(features / 2, labels), **how)
    assert beside["mean"] == alone["mean"]
    assert beside["ci95"] == alone["ci95"]
    assert beside["real"] < 0.7 * beside["mean"]


def test_variance_of_pairs_that_share_no_image_is_half_as_much_again_as_the_usual_one():
    """And n (n-1) / (n-2)^2, which is 1.0075 for 400 images."""
    distances = rng().normal(5, 1, size=200)
    found = diversity.pairs_standard_error(np.arange(400).reshape(200, 2), distances)
    assert found == pytest.approx((1.5 / 200) ** 0.5 * distances.std(), rel=0.01)


def test_a_pair_sampled_twice_is_one_pair():
    """e = 1, 1, -1, -1: 2 for the pair sampled twice, and by image 2, 2, -1, -1, -1, -1."""
    pairs = np.array([[0, 1], [1, 0], [2, 3], [4, 5]])  # the second time the other way round
    found = diversity.pairs_standard_error(pairs, np.array([2.0, 2.0, 0.0, 0.0]))
    assert found == pytest.approx((30 / 16 * 12 - (1 - 3 / 15) / 2 * 6) ** 0.5 / 4)


@pytest.mark.parametrize(("n", "n_pairs"), [(20, 190), (60, 90)])
def test_interval_of_the_diversity_covers_it(n, n_pairs):
    """Of images x ~ N(0, 1) the mean distance is 2 / sqrt(pi). All pairs, and few random ones.

    Over 400 samples chance moves the fraction by 2 sd = 0.022. An interval that takes the pairs as independent covers
    far less.
    """
    draw, hits, naive = np.random.default_rng(5), 0, 0
    for _ in range(400):
        features = draw.normal(size=(n, 1))
        entry = feature_diversity(features, np.zeros(n, int), classes=["Ari"], n_pairs=n_pairs, generator=draw)[
            "per_class"
        ][0]
        low, high = entry["ci95"]
        hits += low <= 2 / np.pi**0.5 <= high
        pairs = diversity.sample_pairs(n, n_pairs, generator=draw)
        found = np.abs(features[pairs[:, 0], 0] - features[pairs[:, 1], 0])
        naive += abs(found.mean() - 2 / np.pi**0.5) <= 1.96 * found.std() / len(pairs) ** 0.5
    assert 0.93 <= hits / 400 <= 0.99
    assert naive / 400 < (0.65 if n == 20 else 0.90)


def faces_of(kind, n_draws, n_images, *, draw):
    """Features of four identities, (n_draws, 4 n_images, D): alike, or of two kinds 16 standard deviations apart."""
    features = draw.normal(size=(n_draws, 4 * n_images, 1 if kind == "a line" else 8))
    return features + 5.7 * draw.integers(2, size=(n_draws, 4 * n_images, 1)) if kind == "two kinds" else features


@pytest.mark.parametrize("kind", ["a line", "a cloud", "two kinds"])
@pytest.mark.parametrize("n_images", [2, 3, 5, 10, 40])
def test_intervals_of_few_images_cover_the_truth_or_are_not_given(kind, n_images):
    """Four identities alike, all pairs: those of single ones, and of their mean. Chance moves a share by 0.01 (sd)."""
    draw, hits, n_draws = np.random.default_rng(n_images), {"mean": [], "class": []}, 400 if n_images < 40 else 200
    apart = faces_of(kind, 50_000, 1, draw=draw)
    truth = np.linalg.norm(apart[:, 0] - apart[:, 1], axis=-1).mean()
    for features in faces_of(kind, n_draws, n_images, draw=draw):
        found = feature_diversity(
            features, np.repeat(np.arange(4), n_images), classes="abcd", n_pairs=1000, generator=draw
        )
        for name, entries in (("mean", [found]), ("class", found["per_class"])):
            hits[name] += [entry["ci95"][0] <= truth <= entry["ci95"][1] for entry in entries if entry["ci95"]]
    given = {"mean": n_images > 2, "class": n_images > 3}
    for name, n in (("mean", n_draws), ("class", 4 * n_draws)):
        assert len(hits[name]) >= 0.99 * n if given[name] else not hits[name]
        assert not hits[name] or np.mean(hits[name]) >= 0.93
