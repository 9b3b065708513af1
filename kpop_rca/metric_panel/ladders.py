"""Images whose quality, or whose identity, is known to fall from level to level: what a metric should put in order."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from diffusers import DDPMScheduler, UNet2DModel
from PIL import Image

from kpop_rca.controls import draw_mixture
from kpop_rca.degradations import NOISE_SDS, blurred, compressed, noised
from kpop_rca.diffusion.generation import GenerationPlan, generate_batch
from kpop_rca.errors import StudyError
from kpop_rca.metric_panel.samples import Sample, Seen, Tool
from kpop_rca.oracles.candidates import Faces
from kpop_rca.system import parallel

QUALITY, IDENTITY, GUIDANCE, NONE = "quality", "identity", "guidance", "none"  # what is known of a ladder
SIZES = (6, 18, 15)  # images of each identity: on a level, to mix from, and real ones beside them
FEW = (3, 6, 9)  # the same of the ladders that slow networks climb; the last supports a threshold at FAR 1 %
DEGRADED_FOR_SLOW = ("blur",)  # beside mixtures and morphs
FEWEST = 13  # test faces of an identity, below which the ladders are not worth climbing
BLUR_SIGMAS = (0.0, 0.5, 1.0, 2.0)  # pixels of 32
JPEG_QUALITIES = (95, 40, 15, 5)
FACTORS = (1, 2, 4)  # by which images are made smaller, and enlarged again
STEPS = (8, 4, 2, 1)  # of the sampler; F-Bench compares all with a quarter
WEIGHTS = (4.0, 1.0, 0.0)  # of guidance
TRUTHS = (1.0, 0.75, 0.5, 0.25, 0.0)  # fraction of images, or part of each, that shows the requested person
SHUFFLED = "blur, shuffled"

Generate = Callable[[int, int, float], np.ndarray]  # images of each identity, steps, guidance: uint8 (n, H, W, 3)


@dataclass(frozen=True)
class Ladder:
    """Levels from the best to the worst.

    Attributes:
        truth: what falls: QUALITY, IDENTITY, GUIDANCE (a weight, of which more is not known to be better) or NONE.
        levels: in words or numbers, the best first.
        samples: of each level; of a shuffled ladder a single one, which is dealt to the levels at random.
    """

    name: str
    truth: str
    levels: tuple
    samples: tuple[Sample, ...]

    def resampled(self, generator: np.random.Generator) -> list[tuple[int, np.ndarray]]:
        """A random half of the images of each level: the number of its sample, and positions in that.

        The same positions at all levels, which show the same face there; as many of each identity, where it has four
        or more. The spread over halves is that of the mean of all images (McCarthy 1969).
        """
        if self.truth == NONE:
            dealt = np.array_split(generator.permutation(len(self.samples[0])), len(self.levels))
            return [(0, positions) for positions in dealt]
        labels = self.samples[0].labels
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        if min(map(len, groups)) < 4:
            groups = [np.arange(len(labels))]
        half = np.sort(np.concatenate([generator.permutation(group)[: len(group) // 2] for group in groups]))
        return [(number, half) for number in range(len(self.samples))]


@dataclass
class _Stack:
    """Images of all ladders under each other, so that a tool looks at each only once."""

    parts: list[np.ndarray] = field(default_factory=list)

    def add(self, images: np.ndarray) -> np.ndarray:
        """The rows of images that were added."""
        first = sum(map(len, self.parts))
        self.parts.append(images)
        return np.arange(first, first + len(images))


def build(
    test: Faces,
    *,
    tools: dict[str, Tool],
    generator: np.random.Generator,
    generate: Generate | None = None,
    grids: dict[int, np.ndarray] | None = None,
    degradations: Collection[str] = (),
    sizes: tuple[int, int, int] = SIZES,
) -> tuple[list[Ladder], Sample]:
    """All ladders, and the real images beside which they are measured; no real image is on both sides.

    Args:
        test: real faces, uint8 (N, H, W, 3) and int64 (N,), that no oracle was trained on.
        tools: see `tools.of_study`.
        generate: samples from the study's model; None for no ladders of steps and guidance.
        grids: images of each identity by the training step, see `trainer.load_grids`; None for no such ladder.
        degradations: names of these ladders, of which the first is shuffled, too; empty for all.
        sizes: see SIZES.

    Raises:
        StudyError: an identity has too few test faces.
    """
    originals, pool, reference = _divided(test, sizes, generator=generator)
    stack, planned = _Stack(), []
    images, labels = originals
    rows = stack.add(images)

    def plan(name: str, truth: str, levels: Sequence, of_levels: list[tuple], true_rows: np.ndarray | None) -> None:
        planned.append((name, truth, tuple(levels), of_levels, true_rows))

    for name, levels, made in degraded(images, generator=generator):
        if not degradations or name in degradations:
            below = [(stack.add(part), labels) for part in made[1:]]
            plan(name, QUALITY, levels, [(rows, labels), *below], rows)
    if generate:
        each = len(labels) // (int(labels.max()) + 1)
        sampled = {(n, w): stack.add(generate(each, n, w)) for n, w in _of_sampler()}
        plan("sampling steps", QUALITY, STEPS, [(sampled[n, 1.0], labels) for n in STEPS], None)
        plan("guidance", GUIDANCE, WEIGHTS, [(sampled[STEPS[0], w], labels) for w in WEIGHTS], None)
    if grids and len(grids) > 1:
        steps = sorted(grids, reverse=True)
        plan("training steps", QUALITY, steps, [(stack.add(grids[n]), np.arange(len(grids[n]))) for n in steps], None)
    plan("mixtures", IDENTITY, TRUTHS, _mixtures(pool, stack.add(pool[0]), generator=generator), None)
    plan("morphs", IDENTITY, TRUTHS, _morphs(images, labels, rows, stack), None)

    seen, found = Seen(np.concatenate(stack.parts), tools), []
    for name, truth, levels, of_levels, true_rows in planned:
        samples = tuple(Sample(seen, *level, truth=true_rows) for level in of_levels)
        found.append(Ladder(name, truth, levels, samples))
    return [*found, shuffled(found[0])], Sample.of(*reference, tools)


def generator_of(unet: UNet2DModel, forward: DDPMScheduler, *, n_classes: int, seed: int) -> Generate:
    """The study's model as `build` wants it, by DPM-Solver++ and without mixed precision, on all cores.

    Args:
        unet: in evaluation mode.
        forward: the forward process that it was trained on.
        seed: of the study; image i of each identity has the same noise at all steps and weights.
    """

    def generate(each: int, steps: int, guidance: float) -> np.ndarray:
        plan = GenerationPlan("dpmpp", steps, guidance, images_per_identity=each, batch_size=each, seed=seed)
        make = partial(generate_batch, unet, forward, plan)
        batches = [(label, 0) for label in range(n_classes)]
        return np.concatenate(list(parallel.a_core_each(make, batches, device=unet.device)))

    return generate


def _divided(test: Faces, sizes: tuple[int, int, int], *, generator: np.random.Generator) -> list[Faces]:
    """Test faces for the levels, to mix from, and to stand beside; as many of each identity, and none twice."""
    images, labels = test
    rarest, wanted = int(np.bincount(labels).min()), np.array(sizes)
    if rarest < FEWEST:
        raise StudyError(f"an identity has {rarest} test faces; panel: full needs {FEWEST}, see test_fraction of 02")
    ends = np.cumsum(wanted * min(1, rarest / wanted.sum())).astype(int)
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    chosen = [
        np.concatenate(part) for part in zip(*(np.split(own[: ends[-1]], ends[:-1]) for own in members), strict=True)
    ]
    return [(images[rows], labels[rows]) for rows in chosen]


def degraded(images: np.ndarray, *, generator: np.random.Generator) -> list[tuple[str, tuple, list[np.ndarray]]]:
    """Ladders of degradation, each with its name, levels and images; the images as they are come first."""
    scale = images.shape[1] / 32
    return [
        ("blur", BLUR_SIGMAS, [blurred(images, scale * sigma) for sigma in BLUR_SIGMAS]),
        ("noise", NOISE_SDS, [noised(images, sd, generator=generator) for sd in NOISE_SDS]),
        ("JPEG", JPEG_QUALITIES, [images, *(compressed(images, quality=quality) for quality in JPEG_QUALITIES[1:])]),
        ("downsampling", FACTORS, [_downsampled(images, factor) for factor in FACTORS]),
    ]


def _downsampled(images: np.ndarray, factor: int) -> np.ndarray:
    """Smaller by a factor and enlarged again, bicubic both; 1 leaves the images as they are."""
    height, width = images.shape[1:3]
    small = [Image.fromarray(image).resize((width // factor, height // factor), Image.BICUBIC) for image in images]
    return np.stack([np.asarray(image.resize((width, height), Image.BICUBIC)) for image in small])


def _of_sampler() -> list[tuple[int, float]]:
    return list(dict.fromkeys([(n, 1.0) for n in STEPS] + [(STEPS[0], w) for w in WEIGHTS]))


def _mixtures(pool: Faces, rows: np.ndarray, *, generator: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Real images of which a known fraction shows the requested identity, the others anyone."""
    _, labels = pool
    n_classes = int(labels.max()) + 1
    anyone = (1 - np.eye(n_classes)) / (n_classes - 1)
    each = len(labels) // n_classes // 3
    levels = []
    for truth in TRUTHS:
        playing, requested, _ = draw_mixture(labels, truth, anyone, n_per_condition=each, generator=generator)
        levels.append((rows[playing], requested))
    return levels


def _morphs(
    images: np.ndarray, labels: np.ndarray, rows: np.ndarray, stack: _Stack
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images blended with those of the next identity; the ends are real images. In the middle both faces are seen."""
    order = np.argsort(labels, kind="stable")
    other = np.empty_like(order)
    other[order] = np.roll(order, -(len(order) // (int(labels.max()) + 1)))
    blends = [part * images + (1 - part) * images[other] for part in TRUTHS[1:-1]]
    between = [stack.add(np.rint(blend).astype(np.uint8)) for blend in blends]
    return [(level, labels) for level in (rows, *between, rows[other])]


def shuffled(ladder: Ladder) -> Ladder:
    """A control: the images of all levels, dealt to levels at random, so that no metric has anything to see."""
    samples = ladder.samples
    together = Sample(
        samples[0].seen,
        np.concatenate([sample.rows for sample in samples]),
        np.concatenate([sample.labels for sample in samples]),
        truth=None if samples[0].truth is None else np.concatenate([sample.truth for sample in samples]),
        about={name: [one for sample in samples for one in sample.about[name]] for name in samples[0].about},
    )
    return Ladder(SHUFFLED, NONE, ladder.levels, (together,))
