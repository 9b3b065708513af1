"""torchvision as its reference scripts have it: a folder read image by image, and a classifier trained on it.

Source: torchvision's references/classification/train.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from kpop_rca.benchmarks import ours
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.oracles import augmentation
from kpop_rca.oracles.training import EVALUATION_BATCH


def folder_loader(folder: Path, first: Sequence[nn.Module], **loading: Any) -> DataLoader:
    """A folder per class, decoded, transformed (PIL images `first`) and scaled to [-1, 1] image by image."""
    steps = [*first, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    return DataLoader(ImageFolder(folder, transforms.Compose(steps)), **loading)


def image_folder(setting: Setting, *, workers: int = 0) -> Work:
    """All avatars, reduced; the folder may hold a few more than ours reads: it is the rate that is compared."""
    table, root = setting.avatars
    reduced, folder = transforms.Resize((setting["image_size"],) * 2), (root / table["path"][0]).parents[1]
    loader = folder_loader(folder, [reduced], batch_size=64, num_workers=workers)
    return Work(lambda: [images for images, _ in loader], items=len(loader.dataset))


def training(setting: Setting, *, workers: int = 0) -> Work:
    """An epoch of each of as many oracles as ours trains, one after another, with a pass over their validation faces.

    The same network, optimiser, schedule and number of validation faces as ours, and transforms of the same kind: a
    mirror image, a shift, other colours.
    """
    size, spread = setting["image_size"], setting["oracle_colour_jitter"]
    varied = [
        transforms.RandomHorizontalFlip(),
        transforms.RandomCrop(size, padding=round(size * augmentation.LARGEST_SHIFT), padding_mode="reflect"),
        transforms.ColorJitter(brightness=spread, contrast=spread, saturation=spread),
    ]
    batch_size = setting["oracle_batch_size"]
    faces = folder_loader(setting.face_folder, varied, batch_size=batch_size, shuffle=True, num_workers=workers)
    few = [next(iter(folder_loader(setting.face_folder, [], batch_size=EVALUATION_BATCH)))]
    return Work(lambda: [_epoch(setting, seed, faces, few) for seed in range(ours.N_ORACLES)])


def _epoch(setting: Setting, seed: int, faces: DataLoader, few: list) -> float:
    """Train an oracle for an epoch, reading the loss at every step; returns its accuracy on a few faces."""
    oracle, rate = ours.oracle(setting, seed=seed).to(setting.device).train(), setting["oracle_learning_rate"]
    optimizer = torch.optim.AdamW(oracle.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=len(faces))
    for images, labels in faces:
        loss = F.cross_entropy(oracle(images.to(setting.device)), labels.to(setting.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        loss.item()
    return _accuracy(oracle, few, setting.device)


@torch.inference_mode()
def _accuracy(oracle: nn.Module, faces: DataLoader | list, device: torch.device) -> float:
    oracle.eval()
    right = [(oracle(images.to(device)).argmax(1).cpu() == labels).sum().item() for images, labels in faces]
    return sum(right) / sum(len(labels) for _, labels in faces)


def classifying(setting: Setting, *, workers: int = 0) -> Work:
    """The accuracy of one oracle on all faces, read from their files."""
    faces = folder_loader(setting.face_folder, [], batch_size=EVALUATION_BATCH, num_workers=workers)
    oracle = ours.oracle(setting).to(setting.device)
    return Work(lambda: _accuracy(oracle, faces, setting.device))
