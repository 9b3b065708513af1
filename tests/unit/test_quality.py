"""Visual measures against hand-computed cases and torchmetrics' own paths.

Where pretrained weights are needed, networks of random weights stand in for them, saved as files that the registry
takes for the published ones, so that the real code runs. Their figures mean nothing and are only compared with
each other.
"""

import doctest
import json
from dataclasses import replace

import lpips
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.inception import InceptionScore
from torchvision.models import alexnet

from kpop_rca import fingerprint, quality, weights
from kpop_rca.errors import StudyError

CPU = torch.device("cpu")
# The package keeps these from its readers; here they come from calling the libraries beside it, for comparison.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save"),
    pytest.mark.filterwarnings("ignore:std\\(\\)"),
    pytest.mark.filterwarnings("ignore:.*'?weights'?:UserWarning:torchvision"),
]


def noise(n, *, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def rng():
    return np.random.default_rng(7)


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def publish(monkeypatch, name, state):
    """Save a state dict where the weights called `name` belong, as if it were the published one."""
    path = weights.REGISTRY[name].path
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    monkeypatch.setitem(weights.REGISTRY, name, replace(weights.REGISTRY[name], sha256=fingerprint.sha256(path)))


@pytest.fixture
def random_alexnet(monkeypatch, no_weights):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = alexnet(weights=None)
    state = {name: value for name, value in network.state_dict().items() if "classifier" not in name}
    publish(monkeypatch, "alexnet", state | {"classifier.6.bias": torch.zeros(1000)})  # the rest is large, and unused
    return network


@pytest.fixture
def random_inception(monkeypatch, no_weights):
    with torch.random.fork_rng(), monkeypatch.context() as patch:
        torch.manual_seed(3)
        patch.setattr(torch, "load", lambda *args, **kwargs: {})
        patch.setattr(NoTrainInceptionV3, "load_state_dict", lambda self, state: None)
        network = NoTrainInceptionV3("random", ["2048", "logits_unbiased"], "unused", antialias=False)
    publish(monkeypatch, "inception", network.state_dict())
    return network


class TinyInception(torch.nn.Module):
    """Mean colours as features, and three logits: what matters of Inception, at once."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 5)
        torch.nn.init.normal_(self.fc.weight, std=0.1, generator=torch.Generator().manual_seed(0))

    def forward(self, images):
        assert images.dtype == torch.uint8
        return images.float().mean(dim=(2, 3))


def test_docstring_examples():
    assert doctest.testmod(quality).failed == 0


# --- Frechet ---


def test_frechet_distance_of_normals_with_known_moments():
    """Spread along the axes: d^2 = |difference of means|^2 + sum (sd_a - sd_b)^2."""
    corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # sample variance 4/3 each way
    a, b = corners * [1, 2], corners * [3, 5] + [10, 0]
    expected = 10**2 + 4 / 3 * ((1 - 3) ** 2 + (2 - 5) ** 2)
    assert quality.frechet_distance(a, b) == pytest.approx(expected)
    assert quality.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_agrees_with_the_matrix_square_root():
    a = rng().normal(size=(300, 12)) @ rng().normal(size=(12, 12))
    b = np.random.default_rng(8).normal(size=(200, 12)) + 0.5
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert quality.frechet_distance(a, b) == pytest.approx(expected)
    assert quality.frechet_distance(b, a) == pytest.approx(expected)


def test_frechet_distance_is_in_float64():
    """A third further on each of four axes is exactly 4/9 away; float32 would be off in the eighth digit."""
    a = rng().normal(size=(50, 4))
    assert quality.frechet_distance(a, a + 1 / 3) == pytest.approx(4 / 9, rel=1e-10)


def test_frechet_distance_with_fewer_images_than_features():
    a, b = rng().normal(size=(10, 64)), np.random.default_rng(8).normal(size=(12, 64))
    assert np.isfinite(quality.frechet_distance(a, b))


@pytest.mark.parametrize("shape", [(1, 3), (5, 4)])
def test_features_that_have_no_distance(shape):
    with pytest.raises(ValueError, match="2 or more rows of equal length"):
        quality.frechet_distance(np.zeros((5, 3)), np.zeros(shape))


def test_frechet_measure_compares_at_equal_counts():
    draw = np.random.default_rng(0)
    real, others, generated = (draw.normal(loc, 1, size=(n, 3)) for loc, n in ((0, 80), (0, 40), (2, 120)))
    found = quality.frechet_measure(real, others, generated, features="three normals", generator=rng())
    assert found["value"] == quality.frechet_distance(real, generated)
    assert found["real_vs_real"] == pytest.approx(quality.frechet_distance(real, others))  # all 40, in another order
    assert (found["n_real"], found["n_generated"], found["n_other_real"]) == (80, 120, 40)
    assert found["real_vs_real"] < 1 < 10 < found["value_at_same_n"]
    assert found["value_at_same_n"] != found["value"]
    swapped = quality.frechet_measure(generated, others, real, features="swapped", generator=rng())
    assert swapped["real_vs_real"] > 10


# --- Inception ---


def test_inception_measures_are_null_with_a_reason_without_weights(no_weights):
    found = quality.inception_measures(noise(3), noise(4), noise(5), device=CPU, generator=rng(), download=False)
    for name in ("fid", "is"):
        assert found[name]["value"] is None
        assert "downloads are off" in found[name]["why"]
        assert (found[name]["n_real"], found[name]["n_generated"]) == (3, 5)
    json.dumps(found, allow_nan=False)


def test_inception_is_read_from_the_registry_and_gives_both_features(random_inception):
    network = quality.load_inception(device=CPU, download=False)
    images = noise(2)
    pooled, logits = quality.inception_features(network, images)
    with torch.inference_mode():
        expected = random_inception._torch_fidelity_forward(torch.as_tensor(images).permute(0, 3, 1, 2))
    assert (pooled.shape, logits.shape) == ((2, 2048), (2, 1008))
    np.testing.assert_allclose(pooled, expected[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(logits, expected[1], rtol=1e-4, atol=1e-6)
    assert pooled.std(axis=0).max() > 0


def test_inception_measures_are_those_of_torchmetrics(monkeypatch):
    network = TinyInception()
    monkeypatch.setattr(quality, "load_inception", lambda **_: network)
    monkeypatch.setattr(quality, "INCEPTION_BATCH", 7)
    colours = np.random.default_rng(3).integers(0, 256, (120, 1, 1, 3), dtype=np.uint8)
    real, others, generated = np.split(np.tile(colours, (1, 8, 8, 1)), [40, 70])
    generated = generated // 2
    found = quality.inception_measures(real, others, generated, device=CPU, generator=rng())

    network.num_features = 3
    fid = FrechetInceptionDistance(feature=network)
    for images, is_real in ((real, True), (generated, False)):
        fid.update(torch.as_tensor(images).permute(0, 3, 1, 2), real=is_real)
    # torchmetrics rounds to float32 at the end, and the mean colours themselves are float32.
    assert found["fid"]["value"] == pytest.approx(fid.compute().item(), rel=1e-4)
    assert found["fid"]["value"] > 5 * found["fid"]["real_vs_real"]

    score = InceptionScore(feature=torch.nn.Sequential(network, torch.nn.Linear(3, 5, bias=False)), splits=1)
    score.inception[1].weight = network.fc.weight
    score.update(torch.as_tensor(generated).permute(0, 3, 1, 2))
    assert found["is"]["value"] == pytest.approx(score.compute()[0].item(), rel=1e-4)
    assert found["is"]["real"] != pytest.approx(found["is"]["value"], rel=1e-3)
    assert (found["is"]["n_generated"], found["is"]["n_real"]) == (50, 40)
    json.dumps(found, allow_nan=False)


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


def test_lpips_refuses_images_that_alexnet_cannot_take(random_alexnet):
    def diversity(size):
        images = noise(4, size=size)
        return quality.lpips_diversity(
            images, np.zeros(4, int), classes=["Ari"], n_pairs=5, generator=rng(), device=CPU
        )

    assert diversity(30)["mean"] is None
    assert "31 pixels" in diversity(30)["why"]
    assert diversity(31)["mean"] > 0


def test_lpips_has_the_trunk_of_the_registry_and_the_heads_of_the_package(random_alexnet):
    distance = quality.load_lpips(device=CPU, download=False)
    torch.testing.assert_close(distance.net.slice1[0].weight, random_alexnet.features[0].weight)
    torch.testing.assert_close(distance.net.slice5[0].bias, random_alexnet.features[10].bias)
    heads = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).lin4.model[1].weight
    torch.testing.assert_close(distance.lin4.model[1].weight, heads)
    assert (heads >= 0).all()  # trained heads are; random ones are not
    assert not distance.training


def test_lpips_distances_follow_the_definition(random_alexnet):
    """Zhang et al. (2018), eq. 1, written out for one pair: channel-normalised differences, weighted and averaged."""
    images = noise(2)
    found = quality.lpips_distances(quality.load_lpips(device=CPU), images, np.array([[0, 1]]))
    x = torch.as_tensor(images).permute(0, 3, 1, 2) / 255.0
    x = (2 * x - 1 - torch.tensor([-0.030, -0.088, -0.188])[:, None, None]) / torch.tensor([0.458, 0.448, 0.450])[
        :, None, None
    ]
    heads = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    total, level = 0.0, 0
    with torch.inference_mode():
        for layer in random_alexnet.features[:-1]:
            x = layer(x)
            if isinstance(layer, torch.nn.ReLU):
                unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
                difference = (unit[0] - unit[1]).square()
                weight = heads.lins[level].model[1].weight.flatten()
                total += (difference * weight[:, None, None]).sum(0).mean().item()
                level += 1
    assert level == 5
    assert found.item() == pytest.approx(total, rel=1e-4)


def test_lpips_distances_do_not_depend_on_the_batches(random_alexnet, monkeypatch):
    distance, images = quality.load_lpips(device=CPU), noise(6)
    pairs = quality.draw_pairs(6, 99, generator=rng())
    whole = quality.lpips_distances(distance, images, pairs)
    monkeypatch.setattr(quality, "LPIPS_BATCH", 4)
    np.testing.assert_allclose(quality.lpips_distances(distance, images, pairs), whole, rtol=1e-5)
    assert len(whole) == 15


def test_lpips_diversity_by_class(random_alexnet):
    """Ari is one picture over and over, Bo is noise; nobody is paired with anybody else."""
    images, labels = np.concatenate([np.repeat(noise(1), 5, axis=0), noise(5, seed=1)]), np.repeat([0, 1], 5)
    order = rng().permutation(10)
    found = quality.lpips_diversity(
        images[order], labels[order], classes=["Ari", "Bo"], n_pairs=8, generator=rng(), device=CPU
    )
    same, varied = found["per_class"]
    assert (same["class"], same["lpips"], same["pairs"]) == ("Ari", pytest.approx(0, abs=1e-6), 8)
    assert varied["lpips"] > 0.001
    assert found["mean"] == pytest.approx(varied["lpips"] / 2, abs=1e-6)
    json.dumps(found, allow_nan=False)


def test_judge_feature_diversity_by_hand():
    features = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    found = quality.judge_feature_diversity(
        features, np.array([0, 0, 1, 1, 1]), classes=["Ari", "Bo"], n_pairs=10, generator=rng()
    )
    assert found["per_class"] == [
        {"class": "Ari", "distance": 5.0, "pairs": 1},
        {"class": "Bo", "distance": pytest.approx(2 / 3), "pairs": 3},
    ]
    assert found["mean"] == pytest.approx((5 + 2 / 3) / 2)


def test_diversity_of_a_single_image_names_the_identity():
    with pytest.raises(StudyError, match="identity 'Bo' has 1 generated images"):
        quality.judge_feature_diversity(
            np.zeros((3, 2)), np.array([0, 0, 1]), classes=["Ari", "Bo"], n_pairs=10, generator=rng()
        )
