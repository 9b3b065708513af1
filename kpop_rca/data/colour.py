"""Colours as sRGB: an ICC profile that a file embeds is followed.

A file without one is taken for sRGB, whatever a PNG's chunks, an AVIF's or HEIF's boxes or EXIF say of its colours.
"""

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

LARGEST_PROFILE = 8_000_000  # bytes; those of printers have up to 3 million
ROUNDING = 1  # grey levels by which sRGB's profiles, of which there are dozens, differ
LEAST_CONTRAST = 64  # grey levels between black and white, below which a profile describes no image


class Unusable(Exception):
    """Why a profile cannot be followed, in a few words."""


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
    fits = {"GRAY": mode in ("1", "L", "LA", "La"), "CMYK": mode == "CMYK", "RGB": mode != "CMYK"}
    if not fits.get(space, False):
        raise Unusable(f"it is for {space!r}, the image is {mode}")
    if space == "RGB":
        return None if _is_srgb(profile) else lambda image: _in_place(image.convert("RGB"), profile)
    of_profile = "L" if space == "GRAY" else space
    transform = _transform(profile, of_profile)
    return lambda image: ImageCms.applyTransform(
        image if image.mode == of_profile else image.convert(of_profile), transform
    )


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
            | (ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE),
        )
        black, white = (_converted_colour(transform, mode, level) for level in (0, 1))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise Unusable(" ".join(str(error).split()) or "damaged") from None
    if white - black < LEAST_CONTRAST:
        raise Unusable("it makes white as dark as black")
    return transform


def _converted_colour(transform: ImageCms.ImageCmsTransform, mode: str, level: int) -> float:
    """Mean grey level that black (0) or white (1) is converted to."""
    numbers = {"RGB": (255 * level,) * 3, "CMYK": (0, 0, 0, 255 * (1 - level)), "L": 255 * level}
    return float(np.mean(ImageCms.applyTransform(Image.new(mode, (1, 1), numbers[mode]), transform).getpixel((0, 0))))


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile changes no colour by more than profiles of sRGB differ among themselves."""
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    converted = np.asarray(_in_place(Image.fromarray(colours), profile))
    return bool(np.abs(converted.astype(int) - colours).max() <= ROUNDING)
