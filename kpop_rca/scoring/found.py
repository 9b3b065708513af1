"""The face on each image, embedded for every oracle: one detector, crop and size for photographs and generated ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kpop_rca.data.duplicates import near_duplicates
from kpop_rca.data.identity_folders import plain, some
from kpop_rca.errors import StudyError
from kpop_rca.scoring import embedded
from kpop_rca.scoring.embedded import Recipe
from kpop_rca.scoring.inputs import MIN_PHOTOGRAPHS, Inputs

if TYPE_CHECKING:
    from kpop_rca.oracles.embeddings import Embedding

FOUND, NONE, SEVERAL, UNREADABLE = "found", "none", "several", "unreadable"
FAILURES = {NONE: "no face", SEVERAL: "several faces", UNREADABLE: "unreadable"}
# Prominence of a second face, as a fraction of the first's, from which on a generated image has two. Of 744 photographs
# of LFW, 12 of each of 62 people, 10 would have (73 from 0.2 on, 35 from 0.5 on), and none is without a face.
COMPARABLE = 0.7
MAX_SIZE_RATIO = 2.0  # of median faces, above which a size for all is advised
FEATURES = {"reason": object, "note": object, "face_size": float, "rival": float, "phash": object}


@dataclass(frozen=True)
class Found:
    """Faces and embeddings of N images.

    Attributes:
        people: K names; `images` refers to them by number.
        generators: names, in the order in which they were given.
        images: `Inputs.images` with face ("found", "none", "several", "unreadable"), face_size (float, longer side of
            the most prominent face's box in pixels of the file; NaN without one), reason (why it is unreadable, or ""),
            cluster (int: near-duplicates among photographs share one, of one person or several; -1 for what is alone
            and for generated images).
        embeddings: of each oracle float32 (N, D), of length 1; NaN in every row whose face is not "found".
        notes: those of the inputs, and what was odd about the images, a line each.
        crops: uint8 (N, s, s, 3), black where no face is "found"; None where none were wanted.
    """

    people: list[str]
    generators: list[str]
    images: pd.DataFrame
    embeddings: dict[str, np.ndarray]
    notes: list[str]
    crops: np.ndarray | None = None


def find(
    inputs: Inputs,
    embeddings: Sequence["Embedding"],
    *,
    size: int | None = None,
    crops: int | None = None,
    keep: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Found:
    """Find the face of every image, photographs first, and embed it; memory grows with the embeddings alone.

    The most prominent face is taken. A photograph may have others in its background. A generated image shows one person
    by request, and is "several" where a second face is at least COMPARABLE times as prominent (area by probability,
    less towards the border): it stays in the denominator, as a failure.

    Args:
        inputs: from `inputs.read`.
        embeddings: of the oracles.
        size: pixels; every face is first brought to a box of this side, so that no image is sharper than another.
        crops: side in pixels of the crops, for an oracle that is trained on them.
        keep: folder for embeddings, from which a killed run or another shard goes on; they are biometric data. Without
            it nothing is written.
        workers: processes; None for one a core. Changes the speed only.
        progress: called with the number of images just finished, an image that comes twice once.

    Raises:
        StudyError: a person has too few photographs with a face, which is known before generated images are looked at.
    """
    files, checksums = embedded.distinct(inputs.images["path"].to_list())
    place = {checksum: number for number, checksum in enumerate(files)}
    rows = np.array([place[checksum] for checksum in checksums])
    photographs = (inputs.images["generator"] == "").to_numpy()
    store = _Store(embeddings, count=len(files), crops=crops)
    recipe, checked = Recipe(tuple(embeddings), size=size, crops=crops), False
    for portion in embedded.embed(files, recipe, keep=keep, workers=workers, progress=progress):
        store.add([place[checksum] for checksum in portion["checksum"]], portion)
        if not checked and store.there[rows[photographs]].all():
            _refuse_few(inputs, store.features(rows))
            checked = True
    faces = store.features(rows)
    faces["face"] = np.where(photographs | (faces["rival"] < COMPARABLE), faces["face"], SEVERAL)
    clusters = near_duplicates(faces["phash"].where(photographs, ""), inputs.images["person"])
    faces["cluster"], seen = clusters.groups, (faces["face"] == FOUND).to_numpy()
    known = inputs.images[["path", "person", "generator"]].join(faces).assign(contents=checksums)
    return Found(
        people=inputs.people,
        generators=inputs.generators,
        images=inputs.images.join(faces[["face", "face_size", "reason", "cluster"]]),
        embeddings=store.embeddings(rows, seen),
        notes=[*inputs.notes, *_notes(known, clusters.across, size=size)],
        crops=store.crops(rows, seen),
    )


class _Store:
    """What is known of every content so far."""

    def __init__(self, embeddings: Sequence["Embedding"], *, count: int, crops: int | None) -> None:
        self.there = np.zeros(count, dtype=bool)
        self._features = {name: np.empty(count, dtype=kind) for name, kind in FEATURES.items()}
        self._vectors = {e.name: np.full((count, e.width), np.nan, dtype=np.float32) for e in embeddings}
        self._crops = None if crops is None else np.zeros((count, crops, crops, 3), dtype=np.uint8)

    def add(self, places: list[int], found: pd.DataFrame) -> None:
        self.there[places] = True
        for name, values in self._features.items():
            values[places] = found[name]
        for place, row in zip(places, found.to_dict("records"), strict=True):
            if np.isfinite(row["face_size"]):
                for name, values in self._vectors.items():
                    values[place] = row[f"embedding {name}"]
                if self._crops is not None:
                    self._crops[place] = np.frombuffer(row["crop"], dtype=np.uint8).reshape(self._crops.shape[1:])

    def features(self, rows: np.ndarray) -> pd.DataFrame:
        """Of images, by their rows here: FEATURES, and face, by the rule for photographs."""
        table = pd.DataFrame({name: values[rows] for name, values in self._features.items()})
        unreadable = table["reason"].fillna("") != ""
        return table.assign(face=np.select([unreadable, table["face_size"].isna()], [UNREADABLE, NONE], FOUND))

    def embeddings(self, rows: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
        return {
            name: np.where(seen[:, None], values[rows], np.float32(np.nan)) for name, values in self._vectors.items()
        }

    def crops(self, rows: np.ndarray, seen: np.ndarray) -> np.ndarray | None:
        return None if self._crops is None else self._crops[rows] * seen[:, None, None, None]


def _refuse_few(inputs: Inputs, features: pd.DataFrame) -> None:
    photographs = inputs.images["generator"] == ""
    with_face = (
        features["face"][photographs].eq(FOUND).groupby(inputs.images["person"][photographs]).agg(["sum", "size"])
    )
    few = with_face[with_face["sum"] < MIN_PHOTOGRAPHS]
    if len(few):
        named = [f"{inputs.people[person]} ({row['sum']} of {row['size']})" for person, row in few.iterrows()]
        raise StudyError(
            f"too few photographs in which a face was found: {some(named, sign='')}; the minimum is {MIN_PHOTOGRAPHS} "
            "of each person: add some, or leave out their generated images"
        )


def _notes(images: pd.DataFrame, across: np.ndarray, *, size: int | None) -> Iterator[str]:
    for generator, own in images.groupby("generator", sort=False):
        yield from _notes_on(plain(generator) or "photographs", own)
    yield from _shared(images)
    clusters = images["cluster"][images["cluster"] >= 0]
    if len(clusters):
        yield (
            f"{len(clusters)} photographs are near-duplicates of others, {clusters.nunique()} sets: "
            "no classifier is trained on one and tested on another of a set"
        )
    if across.any():
        yield f"photographs that lie in the folders of two people ({across.sum()}: {_files(images[across])}): move one"
    yield from _notes_on_size(images, size=size)


def _notes_on(name: str, own: pd.DataFrame) -> Iterator[str]:
    """On the images of one generator, or the photographs."""
    counted = "failures, in the denominator" if name != "photographs" else "left out of the reference"
    failed = own[own["face"] != FOUND]
    if len(failed):
        kinds = ", ".join(f"{FAILURES[face]} {count}" for face, count in failed["face"].value_counts().items())
        yield f"{name}: {len(failed)} of {len(own)} images are {counted} ({kinds}: {_files(failed)})"
    ignored = own[own["note"].fillna("") != ""]
    if len(ignored):
        yield f"{name}: {ignored['note'].iloc[0]} ({len(ignored)}: {_files(ignored)})"
    again = own["contents"].duplicated()
    if again.any():
        yield f"{name}: {again.sum()} of {len(own)} images are byte for byte another one ({_files(own[again])})"


def _shared(images: pd.DataFrame) -> Iterator[str]:
    """Images with the bytes of a photograph, or of another generator's."""
    of_each = {name: set(own) for name, own in images.groupby("generator", sort=False)["contents"]}
    for one, other in combinations(of_each, 2):
        both = of_each[one] & of_each[other]
        if both:
            count = (images["contents"].isin(both) & (images["generator"] == other)).sum()
            theirs = f"images of {plain(one)}" if one else "photographs"
            yield f"{plain(other)}: {count} images are byte for byte {theirs}"


def _notes_on_size(images: pd.DataFrame, *, size: int | None) -> Iterator[str]:
    sizes = images[images["face"] == FOUND].groupby("generator")["face_size"]
    if size is not None:
        enlarged = int((images["face_size"] < size).sum())
        if enlarged:
            yield f"{enlarged} of {len(images)} faces are smaller than {size} px and were enlarged"
        return
    median = sizes.median()
    for name in median.index.difference([""]):
        ratio = median[name] / median[""]
        if max(ratio, 1 / ratio) > MAX_SIZE_RATIO:
            yield (
                f"faces of {plain(name)} are {median[name]:.0f} px wide, those of photographs {median['']:.0f}: "
                f"oracles err more on small ones; --size {min(median):.0f} brings all to one size"
            )


def _files(images: pd.DataFrame) -> str:
    """The first few files, with what is wrong with them."""
    said = [
        "/".join(Path(path).parts[-2:]) + (f": {reason}" if reason else "")
        for path, reason in zip(images["path"], images["reason"].fillna(""), strict=True)
    ]
    return some(said, sign="")
