"""Images of the avatars: who stands where before which backdrop, under which light, seen by which camera.

A `Shot` holds everything that an image depends on, so that a near-duplicate is the same shot with a few numbers
nudged.
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from kpop_rca.avatars import creatures, scenery
from kpop_rca.avatars.canvas import SUPERSAMPLING, Canvas, Placement
from kpop_rca.avatars.painter import Painter
from kpop_rca.avatars.portrait import Look, Person, on_the_day, random_look

ARTIFACTS = tuple(scenery.ARTIFACTS)
HARD = (*scenery.WORN, "wink", "extreme_angle")
NONFACE = tuple(creatures.KINDS)


@dataclass(frozen=True)
class Sitter:
    """One person in an image."""

    person: Person
    look: Look
    x: float  # centre of the head in the image, in [0, 1], as y
    y: float
    unit: float  # about half the height of the face, by the image's side


@dataclass(frozen=True)
class Shot:
    """An image before it is painted."""

    seed: int  # of the backdrop and of the shapes of props and creatures
    sitters: tuple[Sitter, ...]  # from the back to the front; none for an image of a creature
    creature: str = ""  # or one of NONFACE
    prop: str = ""  # or a name in scenery.ARTIFACTS or scenery.WORN, for the last sitter
    shift: tuple[float, float] = (0.0, 0.0)  # of everything but the backdrop, by the image's side
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # gain of red, green and blue
    exposure: float = 1.0  # gain of all channels
    sidelight: float = 0.0  # gain gained from left to right, in [-1, 1]
    grain: float = 3.0  # standard deviation of the sensor's noise, grey levels
    grain_seed: int = 0  # of that noise


def _camera(generator: np.random.Generator) -> dict:
    """Light and camera of an image: the fields of a `Shot` that do not depend on who is in it."""
    warm, green = generator.normal(0, 0.04), generator.normal(0, 0.015)
    if generator.random() < 0.12:  # coloured stage light
        warm, green = generator.normal(0, 0.10), -abs(generator.normal(0, 0.05))
    return {
        "seed": int(generator.integers(2**62)),
        "tint": (1 + warm, 1 + green, 1 - warm),
        "exposure": float(np.clip(np.exp(generator.normal(-0.02, 0.11)), 0.68, 1.2)),
        "sidelight": float(generator.normal(0, 0.12)),
        "grain": float(generator.uniform(1, 4)),
        "grain_seed": int(generator.integers(2**62)),
    }


def solo(person: Person, *, artifact: str, hard: str, generator: np.random.Generator) -> Shot:
    """A portrait of one person.

    Args:
        person: whom.
        artifact: "" or one of `ARTIFACTS`.
        hard: "" or one of `HARD`.
        generator: of all that is random in it.
    """
    look = random_look(generator)
    if hard == "wink":
        look = replace(look, wink=int(generator.choice((-1, 1))), smile=max(look.smile, 0.6))
    if hard == "extreme_angle":
        side, roll = generator.choice((-1, 1)), generator.normal(0, 13)
        look = replace(look, yaw=float(side * generator.uniform(38, 50)), roll=float(np.clip(roll, -26, 26)))
    sitter = Sitter(
        person=on_the_day(person, generator=generator),
        look=look,
        x=float(np.clip(generator.normal(0.5, 0.08), 0.34, 0.66)),
        y=float(np.clip(generator.normal(0.46, 0.045), 0.37, 0.55)),
        unit=float(generator.uniform(0.17, 0.255)),
    )
    prop = artifact or (hard if hard in scenery.WORN else "")
    return Shot(sitters=(sitter,), prop=prop, **_camera(generator))


def group(person: Person, *, costars: list[Person], generator: np.random.Generator) -> Shot:
    """An image in which a co-star's face is larger and more central than the person's.

    Args:
        person: whose name the image carries.
        costars: one or two others, the most prominent first.
        generator: of all that is random in it.
    """
    side = int(generator.choice((-1, 1)))
    centres = (0.5 + 0.06 * side, 0.5 - 0.31 * side, 0.5 + 0.36 * side)
    units = (generator.uniform(0.175, 0.2), generator.uniform(0.125, 0.145), generator.uniform(0.105, 0.12))
    sitters = []
    for who, x, unit in zip([costars[0], person, *costars[1:]], centres, units, strict=False):
        look = random_look(generator)
        look = replace(look, yaw=float(np.clip(look.yaw, -20, 20)), roll=0.6 * look.roll)
        y = 0.46 + generator.normal(0, 0.02) + 0.4 * (0.19 - unit)
        here = Sitter(on_the_day(who, generator=generator), look, x + generator.normal(0, 0.01), y, float(unit))
        sitters.append(here)
    return Shot(sitters=tuple(sitters[::-1]), **_camera(generator))


def nonface(kind: str, *, generator: np.random.Generator) -> Shot:
    """An image of something else than a person; `kind` is one of `NONFACE`."""
    return Shot(sitters=(), creature=kind, **_camera(generator))


def moment_later(shot: Shot, *, generator: np.random.Generator) -> Shot:
    """The same scene a moment later: a tiny shift, another exposure, a slightly changed expression."""
    sitters = tuple(
        replace(
            sitter,
            look=replace(
                sitter.look,
                smile=float(np.clip(sitter.look.smile + generator.normal(0, 0.08), 0, 1)),
                yaw=sitter.look.yaw + float(generator.normal(0, 0.8)),
                gaze=(sitter.look.gaze[0] + float(generator.normal(0, 0.1)), sitter.look.gaze[1]),
            ),
        )
        for sitter in shot.sitters
    )
    shift = tuple(float(value) for value in generator.normal(0, 0.004, 2))
    exposure = shot.exposure * float(np.exp(generator.normal(0, 0.03)))
    return replace(shot, sitters=sitters, shift=shift, exposure=exposure, grain_seed=int(generator.integers(2**62)))


def take(shot: Shot, *, size: int) -> Image.Image:
    """Paint a shot: RGB, size x size px, the same bits for the same arguments."""
    side = size * SUPERSAMPLING
    generator = np.random.default_rng(shot.seed)
    canvas = Canvas(scenery.backdrop(side=side, generator=generator))
    if shot.creature:
        _paint_creature(canvas, shot, generator)
    for sitter in shot.sitters:
        place = Placement((sitter.x + shot.shift[0]) * side, (sitter.y + shot.shift[1]) * side, sitter.unit * side)
        painter = Painter(canvas, place, sitter.person, sitter.look)
        painter.paint()
    if shot.prop:
        (scenery.ARTIFACTS | scenery.WORN)[shot.prop](painter, generator)
    return _develop(canvas.finished(size), shot)


def _paint_creature(canvas: Canvas, shot: Shot, generator: np.random.Generator) -> None:
    paints = creatures.KINDS[shot.creature]
    paint = paints[generator.integers(len(paints))]
    x, y = generator.normal(0.5, 0.05), generator.normal(0.48, 0.04)
    place = Placement(
        (x + shot.shift[0]) * canvas.side,
        (y + shot.shift[1]) * canvas.side,
        generator.uniform(0.17, 0.27) * canvas.side,
        generator.normal(0, 0.08),
    )
    paint(canvas, place, generator)


def _develop(image: Image.Image, shot: Shot) -> Image.Image:
    """The light's colour and fall-off, the exposure and the sensor's noise."""
    pixels = np.asarray(image, dtype=np.float32)
    across = np.linspace(-1, 1, image.width, dtype=np.float32)
    fall_off = 1 + np.float32(shot.sidelight) * across
    vignette = 1 - 0.08 * (across[None] ** 2 + across[:, None] ** 2)
    gain = np.float32(shot.exposure) * np.array(shot.tint, dtype=np.float32)
    pixels = pixels * (fall_off[None] * vignette)[..., None] * gain
    noise = np.random.default_rng(shot.grain_seed).standard_normal(pixels.shape, dtype=np.float32)
    pixels = pixels + np.float32(shot.grain) * noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
