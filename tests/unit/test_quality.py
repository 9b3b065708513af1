"""Entries of `visual` from images, against hand-computed cases and torchmetrics' own paths.

The pretrained networks have tests of their own; here small stand-ins take their place.
"""

import doctest
import json

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from kpop_rca import networks, quality
from kpop_rca.errors import StudyError

CPU = torch.device("cpu")
# The package keeps these from its readers; here they come from calling the library beside it, for comparison.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save"),
    pytest.mark.filterwarnings("ignore:std\\(\\)"),
]


def noise(n, *, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def rng():
    return np.random.default_rng(7)


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


class TinyInception(torch.nn.Module):
    """Mean colours as features, and three logits: what matters of Inception, at once."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 5)
        torch.nn.init.normal_(self.fc.weight, std=0.1, generator=torch.Generator().manual_seed(0))

    def forward(self, images):
        assert images.dtype == torch.uint8
        return images.float().mean(dim=(2, 3))


@pytest.fixture
def tiny_inception(monkeypatch):
    network = TinyInception()
    monkeypatch.setattr(networks, "load_inception", lambda **_: network)
    monkeypatch.setattr(networks, "BATCH", 7)
    return network


@pytest.fixture
def colour_lpips(monkeypatch):
    """Mean difference of grey levels in place of LPIPS."""

    def distances(network, images, pairs):
        first, second = (images[pairs[:, side]].astype(float) for side in (0, 1))
        return np.abs(first - second).mean(axis=(1, 2, 3))

    monkeypatch.setattr(networks, "load_lpips", lambda **_: None)
    monkeypatch.setattr(networks, "lpips_distances", distances)


def three_sets():
    """Coloured squares: 40 of the reference, 30 other real ones, 50 darker generated ones; labels of two classes."""
    colours = np.random.default_rng(3).integers(0, 256, (120, 1, 1, 3), dtype=np.uint8)
    real, others, generated = np.split(np.tile(colours, (1, 8, 8, 1)), [40, 70])
    return (real, others, generated // 2), tuple(np.arange(n) % 2 for n in (40, 30, 50))


def test_docstring_examples():
    assert doctest.testmod(quality).failed == 0


# --- Inception and other networks ---


def test_measures_are_null_with_a_reason_without_weights(no_weights):
    sets, labels = three_sets()
    how = {"device": CPU, "generator": rng(), "download": False}
    plain = quality.inception_measures(*sets, **how)
    assert list(plain) == ["fid", "is"]
    how |= {"labels": labels, "classes": ["Ari", "Bo"]}
    found = plain | quality.inception_measures(*sets, **how) | quality.network_measures("facenet", *sets, **how)
    names = {"fid", "is", "kid", "fid_infinity", "fid_class_mean", "inception_precision", "inception_coverage"}
    assert names | {"facenet_frechet", "facenet_kernel", "facenet_recall", "facenet_density"} < set(found)
    for name, entry in found.items():
        assert entry["value"] is None
        assert "downloads are off" in entry["why"]
        assert entry["features"].startswith("FaceNet" if name.startswith("facenet") else "Inception")
        assert (entry["n_real"], entry["n_generated"]) == (40, 50)
    json.dumps(found, allow_nan=False)


def test_inception_measures_are_those_of_torchmetrics(tiny_inception):
    (real, others, generated), _ = three_sets()
    found = quality.inception_measures(real, others, generated, device=CPU, generator=rng())

    tiny_inception.num_features = 3
    fid = FrechetInceptionDistance(feature=tiny_inception)
    for images, is_real in ((real, True), (generated, False)):
        fid.update(torch.as_tensor(images).permute(0, 3, 1, 2), real=is_real)
    # torchmetrics rounds to float32 at the end, and the mean colours themselves are float32.
    assert found["fid"]["value"] == pytest.approx(fid.compute().item(), rel=1e-4)
    assert found["fid"]["value"] > 5 * found["fid"]["real_vs_real"]

    score = InceptionScore(feature=torch.nn.Sequential(tiny_inception, torch.nn.Linear(3, 5, bias=False)), splits=1)
    score.inception[1].weight = tiny_inception.fc.weight
    score.update(torch.as_tensor(generated).permute(0, 3, 1, 2))
    assert found["is"]["value"] == pytest.approx(score.compute()[0].item(), rel=1e-4)
    assert found["is"]["real"] != pytest.approx(found["is"]["value"], rel=1e-3)
    assert (found["is"]["n_generated"], found["is"]["n_real"]) == (50, 40)
    json.dumps(found, allow_nan=False)


def test_inception_measures_with_labels_have_their_own_names(tiny_inception):
    sets, labels = three_sets()
    how = {"device": CPU, "labels": labels, "classes": ["Ari", "Bo"]}
    found = quality.inception_measures(*sets, generator=rng(), **how)
    assert list(found)[:2] == ["fid", "is"]
    inception = {f"inception_{name}" for name in ("precision", "recall", "density", "coverage")}
    assert set(found) == {"fid", "is", "kid", "fid_infinity", "fid_class_mean"} | inception
    alone = quality.inception_measures(*sets, device=CPU, generator=rng())
    assert found["fid"] == alone["fid"]
    assert found["is"] == alone["is"]
    assert [entry["class"] for entry in found["fid_class_mean"]["per_class"]] == ["Ari", "Bo"]
    json.dumps(found, allow_nan=False)


def test_other_networks_lend_their_name(monkeypatch):
    mean_colour = networks.Extractor("mean colours", lambda **_: None, lambda _, images: images.mean(axis=(1, 2)))
    monkeypatch.setitem(networks.EXTRACTORS, "dinov2", mean_colour)
    sets, labels = three_sets()
    found = quality.network_measures("dinov2", *sets, labels=labels, classes=["Ari", "Bo"], device=CPU, generator=rng())
    assert all(name.startswith("dinov2_") for name in found)
    assert found["dinov2_frechet"]["features"] == "mean colours"
    assert found["dinov2_frechet"]["value"] > 5 * found["dinov2_frechet"]["real_vs_real"]


def test_inception_score_lies_between_its_limits_and_leaves_the_seed_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    assert quality.inception_score(np.tile([3.0, 1.0, 0.0, 2.0], (20, 1))) == pytest.approx(1)
    assert quality.inception_score(100 * np.eye(4)) == pytest.approx(4)
    assert torch.equal(before, torch.random.get_rng_state())


# --- diversity ---


def test_pairs_are_of_different_images():
    pairs = quality.draw_pairs(30, 400, generator=rng())
    assert pairs.shape == (400, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel()) == set(range(30))
    np.testing.assert_array_equal(pairs, quality.draw_pairs(30, 400, generator=rng()))
    assert len(quality.draw_pairs(30, 435, generator=rng())) == 435  # there are 30 * 29 / 2 = 435
    assert len(np.unique(quality.draw_pairs(30, 500, generator=rng()), axis=0)) == 435


def test_lpips_is_null_with_a_reason_without_weights(no_weights):
    found = quality.lpips_diversity(
        noise(4), np.zeros(4, int), classes=["Ari"], n_pairs=5, generator=rng(), device=CPU, download=False
    )
    assert found["mean"] is None
    assert found["per_class"] == []
    assert "AlexNet" in found["why"]


def test_lpips_refuses_images_that_alexnet_cannot_take(colour_lpips):
    def diversity(size):
        images = noise(4, size=size)
        return quality.lpips_diversity(
            images, np.zeros(4, int), classes=["Ari"], n_pairs=5, generator=rng(), device=CPU
        )

    assert diversity(30)["mean"] is None
    assert "31 pixels" in diversity(30)["why"]
    assert diversity(31)["mean"] > 0


def test_lpips_diversity_by_class_beside_real_images(colour_lpips):
    """Generated Ari is one picture over and over, Bo is noise; real ones the other way round. Classes never mix."""
    images, labels = np.concatenate([np.repeat(noise(1), 5, axis=0), noise(5, seed=1)]), np.repeat([0, 1], 5)
    order = rng().permutation(10)
    generated, real = (images[order], labels[order]), (images[order], 1 - labels[order])
    found = quality.lpips_diversity(
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
    found = quality.judge_feature_diversity(
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
        quality.judge_feature_diversity(np.zeros((3, 2)), labels, classes=["Ari", "Bo"], n_pairs=10, generator=rng())
    both = np.array([0, 0, 1, 1])
    found = quality.judge_feature_diversity(
        np.zeros((4, 2)), both, classes=["Ari", "Bo"], n_pairs=10, generator=rng(), real=(np.zeros((3, 2)), labels)
    )
    assert found["real"] is None  # a single real Bo has no variety
    assert [entry["real"] for entry in found["per_class"]] == [0, None]


def test_real_images_change_nothing_about_generated_ones():
    """Their pairs are drawn after those of the generated images."""
    features, labels = np.random.default_rng(1).normal(size=(60, 3)), np.arange(60) % 2
    how = {"classes": ["Ari", "Bo"], "n_pairs": 20}
    alone = quality.judge_feature_diversity(features, labels, generator=rng(), **how)
    beside = quality.judge_feature_diversity(features, labels, generator=rng(), real=(features / 2, labels), **how)
    assert beside["mean"] == alone["mean"]
    assert beside["ci95"] == alone["ci95"]
    assert beside["real"] < 0.7 * beside["mean"]


def test_standard_error_of_pairs_that_share_no_image_is_the_usual_one():
    """But for n (n-1) / (n-2)^2, which is 1.0075 for 400 images."""
    distances = rng().normal(5, 1, size=200)
    found = quality.pairs_standard_error(np.arange(400).reshape(200, 2), distances)
    assert found == pytest.approx(distances.std() / 200**0.5, rel=0.01)


def test_a_pair_drawn_twice_is_one_pair():
    """e = 1, 1, -1, -1: 2 for the pair drawn twice, and by image 2, 2, -1, -1, -1, -1."""
    pairs = np.array([[0, 1], [1, 0], [2, 3], [4, 5]])  # the second time the other way round
    found = quality.pairs_standard_error(pairs, np.array([2.0, 2.0, 0.0, 0.0]))
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
        entry = quality.judge_feature_diversity(
            features, np.zeros(n, int), classes=["Ari"], n_pairs=n_pairs, generator=draw
        )["per_class"][0]
        low, high = entry["ci95"]
        hits += low <= 2 / np.pi**0.5 <= high
        pairs = quality.draw_pairs(n, n_pairs, generator=draw)
        found = np.abs(features[pairs[:, 0], 0] - features[pairs[:, 1], 0])
        naive += abs(found.mean() - 2 / np.pi**0.5) <= 1.96 * found.std() / len(pairs) ** 0.5
    assert 0.89 <= hits / 400 <= 0.98
    assert naive / 400 < (0.65 if n == 20 else 0.90)
