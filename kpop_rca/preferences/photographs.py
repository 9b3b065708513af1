"""The face score on photographs of its user: at another size, of other people, by what a study of avatars has trained.

The scorers and their weights stay as they are. Only the texture of real faces, the moments beside which an image is
set, is that of the photographs themselves, of a half that is not scored.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.data import identity_folders
from kpop_rca.data.images import crop_square, read_rgb
from kpop_rca.errors import StudyError
from kpop_rca.faces.detection import faces_of
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments, sharpness
from kpop_rca.preferences import benchmark
from kpop_rca.preferences.scorer import FaceScore, Scorer
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

SIZE, MARGIN = 64, 0.25  # pixels of a crop; fraction of the box around it
SMALLEST_FACE, SIDES = 20, (160, 512)  # pixels: of a face, and of an image when it is looked at
FEWEST = 20  # faces
HELD_OUT = ("JPEG", "downsampling")  # ladders that no part of the face score was trained or weighed on


def crops_of(folder: Path, *, n: int, seed: int, size: int = SIZE) -> np.ndarray:
    """The most prominent faces of up to n photographs at random, uint8 (m, size, size, 3); one without a face is none.

    Args:
        folder: with a folder per identity.

    Raises:
        StudyError: there are fewer than FEWEST.
    """
    paths = identity_folders.scan(folder)["path"].to_numpy()
    chosen = seeds.generator(Purpose.PHOTOGRAPHS, seed).permutation(len(paths))[:n]
    crops = []
    for path in paths[np.sort(chosen)]:
        image = read_rgb(folder / path)
        found = faces_of(image, min_face_size=SMALLEST_FACE, min_side=SIDES[0], max_side=SIDES[1])
        if len(found.boxes):
            crops.append(np.asarray(crop_square(image, found.boxes[0], margin=MARGIN, size=size)))
    if len(crops) < FEWEST:
        raise StudyError(f"{folder} has {len(crops)} photographs with a face; give {FEWEST} or more")
    order = seeds.generator(Purpose.PHOTOGRAPHS, seed, 1).permutation(len(crops))
    return np.stack(crops)[order]


def degraded_ladders(face_score: FaceScore, faces: np.ndarray, *, seed: int) -> pd.DataFrame:
    """Fractions of ladders of degradations ordered right on the second half of some faces: see `scorer_table`.

    Beside the face score its texture alone, and sharpness; each with its mean over all ladders, and over HELD_OUT.
    """
    own, shown = faces[: len(faces) // 2], faces[len(faces) // 2 :]
    texture = Reference.of(mscn_moments(own))
    scorers: dict[str, Scorer] = {
        "face_score": replace(face_score, reference=texture),
        "MSCN moments": lambda images: -texture.distance_of_each(mscn_moments(images)),
        "Laplacian variance": sharpness,
    }
    steps = benchmark.ladders(shown, generator=seeds.generator(Purpose.PHOTOGRAPHS, seed, 2))
    table = benchmark.scorer_table(scorers, {}, steps)
    means = []
    for name, ladders in (("ladders, mean", [*steps]), ("JPEG and downsampling, mean", HELD_OUT)):
        of_these = table[table["name"].isin(ladders)].groupby("scorer", sort=False)["fraction"].mean().reset_index()
        means.append(of_these.assign(kind="mean", name=name, n=len(shown)))
    return pd.concat([table, *means], ignore_index=True)[table.columns]
