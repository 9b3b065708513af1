"""(win, loss) pairs of faces that nobody had to rate: a real face, and a worse one made of it or by a generator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from diffusers import DDPMScheduler, UNet2DModel
from scipy.ndimage import gaussian_filter

from kpop_rca.degradations import blurred, noised
from kpop_rca.diffusion import inpainting
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.no_reference import sharpness
from kpop_rca.oracles.candidates import Faces
from kpop_rca.system.files import atomic

IMAGES, TABLE = "pairs.npz", "pairs.parquet"
ADAPTIVE = "adaptive"
BLURS, NOISES = (0.5, 1.0, 1.5), (4.0, 10.0, 20.0)  # pixels; grey levels
SHARPENED_BY = 1.0  # pixels, of the Gaussian of the unsharp mask
AMOUNTS = (-1.0, 12.0)  # of the unsharp mask, from wholly blurred to far too sharp
HALVINGS = 12  # of that interval


@dataclass(frozen=True)
class Pairs:
    """Faces of which the first should score higher.

    Attributes:
        win, loss: uint8 (n, H, W, 3).
        table: what each pair is: kind, detail (mask or degradation), strength, label, source (index of the winner
            among the faces that the pairs were made of).
    """

    win: np.ndarray
    loss: np.ndarray
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: np.ndarray) -> "Pairs":
        return Pairs(self.win[rows], self.loss[rows], self.table.iloc[rows].reset_index(drop=True))

    def swapped(self) -> "Pairs":
        """Winners and losers exchanged: a control that every scorer must fail."""
        return Pairs(self.loss, self.win, self.table)

    def save(self, folder: Path) -> None:
        """Write images and provenance beside each other."""
        with atomic(folder / IMAGES) as temporary:
            np.savez_compressed(temporary, win=self.win, loss=self.loss)
        with atomic(folder / TABLE) as temporary:
            self.table.to_parquet(temporary, index=False)

    @classmethod
    def load(cls, folder: Path) -> "Pairs":
        with np.load(folder / IMAGES, allow_pickle=False) as images:
            return cls(images["win"], images["loss"], pd.read_parquet(folder / TABLE))


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Pairs of several kinds, one after the other."""
    win, loss = (np.concatenate([getattr(part, side) for part in parts]) for side in ("win", "loss"))
    return Pairs(win, loss, pd.concat([part.table for part in parts], ignore_index=True))


def _table(
    rows: np.ndarray, labels: np.ndarray, *, kind: str, detail: Sequence[str] | str, strength: object
) -> pd.DataFrame:
    about = {"kind": kind, "detail": detail, "strength": strength, "label": labels[rows], "source": rows}
    return pd.DataFrame(about)


def inpainted(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    faces: Faces,
    rows: np.ndarray,
    *,
    landmarks: np.ndarray,
    masks: Sequence[str] = inpainting.MASKS,
    strength: float | str = ADAPTIVE,
    seed: int,
    progress: Callable = iter,
) -> Pairs:
    """Real faces above themselves inpainted, the masks in turn: the paper's pairs.

    Args:
        faces: images and labels, of which `rows` (n,) are taken.
        landmarks: (N, 10) of all faces, NaN for none; see `inpainting.masks_of`.
        strength: fixed, or ADAPTIVE by the size of the mask.

    Source: Liao et al. (2024), "FaceScore", section "Dataset construction".
    """
    images, labels = faces[0][rows], faces[1][rows]
    names = np.array(masks)[np.arange(len(rows)) % len(masks)]
    inside = np.zeros(images.shape[:3], dtype=bool)
    for name in masks:
        own = names == name
        inside[own] = inpainting.masks_of(name, landmarks[rows][own], size=images.shape[1])
    strengths = inpainting.strengths_by_mask(inside) if strength == ADAPTIVE else np.full(len(rows), strength)
    how = {"strengths": strengths, "seed": seed, "progress": progress}
    loss = inpainting.inpaint(unet, forward, images, labels, inside, **how)
    return Pairs(images, loss, _table(rows, faces[1], kind="inpainted", detail=names, strength=strengths))


def sharpness_matched(pairs: Pairs) -> Pairs:
    """The same pairs with each loser sharpened or softened where it differs, until it is as sharp as the winner.

        loss + amount * (loss - blurred loss),   amount by bisection of the variance of the Laplacian

    Inpainting softens. A scorer that was trained on such pairs may have learned that alone: here it learns nothing.
    """
    inside = (pairs.win != pairs.loss).any(axis=3, keepdims=True)
    loss = pairs.loss.astype(np.float32)
    detail = loss - gaussian_filter(loss, sigma=(0, SHARPENED_BY, SHARPENED_BY, 0))
    wanted = sharpness(pairs.win)
    low, high = (np.full(len(pairs), amount) for amount in AMOUNTS)

    def changed(amount: np.ndarray) -> np.ndarray:
        sharpened = np.rint(loss + amount[:, None, None, None] * detail).clip(0, 255).astype(np.uint8)
        return np.where(inside, sharpened, pairs.loss)

    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_soft = sharpness(changed(middle)) < wanted
        low, high = np.where(too_soft, middle, low), np.where(too_soft, high, middle)
    return Pairs(pairs.win, changed((low + high) / 2), pairs.table.assign(kind="sharpness-matched"))


def generated(real: Faces, made: Faces, *, n: int, generator: np.random.Generator) -> Pairs:
    """n real faces, each above a generated image of the same requested identity.

    Raises:
        StudyError: an identity has no generated image.
    """
    rows = generator.choice(len(real[1]), n, replace=n > len(real[1]))
    of_class = {label: np.flatnonzero(made[1] == label) for label in np.unique(real[1][rows])}
    if empty := [label for label, own in of_class.items() if not len(own)]:
        raise StudyError(f"identity {empty[0]} has no generated image to set beside a real one; run 05_generation")
    losers = np.array([generator.choice(of_class[label]) for label in real[1][rows]], dtype=int)
    return Pairs(real[0][rows], made[0][losers], _table(rows, real[1], kind="generated", detail="", strength=np.nan))


def degraded(real: Faces, *, n: int, generator: np.random.Generator) -> Pairs:
    """n real faces, each above itself with blur and then with noise, by the levels BLURS and NOISES in turn."""
    rows = generator.choice(len(real[1]), n, replace=n > len(real[1]))
    images, loss, number = real[0][rows], real[0][rows].copy(), np.arange(n)
    kinds = [*(("blur", level) for level in BLURS), *(("noise", level) for level in NOISES)]
    for k, (name, level) in enumerate(kinds):
        own = number % len(kinds) == k
        if own.any():
            how = {"generator": generator} if name == "noise" else {}
            loss[own] = (blurred if name == "blur" else noised)(images[own], level, **how)
    names, levels = (np.array([kind[part] for kind in kinds])[number % len(kinds)] for part in (0, 1))
    return Pairs(images, loss, _table(rows, real[1], kind="degraded", detail=names, strength=levels))


def landmarks_in_crops(found: pd.DataFrame, paths: Sequence[str], *, margin: float, size: int) -> np.ndarray:
    """The landmarks of the most prominent face of each photograph in pixels of its crop: float (N, 10), NaN for none.

    Args:
        found: from `faces.load_audit`, columns path, boxes and landmarks.
        paths: of the photographs, in the order of the crops; see `faces.crops.load_index`.
        margin, size: of `data.images.crop_square`.
    """
    by_path = found.set_index("path")[["boxes", "landmarks"]]
    points = np.full((len(paths), 10), np.nan)
    for row, (boxes, landmarks) in enumerate(by_path.reindex(paths).itertuples(index=False)):
        if not isinstance(boxes, float) and len(boxes):
            x0, y0, x1, y1 = boxes[0]
            side = max(x1 - x0, y1 - y0) * (1 + 2 * margin)
            corner = np.array([x0 + x1 - side, y0 + y1 - side]) / 2
            points[row] = ((np.reshape(landmarks[0], (5, 2)) - corner) * size / side).ravel()
    return points
