"""Metrics of single images, of what people rate."""

import numpy as np
import pytest
from small_panel import N_CLASSES, faces, tools

from kpop_rca.degradations import noised
from kpop_rca.human_ratings.stimuli import Stimulus
from kpop_rca.metric_panel import METRICS, rated

NAMES = [f"p{k}" for k in range(N_CLASSES)]
SIDE = 48


@pytest.fixture(scope="module")
def found():
    images, known = faces(12, size=SIDE), faces(36, size=SIDE, first=12)
    noisy = noised(images[:4], 20.0, generator=np.random.default_rng(0))
    shown = [Stimulus(image, f"real/{k}", "real", "held out", NAMES[k % 3]) for k, image in enumerate(images)]
    for k, image in enumerate(noisy):
        beside = [("Low quality", image[::2, ::2], "low"), ("Original", images[k], "high")]
        shown.append(Stimulus(image, f"restored/{k}", "bicubic", "restored", NAMES[k % 3], beside, restored=True))
    shown.append(Stimulus(noisy[0], "somebody", "ddpm", "restored photograph", "somebody", restored=True))
    real = known, np.arange(36) % N_CLASSES
    return rated.of_each_image(shown, NAMES, real, tools=tools(*real))


def test_every_metric_of_single_images_has_values_or_a_reason(found):
    values, absent = found
    of_image = {name for name, metric in METRICS.items() if metric.of_image}
    assert {*values} | {*absent["metric"]} == of_image and not {*values} & {*absent["metric"]}
    assert absent["why"].ne("").all() and "clip_score" in set(absent["metric"])
    assert values[["brisque", "sharpness", "mscn_distance", "ser_fiq"]].notna().all().all()


def test_a_true_image_and_a_known_person_are_asked_for_where_they_are_needed(found):
    values, _ = found
    assert values["psnr"].notna().to_numpy().nonzero()[0].tolist() == [12, 13, 14, 15]
    assert values["psnr"].dropna().between(15, 30).all()
    assert values[["oracle_similarity", "accuracy"]].isna().any(axis=1).to_numpy().nonzero()[0].tolist() == [16]


def test_without_restored_images_there_is_a_reason():
    images = faces(6, size=SIDE)
    shown = [Stimulus(image, f"real/{k}", "real", "held out", NAMES[k % 3]) for k, image in enumerate(images)]
    real = faces(6, size=SIDE, first=6), np.arange(6) % 3
    metrics = {name: METRICS[name] for name in ("psnr", "sharpness", "fid")}
    values, absent = rated.of_each_image(shown, NAMES, real, tools=tools(*real), metrics=metrics)
    assert list(values) == ["sharpness"]
    assert absent["why"].tolist() == ["no image has a true one beside it"]
