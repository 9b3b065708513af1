"""What ours and the baselines work on: avatars, faces made of them, features, one UNet; the same for all."""

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
from kpop_rca.benchmarks import ceilings
from kpop_rca.data import identity_folders
from kpop_rca.diffusion import unet
from kpop_rca.study import paths

N_CLASSES = 10
PAPER_IMAGES = 50_000  # generated
PHOTOGRAPH = 250  # pixels a side, as in Labeled Faces in the Wild
NOISE_SCHEDULE = "linear"  # diffusers' default
# Of the drawn photographs: as the default study has them, but for group shots and pictures of nobody.
DRAWN = {
    "test_per_identity": 1,
    "hard_per_identity": 0,
    "group_per_identity": 0,
    "alikeness": 0.5,
    "artifact_rate": 0.15,
    "hard_rate": 0.1,
    "group_rate": 0.0,
    "nonface_rate": 0.0,
    "burst_rate": 0.0,
}


@dataclass(frozen=True, eq=False)
class Setting:
    """The parameters of `90_benchmarks`, a device, and a folder for scratch; the data are made on first use."""

    parameters: dict[str, Any]
    device: torch.device
    scratch: Path
    n_classes: int = N_CLASSES

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    @cached_property
    def photographs(self) -> tuple[pd.DataFrame, Path]:
        """`bench_photographs` drawn photographs: a row each, as `identity_folders.scan` gives them, and their root."""
        root = paths.data_folder("idols-benchmarks")
        each = -(-self["bench_photographs"] // N_CLASSES)
        avatars.render_dataset(
            root, seed=self["seed"], n_identities=N_CLASSES, train_per_identity=each, size=PHOTOGRAPH, **DRAWN
        )
        table = identity_folders.scan(root)
        chosen = table[table["split"] == "train"].iloc[: self["bench_photographs"]]
        return chosen.reset_index(drop=True), root

    @cached_property
    def faces(self) -> tuple[np.ndarray, np.ndarray]:
        """`bench_faces` pictures: uint8 (N, H, W, 3), the photographs reduced and repeated, and labels (N,)."""
        table, root = self.photographs
        size = (self["image_size"],) * 2
        small = np.stack([np.asarray(Image.open(root / path).resize(size)) for path in table["path"]])
        chosen = np.arange(self["bench_faces"]) % len(small)
        return small[chosen], chosen % N_CLASSES

    @cached_property
    def face_folder(self) -> Path:
        """The same pictures as PNG files, a folder a class: what the baselines read."""
        root = self.scratch / "faces"
        for number, (image, label) in enumerate(zip(*self.faces, strict=True)):
            path = root / f"{label:04d}" / f"{number:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        return root

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Two float32 (n, D), real and generated, as a network's last features are: not negative, correlated."""
        return random_features(self["bench_features"], self["bench_feature_length"], seed=self["seed"])

    def new_unet(self) -> UNet2DModel:
        """The study's noise predictor, freshly initialised, on the CPU."""
        torch.manual_seed(self["seed"])
        return unet.build_unet(n_classes=self.n_classes, **self._architecture)

    def unet_flops(self, *, training: bool) -> float:
        return ceilings.unet_flops(*self._architecture.values(), training=training)

    def oracle_flops(self, *, training: bool) -> float:
        sizes = (self["oracle_width"], self["image_size"])
        return ceilings.oracle_flops(self["architectures"][0], *sizes, training=training)

    @property
    def _architecture(self) -> dict[str, Any]:
        names = ("image_size", "channels", "layers_per_block", "attention_size")
        return {name: self[name] for name in names} | {"channels": tuple(self["channels"])}


def random_features(n: int, length: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two float32 (n, length): normal numbers of decaying spread, mixed and cut off at 0, the second shifted."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(length, length)) * (np.arange(1, length + 1) ** -0.5)[:, None]
    real, generated = (rng.normal(size=(n, length)) @ mixing for _ in range(2))
    return tuple(np.maximum(part, 0).astype(np.float32) for part in (real, generated + 0.1))


def warm_up_features() -> tuple[np.ndarray, np.ndarray]:
    """A few short ones, on which a measure imports what it needs before it is timed: whole repeats take minutes."""
    return random_features(24, 16, seed=0)


def quiet(iterable: Any, *_: Any, **__: Any) -> Any:
    """In the place of a progress bar."""
    return iterable
