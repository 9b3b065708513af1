"""Avatars of which everything is known: boxes, masks, prompts and questions, and what MTCNN finds on them."""

from typing import NamedTuple

import numpy as np
import torch

from kpop_rca.avatars import dataset, photograph, truth
from kpop_rca.faces import detection
from kpop_rca.image_metrics.segmentation_scores import landmark_mask
from kpop_rca.metric_panel.samples import Sample, Tool
from kpop_rca.system import parallel, seeds
from kpop_rca.system.parallel import one_thread

SIDE = 128  # pixels
N_ALONE, N_GROUPS, N_CREATURES = 24, 8, 8  # images of one person, of two or three, and of none
LEAST_FACE = 16  # pixels


class Boxes(NamedTuple):
    """True boxes (n, 4) of one image, x0, y0, x1, y1 in pixels; found ones (m, 4) and their probabilities (m,)."""

    true: np.ndarray
    found: np.ndarray
    probability: np.ndarray


class Masks(NamedTuple):
    """Where the faces of one image are, and where they were found, bool (H, W)."""

    true: np.ndarray
    found: np.ndarray


def known_faces(tools: dict[str, Tool], *, seed: int) -> Sample:
    """Images with `about`: boxes (`Boxes` of each), mask (`Masks`), prompt and questions; "" and none of creatures."""
    people = dataset.people(seed=seed, n_identities=10, alikeness=0.5)
    shots = [_shot(number, people, seed) for number in range(N_ALONE + N_GROUPS + N_CREATURES)]
    taken = list(parallel.a_core_each(_taken, shots, device=torch.device("cpu")))
    images, boxes, masks = (list(part) for part in zip(*taken, strict=True))
    about = {"boxes": boxes, "mask": masks, "prompt": [truth.full_prompt(shot) for shot in shots]}
    about["questions"] = [truth.questions(shot) for shot in shots]
    return Sample.of(np.stack(images), np.zeros(len(images), dtype=int), tools, about=about)


def _shot(number: int, people: list, seed: int) -> photograph.Shot:
    generator = seeds.generator(seeds.Purpose.LADDERS, seed, 2, number)
    first, second, third = (people[(number + step) % len(people)] for step in range(3))
    if number < N_ALONE:
        return photograph.solo(first, artifact="", hard="", generator=generator)
    if number < N_ALONE + N_GROUPS:
        return photograph.group(first, costars=[second, third], generator=generator)
    return photograph.nonface(photograph.NONFACE[number % len(photograph.NONFACE)], generator=generator)


def _taken(shot: photograph.Shot) -> tuple[np.ndarray, Boxes, Masks]:
    image = photograph.take(shot, size=SIDE)
    with one_thread(torch.device("cpu")):
        found = detection.faces_of(image, min_face_size=LEAST_FACE, min_side=SIDE, max_side=SIDE)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    for landmarks in found.landmarks:
        mask |= landmark_mask(landmarks.reshape(5, 2), size=(SIDE, SIDE))
    boxes = Boxes(truth.face_boxes(shot, size=SIDE), found.boxes, found.probabilities)
    return np.asarray(image), boxes, Masks(truth.face_mask(shot, size=SIDE), mask)
