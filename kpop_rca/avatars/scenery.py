"""What surrounds people in the avatars: backdrops, and things held before a face or worn on it."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kpop_rca.avatars.canvas import WHITE, Colour, Placement, darker, ellipse, mix, moved, pick, ribbon, smooth
from kpop_rca.avatars.painter import Painter

BACKDROP_SIDE = 80  # px: backdrops are out of focus, so they are painted small and enlarged
PASTELS = [
    (238, 226, 214), (214, 226, 236), (226, 214, 236), (236, 214, 220), (214, 234, 224), (244, 232, 198),
    (196, 208, 224), (224, 200, 186), (180, 190, 200), (206, 216, 190),
]  # fmt: skip
HATS = [(48, 52, 66), (232, 226, 214), (178, 66, 74), (86, 118, 96), (206, 176, 120), (120, 104, 160)]
# half-width of the band; the brim's half-angle (degrees) and depth, None for none: cap, bucket hat, woollen hat
HAT_SHAPES = ((0.03, (52, 0.5)), (0.03, (85, 0.32)), (0.12, None))
STAGE = [(120, 60, 200), (40, 110, 220), (230, 60, 140), (250, 150, 60), (60, 200, 200), (240, 240, 255)]


# ---- backdrops -------------------------------------------------------------------------------------------------


def backdrop(*, side: int, generator: np.random.Generator) -> Image.Image:
    """A backdrop of side x side px without anything like a face: studio, wall, bokeh, stage or outdoors."""
    painters = (_studio, _wall, _bokeh, _stage, _outdoors)
    small = _dappled(painters[generator.integers(len(painters))](generator), generator)
    return small.resize((side, side), Image.Resampling.BICUBIC)


def _dappled(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """The image under uneven light: without it, the same pose before two plain walls would look like a copy."""
    patches = Image.fromarray(generator.normal(0, 1, (5, 5)).astype(np.float32))
    patches = np.asarray(patches.resize(image.size, Image.Resampling.BICUBIC))
    bars = np.sin(np.linspace(0, generator.uniform(3, 14), image.width) + generator.uniform(0, 6))
    light = np.exp(generator.uniform(0.1, 0.3) * patches + generator.uniform(0, 0.16) * bars)
    return Image.fromarray((np.asarray(image) * light[..., None]).clip(0, 255).astype(np.uint8))


def _gradient(top: Colour, bottom: Colour, *, slant: float) -> Image.Image:
    y, x = np.mgrid[0:BACKDROP_SIDE, 0:BACKDROP_SIDE] / BACKDROP_SIDE
    fraction = np.clip(y + slant * (x - 0.5), 0, 1)[..., None]
    colours = np.array(top, float) * (1 - fraction) + np.array(bottom, float) * fraction
    return Image.fromarray(colours.astype(np.uint8))


def _studio(generator: np.random.Generator) -> Image.Image:
    colour = pick(PASTELS, generator)
    return _gradient(
        mix(colour, WHITE, 0.3), darker(colour, generator.uniform(0.1, 0.5)), slant=generator.normal(0, 0.4)
    )


def _wall(generator: np.random.Generator) -> Image.Image:
    colour = pick(PASTELS, generator)
    image = _gradient(colour, darker(colour, 0.15), slant=generator.normal(0, 0.5))
    draw = ImageDraw.Draw(image)
    step = int(generator.integers(9, 22))
    shade = darker(colour, generator.uniform(0.08, 0.25))
    lean = int(generator.integers(-20, 20))
    for x in range(-20, BACKDROP_SIDE + 20, step):
        draw.line((x, 0, x + lean, BACKDROP_SIDE), fill=shade, width=int(generator.integers(1, max(2, step // 2))))
    return image.filter(ImageFilter.GaussianBlur(generator.uniform(0.6, 2.5)))


def _bokeh(generator: np.random.Generator) -> Image.Image:
    base = pick(STAGE, generator)
    image = _gradient(darker(base, 0.75), darker(base, 0.45), slant=generator.normal(0, 0.5))
    for _ in range(generator.integers(6, 16)):
        spot = Image.new("L", image.size)
        x, y, radius = *generator.uniform(0, BACKDROP_SIDE, 2), generator.uniform(3, 10)
        ImageDraw.Draw(spot).ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=int(generator.integers(50, 130))
        )
        image.paste(mix(pick(STAGE, generator), WHITE, 0.35), (0, 0), spot)
    return image.filter(ImageFilter.GaussianBlur(1.2))


def _stage(generator: np.random.Generator) -> Image.Image:
    image = _gradient((16, 14, 30), darker(pick(STAGE, generator), 0.55), slant=generator.normal(0, 0.3))
    for _ in range(generator.integers(2, 6)):
        beam = Image.new("L", image.size)
        x, tilt, wide = generator.uniform(0, 80), generator.normal(0, 30), generator.uniform(6, 16)
        ImageDraw.Draw(beam).polygon(
            (x, -2, x + tilt - wide, 82, x + tilt + wide, 82), fill=int(generator.integers(50, 140))
        )
        image.paste(pick(STAGE, generator), (0, 0), beam.filter(ImageFilter.GaussianBlur(2)))
    return image.filter(ImageFilter.GaussianBlur(1.5))


def _outdoors(generator: np.random.Generator) -> Image.Image:
    sky, ground = mix((150, 196, 236), (250, 196, 150), generator.uniform(0, 1)), (120, 150, 96)
    image = _gradient(mix(sky, WHITE, 0.2), mix(sky, WHITE, 0.55), slant=generator.normal(0, 0.2))
    draw = ImageDraw.Draw(image)
    horizon = generator.uniform(35, 65)
    for _ in range(generator.integers(5, 12)):
        x, radius = generator.uniform(-5, 85), generator.uniform(8, 20)
        green = darker(mix(ground, (70, 110, 90), generator.uniform(0, 1)), generator.uniform(0, 0.35))
        draw.ellipse((x - radius, horizon - radius * 0.6, x + radius, horizon + 60), fill=green)
    return image.filter(ImageFilter.GaussianBlur(generator.uniform(2, 4)))


# ---- held or worn ----------------------------------------------------------------------------------------------


def microphone(painter: Painter, generator: np.random.Generator) -> None:
    """A hand-held microphone before the chin, from the lower left or right."""
    side = generator.choice((-1, 1))
    at = painter.place
    head = np.array([painter.head.turn * 0.7 + side * generator.uniform(0.05, 0.2), generator.uniform(0.95, 1.1)])
    foot = moved(head, side * generator.uniform(0.45, 0.8), 1.5)
    painter.canvas.fill(at(ribbon([head, foot], 0.10)), (46, 46, 54))
    painter.canvas.fill(at(ribbon([moved(head, 0.03, 0.1), foot], 0.025)), (128, 128, 138))
    painter.canvas.fill(at(ellipse(*head, 0.21, 0.23)), (70, 70, 80))
    painter.canvas.shade(
        at(ellipse(*(head - 0.07), 0.08, 0.07)), colour=(210, 210, 220), blur=0.05 * at.unit, opacity=0.9
    )
    _fist(painter, head + 0.55 * (foot - head), side)


def _fist(painter: Painter, centre: np.ndarray, side: int) -> None:
    """A hand around something held upright."""
    at, skin = painter.place, painter.skin
    arm = moved([(0, 0.1), (side * 0.35, 0.7), (side * 0.5, 1.6)], *centre)
    painter.canvas.fill(at(ribbon(smooth(arm, closed=False), 0.2)), painter.look.clothes)
    painter.canvas.fill(at(smooth(ellipse(*centre, 0.25, 0.27, steps=10))), mix(skin, painter.skin_dark, 0.2))
    for finger in range(4):
        y = centre[1] - 0.19 + 0.125 * finger
        painter.canvas.fill(
            at(ellipse(centre[0] - side * 0.03, y, 0.24, 0.075)), mix(skin, painter.skin_dark, 0.05 + 0.08 * finger)
        )


def v_sign(painter: Painter, generator: np.random.Generator) -> None:
    """A hand beside the cheek with two fingers up."""
    side = generator.choice((-1, 1))
    x, y = side * generator.uniform(0.85, 1.1), generator.uniform(0.85, 1.1)
    hand = Placement(*painter.place([(x + 0.3 * painter.head.turn, y)])[0], painter.unit * 0.95, painter.place.roll)
    skin, dark = painter.skin, painter.skin_dark
    paint = painter.canvas
    arm = smooth(np.array([(0, 0.2), (side * 0.2, 0.9), (side * 0.3, 2.2)]), closed=False)
    paint.fill(hand(ribbon(arm, 0.19)), painter.look.clothes)
    for lean, length in ((-0.22, 0.72), (0.2, 0.76)):
        finger = [(lean * 0.45, 0.0), (lean * 1.1, -length * 0.55), (lean * 1.5, -length)]
        paint.fill(hand(ribbon(smooth(np.array(finger), closed=False), 0.082)), mix(skin, dark, 0.12))
        paint.fill(hand(ellipse(lean * 1.5, -length, 0.082, 0.085)), mix(skin, dark, 0.12))
        paint.fill(hand(ellipse(lean * 1.52, -length - 0.02, 0.045, 0.05)), mix(skin, (250, 200, 200), 0.6))
    paint.fill(
        hand(smooth(np.array([(-0.22, -0.1), (0.2, -0.1), (0.24, 0.2), (0.12, 0.36), (-0.14, 0.36), (-0.24, 0.2)]))),
        skin,
    )
    for fold in (-0.09, 0.09):
        paint.fill(hand(ellipse(fold, 0.06, 0.1, 0.13)), mix(skin, dark, 0.25))
    paint.fill(hand(ribbon([(-0.2, 0.26), (0.16, 0.14)], 0.07)), mix(skin, dark, 0.1))


def phone(painter: Painter, generator: np.random.Generator) -> None:
    """A telephone held up beside the chin, its back to the viewer."""
    side = generator.choice((-1, 1))
    x, y = side * generator.uniform(0.72, 0.95), generator.uniform(0.7, 1.0)
    case = Placement(
        *painter.place([(x + 0.3 * painter.head.turn, y)])[0], painter.unit, painter.place.roll + side * 0.15
    )
    colour = pick([(40, 42, 50), (236, 232, 226), (214, 168, 178), (150, 170, 196), (168, 150, 190)], generator)
    _fist(painter, np.array([x, y + 0.5]), side)
    painter.canvas.fill(case(_rounded(0.33, 0.62, 0.09)), darker(colour, 0.3))
    painter.canvas.fill(case(_rounded(0.30, 0.59, 0.08)), colour)
    for lens in (0, 1):
        painter.canvas.fill(case(ellipse(-0.17, -0.42 + 0.2 * lens, 0.08, 0.08)), (20, 20, 26))
        painter.canvas.fill(case(ellipse(-0.19, -0.44 + 0.2 * lens, 0.025, 0.025)), (150, 160, 190))
    for finger in range(3):
        painter.canvas.fill(case(ellipse(-side * 0.28, 0.05 + 0.17 * finger, 0.15, 0.075)), painter.skin)


def _rounded(half_width: float, half_height: float, corner: float) -> np.ndarray:
    """A rectangle with round corners, centred."""
    quarter = np.linspace(0, np.pi / 2, 6)
    corners = ((1, 1, 0), (-1, 1, np.pi / 2), (-1, -1, np.pi), (1, -1, 1.5 * np.pi))
    arcs = [
        np.stack(
            [
                sx * (half_width - corner) + corner * np.cos(quarter + start),
                sy * (half_height - corner) + corner * np.sin(quarter + start),
            ],
            1,
        )
        for sx, sy, start in corners
    ]
    return np.vstack(arcs)


def mask(painter: Painter, generator: np.random.Generator) -> None:
    """A medical mask over nose and mouth."""
    colour = pick([(246, 247, 250), (40, 40, 48), (190, 214, 236), (238, 206, 214)], generator)
    top = [(-0.74, 0.2), (-0.4, 0.2), (0.0, 0.1), (0.4, 0.2), (0.74, 0.2)]
    bottom = [(0.66, 0.58), (0.42, 0.93), (0.0, 1.06), (-0.42, 0.93), (-0.66, 0.58)]
    x, y = np.array(top + bottom).T
    shape = smooth(painter.place(painter.head.on_face(x * painter.person["face_width"], y, lift=0.1)))
    area = painter.canvas.mask(shape)
    for side in (-1, 1):
        strap = painter.place(painter.head.on_skull(np.array([side * 62.0, side * 88.0]), np.array([0.25, 0.05])))
        painter.canvas.line(strap, darker(colour, 0.15), 0.04 * painter.unit)
    painter.canvas.paint(colour, area)
    for height in (0.42, 0.62, 0.8):
        u = np.linspace(-0.6, 0.6, 9)
        fold = painter.place(painter.head.on_face(u, height + 0.08 * u**2, lift=0.1))
        painter.canvas.line(fold, darker(colour, 0.18), 0.02 * painter.unit)
    side = -1 if painter.look.light[0] > 0 else 1
    dark = painter.place(painter.head.on_face(side * np.array([0.25, 0.78, 0.7, 0.3]), np.array([0.1, 0.1, 1.0, 1.1])))
    painter.canvas.shade(dark, colour=darker(colour, 0.4), blur=0.12 * painter.unit, opacity=0.5, inside=area)


def hat(painter: Painter, generator: np.random.Generator) -> None:
    """A cap, a bucket hat or a woollen hat."""
    colour = pick(HATS, generator)
    band, spread = HAT_SHAPES[generator.integers(len(HAT_SHAPES))]
    wide = painter.person["volume"] + 0.03
    crown = painter.place(painter.head.outline(grow=wide + 0.02, lift=wide + 0.04, down_to=-0.52))
    azimuth = np.linspace(88, -88, 15) - painter.look.yaw
    rim_height = -0.52 + 0.06 * np.cos(np.radians(azimuth))
    rim = painter.place(painter.head.on_skull(azimuth, rim_height, grow=wide + 0.04))
    shadow = ribbon(moved(rim, 0, 0.06 * painter.unit), 0.08 * painter.unit)
    painter.shade(shadow, painter.skin_dark, blur=0.06, opacity=0.6, inside=painter.face_mask)
    area = painter.canvas.mask(np.vstack([crown, rim]))
    painter.canvas.paint(colour, area)
    light = painter.place(ellipse(-0.35 - 0.2 * painter.look.light[0], -1.0, 0.35, 0.2))
    painter.shade(light, WHITE, blur=0.18, opacity=0.25, inside=area)
    painter.canvas.fill(ribbon(rim, band * painter.unit), darker(colour, 0.2))
    if spread is not None:
        _brim(painter, colour, spread=spread, rim_height=-0.5)


def _brim(painter: Painter, colour: Colour, *, spread: tuple[float, float], rim_height: float) -> None:
    half, depth = spread
    azimuth = np.linspace(half, -half, 13)
    inner = painter.head.on_skull(azimuth, np.full(13, rim_height), grow=painter.person["volume"] + 0.08)
    angle = np.radians(azimuth)
    reach = 0.95 + depth
    outer = painter.head.project(reach * np.sin(angle), np.full(13, rim_height + 0.10), reach * np.cos(angle))
    shape = painter.place(np.vstack([inner, moved(outer[::-1], 0, 0.06)]))
    painter.canvas.fill(shape, darker(colour, 0.12))


def sunglasses(painter: Painter, generator: np.random.Generator) -> None:
    """Dark glasses, round or square."""
    tint = pick([(26, 24, 30), (70, 44, 34), (40, 48, 84)], generator)
    square, gap = generator.random() < 0.5, painter.person["eye_gap"]
    for side in (-1, 1):
        lens = _rounded(0.27, 0.2, 0.1) if square else ellipse(0, 0, 0.26, 0.24)
        x, y = lens.T
        points = painter.place(painter.head.on_face(side * (gap + 0.02) + x, y + 0.03, lift=0.12))
        area = painter.canvas.mask(points)
        painter.canvas.paint(tint, area)
        shine = points.mean(axis=0) + (points - points.mean(axis=0)) * 0.5 + (-0.05 * painter.unit, -0.1 * painter.unit)
        painter.canvas.shade(shine, colour=(190, 200, 226), blur=0.06 * painter.unit, opacity=0.5, inside=area)
        arm = painter.head.on_skull(np.array([side * 45.0, side * 88.0]), np.array([-0.03, -0.05]), grow=1.04)
        painter.canvas.line(painter.place(arm), darker(tint, 0.3), 0.045 * painter.unit)
    bridge = painter.place(painter.head.on_face(np.array([-0.12, 0, 0.12]), np.array([0, -0.03, 0]), lift=0.15))
    painter.canvas.line(bridge, tint, 0.05 * painter.unit)


Prop = Callable[[Painter, np.random.Generator], None]
ARTIFACTS: dict[str, Prop] = {"microphone": microphone, "v_sign": v_sign, "phone": phone}
WORN: dict[str, Prop] = {"mask": mask, "hat": hat, "sunglasses": sunglasses}
