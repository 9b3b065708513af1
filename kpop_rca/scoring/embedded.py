"""Faces and their embeddings, streamed: each image is read, looked at and embedded by itself, in one of some processes.

Images are known by their contents: one that comes twice is embedded once, and what a folder keeps serves whatever the
files are called. Neither order nor batches nor processes change a bit of a result.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import torch
from PIL import Image

from kpop_rca.data.duplicates import perceptual_hash
from kpop_rca.data.images import UnreadableImage, crop_square, read_rgb_and_note
from kpop_rca.errors import StudyError
from kpop_rca.faces import detection
from kpop_rca.study import fingerprint
from kpop_rca.system import files, parallel

if TYPE_CHECKING:
    from kpop_rca.oracles.embeddings import Embedding

Item = TypeVar("Item")

SEEN = {"min_face_size": 32, "min_side": 160, "max_side": 512}  # pixels, of `detection.faces_of`
MIN_PROBABILITY = 0.9  # MTCNN's, of what counts as a face
AROUND = 1.0  # sides of the box that are kept on each side of it when a face is brought to a size
CROP_MARGIN = 0.25  # of the study's own crops
PORTION = 16  # images that a process is handed at once
SAVED_AT_ONCE = 256  # images in a file of the folder that keeps them: what a kill can cost
WORTH_A_PROCESS = 64  # images; with fewer, a process takes longer to start than it saves
HASHING_THREADS = 4


@dataclass(frozen=True)
class Recipe:
    """What is done with every image.

    Attributes:
        embeddings: of the oracles.
        size: side in pixels to which a face's box is brought first, None to leave it.
        crops: side in pixels of a crop with the study's margin, None for no crops.
    """

    embeddings: tuple["Embedding", ...]
    size: int | None = None
    crops: int | None = None

    def key(self) -> str:
        """Hash of all that a result follows from beside the image: settings, weights in files, code."""
        settings = [
            {name: files.sha256(value) if isinstance(value, Path) else value for name, value in vars(e).items()}
            for e in self.embeddings
        ]
        homes = {type(embedding).__module__ for embedding in self.embeddings} | {__name__}
        own = sorted(home.removeprefix("kpop_rca.") for home in homes if home.startswith("kpop_rca."))
        code = [fingerprint.of_computing(module) for module in own]
        text = json.dumps([settings, self.size, self.crops, code], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def distinct(paths: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The first path of every content by its checksum, in order of first appearance; and the checksum of each path."""
    with ThreadPoolExecutor(HASHING_THREADS) as pool:  # reading and hashing release the interpreter's lock
        checksums = list(pool.map(_checksum, paths))
    first: dict[str, str] = {}
    for checksum, path in zip(checksums, paths, strict=True):
        first.setdefault(checksum, path)
    return first, checksums


def _checksum(path: str) -> str:
    """SHA-256 of a file's contents; of its name, with "-" in front, where it cannot be read."""
    try:
        return files.sha256(Path(path))
    except OSError:
        return "-" + hashlib.sha256(path.encode()).hexdigest()


def embed(
    images: dict[str, str],
    recipe: Recipe,
    *,
    keep: Path | None,
    workers: int | None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Look at images, those aside that `keep` has; in their order, a few at a time.

    Args:
        images: path of each by its checksum.
        recipe: what is done with them.
        keep: folder of what was found, where a killed run goes on; None to keep nothing.
        workers: processes; None for one a core.
        progress: called with the number of images just finished.

    Yields:
        A row per image: checksum, reason (why it is unreadable, or ""), note (of the file), face_size (longer side of
        the most prominent face's box in pixels of the image; NaN without a face), rival (prominence of the second face
        as a fraction of the first's; 0 without one), phash, `embedding <name>` (float32 (D,); None without a face),
        crop (uint8 bytes; None without a face or where none are wanted).
    """
    done: set[str] = set()
    if keep is not None:
        stem = f"faces-{recipe.key()}-"
        for found in _kept(keep, stem):
            own = found[found["checksum"].isin(images.keys() - done)]
            done |= {*own["checksum"]}
            yield _told(own, progress)
    portions = list(_batches(((known, path) for known, path in images.items() if known not in done), PORTION))
    workers = workers or parallel.cores()
    workers = min(workers, max(1, len(portions) * PORTION // WORTH_A_PROCESS))
    results = parallel.in_order(partial(look, recipe=recipe), portions, workers=workers)
    for portions in _batches(results, 1 if keep is None else SAVED_AT_ONCE // PORTION):
        found = pd.DataFrame([record for portion in portions for record in portion])
        if keep is not None:
            _save(found, keep, stem)
        yield _told(found, progress)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def _told(found: pd.DataFrame, progress: Callable[[int], None] | None) -> pd.DataFrame:
    if progress:
        progress(len(found))
    return found


def _kept(keep: Path, stem: str) -> Iterator[pd.DataFrame]:
    for path in sorted(keep.glob(f"{stem}*.parquet")):
        try:
            yield pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's own are of both kinds
            raise StudyError(f"{path} is damaged ({error}); remove it and run again") from None


def _save(found: pd.DataFrame, keep: Path, stem: str) -> None:
    """Under a name that follows from the images: whoever looks at the same ones writes the same file."""
    name = hashlib.sha256("".join(found["checksum"]).encode()).hexdigest()[:16]
    with files.atomic(keep / f"{stem}{name}.parquet") as temporary:
        found.to_parquet(temporary, index=False)


def look(images: Sequence[tuple[str, str]], *, recipe: Recipe) -> list[dict]:
    """The rows that `embed` yields of some images, (checksum, path)."""
    with parallel.one_thread(torch.device("cpu")):
        return [{"checksum": known} | _record(Path(path), recipe) for known, path in images]


def _record(path: Path, recipe: Recipe) -> dict:
    record = {"reason": "", "note": "", "face_size": np.nan, "rival": 0.0, "phash": "", "crop": None}
    record |= {f"embedding {embedding.name}": None for embedding in recipe.embeddings}
    try:
        image, record["note"] = read_rgb_and_note(path)
    except UnreadableImage as problem:
        return record | {"reason": str(problem)}
    record["phash"] = perceptual_hash(image)
    faces = detection.faces_of(image, **SEEN)
    likely = faces.probabilities >= MIN_PROBABILITY
    if not likely.any():
        return record
    faces = detection.DetectedFaces(*(part[likely] for part in faces))
    prominence = detection.prominence(faces.boxes, faces.probabilities, size=image.size)
    record["rival"] = float(prominence[1] / prominence[0]) if len(prominence) > 1 else 0.0
    record["face_size"] = float(np.max(faces.boxes[0, 2:] - faces.boxes[0, :2]))
    image, box, landmarks = _at_size(image, faces.boxes[0], faces.landmarks[0], size=recipe.size)
    for embedding in recipe.embeddings:
        record[f"embedding {embedding.name}"] = embedding.embed(embedding.chip(image, box, landmarks)[None])[0]
    if recipe.crops:
        crop = crop_square(image, box, margin=CROP_MARGIN, size=recipe.crops)
        record["crop"] = np.asarray(crop).tobytes()
    return record


def _at_size(
    image: Image.Image, box: np.ndarray, landmarks: np.ndarray, *, size: int | None
) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """The face and what is around it with a box of `size` pixels, and where box and landmarks are then."""
    if size is None:
        return image, box, landmarks
    middle, side = (box[:2] + box[2:]) / 2, np.max(box[2:] - box[:2])
    first = middle - side * (0.5 + AROUND)
    around = crop_square(image, box, margin=AROUND, size=round(size * (1 + 2 * AROUND)))
    scale = size / side
    return around, (box - np.tile(first, 2)) * scale, (landmarks - np.tile(first, 5)) * scale
