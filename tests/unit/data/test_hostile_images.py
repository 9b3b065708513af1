"""A data folder of files that nobody wants: each is read, or listed as left out with its reason; nothing else happens.

Links lead to a folder beside the data folder, whose one image must never be opened.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, features

from kpop_rca.data import colour, identity_folders, images
from kpop_rca.faces import audit_tables, detection, flags
from kpop_rca.data import data_files as files

SECONDS = 120  # far more than is needed; a reader that waits on a pipe waits for ever
RIGHT_TO_LEFT = "\u202e\u0635\u0648\u0631\u0629.jpg"
LONGEST = "x" * 246 + ".jpg"
NO_TEXT = os.fsdecode(b"\xff\xfe.jpg")
UNKNOWN = "not an image that Pillow can read"
LISTED = files


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError("the reader hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or noise()).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int = 48, height: int = 40, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(width)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def bomb_png(width: int, height: int) -> bytes:
    """A few hundred bytes whose header claims a large image, with a valid checksum."""
    content = bytearray(encoded("PNG"))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def bomb_gif() -> bytes:
    content = bytearray(encoded("GIF"))
    content[6:10] = b"\xff" * 4
    return bytes(content)


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", exif=exif)


def animated() -> bytes:
    return encoded("GIF", noise(mode="P"), save_all=True, append_images=[noise(48, 40, "L")] * 3)


def brand(name: bytes) -> bytes:
    """The first bytes of an HEIC or AVIF file, and nothing behind them."""
    return b"\0\0\0\x18ftyp" + name + b"\0\0\0\0" + name + b"mif1"


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n(/etc/passwd) (r) file\n"
NOT_DECODED = "not decoded"  # a reason of Pillow's, which differs between its versions
# file name -> what it holds, and the size it is read with or the reason why it is not
FILES: dict[str, tuple[bytes, tuple[int, int] | str]] = {
    "plain.jpg": (encoded("JPEG"), (48, 40)),
    "truncated.jpg": (encoded("JPEG")[:900], "truncated"),
    "truncated.png": (encoded("PNG")[:900], "truncated"),
    "header only.png": (encoded("PNG")[:20], NOT_DECODED),
    "zero bytes.jpg": (b"", "empty file"),
    "zeros.jpg": (b"\0" * 4096, UNKNOWN),
    "wrong extension.png": (encoded("JPEG"), (48, 40)),
    "wrong extension.jpg": (encoded("WEBP"), (48, 40)),
    "cmyk.jpg": (encoded("JPEG", noise(mode="CMYK")), (48, 40)),
    "palette.png": (encoded("PNG", noise(mode="P"), transparency=bytes(range(256))), (48, 40)),
    "palette.gif": (encoded("GIF", noise(mode="P"), transparency=3), (48, 40)),
    "16-bit.png": (encoded("PNG", Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40))), (40, 40)),
    "float.tif": (encoded("TIFF", Image.fromarray(np.full((30, 40), np.nan, np.float32))), (40, 30)),
    "1x1.png": (encoded("PNG", noise(1, 1)), "tiny: 1x1"),
    "panorama.jpg": (encoded("JPEG", Image.new("RGB", (20_000, 10))), "tiny: 20000x10"),
    "high panorama.jpg": (encoded("JPEG", Image.new("RGB", (20_000, 16))), (20_000, 16)),
    "tower.png": (encoded("PNG", Image.new("L", (16, 20_000))), (16, 20_000)),
    "rotated.jpg": (rotated(), (40, 48)),
    "animated.gif": (animated(), (48, 40)),
    "heic.jpg": (brand(b"heic"), NOT_DECODED),
    "avif.jpg": (brand(b"avif"), NOT_DECODED),
    "text.png": (b"not an image\n", UNKNOWN),
    "postscript.jpg": (POSTSCRIPT, UNKNOWN),
    "bomb.png": (bomb_png(50_000, 50_000), "too large"),
    "long bomb.png": (bomb_png(2**31 - 1, 16), "too large"),
    "bomb.gif": (bomb_gif(), "too large"),
    "name  with spaces .jpg": (encoded("JPEG"), (48, 40)),
    "new\nline.jpg": (encoded("JPEG"), (48, 40)),
    '<script>alert("1")<.jpg': (encoded("JPEG"), (48, 40)),
    "-rf.jpg": (encoded("JPEG"), (48, 40)),
    RIGHT_TO_LEFT: (encoded("JPEG"), (48, 40)),
    LONGEST: (encoded("JPEG"), (48, 40)),
    "same.jpg": (encoded("JPEG"), (48, 40)),
    "SAME.JPG": (encoded("JPEG", noise(60, 50)), (60, 50)),
}
NOT_TRIED = {
    "pipe.jpg": "not a regular file",
    "socket.jpg": "not a regular file",
    "link to a pipe.jpg": "not a regular file",
    "link to a device.jpg": LISTED.LINK_OUT,
    "link out.jpg": LISTED.LINK_OUT,
    "link out by dots.jpg": LISTED.LINK_OUT,
    "link to nothing.jpg": LISTED.LINK_TO_NOTHING,
    "loop.jpg": LISTED.LINK_IN_A_CIRCLE,
    "folder loop": LISTED.LINK_TO_FOLDER,
    "folder out": LISTED.LINK_OUT,
    "notes.txt": LISTED.NO_ENDING,
    "no ending": LISTED.NO_ENDING,
    "\\udcff\\udcfe.jpg": LISTED.NO_TEXT,
}


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """The identities A (all that is hostile), `a` (the same name but for case) and one with a line break."""
    root, folder, outside = tmp_path / "data", tmp_path / "data" / "A", tmp_path / "outside"
    for made in (folder, root / "a", root / "two\nlines", outside):
        made.mkdir(parents=True)
    for name, (content, _) in FILES.items():
        (folder / name).write_bytes(content)
    for name in ("a/plain.jpg", "two\nlines/plain.jpg", "../outside/secret.jpg", "stray.jpg"):
        (root / name).write_bytes(encoded("JPEG"))
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # a socket's whole path may have 107 bytes
        listener.bind("socket.jpg")
        os.chdir(here)
    links = {
        "link to a pipe.jpg": "pipe.jpg",
        "link to a device.jpg": "/dev/zero",
        "link out.jpg": outside / "secret.jpg",
        "link out by dots.jpg": "../../outside/secret.jpg",
        "link to nothing.jpg": "nothing.jpg",
        "loop.jpg": "loop.jpg",
        "folder loop": "..",
        "folder out": outside,
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    for name in ("notes.txt", "no ending", NO_TEXT):
        (folder / name).write_text("x")
    return root


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that is opened from now on, with links resolved."""
    found: list[str] = []
    collect: list[Callable] = [found.append]

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and collect and isinstance(arguments[0], str | bytes | os.PathLike):
            collect[0](os.path.realpath(os.fsdecode(arguments[0])))

    sys.addaudithook(hook)  # stays for good, and does nothing once the test is over
    yield found
    collect.clear()


def outcome(path: Path) -> tuple[int, int] | str:
    try:
        image = images.read_rgb(path)
    except images.UnreadableImage as problem:
        return str(problem)
    assert image.mode == "RGB"
    return image.size


@pytest.mark.filterwarnings("ignore:not read in")
def test_every_file_is_read_or_listed_with_its_reason(data_folder: Path, opened: list[str]) -> None:
    table = identity_folders.scan(data_folder)
    assert set(table["identity"]) == {"A", "a", "two\nlines"}
    found = {path: outcome(data_folder / path) for path in table["path"]}
    assert len(found) == len(table) == len(FILES) + 2
    for name, (_, expected) in FILES.items():
        got = found[f"A/{name}"]
        if expected == NOT_DECODED:
            assert isinstance(got, str) and got, name
        elif isinstance(expected, str):
            assert isinstance(got, str) and got.startswith(expected), (name, got)
        else:
            assert got == expected, name
    assert not any(str(data_folder.parent) in reason for reason in found.values() if isinstance(reason, str))
    listed = identity_folders.left_out(data_folder)
    assert dict(listed.itertuples(index=False)) == {f"A/{name}": reason for name, reason in NOT_TRIED.items()} | {
        "stray.jpg": identity_folders.NO_IDENTITY
    }
    from_data = [path for path in opened if path.startswith(str(data_folder))]
    assert len(set(from_data)) >= len(table)
    assert not [path for path in opened if "outside" in path or path == "/dev/zero" or path.endswith("pipe.jpg")]


@pytest.mark.filterwarnings("ignore:not read in")
def test_the_audit_goes_on_and_its_table_names_all_that_was_left_out(data_folder: Path, tmp_path: Path) -> None:
    table = identity_folders.scan(data_folder)
    detections = detection.detect_faces(table, data_folder, min_face_size=20, batch_size=4, max_side=96, device="cpu")
    flagged = flags.flag_images(detections, min_probability=0.95, min_face_width=20, max_mismatch_score=0.05, seed=0)
    left_out = audit_tables.left_out(flagged, data_folder)
    unread = {f"A/{name}" for name, (_, expected) in FILES.items() if isinstance(expected, str)}
    assert set(left_out["path"]) == unread | {f"A/{name}" for name in NOT_TRIED} | {"stray.jpg"}
    assert left_out["reason"].str.len().gt(0).all() and left_out["path"].is_unique
    left_out.to_csv(tmp_path / "left_out.csv", index=False)
    flagged.to_parquet(tmp_path / "flagged.parquet")


def test_links_and_names_are_counted_in_the_warning(data_folder: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"not followed \(5: .*; links that lead nowhere \(2: .*; names that are not UTF-8 \(1: "
    ):
        identity_folders.scan(data_folder)


def test_the_hash_of_the_folder_neither_hangs_nor_looks_outside(data_folder: Path) -> None:
    before = files.fingerprint(data_folder)
    (data_folder.parent / "outside" / "secret.jpg").write_bytes(b"other")
    (data_folder.parent / "outside" / "more.jpg").write_bytes(b"more")
    assert files.fingerprint(data_folder) == before
    (data_folder / "A" / "link to nothing.jpg").unlink()
    assert files.fingerprint(data_folder) == before
    (data_folder / "A" / "plain.jpg").unlink()
    assert files.fingerprint(data_folder) != before


@pytest.mark.parametrize("name", ["pipe.jpg", "socket.jpg", "loop.jpg", "link to nothing.jpg", "folder loop"])
def test_a_file_that_became_something_else_since_the_scan_is_a_reason_too(data_folder: Path, name: str) -> None:
    reason = outcome(data_folder / "A" / name)
    assert isinstance(reason, str) and str(data_folder) not in reason


def test_a_link_within_the_folder_is_an_image_like_any_other(data_folder: Path) -> None:
    (data_folder / "a" / "again.jpg").symlink_to("plain.jpg")
    with pytest.warns(UserWarning, match=r"not followed \(5: "):
        assert "a/again.jpg" in set(identity_folders.scan(data_folder)["path"])


@pytest.mark.parametrize(
    ("kind", "bytes_a_pixel"), [("16-bit", 12), ("transparent", 14), ("rotated", 10), ("coloured", 10)]
)
def test_memory_is_bounded_by_a_few_bytes_a_pixel(tmp_path: Path, kind: str, bytes_a_pixel: int) -> None:
    """8 to 11 here; a conversion in one piece takes 22, 24 and 12, and one with a profile that is not in place 12."""
    side = 5000  # 25 megapixels, a sixth of the largest image that is read
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {
        "16-bit": lambda: Image.fromarray(np.full((side, side), 7, np.uint16)),
        "transparent": lambda: Image.new("RGBA", (side, side), (1, 2, 3, 4)),
        "rotated": lambda: Image.new("RGB", (side, side), "red"),
        "coloured": lambda: Image.new("RGB", (side, side), "red"),
    }[kind]()
    profile = colour.matrix_profile(colour.DISPLAY_P3) if kind == "coloured" else None
    options = {"exif": exif if kind == "rotated" else None, "icc_profile": profile}
    made.save(tmp_path / "large.png", compress_level=1, **options)
    # Measured in a fork: a process that is started inherits the largest size of the one that started it.
    code = f"""
import os, resource
from pathlib import Path
from kpop_rca.data import images
def largest(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if os.fork():
    os.wait()
else:
    before = largest()
    images.read_rgb(Path({str(tmp_path / "large.png")!r}))
    print(largest() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert 4 * side * side < int(done.stdout) * unit < bytes_a_pixel * side * side


def test_a_real_avif_named_jpg_is_read_where_pillow_can(tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    (tmp_path / "a.jpg").write_bytes(encoded("AVIF"))
    assert outcome(tmp_path / "a.jpg") == (48, 40)


def test_an_avatar_dataset_does_not_list_its_own_records(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    pd.DataFrame({"path": [], "yaw": []}).to_csv(tmp_path / "truth.csv", index=False)
    (tmp_path / "idols.json").write_text("{}")
    flagged = pd.DataFrame({"path": ["A/1.jpg"], "flag_unreadable": [False], "unreadable": [""], "note": [""]})
    assert audit_tables.left_out(flagged, tmp_path)["path"].tolist() == ["notes.txt"]
