"""Hostile study files and images, made up by hypothesis, and what must hold of each."""

import csv
import io
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML

from kpop_rca.data import colour, images
from kpop_rca.errors import StudyError
from kpop_rca.scoring import inputs
from kpop_rca.study import params

LONGEST_ERROR = 1200  # characters
NUMBERS = ["010", "0x10", "0b11", "0o17", "1:30", "-1:30", "1:30.5"]  # some of which YAML 1.1 reads otherwise
MARKS = [": ", "\n", "\t", " ", *"&*?|>#%@:[]{}'\"\\\x85", "- ", "&a ", "*a", "!!int ", "? ", "<<", "---", "..."]
WORDS = ["1e-3", ".nan", "yes", "no", "on", "best", "cuda", "resnet18", "quick", "0,1|2,3", "ddim-5"]
PROFILE = colour.matrix_profile(colour.DISPLAY_P3)
KINDS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "PPM", "AVIF", "MPO")


def study_files() -> st.SearchStrategy[bytes]:
    """Contents of a study file: nearly right ones, well-formed nonsense, and what is no YAML at all."""
    names = st.sampled_from(sorted(params.defaults()))
    scalars = st.none() | st.booleans() | st.integers() | st.integers(-(10**40), 10**40) | st.floats() | st.dates()
    scalars |= st.text(max_size=20) | st.binary(max_size=8) | st.sampled_from(NUMBERS + WORDS)
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3)
    )
    keys = names | st.text(string.printable, max_size=12)
    nonsense = st.dictionaries(keys, values, max_size=6).map(_dumped)
    lines = st.lists(st.tuples(names, st.text(string.printable, max_size=24)), max_size=6).map(_as_lines)
    pieces = st.lists(names | st.sampled_from(MARKS + WORDS + NUMBERS), max_size=30).map(lambda p: "".join(p).encode())
    return _nearly_right() | nonsense | lines | pieces | st.binary(max_size=200)


def _nearly_right() -> st.SearchStrategy[bytes]:
    """Some parameters with their defaults, one of them perhaps with another one's or with a number that fits."""
    known = params.defaults()
    known = {name: value for name, value in known.items() if name not in ("study", "seen_oracles", "architectures")}
    pairs = st.sampled_from(sorted(known)).flatmap(
        lambda name: st.tuples(
            st.just(name), st.just(known[name]) | st.sampled_from(list(known.values())) | st.integers(0, 64)
        )
    )
    return st.lists(pairs, max_size=4).map(lambda found: _dumped(dict(found)))


def _dumped(values: dict) -> bytes:
    buffer = io.BytesIO()
    YAML(typ="safe", pure=True).dump(values, buffer)
    return buffer.getvalue()


def _as_lines(lines: list[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\n" for name, value in lines).encode()


def check_study_file(resolve: Callable[[bytes], dict], content: bytes) -> bool:
    """Whether a file was refused, readably; where it was not, every value that it sets must be what it looks like."""
    try:
        found = resolve(content)
    except StudyError as error:
        message = str(error)
        assert all(len(line) <= LONGEST_ERROR for line in message.splitlines()), message
        message.encode("utf-8")
        return True
    texts = YAML(typ="base", pure=True).load(content.decode("utf-8-sig")) or {}  # every value as its text
    if isinstance(texts, dict):  # else the null that stands for nothing
        for name, value in texts.items():
            _check_meaning(found[name], value)
    return False


def _check_meaning(found: object, written: object) -> None:
    if isinstance(found, list):
        assert len(found) == len(written)
        for one, text in zip(found, written, strict=True):
            _check_meaning(one, text)
    elif isinstance(found, bool):
        assert written.lower() == str(found).lower()
    elif isinstance(found, int | float):
        assert (int(written, 0) if written[:2] in ("0x", "0b", "0o") else float(written)) == found
    else:
        assert written == found


@cache
def _whole(kind: str, mode: str, profiled: bool) -> bytes:
    """A good image of a kind, with a colour profile or without; nothing where this Pillow can't write it."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    try:
        Image.fromarray(pixels).convert(mode).save(buffer, kind, exif=exif, icc_profile=PROFILE if profiled else None)
    except (KeyError, OSError, ValueError):
        return b""
    return buffer.getvalue()


def image_files() -> st.SearchStrategy[bytes]:
    """Contents of image files of every kind that is read: bytes changed, cut off, doubled, or none of an image."""
    modes = st.sampled_from(["RGB", "L", "P", "RGBA", "CMYK", "I;16"])
    whole = st.builds(_whole, st.sampled_from(KINDS), modes, st.booleans())
    byte = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255))
    # Headers, where a byte decides most, are the first tenth.
    header = st.tuples(st.floats(0, 0.1), st.sampled_from([0, 1, 127, 128, 254, 255]))
    changes = st.lists(byte | header, max_size=12)
    return st.builds(_spoilt, whole, changes, st.floats(0, 1), st.booleans()) | st.binary(max_size=400)


def _spoilt(content: bytes, changes: list[tuple[float, int]], kept: float, doubled: bool) -> bytes:
    spoilt = bytearray(content)
    for place, byte in changes:
        if spoilt:
            spoilt[int(place * len(spoilt))] = byte
    spoilt = spoilt[: int(len(spoilt) * kept)] if kept < 0.5 else spoilt  # half of them stay whole
    return bytes(spoilt + spoilt[len(spoilt) // 2 :] if doubled else spoilt)


def check_image(path: Path, content: bytes) -> bool:
    """Whether a file was read; where it was not, there must be a reason in a few words."""
    path.write_bytes(content)
    try:
        image = images.read_rgb(path)
    except images.UnreadableImage as problem:
        assert str(problem) and len(str(problem).splitlines()) == 1 and str(path) not in str(problem)
        return False
    assert image.mode == "RGB" and min(image.size) >= images.MIN_SIDE
    assert image.width * image.height <= images.MAX_PIXELS
    return True


def tables() -> st.SearchStrategy[bytes]:
    """Contents of CSVs of images: nearly right ones, well-formed nonsense, and what is no CSV at all."""
    paths = st.sampled_from([*IMAGES, "./ada 1.png", "inner/../ada 1.png", "../ada 1.png", "/etc/hostname", "gone.png"])
    people = st.sampled_from(["ada", "bo", "Ada", " bo ", "", "=ada", "cy"])
    cells = st.text(max_size=8) | st.sampled_from([*MARKS, "=1+1", "-1", "'", '"', "\x00", "\ufeff"])
    header = st.sampled_from([["path", "person"], ["path", "person", "generator"], ["Path", " person", "age", ""]])
    header |= st.lists(cells, max_size=5).map(lambda names: ["path", "person", *names])
    rows = st.lists(st.tuples(paths, people, cells, cells), max_size=12).map(lambda found: [list(row) for row in found])
    right = [[image, image.split()[0], "gan", ""] for image in IMAGES]
    sheets = st.tuples(header, st.just(right) | rows.map(lambda found: right + found) | rows, st.sampled_from(",;\t"))
    loose = st.lists(paths | people | cells | st.just("\n"), max_size=30).map(lambda p: "path,person\n" + ",".join(p))
    encodings = st.sampled_from([*["utf-8"] * 4, "utf-8-sig", "utf-16"])
    sheet = sheets.map(_sheet)
    written = st.builds(lambda text, e: text.encode(e, errors="replace"), sheet | sheet | loose, encodings)
    return written | written | st.binary(max_size=200)


IMAGES = [f"{person} {number}.png" for person in ("ada", "bo") for number in (1, 2)]


def _sheet(parts: tuple[list[str], list[list[str]], str]) -> str:
    header, rows, delimiter = parts
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows([header, *(row[: len(header)] for row in rows)])
    return written.getvalue()


def check_table(folder: Path, content: bytes) -> bool:
    """Whether a CSV was read; where it was not, there is a line. What was read are files of its folder and names."""
    generated, real = folder / "generated", folder / "real"
    for person in ("ada", "bo"):
        (real / person).mkdir(parents=True, exist_ok=True)
        for number in range(3):
            (real / person / f"{number}.png").touch()
    generated.mkdir(exist_ok=True)
    for name in IMAGES:
        (generated / name).touch()
    (folder / "ada 1.png").touch()
    (generated / "a.csv").write_bytes(content)
    try:
        found = inputs.read(real, {"gan": generated / "a.csv"})
    except StudyError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) <= LONGEST_ERROR, str(error)
        return False
    images = found.images[found.images["generator"] == "gan"]
    assert {*images["path"]} <= {str((generated / name).resolve()) for name in IMAGES} and len(images)
    assert found.people == ["ada", "bo"] and images["person"].isin([0, 1]).all()
    assert images["path"].is_unique and not set(found.images) & set(inputs.ADDED)
    assert all(len(note.splitlines()) == 1 for note in found.notes), found.notes
    written = inputs.neutralised(found.images).to_csv(index=False)
    for row in csv.reader(io.StringIO(written, newline="")):
        assert not any(cell.startswith(inputs.FORMULA) and not inputs.NUMBER.fullmatch(cell) for cell in row)
    return True
