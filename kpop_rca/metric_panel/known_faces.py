"""Avatars whose boxes and masks are known, and what MTCNN finds on them."""

import numpy as np
import torch
from PIL import Image, ImageDraw

from kpop_rca.avatars import dataset, photograph
from kpop_rca.avatars.canvas import Placement
from kpop_rca.avatars.head import Head
from kpop_rca.faces import detection
from kpop_rca.metric_panel.boxes_and_masks import Boxes, Masks
from kpop_rca.metric_panel.samples import Sample
from kpop_rca.system import parallel, seeds
from kpop_rca.system.parallel import one_thread

SIDE = 128  # pixels
N_ALONE, N_GROUPS, N_CREATURES = 24, 8, 8  # images of one person, of two or three, and of none
FOREHEAD = -0.72  # height at which the hair begins, in units of the head
LEAST_FACE = 16  # pixels


def known_faces(*, seed: int) -> Sample:
    """Images with `about`: boxes, `Boxes` of each, and mask, `Masks` of each."""
    people = dataset.people(seed=seed, n_identities=10, alikeness=0.5)
    shots = [_shot(number, people, seed) for number in range(N_ALONE + N_GROUPS + N_CREATURES)]
    taken = list(parallel.a_core_each(_taken, shots, device=torch.device("cpu")))
    images, boxes, masks = (list(part) for part in zip(*taken, strict=True))
    return Sample.of(np.stack(images), np.zeros(len(images), dtype=int), {}, about={"boxes": boxes, "mask": masks})


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
    outlines = [_outline(sitter) for sitter in shot.sitters]
    true = np.array([[*outline.min(axis=0), *outline.max(axis=0)] for outline in outlines]).reshape(-1, 4)
    with one_thread(torch.device("cpu")):
        found = detection.faces_of(image, min_face_size=LEAST_FACE, min_side=SIDE, max_side=SIDE)
    masks = Masks(_painted(outlines), _painted([_oval(box) for box in found.boxes]))
    return np.asarray(image), Boxes(true, found.boxes, found.probabilities), masks


def _outline(sitter: photograph.Sitter) -> np.ndarray:
    """The face from chin to forehead, pixels (n, 2)."""
    shape = {name: sitter.person[name] for name in ("face_width", "jaw", "chin")}
    head = Head(**shape, yaw=sitter.look.yaw, pitch=sitter.look.pitch).outline()
    place = Placement(sitter.x * SIDE, sitter.y * SIDE, sitter.unit * SIDE, np.radians(sitter.look.roll))
    return place(head[head[:, 1] >= FOREHEAD])


def _oval(box: np.ndarray) -> np.ndarray:
    """An ellipse in a found box: what is said of a face's outline by a detector that gives boxes alone."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    return middle + half * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _painted(outlines: list[np.ndarray]) -> np.ndarray:
    mask = Image.new("1", (SIDE, SIDE))
    for outline in outlines:
        ImageDraw.Draw(mask).polygon([tuple(point) for point in outline.tolist()], fill=1)
    return np.asarray(mask)
