"""Baselines of reading images, finding faces in them, and comparing them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from facenet_pytorch import MTCNN
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from kpop_rca.benchmarks import ours
from kpop_rca.benchmarks.setting import AVATAR_SIZE, Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.data.tensors import to_model

ONE_BY_ONE = 256  # avatars at most: the rate is the same for more, and on a GPU they take longest of all


def folder_loader(folder: Path, first: Sequence[nn.Module], **loading: Any) -> DataLoader:
    """A folder of images as torchvision reads it: decoded, transformed and scaled to [-1, 1] image by image.

    Args:
        folder: with a folder per class.
        first: transforms of the PIL images.
        loading: arguments of `DataLoader`.
    """
    steps = [*first, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    return DataLoader(ImageFolder(folder, transforms.Compose(steps)), **loading)


def one_by_one(setting: Setting) -> Work:
    """facenet-pytorch's MTCNN on one avatar after another, with landmarks: decoding and detection alone."""
    table, root = setting.avatars
    files = [root / path for path in table["path"][:ONE_BY_ONE]]
    detector = MTCNN(keep_all=True, min_face_size=setting["min_face_size"], device=setting.device)
    return Work(
        run=lambda: [detector.detect(Image.open(file).convert("RGB"), landmarks=True) for file in files],
        items=len(files),
        flops=ours.detection_flops(setting),
    )


def image_folder(setting: Setting, *, workers: int = 0) -> Work:
    """torchvision's ImageFolder and DataLoader over the avatars."""
    table, root = setting.avatars
    folder = (root / table["path"][0]).parents[1]
    reduced = transforms.Resize((setting["image_size"],) * 2)
    loader = folder_loader(folder, [reduced], batch_size=64, num_workers=workers)
    # The folder may hold a few more than are wanted, as many of each identity: it is the rate that is compared.
    return Work(run=lambda: [images for images, _ in loader], items=len(loader.dataset), bytes=3.0 * AVATAR_SIZE**2)


def lpips_loop(setting: Setting) -> Work:
    """lpips as its documentation shows it: a pair at a time."""
    distance, images, pairs = ours.pairs_of_faces(setting)
    tensors = to_model(torch.as_tensor(images))

    @torch.no_grad()
    def run() -> list[float]:
        sides = ((tensors[k : k + 1].to(setting.device) for k in pair) for pair in pairs)
        return [distance(*pair).item() for pair in sides]

    return Work(run=run, items=len(pairs))
