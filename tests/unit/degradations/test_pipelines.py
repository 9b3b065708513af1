"""The degradation pipelines: how often each step comes, what is recorded of it, and seeds per image."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kpop_rca.degradations import pipelines
from kpop_rca.errors import StudyError

IMAGES = np.random.default_rng(0).integers(256, size=(1, 32, 32, 3), dtype=np.uint8).repeat(800, 0)


@pytest.fixture(scope="module")
def made():
    return pipelines.degraded(IMAGES, seed=0, factors=(2, 4, 8))


def test_half_of_the_images_go_through_each_pipeline(made):
    low, truth = made
    per_image = truth.groupby("image")[["order", "factor"]].first()
    assert per_image["order"].value_counts().to_dict() == {"first": 400, "second": 400}
    assert [image.shape[0] for image in low] == (32 // per_image["factor"]).tolist()
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in low)


def test_each_step_of_the_first_order_comes_as_often_as_it_should(made):
    truth = made[1].query("order == 'first'")
    often = truth.groupby("operation")["image"].nunique() / 400
    wanted = {"blur": 0.7, "downsample": 1.0, "noise": 0.2, "jpeg": 0.7}
    assert often.to_dict() == pytest.approx(wanted, abs=0.08)  # 3.5 standard errors of a fraction of 400
    in_order = {name: k for k, name in enumerate(wanted)}
    for _, steps in truth.groupby("image"):
        assert steps["operation"].map(in_order).is_monotonic_increasing
    kinds = truth.groupby("operation")["kind"].unique()
    assert {*kinds["blur"]} == {*pipelines.BLURS}
    assert {*kinds["downsample"]} == {*pipelines.INTERPOLATIONS}


def test_the_second_order_ends_in_both_orders_and_mostly_with_a_sinc_filter(made):
    truth = made[1].query("order == 'second'")
    last = truth.groupby("image")["operation"].last()
    assert (last == "jpeg").mean() == pytest.approx(0.5, abs=0.1)
    after = truth.groupby("image")["operation"].agg(lambda steps: list(steps)[list(steps).index("downsample") :])
    assert after.map(lambda steps: "sinc" in steps).mean() == pytest.approx(pipelines.FINAL_SINC, abs=0.08)
    assert (truth.query("operation == 'jpeg'").groupby("image").size() == 2).all()


def test_an_image_follows_from_the_seed_and_its_number(made):
    low, truth = made
    again, same = pipelines.degraded(IMAGES[:5], seed=0, factors=(2, 4, 8))
    assert all((one == other).all() for one, other in zip(again, low, strict=False))
    pd.testing.assert_frame_equal(same, truth[truth["image"] < 5])
    other = pipelines.degraded(IMAGES[:5], seed=1, factors=(2, 4, 8))[1]
    assert not other.equals(same)


@pytest.mark.parametrize(
    "kernel",
    [
        pipelines.gaussian_kernel(5, 1.2),
        pipelines.motion_kernel(5, 0.7),
        pipelines.sinc_kernel(7, 1.5),
        pipelines.sinc_kernel(7, np.pi),
    ],
)
def test_kernels_keep_the_brightness(kernel):
    assert kernel.sum() == pytest.approx(1)
    grey = np.full((1, 9, 9, 3), 77, np.uint8)[0]
    assert (pipelines.filtered(grey, kernel) == 77).all()


def test_a_sinc_filter_rings_at_an_edge():
    edge = np.full((16, 16, 3), 60, np.uint8)
    edge[:, 8:] = 180
    found = pipelines.filtered(edge, pipelines.sinc_kernel(7, 1.5))
    assert found.max() > 180 and found.min() < 60
    soft = pipelines.filtered(edge, pipelines.gaussian_kernel(7, 1.5))
    assert soft.max() == 180 and soft.min() == 60


def test_an_image_that_is_too_small_is_refused():
    with pytest.raises(StudyError, match="32x32 px cannot be downsampled by 16"):
        pipelines.degraded(IMAGES[:1], seed=0, factors=(16,))


def test_a_dataset_has_its_truth_beside_it(tmp_path):
    truth = pipelines.write_degraded(tmp_path, IMAGES[:3], seed=0, factors=(4,))
    low, _ = pipelines.degraded(IMAGES[:3], seed=0, factors=(4,))
    for number in range(3):
        assert (np.asarray(Image.open(tmp_path / "low" / f"{number:05d}.png")) == low[number]).all()
        assert (np.asarray(Image.open(tmp_path / "high" / f"{number:05d}.png")) == IMAGES[number]).all()
    read = pd.read_csv(tmp_path / pipelines.TRUTH, keep_default_na=False)
    pd.testing.assert_frame_equal(read, truth, check_dtype=False)


def test_bicubic_enlarges_all_to_one_size():
    low = [np.full((4, 4, 3), 10, np.uint8), np.full((8, 8, 3), 20, np.uint8)]
    found = pipelines.bicubic(low, (16, 16))
    assert found.shape == (2, 16, 16, 3) and (found[0] == 10).all() and (found[1] == 20).all()


def test_frequencies_are_of_images_of_the_first_order(made):
    _, truth = made
    found = pipelines.frequencies(truth).set_index("operation")
    first = truth[truth["order"] == "first"]
    assert (found["images"] == first["image"].nunique()).all()
    assert found.loc["downsample", "fraction"] == 1.0
    assert found.loc["noise", "fraction"] == (first["operation"] == "noise").sum() / first["image"].nunique()
    assert found["chance"].to_dict() == {"downsample": 1.0, "blur": 0.7, "noise": 0.2, "jpeg": 0.7}
