"""Faces found by MTCNN (Zhang et al. 2016): every face of an image, its probability and five landmarks."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from facenet_pytorch import MTCNN
from PIL import Image

from kpop_rca.data.duplicates import perceptual_hash
from kpop_rca.data.images import UnreadableImage, read_rgb
from kpop_rca.second_look import view_probabilities

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # as seen in the picture
THRESHOLDS = [
    0.6,
    0.7,
    0.7,
]  # of the three networks; low, so that doubtful faces are reported with their probability
CENTRE_WEIGHT = 0.5  # a face in the corner counts half of one in the centre
WAITING_BATCHES = 8  # images held for batches of their own size, before the fullest is run as it is


class Faces(NamedTuple):
    """Faces, most prominent first: boxes (n, 4), probabilities (n,), landmarks (n, 10), all float32."""

    boxes: np.ndarray
    probabilities: np.ndarray
    landmarks: np.ndarray


NO_FACES = Faces(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 10), np.float32))


def build_detector(*, min_face_size: int, device: torch.device | str) -> MTCNN:
    """MTCNN with the weights of the facenet-pytorch wheel, reporting all faces.

    Args:
        min_face_size: pixels; the main dial of speed: twice as large is about three times as fast.
        device: to run it on.
    """
    return MTCNN(keep_all=True, min_face_size=min_face_size, thresholds=THRESHOLDS, device=torch.device(device)).eval()


def detect_faces(
    table: pd.DataFrame,
    root: Path | str,
    *,
    min_face_size: int,
    batch_size: int,
    max_side: int,
    device: torch.device | str,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Decode every image once; find its faces and compute its perceptual hash.

    Args:
        table: from `identity_folders.scan`.
        root: the folder that was scanned.
        min_face_size: pixels, after reduction to `max_side`; smaller faces are not looked for.
        batch_size: images of one size that are run together; changes the speed only.
        max_side: pixels; images with a longer side are reduced to it. Boxes refer to the full image.
        device: to run MTCNN on.
        progress: called with the number of images just finished, for example `tqdm.update`.

    Returns:
        A copy of `table` with these columns:
        width, height (int): pixels, upright; 0 if unreadable.
        unreadable (str): the reason, or "".
        n_faces (int).
        boxes (list of (x0, y0, x1, y1)), probabilities (list), landmarks (list of (x, y, x, y, …) in the
            order of `LANDMARKS`): float32, pixels of the upright image, most prominent face first.
        view_probability (float32): of the most prominent face, over ten views (`second_look`); NaN without one.
        face_width (float32): longer side of the most prominent box in pixels; NaN without a face.
        phash (str): perceptual hash, hexadecimal; "" if unreadable.
    """
    detector = build_detector(min_face_size=min_face_size, device=device)
    records: list[dict] = [{} for _ in range(len(table))]
    images = _decoded(table["path"], Path(root), records=records, max_side=max_side, progress=progress)
    for rows, batch in _batches_of_one_size(images, batch_size=batch_size):
        found = _detect_batch(detector, batch)
        looked_at = _second_look(detector, batch, found)
        for row, faces, probability in zip(rows, found, looked_at, strict=True):
            records[row] |= _in_full_size(faces, record=records[row], size=batch[0].size)
            records[row]["view_probability"] = probability
        if progress:
            progress(len(rows))
    return pd.concat([table.reset_index(drop=True), _as_columns(records)], axis=1)


def _decoded(
    paths: pd.Series,
    root: Path,
    *,
    records: list[dict],
    max_side: int,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[int, Image.Image]]:
    """(row, image reduced to `max_side`) of the readable ones; fills in size, hash or reason."""
    for row, path in enumerate(paths):
        records[row] |= {"width": 0, "height": 0, "unreadable": "", "phash": "", "faces": NO_FACES}
        records[row]["view_probability"] = np.nan
        try:
            image = read_rgb(root / path)
        except UnreadableImage as problem:
            records[row]["unreadable"] = problem.reason
            if progress:
                progress(1)
            continue
        records[row] |= {"width": image.width, "height": image.height, "phash": perceptual_hash(image)}
        yield row, _reduced(image, max_side=max_side)


def _reduced(image: Image.Image, *, max_side: int) -> Image.Image:
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


def _batches_of_one_size(
    images: Iterator[tuple[int, Image.Image]], *, batch_size: int
) -> Iterator[tuple[list[int], list[Image.Image]]]:
    """(rows, images) with images of equal size; bounded in the number of images that wait for their like."""
    waiting: dict[tuple[int, int], list[tuple[int, Image.Image]]] = defaultdict(list)
    n_waiting = 0
    for row, image in images:
        waiting[image.size].append((row, image))
        n_waiting += 1
        full = len(waiting[image.size]) == batch_size
        if full or n_waiting == WAITING_BATCHES * batch_size:
            size = image.size if full else max(waiting, key=lambda key: len(waiting[key]))
            batch = waiting.pop(size)
            n_waiting -= len(batch)
            yield tuple(map(list, zip(*batch, strict=True)))
    for batch in waiting.values():
        yield tuple(map(list, zip(*batch, strict=True)))


def _detect_batch(detector: MTCNN, images: list[Image.Image]) -> list[Faces | str]:
    """Faces of each image, or why the detector failed on it."""
    if min(images[0].size) < detector.min_face_size:
        return [NO_FACES] * len(images)
    try:
        with torch.inference_mode():
            found = detector.detect(images, landmarks=True)
    except (IndexError, RuntimeError) as error:
        # facenet-pytorch drops candidates that lie outside the picture from one of two lists, and fails: such
        # an image must not take its batch with it.
        if len(images) == 1:
            return [f"detector failed: {' '.join(str(error).split())[:80]}"]
        return [_detect_batch(detector, [image])[0] for image in images]
    return [_sorted_faces(*faces, size=images[0].size) for faces in zip(*found, strict=True)]


def _second_look(detector: MTCNN, images: list[Image.Image], found: list[Faces | str]) -> np.ndarray:
    """(n,) float32, `view_probabilities` of each image's most prominent face, NaN without a face."""
    probabilities = np.full(len(images), np.nan, dtype=np.float32)
    rows = [row for row, faces in enumerate(found) if not isinstance(faces, str) and len(faces.boxes)]
    boxes = [found[row].boxes[0] for row in rows]
    probabilities[rows] = view_probabilities(detector, [images[row] for row in rows], boxes)
    return probabilities


def _sorted_faces(boxes: np.ndarray | None, probabilities: list, points: np.ndarray, *, size: tuple) -> Faces:
    if boxes is None:
        return NO_FACES
    boxes, probabilities = np.asarray(boxes, np.float32), np.asarray(probabilities, np.float32)
    order = np.argsort(-prominence(boxes, probabilities, size=size), kind="stable")
    landmarks = np.asarray(points, np.float32).reshape(len(boxes), 10)
    return Faces(boxes[order], probabilities[order], landmarks[order])


def prominence(boxes: np.ndarray, probabilities: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """How prominent each face of an image is: area * probability * (1 - 0.5 * r).

    r is the distance of the box's centre from the picture's, 1 in a corner. The most prominent face is the
    one that preprocessing crops; like the paper's, it is the wrong one where a co-star's face is larger.

    Args:
        boxes: (n, 4) x0, y0, x1, y1 in pixels.
        probabilities: (n,) in [0, 1].
        size: (width, height) of the picture in pixels.

    Returns:
        (n,) float.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.linalg.norm(centres - half, axis=1) / np.linalg.norm(half)
    area = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1, dtype=np.float64)
    return area * probabilities * (1 - CENTRE_WEIGHT * np.clip(distance, 0, 1))


def _in_full_size(faces: Faces | str, *, record: dict, size: tuple[int, int]) -> dict:
    """The faces in pixels of the full image, or the reason why there are none."""
    if isinstance(faces, str):
        return {"unreadable": faces}
    scale = np.array([record["width"] / size[0], record["height"] / size[1]], dtype=np.float32)
    boxes = faces.boxes * np.tile(scale, 2)
    return {"faces": Faces(boxes, faces.probabilities, faces.landmarks * np.tile(scale, 5))}


def _as_columns(records: list[dict]) -> pd.DataFrame:
    faces = [record["faces"] for record in records]
    sides = [np.max(f.boxes[0, 2:] - f.boxes[0, :2]) if len(f.boxes) else np.nan for f in faces]
    columns = {name: [record[name] for record in records] for name in ("width", "height", "unreadable")}
    columns["n_faces"] = [len(f.boxes) for f in faces]
    columns |= {name: [list(getattr(f, name)) for f in faces] for name in Faces._fields}
    columns["view_probability"] = np.array([record["view_probability"] for record in records], np.float32)
    columns["face_width"] = np.array(sides, dtype=np.float32)
    columns["phash"] = [record["phash"] for record in records]
    return pd.DataFrame(columns)


def most_prominent(detections: pd.DataFrame, *, rank: int = 0) -> Faces:
    """One face of every image as arrays, from a table in memory or read from Parquet.

    Args:
        detections: n rows with boxes, probabilities and landmarks.
        rank: 0 for the most prominent face, 1 for the second, …

    Returns:
        boxes (n, 4), probabilities (n,), landmarks (n, 10), float32, NaN where an image has no such face.
    """
    shapes = {"boxes": 4, "probabilities": 1, "landmarks": 10}
    arrays = []
    for name, width in shapes.items():
        array = np.full((len(detections), width), np.nan, dtype=np.float32)
        for row, cell in enumerate(detections[name]):
            if len(cell) > rank:
                array[row] = cell[rank]
        arrays.append(array)
    return Faces(arrays[0], arrays[1][:, 0], arrays[2])
