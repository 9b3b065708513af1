"""What ours and the baselines work on: avatars, faces made of them, features, one UNet; the same for all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers import UNet2DModel
from PIL import Image

from kpop_rca import avatars
from kpop_rca.data import identity_folders
from kpop_rca.diffusion import unet
from kpop_rca.study import params, paths

N_CLASSES = 10
PAPER_IMAGES = 50_000  # generated
AVATAR_SIZE = 250  # pixels a side, as in Labeled Faces in the Wild
NOISE_SCHEDULE = "linear"  # diffusers' default
# Of the avatars: as the default study has them, but for group shots and images of nobody.
RENDERED = {"test_per_identity": 1, "alikeness": 0.5, "artifact_rate": 0.15, "hard_rate": 0.1} | dict.fromkeys(
    ("hard_per_identity", "group_per_identity", "group_rate", "nonface_rate", "burst_rate"), 0
)
# What no study sets, and a size may: classes of the UNet and identities that are generated, processes that train
# together, and images in which faces are looked for (0 for `bench_avatars`, else these again and again).
UNLESS_SIZED = {"n_classes": N_CLASSES, "identities": 1, "processes": 1, "detected": 0}


@dataclass(frozen=True, eq=False)
class Setting:
    """The parameters of `90_benchmarks`, with those of UNLESS_SIZED, a device, and a folder for scratch.

    Faces and features are made on first use and kept in the folder: where another process is measured, its memory has
    no part in the making.
    """

    parameters: dict[str, Any]
    device: torch.device
    scratch: Path

    def __getitem__(self, name: str) -> Any:
        return (UNLESS_SIZED | self.parameters)[name]

    def as_study(self, **changed: Any) -> dict[str, Any]:
        """The parameters of all notebooks: those of the default study where this one, or `changed`, has no others."""
        return params.defaults() | self.parameters | changed

    @cached_property
    def avatars(self) -> tuple[pd.DataFrame, Path]:
        """`bench_avatars` avatars: one row per image, as `identity_folders.scan` has them, and their root."""
        root, n = paths.data_folder("idols-benchmarks"), self["bench_avatars"]
        each = {"n_identities": N_CLASSES, "train_per_identity": -(-n // N_CLASSES), "size": AVATAR_SIZE}
        avatars.render_dataset(root, seed=self["seed"], **each, **RENDERED)
        table = identity_folders.scan(root)
        return table[table["split"] == "train"].iloc[np.arange(self["detected"] or n) % n].reset_index(drop=True), root

    @cached_property
    def faces(self) -> tuple[np.ndarray, np.ndarray]:
        """`bench_faces` images: uint8 (N, H, W, 3), the avatars reduced and repeated, and labels, int64 (N,)."""
        n, size = self["bench_faces"], (self["image_size"],) * 2

        def make() -> np.ndarray:
            table, root = self.avatars
            reduced = [np.asarray(Image.open(root / path).resize(size)) for path in table["path"].unique()]
            return np.stack(reduced)[np.arange(n) % len(reduced)]

        return self._kept(f"faces_{n}_of_{size[0]}.npy", make), np.arange(n) % self["n_classes"]

    @cached_property
    def face_folder(self) -> Path:
        """The same images as PNG files, one folder per class: what the baselines read."""
        root = self.scratch / f"faces_{self['bench_faces']}_of_{self['image_size']}"
        if not root.exists():
            as_files(*self.faces, root)
        return root

    @cached_property
    def features(self) -> np.ndarray:
        """float32 (2, n, D), real and generated, as a network's last features are: not negative, correlated."""
        n, length = self["bench_features"], self["bench_feature_length"]
        return self._kept(f"features_{n}_of_{length}.npy", lambda: random_features(n, length, seed=self["seed"]))

    def _kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        path = self.scratch / name
        if not path.exists():
            np.save(path, make())
        return np.load(path)

    def new_unet(self) -> UNet2DModel:
        """The study's noise predictor, freshly initialised, on the CPU."""
        torch.manual_seed(self["seed"])
        names = ("image_size", "channels", "layers_per_block", "attention_size", "n_classes")
        return unet.build_unet(**{name: self[name] for name in names})


def as_files(images: np.ndarray, labels: np.ndarray, root: Path) -> None:
    """Write images, uint8 (N, H, W, 3), as PNG files, one folder per class."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / f"{label:04d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def random_features(n: int, length: int, *, seed: int) -> np.ndarray:
    """float32 (2, n, length): normal numbers of decaying spread, mixed and cut off at 0, the second half shifted."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(length, length)) * (np.arange(1, length + 1) ** -0.5)[:, None]
    real, generated = (rng.normal(size=(n, length)) @ mixing for _ in range(2))
    return np.maximum([real, generated + 0.1], 0).astype(np.float32)
