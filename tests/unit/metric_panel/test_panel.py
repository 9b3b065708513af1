"""The whole panel, with stand-ins for networks and model."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_oracle import RECIPE
from small_panel import N_CLASSES, faces, rng, tools

from kpop_rca.metric_panel import METRICS, measure, panel
from kpop_rca.metric_panel.samples import Sample
from kpop_rca.metric_panel.tools import of_study
from kpop_rca.oracles import training

N = N_CLASSES * 20


@pytest.fixture(scope="module")
def people():
    return faces(N, size=48), np.arange(N) % N_CLASSES


@pytest.fixture(scope="module")
def run(people):
    images, labels = people
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel.tools, "of_study", lambda *_, **__: tools(images, labels))
        patch.setattr(panel, "load_trained", lambda *_: (None, None))
        patch.setattr(panel, "load_grids", lambda _: {})
        noise = rng().integers(0, 255, images.shape, dtype=np.uint8)
        patch.setattr(panel.ladders, "generator_of", lambda *_, **__: lambda each, *_: noise[: N_CLASSES * each])
        how = {"known": {"cas": 0.7}, "seed": 0, "margin": 0.25, "device": torch.device("cpu"), "bar": iter}
        how |= {"n_resamples": 3}
        return panel.run(None, {"train": people, "test": people}, people, training=None, **how)


def test_every_metric_has_a_row_and_every_row_a_value_or_a_reason(run):
    table = run.metrics.set_index("metric")
    assert list(table.index) == list(METRICS)
    assert (table["generated"].notna() | table["why"].ne("")).all()
    assert table.loc["cas", "generated"] == 0.7
    assert set(run.by_name()) == {"metrics", "declared", "ladders", "parity", "psnr_warning"}


def test_what_is_said_is_computed(run):
    able = run.metrics[run.metrics["sees"] != ""]
    said = " ".join(panel.sentences(run))
    assert f"of {len(able)} metrics see both" in said and "9 hold" in said
    assert all(title in said for title in able["title"])


def test_the_studys_tools_look_at_single_images_alike(people):
    """In pieces and threads as at once; and no metric that needs no prompt lacks its tool."""
    images, labels = people
    torch.manual_seed(0)
    oracle = training.build_oracle("resnet10", n_classes=N_CLASSES, recipe=RECIPE)[0].eval()
    opened = of_study(oracle, images, seed=0, margin=0.25, device=torch.device("cpu"))
    for name in ("brisque", "mscn_moments", "detector"):
        np.testing.assert_array_equal(
            opened[name](images), np.concatenate([opened[name](part[None]) for part in images])
        )
    few = Sample.of(images[:12], labels[:12], {name: tool for name, tool in opened.items() if name != "dlib"})
    real = Sample.of(images[12:], labels[12:], few.seen.tools)
    values = pd.Series({name: measure(metric, few, real).value for name, metric in METRICS.items()})
    assert values[["accuracy", "brisque", "mscn_distance", "ser_fiq", "oracle_features_frechet", "rca"]].notna().all()
