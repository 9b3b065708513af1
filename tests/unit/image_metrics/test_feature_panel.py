"""A study's figures on features: at equal counts, class by class, and null where images are too few."""

import json

import numpy as np
import pytest
from normal_features import normals, rng

from kpop_rca.image_metrics import feature_panel, frechet

CLASSES = ["Ari", "Bo"]


def test_frechet_measure_compares_at_equal_counts():
    draw = np.random.default_rng(0)
    real, others, generated = (draw.normal(loc, 1, size=(n, 3)) for loc, n in ((0, 80), (0, 40), (2, 120)))
    found = feature_panel.frechet_measure(real, others, generated, features="three normals", generator=rng())
    assert found["value"] == frechet.frechet_distance(real, generated)
    in_another_order = frechet.frechet_distance(real, others)  # all 40
    assert found["real_vs_real"] == pytest.approx(in_another_order)
    assert (found["n_real"], found["n_generated"], found["n_other_real"]) == (80, 120, 40)
    assert found["real_vs_real"] < 1 < 10 < found["value_at_same_n"]
    assert found["value_at_same_n"] != found["value"]
    swapped = feature_panel.frechet_measure(generated, others, real, features="swapped", generator=rng())
    assert swapped["real_vs_real"] > 10


def test_frechet_by_class_keeps_the_classes_apart():
    """Generated Ari is right, generated Bo is far off; over both together the means would cancel."""
    real, others, generated = normals(60, 40, 80)
    labels = tuple(np.arange(n) % 2 for n in (60, 40, 80))
    generated[labels[2] == 1] += 3
    how = {"labels": labels, "classes": CLASSES, "features": "normals", "generator": rng()}
    found = feature_panel.frechet_by_class(real, others, generated, **how)
    ari, bo = found["per_class"]
    assert ari["value"] == pytest.approx(frechet.frechet_distance(real[::2], generated[::2]))
    assert ari["value"] < 2 < 20 < bo["value"]
    assert found["value"] == pytest.approx((ari["value"] + bo["value"]) / 2)
    assert found["real_vs_real"] == pytest.approx((ari["real_vs_real"] + bo["real_vs_real"]) / 2)
    assert (bo["n_real"], bo["n_generated"], bo["n_other_real"]) == (30, 40, 20)
    assert bo["real_vs_real"] < 2 < 20 < bo["value_at_same_n"]


def test_a_class_without_real_images_has_no_mean():
    sets = normals(10, 10, 10)
    labels = (np.zeros(10, int), np.arange(10) % 2, np.arange(10) % 2)
    found = feature_panel.frechet_by_class(*sets, labels=labels, classes=CLASSES, features="normals", generator=rng())
    assert found["per_class"][0]["value"] > 0
    assert found["per_class"][1]["value"] is None
    assert found["value"] is None
    assert "'Bo'" in found["why"]
    json.dumps(found, allow_nan=False)


def test_every_measure_within_each_class():
    """Bo has 5 images of each kind: enough for a Fréchet distance, and for no density or line."""
    sets = normals(45, 45, 45)
    labels = tuple((np.arange(45) % 9 == 0).astype(int) for _ in range(3))
    sets[2][labels[2] == 0] += 3
    how = {"labels": labels, "classes": CLASSES, "features": "normals", "generator": rng()}
    found = feature_panel.measures_by_class(*sets, **how).set_index(["class", "measure"])
    ari = labels[0] == 0
    assert found.loc[("Ari", "frechet"), "value"] == frechet.frechet_distance(sets[0][ari], sets[2][ari])
    assert found.loc[("Ari", "kernel"), "value"] > 5 * abs(found.loc[("Ari", "kernel"), "real_vs_real"])
    assert tuple(found.loc[("Bo", "frechet"), ["n_real", "n_generated", "n_other_real"]]) == (5, 5, 5)
    assert found.loc[("Ari", "density"), "value"] < 0.5 < found.loc[("Ari", "density"), "real_vs_real"]
    missing = found[found["value"].isna()]
    assert missing.index.tolist() == [("Bo", name) for name in ("density", "coverage", "frechet_infinity")]
    assert missing["why"].str.contains("images of each kind, and of one kind there are 5").all()
    assert (found.loc[found["value"].notna(), "why"] == "").all()


def all_measures(*sets, generator=None):
    labels = tuple(np.arange(len(part)) % 2 for part in sets)
    return feature_panel.feature_measures(
        *sets, labels=labels, classes=CLASSES, features="normals", generator=generator or rng()
    )


def test_all_measures_have_one_form():
    found = all_measures(*normals(60, 40, 80, shift=3.0))
    assert list(found) == list(feature_panel.SMALLEST)
    for name, entry in found.items():
        assert entry["features"] == "normals"
        assert (entry["n_real"], entry["n_generated"]) == (60, 80)
        assert entry.get("n_other_real", 40) == 40
        assert {"value", "real_vs_real", "value_at_same_n"} < set(entry)
        better = 1 if name in ("precision", "recall", "density", "coverage") else -1
        # Generated images are three standard deviations away: every measure must tell them from real ones.
        assert better * (entry["real_vs_real"] - entry["value"]) > 0.1
        assert better * (entry["real_vs_real"] - entry["value_at_same_n"]) > 0.1
    assert found["kernel"]["subset_size"] == 30
    assert found["precision"]["k"] == 3
    assert found["coverage"]["k"] == 5
    assert found["frechet_infinity"]["points"][-1]["n"] == 80
    assert found["frechet_infinity"]["real_vs_real_points"][-1]["n"] == 40
    json.dumps(found, allow_nan=False)


def test_all_measures_are_seeded():
    sets = normals(30, 20, 40)
    assert all_measures(*sets) == all_measures(*sets)
    assert all_measures(*sets) != all_measures(*sets, generator=np.random.default_rng(8))


def test_reference_and_generated_images_do_not_change_places():
    real, others, generated = normals(60, 40, 80, shift=3.0)
    swapped = all_measures(generated, others, real)
    assert all(swapped[name]["real_vs_real"] > 5 for name in ("frechet", "frechet_infinity", "frechet_class_mean"))
    assert swapped["precision"]["real_vs_real"] < 0.2


def test_few_images_leave_some_measures_null_with_the_reason():
    found = all_measures(*normals(10, 5, 10))
    have = {name for name, entry in found.items() if entry["value"] is not None}
    assert have == {"frechet", "kernel", "precision", "recall", "frechet_class_mean"}
    assert "needs 6 images of each kind, and of one kind there are 5" in found["density"]["why"]
    assert found["frechet_infinity"]["features"] == "normals"
    json.dumps(found, allow_nan=False)


def test_neighbourhoods_are_taken_on_a_limited_number(monkeypatch):
    monkeypatch.setattr(feature_panel, "NEIGHBOURHOOD_LIMIT", 20)
    found = all_measures(*normals(60, 40, 80))
    assert (found["recall"]["n_real"], found["recall"]["n_generated"], found["recall"]["n_other_real"]) == (20, 20, 20)
    assert found["frechet"]["n_generated"] == 80


def test_what_is_absent_has_the_same_form():
    absent = feature_panel.absent_measures("no weights", features="normals", n_real=3, n_generated=4)
    assert set(absent) == set(all_measures(*normals(10, 5, 10)))
    assert absent["kernel"] == {
        "value": None,
        "why": "no weights",
        "features": "normals",
        "n_real": 3,
        "n_generated": 4,
        "real_vs_real": None,
        "value_at_same_n": None,
    }
