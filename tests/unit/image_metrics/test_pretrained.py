"""The registry of weights, with small files in place of the published ones and no network."""

import hashlib
import inspect
import io

import pytest
import requests
import torch

from kpop_rca.image_metrics import pretrained


@pytest.fixture
def network(monkeypatch, tmp_path):
    """An empty TORCH_HOME and a network on which every request is counted and fails."""
    asked = []

    def get(url, **options):
        asked.append((url, options["timeout"]))
        raise requests.ConnectionError("no such host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "_unreachable", set())
    monkeypatch.setattr(requests, "get", get)
    return asked


def publish(monkeypatch, content, name="resnet18"):
    """Let these bytes be the published file."""
    monkeypatch.setitem(pretrained.SHA256, name, hashlib.sha256(content).hexdigest())


@pytest.fixture
def published(monkeypatch):
    """A small state dict, which is the published file; its bytes."""
    file = io.BytesIO()
    torch.save({"weight": torch.arange(3.0)}, file)
    publish(monkeypatch, file.getvalue())
    return file.getvalue()


def answer_with(monkeypatch, content, status=200):
    answer = requests.Response()
    answer.status_code, answer.raw, answer.reason = status, io.BytesIO(content), "Not Found"
    monkeypatch.setattr(requests, "get", lambda url, **options: answer)


def put(name, content):
    path = pretrained.path_of(name)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def files_below(folder):
    return [path.name for path in folder.rglob("*") if path.is_file()]


# Their publishers give no hash in the file's name.
WITHOUT_HASH = {"dinov2", "facenet", "sface", "aesthetic_v2"}


def test_file_names_carry_the_first_digits_of_their_hash(network, tmp_path):
    assert pretrained.URLS.keys() == pretrained.SHA256.keys()
    for name, known in pretrained.SHA256.items():
        assert len(bytes.fromhex(known)) == 32
        assert pretrained.path_of(name).stem.endswith(f"-{known[:8]}") != (name in WITHOUT_HASH)
        assert pretrained.path_of(name).parent == tmp_path / "hub" / "checkpoints"
    assert len({pretrained.path_of(name) for name in pretrained.URLS}) == len(pretrained.URLS)


def test_urls_are_those_of_the_libraries():
    from facenet_pytorch.models import inception_resnet_v1
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
    from torchvision import models

    assert pretrained.URLS["inception"] == URL_INCEPTION_V3
    assert pretrained.URLS["alexnet"] == models.AlexNet_Weights.IMAGENET1K_V1.url
    assert pretrained.URLS["resnet18"] == models.ResNet18_Weights.IMAGENET1K_V1.url
    assert pretrained.URLS["resnet34"] == models.ResNet34_Weights.IMAGENET1K_V1.url
    assert pretrained.URLS["resnet50"] == models.ResNet50_Weights.IMAGENET1K_V2.url
    assert f"'{pretrained.URLS['facenet']}'" in inspect.getsource(inception_resnet_v1.load_weights)


def test_a_file_that_lies_there_is_loaded_without_the_network(network, published):
    put("resnet18", published)
    torch.testing.assert_close(pretrained.load("resnet18")["weight"], torch.arange(3.0))
    assert not network


def test_missing_weights_give_one_line_and_ask_a_host_once(network, capfd):
    for name in ("resnet18", "resnet18", "alexnet"):  # on one host
        with pytest.raises(pretrained.WeightsMissing) as missing:
            pretrained.load(name)
        file, url = pretrained.path_of(name).name, pretrained.URLS[name]
        said = f"{file} is missing (download.pytorch.org cannot be reached); put {url} into $TORCH_HOME/hub/checkpoints"
        assert str(missing.value) == said
    assert network == [(pretrained.URLS["resnet18"], pretrained.TIMEOUT)]
    with pytest.raises(pretrained.WeightsMissing, match=r"github\.com cannot be reached"):
        pretrained.load("inception")
    assert len(network) == 2
    assert capfd.readouterr() == ("", "")  # no bar of nothing


def test_a_file_the_host_does_not_have(monkeypatch, network, tmp_path):
    answer_with(monkeypatch, b"", status=404)
    with pytest.raises(pretrained.WeightsMissing, match=r"is missing \(404 Client Error: Not Found"):
        pretrained.load("resnet18")
    assert files_below(tmp_path) == []


def test_download_is_kept_for_the_next_time(monkeypatch, network, published):
    answer_with(monkeypatch, published)
    assert pretrained.load("resnet18").keys() == {"weight"}
    monkeypatch.setattr(requests, "get", None)
    assert pretrained.load("resnet18").keys() == {"weight"}


def test_a_download_cut_short_leaves_nothing_behind(monkeypatch, network, published, tmp_path):
    answer_with(monkeypatch, published[:-1])
    with pytest.raises(pretrained.WeightsMissing, match="does not match the known hash"):
        pretrained.load("resnet18")
    assert files_below(tmp_path) == []


def test_another_file_in_its_place_is_not_used(monkeypatch, network, published):
    put("resnet18", b"not the published file")
    with pytest.raises(pretrained.WeightsMissing, match="cannot be reached"):
        pretrained.load("resnet18")
    answer_with(monkeypatch, published)
    monkeypatch.setattr(pretrained, "_unreachable", set())
    assert pretrained.load("resnet18").keys() == {"weight"}


def test_a_folder_without_permission_to_write_is_no_path_in_a_notebook(monkeypatch, network, tmp_path):
    (tmp_path / "hub").write_text("no folder")
    with pytest.raises(pretrained.WeightsMissing, match=r"is missing \(Not a directory\)"):
        pretrained.load("resnet18")


def test_nothing_in_a_file_is_executed(monkeypatch, network):
    class Harmful:
        def __reduce__(self):
            return (print, ("executed",))

    file = io.BytesIO()
    torch.save(Harmful(), file)
    publish(monkeypatch, file.getvalue())
    put("resnet18", file.getvalue())
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        pretrained.load("resnet18")
