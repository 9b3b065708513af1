"""Scorers beside ladders: a perfect one, one that is upside down, one that knows nothing."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
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


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def test_the_mean_score_of_each_generator():
    dark, light = IMAGES[:4] // 4, IMAGES[:9]
    table = benchmark.mean_scores({"bright": brightness, "blind": lambda images: np.zeros(len(images))},
                                  {"dark": dark, "light": light}).set_index(["scorer", "generator"])  # fmt: skip
    assert table.loc[("bright", "light"), "mean"] == pytest.approx(brightness(light).mean())
    assert table.loc[("bright", "dark"), "n"] == 4
    assert 0 <= table.loc[("bright", "dark"), "normalised"] < table.loc[("bright", "light"), "normalised"] <= 1
    assert np.isnan(table.loc[("blind", "dark"), "normalised"])


def test_the_correlation_of_two_scorers_has_a_sign():
    scorers = {"bright": brightness, "twice": lambda images: 2 * brightness(images) + 1,
               "dark": lambda images: -brightness(images), "blind": lambda images: np.ones(len(images))}  # fmt: skip
    found = benchmark.pearson(scorers, IMAGES).set_index(["scorer", "other"])["pearson"]
    assert found["bright", "twice"] == pytest.approx(1) and found["bright", "dark"] == pytest.approx(-1)
    assert np.isnan(found["bright", "blind"]) and len(found) == 6


SHADES = np.stack([np.full((8, 8, 3), shade, dtype=np.uint8) for shade in (0, 50, 100, 150, 200, 250)])
TRIPLETS = pd.DataFrame({"triplet": [*"aaabbb"], "image": range(6), "points": [1, 2, 3, 3, 2, 2]})


def test_people_who_like_light_in_one_triplet_and_dark_in_the_other():
    scorers = {"bright": brightness, "blind": lambda images: np.zeros(len(images))}
    found = benchmark.with_triplets(scorers, SHADES, TRIPLETS).set_index("scorer")
    assert found.loc["bright", ["n", "accuracy"]].tolist() == [5, 0.6]  # 3 of 3, and 0 of the 2 that are no ties
    assert found.loc["blind", "accuracy"] == 0.5 and np.isnan(found.loc["blind", "pearson"])
    turned = TRIPLETS.iloc[::-1]
    assert benchmark.with_triplets(scorers, SHADES, turned)["accuracy"].tolist() == [0.6, 0.5]
    agreeing = TRIPLETS.assign(points=[1, 2, 3, 1, 2, 3])
    assert benchmark.with_triplets(scorers, SHADES, agreeing).loc[0, ["accuracy", "pearson"]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (TRIPLETS.drop(columns="points"), "needs the column points"),
        (TRIPLETS.assign(image=9), "image 9 of a triplet is none of the 6"),
        (TRIPLETS.assign(points=2), "no triplet has two images that people rated differently"),
    ],
)
def test_a_table_that_is_none_of_triplets(changed, said):
    with pytest.raises(StudyError, match=said):
        benchmark.with_triplets({"bright": brightness}, SHADES, changed)
