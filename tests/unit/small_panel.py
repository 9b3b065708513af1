"""Avatars for the metric panel, and stand-ins for its networks: random projections that need no weights."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from kpop_rca.avatars import dataset, photograph
from kpop_rca.avatars import truth as avatar_truth
from kpop_rca.degradations import blurred, noised
from kpop_rca.image_metrics import alignment_networks, no_reference
from kpop_rca.metric_panel import known_faces, properties
from kpop_rca.metric_panel import tools as panel_tools
from kpop_rca.metric_panel.samples import Sample, Seen
from kpop_rca.oracles import face_quality

N_CLASSES, WIDTH = 3, 24
N_GENERATED, N_REAL = 30, 45
AROUND = 1.3  # half the side of a crop, in units of the avatar's head
PARTS = 8  # of a side


def rng(seed=0):
    return np.random.default_rng(seed)


def faces(n, *, size, first=0):
    """uint8 (n, size, size, 3): avatars' faces, of three identities in turn."""
    people = dataset.people(seed=1, n_identities=N_CLASSES, alikeness=0.0)
    found = []
    for number in range(first, first + n):
        shot = photograph.solo(people[number % N_CLASSES], artifact="", hard="", generator=rng(number))
        (sitter,), side = shot.sitters, 2 * size
        corners = [
            side * (centre + end)
            for end in (-AROUND * sitter.unit, AROUND * sitter.unit)
            for centre in (sitter.x, sitter.y)
        ]
        found.append(np.asarray(photograph.take(shot, size=side).resize((size, size), Image.BICUBIC, box=corners)))
    return np.stack(found)


def coarse(images):
    """Mean colours of parts of the middle of each image, float32 (N, D)."""
    border = images.shape[1] // 6
    images = images[:, border:-border, border:-border]
    n, side = len(images), images.shape[1] // PARTS
    means = images.reshape(n, PARTS, side, PARTS, side, 3).mean(axis=(2, 4))
    detail = np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2))
    return np.concatenate([means.reshape(n, -1) / 128 - 1, detail / 8], axis=1).astype(np.float32)


def projected(images, *, seed):
    """Features of a network with random weights, float32 (N, WIDTH), each image by itself."""
    weights = rng(seed).normal(size=(PARTS**2 * 3 + 3, WIDTH)) / 4
    return np.array([(row.astype(np.float64) @ weights) for row in coarse(images)], dtype=np.float32)


def predicted(images, known, labels):
    """Probabilities by the distance to each identity's mean, float32 (N, K)."""
    few = slice(None, None, 9)  # so that it errs
    centres = np.stack([coarse(known[labels == label])[:, few].mean(axis=0) for label in range(N_CLASSES)])
    distances = np.linalg.norm(coarse(images)[:, None, few] - centres, axis=2)
    odds = np.exp(-9 * distances.astype(np.float64))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def head(features):
    return features @ torch.linspace(-1, 1, WIDTH * 4).reshape(WIDTH, 4)


def on_random_networks():
    """Tools on tiny networks, each built once; {} where transformers is not installed."""
    try:
        from small_networks import BUILT
    except pytest.skip.Exception:
        return {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment_networks, "load", lambda name: BUILT[name]())
        scores = panel_tools.BY_THEMSELVES | panel_tools.WITH_PROMPTS
        found = {name: panel_tools._of_images(name, score) for name, score in scores.items()}
        for name, tool in found.items():
            image = np.zeros((1, 16, 16, 3), dtype=np.uint8)
            tool(image, *([["a face"]] if name in panel_tools.WITH_PROMPTS else []))  # loads its network
    return found


def tools(known, labels):
    found = {
        name: partial(projected, seed=seed)
        for seed, name in enumerate(["oracle_features", "inception", "dinov2", "efficientnet_lite0", "dlib"])
    }
    return found | {
        "inception_logits": lambda images: 3 * projected(images, seed=9),
        "oracle": partial(predicted, known=known, labels=labels),
        "brisque": no_reference.brisque,
        "mscn_moments": no_reference.mscn_moments,
        "sharpness": no_reference.sharpness,
        "lpips_nearest": partial(panel_tools._lpips_to_nearest, train=known),
        "detector": face_quality.detector_probability,
        "ser_fiq": lambda images: face_quality.ser_fiq(projected(images, seed=0), head, generator=rng(), passes=20),
    }


def outlined():
    """True and found boxes and masks of known faces, and the same found a fifth of a side away."""
    found = known_faces.known_faces({}, seed=0).about
    found = {name: found[name][-N_GENERATED:] for name in ("boxes", "mask")}
    apart = {
        "boxes": [image._replace(found=image.found + known_faces.SIDE / 20) for image in found["boxes"]],
        "mask": [image._replace(found=np.roll(image.found, known_faces.SIDE // 20, axis=1)) for image in found["mask"]],
    }
    return found, apart


def prompted():
    """A prompt and two questions of each generated image, which need not be true."""
    prompts = [f"a portrait of person {number % N_CLASSES}" for number in range(N_GENERATED)]
    questions = [avatar_truth.Question("hat", f"Is it {prompt}?", bool(k % 2)) for k, prompt in enumerate(prompts)]
    return {"prompt": prompts, "questions": [[question, question] for question in questions]}


def case(*, size=96):
    known, of_known = faces(N_REAL, size=size), np.arange(N_REAL) % N_CLASSES
    truth, rows = faces(N_GENERATED, size=size, first=N_REAL), np.arange(N_GENERATED)
    labels = rows % N_CLASSES
    generated = noised(truth, 4.0, generator=rng())
    seen = Seen(np.concatenate([truth, generated, blurred(generated, 3.0) // 2]), tools(known, of_known))
    found, apart = ({**about, **prompted()} for about in outlined())
    seen.tools.update(on_random_networks())
    return properties.Case(
        generated=Sample(seen, rows + N_GENERATED, labels, truth=rows, about=found),
        real=Sample.of(known, of_known, seen.tools),
        worse=Sample(seen, rows + 2 * N_GENERATED, (labels + 1) % N_CLASSES, truth=rows, about=apart),
    )
