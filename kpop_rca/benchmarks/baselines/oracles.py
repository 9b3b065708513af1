"""Training an oracle and classifying as torchvision's reference scripts do: a DataLoader, transforms image by image."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from kpop_rca.benchmarks import ours
from kpop_rca.benchmarks.baselines.images import folder_loader
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import Work
from kpop_rca.oracles import augmentation
from kpop_rca.oracles.training import EVALUATION_BATCH


def training(setting: Setting, *, workers: int = 0) -> Work:
    """An epoch of each of as many oracles as ours trains, one after another, with a pass over their validation faces.

    The same network, optimiser, schedule and number of validation faces as ours, and torchvision's transforms of the
    same kind: a mirror image, a shift, other colours.

    Source: torchvision's references/classification/train.py.
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
    return Work(
        run=lambda: [_epoch(setting, seed, faces, few) for seed in range(ours.N_ORACLES)],
        items=ours.N_ORACLES * len(faces.dataset),
        flops=ours.oracle_flops(setting, training=True),
    )


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
    return Work(
        run=lambda: _accuracy(oracle, faces, setting.device),
        items=len(faces.dataset),
        flops=ours.oracle_flops(setting, training=False),
    )
