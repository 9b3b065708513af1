"""Pretrained face networks that tell a person from a few photographs: a registry, and embeddings of face chips.

An embedding makes a *chip* of an image and the face found on it, the square that its network was trained on, and of
chips vectors of length 1, of which those of one person lie close together. Every chip is embedded by itself and by
one thread, so that neither order nor batches nor processes change a bit; speed comes from several processes.
"""

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facenet_pytorch.models.utils.detect_face import extract_face
from PIL import Image
from torch import nn

from kpop_rca.errors import StudyError
from kpop_rca.image_metrics import pretrained
from kpop_rca.image_metrics.feature_extractors import EXTRACTORS, FACENET_SIZE, load_facenet
from kpop_rca.oracles.face_template import TEMPLATE_SIZE, aligned_to_template
from kpop_rca.system import files, finite
from kpop_rca.system.parallel import one_thread

DLIB_SIZE, DLIB_PADDING = 150, 0.25  # pixels; fraction of the face's size around it
DLIB_BOX, DLIB_LOWER = 0.80, 0.06  # side and shift of the box that dlib's predictor wants, in sides of MTCNN's
DLIB_RESNET = "dlib_face_recognition_resnet_model_v1.dat"
DLIB_LANDMARKS = "shape_predictor_5_face_landmarks.dat"
INSTALL = "pip install 'kpop-rca[embeddings]'"
FACENET_MARGIN = 14  # pixels of the chip, as facenet-pytorch evaluates the network on LFW


@dataclass(frozen=True)
class Weights:
    """A pretrained face network, and what to know before it is used.

    Attributes:
        width: D of its embeddings.
        size: side of its chips in pixels.
        preprocessing: what a chip is.
        licence: of the weights.
        source: who published them.
        sha256: of each file.
        note: on whom it was trained and how well it does, by its publisher unless said otherwise.
        warning: what is said beside every result of it; "" for nothing.
    """

    width: int
    size: int
    preprocessing: str
    licence: str
    source: str
    sha256: dict[str, str]
    note: str
    warning: str = ""


EMBEDDINGS = {
    "dlib": Weights(
        width=128,
        size=DLIB_SIZE,
        preprocessing="turned and scaled by five landmarks of dlib's own, with a border of a quarter of the face",
        licence="CC0-1.0",
        source="Davis King, dlib-models; in the package face-recognition-models",
        sha256={
            DLIB_RESNET: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            DLIB_LANDMARKS: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        },
        note="trained on 3 million faces of 7,485 people (half of them FaceScrub and VGG, the rest from the web), none "
        "of whom is in LFW; accuracy on LFW .9938. Leave-one-out by nearest centroid with 12 photographs each: "
        ".997 of 20 people of LFW, .91 of ten avatars.",
    ),
    "facenet": Weights(
        width=512,
        size=FACENET_SIZE,
        preprocessing="MTCNN's box with a margin of a tenth, not turned",
        licence="MIT; trained on VGGFace2, photographs of people whom nobody asked",
        source="facenet-pytorch, after David Sandberg's",
        sha256={pretrained.path_of("facenet").name: pretrained.SHA256["facenet"]},
        note="trained on VGGFace2, 3.3 million faces of 9,131 people, celebrities above all; accuracy on LFW .9965.",
        warning="facenet is for research use: its training photographs, VGGFace2, were gathered from the web",
    ),
    "sface": Weights(
        width=128,
        size=TEMPLATE_SIZE,
        preprocessing="turned and scaled by MTCNN's five landmarks onto ArcFace's template; RGB, 0 to 255",
        licence="Apache-2.0",
        source="OpenCV zoo, after Yaoyao Zhong's",
        sha256={pretrained.path_of("sface").name: pretrained.SHA256["sface"]},
        note="a MobileFaceNet; accuracy on LFW .9940. Its publisher does not say on whom it was trained.",
    ),
}


@dataclass(frozen=True)
class Embedding:
    """A face network that can be used here; see `open_embedding`.

    It holds no network, which each process loads for itself on first use, so that another process can be handed it.

    Attributes:
        name: of the oracle, in every table.
        width: D.
        size: side S of its chips in pixels.
        licence: of its weights.
    """

    name: str
    width: int
    size: int
    licence: str

    def chip(self, image: Image.Image, box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """The face as the network takes it, uint8 (S, S, 3).

        Args:
            image: RGB.
            box: (4,) x0, y0, x1, y1 of MTCNN, pixels of `image`.
            landmarks: (10,) in the order of `detection.LANDMARKS`.
        """
        raise NotImplementedError

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """Embeddings of length 1, float32 (N, D), of chips, uint8 (N, S, S, 3).

        Raises:
            StudyError: one is not finite.
        """
        found = np.array([self._embedded(chip) for chip in chips], dtype=np.float32).reshape(-1, self.width)
        if len(found):
            with np.errstate(invalid="ignore"):
                found /= np.linalg.norm(found, axis=1, keepdims=True)
            damaged = "its weights may be damaged, or not those of a face network"
            finite.require(torch.from_numpy(found), what=f"{self.name}'s embedding of face", remedy=damaged)
        return found

    def _embedded(self, chip: np.ndarray) -> np.ndarray:
        """The network's own output, (D,)."""
        raise NotImplementedError


class Dlib(Embedding):
    """dlib's face ResNet, after its own landmarks. Source: King (2017), dlib's `face_recognition` example."""

    def chip(self, image: Image.Image, box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `Embedding.chip`; `landmarks` are not used."""
        import dlib

        pixels, predictor = np.asarray(image), _dlib_networks()[0]
        side = max(box[2] - box[0], box[3] - box[1])
        middle = np.array([box[0] + box[2], box[1] + box[3] + 2 * DLIB_LOWER * side]) / 2
        reach = DLIB_BOX * side / 2
        corners = np.rint(np.concatenate([middle - reach, middle + reach])).astype(int)
        face = predictor(pixels, dlib.rectangle(*corners.tolist()))
        return dlib.get_face_chip(pixels, face, DLIB_SIZE, DLIB_PADDING)

    def _embedded(self, chip: np.ndarray) -> np.ndarray:
        return np.array(_dlib_networks()[1].compute_face_descriptor(chip))


@cache
def _dlib_networks() -> tuple[Any, Any]:
    """The predictor of five landmarks, and the ResNet; the package's other files are not opened.

    face_recognition_models isn't imported: it wants `pkg_resources`, which setuptools no longer has.
    """
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or importlib.util.find_spec("dlib") is None:
        raise StudyError(
            f"the oracle dlib cannot be used: dlib-bin or face-recognition-models is not installed; {INSTALL}"
        )
    import dlib

    folder = Path(package.origin).parent / "models"
    for name, published in EMBEDDINGS["dlib"].sha256.items():
        if not (folder / name).is_file() or files.sha256(folder / name) != published:
            raise StudyError(
                f"the oracle dlib cannot be used: {name} is not the published file; "
                "pip install --force-reinstall --no-deps face-recognition-models"
            )
    return (
        dlib.shape_predictor(str(folder / DLIB_LANDMARKS)),
        dlib.face_recognition_model_v1(str(folder / DLIB_RESNET)),
    )


class FaceNet(Embedding):
    """facenet-pytorch's Inception-ResNet-v1. Source: Schroff et al. (2015)."""

    def chip(self, image: Image.Image, box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `Embedding.chip`; `landmarks` are not used."""
        face = extract_face(image, box, image_size=self.size, margin=FACENET_MARGIN)
        return face.permute(1, 2, 0).numpy().astype(np.uint8)

    def _embedded(self, chip: np.ndarray) -> np.ndarray:
        with one_thread(torch.device("cpu")):
            return EXTRACTORS["facenet"].features(_facenet(), chip[None])[0]


@cache
def _facenet() -> nn.Module:
    return load_facenet(device=torch.device("cpu"))


@dataclass(frozen=True)
class Onnx(Embedding):
    """A network in an ONNX file, on faces that lie in ArcFace's template.

    Attributes:
        file: of the network.
        channels_last: whether it takes (N, H, W, 3) and not (N, 3, H, W).
        offset: subtracted from pixels of 0 to 255 in RGB.
        scale: by which they are divided then.
    """

    file: Path
    channels_last: bool
    offset: float = 127.5
    scale: float = 127.5

    def chip(self, image: Image.Image, box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `Embedding.chip`; `box` is not used."""
        return aligned_to_template(image, landmarks, size=self.size)

    def outputs(self, chip: np.ndarray) -> list[np.ndarray]:
        """All that the network gives for one chip."""
        session = _session(self.file)
        pixels = (chip.astype(np.float32) - np.float32(self.offset)) / np.float32(self.scale)
        pixels = pixels if self.channels_last else pixels.transpose(2, 0, 1)
        return session.run(None, {session.get_inputs()[0].name: pixels[None]})

    def _embedded(self, chip: np.ndarray) -> np.ndarray:
        return self.outputs(chip)[0][0]


@cache
def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is said once, by the error
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _open_onnx(name: str, file: Path, *, size: int | None, licence: str, **pixels: float) -> Onnx:
    """An ONNX file as an embedding, once a trial has shown that it takes one image and gives one vector."""
    if file.suffix.lower() != ".onnx":
        raise StudyError(f"{file} is not ONNX; export the network to it (TorchScript and pickles run code: not opened)")
    if not file.is_file():
        raise StudyError(f"there is no file {file} for the oracle {name}; write {name}=path/to/model.onnx")
    if importlib.util.find_spec("onnxruntime") is None:
        raise StudyError(f"the oracle {name} cannot be used: onnxruntime is not installed; {INSTALL}")
    file = file.absolute()
    try:
        taken = [(given.type, given.shape) for given in _session(file).get_inputs()]
    except Exception as error:  # onnxruntime has a dozen classes of errors, without a base
        raise StudyError(f"{file} is no network that onnxruntime can read ({_first_line(error)})") from None
    channels_last, size = _layout(taken, size=size, file=file)
    embedding = Onnx(name, 0, size, licence, file, channels_last, **pixels)
    try:
        given = embedding.outputs(np.zeros((size, size, 3), dtype=np.uint8))
    except Exception as error:
        raise StudyError(f"{file} fails on an image of {size} pixels ({_first_line(error)})") from None
    shapes = [np.shape(values) for values in given]
    if [shape[:-1] for shape in shapes] != [(1,)]:
        said = " and ".join(map(str, shapes))
        raise StudyError(f"{file} gives {said} for an image, not one embedding, (1, D); export it so")
    return replace(embedding, width=shapes[0][1])


def _layout(taken: list[tuple[str, list]], *, size: int | None, file: Path) -> tuple[bool, int]:
    """Whether a network takes (N, H, W, 3), and the side of its images.

    Args:
        taken: type and shape of each of its inputs; a side that is free is a name or None.
        size: the side that the user said.
    """
    said = " and ".join(f"{kind} {shape}" for kind, shape in taken)
    wanted = "one float image at a time, (N, 3, H, W) or (N, H, W, 3)"
    if len(taken) != 1 or taken[0][0] != "tensor(float)" or len(taken[0][1]) != 4 or 3 not in taken[0][1][1::2]:
        raise StudyError(f"{file} takes {said}, not {wanted}; export it so")
    number, *shape = taken[0][1]
    if isinstance(number, int) and number != 1:
        raise StudyError(f"{file} takes {said}, {number} images at once, not {wanted}; export it with a free N")
    channels_last = shape[2] == 3
    sides = {side for side in (shape[:2] if channels_last else shape[1:]) if isinstance(side, int)} or {size}
    if sides == {None}:
        raise StudyError(f"{file} doesn't say how large its images are; add --oracle-size, {TEMPLATE_SIZE} for most")
    if len(sides) > 1 or size not in {None, *sides}:
        raise StudyError(f"{file} takes {said}, not squares of {size or 'one'} side; see --oracle-size")
    return channels_last, sides.pop()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def open_embedding(name: str, *, model: Path | None = None, size: int | None = None) -> Embedding:
    """A face network by its name in `EMBEDDINGS`, or from a user's own ONNX file; its weights are found and checked.

    A user's network gets RGB from -1 to 1, (pixel - 127.5) / 127.5, aligned as ArcFace's; its embeddings may have any
    length.

    Args:
        name: of the oracle.
        model: the ONNX file, where it is the user's own.
        size: side of that network's images in pixels; None where the file says it.

    Raises:
        StudyError: it can't be used here: why, and what to do.
    """
    if model is not None:
        if name in EMBEDDINGS:
            raise StudyError(f"{name} is the name of a known oracle; give your own network another, mine={model}")
        return _open_onnx(name, Path(model), size=size, licence="the user's own")
    if name not in EMBEDDINGS:
        known = ", ".join(EMBEDDINGS)
        raise StudyError(f"no oracle is called {name!r}; known are {known}, or your own: {name}=path/to/model.onnx")
    weights = EMBEDDINGS[name]
    known = {"name": name, "width": weights.width, "size": weights.size, "licence": weights.licence}
    try:
        if name == "sface":
            return _open_onnx(
                name, pretrained.fetch(name), size=weights.size, licence=weights.licence, offset=0.0, scale=1.0
            )
        _dlib_networks() if name == "dlib" else _facenet()
    except pretrained.WeightsMissing as missing:
        raise StudyError(f"the oracle {name} cannot be used: {missing}") from None
    return Dlib(**known) if name == "dlib" else FaceNet(**known)
