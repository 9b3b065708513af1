"""The tests of the assumption on trial: real faces that play generators, altered or not."""

import numpy as np
import pandas as pd
import pytest
import torch
from known_oracle import NEXT, ORACLE, faces_and_oracle, rng

from kpop_rca import validity
from kpop_rca.avatars import morphed
from kpop_rca.avatars.dataset import people
from kpop_rca.oracles import training
from kpop_rca.oracles.assumption import DENSITY_LIMIT, Seen
from kpop_rca.plots.validity import assumption_tests, dose_responses, seen_parts
from kpop_rca.study import paths
from kpop_rca.validity import assumption, degraded
from kpop_rca.validity.assumption import Altered

CPU = torch.device("cpu")


def seen(fractions=ORACLE):
    labels, _ = faces_and_oracle()
    return labels, np.stack([rng(s).permuted(faces_and_oracle(fractions=fractions)[1].reshape(4, -1), axis=1).ravel()
                             for s in range(3)])  # fmt: skip


def test_mixtures_pass_and_images_on_which_the_oracles_err_anew_do_not():
    labels, predicted = seen()
    _, worse = seen(0.5 * ORACLE + 0.125)
    found = assumption.agreement_trial(
        Seen(labels, predicted), {"worse": worse}, {"next": NEXT}, n_draws=30, n_per_condition=30, generator=rng()
    )
    assert found["images"].unique().tolist() == [assumption.AS_THEY_ARE, "worse"]
    rates = assumption.pooled_rates(found).set_index("images")
    assert rates.loc[assumption.AS_THEY_ARE, "rejected"] < 0.15 and rates.loc["worse", "rejected"] > 0.6
    assert rates["n_draws"].tolist() == [90, 90]
    said = assumption.about_assumption(found)
    assert f"in {rates.loc['worse', 'rejected']:.0%} of those of images with worse" in said


def test_the_limit_is_the_highest_density_at_which_correction_misled():
    errors = np.array([0.0, 0.06, 0.06, 0.02, 0.4])
    table = pd.DataFrame({"density": [1.0, 0.95, 0.9, 0.7, 0.5], "error": errors, "truth": 1.0})
    reach = np.array([0.04, 0.07, 0.04, 0.04, 0.04])  # that of the second covers the truth: few images
    table["confusion_corrected_accuracy_low"] = 1.0 - errors - reach
    table["confusion_corrected_accuracy_high"] = 1.0 - errors + reach
    assert assumption.density_limit(table) == 0.9
    said = " ".join(assumption.about_density(table, limit_in_use=0.8))
    assert "the density was 0.900 or less. Of the 3 kinds of images with such a density, 1 did not mislead." in said
    assert "0.80 or less; above that, 1 of these kinds misled." in said
    harmless = table.assign(error=0.0)
    assert np.isnan(assumption.density_limit(harmless))
    assert "No alteration misled" in assumption.about_density(harmless, limit_in_use=0.8)[0]


def test_the_limit_in_use_is_what_the_committed_study_finds():
    altered = pd.read_csv(paths.committed_report("quick") / "tables" / "07_altered.csv")
    found = assumption.density_limit(altered[altered["kind"] != "morph"])
    assert np.ceil(100 * found) / 100 == DENSITY_LIMIT


def bright(oracle, images):
    """An oracle that sees people by their brightness, and what it sees as its feature."""
    level = images.reshape(len(images), -1).mean(axis=1)
    features = np.stack([level, images.reshape(len(images), -1).std(axis=1)], axis=1) / 10
    return np.eye(3)[np.clip((level / 80).astype(int), 0, 2)], features


def test_altered_images_are_held_against_their_truth(monkeypatch):
    monkeypatch.setattr(training, "predict", bright)
    labels = np.repeat(np.arange(3), 40)
    images = np.tile((40 + 80 * labels)[:, None, None, None], (1, 4, 4, 3)) + rng().integers(-9, 9, (120, 4, 4, 3))
    images = images.astype(np.uint8)
    cases = [Altered("as they are", 0, images, labels), Altered("blur", 1, 255 - images, labels)]
    found = assumption.altered_trial((images, labels), cases, None, n_replicates=50, generator=rng())
    assert found["error"].tolist() == pytest.approx([0, 2 / 3])  # upside down one of three is right
    assert found["density"].iloc[0] > found["density"].iloc[1]
    figure = assumption_tests(trial(), found, limit=0.5, misleading=0.05)
    np.testing.assert_allclose(figure.axes[1].collections[0].get_offsets(), [[found["density"].iloc[0], 0]], atol=1e-9)
    assert dose_responses(found, titles={"blur": "sigma"}).axes[0].get_title() == "blur"


def trial():
    counts = pd.DataFrame({"images": ["as they are"], "pattern": "next", "truth": 1.0, "n_draws": 20, "rejected": 1})
    return assumption.with_rates(counts)


def test_parts_of_faces_are_hidden_on_both_sides(monkeypatch):
    """An oracle that sees the middle alone is right where the middle is; where it is grey it is not."""
    monkeypatch.setattr(degraded, "_predicted", lambda oracle, images: (images[:, 16, 16, 0] // 80).clip(0, 2))
    labels = np.repeat(np.arange(3), 30)
    images = np.tile((40 + 80 * labels)[:, None, None, None], (1, 32, 32, 3)).astype(np.uint8)
    found = validity.parts_trial(
        (images, labels), (images, labels), {"": None, "hair": None, "face": None}, n_replicates=50, generator=rng()
    )
    assert found["sees"].tolist() == ["all", "brows to chin alone", "all but brows to chin"]
    assert found["accuracy_real"].tolist() == pytest.approx([1, 1, 1 / 3])
    assert "right on 33% of the real faces" in validity.about_parts(found)[2]
    without_hair = found["sees"] == "brows to chin alone"
    for accuracy, said in ((0.9, 3), (0.2, 4)):
        told = validity.about_parts(found.assign(accuracy_real=found["accuracy_real"].mask(without_hair, accuracy)))
        assert len(told) == said
    assert "more real faces (33%) than the face alone (20%)" in told[-1]
    assert len(validity.about_parts(found[:1])) == 1
    assert len(seen_parts(found).axes[0].get_yticklabels()) == 3


def test_swapped_pairs_are_drawn_again_and_their_coverage_is_explained():
    labels, predicted = faces_and_oracle()
    found = validity.swapped_pair_coverage(labels, predicted, pair=(2, 3), n_draws=20, n_replicates=60, generator=rng())
    table = found.set_index("estimator")
    assert (table["n_draws"] == 20).all()
    assert abs(table.loc["confusion_corrected_accuracy", "bias"]) < 0.03 < table.loc["rca", "bias"]
    assert table.loc["confusion_corrected_accuracy", "coverage"] > table.loc["rca", "coverage"]
    of_rca, *others = validity.about_swapped_pair(found)
    row = table.loc["rca"]
    assert of_rca.startswith(f"RCA: the 95 % interval covers the truth in {row['coverage']:.0%} of 20 draws; bias +")
    assert of_rca.endswith(f"where the interval assumes {row['sd_assumed']:.3f}.") and len(others) == 2


def test_morphs_are_cropped_and_have_a_truth_at_their_ends():
    images = morphed(people(seed=0, n_identities=2, alikeness=0.0), np.array([1, 0]), n=2, size=96, seed=1)
    found = validity.morphs(images, np.repeat([0, 1], 2), margin=0.25, size=32, min_face_size=32)
    assert [one.level for one in found] == [0, 0.25, 0.5, 0.75, 1] and found[0].truth == 1 and found[-1].truth == 0
    assert np.isnan(found[2].truth) and found[0].images.shape[1:] == (32, 32, 3)
    assert all(len(one.images) == len(one.labels) for one in found)
