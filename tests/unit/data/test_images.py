"""Reading whatever image files people have, and cropping faces from them."""

import io
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kpop_rca.plots import contact_sheets
from kpop_rca.data import images
from kpop_rca.faces import crops, flags, labelling


def _gradient(width: int = 40, height: int = 30) -> np.ndarray:
    """RGB whose red grows to the right and green downwards: no rotation or channel swap goes unseen."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, np.full_like(x, 64)], axis=-1).astype(np.uint8)


def _reason(path: Path) -> str:
    with pytest.raises(images.UnreadableImage) as caught:
        images.read_rgb(path)
    return str(caught.value)


def _saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_plain_rgb_is_returned_as_it_is(tmp_path: Path) -> None:
    read = images.read_rgb(_saved(tmp_path / "a.png", Image.fromarray(_gradient())))
    assert read.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(read), _gradient())


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(6, -1), (8, 1), (3, 2)])
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, quarter_turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _saved(tmp_path / "a.png", Image.fromarray(_gradient()), exif=exif)
    np.testing.assert_array_equal(np.asarray(images.read_rgb(path)), np.rot90(_gradient(), quarter_turns))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.jpg", Image.fromarray(_gradient()), exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff\x01")
    assert images.read_rgb(path).size == (40, 30)


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    red = Image.new("RGB", (32, 32), (220, 30, 30)).convert("CMYK")
    pixel = images.read_rgb(_saved(tmp_path / "a.jpg", red, quality=95)).getpixel((16, 16))
    assert np.abs(np.subtract(pixel, (220, 30, 30))).max() < 8  # JPEG's loss


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    read = np.asarray(images.read_rgb(_saved(tmp_path / "a.png", Image.fromarray(values))))
    np.testing.assert_array_equal(read[..., 0], np.rint(values / 257.0))
    assert read.min() == 0 and read.max() == 255 and (read[..., 0] == read[..., 2]).all()


def test_float_grey_in_0_to_1_is_scaled(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    read = np.asarray(images.read_rgb(_saved(tmp_path / "a.tif", Image.fromarray(values))))
    np.testing.assert_array_equal(read[..., 0], np.rint(values * 255))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    """A picture whose left half is black, and whose right half is dark but transparent."""
    black, nothing = {"RGBA": ((0, 0, 0, 255), (9, 9, 9, 0)), "LA": ((0, 255), (9, 0)), "P": (0, 1)}[mode]
    image = Image.new(mode, (32, 32), nothing)
    image.paste(black, (0, 0, 16, 32))
    if mode == "P":
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.info["transparency"] = 1
    read = images.read_rgb(_saved(tmp_path / "a.png", image))
    assert read.getpixel((4, 16)) == (0, 0, 0)
    assert read.getpixel((28, 16)) == (255, 255, 255)


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    path = _saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert images.read_rgb(path).getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_truncated_file_says_so(tmp_path: Path, ending: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, {"jpg": "JPEG", "png": "PNG"}[ending])
    path = tmp_path / f"a.{ending}"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    assert _reason(path).startswith("truncated")


def test_reasons_of_files_that_are_no_images(tmp_path: Path) -> None:
    empty, text, tiny = tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.png"
    empty.touch()
    text.write_text("not a picture")
    Image.new("RGB", (1, 1)).save(tiny)
    assert _reason(empty) == "empty file"
    assert _reason(text) == "not an image that Pillow can read"
    assert _reason(tiny) == "tiny: 1x1"
    text.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert _reason(text) == "a Git LFS pointer, not the image; run git lfs pull"
    assert "No such file" in _reason(tmp_path / "gone.jpg")


@pytest.mark.parametrize("side", [14_000, 40_000])
def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    path = _saved(tmp_path / "a.png", Image.new("1", (20, 20)))
    content = bytearray(path.read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2  # the header now claims side x side pixels
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    assert _reason(path).startswith("too large")


def test_crop_is_the_box_with_a_quarter_on_each_side() -> None:
    image = Image.new("RGB", (200, 200), "black")
    image.paste((255, 255, 255), (75, 75, 125, 125))  # a box of 40 px with 25 % on each side is 60 px: 70 to 130
    crop = np.asarray(images.crop_square(image, (80, 80, 120, 120), margin=0.25, size=60))
    white = crop[..., 0] > 127
    assert white.sum() == 50 * 50 and white[5:55, 5:55].all()


def test_crop_beyond_the_picture_repeats_its_border() -> None:
    image = Image.new("RGB", (50, 50), (10, 200, 30))
    crop = np.asarray(images.crop_square(image, (-30, -20, 20, 90), margin=0.25, size=32))
    assert crop.shape == (32, 32, 3)
    assert (crop == (10, 200, 30)).all()


def test_crop_of_a_tall_box_is_not_squashed() -> None:
    image = Image.new("RGB", (100, 100), "black")
    image.paste((255, 255, 255), (40, 40, 60, 60))
    crop = np.asarray(images.crop_square(image, (45, 30, 55, 70), margin=0.0, size=40))[..., 0] > 127
    assert crop.any(axis=0).sum() == crop.any(axis=1).sum() == 20


SECRETS = (b"Hasselblad", b"A private remark")
ORIENTATION, MAKE, GPS = 0x0112, 0x010F, 0x8825


def _photograph_that_tells(path: Path) -> None:
    """A photograph lying on its side, its right half white, that says where and with what it was taken."""
    image = Image.fromarray(_gradient(120, 80))
    image.paste((255, 255, 255), (60, 0, 120, 80))
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = 6, SECRETS[0].decode()
    exif.get_ifd(GPS).update({1: "N", 2: (37.0, 33.0, 59.0), 3: "E", 4: (126.0, 58.0, 41.0)})
    image.save(path, quality=95, exif=exif, comment=SECRETS[1], icc_profile=SECRETS[0] * 9)
    assert Image.open(path).getexif().get_ifd(GPS)
    assert all(secret in path.read_bytes() for secret in SECRETS)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_nothing_but_pixels_is_handed_on(tmp_path: Path, ending: str) -> None:
    _photograph_that_tells(tmp_path / "a.jpg")
    told = Image.open(tmp_path / "a.jpg")
    told.save(tmp_path / f"b.{ending}", exif=told.getexif())
    read = images.read_rgb(tmp_path / f"b.{ending}")
    assert read.info == {} and dict(read.getexif()) == {} and read.getxmp() == {}
    assert read.size == (80, 120)  # upright
    assert np.asarray(read)[90:].mean() > 250 > np.asarray(read)[:30].mean()  # what was right is below
    face = images.crop_square(read, (20, 30, 60, 70), margin=0.25, size=32)
    assert face.info == {} and dict(face.getexif()) == {}


def test_no_file_made_from_a_photograph_tells_where_it_was_taken(output: Path) -> None:
    """Crops as they are kept, the figure of the report, and what the labelling page shows."""
    _photograph_that_tells(output / "a.jpg")
    parameters = {"study": "mine", "data_source": "folder", "publish_images": True}
    stage = stage_run.begin("01_data_audit", parameters)
    found = pd.DataFrame({"path": ["a.jpg"], "identity": "Ada", "boxes": [[[20.0, 30.0, 60.0, 70.0]]]})
    crops.save_crops(stage.folder, crops.crop_faces(found, output, margin=0.25, sizes=[32]), found[["path", "identity"]])
    stage.save_figure(contact_sheets.photographs(images.read_all(output, found["path"]), found, title="all"), "01_all")
    flagged = found.assign(
        **{f"flag_{name}": False for name in flags.FLAGS}, mismatch_score=0.5, other_score=0.1, part="normal"
    )
    shown = labelling.LabellingSession(flagged, output, output / "hand.csv").png()
    made = [path for path in (output / "artifacts").rglob("*") if path.is_file()]
    made += list((output / "reports").rglob("*.png"))
    assert {path.suffix for path in made} >= {".npy", ".parquet", ".png"}
    contents = [shown, *(path.read_bytes() for path in made)]
    assert not [secret for content in contents for secret in (*SECRETS, b"Exif", b"eXIf") if secret in content]
    for picture in (io.BytesIO(shown), stage.report / "figures" / "01_all.png"):
        assert dict(Image.open(picture).getexif()) == {}
