"""The pretrained weights that the study can use: where each comes from, what it must be, and where it lies.

None is required. Whoever asks for weights that can't be had gets `WeightsMissing` with one line that says why, and
the study goes on without the quantity behind them. Files lie where torch.hub keeps them, in
`$TORCH_HOME/hub/checkpoints`, so that what other programs downloaded is found, and a machine without a network can
be served by copying a file there.
"""

import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import torch

from kpop_rca import disk, watch
from kpop_rca.errors import StudyError

TIMEOUT = 10  # seconds without an answer
CHUNK = 1 << 20  # bytes


class WeightsMissing(Exception):
    """Weights are not there and can't be downloaded; the message is one line that says which and why."""


@dataclass(frozen=True)
class Weights:
    """One file of pretrained weights.

    Attributes:
        title: what it is, for messages.
        url: where it is published.
        sha256: of the whole file; publishers who give one put its first eight digits into the file's name.
    """

    title: str
    url: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it lies once it is there."""
        return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(self.url).path).name


TORCHVISION = "https://download.pytorch.org/models"
REGISTRY = {
    "inception": Weights(
        title="Inception-v3 of 2015-12-05 (FID, Inception Score)",
        url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    "alexnet": Weights(
        title="AlexNet on ImageNet (LPIPS)",
        url=f"{TORCHVISION}/alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "resnet18": Weights(
        title="ResNet-18 on ImageNet",
        url=f"{TORCHVISION}/resnet18-f37072fd.pth",
        sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    ),
    "resnet34": Weights(
        title="ResNet-34 on ImageNet",
        url=f"{TORCHVISION}/resnet34-b627a593.pth",
        sha256="b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
    ),
    "resnet50": Weights(
        title="ResNet-50 on ImageNet, second recipe",
        url=f"{TORCHVISION}/resnet50-11ad3fa6.pth",
        sha256="11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
    ),
    # The publishers of these two give no hash. It is the one by which projects that downloaded the files independently
    # of each other check them: finegrain-ai/refiners (its conversion of DINOv2) and dhrumilp12/Evaluating-Face-
    # Verification (results/metrics/embedding_smoke_test.json), among others.
    "dinov2": Weights(
        title="DINOv2 ViT-S/14",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    ),
    "facenet": Weights(
        title="FaceNet (Inception-ResNet-v1 on VGGFace2)",
        url="https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
    ),
}
_failed: dict[str, str] = {}  # host or URL to reason: a process asks in vain only once


def find(name: str, *, download: bool = True) -> Path:
    """The checked file of some weights, downloaded if need be.

    Args:
        name: key of REGISTRY.
        download: whether to look for a missing file on the network; who fails is not asked again by this process.

    Raises:
        WeightsMissing: not there, not to be had, or not the published file.
    """
    wanted = REGISTRY[name]
    if not wanted.path.is_file():
        if not download:
            raise _missing(wanted, "the file is not there, and downloads are off")
        _download(wanted)
    if disk.sha256(wanted.path) != wanted.sha256:
        raise _missing(wanted, "the file there is not the published one (another SHA-256)")
    return wanted.path


def load(name: str, *, download: bool = True) -> dict[str, torch.Tensor]:
    """The state dict of some weights, on the CPU; nothing in the file is executed.

    Args:
        name: key of REGISTRY.
        download: see `find`.

    Raises:
        WeightsMissing: see `find`.
    """
    return torch.load(find(name, download=download), map_location="cpu", weights_only=True)


def _missing(wanted: Weights, reason: str) -> WeightsMissing:
    # The place by its variable, not its path: messages end up in published notebooks.
    return WeightsMissing(f"{wanted.title}: {reason}; put {wanted.url} into $TORCH_HOME/hub/checkpoints")


def _download(wanted: Weights) -> None:
    host = str(urlsplit(wanted.url).hostname)
    if not {host, wanted.url} & _failed.keys():
        try:
            # Every address is one of REGISTRY's, https throughout, and what comes is checked by its hash.
            with urllib.request.urlopen(wanted.url, timeout=TIMEOUT) as answer:  # nosec B310
                _save(answer, wanted)
        except urllib.error.HTTPError as error:  # the host is there, the file is not
            _failed[wanted.url] = f"{host} answers {error.code}"
        except urllib.error.URLError:  # no connection
            _failed[host] = f"{host} can't be reached"
        except StudyError:  # see `disk.atomic`; its message has a path, and the study goes on without
            _failed[wanted.url] = "there is no room or no leave to write it"
        except (OSError, HTTPException) as error:  # cut short, or too slow
            _failed[wanted.url] = f"the download from {host} failed ({type(error).__name__})"
    reason = _failed.get(host) or _failed.get(wanted.url)
    if reason:
        raise _missing(wanted, reason)


def _save(answer: HTTPResponse, wanted: Weights) -> None:
    """Write an answer to its place if it is the published file."""
    total = int(answer.headers.get("Content-Length") or 0) or None
    with disk.atomic(wanted.path) as temporary:
        with temporary.open("wb") as file, watch.bar.wrapattr(answer, "read", total=total, desc=wanted.title) as source:
            shutil.copyfileobj(source, file, CHUNK)
        if disk.sha256(temporary) != wanted.sha256:
            raise OSError("another file than the published one")
