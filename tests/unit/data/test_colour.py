"""Colours written through a profile come back as the sRGB that they are; the right values are computed here anew."""

import io
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms, PngImagePlugin, features

from kpop_rca.data import colour, images
from kpop_rca.faces import audit_tables, detection

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
GREYS = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)
# Linear colours to linear sRGB, as published by Lindbloom (Adobe RGB) and CSS Color 4 (Display P3, ProPhoto).
TO_SRGB = {
    "Display P3": [[1.22494018, -0.22494018, 0], [-0.04205695, 1.04205695, 0], [-0.01963755, -0.07863605, 1.0982736]],
    "Adobe RGB": [[1.39835574, -0.39835574, 0], [0, 1, 0], [0, -0.0429289, 1.0429289]],
    "ProPhoto": [[2.03410, -0.72736, -0.30674], [-0.22881, 1.23173, -0.00292], [-0.00857, -0.15328, 1.16184]],
    "sRGB": np.eye(3).tolist(),
}
GAMMAS = {"Display P3": None, "Adobe RGB": 563 / 256, "ProPhoto": 1.8}
PROFILES = {
    "Display P3": colour.matrix_profile(colour.DISPLAY_P3),
    "Adobe RGB": colour.matrix_profile(colour.ADOBE_RGB, gamma=GAMMAS["Adobe RGB"]),
    "ProPhoto": colour.matrix_profile(PROPHOTO, white=(0.3457, 0.3585), gamma=GAMMAS["ProPhoto"]),
}
LITTLECMS_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def as_srgb(numbers: np.ndarray, *, space: str, gamma: float | None) -> np.ndarray:
    """Grey levels of sRGB, not rounded."""
    v = numbers / 255
    linear = v**gamma if gamma else np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    out = np.clip(linear @ np.array(TO_SRGB[space]).T, 0, 1)
    return 255 * np.where(out <= 0.0031308, out * 12.92, 1.055 * out ** (1 / 2.4) - 0.055)


def grey_profile(gamma: float) -> bytes:
    """A matrix profile made grey: its space, and one curve in place of three."""
    content = colour.matrix_profile(colour.SRGB, gamma=gamma)
    return content.replace(b"RGB XYZ ", b"GRAYXYZ ", 1).replace(b"rTRC", b"kTRC", 1)


def print_profile() -> bytes:
    """A CMYK profile by a table, as printers have: lightness falls evenly with black, whatever the other inks."""
    corners = [(0, 128, 128) if number % 2 else (255, 128, 128) for number in range(16)]  # black varies fastest
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    table += b"".join(struct.pack(">i", 65536 * (number % 4 == 0)) for number in range(9))
    table += bytes(range(256)) * 4 + b"".join(map(bytes, corners)) + bytes(range(256)) * 3
    head = bytearray(colour.matrix_profile(colour.SRGB)[:128])
    head[0:4], head[12:24] = (144 + len(table)).to_bytes(4, "big"), b"prtrCMYKLab "
    return bytes(head) + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


def read(path: Path) -> tuple[np.ndarray, str]:
    image, note = images.read_rgb_and_note(path)
    assert image.mode == "RGB" and image.info == {}
    return np.asarray(image).astype(float), note


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("space", PROFILES)
def test_known_colours_come_back_within_a_grey_level(tmp_path: Path, space: str, ending: str) -> None:
    Image.fromarray(COLOURS).save(tmp_path / f"a.{ending}", icc_profile=PROFILES[space])
    found, note = read(tmp_path / f"a.{ending}")
    expected = as_srgb(COLOURS, space=space, gamma=GAMMAS[space])
    assert np.abs(found - expected).max() < 1 and note == ""
    assert np.abs(COLOURS - expected).mean() > 5  # what is wrong where the profile is ignored


@pytest.mark.parametrize("options", [{}, {"icc_profile": LITTLECMS_SRGB}], ids=["none", "sRGB"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK"])
def test_srgb_is_left_as_it_is(tmp_path: Path, mode: str, options: dict) -> None:
    kind = "tif" if mode == "CMYK" else "png"
    image = Image.fromarray(COLOURS).convert(mode)
    image.save(tmp_path / f"a.{kind}", **options)
    found, note = read(tmp_path / f"a.{kind}")
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))
    assert bool(note) == (mode == "CMYK" and bool(options))  # a screen's profile on a print is a mistake


def test_transparent_images_are_converted_before_they_are_laid_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS)
    alpha = np.repeat(np.array([255, 0, 128], np.uint8), 16)[:, None].repeat(64, axis=1)
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "a.png", icc_profile=PROFILES["Display P3"])
    opacity = alpha[..., None] / 255
    expected = opacity * as_srgb(COLOURS, space="Display P3", gamma=None) + (1 - opacity) * 255
    assert np.abs(read(tmp_path / "a.png")[0] - expected).max() < 1.6


@pytest.mark.parametrize("deep", [False, True])
def test_grey_profiles_are_followed_to_the_last_bit(tmp_path: Path, deep: bool) -> None:
    """Linear grey: in 8 bits its shadows would be steps of up to 13 grey levels."""
    numbers = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16) if deep else GREYS
    Image.fromarray(numbers).save(tmp_path / "a.tif", icc_profile=grey_profile(1.0))
    expected = as_srgb((numbers / 257.0 if deep else numbers)[..., None].repeat(3, -1), space="sRGB", gamma=1.0)
    assert np.abs(read(tmp_path / "a.tif")[0] - expected).max() < 1


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_a_grey_image_with_a_profile_of_colours(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(GREYS if mode == "L" else GREYS.astype(np.uint16) * 257)
    image.save(tmp_path / "a.tif", icc_profile=PROFILES["ProPhoto"])
    expected = as_srgb(GREYS[..., None].repeat(3, -1), space="sRGB", gamma=1.8)
    assert np.abs(read(tmp_path / "a.tif")[0] - expected).max() < 1.5


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_inks_are_what_their_profile_says(tmp_path: Path, ending: str) -> None:
    """Half of this black ink has lightness 50, which is 119 of 255; without the profile it would be 127."""
    for ink, level in ((0, 255), (127, 119.4), (255, 0)):
        path = tmp_path / f"{ink}.{ending}"
        Image.new("CMYK", (32, 32), (0, 0, 0, ink)).save(path, icc_profile=print_profile())
        found, note = read(path)
        assert np.abs(found - level).max() < 1 and note == ""


BROKEN = {
    "cut off": PROFILES["Display P3"][:200],
    "none at all": b"Hasselblad" * 20,
    "of a print": PROFILES["Display P3"].replace(b"RGB XYZ ", b"CMYKLab ", 1),
    "of greys": grey_profile(1.0),
    "black as white": colour.matrix_profile(colour.SRGB, gamma=0.0),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_profile_is_ignored_with_a_note_that_reaches_the_audit(tmp_path: Path, how: str) -> None:
    (tmp_path / "A").mkdir()
    Image.fromarray(COLOURS).save(tmp_path / "A" / "1.png", icc_profile=BROKEN[how])
    found, note = read(tmp_path / "A" / "1.png")
    np.testing.assert_array_equal(found, COLOURS)
    assert note.startswith("colour profile ignored: ") and len(note.splitlines()) == 1
    table = pd.DataFrame({"path": ["A/1.png"], "identity": "A"})
    detections = detection.detect_faces(table, tmp_path, min_face_size=20, batch_size=1, max_side=96, device="cpu")
    listed = audit_tables.left_out(detections.assign(flag_unreadable=False), tmp_path)
    assert listed.to_numpy().tolist() == [["A/1.png", f"read, but: {note}"]]


def png_with(path: Path, **chunks: bytes) -> Path:
    """COLOURS as a PNG with these chunks behind its header."""
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "PNG")
    content = buffer.getvalue()
    added = io.BytesIO()
    for name, data in chunks.items():
        PngImagePlugin.putchunk(added, name.encode(), data)
    path.write_bytes(content[:33] + added.getvalue() + content[33:])
    return path


def thousandths(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


P3_CHROMATICITIES = thousandths(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
PNG_CHUNKS = {
    "gamma of a Mac": ({"gAMA": thousandths(55556)}, "sRGB", 1.8),
    "linear": ({"gAMA": thousandths(100000)}, "sRGB", 1.0),
    "primaries": ({"gAMA": thousandths(45455), "cHRM": P3_CHROMATICITIES}, "Display P3", None),
    "sRGB's gamma": ({"gAMA": thousandths(45455)}, "sRGB", None),
    "sRGB, whatever else": ({"sRGB": b"\0", "gAMA": thousandths(100000)}, "sRGB", None),
}


@pytest.mark.parametrize("said", PNG_CHUNKS)
def test_a_png_may_say_it_in_chunks(tmp_path: Path, said: str) -> None:
    chunks, space, gamma = PNG_CHUNKS[said]
    found, note = read(png_with(tmp_path / "a.png", **chunks))
    assert np.abs(found - as_srgb(COLOURS, space=space, gamma=gamma)).max() < 1 and note == ""


@pytest.mark.parametrize(
    ("chunks", "note"),
    [
        ({"gAMA": thousandths(1)}, "a gamma of 1e-05"),
        ({"cHRM": thousandths(*[0] * 8)}, "primaries that span no colours"),
    ],
)
def test_chunks_that_mean_nothing_are_noted(tmp_path: Path, chunks: dict[str, bytes], note: str) -> None:
    found, said = read(png_with(tmp_path / "a.png", **chunks))
    np.testing.assert_array_equal(found, COLOURS)
    assert said == f"colour profile ignored: {note}"


def test_a_camera_names_adobe_rgb_in_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    flat = np.zeros((32, 32, 3), np.uint8) + np.array([60, 150, 90], np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.jpg", quality=100, subsampling=0, exif=exif)
    expected = as_srgb(np.asarray(Image.open(tmp_path / "a.jpg")), space="Adobe RGB", gamma=563 / 256)
    found, _ = read(tmp_path / "a.jpg")
    assert np.abs(found - expected).max() < 1 < 5 < np.abs(found - flat).max()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize("numbers", [(12, 13), (9, 16)], ids=["Display P3", "HDR"])
def test_an_avif_says_it_in_numbers(tmp_path: Path, numbers: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "AVIF", quality=100, subsampling="4:4:4")
    plain = np.asarray(Image.open(buffer))
    box = b"colrnclx" + b"".join(n.to_bytes(2, "big") for n in (1, 13))
    assert buffer.getvalue().count(box) == 1
    said = b"colrnclx" + b"".join(n.to_bytes(2, "big") for n in numbers)
    (tmp_path / "a.avif").write_bytes(buffer.getvalue().replace(box, said))
    found, note = read(tmp_path / "a.avif")
    if numbers[0] == 12:
        assert np.abs(found - as_srgb(plain, space="Display P3", gamma=None)).max() < 1 and note == ""
    else:
        np.testing.assert_array_equal(found, plain)
        assert note == "colour profile ignored: primaries 9 and transfer curve 16 (ITU-T H.273)"
