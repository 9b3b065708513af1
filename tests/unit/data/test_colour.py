"""Colours written through a profile come back as the sRGB that they are; the right values are computed here anew."""

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from icc_profiles import SPACES, SRGB, matrix_profile
from PIL import Image, ImageCms

from kpop_rca.data import images
from kpop_rca.faces import audit_tables, detection

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
GREYS = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)
# Linear colours to linear sRGB, as published by Lindbloom (Adobe RGB) and CSS Color 4 (Display P3, ProPhoto).
TO_SRGB = {
    "Display P3": [[1.22494018, -0.22494018, 0], [-0.04205695, 1.04205695, 0], [-0.01963755, -0.07863605, 1.0982736]],
    "Adobe RGB": [[1.39835574, -0.39835574, 0], [0, 1, 0], [0, -0.0429289, 1.0429289]],
    "ProPhoto": [[2.03410, -0.72736, -0.30674], [-0.22881, 1.23173, -0.00292], [-0.00857, -0.15328, 1.16184]],
    "sRGB": np.eye(3).tolist(),
}
PROFILES = {name: matrix_profile(*space) for name, space in SPACES.items()}
LITTLECMS_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def as_srgb(numbers: np.ndarray, *, space: str, gamma: float | None) -> np.ndarray:
    """Grey levels of sRGB, not rounded."""
    v = numbers / 255
    linear = v**gamma if gamma else np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    out = np.clip(linear @ np.array(TO_SRGB[space]).T, 0, 1)
    return 255 * np.where(out <= 0.0031308, out * 12.92, 1.055 * out ** (1 / 2.4) - 0.055)


def grey_profile(gamma: float) -> bytes:
    """A matrix profile made grey: its space, and one curve in place of three."""
    content = matrix_profile(SRGB, gamma)
    return content.replace(b"RGB XYZ ", b"GRAYXYZ ", 1).replace(b"rTRC", b"kTRC", 1)


def print_profile() -> bytes:
    """A CMYK profile by a table, as printers have: lightness falls evenly with black, whatever the other inks."""
    corners = [(0, 128, 128) if number % 2 else (255, 128, 128) for number in range(16)]  # black varies fastest
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    table += b"".join(struct.pack(">i", 65536 * (number % 4 == 0)) for number in range(9))
    table += bytes(range(256)) * 4 + b"".join(map(bytes, corners)) + bytes(range(256)) * 3
    head = bytearray(matrix_profile(SRGB, None)[:128])
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
    expected = as_srgb(COLOURS, space=space, gamma=SPACES[space][1])
    assert np.abs(found - expected).max() < 1 and note == ""
    assert np.abs(COLOURS - expected).mean() > 5  # what is wrong where the profile is ignored


@pytest.mark.parametrize("options", [{}, {"icc_profile": LITTLECMS_SRGB}], ids=["none", "sRGB"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK"])
def test_srgb_is_left_as_it_is(tmp_path: Path, mode: str, options: dict) -> None:
    kind = "tif" if mode == "CMYK" else "png"
    picture = Image.fromarray(COLOURS).convert(mode)
    picture.save(tmp_path / f"a.{kind}", **options)
    found, note = read(tmp_path / f"a.{kind}")
    np.testing.assert_array_equal(found, np.asarray(picture.convert("RGB")))
    assert bool(note) == (mode == "CMYK" and bool(options))  # a screen's profile on a print is a mistake


def test_transparent_pictures_are_converted_before_they_are_laid_on_white(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOURS)
    alpha = np.repeat(np.array([255, 0, 128], np.uint8), 16)[:, None].repeat(64, axis=1)
    picture.putalpha(Image.fromarray(alpha))
    picture.save(tmp_path / "a.png", icc_profile=PROFILES["Display P3"])
    opacity = alpha[..., None] / 255
    expected = opacity * as_srgb(COLOURS, space="Display P3", gamma=None) + (1 - opacity) * 255
    assert np.abs(read(tmp_path / "a.png")[0] - expected).max() < 1.6


def test_grey_profiles_are_followed(tmp_path: Path) -> None:
    """Linear grey: by a table its shadows would be steps of up to 13 grey levels."""
    Image.fromarray(GREYS).save(tmp_path / "a.tif", icc_profile=grey_profile(1.0))
    expected = as_srgb(GREYS[..., None].repeat(3, -1), space="sRGB", gamma=1.0)
    assert np.abs(read(tmp_path / "a.tif")[0] - expected).max() < 1


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_a_grey_picture_with_a_profile_of_colours(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(GREYS if mode == "L" else GREYS.astype(np.uint16) * 257)
    picture.save(tmp_path / "a.tif", icc_profile=PROFILES["ProPhoto"])
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
    "black as white": matrix_profile(SRGB, 0.0),
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
