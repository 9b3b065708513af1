"""From images to arrays: square crops of the most prominent faces and their index, which later notebooks read."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.data import images
from kpop_rca.errors import StudyError
from kpop_rca.system import parallel
from kpop_rca.system.files import atomic, read_json, write_json

INDEX = "index.parquet"
SUMMARY = "data.json"


def crop_faces(
    detections: pd.DataFrame, root: Path, *, margin: float, sizes: Sequence[int], progress: Callable = iter
) -> dict[int, np.ndarray]:
    """Crop the most prominent face of every image, at several sizes from one decoding.

    Args:
        detections: rows with `path` and at least one box, the most prominent first.
        root: the data folder.
        margin: see `images.crop_square`.
        sizes: sides in pixels.
        progress: wraps the iterable, `tqdm` for example.

    Returns:
        For each size, uint8 (N, size, size, 3) in the order of `detections`.
    """
    rows = [(path, boxes[0]) for path, boxes in zip(detections["path"], detections["boxes"], strict=True)]
    crop = partial(_crops_of, root=root, margin=margin, sizes=sizes)
    with ThreadPoolExecutor(parallel.cores()) as pool:  # decoding and resampling release the interpreter's lock
        crops = list(progress(pool.map(crop, rows)))
    return {size: np.stack([c[k] for c in crops]) for k, size in enumerate(sizes)}


def _crops_of(row: tuple[str, Sequence[float]], *, root: Path, margin: float, sizes: Sequence[int]) -> list[np.ndarray]:
    path, box = row
    image = images.read_rgb(root / path)
    return [np.asarray(images.crop_square(image, box, margin=margin, size=size)) for size in sizes]


def _file(folder: Path, size: int | str) -> Path:
    return folder / f"faces_{size}.npy"


def save_crops(folder: Path, crops: dict[int, np.ndarray], index: pd.DataFrame) -> None:
    """Write the crops of each size, and their index from `splits.make_index`."""
    for size, array in crops.items():
        with atomic(_file(folder, size)) as temporary:
            np.save(temporary, array, allow_pickle=False)
    with atomic(folder / INDEX) as temporary:
        index.to_parquet(temporary, index=False)


def save_summary(
    folder: Path, detections: pd.DataFrame, reasons: pd.Series, index: pd.DataFrame, *, source: str
) -> None:
    """Write what `metrics.json` says of the data.

    Args:
        folder: `artifacts/<study>/faces`.
        detections: the audit's table.
        reasons: from `splits.exclusion_reasons`.
        index: from `splits.make_index`.
        source: where the images come from.
    """
    excluded = reasons[reasons != ""].value_counts()
    summary = {
        "source": source,
        "n_images": len(detections),
        "n_identities": int(detections["identity"].nunique()),
        "n_faces": len(index),
        "excluded": {reason: int(n) for reason, n in excluded.items()},
    }
    write_json(folder / SUMMARY, summary)


def load_summary(folder: Path) -> dict:
    """Source, n_images, n_identities, n_faces (used), and excluded: how many were left out for each reason."""
    return read_json(folder / SUMMARY)


def load_index(folder: Path) -> pd.DataFrame:
    """One row per face: path, identity, label (0 to K-1, identities in natural order), split, burst."""
    return pd.read_parquet(folder / INDEX)


def class_names(folder: Path) -> list[str]:
    """Identities in the order of their labels."""
    index = load_index(folder)
    return index.drop_duplicates("label").sort_values("label")["identity"].tolist()


def load_crops(folder: Path, *, size: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Faces of one split.

    Args:
        folder: `artifacts/<study>/faces`.
        size: side in pixels.
        split: one of `splits.SPLITS`.

    Returns:
        uint8 (n, size, size, 3) and int64 labels (n,).

    Raises:
        StudyError: the faces were not cropped at this size.
    """
    path = _file(folder, size)
    if not path.is_file():
        sizes = ", ".join(sorted(found.stem.removeprefix("faces_") for found in folder.glob(_file(folder, "*").name)))
        raise StudyError(f"faces were cropped at {sizes} px, not at {size}; add {size} to face_sizes of 02")
    index = load_index(folder)
    chosen = (index["split"] == split).to_numpy()
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.array(array[chosen]), index.loc[chosen, "label"].to_numpy(dtype=np.int64, copy=True)


def load_bursts(folder: Path, *, split: str) -> np.ndarray:
    """int64 (n,), for the faces of `load_crops`: near-duplicates of each other have one number, -1 is alone."""
    index = load_index(folder)
    return index.loc[index["split"] == split, "burst"].to_numpy(dtype=np.int64)


def first_of_each(images: np.ndarray, labels: np.ndarray, *, count: int) -> np.ndarray:
    """The first few faces of every class, in the order of the labels, for showing.

    Args:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
        count: of each; as many as the smallest class has, where that is fewer.

    Returns:
        uint8 (K, n, H, W, 3).
    """
    count = min(count, np.bincount(labels).min())
    return np.stack([images[labels == label][:count] for label in range(labels.max() + 1)])


def mean_faces(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean face of every class, in the order of the labels: uint8 (K, H, W, 3), of uint8 (N, H, W, 3).

    >>> faces = np.stack([np.full((1, 1, 3), grey, dtype=np.uint8) for grey in (10, 20, 200)])
    >>> mean_faces(faces, np.array([0, 0, 1]))[:, 0, 0, 0].tolist()
    [15, 200]
    """
    means = np.stack([images[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return np.rint(means).astype(np.uint8)


def crop_areas(detections: pd.DataFrame, *, margin: float) -> np.ndarray:
    """The squares that `crop_faces` takes, float (N, 4): x0, y0, x1, y1 in pixels of the images."""
    boxes = np.array([boxes[0] for boxes in detections["boxes"]], dtype=float).reshape(-1, 2, 2)
    middle, sides = boxes.mean(axis=1), (boxes[:, 1] - boxes[:, 0]).max(axis=1)
    reach = sides[:, None] * (1 + 2 * margin) / 2
    return np.concatenate([middle - reach, middle + reach], axis=1)
