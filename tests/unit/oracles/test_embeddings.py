"""Pretrained embeddings: what they refuse in a line, and that neither order nor batches nor processes change a bit."""

import hashlib
import importlib.util
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest
import small_onnx
import torch
from PIL import Image
from small_avatars import SMALL

from kpop_rca import errors
from kpop_rca.avatars import dataset
from kpop_rca.data.images import read_rgb
from kpop_rca.faces import detection
from kpop_rca.image_metrics import feature_extractors, pretrained
from kpop_rca.oracles import EMBEDDINGS, embeddings, open_embedding

BOX, LANDMARKS = np.array([20.0, 20, 90, 100]), np.array([40.0, 50, 70, 50, 55, 65, 42, 80, 68, 80])


@pytest.fixture(autouse=True)
def nothing_is_open():
    """Networks stay open as long as their process; here each test opens its own."""
    for opened in (embeddings._dlib_networks, embeddings._facenet, embeddings._session):
        opened.cache_clear()


@pytest.fixture(scope="module")
def avatars(tmp_path_factory):
    """Two avatars each of three people, one by one: images, boxes and landmarks by MTCNN."""
    root = tmp_path_factory.mktemp("avatars")
    no_others = dict.fromkeys(("artifact_rate", "hard_rate", "group_rate", "nonface_rate", "burst_rate"), 0.0)
    counts = {"train_per_identity": 1, "test_per_identity": 1, "hard_per_identity": 0, "group_per_identity": 0}
    truth = dataset.render_dataset(root, **(SMALL | no_others | counts | {"size": 160}), workers=1)
    how = {"min_face_size": 40, "batch_size": 6, "max_side": 160, "device": "cpu", "workers": 1}
    found = detection.detect_faces(truth[["path", "identity"]], root, **how)
    return [
        (read_rgb(root / path), np.array(boxes[0]), np.array(landmarks[0]))
        for path, boxes, landmarks in zip(found["path"], found["boxes"], found["landmarks"], strict=True)
    ]


@pytest.fixture(params=["dlib", "facenet", "onnx"])
def embedding(request, monkeypatch, tmp_path):
    """Each kind: dlib's own weights, a random FaceNet, and the mean colour in an ONNX file."""
    if request.param == "onnx":
        return open_embedding("mine", model=small_onnx.mean_colour(tmp_path / "mine.onnx"))
    if request.param == "facenet":
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = feature_extractors.InceptionResnetV1().eval()
        monkeypatch.setattr(embeddings, "load_facenet", lambda *, device: network)
        return open_embedding("facenet")
    return open_embedding("dlib")


def chips_of(embedding, avatars):
    return np.stack([embedding.chip(*avatar) for avatar in avatars])


def test_neither_order_nor_batches_change_a_bit(embedding, avatars):
    chips = chips_of(embedding, avatars)
    assert chips.dtype == np.uint8 and chips.shape[1:] == (embedding.size, embedding.size, 3)
    together = embedding.embed(chips)
    assert together.dtype == np.float32 and together.shape == (len(avatars), embedding.width)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-6)
    assert not np.array_equal(together[0], together[1])
    np.testing.assert_array_equal(embedding.embed(chips[::-1]), together[::-1])
    np.testing.assert_array_equal(np.concatenate([embedding.embed(chip[None]) for chip in chips]), together)
    assert embedding.embed(chips[:0]).shape == (0, embedding.width)


def test_another_process_can_be_handed_one(embedding):
    assert pickle.loads(pickle.dumps(embedding)) == embedding


def test_a_chip_follows_the_face(embedding, avatars):
    """Whatever lies around the face, and wherever in the image it is."""
    image, box, landmarks = avatars[0]
    larger = Image.new("RGB", (300, 260), "grey")
    larger.paste(image, (96, 64))
    moved = embedding.chip(larger, box + np.tile([96, 64], 2), landmarks + np.tile([96, 64], 5))
    margin = embedding.size // 5  # of the chip, in which the image's border may lie
    inner = slice(margin, -margin)
    difference = np.abs(moved.astype(int) - embedding.chip(image, box, landmarks))[inner, inner]
    assert difference.max() <= 2  # resampling begins at another fraction of a pixel


def test_dlib_tells_avatars_apart_at_half_size(avatars):
    """An image at half its size is nearest to one of the same person at full size."""
    dlib = open_embedding("dlib")
    halves = [(image.reduce(2), box / 2, landmarks / 2) for image, box, landmarks in avatars]
    similarity = dlib.embed(chips_of(dlib, halves)) @ dlib.embed(chips_of(dlib, avatars)).T
    assert (similarity.argmax(axis=1) % 3).tolist() == [0, 1, 2, 0, 1, 2]


def test_registry_is_that_of_the_weights():
    assert EMBEDDINGS.keys() == {"dlib", "facenet", "sface"}
    for name in ("facenet", "sface"):
        assert EMBEDDINGS[name].sha256 == {pretrained.path_of(name).name: pretrained.SHA256[name]}
    assert all(len(bytes.fromhex(known)) == 32 for weights in EMBEDDINGS.values() for known in weights.sha256.values())


def refused(*arguments, **options):
    with pytest.raises(errors.StudyError) as refusal:
        open_embedding(*arguments, **options)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(("name", "missing"), [("dlib", "dlib"), ("dlib", "face_recognition_models")])
def test_without_its_packages_dlib_is_a_line(monkeypatch, name, missing):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None if package == missing else find(package))
    assert refused(name).endswith("is not installed; pip install 'kpop-rca[embeddings]'")


def test_without_onnxruntime_an_onnx_file_is_a_line(monkeypatch, tmp_path):
    path = small_onnx.mean_colour(tmp_path / "mine.onnx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    assert refused("mine", model=path).startswith("the oracle mine cannot be used: onnxruntime is not installed")


def test_other_weights_than_the_published_are_not_opened(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / embeddings.DLIB_RESNET).write_bytes(b"other")
    package, find = SimpleNamespace(origin=str(tmp_path / "__init__.py")), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: package if name == "face_recognition_models" else find(name)
    )
    assert f"{embeddings.DLIB_RESNET} is not the published file" in refused("dlib")


@pytest.mark.parametrize("name", ["facenet", "sface"])
def test_weights_that_cannot_be_fetched_are_a_line(no_weights, name):
    assert re.match(rf"the oracle {name} cannot be used: .* is missing \(.*\); put https://.* into", refused(name))


def test_sface_is_the_published_file(monkeypatch, no_weights):
    """A stand-in of its size lies where the file would, and is read in its place; it gets RGB from 0 to 255."""
    path = pretrained.path_of("sface")
    path.parent.mkdir(parents=True)
    content = small_onnx.mean_colour(path, shape=(1, 3, 112, 112)).read_bytes()
    monkeypatch.setitem(pretrained.SHA256, "sface", hashlib.sha256(content).hexdigest())
    sface = open_embedding("sface")
    assert (sface.size, sface.licence) == (112, "Apache-2.0")
    colour = np.full((1, 112, 112, 3), [[[30, 40, 0]]], dtype=np.uint8)
    np.testing.assert_allclose(sface.embed(colour), [[0.6, 0.8, 0]], rtol=1e-6)


@pytest.mark.parametrize(("shape", "size"), [(("n", 3, 16, 16), None), ((1, "h", "w", 3), 24), ((1, 3, 16, 16), 16)])
def test_ones_own_network_in_either_layout(tmp_path, shape, size):
    """Red is 1 where others are -1: pixels are taken from -1 to 1."""
    mine = open_embedding("mine", model=small_onnx.mean_colour(tmp_path / "mine.onnx", shape=shape), size=size)
    assert (mine.name, mine.width, mine.size) == ("mine", 3, size or 16)
    red = np.zeros((2, mine.size, mine.size, 3), dtype=np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(mine.embed(red), np.array([[1, -1, -1]] * 2) / np.sqrt(3), rtol=1e-6)


@pytest.mark.parametrize(
    ("network", "size", "said"),
    [
        (
            {"shape": ("n", 1, 16, 16)},
            None,
            "not one float image at a time, (N, 3, H, W) or (N, H, W, 3); export it so",
        ),
        ({"inputs": 2}, None, "not one float image at a time"),
        ({"kind": small_onnx.DOUBLE}, None, "tensor(double)"),
        ({"shape": (8, 3, 16, 16)}, None, "8 images at once"),
        ({"shape": ("n", 3, "h", "w")}, None, "add --oracle-size, 112 for most"),
        ({"shape": ("n", 3, 16, 16)}, 112, "not squares of 112 side; see --oracle-size"),
        ({"shape": ("n", 3, 16, 24)}, None, "not squares of one side"),
        ({"keepdims": 1}, None, "gives (1, 3, 1, 1) for an image, not one embedding"),
    ],
)
def test_a_network_that_is_no_embedding_is_a_line(tmp_path, network, size, said):
    assert said in refused("mine", model=small_onnx.mean_colour(tmp_path / "mine.onnx", **network), size=size)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("mine.pt", b"PK", "is not ONNX; export the network to it"),
        ("mine.onnx", b"not a network", "is no network that onnxruntime can read ("),
        ("mine.onnx", None, "there is no file "),
    ],
)
def test_a_file_that_is_no_network_is_a_line(tmp_path, file, content, said):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    assert said in refused("mine", model=tmp_path / file)


def test_names():
    assert refused("nobody").startswith("no oracle is called 'nobody'; known are dlib, facenet, sface, or your own")
    assert "is the name of a known oracle" in refused("dlib", model="mine.onnx")


def test_a_face_without_an_embedding_is_an_error(tmp_path):
    """The mean of grey is 0 in every channel, which has no direction."""
    mine = open_embedding("mine", model=small_onnx.mean_colour(tmp_path / "mine.onnx", shape=(1, 3, 2, 2)))
    chips = np.array([[0, 0], [255, 255]], dtype=np.uint8)[None, :, :, None].repeat(3, axis=3)
    with pytest.raises(errors.StudyError, match="not finite: mine's embedding of face 0; its weights may be damaged"):
        mine.embed(chips)
