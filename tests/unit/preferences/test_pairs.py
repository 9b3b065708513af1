"""Pairs: what each is, and that matching the sharpness leaves nothing of it to learn."""

import numpy as np
import pandas as pd
import pytest
from small_training import small_unet

from kpop_rca.degradations import blurred
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.no_reference import sharpness
from kpop_rca.preferences import pairs
from kpop_rca.preferences.pairs import Pairs

SMOOTH = np.random.default_rng(0).integers(60, 200, (24, 4, 4, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
FACES = blurred(SMOOTH, 0.7), np.arange(24) % 3


@pytest.fixture(scope="module")
def inpainted():
    model = small_unet(n_classes=3).eval(), forward_process("squaredcos_cap_v2")
    return pairs.inpainted(*model, FACES, np.arange(4, 20), landmarks=np.full((24, 10), np.nan), seed=0)


def test_inpainted_pairs_say_what_they_are(inpainted):
    assert np.array_equal(inpainted.win, FACES[0][4:20])
    assert inpainted.table["source"].tolist() == [*range(4, 20)]
    assert set(inpainted.table["detail"]) == {"face", "features", "eyes", "mouth"}
    assert (inpainted.table.groupby("detail")["strength"].nunique() == 1).all()
    assert (inpainted.win != inpainted.loss).any(axis=(1, 2, 3)).all()


def test_matched_losers_are_as_sharp_and_change_where_they_differed(inpainted):
    softer = Pairs(inpainted.win, blurred(inpainted.win, 0.8), inpainted.table)
    matched = pairs.sharpness_matched(softer)
    assert (sharpness(softer.loss) < 0.6 * sharpness(softer.win)).all()
    assert np.abs(sharpness(matched.loss) / sharpness(matched.win) - 1).max() < 0.1
    outside = (inpainted.win == inpainted.loss).all(axis=3)
    assert np.array_equal(pairs.sharpness_matched(inpainted).loss[outside], inpainted.win[outside])


def test_pairs_come_back_as_they_were_saved(inpainted, tmp_path):
    both = pairs.joined([inpainted, pairs.degraded(FACES, n=7, generator=np.random.default_rng(0))])
    both.save(tmp_path)
    again = Pairs.load(tmp_path)
    assert np.array_equal(again.loss, both.loss) and len(again) == 23
    pd.testing.assert_frame_equal(again.table, both.table)


def test_a_generated_loser_is_of_the_same_identity():
    made = np.broadcast_to(np.arange(9, dtype=np.uint8)[:, None, None, None] % 3, (9, 16, 16, 3)), np.arange(9) % 3
    found = pairs.generated(FACES, made, n=30, generator=np.random.default_rng(0))
    assert (found.loss[:, 0, 0, 0] == found.table["label"]).all()
    with pytest.raises(StudyError, match="identity 0 has no generated image"):
        pairs.generated(FACES, (made[0], made[1] + 1), n=30, generator=np.random.default_rng(0))


def test_landmarks_in_pixels_of_the_crop():
    found = pd.DataFrame(
        {
            "path": ["a", "b"],
            "boxes": [[[10.0, 20.0, 50.0, 60.0]], []],
            "landmarks": [[[20.0, 30.0, 40.0, 30.0, 30.0, 40.0, 20.0, 50.0, 40.0, 50.0]], []],
        }
    )
    points = pairs.landmarks_in_crops(found, ["b", "a", "strange"], margin=0.25, size=30)
    assert np.isnan(points[[0, 2]]).all()
    assert points[1, :2].tolist() == [10.0, 10.0]  # of a crop from (0, 10) with sides of 60
