"""Any image file a user may have, as an upright 8-bit RGB image, or a reason why not."""

import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kpop_rca.data import colour

MIN_SIDE = 16  # pixels; nothing smaller can hold a face that MTCNN finds (its smallest window is 12)
MAX_PIXELS = 150_000_000  # larger than any phone's photograph; decoded, about 450 MB
# Whatever the ending, nothing else is tried: a file that says it is PostScript would be run by Ghostscript.
FORMATS = ("JPEG", "MPO", "JPEG2000", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "HEIF")
LFS_POINTER = b"version https://git-lfs"  # in place of a file that was not fetched
AS_BYTES_AT_ONCE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # the last on Windows
STRIP_PIXELS = 4_000_000  # converted at a time: a large image is in memory twice, not five times

# Pillow warns from 89 megapixels on; MAX_PIXELS is the limit here, and beyond it is refused, not warned of.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnreadableImage(Exception):
    """An image file that cannot be used, and why in a few words."""


def read_rgb(path: Path) -> Image.Image:
    """An image file as upright RGB, at least `MIN_SIDE` pixels on each side, and nothing but its pixels.

    EXIF rotation is applied, colours are converted to sRGB (see `colour`), transparency is laid on white, 16-bit
    scaled to 8, and of an animation the first frame is taken. What a file says beside its pixels (place, time,
    camera, comments) is dropped, so that nothing made from the image can say it.

    Raises:
        UnreadableImage: with a reason: not a file, empty, not an image, truncated, tiny, too large, damaged.
    """
    return read_rgb_and_note(path)[0]


def read_all(root: Path, paths: Iterable[str]) -> list[Image.Image]:
    """Photographs of a data folder, each as `read_rgb` reads it."""
    return [read_rgb(root / path) for path in paths]


def read_rgb_and_note(path: Path) -> tuple[Image.Image, str]:
    """`read_rgb`, and what of the file was ignored though it changes what its pixels mean; "" where nothing was."""
    try:
        # Opened without waiting: a pipe in place of a photograph would be waited on for ever.
        with os.fdopen(os.open(path, AS_BYTES_AT_ONCE), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImage("not a regular file")
            if status.st_size == 0:
                raise UnreadableImage("empty file")
            return _decode(file)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage("not an image that Pillow can read") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"too large: more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # decoders meet broken bytes with exceptions of many kinds
        raise UnreadableImage(_reason(error)) from None


def _reason(error: Exception) -> str:
    """A decoder's error in words: truncated files are told from those that are otherwise damaged."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)  # without the path
    text = " ".join(words.split()) or type(error).__name__
    cut_off = isinstance(error, EOFError) or "truncated" in text.lower() or "broken data stream" in text.lower()
    return f"{'truncated' if cut_off else 'damaged'}: {text}"


def _opened(file: BinaryIO) -> Image.Image:
    Image.init()
    try:
        return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    except UnidentifiedImageError:
        file.seek(0)
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise UnreadableImage("a Git LFS pointer, not the image; run git lfs pull") from None
        raise


def _decode(file: BinaryIO) -> tuple[Image.Image, str]:
    """The image, and what of its file was ignored."""
    with _opened(file) as image:
        _check_size(image.size)
        image.load()
        to_srgb, note = _to_srgb(image, file)  # before a rotation changes the EXIF record
        with suppress(Exception):  # a record that cannot be read is no reason to lose the image
            ImageOps.exif_transpose(image, in_place=True)
        rgb = _to_rgb(image, to_srgb=to_srgb)
        rgb.info.clear()  # which Pillow copies from image to image, and writes into files that it saves
        return rgb, note


def _to_srgb(image: Image.Image, file: BinaryIO) -> tuple[Callable[[Image.Image], Image.Image] | None, str]:
    """What makes sRGB of the image, None where it is, and a note where its colours had to be read as sRGB."""
    try:
        profile = colour.stated_profile(image, file)
        return colour.converter(profile, image.mode) if profile else None, ""
    except colour.Unusable as problem:
        return None, f"colour profile ignored: {problem}"


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise UnreadableImage(f"tiny: {width}x{height}")
    if width * height > MAX_PIXELS:
        raise UnreadableImage(f"too large: {width}x{height}")


def _to_rgb(image: Image.Image, *, to_srgb: Callable[[Image.Image], Image.Image] | None) -> Image.Image:
    if colour.is_deep(image.mode):
        return _deep_grey_to_rgb(image, to_srgb=to_srgb)
    if not image.has_transparency_data:
        return to_srgb(image) if to_srgb else image.convert("RGB")
    rgb = Image.new("RGB", image.size)
    for rows in _strips(image.height, image.width):
        colours = image.crop((0, rows.start, image.width, rows.stop)).convert("RGBA")
        if to_srgb:
            opaque = to_srgb(colours.convert("RGB"))
            opaque.putalpha(colours.getchannel("A"))
            colours = opaque
        white = Image.new("RGBA", colours.size, "white")
        rgb.paste(Image.alpha_composite(white, colours).convert("RGB"), (0, rows.start))
    return rgb


def _strips(height: int, width: int) -> Iterator[slice]:
    """Rows of an image, about STRIP_PIXELS at a time."""
    step = max(1, STRIP_PIXELS // width)
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _deep_grey_to_rgb(image: Image.Image, *, to_srgb: Callable[[Image.Image], Image.Image] | None) -> Image.Image:
    """Grey values of more than 8 bits, scaled to 8; by a profile's curve where there is one."""
    pixels = np.asarray(image)
    strips = list(_strips(*pixels.shape))
    top = 65535.0
    if image.mode in ("I", "F"):  # the file does not say what white is: the next usual value above its largest
        largest = max(float(_finite(pixels[rows]).max()) for rows in strips)
        usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        top = next((top for top in usual if largest <= top), largest)
    if to_srgb:
        rgb = Image.new("RGB", image.size)
        for rows in strips:
            rgb.paste(to_srgb(Image.fromarray(_scaled(pixels[rows], top=top, kind=np.uint16))), (0, rows.start))
        return rgb
    grey = np.empty(pixels.shape, dtype=np.uint8)
    for rows in strips:
        grey[rows] = _scaled(pixels[rows], top=top, kind=np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _scaled(pixels: np.ndarray, *, top: float, kind: type[np.unsignedinteger]) -> np.ndarray:
    """Grey values from 0 to `top` as integers from 0 to the largest of a kind."""
    largest = np.iinfo(kind).max
    return np.clip(np.rint(_finite(pixels) * (largest / top)), 0, largest).astype(kind)


def _finite(pixels: np.ndarray) -> np.ndarray:
    return np.nan_to_num(pixels.astype(np.float64), posinf=0.0, neginf=0.0)


def crop_square(image: Image.Image, box: Sequence[float], *, margin: float, size: int) -> Image.Image:
    """The face in a square: the box's longer side plus a margin on each side, about the box's centre.

        side = max(width, height) * (1 + 2 * margin)

    What lies outside the image repeats its border. The paper's "25 % margin" (section 4.1) is read as 25 % of the box
    on each side.

    Args:
        image: RGB.
        box: x0, y0, x1, y1 in pixels of `image`; may reach beyond it.
        margin: fraction of the box's longer side added on each side.
        size: side of the result, pixels; resampled with an antialiasing Lanczos filter.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    side = max(x1 - x0, y1 - y0) * (1 + 2 * margin)
    left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
    overhang = max(-left, -top, left + side - image.width, top + side - image.height, 0)
    pad = int(np.ceil(overhang))
    if pad:
        image = Image.fromarray(np.pad(np.asarray(image), ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
    area = (left + pad, top + pad, left + pad + side, top + pad + side)
    return image.resize((size, size), resample=Image.Resampling.LANCZOS, box=area)
