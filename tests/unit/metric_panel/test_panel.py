"""The whole panel, with stand-ins for networks and model."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_oracle import RECIPE
from small_panel import N_CLASSES, faces, rng, tools

from kpop_rca.degradations import blurred
from kpop_rca.metric_panel import METRICS, by_ladder, measure, metric_of_metrics, panel
from kpop_rca.metric_panel.samples import Sample
from kpop_rca.metric_panel.tools import but_slow, of_study
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
        patch.setattr(panel.restoration, "restore", lambda unet, forward, images, **_: blurred(images, 1.0))
        for name, number in (("N_ALONE", 8), ("N_GROUPS", 4), ("N_CREATURES", 4)):
            patch.setattr(panel.known_faces, name, number)
        how = {"known": {"cas": 0.7}, "seed": 0, "margin": 0.25, "device": torch.device("cpu"), "bar": iter}
        how |= {"n_resamples": 3, "study": "small", "classes": [f"p{k}" for k in range(N_CLASSES)]}
        how["features"] = dict.fromkeys(
            ("test", "other", "generated"), tools(images, labels)["oracle_features"](images)
        )
        splits = dict.fromkeys(("train", "test", "validation"), people)
        return panel.run(None, splits, people, training=None, **how)


def test_every_metric_has_a_row_and_every_row_a_value_or_a_reason(run):
    table = run.metrics.set_index("metric")
    assert list(table.index) == list(METRICS)
    assert (table[["generated", "avatars"]].notna().any(axis=1) == table["why"].eq("")).all()
    assert table.loc["cas", "generated"] == 0.7
    assert {name.removeprefix("09_panel_") for name in run.by_file()} == {
        "metrics",
        "declared",
        "ladders",
        "parity",
        "psnr_warning",
        "by_class",
    }


def test_restored_faces_are_measured_beside_their_truth(run):
    """The model's stand-in blurs what bicubic interpolation gives, so that it is worse."""
    table = run.metrics.set_index("metric").loc[["psnr", "ssim"]]
    assert (table["generated"] < table["real"]).all() and table.loc["psnr"].loc[["generated", "real"]].between(
        10, 40
    ).all()
    assert table["measured_on"].str.contains("bicubic").all() and table["avatars"].isna().all()


def test_measures_of_known_faces_stand_in_a_column_of_their_own(run):
    table = run.metrics.set_index("metric").loc[["ap_11_point", "map_50_95", "iou", "mean_iou", "clip_score"]]
    assert table[["generated", "real"]].isna().all(axis=None) and (table["measured_on"] == "rendered avatars").all()
    assert table["avatars"].notna().tolist() == [True] * 4 + [False]


def test_every_metric_has_a_tau_on_every_ladder_or_a_reason(run):
    table = run.ladders.set_index(["metric", "ladder"])
    known = table["tau"].notna()
    assert len(table) == len(METRICS) * run.ladders["ladder"].nunique() and table.index.is_unique
    assert (table["tau"].isna() == table["why"].ne("")).all()
    assert table["why"]["iou", "mixtures"] == "it needs true boxes, which are not known there"
    assert "too slow" in table["why"]["true_accepts", "noise"] and known["embedding_similarity", "morphs"]


def test_without_a_ladder_of_identity_nothing_is_said_of_identity(run):
    table = run.metrics.set_index("metric")
    alone = table.index[table["sees"] == metric_of_metrics.NO_IDENTITY]
    assert {"psnr", "ssim", "iou", "mean_iou"} <= set(alone)
    assert table.loc[alone, "identity"].isna().all()
    said = [line for line in panel.sentences(run, fresh=True) if "no ladder of identity" in line]
    assert len(said) == 2 and sum(title in line for title in table.loc[alone, "title"] for line in said) == len(alone)
    assert not any("PSNR, dB" in line for line in panel.sentences(run, fresh=True) if "not identity" in line)


def test_identity_by_identity_a_network_without_weights_says_so(people):
    """And one with weights is measured as the oracle is."""
    images, labels = people
    opened = tools(images, labels)
    opened["dinov2"] = but_slow({"q_align": None})["q_align"]
    sets, classes = dict.fromkeys(("test", "other", "generated"), people), ["a", "b", "c"]
    features = dict.fromkeys(sets, opened["inception"](images))
    table = panel.of_each_identity(sets, features, tools=opened, classes=classes, seed=0)
    assert list(table["features"].unique()) == ["oracle_features", "inception", "dinov2"]
    frechet = table[table["measure"] == "frechet"].set_index(["features", "class"])["value"]
    assert len(frechet) == 6 and frechet.notna().all()
    np.testing.assert_allclose(frechet["oracle_features"], frechet["inception"])
    (missing,) = table.loc[table["features"] == "dinov2", "why"]
    assert "too slow" in missing


def test_the_committed_panel_is_what_a_run_left(run, tmp_path, monkeypatch):
    monkeypatch.setattr(panel.paths, "committed_report", lambda name: tmp_path / name)
    assert panel.committed() is None
    (tmp_path / "panel" / "tables").mkdir(parents=True)
    for name, table in run.by_file().items():
        table.to_csv(tmp_path / "panel" / "tables" / f"{name}.csv", index=False)
    found = panel.committed()
    (source, *said), (fresh, *before) = panel.sentences(found, fresh=False), panel.sentences(run, fresh=True)
    assert said == before and fresh == "Computed here; study: small." and "committed in reports/panel" in source
    pd.testing.assert_frame_equal(by_ladder(found.ladders, {}), by_ladder(run.ladders, {}))


def test_what_is_said_is_computed(run):
    able = run.metrics[run.metrics["sees"] != ""]
    said = " ".join(panel.sentences(run, fresh=True))
    assert f"of {len(able)} metrics see both" in said and "9 hold" in said
    assert all(title in said for title in able["title"])
    assert "is allowed" in said and "prdc 0.2" in said and "numbers that they once gave" in said


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


def test_the_panel_in_the_repository_is_of_the_registry_as_it_is():
    found = panel.committed()
    assert list(found.metrics["metric"]) == list(METRICS) == list(dict.fromkeys(found.ladders["metric"]))
    assert found.parity["holds"].all() and metric_of_metrics.control(found.ladders)["holds"].all()
    offline = ["ap_11_point", "mean_iou", "psnr", "ssim", "efficientnet_lite0_frechet", "brisque", "ser_fiq", "rca"]
    values = found.metrics.set_index("metric").loc[[*offline, "embedding_similarity", "true_accepts"]]
    assert values[["generated", "avatars"]].notna().any(axis=1).all() and values["quality"].notna().all()
