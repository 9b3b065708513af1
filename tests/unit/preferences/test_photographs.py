"""The face score beside ladders of photographs: a texture of its own, and none of the faces that it is tried on."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.no_reference import Reference
from kpop_rca.preferences import photographs
from kpop_rca.preferences.scorer import FaceScore

NOISE = np.random.default_rng(0).normal(size=(24, 32, 32, 3))
FACES = (128 + 300 * gaussian_filter(NOISE, (0, 1, 1, 0))).clip(0, 255).astype(np.uint8)


def test_texture_orders_blur_and_noise_and_sharpness_only_blur():
    nothing = Reference(np.zeros(17), np.eye(17))
    table = photographs.degraded_ladders(FaceScore([], nothing, np.array([1.0, 0.0]), np.ones(2)), FACES, seed=0)
    found = table.set_index(["scorer", "name"])
    assert found.loc[("face_score", "blur"), "n"] == 12
    for name in ("blur", "noise", "JPEG"):  # with no other weight it is its texture, of these faces
        assert found.loc[("face_score", name), "fraction"] == found.loc[("MSCN moments", name), "fraction"]
    assert found.loc[("face_score", "blur"), "fraction"] > 0.8 < found.loc[("face_score", "noise"), "fraction"]
    assert found.loc[("Laplacian variance", "noise"), "fraction"] < 0.2
    held_out = found.loc["face_score"].loc[[*photographs.HELD_OUT], "fraction"].mean()
    assert found.loc[("face_score", "JPEG and downsampling, mean"), "fraction"] == pytest.approx(held_out)


def test_photographs_without_faces_are_too_few(tmp_path):
    for person in ("A", "B"):
        (tmp_path / person).mkdir()
        Image.new("RGB", (64, 64)).save(tmp_path / person / "1.png")
    with pytest.raises(StudyError, match="has 0 photographs with a face; give 20 or more"):
        photographs.crops_of(tmp_path, n=9, seed=0)
