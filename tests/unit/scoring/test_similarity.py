"""Similarity with people's photographs, on embeddings written by hand and on Gaussian ones of known truth."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from kpop_rca.errors import StudyError
from kpop_rca.scoring import similarity, similarity_resamples

N_PEOPLE, N_PHOTOGRAPHS, N_GENERATED = 12, 17, 20
SPREAD = 1.6  # of a person's images, against 2 of the people: the photographs' rank-1 is a little below 1


class World:
    """People in a space of 32 dimensions, and images of them."""

    def __init__(self, seed=0, n_people=N_PEOPLE):
        self.rng = np.random.default_rng(seed)
        self.centres = 2 + self.rng.normal(0, 2, (n_people, 32))
        self.person = np.repeat(np.arange(n_people), N_PHOTOGRAPHS)
        self.requested = np.repeat(np.arange(n_people), N_GENERATED)
        self.photographs = self.images(self.person)

    def images(self, shown, spread=SPREAD):
        return self.centres[shown] + self.rng.normal(0, spread * 2, (len(shown), 32))

    def calibrated(self, **how):
        cluster = np.arange(len(self.person))
        how = {"false_match_rate": 0.02, "n_replicates": 200, "generator": np.random.default_rng(1)} | how
        return similarity.calibrate(self.photographs, self.person, cluster, **how)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def calibration(world):
    return world.calibrated()


def values(calibration, embeddings=None, requested=None, **how):
    found = similarity.measure(calibration, embeddings, requested, generator=np.random.default_rng(2), **how)
    return found.table.set_index("measure")


def corner(*angles):
    """Unit vectors in a plane, by their angles in degrees."""
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)


def test_scores_by_hand():
    """Two people at 0, 10 and at 90, 110 degrees; images at 20 and at 95 degrees both request the first."""
    person = np.array([0, 0, 1, 1])
    calibration = similarity.calibrate(
        corner(0, 10, 90, 110), person, np.arange(4), n_replicates=20, generator=np.random.default_rng(0)
    )
    found = similarity.measure(calibration, corner(20, 95), np.array([0, 0]), generator=np.random.default_rng(0))
    cos = lambda *angles: np.cos(np.radians(angles)).mean()  # noqa: E731
    np.testing.assert_allclose(found.images["score"], [cos(20, 10), cos(95, 85)], atol=1e-12)
    assert found.images["identified_as"].tolist() == [0, 1]
    assert found.images["nearest"].tolist() == [1, 2]
    own = calibration.photographs.own  # each photograph with the other one of its person
    np.testing.assert_allclose(own, [cos(10), cos(10), cos(20), cos(20)])
    floor = cos(90, 110, 80, 100)
    expected = (cos(20, 10) + cos(95, 85) - 2 * floor) / (2 * (cos(10) - floor))
    table = found.table.set_index("measure")
    assert table.loc["similarity_fraction", "value"] == pytest.approx(expected)
    assert table.loc["rank_1", ["value", "real", "n_images"]].tolist() == [0.5, 1, 2]
    # mated comparisons at 10, 20, 85, 95 degrees, non-mated at 80, 90, 100, 110: one of four of each is on the far side
    assert table.loc["equal_error_rate", "value"] == pytest.approx(0.25)


def test_diversity_by_hand():
    """Photographs 10 degrees apart, generated images 20 and 30, whoever they show."""
    calibration = similarity.calibrate(
        corner(0, 10, 90, 100),
        np.array([0, 0, 1, 1]),
        np.arange(4),
        n_replicates=20,
        generator=np.random.default_rng(0),
    )
    table = values(calibration, corner(0, 20, 95, 125), np.array([0, 0, 1, 1]))
    distance = lambda degrees: 1 - np.cos(np.radians(degrees))  # noqa: E731
    assert table.loc["diversity_fraction", "value"] == pytest.approx((distance(20) + distance(30)) / (2 * distance(10)))
    alone = values(calibration, corner(0, 95), np.array([0, 1]))
    assert np.isnan(alone.loc["diversity_fraction", "value"])
    assert "nobody has two generated images" in alone.loc["diversity_fraction", "reason"]


def test_a_near_duplicate_is_no_reference_of_its_own():
    """The second photograph is the first again: as one of the same cluster it makes neither a ceiling nor a copy."""
    embeddings = corner(0, 0, 10, 90, 100, 110)
    person = np.repeat([0, 1], 3)
    how = {"n_replicates": 20, "generator": np.random.default_rng(0)}
    apart = similarity.calibrate(embeddings, person, np.arange(6), **how)
    together = similarity.calibrate(embeddings, person, np.array([5, 5, -1, -1, -1, -1]), **how)
    assert apart.photographs.own[0] == pytest.approx((1 + np.cos(np.radians(10))) / 2)
    assert together.photographs.own[0] == pytest.approx(np.cos(np.radians(10)))
    assert together.photographs.nearest_similarity[0] < 1


def test_clusters_of_two_people_with_one_number_stay_two():
    embeddings = corner(0, 10, 90, 100)
    how = {"n_replicates": 20, "generator": np.random.default_rng(0)}
    found = similarity.calibrate(embeddings, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), **how)
    assert np.isfinite(found.photographs.scores).all()


def test_a_generator_like_the_photographs_measures_as_they_do(world, calibration):
    table = values(calibration, world.images(world.requested), world.requested)
    assert table.loc["similarity_fraction", "low"] < 1 < table.loc["similarity_fraction", "high"]
    assert table.loc["diversity_fraction", "low"] < 1 < table.loc["diversity_fraction", "high"]
    assert table.loc["similarity_fraction", "value"] == pytest.approx(1, abs=0.1)  # four standard errors
    assert table.loc["diversity_fraction", "value"] == pytest.approx(1, abs=0.06)
    for name in ("rank_1", "tar_at_far_0.01", "equal_error_rate", "open_set_match_rate"):
        assert table.loc[name, "low"] <= table.loc[name, "real"] <= table.loc[name, "high"], name
    assert 0.8 < table.loc["rank_1", "real"] < 1


def test_a_generator_that_ignores_the_request_is_as_strangers(world, calibration):
    table = values(calibration, world.images(world.rng.permutation(world.requested)), world.requested)
    assert table.loc["rank_1", "low"] < 1 / N_PEOPLE < table.loc["rank_1", "high"]
    assert table.loc["similarity_fraction", "value"] < 0.25
    assert table.loc["equal_error_rate", "value"] > 0.4


def test_one_image_again_and_again_is_alike_and_not_diverse(world, calibration):
    table = values(calibration, world.images(world.requested, spread=0.01), world.requested)
    assert table.loc["similarity_fraction", "low"] > 1
    assert table.loc["diversity_fraction", "high"] < 0.01
    assert table.loc["copy_rate", "value"] == 0  # near the mean of all photographs, not near one of them


def test_copies_are_flagged_and_new_images_are_not(world, calibration):
    rng = np.random.default_rng(3)
    found = {
        name: similarity.measure(calibration, embeddings, world.person, generator=rng)
        for name, embeddings in {
            "as they are": world.photographs,
            "a little altered": world.photographs + rng.normal(0, 0.3, world.photographs.shape),
            "new": world.images(world.person),
        }.items()
    }
    rates = {name: of.images["copy_rate"].mean() for name, of in found.items()}
    assert rates["as they are"] == 1
    assert found["as they are"].images["nearest"].tolist() == list(range(len(world.person)))
    assert rates["a little altered"] > 0.95
    assert rates["new"] <= 3 * calibration.copy_rate
    assert [of.copies for of in found.values()] == [True, True, False]


def test_a_copied_file_is_found_by_its_hash(world):
    hashes = np.array([f"{number:x}" for number in range(len(world.person))])
    calibration = world.calibrated(hashes=hashes)
    images = world.images(world.requested[:2])
    found = similarity.measure(
        calibration, images, world.requested[:2], hashes=np.array(["3", "none"]), generator=np.random.default_rng(0)
    )
    assert found.images["copy_rate"].tolist() == [1, 0]


def test_a_failed_image_stays_in_every_denominator(world, calibration):
    images = world.images(world.requested)
    table = values(calibration, images, world.requested)
    half = images.copy()
    half[::2] = np.nan
    failed = values(calibration, half, world.requested)
    left = values(calibration, images[1::2], world.requested[1::2])
    for name in ("rank_1", "tar_at_far_0.01", "open_set_match_rate", "similarity_fraction"):
        assert failed.loc[name, "value"] == pytest.approx(left.loc[name, "value"] / 2)
    assert failed.loc["equal_error_rate", "value"] > table.loc["equal_error_rate", "value"]
    assert (failed["n_images"] == len(images)).all()


def test_all_images_failed(world, calibration):
    table = values(calibration, np.full((len(world.requested), 32), np.nan), world.requested)
    assert table.loc[["rank_1", "similarity_fraction", "copy_rate"], "value"].tolist() == [0, 0, 0]
    assert table.loc["rank_1", "high"] < 0.05
    assert np.isnan(table.loc["diversity_fraction", "value"])


def test_too_few_photographs_for_a_rate_say_so(world, calibration):
    """12 people with 17 each: 19,074 pairs of two people, 2,244 scores with other people."""
    table = values(calibration, world.images(world.requested), world.requested)
    assert np.isfinite(table.loc["tar_at_far_0.01", "value"])
    assert np.isnan(table.loc["tar_at_far_0.001", ["value", "low", "high"]].astype(float)).all()
    assert table.loc["tar_at_far_0.001", "reason"].startswith("19074 non-mated comparisons")
    assert table.loc["open_set_match_rate", "reason"] == ""
    strict = values(world.calibrated(false_match_rate=0.01), world.images(world.requested), world.requested)
    assert "needs 3000 " in strict.loc["open_set_match_rate", "reason"]
    assert np.isnan(strict.loc["open_set_match_rate", "value"])


def test_the_order_of_the_images_changes_nothing(world):
    images, order = world.images(world.requested), np.random.default_rng(5).permutation(len(world.requested))
    shuffled = np.random.default_rng(6).permutation(len(world.person))
    how = {"false_match_rate": 0.02, "n_replicates": 20}
    one = world.calibrated(**how)
    other = similarity.calibrate(
        world.photographs[shuffled], world.person[shuffled], shuffled, generator=np.random.default_rng(1), **how
    )
    expected = similarity.measure(one, images, world.requested, generator=np.random.default_rng(0))
    found = similarity.measure(other, images[order], world.requested[order], generator=np.random.default_rng(0))
    np.testing.assert_allclose(found.table["value"], expected.table["value"], atol=1e-12)
    np.testing.assert_allclose(found.table["real"], expected.table["real"], atol=1e-12)
    without_intervals = [of.by_person.drop(columns=["low", "high"]) for of in (found, expected)]
    pd.testing.assert_frame_equal(*without_intervals)


def test_the_length_of_the_embeddings_changes_nothing(world, calibration):
    images = world.images(world.requested)
    lengths = np.random.default_rng(7).uniform(0.1, 9, (len(images), 1))
    one, other = values(calibration, images, world.requested), values(calibration, images * lengths, world.requested)
    pd.testing.assert_frame_equal(one, other)


def test_photographs_and_generated_images_are_not_exchangeable(world, calibration):
    """Generated images without any spread, measured on photographs, and the other way round."""
    images = world.images(world.requested, spread=0.4)
    there = values(calibration, images, world.requested)
    back = similarity.calibrate(
        images, world.requested, np.arange(len(images)), n_replicates=20, generator=np.random.default_rng(0)
    )
    assert there.loc["similarity_fraction", "value"] > 1.3
    assert values(back, world.photographs, world.person).loc["similarity_fraction", "value"] < 0.8


def test_the_measures_of_a_person_are_those_of_its_images(world, calibration):
    images = world.images(world.requested)
    found = similarity.measure(calibration, images, world.requested, generator=np.random.default_rng(0))
    of_one = found.by_person[found.by_person["person"] == 4].set_index("measure")
    alone = values(calibration, images[world.requested == 4], world.requested[world.requested == 4])
    assert set(of_one.index) == set(similarity.MEASURES) - {"equal_error_rate"}
    for name, row in of_one.iterrows():
        assert row["value"] == pytest.approx(alone.loc[name, "value"], nan_ok=True), name
        assert row["reason"] or row["low"] <= row["value"] <= row["high"], name


def test_the_interval_of_a_person_is_that_of_its_images_alone(world, calibration):
    """Of 20 images, 10 of others: the interval of Clopper and Pearson, to 0.03 of 200 resamples."""
    images = world.images(np.where(np.arange(len(world.requested)) % 2, world.requested, (world.requested + 1) % 12))
    found = similarity.measure(calibration, images, world.requested, generator=np.random.default_rng(0)).by_person
    of_one = found[(found["person"] == 4) & (found["measure"] == "rank_1")].iloc[0]
    expected = proportion_confint(round(N_GENERATED * of_one["value"]), N_GENERATED, method="beta")
    assert (of_one["low"], of_one["high"]) == pytest.approx(expected, abs=0.03)


def test_a_person_without_photographs_is_refused():
    how = {"n_replicates": 20, "generator": np.random.default_rng(0)}
    with pytest.raises(StudyError, match="person 1 has no photograph with a face"):
        embeddings = np.array([[1, 0], [np.nan, 0], [0, 1]])
        similarity.calibrate(embeddings, np.array([0, 1, 2]), np.arange(3), **how)
    with pytest.raises(StudyError, match="nobody has two photographs"):
        similarity.calibrate(corner(0, 1, 90), np.array([0, 0, 1]), np.array([4, 4, -1]), **how)
    with pytest.raises(StudyError, match="one person alone"):
        similarity.calibrate(corner(0, 10), np.array([0, 0]), np.arange(2), **how)


def test_one_photograph_of_a_person_has_no_ceiling_and_leaves_the_others_theirs():
    how = {"n_replicates": 20, "generator": np.random.default_rng(0)}
    calibration = similarity.calibrate(corner(0, 10, 90, 100, 180), np.array([0, 0, 1, 1, 2]), np.arange(5), **how)
    table = values(calibration, corner(5, 175), np.array([0, 2]))
    assert table.loc["rank_1", ["value", "n_images"]].tolist() == [1, 2]
    assert np.isfinite(table.loc["similarity_fraction", "value"])
    assert values(calibration).loc["rank_1", ["value", "n_images"]].tolist() == [1, 4]


def test_weights_of_people_have_the_variance_of_students_t():
    """The reach of a mean over K people is about that of Student's t with K - 1 degrees of freedom."""
    rng = np.random.default_rng(0)
    for n_people, quantile in ((20, 2.093), (8, 2.365)):
        weights = similarity_resamples.people_weights(n_people, 20000, generator=rng)
        of_people = rng.normal(size=n_people)
        means = weights @ of_people / n_people
        expected = quantile / 1.96 * of_people.std(ddof=1) / np.sqrt(n_people)
        assert means.std() == pytest.approx(expected, rel=0.12)  # normalised weights are a little less dispersed


def test_rates_of_all_or_none_have_the_limits_of_clopper_and_pearson(world, calibration):
    """Of 240 images, all right: a limit of .025^(1/240)."""
    table = values(calibration, world.images(world.requested, spread=0.01), world.requested)
    assert table.loc["rank_1", "high"] == 1
    assert table.loc["rank_1", "low"] == pytest.approx(0.025 ** (1 / 240), abs=0.01)
