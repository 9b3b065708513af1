import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kpop_rca.data import images
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops as face_crops


def gradient(width=100, height=80):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x * 2, y * 2, np.zeros_like(x)], axis=-1).astype(np.uint8))


def test_the_crop_is_the_box_with_a_quarter_on_each_side():
    """A box of 40 x 20 about (50, 40): the side is 40 * 1.5 = 60, so x runs from 20 to 80 and y from 10 to 70."""
    crop = np.asarray(images.crop_square(gradient(), [30, 30, 70, 50], margin=0.25, size=60))
    assert crop[30, [0, -1], 0].tolist() == [40, 158]
    assert crop[[0, -1], 30, 1].tolist() == [20, 138]


def test_beyond_the_border_the_border_is_repeated():
    crop = np.asarray(images.crop_square(gradient(), [-10, -10, 10, 10], margin=0.0, size=20))
    assert crop.shape == (20, 20, 3)
    assert (crop[:10, :10] == 0).all()
    assert crop[15, 15].tolist() == [10, 10, 0]


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    crop = np.asarray(images.crop_square(Image.fromarray(stripes), [0, 0, 64, 64], margin=0.0, size=16))
    assert abs(crop[:, 2:-2].astype(int) - 127).max() < 12  # every other column kept would be all black or all white


def test_faces_are_saved_and_loaded_by_split(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for k in range(4):
            gradient().save(tmp_path / name / f"{k}.jpg")
    rows = pd.DataFrame({"path": [f"{name}/{k}.jpg" for name in "ab" for k in range(4)]})
    rows["identity"], rows["label"] = np.repeat(["a", "b"], 4), np.repeat([0, 1], 4)
    rows["split"] = ["train", "validation", "test", "train"] * 2
    rows["boxes"] = [[np.array([10, 10, 50, 50], dtype=np.float32)]] * 8
    crops = face_crops.crop_faces(rows, tmp_path, margin=0.25, sizes=[16, 32])
    face_crops.save_crops(tmp_path / "faces", crops, rows.drop(columns="boxes"))
    loaded, labels = face_crops.load_crops(tmp_path / "faces", size=32, split="train")
    assert loaded.shape == (4, 32, 32, 3)
    assert labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(loaded, crops[32][[0, 3, 4, 7]])
    assert face_crops.class_names(tmp_path / "faces") == ["a", "b"]
    with pytest.raises(StudyError, match="cropped at 16, 32 px, not at 64"):
        face_crops.load_crops(tmp_path / "faces", size=64, split="train")
