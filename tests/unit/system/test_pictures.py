import io

import numpy as np
from PIL import Image

from kpop_rca.system.pictures import small_png


def png(pixels, **options):
    Image.fromarray(pixels).save(made := io.BytesIO(), "PNG", **options)
    return made.getvalue()


def pixels_of(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def face_like(side=96):
    """A smooth picture of many colours, uint8 (side, side, 3)."""
    y, x = np.mgrid[0:side, 0:side] / side
    return (255 * np.stack([x, y, (x + y) / 2], axis=-1)).astype(np.uint8)


def test_a_picture_of_few_colours_is_exact_and_smaller():
    rng = np.random.default_rng(0)
    chart = rng.integers(0, 256, (200, 3), dtype=np.uint8)[rng.integers(0, 200, (80, 120))]
    small = small_png(png(chart))
    assert len(small) < len(png(chart)) / 2
    assert np.array_equal(pixels_of(small), chart)


def test_many_colours_are_met_closely():
    """Of 9,216 colours 256 are left, 1/36 of each: levels that are 16 apart in each of three channels, 8 at most."""
    picture = face_like()
    off = np.abs(pixels_of(small_png(png(picture))) - picture)
    assert off.mean() < 8
    assert np.abs(pixels_of(small_png(png(picture))).mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 4


def test_a_second_time_changes_nothing():
    small = small_png(png(face_like()))
    assert small_png(small) == small
    assert small_png(png(face_like())) == small


def test_what_is_transparent_lies_on_white():
    picture = np.dstack([face_like(), np.zeros((96, 96), np.uint8)])
    assert (pixels_of(small_png(png(picture))) == 255).all()


def test_the_resolution_stays():
    small = small_png(png(face_like(), dpi=(110, 110)))
    with Image.open(io.BytesIO(small)) as picture:
        assert round(picture.info["dpi"][0]) == 110


def test_it_never_grows():
    tiny = png(np.zeros((1, 1, 3), np.uint8))
    assert len(small_png(tiny)) <= len(tiny)
