"""PNG files of few bytes: a palette of 256 colours in place of three bytes a pixel."""

import io

from PIL import Image

COLOURS = 256  # one byte a pixel


def small_png(png: bytes) -> bytes:
    """A PNG with a palette on a white ground: exact where it has at most 256 colours, close to it where it has more.

    What is no PNG, or would not be smaller, is handed back as it is; so is a picture that was made small before. No
    dithering: it costs half as many bytes again, and in a chart it shows.

    Args:
        png: bytes of a PNG file.

    Returns:
        Bytes of a PNG file, the same for the same picture.
    """
    with Image.open(io.BytesIO(png)) as picture:
        if picture.format != "PNG" or picture.mode == "P":
            return png
        shown = Image.new("RGBA", picture.size, "white")
        shown.alpha_composite(picture.convert("RGBA"))
        information = {"dpi": picture.info["dpi"]} if "dpi" in picture.info else {}
    method, dither = Image.Quantize.MEDIANCUT, Image.Dither.NONE
    reduced = shown.convert("RGB").quantize(COLOURS, method=method, dither=dither)
    reduced.save(made := io.BytesIO(), "PNG", optimize=True, **information)
    return min(png, made.getvalue(), key=len)
