"""Entries of `visual` from images, against hand-computed cases and torchmetrics' own paths.

The pretrained networks have tests of their own; here small stand-ins take their place.
"""

import json

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from kpop_rca.image_metrics import feature_extractors
from kpop_rca.image_metrics.inception import inception_measures, inception_score, network_measures

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
    monkeypatch.setattr(feature_extractors, "load_inception", lambda **_: network)
    return network


def three_sets():
    """Coloured squares: 40 of the reference, 30 other real ones, 50 darker generated ones; labels of two classes."""
    colours = np.random.default_rng(3).integers(0, 256, (120, 1, 1, 3), dtype=np.uint8)
    real, others, generated = np.split(np.tile(colours, (1, 8, 8, 1)), [40, 70])
    return (real, others, generated // 2), tuple(np.arange(n) % 2 for n in (40, 30, 50))


def test_measures_are_null_with_a_reason_without_weights(no_weights):
    sets, labels = three_sets()
    how = {"device": CPU, "generator": rng(), "labels": labels, "classes": ["Ari", "Bo"]}
    found = inception_measures(*sets, **how) | network_measures("facenet", *sets, **how)
    names = {"fid", "is", "kid", "fid_infinity", "fid_class_mean", "inception_precision", "inception_coverage"}
    assert names | {"facenet_frechet", "facenet_kernel", "facenet_recall", "facenet_density"} < set(found)
    for name, entry in found.items():
        assert entry["value"] is None
        assert "cannot be reached" in entry["why"]
        assert entry["features"].startswith("FaceNet" if name.startswith("facenet") else "Inception")
        assert (entry["n_real"], entry["n_generated"]) == (40, 50)
    json.dumps(found, allow_nan=False)


def test_inception_measures_are_those_of_torchmetrics(tiny_inception):
    (real, others, generated), labels = three_sets()
    how = {"labels": labels, "classes": ["Ari", "Bo"], "device": CPU, "generator": rng()}
    found = inception_measures(real, others, generated, **how)

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


def test_inception_measures_have_their_own_names(tiny_inception):
    sets, labels = three_sets()
    how = {"device": CPU, "labels": labels, "classes": ["Ari", "Bo"]}
    found = inception_measures(*sets, generator=rng(), **how)
    assert list(found)[:2] == ["fid", "is"]
    inception = {f"inception_{name}" for name in ("precision", "recall", "density", "coverage")}
    assert set(found) == {"fid", "is", "kid", "fid_infinity", "fid_class_mean"} | inception
    assert [entry["class"] for entry in found["fid_class_mean"]["per_class"]] == ["Ari", "Bo"]
    json.dumps(found, allow_nan=False)


def test_other_networks_lend_their_name(monkeypatch):
    mean_colour = feature_extractors.Extractor(
        "mean colours", lambda **_: None, lambda _, images: images.mean(axis=(1, 2))
    )
    monkeypatch.setitem(feature_extractors.EXTRACTORS, "dinov2", mean_colour)
    sets, labels = three_sets()
    found = network_measures("dinov2", *sets, labels=labels, classes=["Ari", "Bo"], device=CPU, generator=rng())
    assert all(name.startswith("dinov2_") for name in found)
    assert found["dinov2_frechet"]["features"] == "mean colours"
    assert found["dinov2_frechet"]["value"] > 5 * found["dinov2_frechet"]["real_vs_real"]


def test_inception_score_lies_between_its_limits_and_leaves_the_seed_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    assert inception_score(np.tile([3.0, 1.0, 0.0, 2.0], (20, 1))) == pytest.approx(1)
    assert inception_score(100 * np.eye(4)) == pytest.approx(4)
    assert torch.equal(before, torch.random.get_rng_state())
