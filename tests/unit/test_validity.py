"""The trial of the metric: known truths by hand, judges of known errors, and an estimator that must fail it."""

import doctest
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from kpop_rca import oracle, rca, validity, validity_figures
from kpop_rca.errors import StudyError
from kpop_rca.rca.bootstrap import statistics

JUDGE = np.array([[0.8, 0.15, 0.05, 0.0], [0.05, 0.85, 0.0, 0.1], [0.0, 0.0, 0.9, 0.1], [0.0, 0.1, 0.25, 0.65]])
NEXT = np.roll(np.eye(4), 1, axis=1)  # whoever is asked for, the next one is shown
CPU = torch.device("cpu")


def rng(seed=0):
    return np.random.default_rng(seed)


def faces_and_judge(n=120, shares=JUDGE):
    """Labels, n of each class, and answers in exactly these shares, shuffled within each class."""
    labels = np.repeat(np.arange(len(shares)), n)
    answers = [np.repeat(np.arange(len(shares)), np.round(n * row).astype(int)) for row in shares]
    return labels, np.concatenate([rng(1).permutation(part) for part in answers])


def counts(share, n):
    return np.round(n * np.asarray(share)).astype(int)


def test_docstring_examples():
    assert doctest.testmod(validity).failed == 0


# --- who stands in for whom ---


def test_swap_patterns_by_hand():
    """Within a group there is one other; across, 0 and 3 are never confused, nor are 1 and 2."""
    patterns = validity.swap_patterns(counts(JUDGE, 100), [[0, 1], [2, 3]])
    np.testing.assert_allclose(patterns["anyone"], (1 - np.eye(4)) / 3)
    assert patterns["a look-alike"].argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert patterns["someone unlike"].argmax(axis=1).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("groups", [[], [[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0], [1, 2, 3]]])
def test_swaps_are_permutations_without_oneself_that_respect_the_groups(groups):
    patterns = validity.swap_patterns(counts(JUDGE, 100), groups)
    group_of = {c: number for number, group in enumerate(groups) for c in group}
    for name in ("a look-alike", "someone unlike"):
        swaps = patterns[name]
        assert not np.diag(swaps).any()
        assert (swaps.sum(axis=0) == 1).all() and (swaps.sum(axis=1) == 1).all()
    if sorted(map(len, groups)) == [2, 2]:
        for name, within in (("a look-alike", True), ("someone unlike", False)):
            assert all((group_of[c] == group_of[shown]) == within for c, shown in enumerate(patterns[name].argmax(1)))


def test_groups_outweigh_confusion():
    real = [[10, 0, 90, 0], [0, 10, 0, 90], [90, 0, 10, 0], [0, 90, 0, 10]]  # confused across the groups alone
    patterns = validity.swap_patterns(np.array(real), [[0, 1], [2, 3]])
    assert patterns["a look-alike"].argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert patterns["someone unlike"].argmax(axis=1).tolist() == [3, 2, 1, 0]
    assert validity.swap_patterns(np.array(real), [])["a look-alike"].argmax(axis=1).tolist() == [2, 3, 0, 1]


def test_mixture_size():
    labels = np.repeat([0, 1], [90, 31])
    assert validity.mixture_size(labels, most=8) == 8
    assert validity.mixture_size(labels, most=40) == 10
    with pytest.raises(StudyError, match="2 test faces"):
        validity.mixture_size(np.repeat([0, 1], [9, 2]), most=8)


# --- mixtures ---


def test_a_mixture_and_the_confusion_share_no_image_and_nothing_is_lost():
    labels, _ = faces_and_judge(n=60)
    playing, asked, left = validity.draw_mixture(labels, 0.5, NEXT, n_per_condition=20, generator=rng())
    np.testing.assert_array_equal(np.sort(np.concatenate([playing, left])), np.arange(len(labels)))
    np.testing.assert_array_equal(asked, np.repeat(np.arange(4), 20))
    other = validity.draw_mixture(labels, 0.5, NEXT, n_per_condition=20, generator=rng(1))[0]
    assert not np.array_equal(np.sort(playing), np.sort(other))  # drawn anew


def test_at_the_ends_a_mixture_shows_whom_it_must():
    labels, _ = faces_and_judge(n=60)
    for truth, shift in ((1.0, 0), (0.0, 1)):
        playing, asked, _ = validity.draw_mixture(labels, truth, NEXT, n_per_condition=20, generator=rng())
        np.testing.assert_array_equal(labels[playing], (asked + shift) % 4)


def test_the_truth_of_mixtures_in_the_mean():
    """100 draws of 80 images know a share of 0.3 to 0.005, one of the 0.7 spread over three others to 0.01."""
    labels, _ = faces_and_judge(n=90)
    evenly = (1 - np.eye(4)) / 3
    shown = np.zeros((4, 4))
    for seed in range(100):
        playing, asked, _ = validity.draw_mixture(labels, 0.3, evenly, n_per_condition=20, generator=rng(seed))
        shown += rca.confusion_counts(asked, labels[playing], 4) / 2000
    assert np.diag(shown).mean() == pytest.approx(0.3, abs=0.015)
    np.testing.assert_allclose(shown, 0.3 * np.eye(4) + 0.7 * evenly, atol=0.04)


def test_too_few_images_for_a_mixture():
    labels, _ = faces_and_judge(n=20)
    with pytest.raises(StudyError, match="20 test faces of an identity are too few to mix 11 of each; lower mixture"):
        validity.draw_mixture(labels, 0.5, NEXT, n_per_condition=11, generator=rng())


# --- estimators ---


def test_the_fast_statistics_are_those_of_the_analysis():
    draw = rng().multinomial
    tables = [draw(40, JUDGE, size=(50, 4)).astype(float), draw(30, NEXT @ JUDGE, size=(50, 4)).astype(float)]
    for real, generated in (tables, tables[::-1], [part[0] for part in tables]):
        found, expected = validity._statistics(real, generated), statistics(real, generated)
        for name, value in found.items():
            np.testing.assert_allclose(value, expected[name], atol=1e-10, err_msg=name)


def test_tables_that_cannot_be_inverted_leave_the_others_alone():
    nearly = JUDGE.copy()
    nearly[1] = nearly[0] + 1e-13 * np.array([1, -1, 0, 0])
    stack = np.stack([np.full((4, 4), 0.25), JUDGE, nearly])
    found = validity._statistics(stack, np.stack([JUDGE] * 3))
    np.testing.assert_allclose(found["fidelity"], [np.nan, 1, np.nan])
    assert np.isnan(found["chance_corrected"][0]) and np.isfinite(found["rca"]).all()


def test_estimates_and_their_asymmetry():
    real, generated = counts(JUDGE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ JUDGE, 1000)
    found = validity.estimate(real, generated, n_replicates=300, generator=rng())
    assert found["rca"][0] == pytest.approx(rca.global_rca(real, generated))
    assert found["chance_corrected"][0] == pytest.approx(rca.chance_corrected_rca(real, generated))
    assert found["fidelity"][0] == pytest.approx(0.6)
    np.testing.assert_allclose(found["class_fidelity"][0], rca.identity_fidelity(real, generated))
    for value, low, high in found.values():
        assert np.all((low < value) & (value < high))
    swapped = validity.estimate(generated, real, n_replicates=300, generator=rng())
    assert abs(swapped["rca"][0] - 0.6) > 0.3 and swapped["rca"][1] > found["rca"][2]


def test_the_width_follows_the_side_with_few_images():
    few, many = counts(JUDGE, 40), counts(JUDGE, 4000)
    widths = [
        np.subtract(*validity.estimate(*pair, n_replicates=2000, generator=rng())["fidelity"][:0:-1])
        for pair in ((few, many), (many, few), (many, many))
    ]
    assert min(widths[:2]) > 5 * widths[2]


def test_no_fidelity_from_a_judge_that_the_analysis_refuses():
    poor = counts([[0.52, 0.48], [0.48, 0.52]], 100)
    found = validity.estimate(poor, poor, n_replicates=100, generator=rng())
    assert np.isnan(found["fidelity"]).all() and np.isnan(found["class_fidelity"]).all()
    assert found["rca"][0] == 1
    with pytest.raises(StudyError):
        rca.identity_fidelity(poor, poor)


# --- the trial ---


def trial(truths, *, n_draws, patterns=None, n_replicates=200):
    labels, judged = faces_and_judge()
    return validity.mixture_trial(
        labels,
        judged,
        patterns or {"next": NEXT},
        truths=truths,
        n_draws=n_draws,
        n_per_condition=40,
        n_replicates=n_replicates,
        generator=rng(5),
    )


def test_identity_fidelity_is_unbiased_and_covers_where_rca_does_not():
    """200 draws at each truth. A mean of four classes with 40 images varies by 0.03 to 0.06, so that the mean of the
    draws is known to 0.004; a coverage of 94 % is known to 1.7 %. The bounds are two and a half to three of these.

    At truth 0 the judge takes the next one for the one asked for in 0.05, 0, 0.25 and 0 of the cases: 0.075 in the
    mean, over an accuracy of 0.8, so that RCA is 0.094 too high.
    """
    summary = validity.trial_summary(trial((0.0, 0.7, 1.0), n_draws=200)).set_index(["estimator", "truth"])
    for truth in (0.0, 0.7, 1.0):
        found = summary.loc[("fidelity", truth)]
        assert abs(found["bias"]) < 0.012
        assert 0.90 <= found["coverage"] <= 0.985
    ratio = summary.loc["rca"]
    assert ratio.loc[0.0, "bias"] == pytest.approx(0.094, abs=0.01)
    assert ratio.loc[0.0, "coverage"] < 0.2
    assert abs(ratio.loc[1.0, "bias"]) < 0.012
    assert summary.loc[("simplex", 1.0), "bias"] < -0.01  # forced into [0, 1], it is too low there


def test_an_estimator_that_swaps_real_and_generated_fails_the_trial():
    labels, judged = faces_and_judge()
    errors = {"right": [], "swapped": []}
    for seed in range(40):
        playing, asked, left = validity.draw_mixture(labels, 0.7, NEXT, n_per_condition=40, generator=rng(seed))
        real = rca.confusion_counts(labels[left], judged[left], 4)
        generated = rca.confusion_counts(asked, judged[playing], 4)
        for name, pair in (("right", (real, generated)), ("swapped", (generated, real))):
            found = validity.estimate(*pair, n_replicates=100, generator=rng(seed))
            errors[name].append(found["fidelity"][0] - 0.7)
    assert abs(np.mean(errors["right"])) < 0.03  # 40 draws know it to 0.01
    assert abs(np.mean(errors["swapped"])) > 0.2


def test_the_trial_is_paired_complete_and_repeatable():
    patterns = validity.swap_patterns(counts(JUDGE, 100), [])
    found = trial((0.0, 1.0), n_draws=3, patterns=patterns, n_replicates=100)
    assert len(found) == 3 * 2 * 3 * 5
    assert set(found["estimator"]) == {*validity.ESTIMATORS, "class_fidelity", "simplex"}
    means = found.pivot(index=["pattern", "truth", "draw"], columns="estimator", values="value")
    np.testing.assert_allclose(means["fidelity"], means["class_fidelity"])
    assert found[found["estimator"] == "simplex"]["held"].isna().all()
    pd.testing.assert_frame_equal(found, trial((0.0, 1.0), n_draws=3, patterns=patterns, n_replicates=100))


def test_the_chance_corrected_ratio_is_held_to_its_own_scale():
    assert validity.target("chance_corrected", 0.0, 5) == pytest.approx(-0.25)
    assert validity.target("chance_corrected", 0.2, 5) == pytest.approx(0)
    assert validity.target("rca", 0.2, 5) == validity.target("simplex", 0.2, 5) == 0.2


def test_trial_summary_by_hand():
    rows = [("a", 0.5, 0.4, 1.0), ("a", 0.5, 0.8, 0.0), ("a", 0.5, np.nan, 0.0), ("b", 0.5, 0.6, np.nan)]
    table = pd.DataFrame(rows, columns=["estimator", "truth", "value", "held"]).assign(target=0.5)
    a, b = validity.trial_summary(table).to_dict("records")
    assert (a["n_draws"], a["n_undefined"], a["bias"]) == (3, 1, pytest.approx(0.1))
    assert a["sd"] == pytest.approx(0.4 / np.sqrt(2))
    assert a["bias_high"] - a["bias"] == pytest.approx(1.96 * 0.2)  # 0.283 / sqrt(2)
    assert a["coverage"] == pytest.approx(1 / 3)  # where there is no value nothing is held
    assert (a["coverage_low"], a["coverage_high"]) == pytest.approx((0.061, 0.792), abs=0.001)  # Wilson, 1 of 3
    assert b["bias"] == pytest.approx(0.1) and np.isnan([b["coverage"], b["coverage_low"], b["coverage_high"]]).all()


# --- broken generators ---


def test_halves_are_disjoint_complete_and_balanced():
    labels = np.repeat([0, 1, 2], [11, 20, 8])
    playing, left = validity.halves(labels, generator=rng())
    assert not np.array_equal(playing, validity.halves(labels, generator=rng(1))[0])
    np.testing.assert_array_equal(np.sort(np.concatenate([playing, left])), np.arange(39))
    assert np.bincount(labels[playing]).tolist() == [4, 4, 4]
    assert np.bincount(labels[left]).tolist() == [7, 16, 4]
    with pytest.raises(StudyError, match="fewer than two test faces"):
        validity.halves(np.array([0, 0, 1]), generator=rng())


def test_broken_generators_show_what_they_say():
    labels = np.repeat([0, 1, 2, 3], 50)
    found = validity.broken_conditions(labels, (1, 3), generator=rng())
    assert [truth for _, _, truth in found.values()] == [1, 0.5, 0.25, 0.25]
    for name, (shown, asked, truth) in found.items():
        realised = (labels[shown] == asked).mean()
        assert realised == pytest.approx(truth, abs=0.1 if name == "class-blind" else 1e-12)
        assert (np.bincount(asked) == 50).all()
    shown, asked, _ = found["swapped pair"]
    assert set(zip(labels[shown].tolist(), asked.tolist(), strict=True)) == {(0, 0), (1, 3), (2, 2), (3, 1)}
    assert (labels[found["one for all"][0]] == 0).all()


def test_the_pair_that_is_confused_most():
    assert validity.most_confused(counts(JUDGE, 100)) == (2, 3)
    assert validity.most_confused(np.eye(3, dtype=int)) == (0, 1)


def test_broken_trial_by_hand():
    """A judge of exactly the same shares on either half: what is estimated has no noise but in the class-blind one."""
    labels, judged = faces_and_judge(n=200)
    halved = [np.flatnonzero((np.arange(len(labels)) % 2) == side) for side in (0, 1)]
    for half in halved:
        judged[half] = faces_and_judge(n=100)[1]
    found = validity.broken_trial(labels, judged, parts=halved, pair=(2, 3), n_replicates=300, generator=rng())
    value = found.pivot(index="broken", columns="estimator", values="value")
    assert value.loc["perfect"].tolist() == pytest.approx([1, 1, 1])
    # 2 and 3 exchanged: judged as asked are 80 and 85 of 0 and 1, 10 and 25 of the two, of 320 that are right.
    assert value.loc["swapped pair", "rca"] == pytest.approx(200 / 320)
    assert value.loc["swapped pair", "fidelity"] == pytest.approx(0.5)
    assert value.loc["one for all"].tolist() == pytest.approx([0, 0.25, 0.25 / 0.8])
    assert value.loc["class-blind", "fidelity"] == pytest.approx(0.25, abs=0.1)
    pairs = found.set_index(["broken", "estimator"])
    assert pairs.loc[("swapped pair", "fidelity"), "held"] == 1 and pairs.loc[("swapped pair", "rca"), "held"] == 0
    assert pairs.loc[("swapped pair", "chance_corrected"), "target"] == pytest.approx(1 / 3)
    assert pairs.loc[("one for all", "chance_corrected"), "held"] == 1  # 0, and not the truth of 0.25


def test_the_zero_of_rca_depends_on_the_judge_and_that_of_fidelity_does_not():
    labels, good = faces_and_judge()
    _, worse = faces_and_judge(shares=0.5 * JUDGE + 0.125)
    hopeless = np.zeros_like(labels)
    answers = pd.concat(
        pd.DataFrame(
            {"judge": name, "trained_on": "judge", "image": np.arange(480), "label": labels, "judged": says}
        ).sample(frac=1, random_state=0)
        for name, says in {"good": good, "worse": worse, "hopeless": hopeless}.items()
    )
    found = validity.blind_by_judge(answers, parts=validity.halves(labels, generator=rng())).set_index("judge")
    np.testing.assert_allclose(found["rca"], 0.25 / found["accuracy_real"])
    assert found.loc["worse", "rca"] > 1.3 * found.loc["good", "rca"]
    np.testing.assert_allclose(found.loc[["good", "worse"], "fidelity"], 0.25)
    np.testing.assert_allclose(found.loc[["good", "worse"], "chance_corrected"], 0, atol=1e-12)
    assert np.isnan(found.loc["hopeless", "fidelity"])


# --- images ---


def portraits(n, *, seed=0):
    """uint8 (n, 12, 12, 3), no two alike, and labels: the class is the brightest channel."""
    labels = np.arange(n) % 3
    coarse = rng(seed).integers(0, 120, (n, 4, 4, 3), dtype=np.uint8)
    coarse[np.arange(n), :, :, labels] += 130
    return coarse.repeat(3, axis=1).repeat(3, axis=2), labels


class Judges:
    """Stand-ins for networks: one knows crisp pictures, the other blurred ones; others mislead it in 40 %."""

    @staticmethod
    def judge_images(judge, images):
        labels = images.mean(axis=(1, 2)).argmax(axis=1)
        unsure = np.arange(len(images)) % 5 < 2
        crisp = np.abs(np.diff(images.astype(float), axis=2)).max(axis=(1, 2, 3)) > 40
        wrong = unsure & (crisp == (judge == "of blurred ones"))
        return np.eye(3)[np.where(wrong, (labels + 1) % 3, labels)], None


@pytest.fixture
def judges(monkeypatch):
    monkeypatch.setattr(oracle, "judge_images", Judges.judge_images)


def test_copies_score_as_real_faces_and_only_the_search_tells_them_apart(judges):
    train, held_out, others = (portraits(n, seed=n) for n in (150, 130, 140))
    held_out = held_out[0][::-1], held_out[1][::-1]
    noisy = validity.noised(train[0], 8, generator=rng()), train[1]
    suspects = {"copies": train, "noisy copies": noisy, "no copies": others}
    real = rca.confusion_counts(held_out[1], held_out[1], 3)
    found = validity.copy_trial(
        suspects, "of crisp ones", real, train=train, held_out=held_out, n_replicates=100, generator=rng()
    ).set_index("suspect")
    np.testing.assert_allclose(found[["rca", "fidelity"]], 1)
    assert found["copies"].tolist() == [True, True, False]
    assert found.loc["copies", "share_nearer_train"] > 0.85  # 20 of the 150 have no held-out partner to compare with
    assert found.loc["no copies", "share_nearer_train"] == pytest.approx(0.5, abs=0.15)  # three standard errors


def test_blur_keeps_flat_pictures_and_means_and_mixes_neither_images_nor_colours():
    flat = np.full((2, 8, 8, 3), [10, 200, 90], dtype=np.uint8)
    flat[1] = 7
    np.testing.assert_array_equal(validity.blurred(flat, 1.5), flat)
    images, _ = portraits(4)
    np.testing.assert_array_equal(validity.blurred(images, 0), images)
    soft = validity.blurred(images, 1.0)
    assert (soft.dtype, soft.shape) == (np.uint8, images.shape)
    np.testing.assert_allclose(soft.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=0.5)
    one = gaussian_filter1d(gaussian_filter1d(images[2, :, :, 1].astype(float), 1.0, axis=0), 1.0, axis=1)
    np.testing.assert_allclose(soft[2, :, :, 1], one, atol=0.51)


def test_noise_has_its_size_and_is_drawn_again_from_its_generator():
    grey = np.full((20, 16, 16, 3), 128, dtype=np.uint8)
    noisy = validity.noised(grey, 10, generator=rng())
    assert noisy.dtype == np.uint8
    assert noisy.std() == pytest.approx(10, rel=0.03)  # 15,360 values know it to 0.6 %; rounding adds 0.04 %
    np.testing.assert_array_equal(noisy, validity.noised(grey, 10, generator=rng()))
    np.testing.assert_array_equal(validity.noised(grey, 0, generator=rng()), grey)
    assert validity.noised(np.zeros_like(grey), 50, generator=rng()).min() == 0  # clipped, not wrapped
    assert validity.noised(np.zeros_like(grey), 50, generator=rng()).mean() < 30


def test_the_middle_level():
    assert validity.middle([1.0, 0.0]) == 1.0
    assert validity.middle([2.0, 0.0, 0.5]) == 0.5


def test_degraded_faces_mislead_and_both_remedies_help(judges):
    test = portraits(3000)
    parts = validity.halves(test[1], generator=rng())
    found = validity.degradation_trial(
        test,
        "of crisp ones",
        parts=parts,
        blur_sigmas=[0.0, 2.0],
        noise_sds=[0.0],
        retrained=("of blurred ones", 2.0),
        n_replicates=200,
        generator=rng(),
    )
    assert set(found["truth"]) == {1.0}
    assert found.groupby("kind")["remedy"].unique().map(list).to_dict() == {
        "blur": ["none", "confusion", "judge"],
        "noise": ["none", "confusion"],
    }
    blur = found[found["kind"] == "blur"].set_index(["estimator", "level", "remedy"])["value"]
    for estimator in validity.ESTIMATORS:
        assert blur[estimator, 0.0, "none"] == pytest.approx(1)
        # Blurred, 40 % are mistaken. An accuracy of one half is known to 0.013, the difference of two to 0.018, and
        # the chance-corrected ratio divides that by 0.27: the bounds are three of these.
        assert blur[estimator, 2.0, "none"] == pytest.approx(validity.target(estimator, 0.6, 3), abs=0.06)
        assert blur[estimator, 2.0, "confusion"] == pytest.approx(1, abs=0.2)
        assert abs(blur[estimator, 2.0, "confusion"] - 1) > 1e-6  # as it would be from the same half
        assert blur[estimator, 2.0, "judge"] == pytest.approx(1)
        assert blur[estimator, 0.0, "judge"] == pytest.approx(validity.target(estimator, 0.6, 3), abs=0.06)


def splits_of(coloured_faces):
    images, labels = coloured_faces
    edges = {"train": (0, 30), "judge": (30, 60), "validation": (60, 90), "test": (90, 120)}
    return {name: (images[low:high], labels[low:high]) for name, (low, high) in edges.items()}


def selected_judge(folder, *, trained_on):
    folder.mkdir()
    recipe = {"width": 4, "warmup_epochs": 0, "epochs": 1, "batch_size": 16, "learning_rate": 3e-3}
    recipe |= {"colour_jitter": 0.1, "pretrained": False, "seed": 7}
    about = {"architecture": "resnet10", "trained_on": trained_on, "recipe": recipe}
    (folder / "about.json").write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("trained_on", ["judge", "train"])
def test_a_judge_is_trained_again_like_the_selected_one_on_blurred_faces(
    coloured_faces, tmp_path, monkeypatch, trained_on
):
    asked = {}
    monkeypatch.setattr(oracle, "train_or_load", lambda architecture, faces, **how: asked.update(faces=faces, **how))
    monkeypatch.setattr(oracle, "load_judge", lambda folder, device: (folder, device))
    splits = splits_of(coloured_faces)
    like = selected_judge(tmp_path / "like", trained_on=trained_on)
    how = {"like": like, "seed": 3, "folder": tmp_path / "new", "device": CPU, "bar": iter}
    assert validity.retrained_on_blurred(splits, 1.0, **how) == (tmp_path / "new", CPU)
    assert asked["recipe"] == oracle.Recipe(4, 0, 1, 16, 3e-3, 0.1, False, 7)
    assert asked["notes"] == {"trained_on": trained_on, "blur": 1.0}
    expected = oracle.learning_faces(splits, seed=3)[trained_on]
    for name, (images, labels) in {"train": expected, "test": splits["test"]}.items():
        np.testing.assert_array_equal(asked["faces"][name][0], validity.blurred(images, 1.0))
        np.testing.assert_array_equal(asked["faces"][name][1], labels)


def test_a_judge_that_was_trained_again_is_not_trained_a_third_time(coloured_faces, tmp_path):
    bars = []
    how = {"like": selected_judge(tmp_path / "like", trained_on="judge"), "seed": 0, "folder": tmp_path / "new"}
    for _ in range(2):
        judge = validity.retrained_on_blurred(
            splits_of(coloured_faces), 0.5, device=CPU, bar=lambda epochs, desc: bars.append(desc) or epochs, **how
        )
    assert bars == ["whole network"]
    assert not judge.training and judge.fc.out_features == 3


# --- how many ---


def test_widths_shrink_like_one_over_the_root_of_n():
    """Four times as many of both: half the width. 2,000 replicates know a width to some 3 %."""
    real, generated = counts(JUDGE, 100), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ JUDGE, 1000)
    found = validity.interval_widths(
        real, generated, n_real=[50, 200], n_generated=[100, 400], n_replicates=2000, generator=rng()
    ).set_index(["n_real", "n_generated"])
    assert len(found) == 4
    for name in ("rca", "fidelity", "class_rca", "class_fidelity"):
        assert found.loc[(50, 100), name] / found.loc[(200, 400), name] == pytest.approx(2, rel=0.15)
    assert found.loc[(50, 400), "rca"] > found.loc[(200, 400), "rca"]
    assert (found["class_rca"] > found["rca"]).all()


def test_widths_take_the_real_shares_for_the_real_images():
    """A judge that never errs on real images: their number does not matter, that of the generated ones does."""
    real, generated = 50 * np.eye(4, dtype=int), counts(0.5 * np.eye(4) + 0.5 * NEXT, 100)
    found = validity.interval_widths(
        real, generated, n_real=[10, 1000], n_generated=[100, 400], n_replicates=2000, generator=rng()
    ).set_index(["n_real", "n_generated"])["rca"]
    assert found[10, 100] == pytest.approx(found[1000, 100], rel=0.1)
    assert found[10, 100] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 400), rel=0.1)


def test_no_width_of_a_fidelity_that_there_is_not():
    poor = counts([[0.52, 0.48], [0.48, 0.52]], 100)
    (row,) = validity.interval_widths(
        poor, poor, n_real=[50], n_generated=[50], n_replicates=100, generator=rng()
    ).to_dict("records")
    assert np.isnan(row["fidelity"]) and np.isnan(row["class_fidelity"]) and row["rca"] > 0


def test_balanced_generated_is_where_the_interval_stops_shrinking():
    """By Katz' interval of the ratio, which is another piece of code: on a log scale sqrt(2) and sqrt(1.1) as wide."""
    real, generated = counts(JUDGE, 1000), counts((0.6 * np.eye(4) + 0.4 * NEXT) @ JUDGE, 1000)
    found = validity.balanced_generated(real, generated)
    assert (found["n_real"], found["n_generated"]) == (4000, 4000)
    a_g = rca.accuracy(generated)

    def width(n):
        low, high = rca.ratio_interval(a_g * n, n, 3200, 4000, method="katz")
        return np.log(high / low)

    endless = width(1e12)
    assert width(found["n_equal"]) / endless == pytest.approx(np.sqrt(2), rel=1e-3)
    assert width(found["n_enough"]) / endless == pytest.approx(np.sqrt(1.1), rel=1e-3)
    # 0.5 wrong to 4000.5 right: a judge without an error has a variance too
    never_wrong = validity.balanced_generated(1000 * np.eye(4, dtype=int), generated)
    assert never_wrong["n_equal"] > 100 * found["n_equal"]


def test_the_recommendation_says_what_the_table_has():
    real, generated = counts([[0.8, 0.2], [0.2, 0.8]], 10), counts([[0.4, 0.6], [0.6, 0.4]], 100)
    rows = [(10, 100, 0.2, 0.1, 0.3, 0.3), (10, 1000, 0.1, 0.04, 0.3, 0.2), (99, 100, 0.01, 0.01, 0.01, 0.01)]
    widths = pd.DataFrame(rows, columns=["n_real", "n_generated", "rca", "fidelity", "class_rca", "class_fidelity"])
    said = validity.recommendation(real, generated, widths)
    assert "with 10 real test faces of each identity (the study has 10)" in said
    assert "no wider than 0.1 from 1000 generated ones on" in said
    assert (
        "no wider than 0.2 only with more real faces, since 1000 generated ones do not suffice; the study has 100"
        in said
    )
    assert "Up to 55 of each" in said and "from 549 on" in said  # half of 110 and of 1098, see balanced_generated
    without = validity.recommendation(real, generated, widths.assign(fidelity=np.nan, class_fidelity=np.nan))
    assert "from 1000 generated ones on" in without


# --- figures ---


def test_figures_show_the_tables_and_survive_what_has_no_value():
    found = trial((0.0, 1.0), n_draws=2, n_replicates=100)
    summary = validity.trial_summary(found, by=["pattern", "truth", "estimator"])
    figure = validity_figures.mixture_trials(summary, wanted=(0.92, 0.98))
    expected = summary[summary["estimator"] == "rca"]["bias"].tolist()
    assert expected in [list(line.get_ydata()) for line in figure.axes[0].lines]
    labels, judged = faces_and_judge()
    parts = validity.halves(labels, generator=rng())
    broken = validity.broken_trial(labels, judged, parts=parts, pair=(0, 1), n_replicates=100, generator=rng())
    (axes,) = validity_figures.broken_generators(broken).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == broken["broken"].unique().tolist()
    plt.close("all")


def test_the_figure_of_degraded_faces_marks_what_was_refused():
    row = {"estimator": "fidelity", "value": 0.9, "low": 0.8, "high": 1.0}
    where = [{"level": level, "remedy": remedy} for level in (0, 1) for remedy in ("none", "judge")]
    rows = [row | {"kind": "blur"} | place for place in where]
    rows[0] |= {"value": np.nan, "low": np.nan, "high": np.nan}
    figure = validity_figures.degradations(pd.DataFrame(rows), sigma=1.0)
    crosses = figure.axes[0].collections[-1].get_offsets()
    assert crosses[:, 0].tolist() == [0]
    assert not figure.axes[4].get_visible()
    widths = pd.DataFrame({"n_real": [10, 20], "n_generated": 5, "rca": 0.1, "fidelity": np.nan})
    widths = widths.assign(class_rca=0.2, class_fidelity=np.nan)
    figure = validity_figures.interval_widths(widths, studied=(12.3, 5))
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.1]
    assert "this study: 12 real" in [text.get_text() for text in figure.legends[0].texts]
    plt.close("all")
