"""The registry of weights, with small files in place of the published ones and no network."""

import hashlib
import inspect
import io
import urllib.error
from dataclasses import replace
from email.message import Message

import pytest
import torch

from kpop_rca import weights


@pytest.fixture
def network(monkeypatch, tmp_path):
    """An empty TORCH_HOME and a network on which every request is counted and fails."""
    asked = []

    def urlopen(url, timeout):
        asked.append((url, timeout))
        raise urllib.error.URLError("no such host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "_failed", {})
    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def publish(monkeypatch, name="resnet18"):
    """Let a small state dict be the published file; returns its bytes."""
    file = io.BytesIO()
    torch.save({"weight": torch.arange(3.0)}, file)
    content = file.getvalue()
    entry = replace(weights.REGISTRY[name], sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(weights.REGISTRY, name, entry)
    return content


def answer_with(monkeypatch, content):
    class Answer(io.BytesIO):
        headers = Message()

    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Answer(content))


def put(name, content):
    path = weights.REGISTRY[name].path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def files_below(folder):
    return [path.name for path in folder.rglob("*") if path.is_file()]


# Their publishers give no hash, in the file's name or elsewhere.
WITHOUT_HASH = {"dinov2", "facenet"}


@pytest.mark.parametrize("name", weights.REGISTRY)
def test_file_names_carry_the_first_digits_of_their_hash(name, network, tmp_path):
    entry = weights.REGISTRY[name]
    assert len(bytes.fromhex(entry.sha256)) == 32
    assert entry.path.stem.endswith(f"-{entry.sha256[:8]}") != (name in WITHOUT_HASH)
    assert entry.path.parent == tmp_path / "hub" / "checkpoints"
    assert len({other.path for other in weights.REGISTRY.values()}) == len(weights.REGISTRY)


def test_urls_are_those_of_the_libraries():
    from facenet_pytorch.models import inception_resnet_v1
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
    from torchvision import models

    assert weights.REGISTRY["inception"].url == URL_INCEPTION_V3
    assert weights.REGISTRY["alexnet"].url == models.AlexNet_Weights.IMAGENET1K_V1.url
    assert weights.REGISTRY["resnet18"].url == models.ResNet18_Weights.IMAGENET1K_V1.url
    assert weights.REGISTRY["resnet34"].url == models.ResNet34_Weights.IMAGENET1K_V1.url
    assert weights.REGISTRY["resnet50"].url == models.ResNet50_Weights.IMAGENET1K_V2.url
    assert f"'{weights.REGISTRY['facenet'].url}'" in inspect.getsource(inception_resnet_v1.load_weights)


def test_a_file_that_lies_there_is_loaded_without_the_network(monkeypatch, network):
    path = put("resnet18", publish(monkeypatch))
    assert weights.find("resnet18") == path
    torch.testing.assert_close(weights.load("resnet18")["weight"], torch.arange(3.0))
    assert not network


def test_missing_weights_give_one_line_and_ask_a_host_once(network):
    for name in ("resnet18", "resnet18", "alexnet"):  # on one host
        with pytest.raises(weights.WeightsMissing) as missing:
            weights.load(name)
        assert "download.pytorch.org can't be reached" in str(missing.value)
        assert weights.REGISTRY[name].url in str(missing.value)
        assert "\n" not in str(missing.value)
    assert [url for url, _ in network] == [weights.REGISTRY["resnet18"].url]
    assert network[0][1] == weights.TIMEOUT
    with pytest.raises(weights.WeightsMissing, match=r"github\.com can't be reached"):
        weights.load("inception")
    assert len(network) == 2


def test_downloads_can_be_off(network):
    with pytest.raises(weights.WeightsMissing, match="downloads are off"):
        weights.find("resnet18", download=False)
    assert not network


def test_a_file_the_host_does_not_have(monkeypatch, network, tmp_path):
    def urlopen(url, timeout):
        raise urllib.error.HTTPError(url, 404, "Not Found", Message(), None)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    with pytest.raises(weights.WeightsMissing, match=r"download\.pytorch\.org answers 404"):
        weights.find("resnet18")
    assert files_below(tmp_path) == []


def test_download_is_kept_for_the_next_time(monkeypatch, network):
    answer_with(monkeypatch, publish(monkeypatch))
    path = weights.find("resnet18")
    assert path == weights.REGISTRY["resnet18"].path
    monkeypatch.setattr("urllib.request.urlopen", None)
    assert weights.find("resnet18") == path


def test_a_download_cut_short_leaves_nothing_behind(monkeypatch, network, tmp_path):
    answer_with(monkeypatch, publish(monkeypatch)[:-1])
    with pytest.raises(weights.WeightsMissing, match=r"the download from .* failed"):
        weights.find("resnet18")
    assert files_below(tmp_path) == []


def test_another_file_in_its_place_is_refused(network):
    put("resnet18", b"not the published file")
    with pytest.raises(weights.WeightsMissing, match="another SHA-256"):
        weights.find("resnet18")


def test_nothing_in_a_file_is_executed(monkeypatch, network):
    class Harmful:
        def __reduce__(self):
            return (print, ("executed",))

    file = io.BytesIO()
    torch.save(Harmful(), file)
    put("resnet18", file.getvalue())
    entry = replace(weights.REGISTRY["resnet18"], sha256=hashlib.sha256(file.getvalue()).hexdigest())
    monkeypatch.setitem(weights.REGISTRY, "resnet18", entry)
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        weights.load("resnet18")
