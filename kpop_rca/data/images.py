"""Any image file a user may have, as an upright 8-bit RGB picture, or a reason why not."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MIN_SIDE = 16  # pixels; nothing smaller can hold a face that MTCNN finds (its smallest window is 12)
MAX_PIXELS = 150_000_000  # larger than any phone's photograph; decoded, about 450 MB
# Pillow reads AVIF and HEIC on some machines only: there they are listed as unreadable, not overlooked.
_KINDS = "jpg jpeg jfif mpo jp2 png webp bmp gif tif tiff ppm pgm avif heic heif"
ENDINGS = frozenset(f".{kind}" for kind in _KINDS.split())

# Pillow warns from 89 megapixels on; MAX_PIXELS is the limit here, and beyond it is refused, not warned of.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnreadableImage(Exception):
    """An image file that cannot be used; `reason` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_rgb(path: Path) -> Image.Image:
    """An image file as upright RGB.

    EXIF rotation is applied, transparency is laid on white, CMYK converted, 16-bit scaled to 8, and of an
    animation the first frame is taken.

    Args:
        path: the file.

    Returns:
        PIL image of mode RGB, at least `MIN_SIDE` pixels on each side.

    Raises:
        UnreadableImage: with a reason: empty file, not an image, truncated, tiny, too large, damaged.
    """
    try:
        if path.stat().st_size == 0:
            raise UnreadableImage("empty file")
        return _decode(path)
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
    text = " ".join(str(error).split()) or type(error).__name__
    cut_off = isinstance(error, EOFError) or "truncated" in text.lower() or "broken data stream" in text.lower()
    return f"{'truncated' if cut_off else 'damaged'}: {text}"


def _decode(path: Path) -> Image.Image:
    with Image.open(path) as image:
        _check_size(image.size)
        image.load()
        return _to_rgb(_upright(image))


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise UnreadableImage(f"tiny: {width}x{height}")
    if width * height > MAX_PIXELS:
        raise UnreadableImage(f"too large: {width}x{height}")


def _upright(image: Image.Image) -> Image.Image:
    """Rotated as its EXIF record says; a record that cannot be read is no reason to lose the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _grey_to_rgb(np.asarray(image), top=65535.0)
    if image.mode in (
        "I",
        "F",
    ):  # the file does not say what white is: the next usual value above its largest
        pixels = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        return _grey_to_rgb(pixels, top=next((top for top in usual if pixels.max() <= top), pixels.max()))
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(white, colours).convert("RGB")
    return image.convert("RGB")


def _grey_to_rgb(pixels: np.ndarray, *, top: float) -> Image.Image:
    """Grey values of 0 to `top`, whatever their type, as an 8-bit RGB image."""
    grey = np.clip(np.rint(pixels.astype(np.float64) * (255.0 / top)), 0, 255)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def crop_square(image: Image.Image, box: Sequence[float], *, margin: float, size: int) -> Image.Image:
    """The face in a square: the box's longer side plus a margin on each side, about the box's centre.

        side = max(width, height) * (1 + 2 * margin)

    What lies outside the photograph repeats its border. The paper's "25 % margin" (section 4.1) is read as
    25 % of the box on each side.

    Args:
        image: RGB.
        box: x0, y0, x1, y1 in pixels of `image`; may reach beyond it.
        margin: share of the box's longer side added on each side.
        size: side of the result, pixels; resampled with an antialiasing Lanczos filter.

    Returns:
        RGB image of size x size.
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
