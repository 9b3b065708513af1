"""How a person is painted: from the back hair to the earrings, each part a few shapes on the head."""

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from kpop_rca.avatars.canvas import (
    INK,
    WHITE,
    Canvas,
    Colour,
    Placement,
    darker,
    ellipse,
    mix,
    moved,
    ramp,
    ribbon,
    smooth,
)
from kpop_rca.avatars.head import Head
from kpop_rca.avatars.portrait import IRIS, LIPS, SKIN, Look, Person, hair_colour

EAR = np.array([(0.77, -0.12), (0.87, -0.17), (0.945, -0.08), (0.92, 0.08), (0.86, 0.24), (0.78, 0.27)])
U = np.linspace(-1, 1, 15)  # along lids, brows and lips, from one corner to the other
LASHES = np.interp(U, [-1, 0.1, 1], [0.35, 1.0, 0.7])
STRANDS = 512  # steps of the hair's shades around the head
# of a neckline: where it meets the neck, how deep it is, its half-width half-way down, the width of its hem
NECKLINE = {
    "crew": (1.44, 1.72, 0.34, 0.05),
    "v": (1.44, 2.2, 0.2, 0.035),
    "jacket": (1.42, 2.1, 0.2, 0.13),
    "collar": (1.32, 1.75, 0.34, 0.0),
    "hood": (1.3, 1.62, 0.36, 0.16),
    "turtleneck": (1.12, 1.18, 0.34, 0.0),
}
TRIMMED = ("jacket", "crew")  # necklines whose hem has the second colour


class Painter:
    """Paints one person with one look on a canvas, the head where a placement has it."""

    def __init__(self, target: Canvas, place: Placement, person: Person, look: Look) -> None:
        self.canvas, self.person, self.look = target, person, look
        self.place = replace(place, roll=place.roll + np.radians(look.roll))
        self.torso = replace(place, roll=place.roll + np.radians(0.2 * look.roll))
        shape = {name: person[name] for name in ("face_width", "jaw", "chin")}
        self.head = Head(**shape, yaw=look.yaw, pitch=look.pitch)
        self.skin = ramp(SKIN, person["tone"])
        self.skin_dark = darker(self.skin, 0.42)
        self.hair = hair_colour(person)
        self.unit = place.unit
        self.long = person.style == "long"
        self.ears_shown = look.tied or not self.long
        self._outline = self.place(self.head.outline())
        self.face_mask = target.mask(self._outline)

    def paint(self) -> None:
        """Paint the whole person, from the back to the front."""
        near = -1 if self.look.yaw > 0 else 1  # the side of the head that turns towards the viewer
        if self.long:
            self._back_hair()
        self._body()
        if self.ears_shown:
            self._ear(-near)
            self._ear(near)
        self._face()
        self._nose()
        self._mouth()
        for side in (-1, 1):
            self._eye(side)
            self._brow(side)
        self._mole()
        self._front_hair()
        if self.ears_shown and abs(self.look.yaw) > 12:
            self._ear(near)
        self._earrings()

    # ---- helpers -------------------------------------------------------------------------------------------------

    def on_face(self, x: Any, y: Any, *, lift: float = 0.0) -> np.ndarray:
        """Places on the face in a frontal view, as canvas pixels."""
        return self.place(self.head.on_face(x, y, lift=lift))

    def oval(self, x: float, y: float, half_width: float, half_height: float, *, lift: float = 0.0) -> np.ndarray:
        """An oval on the face, as canvas pixels."""
        return self.on_face(*ellipse(x, y, half_width, half_height, steps=20).T, lift=lift)

    def shade(self, points: Any, colour: Colour, *, blur: float, opacity: float, inside: Any = None) -> None:
        """`Canvas.shade` with the blur in the head's units."""
        self.canvas.shade(points, colour=colour, blur=blur * self.unit, opacity=opacity, inside=inside)

    def _between(self, above: np.ndarray, below: np.ndarray, colour: Colour) -> None:
        self.canvas.fill(np.vstack([above, below[::-1]]), colour)

    # ---- skin ----------------------------------------------------------------------------------------------------

    def _lit_skin(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The skin's colour at canvas pixels, lit as an ellipsoid (Lambert's law, softened)."""
        x, y = self.place.inverse(x, y)
        nx, ny = (x - 0.15 * self.head.turn) / 0.98, (y + 0.02) / 1.35
        nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.05, 1))
        lx, ly, lz = self.look.light
        lit = np.clip(nx * lx + ny * ly + nz * lz, -0.4, 1)
        shade = np.clip((0.82 - lit) * self.look.contrast, 0, 1)[..., None]
        glow = np.clip((lit - 0.86) * 1.4, 0, 0.2)[..., None]
        base, dark = np.array(self.skin, np.float32), np.array(self.skin_dark, np.float32)
        colours = base + (dark - base) * shade
        return colours + (255 - colours) * glow

    def _face(self) -> None:
        self.canvas.paint(self._lit_skin, self.face_mask)
        rosy = mix(self.skin, (240, 96, 100), 0.7)
        for side in (-1, 1):
            cheek = self.oval(side * 0.47, 0.36, 0.17, 0.12)
            self.shade(cheek, rosy, blur=0.1, opacity=self.look.blush, inside=self.face_mask)
            socket = self.oval(side * self.person["eye_gap"], -0.06, 0.24, 0.13)
            self.shade(socket, self.skin_dark, blur=0.07, opacity=0.2, inside=self.face_mask)

    def _ear(self, side: int) -> None:
        x, y = side * EAR[:, 0] * self.person["face_width"], EAR[:, 1]
        ear = smooth(self.place(self.head.project(x, y, np.full(len(x), 0.02))))
        self.canvas.fill(ear, mix(self.skin, self.skin_dark, 0.2))
        inner = ear.mean(axis=0) + 0.5 * (ear - ear.mean(axis=0))
        self.shade(inner, self.skin_dark, blur=0.03, opacity=0.55)

    def _nose(self) -> None:
        length, width = self.person["nose_length"], self.person["nose_width"]
        side = -1 if self.look.light[0] > 0 else 1
        x, y = np.array(
            [(0, -0.1), (0.05, -0.1), (0.035, 0.1), (0.06, length - 0.12), (width, length - 0.02), (0, length)]
        ).T
        bridge = self.on_face(side * x, y, lift=0.08)
        self.shade(bridge, self.skin_dark, blur=0.035, opacity=0.45 * self.look.contrast + 0.1)
        under = self.oval(0, length + 0.03, width * 1.05, 0.03, lift=0.12)
        self.shade(under, darker(self.skin_dark, 0.15), blur=0.025, opacity=0.55)
        for nostril in (-1, 1):
            hole = self.oval(nostril * width * 0.5, length + 0.03, 0.026, 0.013, lift=0.12)
            self.canvas.fill(hole, darker(self.skin_dark, 0.3))
        self.shade(self.oval(-side * 0.015, length - 0.08, 0.03, 0.05, lift=0.2), WHITE, blur=0.03, opacity=0.4)

    def _mole(self) -> None:
        x, y, size = (self.person[name] for name in ("mole_x", "mole_y", "mole"))
        if size > 0.005:  # a smaller one would not be seen
            self.canvas.fill(self.oval(x, y, size, size), darker(self.skin_dark, 0.4))

    # ---- mouth ---------------------------------------------------------------------------------------------------

    def _mouth(self) -> None:
        look, full = self.look, self.person["lip_full"]
        half = self.person["mouth_width"] * (0.94 + 0.26 * look.smile)
        upper = self.person["mouth_height"] - (0.12 * look.smile - 0.015) * (U**2 - 0.35)
        gap = 0.16 * look.mouth_open * (1 - U**2) ** 0.7
        lower = upper + gap
        cupid = 0.062 * full * (1 - np.abs(U) ** 1.6) * (1 - 0.32 * np.exp(-((U / 0.16) ** 2)))
        bottom = lower + 0.1 * full * (1 - np.abs(U) ** 2.2)
        top, open_top, open_bottom, end = (
            self.on_face(U * half, y, lift=0.05) for y in (upper - cupid, upper, lower, bottom)
        )
        colour = mix(ramp(LIPS, self.person["lip_shade"]), self.skin_dark, 0.15)
        self.shade(moved(end, 0, 0.05 * self.unit), self.skin_dark, blur=0.03, opacity=0.45, inside=self.face_mask)
        self._between(open_top, open_bottom, (110, 36, 44))
        if look.mouth_open > 0.06:
            self._between(open_top, open_top + 0.6 * (open_bottom - open_top), (250, 247, 244))
        self._between(top, moved(open_top, 0, 0.012 * self.unit), darker(colour, 0.12))
        self._between(open_bottom, end, mix(colour, WHITE, 0.1))
        middle = (open_bottom[7] + end[7]) / 2
        shine = ellipse(*middle, 0.08 * self.unit, 0.014 * self.unit)
        self.shade(shine, WHITE, blur=0.015, opacity=0.4)
        if look.mouth_open < 0.06:
            self.canvas.line(open_top, darker(colour, 0.45), 0.022 * self.unit)

    # ---- eyes ----------------------------------------------------------------------------------------------------

    def _eye(self, side: int) -> None:
        if self.look.wink == side:
            self._closed_eye(side)
            return
        upper, lower = self._lids(side)
        mask = self.canvas.mask(np.vstack([upper, lower[::-1]]))
        self.canvas.paint(mix((250, 247, 246), self.skin, 0.12), mask)
        self._iris(side, mask)
        band = ribbon(moved(upper, 0, 0.03 * self.unit), 0.035 * self.unit)
        self.shade(band, INK, blur=0.02, opacity=0.35, inside=mask)
        lash = (0.032 if self.long else 0.024) * self.unit
        self.canvas.fill(ribbon(upper, lash * LASHES), mix(INK, self.hair, 0.25))
        self.canvas.line(lower[4:-1], mix(self.skin_dark, INK, 0.3), 0.016 * self.unit)
        self.canvas.line(upper[2:-2] - (0, 0.075 * self.unit), mix(self.skin_dark, INK, 0.15), 0.016 * self.unit)

    def _lids(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Upper and lower lid from the inner to the outer corner, canvas px, (15, 2) each."""
        person = self.person
        half = 0.185 * person["eye_size"]
        height = 0.125 * person["eye_size"] * person["eye_height"] * self.look.squint
        tilt = -person["eye_tilt"] * half * U
        up = -height * (1 - np.abs(U + 0.08 * (1 - U**2)) ** 2.3)
        down = 0.62 * height * (1 - np.abs(U) ** 2.4) * (1 - 0.35 * self.look.smile)
        x = side * (person["eye_gap"] + U * half)
        return self.on_face(x, tilt + up), self.on_face(x, tilt + down)

    def _iris(self, side: int, mask: Image.Image) -> None:
        (gx, gy), radius = self.look.gaze, 0.118 * self.person["eye_size"]
        x, y = side * self.person["eye_gap"] + 0.05 * gx, -0.02 + 0.025 * gy
        colour = ramp(IRIS, self.person["eye_shade"])
        for fraction, ring in ((1.0, darker(colour, 0.55)), (0.86, colour), (0.46, (16, 12, 14))):
            self.canvas.fill(self.oval(x, y, radius * fraction, radius * fraction), ring, inside=mask)
        glow = self.oval(x, y + 0.5 * radius, 0.55 * radius, 0.3 * radius)
        self.shade(glow, mix(colour, WHITE, 0.45), blur=0.02, opacity=0.7, inside=mask)
        lit = -1 if self.look.light[0] < 0 else 1
        for dx, dy, fraction in ((0.36 * lit, -0.36, 0.28), (-0.34 * lit, 0.36, 0.13)):
            self.canvas.fill(self.oval(x + dx * radius, y + dy * radius, fraction * radius, fraction * radius), WHITE)

    def _closed_eye(self, side: int) -> None:
        half = 0.19 * self.person["eye_size"]
        x = side * (self.person["eye_gap"] + U * half)
        curve = self.on_face(x, 0.06 - 0.085 * (1 - U**2) - self.person["eye_tilt"] * half * U)
        self.canvas.fill(ribbon(curve, 0.024 * self.unit * (0.6 + 0.4 * LASHES)), INK)

    def _brow(self, side: int) -> None:
        person = self.person
        arch = person["brow_arch"] * (1 - (U - 0.12) ** 2)
        y = -person["brow_height"] - self.look.brow_lift - person["brow_tilt"] * U - arch
        points = self.on_face(side * (person["eye_gap"] + 0.02 + 0.24 * U), y)
        taper = np.clip(np.minimum((U + 1.15) / 0.4, (1.08 - U) / 0.9), 0.1, 1)
        colour = mix(mix(self.hair, INK, 0.3), self.skin, 0.18)
        self.canvas.fill(ribbon(points, person["brow_thick"] * self.unit * taper), colour)

    # ---- hair ----------------------------------------------------------------------------------------------------

    def _strands(self, x: np.ndarray, y: np.ndarray, *, shadow: float = 0.0) -> np.ndarray:
        """The hair's colour at canvas pixels: glossy strands that fan out from the parting.

        `shadow` in [0, 1] darkens and dulls hair that lies behind.
        """
        x, y = self.place.inverse(x, y)
        top = self.head.on_skull(np.array([self.person["parting"]]), np.array([-1.08]))[0].astype(np.float32)
        angle = np.arctan2(x - top[0], y - top[1] + np.float32(0.35))
        distance = np.hypot(x - top[0], y - top[1])
        noise = np.random.default_rng(self.look.texture).random(STRANDS // 2, dtype=np.float32)
        table = np.interp(np.arange(STRANDS), np.arange(0, STRANDS, 2), noise).astype(np.float32)
        strand = table[((angle / np.float32(np.pi) + 1) * (STRANDS // 2 - 1)).astype(np.int16)]
        gloss = np.exp(-(((distance - 0.52 - 0.16 * strand) / np.float32(0.13)) ** 2))
        gloss += 0.5 * np.exp(-(((distance - 1.75 - 0.25 * strand) / np.float32(0.3)) ** 2))
        lx, ly = np.float32(self.look.light[:2])
        lit = np.clip(0.75 + 0.35 * (x * lx - 0.3 * y * ly), 0.45, 1.1)
        tone = (0.72 + 0.32 * strand) * lit * (1 - shadow)
        colours = np.array(self.hair, np.float32) * tone[..., None]
        sheen = np.array(mix(self.hair, (255, 244, 236), 0.55), np.float32)
        return colours + (sheen - colours) * (0.75 * (1 - shadow) * gloss * (0.35 + 0.65 * strand))[..., None]

    def _back_hair(self) -> None:
        length = 1.2 if self.look.tied else self.person["hair_length"]
        y = np.array([-0.9, -0.3, 0.2, 0.7, 1.1, 1.5, 1.9, 2.3])
        y = y[0] + (y - y[0]) * (length + 0.9) / (y[-1] - y[0])
        sway = 0.1 * self.person["wave"] * np.sin(4.2 * y + self.look.texture % 6)
        half = self.person["volume"] * np.array([0.5, 0.82, 0.9, 0.95, 0.98, 1.0, 0.98, 0.8])
        if self.look.tied:
            half *= np.array([1, 1, 0.9, 0.6, 0.45, 0.42, 0.36, 0.2])
        shift = -0.1 * self.head.turn
        left, right = np.stack([shift - half - sway, y], 1), np.stack([shift + half - sway, y], 1)
        mask = self.canvas.mask(smooth(self.place(np.vstack([left[::-1], right]))))
        self.canvas.paint(lambda x, y: self._strands(x, y, shadow=0.35), mask, step=2)

    def _hairline(self) -> np.ndarray:
        """The lower edge of the hair over the face, canvas px, from the left to the right."""
        person, noise = self.person, np.random.default_rng(self.look.texture)
        azimuth = np.linspace(-92 - self.look.yaw, 92 - self.look.yaw, 61)
        fall = 1 - np.exp(-(((azimuth - person["parting"]) / 34) ** 2))
        fringe = np.clip(person["fringe"], 0, 1.15)
        y = -0.92 + (0.1 + 0.4 * fringe) * fall + 0.14 * fringe
        side = np.clip((np.abs(azimuth) - 52) / 22, 0, 1) ** 1.5
        if self.long:
            end = -0.1 if self.look.tied else 0.35
        else:
            saw = (azimuth / noise.uniform(13, 20) + noise.uniform()) % 1
            y = y + (0.06 + 0.12 * person["wave"]) * saw * (1 - side)
            end = -0.05 + 0.25 * person["hair_length"]
        y = y + side * (end - y)
        nape = np.clip((np.abs(azimuth) - 96) / 12, 0, 1)  # behind the ears
        y = y + nape * (max(end, 0.55) - y)
        return self.place(self.head.on_skull(azimuth, np.minimum(y, 0.9), grow=1.03))

    def _crown(self) -> np.ndarray:
        """The hair's outer edge over the top of the head, canvas px, from the left to the right."""
        wide = self.person["volume"]
        arch = self.head.outline(grow=wide - 0.03, lift=wide + 0.02, down_to=-0.1)
        if not self.long:
            along = np.linspace(0, np.pi, len(arch))
            tufts = np.abs(np.sin(along * (5 + self.look.texture % 4) + self.look.texture % 7))
            arch = arch * (1 + (0.02 + 0.05 * self.person["wave"]) * tufts * np.sin(along))[:, None]
        return self.place(arch)

    def _front_hair(self) -> None:
        lower, upper = self._hairline(), self._crown()
        cap = np.vstack([upper, lower[::-1]])
        shadow = np.vstack([upper, moved(lower, 0, 0.07 * self.unit)[::-1]])
        self.shade(shadow, self.skin_dark, blur=0.035, opacity=0.5, inside=self.face_mask)
        locks = [self._lock(side) for side in (-1, 1)] if self.long and not self.look.tied else []
        self.canvas.paint(self._strands, self.canvas.mask(cap, *locks), step=2)

    def _lock(self, side: int) -> np.ndarray:
        """A lock of long hair beside the face, canvas px; the far one slides behind the cheek as the head turns."""
        person, turn = self.person, self.head.turn
        y = np.array([-0.75, -0.3, 0.1, 0.5, 0.9, 1.3, 1.7])
        y = y[0] + (y - y[0]) * (person["hair_length"] + 0.65) / (y[-1] - y[0])
        sway = 0.09 * person["wave"] * np.sin(4.2 * y + 2 * side + self.look.texture % 5)
        inner = np.array([0.62, 0.735, 0.77, 0.76, 0.72, 0.72, 0.84]) * person["face_width"]
        outer = np.array([0.72, 0.86, 0.9, 0.93, 0.97, 0.98, 0.86]) * person["volume"] + 0.02
        inner = inner + (0.22 * abs(turn) if side * turn > 0 else -0.3 * turn**2)
        left, right = np.stack([side * inner, y], 1), np.stack([side * np.maximum(outer, inner + 0.03), y], 1)
        return smooth(self.place(np.vstack([left, right[::-1]]) + np.append(sway, sway[::-1])[:, None] * (1, 0)))

    def _earrings(self) -> None:
        size = max(self.person["earring"], 0.015) * self.unit
        for side in (-1, 1):
            if side * self.look.yaw > 12:
                continue  # hidden behind the cheek
            lobe = self.head.project(np.array([side * 0.85 * self.person["face_width"]]), np.array([0.31]), 0.05)
            spot = self.place(lobe)[0]
            self.canvas.fill(ellipse(*spot, size, size), (232, 208, 144))
            self.canvas.fill(ellipse(*(spot - 0.3 * size), 0.35 * size, 0.35 * size), WHITE)

    # ---- body ----------------------------------------------------------------------------------------------------

    def _body(self) -> None:
        neck, shoulder = (0.36, 1.55) if self.long else (0.45, 1.85)
        self._neck(neck)
        top, dip, half, hem = NECKLINE[self.look.neckline]
        edge = np.array(
            [(neck * 1.08, top), (0.75, 1.56), (shoulder, 1.86), (shoulder + 0.3, 2.6), (shoulder + 0.4, 6)]
        )
        right = smooth(edge, closed=False)
        middle = (top + dip) / 2 + 0.06
        collar = [(neck * 1.08, top), (half, middle), (0, dip), (-half, middle), (-neck * 1.08, top)]
        neckline = smooth(np.array(collar), closed=False)
        mask = self.canvas.mask(self.torso(np.vstack([right * (-1, 1), right[::-1], neckline])))
        clothes = self.look.clothes
        self.canvas.paint(clothes, mask)
        away = -1 if self.look.light[0] > 0 else 1
        dark = self.torso([(away * 0.5, 1.4), (away * 3.5, 1.4), (away * 3.5, 6), (away * 0.9, 6)])
        self.shade(dark, darker(clothes, 0.35), blur=0.3, opacity=0.5, inside=mask)
        self._collar(neckline, mask, hem)

    def _neck(self, half: float) -> None:
        edge = np.array([(half * 0.92, 0.6), (half * 0.9, 1.15), (half * 1.1, 1.5), (0.6, 1.66), (0.6, 2.4)])
        side = smooth(edge, closed=False)
        mask = self.canvas.mask(self.torso(np.vstack([side[::-1] * (-1, 1), side])))
        self.canvas.paint(mix(self.skin, self.skin_dark, 0.2), mask)
        self.shade(moved(self._outline, 0, 0.2 * self.unit), self.skin_dark, blur=0.09, opacity=0.75, inside=mask)

    def _collar(self, neckline: np.ndarray, mask: Image.Image, hem: float) -> None:
        look = self.look
        if look.neckline == "turtleneck":
            fold = self.torso([(-0.42, 1.14), (0.42, 1.14), (0.46, 1.42), (-0.46, 1.42)])
            self.shade(fold, darker(look.clothes, 0.3), blur=0.05, opacity=0.5, inside=mask)
        elif look.neckline == "collar":
            flap = np.array([(0.42, 1.25), (0.05, 1.72), (0.42, 1.98), (0.62, 1.42)])
            for side in (-1, 1):
                self.canvas.fill(self.torso(flap * (side, 1)), mix(look.clothes, WHITE, 0.35))
        else:
            colour = look.trim if look.neckline in TRIMMED else darker(look.clothes, 0.14)
            self.canvas.fill(ribbon(self.torso(neckline), hem * self.unit), colour)
