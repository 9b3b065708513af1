"""Colours as sRGB, whatever colour space a file says that its numbers are in.

What a file says is taken, in this order, from an embedded ICC profile, the chunks of a PNG (sRGB, gAMA, cHRM), the
`nclx` box of an AVIF or HEIF file, and the EXIF record in which a camera names Adobe RGB. A file that says nothing is
sRGB. Read as sRGB with a note: HDR transfer curves and primaries other than sRGB's and Display P3's in an `nclx` box.
Not looked at: a PNG's cICP chunk, gain maps, and EXIF's own gamma and primaries.
"""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms

Point = tuple[float, float]  # a chromaticity, x and y

LARGEST_PROFILE = 8_000_000  # bytes; those of printers have up to 3 million
HEAD = 1 << 16  # bytes of an AVIF or HEIF file in which its boxes lie
ROUNDING = 1  # grey levels by which sRGB's profiles, of which there are dozens, differ
LEAST_CONTRAST = 64  # grey levels between black and white, below which a profile describes no image
SRGB_GAMMA = 0.45455  # as a PNG says it of sRGB, whose curve is no power
D50 = np.array([0.9642, 1.0, 0.8249])  # the white to which ICC profiles refer
D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))  # red, green and blue
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ADOBE_GAMMA = 563 / 256
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
NCLX_SRGB, NCLX_P3 = (1, 2, 5, 6), 12  # primaries: unknown and those near sRGB's, Display P3's
NCLX_CURVES = (1, 2, 6, 13, 14, 15)  # transfer curves: unknown and those of ordinary screens


class Unusable(Exception):
    """Why what a file says of its colours cannot be followed, in a few words."""


def stated_profile(image: Image.Image, file: BinaryIO) -> bytes | None:
    """The ICC profile that an opened file embeds, or one made of what it says otherwise; None for sRGB.

    Raises:
        Unusable: what it says is out of range, or not known here.
    """
    if image.info.get("icc_profile"):
        return image.info["icc_profile"]
    if image.format == "PNG":
        return _of_png(image.info)
    if image.format in ("AVIF", "HEIF"):
        return _of_nclx(file)
    return matrix_profile(ADOBE_RGB, gamma=ADOBE_GAMMA) if _names_adobe_rgb(image) else None


def _of_png(info: dict) -> bytes | None:
    gamma, chromaticity = info.get("gamma"), info.get("chromaticity")
    if "srgb" in info or (gamma is None and chromaticity is None):
        return None
    if gamma is not None and not 0.1 <= gamma <= 2:
        raise Unusable(f"a gamma of {gamma:g}")
    numbers = chromaticity or (*D65, *(number for pair in SRGB for number in pair))
    if len(numbers) != 8:  # older versions of Pillow hand on whatever there is
        raise Unusable(f"chromaticities of {len(numbers)} numbers, not 8")
    white, *primaries = zip(numbers[::2], numbers[1::2], strict=True)
    as_srgb = gamma is None or abs(gamma - SRGB_GAMMA) < 1e-3
    return matrix_profile(tuple(primaries), white=white, gamma=None if as_srgb else 1 / gamma)


def _of_nclx(file: BinaryIO) -> bytes | None:
    file.seek(0)
    _, found, rest = file.read(HEAD).partition(b"colrnclx")
    if not found or len(rest) < 4:
        return None
    primaries, curve = struct.unpack(">HH", rest[:4])
    if curve not in NCLX_CURVES or primaries not in (*NCLX_SRGB, NCLX_P3):
        raise Unusable(f"primaries {primaries} and transfer curve {curve} (ITU-T H.273)")
    return matrix_profile(DISPLAY_P3) if primaries == NCLX_P3 else None


def _names_adobe_rgb(image: Image.Image) -> bool:
    """Whether a camera says so: DCF's "R03", or the older colour space 2."""
    with suppress(Exception):  # a record that cannot be read says nothing
        exif = image.getexif()
        index = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, "")
        return str(index).startswith("R03") or exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace) == 2
    return False


@lru_cache(maxsize=64)
def matrix_profile(primaries: tuple[Point, Point, Point], *, white: Point = D65, gamma: float | None = None) -> bytes:
    """An ICC profile of a space of red, green and blue, and of one curve: a power, or None for sRGB's.

    Raises:
        Unusable: these primaries span no space.

    Source:
        ICC.1:2022, sections 7 to 10.
    """
    kind, curve = (3, [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]) if gamma is None else (0, [gamma])
    tags = {b"wtpt": b"XYZ " + bytes(4) + _fixed(D50)}
    for name, xyz in zip((b"r", b"g", b"b"), _adapted(primaries, white=white).T, strict=True):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(xyz)
        tags[name + b"TRC"] = struct.pack(">4sIHH", b"para", 0, kind, 0) + _fixed(curve)
    start, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s12x4s28x", start + len(data), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return head + _fixed(D50) + bytes(48) + table + data


def _adapted(primaries: tuple[Point, Point, Point], *, white: Point) -> np.ndarray:
    """(3, 3): a column of XYZ for each primary, from a white to D50 by Bradford's matrix."""
    try:
        columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
        of_white = np.array([white[0] / white[1], 1.0, (1 - sum(white)) / white[1]])
        scaled = columns * np.linalg.solve(columns, of_white)
        adapted = np.linalg.solve(BRADFORD, np.diag(BRADFORD @ D50 / (BRADFORD @ of_white)) @ BRADFORD @ scaled)
        if np.abs(adapted).max() <= 8:
            return adapted
    except (ZeroDivisionError, np.linalg.LinAlgError):
        pass
    raise Unusable("primaries that span no colours")


def _fixed(numbers: list[float] | np.ndarray) -> bytes:
    """Numbers as ICC writes them: 16 bits before the point, and 16 behind."""
    return b"".join(struct.pack(">i", round(float(number) * 65536)) for number in numbers)


def is_deep(mode: str) -> bool:
    """Whether a Pillow mode is of grey values of more than 8 bits; as 16 bits they are given to a converter."""
    return mode in ("I", "F") or mode.startswith("I;16")


def converter(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """A function that makes sRGB of images of a Pillow mode by an ICC profile; None where the profile is sRGB's.

    White is mapped to white and black to black, and what lies between by its colorimetry. The function may change the
    image that it is given.

    Raises:
        Unusable: the profile is damaged, or describes other images.
    """
    if len(profile) > LARGEST_PROFILE:
        raise Unusable(f"larger than {LARGEST_PROFILE // 1_000_000} MB")
    space = profile[16:20].decode("latin-1").strip()
    deep = is_deep(mode)
    fits = {"GRAY": deep or mode in ("1", "L", "LA", "La"), "CMYK": mode == "CMYK", "RGB": mode != "CMYK"}
    if not fits.get(space, False):
        raise Unusable(f"it is for {space!r}, the image is {mode}")
    if space == "RGB":
        to_rgb = _to_eight_bits if deep else lambda image: image.convert("RGB")
        return None if _is_srgb(profile) else lambda image: _in_place(to_rgb(image), profile)
    transform = _transform(profile, {"GRAY": "I;16" if deep else "L"}.get(space, space))
    given = (lambda image: image) if deep or space == "CMYK" else lambda image: image.convert("L")
    return lambda image: ImageCms.applyTransform(given(image), transform)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8)).convert("RGB")


def _in_place(image: Image.Image, profile: bytes) -> Image.Image:
    ImageCms.applyTransform(image, _transform(profile, "RGB"), inPlace=True)
    return image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # One curve of grey is calculated for each pixel: between the points of a table a steep one is lost.
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION
            | (ImageCms.Flags.NOOPTIMIZE if mode in ("L", "I;16") else ImageCms.Flags.NONE),
        )
        black, white = (_converted_colour(transform, mode, level) for level in (0, 1))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise Unusable(" ".join(str(error).split()) or "damaged") from None
    if white - black < LEAST_CONTRAST:
        raise Unusable("it makes white as dark as black")
    return transform


def _converted_colour(transform: ImageCms.ImageCmsTransform, mode: str, level: int) -> float:
    """Mean grey level that black (0) or white (1) is converted to."""
    numbers = {"RGB": (255 * level,) * 3, "CMYK": (0, 0, 0, 255 * (1 - level)), "L": 255 * level, "I;16": 65535 * level}
    return float(np.mean(ImageCms.applyTransform(Image.new(mode, (1, 1), numbers[mode]), transform).getpixel((0, 0))))


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile changes no colour by more than profiles of sRGB differ among themselves."""
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    converted = np.asarray(_in_place(Image.fromarray(colours), profile))
    return bool(np.abs(converted.astype(int) - colours).max() <= ROUNDING)
