"""Faces found by MTCNN (Zhang et al. 2016): every face of an image, its probability and five landmarks."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from facenet_pytorch import MTCNN
from PIL import Image

from kpop_rca.data.duplicates import perceptual_hash
from kpop_rca.data.images import UnreadableImage, read_rgb_and_note
from kpop_rca.faces import mtcnn
from kpop_rca.faces.landmark_crop import aligned_face
from kpop_rca.faces.view_consistency import view_probabilities
from kpop_rca.system.parallel import cores, in_order, one_thread

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # as seen in the image
THRESHOLDS = [0.6, 0.7, 0.7]  # of the three networks; low, so that doubtful faces are reported with their probability
CENTRE_WEIGHT = 0.5  # a face in the corner counts half of one in the centre
WORTH_A_PROCESS = 8  # batches a core; with fewer, processes take longer to start than threads lose to Python's lock
GPU_BATCHES = 4  # read before they are sorted by size: a GPU loses more by small batches than a core does
MOST_WORKERS = {"cpu": 10_000, "cuda": 8}  # a GPU is fed by threads of one process; elsewhere one thread does all


class DetectedFaces(NamedTuple):
    """Faces: boxes (n, 4) x0, y0, x1, y1, probabilities (n,), landmarks (n, 10), all float32."""

    boxes: np.ndarray
    probabilities: np.ndarray
    landmarks: np.ndarray


def build_detector(*, min_face_size: int, device: torch.device | str) -> MTCNN:
    """MTCNN with the weights of the facenet-pytorch wheel, reporting all faces.

    Args:
        min_face_size: pixels; twice as large is about three times as fast.
        device: to run it on; see `_with_float64`.
    """
    device = _with_float64(torch.device(device))
    detector = MTCNN(keep_all=True, min_face_size=min_face_size, thresholds=THRESHOLDS, device=device)
    return detector.eval().to(memory_format=torch.channels_last)  # a CPU pools several times as fast so


def _with_float64(device: torch.device) -> torch.device:
    """The device, or the CPU in place of Apple's GPU, which has no float64: the boxes of many images are sorted out
    at once, far apart from each other, and float32 would round them there."""
    return torch.device("cpu") if device.type == "mps" else device


_built = cache(build_detector)  # one a process


def detect_faces(
    table: pd.DataFrame,
    root: Path | str,
    *,
    min_face_size: int,
    batch_size: int,
    max_side: int,
    device: torch.device | str,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Decode every image once; find its faces, compute its perceptual hash, and keep what tells identities apart.

    Args:
        table: from `identity_folders.scan`.
        root: the folder that was scanned.
        min_face_size: pixels, after reduction to `max_side`; smaller faces are not looked for.
        batch_size: images that are run together, as far as they are of one size.
        max_side: pixels; images with a longer side are reduced to it. Boxes refer to the full image.
        workers: processes, or threads where the images are few or the device is a GPU; None for one a core that this
            process may use. Changes the speed only, and on a CPU not a bit of the result.
        progress: called with the number of images just finished, for example `tqdm.update`.

    Returns:
        A copy of `table` with:
        width, height (int): pixels, upright; 0 if unreadable.
        unreadable (str): the reason, or "".
        note (str): what of the file was ignored though it was read, such as a damaged colour profile; or "".
        n_faces (int).
        boxes (list of (x0, y0, x1, y1)), probabilities (list), landmarks (list of (x, y, x, y, …) in the
            order of `LANDMARKS`): float32, pixels of the upright image, most prominent face first.
        view_probability (float32): of the most prominent face, over ten views; NaN without one.
        face_width (float32): longer side of the most prominent box in pixels; NaN without a face.
        aligned_face (uint8 (3072,)): the most prominent face, from `landmark_crop`, row by row; None without one.
        phash (str): perceptual hash, hexadecimal; "" if unreadable.

    Raises:
        StudyError: a worker process was ended from outside.
    """
    device, records = _with_float64(torch.device(device)), []
    size = batch_size * (1 if device.type == "cpu" else GPU_BATCHES)
    portions = [list(table["path"].iloc[start : start + size]) for start in range(0, len(table), size)]
    find = partial(_found_in, root=Path(root), min_face_size=min_face_size, max_side=max_side, device=device)
    workers = workers or min(cores(), MOST_WORKERS.get(device.type, 1))
    threads = device.type != "cpu" or len(portions) < WORTH_A_PROCESS * workers
    with one_thread(device):
        for found in in_order(find, portions, workers=workers, threads=threads):
            records += found
            if progress:
                progress(len(found))
    columns = pd.DataFrame(records).astype({"view_probability": np.float32, "face_width": np.float32})
    return pd.concat([table.reset_index(drop=True), columns], axis=1)


def _found_in(
    paths: Sequence[str], *, root: Path, min_face_size: int, max_side: int, device: torch.device
) -> list[dict]:
    """What `detect_faces` says of some images: a record of each, in their order."""
    detector, records = _built(min_face_size=min_face_size, device=device), []
    of_size: dict[tuple[int, int], list[tuple[dict, Image.Image]]] = defaultdict(list)
    for path in paths:
        record, image = _record(root / path, max_side=max_side)
        records.append(record)
        if image is not None:
            of_size[image.size].append((record, image))
    with one_thread(device):  # once more, for this may be a process of its own
        for batch in of_size.values():
            _look(detector, *zip(*batch, strict=True))
    return records


def _record(path: Path, *, max_side: int) -> tuple[dict, Image.Image | None]:
    """The columns of an image, no faces yet, and the image reduced; or the reason why there is none."""
    record = {"width": 0, "height": 0, "unreadable": "", "note": "", "n_faces": 0}
    record |= {"boxes": [], "probabilities": [], "landmarks": []}
    record |= {"view_probability": np.nan, "face_width": np.nan, "aligned_face": None, "phash": ""}
    try:
        image, note = read_rgb_and_note(path)
    except UnreadableImage as problem:
        return record | {"unreadable": str(problem)}, None
    known = {"width": image.width, "height": image.height, "note": note, "phash": perceptual_hash(image)}
    return record | known, _reduced(image, max_side=max_side)


def _look(detector: MTCNN, records: Sequence[dict], images: Sequence[Image.Image]) -> None:
    """Find the faces of images of one size, check the most prominent ones in ten views, and add both to the records."""
    size = images[0].size
    if min(size) < detector.min_face_size:
        return
    found = [_sorted_faces(*faces, size=size) for faces in mtcnn.find_faces(detector, images)]
    seen = [number for number, faces in enumerate(found) if len(faces.boxes)]
    again = view_probabilities(detector, [images[n] for n in seen], [found[n].boxes[0] for n in seen])
    for number, probability in zip(seen, again, strict=True):
        record, faces = records[number], found[number]
        aligned = aligned_face(images[number], faces.landmarks[0])
        scale = np.array([record["width"] / size[0], record["height"] / size[1]], dtype=np.float32)
        boxes, landmarks = faces.boxes * np.tile(scale, 2), faces.landmarks * np.tile(scale, 5)
        record |= {"n_faces": len(boxes), "view_probability": probability}
        record |= {"boxes": list(boxes), "probabilities": list(faces.probabilities), "landmarks": list(landmarks)}
        record |= {"face_width": np.max(boxes[0, 2:] - boxes[0, :2])}
        record |= {"aligned_face": None if aligned is None else aligned.ravel()}


def _reduced(image: Image.Image, *, max_side: int) -> Image.Image:
    return image if max(image.size) <= max_side else _with_side(image, max_side)


def _with_side(image: Image.Image, longer: int) -> Image.Image:
    size = tuple(max(1, round(side * (longer / max(image.size)))) for side in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


def _sorted_faces(
    boxes: np.ndarray, probabilities: np.ndarray, landmarks: np.ndarray, *, size: tuple[int, int]
) -> DetectedFaces:
    order = np.argsort(-prominence(boxes, probabilities, size=size), kind="stable")
    return DetectedFaces(boxes[order], probabilities[order], landmarks[order].reshape(-1, 10))


def faces_of(image: Image.Image, *, min_face_size: int, min_side: int, max_side: int) -> DetectedFaces:
    """The faces of one image by itself, most prominent first, in its pixels; what else is looked at changes no bit.

    Args:
        image: RGB.
        min_face_size: pixels, of the image at the size at which it is looked at.
        min_side: pixels; an image with a shorter longer side is enlarged to it.
        max_side: pixels; one with a longer side is reduced to it.
    """
    side = min(max(min_side, *image.size), max_side)
    seen = image if side == max(image.size) else _with_side(image, side)
    if min(seen.size) < min_face_size:
        return DetectedFaces(*(np.empty(shape, dtype=np.float32) for shape in ((0, 4), 0, (0, 10))))
    found = mtcnn.find_faces(_built(min_face_size=min_face_size, device="cpu"), [seen])[0]
    faces, scale = _sorted_faces(*found, size=seen.size), np.float32(np.divide(image.size, seen.size))
    return DetectedFaces(faces.boxes * np.tile(scale, 2), faces.probabilities, faces.landmarks * np.tile(scale, 5))


def prominence(boxes: np.ndarray, probabilities: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """How prominent each face of an image is: area * probability * (1 - 0.5 * r).

    r is the distance of the box's centre from the image's, 1 in a corner. The most prominent face is the
    one that preprocessing crops; like the paper's, it is the wrong one where a co-star's face is larger.

    Args:
        boxes: (n, 4) x0, y0, x1, y1 in pixels.
        probabilities: (n,) in [0, 1].
        size: (width, height) of the image in pixels.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.linalg.norm(centres - half, axis=1) / np.linalg.norm(half)
    area = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1, dtype=np.float64)
    return area * probabilities * (1 - CENTRE_WEIGHT * np.clip(distance, 0, 1))


def most_prominent(detections: pd.DataFrame, *, rank: int = 0) -> DetectedFaces:
    """One face of every image, NaN where it has no such face: rank 0 for the most prominent, 1 for the second, …"""
    shapes = {"boxes": 4, "probabilities": 1, "landmarks": 10}
    arrays = []
    for name, width in shapes.items():
        array = np.full((len(detections), width), np.nan, dtype=np.float32)
        for row, cell in enumerate(detections[name]):
            if len(cell) > rank:
                array[row] = cell[rank]
        arrays.append(array)
    return DetectedFaces(arrays[0], arrays[1][:, 0], arrays[2])
