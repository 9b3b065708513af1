"""Networks that learn MOS: splits by identity, no leak from the test, and a signal that is found."""

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import iqa_networks, stimuli
from kpop_rca.human_ratings.iqa_networks import Recipe
from kpop_rca.study import params

TINY = Recipe(epochs=1, batch_size=8, width=8)


def brightness_faces(n=96):
    """Noisy images whose MOS is their brightness, of eight people in turns."""
    rng = np.random.default_rng(0)
    level = rng.uniform(50, 200, n)
    images = (level[:, None, None, None] + rng.normal(0, 20, (n, 16, 16, 3))).clip(0, 255).astype(np.uint8)
    return images, level / 50, np.array([f"p{k % 8}" for k in range(n)])


def test_nobody_is_on_both_sides_of_a_split():
    _, _, identities = brightness_faces()
    masks = list(iqa_networks.splits(identities, n_splits=10, test_fraction=0.2, seed=0))
    assert len(masks) == 10
    for test in masks:
        assert not {*identities[test]} & {*identities[~test]}
        assert len({*identities[test]}) == 2  # a fifth of eight people
    assert len({tuple(mask) for mask in masks}) > 5
    with pytest.raises(StudyError, match="two identities are needed"):
        next(iqa_networks.splits(np.array(["a", "a"]), n_splits=1, test_fraction=0.2, seed=0))


@pytest.mark.parametrize("name", iqa_networks.NETWORKS)
def test_a_network_gives_a_number_for_each_image(name):
    images, mos, _ = brightness_faces(16)
    network = iqa_networks.trained(name, images, mos, TINY, seed=0, split=0)
    found = iqa_networks.predicted(network, images)
    assert found.shape == (16,) and np.isfinite(found).all()
    assert iqa_networks.predicted(network, images[:3]) == pytest.approx(found[:3], abs=1e-4)  # sums in another order
    before = torch.random.get_rng_state()
    again = iqa_networks.trained(name, images, mos, TINY, seed=0, split=0)
    assert (iqa_networks.predicted(again, images) == found).all()
    assert (torch.random.get_rng_state() == before).all()


def test_what_can_be_trained_on_is_found_again(monkeypatch):
    monkeypatch.setattr(iqa_networks, "NETWORKS", {"VGG-like": iqa_networks.NETWORKS["VGG-like"]})
    images, mos, identities = brightness_faces()
    how = {"recipe": Recipe(epochs=10, batch_size=16, width=8), "n_splits": 2, "seed": 0}
    table = iqa_networks.retrained(images, mos, identities, **how)
    assert (table["srcc"] > 0.9).all()
    shuffled = iqa_networks.retrained(images, np.random.default_rng(1).permutation(mos), identities, **how)
    assert shuffled["srcc"].abs().mean() < 0.5  # of 24 images each: a standard error of .2


def test_tables_have_every_network_and_split(monkeypatch, tmp_path):
    images, mos, identities = brightness_faces(24)
    names = [f"image {k}" for k in range(24)]
    shown = [
        stimuli.Stimulus(image, name=name, generator="g", level="l", identity=who)
        for image, name, who in zip(images, names, identities, strict=True)
    ]
    monkeypatch.setattr(stimuli, "of_study", lambda study, n_images: shown)
    dimensions = {"iqa_dimensions": ["quality"]}
    monkeypatch.setattr(params, "resolve", lambda study, resolve=params.resolve: resolve(study) | dimensions)
    table = pd.DataFrame({"image": names, "identity": identities, "dimension": "quality", "mos": mos})
    table.loc[0, "mos"] = np.nan  # too few ratings
    table.assign(raters="simulated raters").to_csv(tmp_path / "mos.csv", index=False)
    words = ["--mos", str(tmp_path / "mos.csv"), "--out", str(tmp_path / "out"), "--splits", "2", "--epochs", "1"]
    assert iqa_networks.main(words) == 0
    by_split = pd.read_csv(tmp_path / "out" / iqa_networks.BY_SPLIT)
    assert len(by_split) == 2 * len(iqa_networks.NETWORKS)
    assert (by_split["n_train"] + by_split["n_test"] == 23).all()
    summary = pd.read_csv(tmp_path / "out" / iqa_networks.SUMMARY)
    assert summary["network"].tolist() == [*iqa_networks.NETWORKS] and set(summary["raters"]) == {"simulated raters"}
    assert (summary["splits"] == 2).all()
    of_notebook = iqa_networks.trained_on(
        table.assign(raters="n"), shown, dimensions=["quality"], n_splits=2, epochs=1, seed=0
    )
    pd.testing.assert_frame_equal(of_notebook.drop(columns="raters"), summary.drop(columns="raters"))


def test_a_study_that_left_no_tables_is_named():
    with pytest.raises(StudyError, match="reports/smoke"):
        iqa_networks.committed("smoke")


def test_the_study_of_networks_names_what_it_trains():
    told = params.resolve("ratings")
    assert told["iqa_splits"] == 10 and set(told["iqa_dimensions"]) <= {"quality", "authenticity", "id_fidelity"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop(columns="identity"), "has no column 'identity'"),
        (lambda table: table.assign(dimension="authenticity"), "has no MOS of quality; it has authenticity"),
        (lambda table: table, "the MOS are of other images, such as a"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(monkeypatch, tmp_path, capsys, change, said):
    monkeypatch.setattr(stimuli, "of_study", lambda study, n_images: [])
    table = pd.DataFrame({"image": ["a"], "identity": ["b"], "dimension": ["quality"], "mos": [1.0]})
    change(table).to_csv(tmp_path / "mos.csv", index=False)
    assert iqa_networks.main(["--mos", str(tmp_path / "mos.csv")]) == 1
    assert said in capsys.readouterr().err
    assert iqa_networks.main(["--mos", str(tmp_path / "none.csv")]) == 1
    assert "run notebook 11_human_ratings" in capsys.readouterr().err
