"""What a face detector may take for a face in the avatars: mascots and cartoon faces, face-like patterns, clutter."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from kpop_rca.avatars.canvas import INK, WHITE, Canvas, Colour, Placement, darker, ellipse, mix, pick, ribbon, smooth

FUR = [(196, 148, 104), (238, 214, 178), (160, 164, 176), (242, 186, 196), (250, 246, 240), (112, 88, 78)]
BRIGHT = [(236, 92, 92), (250, 190, 70), (92, 170, 120), (84, 140, 214), (170, 120, 200), (240, 150, 180)]


def bear(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """A plush mascot: a bear, a cat or a rabbit."""
    colour = pick(FUR, generator)
    inner, kind = mix(colour, (250, 190, 190), 0.5), generator.integers(3)
    paint.fill(at(ellipse(0, 1.95, 1.0, 1.1)), darker(colour, 0.12))
    for side in (-1, 1):
        ear = (
            ellipse(side * 0.78, -0.78, 0.36, 0.36),
            smooth(np.array([(side * 0.3, -0.75), (side * 0.85, -1.45), (side * 1.05, -0.3)])),
            ellipse(side * 0.42, -1.45, 0.24, 0.75),
        )[kind]
        paint.fill(at(ear), colour)
        paint.fill(at(ear.mean(axis=0) + 0.55 * (ear - ear.mean(axis=0))), inner)
    head = at(ellipse(0, 0, 1.12, 0.98))
    paint.fill(head, colour)
    mask = paint.mask(head)
    paint.shade(at(ellipse(-0.4, -0.5, 0.5, 0.4)), colour=WHITE, blur=0.3 * at.unit, opacity=0.3, inside=mask)
    paint.shade(
        at(ellipse(0.3, 0.9, 1.1, 0.4)), colour=darker(colour, 0.4), blur=0.25 * at.unit, opacity=0.6, inside=mask
    )
    _plush_face(paint, at, colour, generator)


def _plush_face(paint: Canvas, at: Placement, colour: Colour, generator: np.random.Generator) -> None:
    gap, y = generator.uniform(0.36, 0.56), generator.uniform(-0.15, 0.05)
    for side in (-1, 1):
        paint.shade(at(ellipse(side * gap, y, 0.24, 0.2)), colour=darker(colour, 0.5), blur=0.07 * at.unit, opacity=0.3)
        paint.fill(at(ellipse(side * gap, y, 0.12, 0.14)), INK)
        paint.fill(at(ellipse(side * gap - 0.03, y - 0.05, 0.04, 0.045)), WHITE)
        paint.shade(at(ellipse(side * 0.72, 0.34, 0.17, 0.1)), colour=(250, 130, 140), blur=0.06 * at.unit, opacity=0.6)
    paint.fill(at(ellipse(0, 0.46, 0.4, 0.34)), mix(colour, WHITE, 0.5))
    paint.fill(at(ellipse(0, 0.3, 0.13, 0.08)), INK)
    lips = smooth(np.array([(-0.2, 0.5), (-0.1, 0.58), (0, 0.42), (0.1, 0.58), (0.2, 0.5)]), closed=False)
    paint.fill(at(ribbon(lips, 0.024)), INK)


def smiley(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """A round cartoon face, like a sticker."""
    colour = pick([(255, 214, 70), (255, 190, 90), (250, 160, 180), (150, 214, 240)], generator)
    paint.fill(at(ellipse(0, 0, 1.2, 1.2, steps=48)), darker(colour, 0.25))
    paint.fill(at(ellipse(0, 0, 1.12, 1.12, steps=48)), colour)
    paint.shade(at(ellipse(-0.4, -0.65, 0.4, 0.25)), colour=WHITE, blur=0.15 * at.unit, opacity=0.6)
    tall = generator.uniform(0.14, 0.26)
    for side in (-1, 1):
        paint.fill(at(ellipse(side * 0.4, -0.18, 0.24, tall)), WHITE)
        paint.fill(at(ellipse(side * 0.4, -0.16, 0.13, tall * 0.8)), INK)
        paint.fill(at(ribbon([(side * 0.18, -0.5), (side * 0.4, -0.58), (side * 0.64, -0.5)], 0.05)), INK)
    u = np.linspace(-1, 1, 15)
    grin = np.stack([0.5 * u, 0.5 + 0.2 * (1 - u**2)], 1)
    if generator.random() < 0.5:
        paint.fill(at(grin), (150, 40, 50))
    paint.fill(at(ribbon(grin, 0.05)), INK)


def statue(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """A stone figure: blank eyes, a wedge of a nose, one colour."""
    stone = mix((186, 182, 174), (120, 124, 130), generator.uniform(0, 1))
    dark, light = darker(stone, 0.45), mix(stone, WHITE, 0.45)
    paint.fill(at([(-0.9, 1.2), (0.9, 1.2), (1.3, 4.5), (-1.3, 4.5)]), darker(stone, 0.2))
    shape = np.array(
        [(-0.75, -1.3), (0.75, -1.3), (0.85, -0.2), (0.8, 1.1), (0.4, 1.5), (-0.4, 1.5), (-0.8, 1.1), (-0.85, -0.2)]
    )
    head = at(smooth(shape))
    mask = paint.mask(head)
    paint.paint(stone, mask)
    paint.shade(
        at([(0.25, -1.5), (1, -1.5), (1, 1.6), (0.35, 1.6)]), colour=dark, blur=0.2 * at.unit, opacity=0.7, inside=mask
    )
    paint.fill(at([(-0.8, -0.5), (0.8, -0.5), (0.75, -0.28), (-0.75, -0.28)]), darker(stone, 0.15))
    for side in (-1, 1):
        paint.shade(
            at(ellipse(side * 0.4, -0.1, 0.25, 0.16)), colour=dark, blur=0.05 * at.unit, opacity=0.9, inside=mask
        )
    paint.fill(at([(-0.08, -0.3), (0.08, -0.3), (0.24, 0.62), (-0.24, 0.62)]), light)
    paint.fill(at([(0.06, -0.3), (0.24, 0.62), (0.02, 0.62)]), dark)
    paint.fill(at([(-0.36, 0.95), (0.36, 0.95), (0.3, 1.05), (-0.3, 1.05)]), dark)


def socket(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """A wall socket: two holes and a slot."""
    plate = mix((246, 244, 238), (212, 206, 196), generator.uniform(0, 1))
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    paint.shade(at(square * 1.2 + 0.1), colour=darker(plate, 0.6), blur=0.12 * at.unit, opacity=0.6)
    paint.fill(at(square * 1.15), darker(plate, 0.06))
    paint.fill(at(square * 1.05), plate)
    paint.fill(at(ellipse(0, 0, 0.85, 0.85, steps=40)), darker(plate, 0.16))
    paint.fill(at(ellipse(0, 0.02, 0.78, 0.78, steps=40)), darker(plate, 0.07))
    slots = generator.random() < 0.5
    for side in (-1, 1):
        hole = square * (0.06, 0.2) + (side * 0.32, -0.16) if slots else ellipse(side * 0.34, -0.12, 0.1, 0.1)
        paint.fill(at(hole), INK)
    paint.fill(at(ellipse(0, 0.36, 0.16, 0.12)), darker(plate, 0.7))


def house(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """The front of a house: two windows, a door, a roof."""
    wall, roof = mix(pick(BRIGHT, generator), (240, 232, 220), 0.6), darker(pick(BRIGHT, generator), 0.4)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    paint.fill(at(square * (1.25, 1.3) + (0, 0.2)), wall)
    paint.fill(at([(-1.5, -1.05), (0, -1.95), (1.5, -1.05)]), roof)
    for side in (-1, 1):
        pane = square * (0.26, 0.27) + (side * 0.6, -0.3)
        paint.fill(at(pane), WHITE)
        paint.fill(at((pane - pane.mean(axis=0)) * 0.84 + pane.mean(axis=0)), (70, 92, 120))
        paint.line(at([(side * 0.6, -0.57), (side * 0.6, -0.03)]), WHITE, 0.05 * at.unit)
    paint.fill(at(square * (0.3, 0.42) + (0, 1.08)), darker(roof, 0.2))
    paint.fill(at(square * (0.5, 0.05) + (0, 0.6)), roof)


def folds(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """Hanging cloth whose folds and creases fall like eyes and a mouth."""
    colour = pick(BRIGHT, generator)
    dark = darker(colour, 0.55)
    paint.fill(at([(-6, -6), (6, -6), (6, 6), (-6, 6)]), mix(colour, WHITE, 0.15))
    for x in np.arange(-3.5, 3.6, generator.uniform(0.55, 0.8)):
        y = np.linspace(-6, 6, 9)
        sway = x + 0.12 * np.sin(1.3 * y + x)
        paint.shade(at(ribbon(np.stack([sway, y], 1), 0.14)), colour=dark, blur=0.1 * at.unit, opacity=0.5)
    creases = ((-0.42, -0.1, 0.2, 0.09), (0.42, -0.1, 0.2, 0.09), (0.04, 0.38, 0.13, 0.06), (0, 0.68, 0.3, 0.08))
    ridges = ((-0.44, -0.34, 0.26, 0.05), (0.44, -0.34, 0.26, 0.05), (0.12, 0.12, 0.06, 0.3))
    for opacity, group in ((0.8, creases), (0.18, ridges)):
        for x, y, wide, high in group:
            shape = ellipse(x + generator.normal(0, 0.03), y, wide, high)
            paint.shade(at(shape), colour=darker(dark, 0.3), blur=0.05 * at.unit, opacity=opacity)
    paint.shade(at(ellipse(-0.02, 0.25, 0.08, 0.16)), colour=WHITE, blur=0.06 * at.unit, opacity=0.15)


def texture(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """Marbled noise over the whole image."""
    first, second = pick(BRIGHT, generator), pick(FUR, generator)
    fraction = sum(
        _noise(generator, cells=cells, side=paint.side) / weight for cells, weight in ((5, 1), (12, 2), (40, 3))
    )
    fraction = np.clip((fraction - fraction.min()) / np.ptp(fraction), 0, 1)[..., None]
    colours = np.array(first, float) * fraction + np.array(second, float) * (1 - fraction)
    paint.image.paste(Image.fromarray(colours.astype(np.uint8)), (0, 0))


def _noise(generator: np.random.Generator, *, cells: int, side: int) -> np.ndarray:
    grid = Image.fromarray(generator.random((cells, cells)).astype(np.float32) * 255)
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))


def spotlights(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """A dark stage with beams of light and nobody on it."""
    paint.fill(at([(-9, -9), (9, -9), (9, 9), (-9, 9)]), (18, 16, 32))
    for _ in range(generator.integers(3, 7)):
        x, foot, wide = generator.uniform(-2.5, 2.5), generator.normal(0, 2), generator.uniform(0.3, 0.8)
        beam = at([(x, -3), (foot - wide, 3), (foot + wide, 3)])
        paint.shade(beam, colour=pick(BRIGHT, generator), blur=0.08 * at.unit, opacity=generator.uniform(0.4, 0.9))
    paint.fill(at([(-9, 2), (9, 2), (9, 9), (-9, 9)]), (40, 34, 52))


def shapes(paint: Canvas, at: Placement, generator: np.random.Generator) -> None:
    """Overlapping coloured pieces, as of a poster."""
    for _ in range(generator.integers(10, 22)):
        centre, radius = generator.uniform(-2.6, 2.6, 2), generator.uniform(0.3, 1.1)
        corners = generator.integers(3, 7)
        angle = np.sort(generator.uniform(0, 2 * np.pi, corners))
        piece = centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        paint.fill(at(piece), mix(pick(BRIGHT, generator), WHITE, generator.uniform(0, 0.5)))
    paint.image = paint.image.filter(ImageFilter.GaussianBlur(1))


Creature = Callable[[Canvas, Placement, np.random.Generator], None]
KINDS: dict[str, tuple[Creature, ...]] = {
    "mascot": (bear, smiley, statue),
    "pareidolia": (socket, house, folds),
    "clutter": (texture, spotlights, shapes),
}
