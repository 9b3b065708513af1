"""MTCNN on avatars: faces, their order, and what must not depend on batches."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from kpop_rca.avatars import dataset
from kpop_rca.faces import detection, view_consistency

SETTINGS = {"min_face_size": 32, "max_side": 640, "device": "cpu"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six avatars of 160 px and variants of the first one, of other sizes and kinds."""
    avatars, root = tmp_path_factory.mktemp("rendered") / "avatars", tmp_path_factory.mktemp("images")
    counts = {"n_identities": 2, "train_per_identity": 2, "test_per_identity": 1}
    none = ("hard_per_identity", "group_per_identity")
    rates = ("artifact_rate", "hard_rate", "group_rate", "nonface_rate", "burst_rate")
    arguments = counts | dict.fromkeys(none, 0) | dict.fromkeys(rates, 0.0)
    truth = dataset.render_dataset(avatars, seed=6, size=160, alikeness=0.5, workers=1, **arguments)
    for number, path in enumerate(truth["path"]):
        Image.open(avatars / path).save(root / f"{number}.png")
    first = Image.open(root / "0.png")
    first.resize((320, 320), Image.Resampling.LANCZOS).save(root / "large.png")
    first.resize((20, 20)).save(root / "small.png")
    Image.new("RGB", (160, 160), "grey").save(root / "flat.png")
    (root / "broken.png").write_bytes(b"not an image")
    beside = Image.new("RGB", (280, 160), "grey")  # the same face twice: smaller in the corner, larger in the middle
    beside.paste(first.resize((100, 100), Image.Resampling.LANCZOS), (0, 0))
    beside.paste(first, (100, 0))
    beside.save(root / "two.png")
    return root


def _detect(root: Path, *names: str, batch_size: int = 4, **settings: object) -> pd.DataFrame:
    table = pd.DataFrame({"path": [f"{name}.png" for name in names], "identity": "A"})
    return detection.detect_faces(table, root, batch_size=batch_size, **(SETTINGS | settings))


def test_a_face_in_every_portrait_with_landmarks_where_they_belong(root: Path) -> None:
    found = _detect(root, *"012345")
    assert found["n_faces"].tolist() == [1] * 6
    faces = detection.most_prominent(found)
    assert (faces.probabilities > 0.8).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = np.moveaxis(faces.landmarks.reshape(-1, 5, 2), 1, 0)
    assert (left_eye[:, 0] < right_eye[:, 0]).all() and (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (left_eye[:, 1] < nose[:, 1]).all() and (nose[:, 1] < left_mouth[:, 1]).all()
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1)
    np.testing.assert_array_equal(found["face_width"], sides)


def test_aligned_faces_show_eyes_and_mouth_in_one_place_whatever_the_size(root: Path) -> None:
    """The same portrait as it is, twice as large, and so large that it was reduced before the detector saw it."""
    found = _detect(root, "0", "large", "flat", "broken"), _detect(root, "large", max_side=160)
    own, large, reduced = (face.astype(float) for face in (*found[0]["aligned_face"][:2], found[1]["aligned_face"][0]))
    assert own.shape == (32 * 32 * 3,) and found[0]["aligned_face"][2:].tolist() == [None, None]
    other = _detect(root, "3")["aligned_face"][0].astype(float)
    as_found_again = max(np.abs(own - large).mean(), np.abs(own - reduced).mean())  # landmarks move by a pixel
    assert as_found_again < np.abs(own - other).mean() / 3


def test_batches_change_nothing(root: Path) -> None:
    """Order, size and company of a batch; a pixel of tolerance for sums in another order."""
    names = ["0", "large", "1", "flat", "2", "broken", "3", "small", "two", "4"]
    whole, single = _detect(root, *names, batch_size=8), _detect(root, *names, batch_size=1)
    shuffled = _detect(root, *names[::-1], batch_size=3).iloc[::-1].reset_index(drop=True)
    for other in (single, shuffled):
        pd.testing.assert_frame_equal(whole[["path", "n_faces", "phash"]], other[["path", "n_faces", "phash"]])
        for a, b in zip(detection.most_prominent(whole), detection.most_prominent(other), strict=True):
            np.testing.assert_allclose(a, b, atol=1.0)


def test_faces_are_those_of_the_detector_one_by_one(root: Path) -> None:
    """facenet-pytorch by itself: the same faces, to a hundredth of a pixel for sums in another order."""
    names = [*"012345", "large", "two", "flat"]
    found = _detect(root, *names)
    alone = detection.MTCNN(keep_all=True, min_face_size=32, thresholds=detection.THRESHOLDS)
    for name, row in zip(names, found.to_dict("records"), strict=True):
        boxes, probabilities, landmarks = alone.detect(Image.open(root / f"{name}.png").convert("RGB"), landmarks=True)
        assert row["n_faces"] == (0 if boxes is None else len(boxes)), name
        if row["n_faces"]:
            alike = np.argsort(row["probabilities"]), np.argsort(probabilities)
            for ours, theirs in (("boxes", boxes), ("probabilities", probabilities), ("landmarks", landmarks)):
                ours, theirs = np.stack(row[ours])[alike[0]], np.asarray(theirs, float)[alike[1]]
                np.testing.assert_allclose(ours, theirs.reshape(ours.shape), atol=0.01, err_msg=name)


@pytest.mark.parametrize("batches_worth_a_process", [0, 100])
def test_workers_change_not_a_bit(root: Path, monkeypatch: pytest.MonkeyPatch, batches_worth_a_process: int) -> None:
    """Two processes, and two threads, against none."""
    monkeypatch.setattr(detection, "WORTH_A_PROCESS", batches_worth_a_process)
    names = ["0", "large", "broken", "1", "2", "two", "3", "flat", "4", "5"]
    alone, shared = (_detect(root, *names, batch_size=3, workers=n).drop(columns="identity") for n in (1, 2))
    assert alone["path"].tolist() == [f"{name}.png" for name in names]
    for column in alone:
        np.testing.assert_equal(
            [np.stack(cell) if isinstance(cell, list) and cell else cell for cell in shared[column]],
            [np.stack(cell) if isinstance(cell, list) and cell else cell for cell in alone[column]],
        )


def test_faces_are_found_on_the_cpu_where_the_gpu_has_no_float64(root: Path) -> None:
    on_cpu, on_mps = (_detect(root, "0", "two", device=device) for device in ("cpu", "mps"))
    pd.testing.assert_frame_equal(on_mps, on_cpu)


def test_torch_keeps_its_threads(root: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        _detect(root, "0")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_images_without_faces_are_rows_with_reasons(root: Path) -> None:
    found = _detect(root, "flat", "small", "broken")
    assert found["n_faces"].tolist() == [0, 0, 0]
    assert found["unreadable"].tolist() == ["", "", "not an image that Pillow can read"]
    assert found["width"].tolist() == [160, 20, 0]
    assert found["face_width"].isna().all()
    assert found["phash"].ne("").tolist() == [True, True, False]


def test_reduced_images_give_boxes_of_the_full_image(root: Path) -> None:
    small = detection.most_prominent(_detect(root, "0"))
    large = detection.most_prominent(_detect(root, "large", max_side=160))
    np.testing.assert_allclose(large.boxes, small.boxes * 2, atol=6)
    np.testing.assert_allclose(large.landmarks, small.landmarks * 2, atol=6)


def test_the_larger_central_face_comes_first(root: Path) -> None:
    row = _detect(root, "two").iloc[0]
    assert row["n_faces"] == 2
    first, second = row["boxes"]
    assert first[0] > 100 > second[2]
    second_faces = detection.most_prominent(_detect(root, "two", "0"), rank=1)
    np.testing.assert_array_equal(second_faces.boxes[0], second)
    assert np.isnan(second_faces.boxes[1]).all() and np.isnan(second_faces.probabilities[1])


def test_prominence_by_hand() -> None:
    """A 20 x 20 face in the centre of 100 x 100, the same in a corner's direction, one twice as large there."""
    boxes = np.array([[40, 40, 60, 60], [65, 65, 85, 85], [55, 55, 95, 95]], dtype=np.float32)
    value = detection.prominence(boxes, np.array([0.9, 0.9, 0.9]), size=(100, 100))
    assert value.tolist() == pytest.approx([360, 360 * 0.75, 4 * 360 * 0.75])


def test_table_survives_parquet(root: Path, tmp_path: Path) -> None:
    found = _detect(root, "0", "flat", "two", "broken")
    found.to_parquet(tmp_path / "detections.parquet")
    read = pd.read_parquet(tmp_path / "detections.parquet")
    for a, b in zip(detection.most_prominent(found), detection.most_prominent(read), strict=True):
        np.testing.assert_array_equal(a, b)


def test_progress_counts_every_image_once(root: Path) -> None:
    counted = []
    _detect(root, "0", "broken", "1", "small", "large", progress=counted.append)
    assert sum(counted) == 5


def test_ten_views_tell_a_face_from_what_is_none(root: Path) -> None:
    found = _detect(root, "0", "1", "flat", "broken")
    assert (found["view_probability"][:2] > 0.9).all()
    assert found["view_probability"][2:].isna().all()
    detector = detection.build_detector(min_face_size=32, device="cpu")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8))
    portrait, box = Image.open(root / "0.png"), found["boxes"][0][0]
    probabilities = view_consistency.view_probabilities(detector, [portrait, noise], [box, box])
    assert probabilities[0] == pytest.approx(found["view_probability"][0], abs=1e-3)
    assert probabilities[1] < 0.2


def test_ten_views_by_hand() -> None:
    """A white dot in the middle of the box: where it is in each view."""
    face = Image.new("RGB", (view_consistency.SIDE, view_consistency.SIDE), "black")
    face.paste((255, 255, 255), (46, 46, 50, 50))
    views = [np.asarray(view, dtype=float).mean(axis=-1) for view in view_consistency.views_of(face)]
    assert [view.shape for view in views] == [(48, 48)] * 10
    centres = [np.argwhere(view > view.max() / 2).mean(axis=0) - 23.5 for view in views]
    step = 6 * 48 / (96 / 1.8)
    expected = [(0, 0), (0, 0), (0, -step), (0, step), (-step, 0), (step, 0), *[(0, 0)] * 4]
    np.testing.assert_allclose(centres, expected, atol=0.6)
    assert views[8].max() == pytest.approx(views[0].max() / 2, abs=1)
