"""facenet-pytorch's detector and lpips as their documentation shows them: one image, and one pair, after another."""

import torch
from facenet_pytorch import MTCNN
from PIL import Image

from kpop_rca.benchmarks import ours
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.data.tensors import to_model

MOST = 256  # avatars: the rate is the same for more, and on a GPU they take longest of all


def one_by_one(setting: Setting) -> Work:
    """MTCNN with landmarks: decoding and detection alone."""
    table, root = setting.avatars
    files = [root / path for path in table["path"][:MOST]]
    detector = MTCNN(keep_all=True, min_face_size=setting["min_face_size"], device=setting.device)

    def run() -> None:
        for file in files:
            detector.detect(Image.open(file).convert("RGB"), landmarks=True)

    return Work(run, items=len(files))


def lpips_loop(setting: Setting) -> Work:
    distance, images, pairs = ours.pairs_of_faces(setting)
    tensors = to_model(torch.as_tensor(images))

    @torch.no_grad()
    def run() -> list[float]:
        sides = ((tensors[k : k + 1].to(setting.device) for k in pair) for pair in pairs)
        return [distance(*pair).item() for pair in sides]

    return Work(run)
