"""The pretrained weights that the study can use: where each is published, its SHA-256, and where it lies.

None is required: whoever requests weights that cannot be had gets `WeightsMissing`, and the study goes on without the
quantity behind them. Files lie where torch.hub keeps them, in `$TORCH_HOME/hub/checkpoints`, so that what other
programs downloaded is found, and a machine without a network can be served by copying a file there.
"""

from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
import torch

TIMEOUT = 10  # seconds without an answer
CHUNK = 1 << 20  # bytes
TORCHVISION = "https://download.pytorch.org/models"
GITHUB = "https://github.com"
URLS = {
    "inception": f"{GITHUB}/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "alexnet": f"{TORCHVISION}/alexnet-owt-7be5be79.pth",
    "resnet18": f"{TORCHVISION}/resnet18-f37072fd.pth",
    "resnet34": f"{TORCHVISION}/resnet34-b627a593.pth",
    "resnet50": f"{TORCHVISION}/resnet50-11ad3fa6.pth",
    "dinov2": "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    "facenet": f"{GITHUB}/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
    "sface": f"{GITHUB}/opencv/opencv_zoo/raw/main/models/face_recognition_sface/face_recognition_sface_2021dec.onnx",
    "aesthetic_v2": (
        f"{GITHUB}/christophschuhmann/improved-aesthetic-predictor/raw/main/sac%2Blogos%2Bava1-l14-linearMSE.pth"
    ),
}
SHA256 = {  # publishers who give one put its first eight digits into the file's name
    "inception": "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "alexnet": "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    "resnet18": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "resnet34": "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
    "resnet50": "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
    # The publishers of these two give no hash. It is the one by which projects that downloaded the files independently
    # of each other check them: finegrain-ai/refiners (its conversion of DINOv2) and dhrumilp12/Evaluating-Face-
    # Verification (results/metrics/embedding_smoke_test.json), among others.
    "dinov2": "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    "facenet": "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
    "sface": "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",  # its publisher's, of Git LFS
    # No hash by its publisher; the one by which birder-project's and others' programs check their downloads.
    "aesthetic_v2": "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
}
pooch.get_logger().setLevel("ERROR")  # it would name this machine's folders in published notebooks
_unreachable: set[str] = set()  # hosts: a process waits for each only once


class WeightsMissing(Exception):
    """Weights cannot be had: one line says which and why, where they are published, and where to put them by hand."""


def path_of(name: str) -> Path:
    """Where the weights called `name` lie once they are there."""
    return Path(torch.hub.get_dir(), "checkpoints", Path(URLS[name]).name)


def fetch(name: str) -> Path:
    """The file of some weights, downloaded if need be; its SHA-256 is the published one.

    Raises:
        WeightsMissing: not there, or not the published file, and not to be had.
    """
    path, url = path_of(name), URLS[name]
    try:
        pooch.retrieve(url, SHA256[name], fname=path.name, path=path.parent, downloader=_download)
        return path
    except (requests.ConnectionError, requests.Timeout):
        _unreachable.add(urlsplit(url).hostname)
        reason = f"{urlsplit(url).hostname} cannot be reached"
    except (requests.RequestException, ValueError) as error:  # the host has no such file, or another one
        reason = str(error)
    except OSError as error:  # its own message has a path
        reason = error.strerror or "no permission to write it"
    # The place by its variable, not its path: messages end up in published notebooks.
    raise WeightsMissing(f"{path.name} is missing ({reason}); put {url} into $TORCH_HOME/hub/checkpoints")


def load(name: str) -> dict[str, torch.Tensor]:
    """The state dict of some weights, on the CPU, downloaded if need be; nothing in the file is executed.

    Raises:
        WeightsMissing: as `fetch`.
    """
    return torch.load(fetch(name), map_location="cpu", weights_only=True)


def _download(url: str, file: str, of: pooch.Pooch | None) -> None:
    if urlsplit(url).hostname in _unreachable:
        raise requests.ConnectionError
    pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=CHUNK, progressbar=True)(url, file, of)
