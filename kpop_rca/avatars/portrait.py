"""Invented people: their traits, the look of one image, and how a person is painted.

A person is a fixed vector of traits. An image adds what changes from one image to the next: pose, expression,
light, clothes, make-up. All shapes are computed from these numbers; no image, font or model is read.
"""

from dataclasses import dataclass, replace

import numpy as np

from kpop_rca.avatars.canvas import Colour, mix, ramp

SKIN = [(250, 227, 210), (249, 215, 192), (243, 202, 172), (226, 178, 144), (200, 148, 112)]
HAIR = [(24, 21, 27), (46, 33, 33), (84, 54, 42), (134, 82, 52), (178, 124, 78), (214, 178, 132)]
IRIS = [(40, 26, 24), (74, 46, 32), (112, 72, 44), (120, 106, 72), (92, 116, 128)]
LIPS = [(206, 118, 112), (214, 98, 104), (198, 68, 86), (160, 52, 66)]
CLOTHES = [
    (242, 240, 236), (34, 36, 44), (86, 110, 158), (182, 72, 84), (232, 190, 98), (96, 138, 118),
    (150, 128, 184), (214, 160, 168), (120, 132, 146), (70, 62, 92), (226, 132, 92), (150, 196, 208),
]  # fmt: skip
NECKLINES = ("crew", "v", "collar", "turtleneck", "jacket", "hood")


@dataclass(frozen=True)
class Trait:
    """One number of a person: its centre in the two styles, how far people lie apart, how it changes by image."""

    long: float
    short: float
    spread: float
    wobble: float = 0.0


TRAITS = {
    "tone": Trait(0.24, 0.34, 0.26, 0.03),  # place in SKIN
    "hair_shade": Trait(0.34, 0.20, 0.30, 0.05),  # place in HAIR
    "hair_red": Trait(0.2, 0.1, 0.5, 0.1),  # towards red (1) or ash (-1)
    "hair_length": Trait(1.7, 0.5, 0.55, 0.06),  # long: height of the tips; short: length of the sides in [0, 1]
    "volume": Trait(1.13, 1.19, 0.05, 0.012),  # of the hair, by the size of the skull
    "wave": Trait(0.45, 0.4, 0.4, 0.08),
    "parting": Trait(0.0, 8.0, 34.0, 4.0),  # degrees around the head
    "fringe": Trait(0.35, 0.75, 0.45, 0.07),  # how far the hair falls over the forehead
    "face_width": Trait(0.97, 1.02, 0.06, 0.006),
    "jaw": Trait(0.94, 1.10, 0.11, 0.01),
    "chin": Trait(1.0, 1.06, 0.12, 0.01),
    "eye_size": Trait(1.10, 0.94, 0.13, 0.015),
    "eye_height": Trait(1.0, 0.92, 0.16, 0.03),
    "eye_gap": Trait(0.365, 0.36, 0.028, 0.003),
    "eye_tilt": Trait(0.07, 0.06, 0.11, 0.012),
    "eye_shade": Trait(0.3, 0.25, 0.3, 0.03),  # place in IRIS
    "brow_thick": Trait(0.036, 0.052, 0.014, 0.003),
    "brow_tilt": Trait(-0.012, 0.002, 0.045, 0.008),
    "brow_arch": Trait(0.055, 0.035, 0.03, 0.006),
    "brow_height": Trait(0.285, 0.25, 0.035, 0.006),
    "nose_length": Trait(0.40, 0.43, 0.045, 0.005),
    "nose_width": Trait(0.105, 0.125, 0.022, 0.003),
    "mouth_width": Trait(0.262, 0.275, 0.035, 0.005),
    "mouth_height": Trait(0.665, 0.675, 0.025, 0.004),
    "lip_full": Trait(1.1, 0.85, 0.28, 0.05),
    "lip_shade": Trait(0.45, 0.12, 0.28, 0.10),  # place in LIPS
    "mole_x": Trait(0.42, -0.42, 0.13),
    "mole_y": Trait(0.52, 0.5, 0.22),
    "mole": Trait(0.009, 0.009, 0.011, 0.001),
    "earring": Trait(0.06, 0.035, 0.03, 0.008),
}  # fmt: skip
STYLES = ("long", "short")


@dataclass(frozen=True)
class Person:
    """An identity: a style ("long" or "short" hair) and the value of each trait."""

    style: str
    traits: dict[str, float]

    def __getitem__(self, name: str) -> float:
        return self.traits[name]


@dataclass(frozen=True)
class Look:
    """What changes from one image of a person to the next."""

    yaw: float = 0.0  # degrees, as pitch and roll; positive turns to the image's right,
    pitch: float = 0.0  # looks down,
    roll: float = 0.0  # leans clockwise
    smile: float = 0.4  # in [0, 1]
    mouth_open: float = 0.0  # in [0, 1]
    squint: float = 1.0  # factor of the eyes' opening
    wink: int = 0  # -1 or 1, the side of the closed eye; 0 for none
    gaze: tuple[float, float] = (0.0, 0.0)  # where the eyes look, each in [-1, 1]
    brow_lift: float = 0.0  # in the head's units
    blush: float = 0.3  # opacity in [0, 1]
    light: tuple[float, float, float] = (-0.4, -0.5, 0.77)  # direction that the light comes from, length 1
    contrast: float = 0.6  # strength of the shading, in [0, 1]
    clothes: Colour = CLOTHES[0]
    trim: Colour = CLOTHES[1]
    neckline: str = "crew"  # one of NECKLINES
    tied: bool = False  # whether long hair is tied back
    texture: int = 0  # seed of the hair's strands


def invent_people(
    *, styles: list[str], alikeness: float, generator: np.random.Generator, first_stands_out: float = 0.0
) -> list[Person]:
    """People of given styles, spread evenly within each style.

    In each style and for each trait the people take evenly spaced levels in shuffled order, so that no two of them are
    twins by chance; the style's centre moves a little with the seed.

    Args:
        styles: of each person.
        alikeness: in [0, 1]; 1 makes the people of one style identical.
        generator: of levels and centres.
        first_stands_out: in [0, 1]; moves every trait of the first person from where it is (0) to the nearer end of
            what alikeness 0 allows (1). The others do not depend on it.
    """
    traits: list[dict[str, float]] = [{} for _ in styles]
    for style in STYLES:
        members = [index for index, given in enumerate(styles) if given == style]
        for name, trait in TRAITS.items():
            centre = getattr(trait, style) + 0.2 * trait.spread * generator.standard_normal()
            levels = generator.permutation(np.linspace(-1, 1, max(len(members), 2)))
            for index, level in zip(members, levels, strict=False):
                traits[index][name] = centre + (1 - alikeness) * trait.spread * level
                if index == 0:
                    end = centre + trait.spread * np.copysign(1.0, level)
                    traits[index][name] += first_stands_out * (end - traits[index][name])
    return [Person(style=style, traits=values) for style, values in zip(styles, traits, strict=True)]


def on_the_day(person: Person, *, generator: np.random.Generator, strength: float = 1.0) -> Person:
    """The person as in one image: hair, make-up and proportions a little different from another day's."""
    wobble = {name: strength * TRAITS[name].wobble * generator.standard_normal() for name in person.traits}
    return replace(person, traits={name: value + wobble[name] for name, value in person.traits.items()})


def random_look(generator: np.random.Generator) -> Look:
    """An ordinary look: mostly frontal, friendly, lit from above."""
    smile = float(generator.beta(1.6, 1.6))
    azimuth, height = generator.normal(0, 45), generator.normal(35, 14)
    light = _direction(azimuth=azimuth, height=height)
    yaw = float(np.clip(generator.normal(0, 14), -32, 32))
    clothes, trim = generator.choice(len(CLOTHES), size=2, replace=False)
    return Look(
        yaw=yaw,
        pitch=float(np.clip(generator.normal(0, 6), -14, 14)),
        roll=float(np.clip(generator.normal(0, 7), -18, 18)),
        smile=smile,
        mouth_open=float(max(0, generator.normal(0.5 * smile, 0.3) - 0.2)),
        squint=float(np.clip(generator.normal(1.04 - 0.2 * smile, 0.08), 0.7, 1.2)),
        gaze=(float(np.clip(generator.normal(-yaw / 50, 0.3), -1, 1)), float(generator.normal(0, 0.2))),
        brow_lift=float(generator.normal(0, 0.02)),
        blush=float(generator.uniform(0.1, 0.5)),
        light=light,
        contrast=float(generator.uniform(0.35, 0.9)),
        clothes=CLOTHES[clothes],
        trim=CLOTHES[trim],
        neckline=str(generator.choice(NECKLINES)),
        tied=bool(generator.random() < 0.15),
        texture=int(generator.integers(2**31)),
    )


def _direction(*, azimuth: float, height: float) -> tuple[float, float, float]:
    """Unit vector towards a light, from its angles in degrees: azimuth to the right, height above the eyes."""
    a, h = np.radians(np.clip(azimuth, -75, 75)), np.radians(np.clip(height, -10, 70))
    return float(np.sin(a) * np.cos(h)), float(-np.sin(h)), float(np.cos(a) * np.cos(h))


def hair_colour(person: Person) -> Colour:
    """The base colour of a person's hair."""
    colour, red = ramp(HAIR, person["hair_shade"]), person["hair_red"]
    return mix(colour, (150, 52, 40), 0.3 * red) if red > 0 else mix(colour, (112, 116, 128), -0.3 * red)
