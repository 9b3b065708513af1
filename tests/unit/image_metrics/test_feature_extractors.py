"""Pretrained networks, with random weights saved as files that the registry takes for the published ones.

So the real code runs without a network. The figures mean nothing and are only compared with each other.
"""

import lpips
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from facenet_pytorch import InceptionResnetV1
from torchmetrics.image.fid import NoTrainInceptionV3
from torchvision.models import alexnet

from kpop_rca.image_metrics import feature_extractors, pretrained
from kpop_rca.system import files

CPU = torch.device("cpu")
# The package keeps this from its readers; here it comes from calling lpips beside it, for comparison.
pytestmark = pytest.mark.filterwarnings("ignore:.*'?weights'?:UserWarning:torchvision")


def noise(n, *, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def publish(monkeypatch, name, state):
    """Save a state dict where the weights called `name` belong, as if it were the published one."""
    path = pretrained.path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    monkeypatch.setitem(pretrained.SHA256, name, files.sha256(path))


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


@pytest.fixture
def random_dinov2(monkeypatch, no_weights):
    """A state dict with the names and shapes of the published file."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape, mean=0.0, sd=0.05):
        return mean + sd * torch.randn(*shape, generator=generator)

    state = {"cls_token": normal(1, 1, 384), "pos_embed": normal(1, 1 + 37**2, 384), "mask_token": normal(1, 384)}
    state |= {"patch_embed.proj.weight": normal(384, 3, 14, 14), "patch_embed.proj.bias": normal(384)}
    state |= {"norm.weight": normal(384, mean=1, sd=0.2), "norm.bias": normal(384)}
    for block in range(12):
        part = f"blocks.{block}."
        for name, rows, columns in (
            ("attn.qkv", 1152, 384),
            ("attn.proj", 384, 384),
            ("mlp.fc1", 1536, 384),
            ("mlp.fc2", 384, 1536),
        ):
            state |= {f"{part}{name}.weight": normal(rows, columns), f"{part}{name}.bias": normal(rows)}
        for name in ("norm1", "norm2"):
            state |= {f"{part}{name}.weight": normal(384, mean=1, sd=0.2), f"{part}{name}.bias": normal(384)}
        state |= {f"{part}{name}.gamma": normal(384, mean=0.5, sd=0.3) for name in ("ls1", "ls2")}
    publish(monkeypatch, "dinov2", state)
    return state


@pytest.fixture
def random_facenet(monkeypatch, no_weights):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = InceptionResnetV1().eval()
    names = {"logits.weight": torch.zeros(8, 512), "logits.bias": torch.zeros(8)}
    publish(monkeypatch, "facenet", network.state_dict() | names)
    return network


def test_weights_that_are_missing_say_so(no_weights):
    for load in (
        feature_extractors.load_inception,
        feature_extractors.load_dinov2,
        feature_extractors.load_facenet,
        feature_extractors.load_lpips,
    ):
        with pytest.raises(pretrained.WeightsMissing, match="cannot be reached"):
            load(device=CPU)


# --- Inception ---


def test_inception_is_read_from_the_registry_and_gives_both_features(random_inception):
    network = feature_extractors.load_inception(device=CPU)
    images = noise(2)
    pooled, logits = feature_extractors.inception_features(network, images)
    with torch.inference_mode():
        expected = random_inception._torch_fidelity_forward(torch.as_tensor(images).permute(0, 3, 1, 2))
    assert (pooled.shape, logits.shape) == ((2, 2048), (2, 1008))
    np.testing.assert_allclose(pooled, expected[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(logits, expected[1], rtol=1e-4, atol=1e-6)
    assert pooled.std(axis=0).max() > 0


def test_inceptions_features_do_not_depend_on_the_other_images(random_inception):
    images, network = noise(3), feature_extractors.load_inception(device=CPU)
    whole = feature_extractors.inception_features(network, images)
    alone = zip(*(feature_extractors.inception_features(network, image[None]) for image in images), strict=True)
    for together, parts in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), together)


# --- DINOv2 ---


def dinov2_by_definition(state, pixels, positions):
    """Its blocks written out, with a scale on each branch: x + gamma_1 attention(x), then x + gamma_2 MLP(x)."""

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name):
        return F.layer_norm(x, (384,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)

    patches = F.conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14)
    tokens = [state["cls_token"].expand(len(pixels), -1, -1), patches.flatten(2).transpose(1, 2)]
    x = torch.cat(tokens, dim=1) + positions
    for block in range(12):
        part = f"blocks.{block}."
        qkv = linear(norm(x, f"{part}norm1"), f"{part}attn.qkv").reshape(len(x), -1, 3, 6, 64)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = ((q @ k.transpose(-2, -1)) / 8).softmax(-1) @ v  # 8 = sqrt(64)
        x = x + state[f"{part}ls1.gamma"] * linear(mixed.transpose(1, 2).flatten(2), f"{part}attn.proj")
        hidden = F.gelu(linear(norm(x, f"{part}norm2"), f"{part}mlp.fc1"))
        x = x + state[f"{part}ls2.gamma"] * linear(hidden, f"{part}mlp.fc2")
    return norm(x, "norm")[:, 0]


def test_dinov2_follows_its_definition(random_dinov2):
    images = noise(2, size=224)  # at its own size, so that nothing is resized
    network = feature_extractors.load_dinov2(device=CPU)
    found = feature_extractors.EXTRACTORS["dinov2"].features(network, images)
    mean, sd = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = (torch.as_tensor(images).permute(0, 3, 1, 2) / 255 - mean) / sd
    expected = dinov2_by_definition(
        random_dinov2, pixels, feature_extractors._resampled_positions(random_dinov2["pos_embed"])
    )
    assert found.shape == (2, 384)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01
    assert not network.training


def test_dinov2_positions_keep_their_places():
    """Patch j of 16 lies at (j + 1/2) 37 / 16.1 - 1/2 among the 37.

    torch's cubic leaves a straight line by up to 0.05; without DINOv2's 0.1 the last patches would be 0.2 off.
    """
    row, column = torch.meshgrid(torch.arange(37.0), torch.arange(37.0), indexing="ij")
    grid = torch.stack([row, column], dim=-1).reshape(1, -1, 2)
    found = feature_extractors._resampled_positions(torch.cat([torch.full((1, 1, 2), -5.0), grid], dim=1))
    assert (found[0, 0] == -5).all()
    found = found[0, 1:].reshape(16, 16, 2)
    inner = torch.arange(1, 15)
    expected = (inner + 0.5) * 37 / 16.1 - 0.5
    torch.testing.assert_close(found[inner, 4, 0], expected, rtol=0, atol=0.06)
    torch.testing.assert_close(found[4, inner, 1], expected, rtol=0, atol=0.06)


# --- FaceNet ---


def test_facenet_is_that_of_the_package_without_its_last_layer(random_facenet):
    images = noise(3, size=160)
    network = feature_extractors.load_facenet(device=CPU)
    found = feature_extractors.EXTRACTORS["facenet"].features(network, images)
    with torch.inference_mode():
        expected = random_facenet((torch.as_tensor(images).permute(0, 3, 1, 2).float() - 127.5) / 128)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["facenet", "dinov2"])
def test_features_do_not_depend_on_the_other_images(random_facenet, random_dinov2, name):
    extractor, images = feature_extractors.EXTRACTORS[name], noise(3)
    network = extractor.load(device=CPU)
    whole = extractor.features(network, images)
    alone = [extractor.features(network, image[None])[0] for image in images]
    np.testing.assert_array_equal(alone, whole)
    assert len(np.unique(whole, axis=0)) == 3


def test_loading_leaves_the_seed_alone(random_facenet, random_dinov2):
    before = torch.random.get_rng_state()
    feature_extractors.load_facenet(device=CPU)
    feature_extractors.load_dinov2(device=CPU)
    assert torch.equal(before, torch.random.get_rng_state())


# --- LPIPS ---


def test_lpips_has_the_trunk_of_the_registry_and_the_heads_of_the_package(random_alexnet):
    distance = feature_extractors.load_lpips(device=CPU)
    torch.testing.assert_close(distance.net.slice1[0].weight, random_alexnet.features[0].weight)
    torch.testing.assert_close(distance.net.slice5[0].bias, random_alexnet.features[10].bias)
    heads = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).lin4.model[1].weight
    torch.testing.assert_close(distance.lin4.model[1].weight, heads)
    assert (heads >= 0).all()  # trained heads are; random ones are not
    assert not distance.training


def test_lpips_distances_follow_the_definition(random_alexnet):
    """Zhang et al. (2018), eq. 1, written out for one pair: channel-normalised differences, weighted and averaged."""
    images = noise(2)
    found = feature_extractors.lpips_distances(feature_extractors.load_lpips(device=CPU), images, np.array([[0, 1]]))
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
    distance, images = feature_extractors.load_lpips(device=CPU), noise(6)
    pairs = np.stack(np.triu_indices(6, k=1), axis=1)
    whole = feature_extractors.lpips_distances(distance, images, pairs)
    monkeypatch.setattr(feature_extractors, "LPIPS_BATCH", 4)
    np.testing.assert_allclose(feature_extractors.lpips_distances(distance, images, pairs), whole, rtol=1e-5)
    assert len(whole) == 15
