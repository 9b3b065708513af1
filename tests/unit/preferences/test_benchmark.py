"""Scorers beside ladders: a perfect one, one that is upside down, one that knows nothing."""

import numpy as np
import pandas as pd

from kpop_rca.image_metrics.no_reference import sharpness
from kpop_rca.preferences import benchmark

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)


def test_a_ladder_begins_with_the_images_and_ends_worse():
    found = benchmark.ladders(IMAGES, generator=np.random.default_rng(0))
    assert set(found) == {"blur", "noise", "JPEG", "downsampling"}
    for steps in found.values():
        assert np.array_equal(steps[0], IMAGES)
        far = [np.abs(step.astype(int) - IMAGES).mean() for step in steps]
        assert far == sorted(far) and len(set(far)) == 4


def test_sharpness_is_right_on_blur_and_upside_down_on_noise():
    steps = benchmark.ladders(IMAGES, generator=np.random.default_rng(0))
    scorers = {
        "sharp": sharpness,
        "soft": lambda images: -sharpness(images),
        "random": benchmark.random_scorer(0),
        "blind": lambda images: np.zeros(len(images)),
    }
    table = benchmark.scorer_table(scorers, {}, steps).set_index(["scorer", "name"])["fraction"]
    assert table["sharp", "blur"] == 1 == table["soft", "noise"]
    assert table["sharp", "noise"] == 0 == table["soft", "blur"]
    assert 0.35 < table["random", "JPEG"] < 0.65 and table["blind", "JPEG"] == 0.5


def test_the_interval_of_seeds():
    table = pd.DataFrame({"scorer": ["a"] * 3 + ["b"], "fraction": [0.4, 0.5, 0.6, 0.9]})
    found = benchmark.over_seeds(table, by=["scorer"], value="fraction").set_index("scorer")
    assert found.loc["a", ["mean", "low", "high"]].round(3).tolist() == [0.5, 0.252, 0.748]
    assert np.isnan(found.loc["b", "low"]) and found.loc["b", "n_seeds"] == 1
