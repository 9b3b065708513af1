"""Copies must be found, and what is no copy must pass; rates of false alarm come from simulations with a fixed seed."""

import json

import copiers
import numpy as np
import pytest
from reasons import without_reason
from scipy.stats import binom, binomtest

from kpop_rca.errors import StudyError
from kpop_rca.image_metrics import memorisation


def rng(seed=7):
    return np.random.default_rng(seed)


def copying(generated, train, held_out, *, seed=7, **others):
    labels = tuple(np.zeros(len(part), int) for part in (train, held_out))
    how = {"labels": labels, "features": "normals", "features_saw_training": False} | others
    return memorisation.copying(generated, train, held_out, generator=rng(seed), **how)


def avatars(n, *, seed):
    """uint8 (n, 12, 12, 3): random low-frequency images, no two alike, none symmetrical."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(3, axis=1).repeat(3, axis=2)


# --- neighbours ---


def test_nearest_looks_at_every_view():
    reference = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    plain, other = np.array([[1.0, 0.0], [4.0, 4.0]]), np.array([[9.0, 9.0], [0.0, 10.0]])
    distances, indices = memorisation.nearest(np.stack([plain, other]), reference)
    np.testing.assert_allclose(distances, [1, 0])
    np.testing.assert_array_equal(indices, [0, 2])
    np.testing.assert_array_equal(memorisation.nearest(plain, reference)[1], [0, 0])


def test_a_copy_is_at_no_distance():
    images = memorisation.views(avatars(30, seed=0))[0]
    distances, indices = memorisation.nearest(images[::-1], images)
    assert (distances == 0).all()
    np.testing.assert_array_equal(indices, np.arange(30)[::-1])


def test_views_are_the_image_and_its_mirror_image():
    images = avatars(3, seed=0)
    found = memorisation.views(images)
    assert (found.shape, found.dtype, found.max() <= 1) == ((2, 3, 432), np.float32, True)
    np.testing.assert_allclose(found[1], memorisation.views(images[:, :, ::-1])[0], atol=1e-6)
    np.testing.assert_allclose(found[0].mean(axis=1), images.mean(axis=(1, 2, 3)) / 255, atol=0.02)
    assert np.abs(found[0] - found[1]).max() > 0.1


@pytest.mark.parametrize("side", [32, 50, 64])
def test_views_of_larger_images_are_coarse(side):
    assert memorisation.views(np.zeros((2, side, side, 3), np.uint8)).shape == (2, 2, 16 * 16 * 3)
    left_dark = np.full((1, side, side, 3), 255, np.uint8)
    left_dark[:, :, : side // 2] = 0
    plain, mirrored = memorisation.views(left_dark).reshape(2, 16, 16, 3)
    assert plain[:, :6].max() < 0.01 and plain[:, 10:].min() > 0.99
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


def test_views_are_the_same_in_any_portion(monkeypatch):
    images = avatars(7, seed=0)
    whole = memorisation.views(images)
    monkeypatch.setattr(memorisation, "AT_ONCE", 3)
    np.testing.assert_array_equal(memorisation.views(images), whole)


def test_neighbours_are_those_of_a_full_table():
    generated, reference = rng(0).normal(size=(2, 40, 20)), rng(1).normal(size=(30, 20))
    distances, indices = memorisation.neighbours(generated, reference, count=4)
    table = np.linalg.norm(generated[:, :, None] - reference, axis=3)
    np.testing.assert_allclose(distances, np.sort(table, axis=2)[:, :, :4])
    np.testing.assert_array_equal(indices, table.argsort(axis=2)[:, :, :4])
    assert memorisation.neighbours(generated, reference[:3], count=4)[0].shape == (2, 40, 3)


def test_every_training_image_is_searched():
    """The excess counts each image once: at a training image 1, at a held-out one - T / H."""
    train, held_out = np.arange(40.0)[:, None] * 10, np.arange(4.0)[:, None] * 10 + 5
    everything = copying(train, train, held_out)
    assert (everything["fraction_nearer_train"], everything["excess"]) == (1, 1)
    assert (everything["n_train"], everything["n_held_out"]) == (40, 4)
    assert everything["fraction_by_chance"] == pytest.approx(40 / 44)
    one_missed = copying(np.concatenate([train[:9], held_out[:1]]), train, held_out)
    assert one_missed["excess"] == pytest.approx((9 - 40 / 4) / 10)


def test_sets_without_a_class_in_common_are_an_error():
    with pytest.raises(StudyError, match="no class has both"):
        copying(np.zeros((3, 2)), np.ones((5, 2)), np.zeros((4, 2)), labels=(np.zeros(5, int), np.ones(4, int)))
    with pytest.raises(StudyError, match="one held-out image is too few"):
        copying(np.zeros((3, 2)), np.ones((5, 2)), np.zeros((1, 2)))


# --- unequal numbers ---


@pytest.mark.parametrize("sizes", copiers.SIZES)
def test_copies_are_found_however_few_are_held_out(monkeypatch, sizes):
    """The rates over many samples are counted in `tests/soak/test_copying.py`."""
    monkeypatch.setattr(memorisation, "RESAMPLES", 499)
    full, some, honest = (copiers.verdict(*sizes, copied=copied, seed=0) for copied in (1, 0.12, 0))
    assert (full["copies"], full["excess"]) == (True, 1)
    assert some["copies"] is True
    assert some["excess"] == pytest.approx(0.12, abs=0.02)
    assert honest["copies"] is False
    assert honest["fraction_by_chance"] == pytest.approx(sizes[0] / sum(sizes), abs=0.01)
    assert honest["fraction_nearer_train"] == pytest.approx(honest["fraction_by_chance"], abs=0.05)


def test_the_level_holds_at_the_paper_s_sizes(monkeypatch):
    """The p-value of an honest generator is below x in a fraction x of the samples, as often at 1 : 17 as at 1 : 1."""
    monkeypatch.setattr(memorisation, "RESAMPLES", 199)
    p = []
    for seed in range(120):
        draw = rng(seed)
        train, held_out, generated = (draw.normal(size=(n, 8)) for n in (170, 10, 100))
        p.append(copying(generated, train, held_out, seed=seed)["p_fraction"])
    p = np.array(p)
    for level in (0.05, 0.2, 0.5):
        assert (p <= level).sum() <= binom.ppf(0.999, 120, level)
    assert np.median(p) < 0.75  # and it is no test that never rejects


def test_copies_of_a_few_photographs_among_twins_are_found():
    """Three nearly equal photographs of each: the second nearest image is as near as the nearest one."""
    twins = rng(0).normal(size=(60, 1, 12)) + rng(1).normal(0, 0.01, size=(60, 3, 12))
    train, held_out = twins.reshape(180, 12), rng(2).normal(size=(60, 12))
    fresh = rng(3).normal(size=(200, 12))
    found = copying(np.concatenate([train[rng().integers(180, size=40)], fresh]), train, held_out)
    assert found["copies"] is True
    assert found["contrast"] > 0.2


# --- numbers that have no value ---


def test_held_out_images_that_are_there_twice_give_finite_numbers():
    train, held_out = rng(0).normal(size=(60, 6)), rng(1).normal(size=(30, 6)).repeat(2, axis=0)
    found = copying(rng(2).normal(size=(100, 6)), train, held_out, other_real=rng(3).normal(size=(50, 6)))
    json.dumps(found, allow_nan=False)
    assert list(without_reason(found)) == []
    assert found["median_ratio_real"] == pytest.approx(1, abs=0.2)
    assert found["median_ratio"] > 0
    found = copying(rng(2).normal(size=(100, 6)), train, held_out[[0, 0, 0]])
    assert found["median_ratio_real"] is None
    assert "coincide with a held-out image" in found["median_ratio_real_why"]


def test_images_that_are_copies_of_held_out_ones_give_finite_numbers():
    train, held_out = rng(0).normal(size=(60, 6)), rng(1).normal(size=(30, 6))
    found = copying(held_out, train, held_out)
    json.dumps(found, allow_nan=False)
    assert list(without_reason(found)) == []
    assert (found["copies"], found["excess"], found["p_fraction"], found["median_ratio"]) == (False, -2, 1, None)
    table = memorisation.nearest_pairs(held_out, train, held_out, top=5)
    assert table["ratio"].isna().all() and np.isfinite(table["distance_train"]).all()


@pytest.mark.parametrize("value", [0, 1])
def test_one_image_everywhere_gives_finite_numbers(value):
    """A collapsed generator, and data of which nothing is left but one image."""
    train = np.full((20, 6), 1.0)
    found = copying(np.full((30, 6), float(value)), train, train[:10])
    json.dumps(found, allow_nan=False)
    assert (found["copies"], list(without_reason(found))) == (False, [])


# --- copies ---


@pytest.mark.parametrize("how", ["exact", "noised", "mirrored", "mirrored and noised"])
def test_copies_of_training_photographs_are_found(how):
    train, held_out = avatars(120, seed=0), avatars(60, seed=1)
    made = train[rng().integers(120, size=200)].astype(float)
    if "mirrored" in how:
        made = made[:, :, ::-1]
    if "noised" in how:
        made = made + rng().normal(0, 25, size=made.shape)
    generated = memorisation.views(made.clip(0, 255).astype(np.uint8))
    found = copying(generated, memorisation.views(train)[0], memorisation.views(held_out)[0])
    assert found["copies"] is True
    assert found["excess"] == 1
    assert found["p_fraction"] < 0.001
    if "mirrored" in how:
        plain = copying(generated[0], memorisation.views(train)[0], memorisation.views(held_out)[0])
        assert plain["copies"] is False
    json.dumps(found, allow_nan=False)


def test_copies_of_held_out_photographs_are_none_of_training_ones():
    train, held_out = rng(0).normal(size=(60, 6)), rng(1).normal(size=(60, 6))
    generated = held_out[rng().integers(60, size=300)]
    found = copying(generated, train, held_out)
    assert (found["copies"], found["fraction_nearer_train"], found["excess"]) == (False, 0, -1)
    assert (found["p_fraction"], found["p_ratio"]) == (1, 1)
    swapped = copying(generated, held_out, train)
    assert (swapped["copies"], swapped["excess"], swapped["median_ratio"]) == (True, 1, 0)


def test_a_generator_that_copies_a_third_of_the_time_is_found():
    train, held_out = rng(0).normal(size=(100, 6)), rng(1).normal(size=(100, 6))
    generated = np.concatenate([train[rng().integers(100, size=333)], rng(2).normal(size=(667, 6))])
    found = copying(generated, train, held_out)
    assert found["copies"] is True
    assert 0.2 < found["excess"] < 0.5


def test_a_generator_that_repeats_two_photographs_is_found():
    """The fraction says nothing of two; that they are far nearer than any real image is does."""
    train, held_out = rng(0).normal(size=(150, 6)), rng(1).normal(size=(150, 6))
    generated = train[rng().integers(2, size=400)] + rng(2).normal(0, 0.01, size=(400, 6))
    found = copying(generated, train, held_out)
    assert found["copies"] is True
    assert found["p_fraction"] > memorisation.SIGNIFICANCE > found["p_ratio"]
    assert found["median_ratio"] < 0.1 < 0.8 < found["median_ratio_real"]


def test_size_and_significance_are_both_needed():
    """Images that lean to the training side by a hair are not called copies, however many there are."""
    train, held_out = rng(0).normal(size=(400, 6)), rng(1).normal(size=(400, 6))
    generated = np.concatenate([rng(2).normal(size=(7600, 6)), train])
    found = copying(generated, train, held_out)
    assert found["p_fraction"] < 0.05
    assert 0.02 < found["excess"] < memorisation.SMALLEST_EXCESS
    assert found["copies"] is False


# --- false alarms ---


def alarms(generate, *, runs, n_reference=50, n_generated=400):
    """How often each of two tests takes a generator for a copier: ours, and the binomial one at the same level."""
    ours = binomial = 0
    for seed in range(runs):
        draw = rng(seed)
        train, held_out = draw.normal(size=(2, n_reference, 6))
        found = copying(generate(draw, n_generated), train, held_out, seed=seed)
        ours += found["copies"]
        nearer = round(found["fraction_nearer_train"] * n_generated)
        tested = binomtest(nearer, n_generated, alternative="greater").pvalue
        binomial += tested < memorisation.SIGNIFICANCE and found["excess"] >= memorisation.SMALLEST_EXCESS
    return ours / runs, binomial / runs


@pytest.mark.parametrize(("spread", "binomial_alarms"), [(1.0, 0.02), (0.5, 0.15)])
def test_generators_that_copy_nothing_are_seldom_flagged(monkeypatch, spread, binomial_alarms):
    """At 1 %, 150 runs give 1.5 alarms on average, and 7 or more once in 1,000 times.

    Typical faces (spread 0.5) lie nearer to the training images than real ones do, and are no copies. The binomial
    test, which takes generated images as independent though they share their neighbours, flags many more.
    """
    monkeypatch.setattr(memorisation, "RESAMPLES", 999)
    ours, binomial = alarms(lambda draw, n: spread * draw.normal(size=(n, 6)), runs=150)
    assert ours * 150 <= 6
    assert binomial > binomial_alarms


def test_a_generator_that_repeats_one_new_face_over_and_over_is_seldom_flagged(monkeypatch):
    """All its images have one neighbour; 150 held-out images allow p_ratio to be significant at all."""
    monkeypatch.setattr(memorisation, "RESAMPLES", 999)
    ours, binomial = alarms(
        lambda draw, n: np.tile(draw.normal(size=6), (n, 1)), runs=150, n_reference=150, n_generated=50
    )
    assert ours * 150 <= 6
    assert binomial > 0.4


def test_real_images_fed_as_generated_ones_are_seldom_flagged(monkeypatch):
    """Photographs, in pixels, through the mirror views that a notebook would take."""
    monkeypatch.setattr(memorisation, "RESAMPLES", 999)
    flagged = 0
    for seed in range(60):
        train, held_out, others = np.split(memorisation.views(avatars(130, seed=seed)), [40, 80], axis=1)
        flagged += copying(others, train[0], held_out[0], seed=seed)["copies"]
    assert flagged <= 4  # 0.6 expected; 5 or more once in 2,000 times


def with_bursts(draw, n_images, *, of_each, apart):
    """Features of a class in bursts of so many images, which differ in this fraction of what images differ in."""
    centres = draw.normal(size=(n_images, 1, 64)) * np.sqrt(1 - apart**2)
    return (centres + apart * draw.normal(size=(n_images, of_each, 64))).reshape(-1, 64).astype(np.float32)


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        pytest.param((400, 1, 0), (200, 2, 0.2), id="held-out pairs"),
        pytest.param((80, 5, 0.2), (80, 5, 0.2), id="fives on both sides"),
        pytest.param((400, 1, 0), (8, 10, 0.6), id="few held-out sessions"),
    ],
)
def test_bursts_accuse_nobody(monkeypatch, train, held_out):
    """An image that is there twice attracts no more images than one, and has its twin beside it."""
    monkeypatch.setattr(memorisation, "RESAMPLES", 499)
    flagged = 0
    for seed in range(10):
        draw = rng(seed)
        sides = [with_bursts(draw, n, of_each=m, apart=apart) for n, m, apart in (train, held_out)]
        others = draw.normal(size=(1000, 64)).astype(np.float32)
        flagged += copying(others, *sides, seed=seed)["copies"]
    assert flagged <= 1


@pytest.mark.parametrize("of_each", [2, 5, 10])
def test_copies_of_bursts_are_found(of_each):
    train, held_out = (with_bursts(rng(seed), 240 // of_each, of_each=of_each, apart=0.2) for seed in (0, 1))
    fresh = rng(2).normal(size=(400, 64))
    found = copying(np.concatenate([train[rng().integers(240, size=100)], fresh]).astype(np.float32), train, held_out)
    assert found["copies"] is True
    assert found["excess"] == pytest.approx(0.2, abs=0.05)


# --- verdicts withheld ---


def test_features_that_saw_the_training_images_give_figures_and_no_verdict():
    train, held_out = rng(0).normal(size=(2, 60, 6))
    seen, unseen = (copying(train, train, held_out, features_saw_training=saw) for saw in (True, False))
    assert (seen["copies"], unseen["copies"]) == (None, True)
    assert "trained on the training images" in seen["why"]
    assert seen["excess"] == unseen["excess"] == 1


def test_splits_that_differ_in_themselves_give_no_verdict():
    """Training and further real images come from one camera, held-out ones from another."""
    train, others = rng(0).normal(size=(2, 60, 6))
    found = copying(rng(2).normal(size=(200, 6)), train, rng(1).normal(3, 1, size=(60, 6)), other_real=others)
    assert found["copies"] is None
    assert "splits differ" in found["why"]
    assert found["real"]["excess"] > 0.5
    fair = copying(rng(2).normal(size=(200, 6)), train, rng(1).normal(size=(60, 6)), other_real=others)
    assert (fair["copies"], "why" in fair) == (False, False)
    assert set(fair["real"]) == {
        "fraction_nearer_train",
        "fraction_by_chance",
        "excess",
        "contrast",
        "median_ratio",
        "median_ratio_real",
        "p_fraction",
        "p_ratio",
    }


@pytest.mark.parametrize("n_others", [30, 100])
def test_few_other_real_images_do_not_let_an_honest_generator_be_accused(monkeypatch, n_others):
    """Held-out images from another camera, and too few others to see that for certain: no verdict against anyone."""
    monkeypatch.setattr(memorisation, "RESAMPLES", 499)
    verdicts, of_copiers = [], []
    for seed in range(10):
        draw = rng(seed)
        train, held_out, fresh, others = (draw.normal(size=(n, 32)) for n in (400, 160, 600, n_others))
        moved = held_out + 2 / np.sqrt(32)
        verdicts.append(copying(fresh, train, moved, other_real=others, seed=seed)["copies"])
        copier = np.concatenate([fresh, train[draw.integers(400, size=100)]])
        of_copiers.append(copying(copier, train, held_out, other_real=others, seed=seed)["copies"])
    assert verdicts.count(True) <= 1
    assert of_copiers.count(True) >= 9


def test_an_image_in_both_sets_is_on_neither_side():
    """A leak between the splits: its copies are as near to the one as to the other."""
    train, held_out = rng(0).normal(size=(2, 60, 6))
    held_out[:30] = train[:30]
    found = copying(train[:30], train, held_out)
    assert (found["fraction_nearer_train"], found["excess"], found["median_ratio"]) == (0.5, 0, 1)
    assert found["copies"] is False
    assert found["p_fraction"] > 0.4


def test_the_result_is_seeded():
    train, held_out, generated = (rng(seed).normal(size=(n, 6)) for seed, n in ((0, 200), (1, 60), (2, 100)))
    assert copying(generated, train, held_out) == copying(generated, train, held_out)
    assert copying(generated, train, held_out, seed=8) != copying(generated, train, held_out)


# --- for looking at ---


def test_nearest_pairs_search_all_training_images():
    train, held_out = rng(0).normal(size=(300, 6)), rng(1).normal(size=(40, 6))
    generated = rng(2).normal(size=(50, 6))
    generated[[7, 31, 8]] = train[[250, 3, 250]] + np.array([[0.0], [1e-3], [2e-3]])
    table = memorisation.nearest_pairs(generated, train, held_out, top=4)
    assert table["generated"].tolist()[:2] == [7, 31]
    assert table["train"].tolist()[:2] == [250, 3]  # 250 once, though image 8 copies it, too
    assert table["train"].is_unique
    assert table["ratio"].is_monotonic_increasing
    row = table.iloc[2]
    distances = [np.linalg.norm(generated[int(row.generated)] - part, axis=1) for part in (train, held_out)]
    assert (row.distance_train, row.distance_held_out) == pytest.approx(tuple(map(np.min, distances)))
    assert row.held_out == distances[1].argmin()
    assert len(memorisation.nearest_pairs(generated, train, held_out, top=999)) <= 50
