"""Avatars of which everything is known: boxes, masks, prompts and questions, and what MTCNN finds on them.

They are degraded level by level, too, and MTCNN looks at each level anew: ladders for the metrics that need this truth.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from kpop_rca.avatars import dataset, photograph, truth
from kpop_rca.faces import detection
from kpop_rca.image_metrics.segmentation_scores import landmark_mask
from kpop_rca.metric_panel.ladders import QUALITY, Ladder, degraded, shuffled
from kpop_rca.metric_panel.samples import Sample, Seen, Tool
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
    taken = parallel.a_core_each(partial(photograph.take, size=SIDE), shots, device=torch.device("cpu"))
    images = np.stack([np.asarray(image) for image in taken])
    boxes, masks = _found(
        images,
        [truth.face_boxes(shot, size=SIDE) for shot in shots],
        [truth.face_mask(shot, size=SIDE) for shot in shots],
    )
    about = {"boxes": boxes, "mask": masks, "prompt": [truth.full_prompt(shot) for shot in shots]}
    about["questions"] = [truth.questions(shot) for shot in shots]
    return Sample.of(images, np.zeros(len(images), dtype=int), tools, about=about)


def with_prompts(known: Sample) -> Sample:
    """Those of the images that show somebody, and so have a prompt."""
    return known.part(np.flatnonzero([bool(prompt) for prompt in known.about["prompt"]]))


def ladders_with_prompts(ladders: list[Ladder]) -> list[Ladder]:
    """The same ladders of the images that have a prompt."""
    return [replace(ladder, samples=tuple(map(with_prompts, ladder.samples))) for ladder in ladders]


def ladders_of(known: Sample, *, tools: dict[str, Tool], generator: np.random.Generator) -> list[Ladder]:
    """Ladders of degradation, the images as they are at the top, and a shuffled one.

    Faces are found anew at each level.

    Args:
        known: from `known_faces`.
        tools: that take prompts.
    """
    made = degraded(known.images, generator=generator)
    lower = [images for _, _, levels in made for images in levels[1:]]
    seen, n = Seen(np.concatenate([known.images, *lower]), tools), len(known)
    true = {name: [one.true for one in known.about[name]] for name in ("boxes", "mask")}
    boxes, masks = _found(np.concatenate(lower), true["boxes"] * len(lower), true["mask"] * len(lower))
    samples = [
        Sample(
            seen,
            np.arange(number * n, (number + 1) * n),
            known.labels,
            about={
                **known.about,
                "boxes": boxes[(number - 1) * n : number * n],
                "mask": masks[(number - 1) * n : number * n],
            },
        )
        for number in range(1, len(lower) + 1)
    ]
    top, found = Sample(seen, np.arange(n), known.labels, about=known.about), []
    for name, levels, images in made:
        below, samples = samples[: len(images) - 1], samples[len(images) - 1 :]
        found.append(Ladder(name, QUALITY, levels, (top, *below)))
    return [*found, shuffled(found[0])]


def _shot(number: int, people: list, seed: int) -> photograph.Shot:
    generator = seeds.generator(seeds.Purpose.LADDERS, seed, 2, number)
    first, second, third = (people[(number + step) % len(people)] for step in range(3))
    if number < N_ALONE:
        return photograph.solo(first, artifact="", hard="", generator=generator)
    if number < N_ALONE + N_GROUPS:
        return photograph.group(first, costars=[second, third], generator=generator)
    return photograph.nonface(photograph.NONFACE[number % len(photograph.NONFACE)], generator=generator)


def _found(images: np.ndarray, boxes: list[np.ndarray], masks: list[np.ndarray]) -> tuple[list[Boxes], list[Masks]]:
    """What MTCNN finds on images, beside their true boxes and masks."""
    faces = list(parallel.a_core_each(_faces_of, images, device=torch.device("cpu")))
    return (
        [Boxes(true, of.boxes, of.probabilities) for true, of in zip(boxes, faces, strict=True)],
        [Masks(true, _mask(of)) for true, of in zip(masks, faces, strict=True)],
    )


def _faces_of(image: np.ndarray) -> detection.DetectedFaces:
    with one_thread(torch.device("cpu")):
        return detection.faces_of(Image.fromarray(image), min_face_size=LEAST_FACE, min_side=SIDE, max_side=SIDE)


def _mask(found: detection.DetectedFaces) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    for landmarks in found.landmarks:
        mask |= landmark_mask(landmarks.reshape(5, 2), size=(SIDE, SIDE))
    return mask
