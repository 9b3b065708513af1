"""Painting tools for the avatars: smooth curves, soft shades, colours, on a canvas of twice the final size.

Shapes are arrays of points (float, (n, 2)); a `Placement` carries them from a figure's own units to pixels. Soft
shades are painted small and enlarged, since a blur hides the difference and costs sixteen times less.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

SUPERSAMPLING = 2  # canvas pixels for one pixel of the image
SOFT = 4  # canvas pixels for one pixel of a soft mask

Colour = tuple[int, int, int]
Points = Any  # float array (n, 2) or a list of pairs
Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]  # canvas x and y (h, w) to RGB (h, w, 3) in [0, 255]
INK: Colour = (36, 24, 28)
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True)
class Placement:
    """Where a figure stands on the canvas: centre (canvas px), px of one of its units, roll (radians, clockwise)."""

    x: float
    y: float
    unit: float
    roll: float = 0.0

    def __call__(self, points: Points) -> np.ndarray:
        """From the figure's units to canvas pixels, (n, 2) float64."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned = np.asarray(points, dtype=float) @ np.array([[cos, sin], [-sin, cos]])
        return turned * self.unit + (self.x, self.y)

    def inverse(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From canvas pixels to the figure's units."""
        dx, dy = (x - self.x) / self.unit, (y - self.y) / self.unit
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return dx * cos + dy * sin, dy * cos - dx * sin


def _spline_basis(steps: int) -> np.ndarray:
    """Catmull-Rom weights of the four neighbouring points at `steps` places of a segment, (steps, 4)."""
    t = np.arange(steps)[:, None] / steps
    powers = np.hstack([np.ones_like(t), t, t**2, t**3])
    return powers @ (0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]))


BASIS = _spline_basis(6)


def smooth(points: Points, *, closed: bool = True) -> np.ndarray:
    """A Catmull-Rom curve through (n >= 3, 2) points: (6 n, 2) where it is closed, else (6 (n - 1) + 1, 2)."""
    points = np.asarray(points, dtype=float)
    if closed:
        padded = np.vstack([points[-1:], points, points[:2]])
    else:
        padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    windows = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], axis=1)
    curve = np.einsum("sk,nkd->nsd", BASIS, windows).reshape(-1, 2)
    return curve if closed else np.vstack([curve, points[-1:]])


def ellipse(x: float, y: float, half_width: float, half_height: float, *, steps: int = 28) -> np.ndarray:
    """Points of an ellipse, (steps, 2)."""
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + half_width * np.cos(t), y + half_height * np.sin(t)], axis=1)


def moved(points: Points, x: float, y: float) -> np.ndarray:
    """The points, moved."""
    return np.asarray(points, dtype=float) + np.array([x, y])


def ribbon(points: Points, half_widths: Any) -> np.ndarray:
    """Outline of a stroke that follows the points with a varying half-width, (2 n, 2)."""
    points = np.asarray(points, dtype=float)
    along = np.gradient(points, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    offset = normal * np.broadcast_to(half_widths, len(points))[:, None]
    return np.vstack([points + offset, (points - offset)[::-1]])


def mix(first: Colour, second: Colour, fraction: float) -> Colour:
    """The colour `fraction` (in [0, 1]) of the way from the first to the second."""
    return tuple(round(a + (b - a) * fraction) for a, b in zip(first, second, strict=True))


def pick(colours: list[Colour], generator: np.random.Generator) -> Colour:
    """One of the colours at random."""
    return colours[generator.integers(len(colours))]


def darker(colour: Colour, fraction: float) -> Colour:
    """A deeper, warmer shade of a colour: green and blue fall faster than red."""
    factors = (1 - 0.75 * fraction, 1 - 1.05 * fraction, 1 - fraction)
    return tuple(max(0, round(channel * factor)) for channel, factor in zip(colour, factors, strict=True))


def ramp(colours: list[Colour], position: float) -> Colour:
    """The colour at a position in [0, 1] of a row of colours; positions outside are clipped."""
    place = float(np.clip(position, 0, 1)) * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    return mix(colours[index], colours[index + 1], place - index)


class Canvas:
    """An RGB image being painted at `SUPERSAMPLING` times its final size. Points are in canvas pixels."""

    def __init__(self, background: Image.Image) -> None:
        self.image = background
        self.side = background.width
        self._draw = ImageDraw.Draw(background)

    def fill(self, points: Points, colour: Colour, *, inside: Image.Image | None = None) -> None:
        """Fill a polygon, within a mask where one is given."""
        if inside is None:
            self._draw.polygon(_flat(points), fill=colour)
            return
        box = self._box(points, margin=1, step=1)
        if box is not None:
            self._lay(colour, _polygons(points, box=box, step=1, value=255), box, inside)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """Draw an open line."""
        self._draw.line(_flat(points), fill=colour, width=max(1, round(width)), joint="curve")

    def mask(self, *polygons: Points) -> Image.Image:
        """A mask (mode L) of the polygons' union."""
        return _polygons(*polygons, box=(0, 0, self.side, self.side), step=1, value=255)

    def shade(
        self, *polygons: Points, colour: Colour, blur: float, opacity: float, inside: Image.Image | None = None
    ) -> None:
        """Lay a colour softly over polygons.

        Args:
            polygons: each (n, 2).
            colour: RGB.
            blur: standard deviation of the edge, canvas pixels.
            opacity: in [0, 1].
            inside: mask (mode L) that keeps the colour in; None for none.
        """
        box = self._box(*polygons, margin=2.5 * blur, step=SOFT)
        if box is None:
            return
        small = _polygons(*polygons, box=box, step=SOFT, value=round(255 * opacity))
        small = small.filter(ImageFilter.GaussianBlur(blur / SOFT))
        mask = small.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR)
        self._lay(colour, mask, box, inside)

    def paint(self, texture: Colour | Texture, mask: Image.Image, *, step: int = SOFT) -> None:
        """Lay a colour, or a texture computed at every `step`-th canvas pixel, over the canvas through a mask."""
        box = mask.getbbox()
        if box is None:
            return
        source = texture
        if callable(texture):
            x, y = np.arange(box[0], box[2] + step, step), np.arange(box[1], box[3] + step, step)
            colours = texture(*np.meshgrid(x.astype(np.float32), y.astype(np.float32)))
            small = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
            source = small.resize((len(x) * step, len(y) * step), Image.Resampling.BILINEAR)
            source = source.crop((0, 0, box[2] - box[0], box[3] - box[1]))
        self.image.paste(source, box, mask.crop(box))

    def finished(self, size: int) -> Image.Image:
        """The image at its final size in pixels."""
        return self.image.resize((size, size), Image.Resampling.BOX)

    def _box(self, *polygons: Points, margin: float, step: int) -> tuple[int, int, int, int] | None:
        """The part of the canvas that polygons and a margin take up, in multiples of `step`; None for nothing."""
        points = np.vstack(polygons)
        low = np.floor((points.min(axis=0) - margin) / step).astype(int) * step
        high = np.ceil((points.max(axis=0) + margin) / step).astype(int) * step
        low, high = np.maximum(low, 0), np.minimum(high, -(-self.side // step) * step)
        return (*low.tolist(), *high.tolist()) if (high > low).all() else None

    def _lay(
        self, colour: Colour, mask: Image.Image, box: tuple[int, int, int, int], inside: Image.Image | None
    ) -> None:
        if inside is not None:
            mask = ImageChops.multiply(mask, inside.crop(box))
        self.image.paste(colour, box, mask)


def _polygons(*polygons: Points, box: tuple[int, int, int, int], step: int, value: int) -> Image.Image:
    """A mask of the part of the canvas in a box, one pixel for `step` canvas pixels, with polygons of one value."""
    mask = Image.new("L", ((box[2] - box[0]) // step, (box[3] - box[1]) // step))
    draw = ImageDraw.Draw(mask)
    for points in polygons:
        draw.polygon(_flat((np.asarray(points, dtype=float) - box[:2]) / step), fill=value)
    return mask


def _flat(points: Points) -> list[float]:
    return np.asarray(points, dtype=float).ravel().tolist()
