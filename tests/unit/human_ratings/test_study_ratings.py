import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import agreement, mos, simulated, study_ratings
from kpop_rca.human_ratings.stimuli import Stimulus

KINDS = [("real", "held out"), ("ddpm", "all steps"), ("ddpm", "quarter of the steps")]
NAMES = ["ann", "bo"]


@pytest.fixture(scope="module")
def shown():
    """Ten images of each kind and person; a restored photograph beside its original."""
    rng, found = np.random.default_rng(0), []
    for generator, level in KINDS:
        for number in range(20):
            image = rng.integers(0, 255, size=(8, 8, 3), dtype=np.uint8)
            name, who = f"{generator}/{level}/{number}", NAMES[number % 2]
            found.append(Stimulus(image, name, generator, level, who, beside=[("Reference", image, "reference/0")]))
    original = np.full((8, 8, 3), 100, dtype=np.uint8)
    beside = [("Original", original, "real/0")]
    found.append(Stimulus(original + np.uint8(51), "b", "bicubic", "restored", "ann", beside=beside, restored=True))
    return found


@pytest.fixture(scope="module")
def rated(shown):
    images = study_ratings.images_of(shown, [[0], [1]], NAMES)
    probabilities = np.random.default_rng(1).dirichlet([1, 1], size=len(shown))
    metrics = study_ratings.metrics_of(shown, probabilities, NAMES)
    truth = study_ratings.known_qualities(images, metrics, seed=0)
    panel = simulated.Panel(raters=18, spammers=2)
    return images, metrics, truth, study_ratings.simulated_ratings(shown, truth, panel, seed=0)


def test_metrics_are_those_of_the_image(shown, rated):
    images, metrics, *_ = rated
    assert images["group"].tolist()[:2] == [1, 2]
    assert metrics["psnr"].notna().sum() == 1
    assert metrics["psnr"].iloc[-1] == pytest.approx(20 * np.log10(255 / 51), abs=1e-3)
    assert metrics["oracle_probability"].between(0, 1).all()


def test_from_ratings_to_mos(shown, rated):
    images, _, truth, table = rated
    assert set(table.loc[table["trial"] == 1, "image"]) < set(table["image"])
    assert not ((table["image"] == "b") & (table["dimension"] == "authenticity")).any()
    screened, scores, means = study_ratings.scored(table, least_ratings=15)
    spammers = screened["rater"].isin(["simulated-17", "simulated-18"])
    assert screened.loc[spammers, "rejected"].all() and not screened.loc[~spammers, "rejected"].any()
    quality = means[means["dimension"] == "quality"].set_index("image").loc[images["image"]]
    assert np.corrcoef(quality["mos"], truth["quality"])[0, 1] > 0.97
    part = scores[scores["dimension"] == "quality"].merge(images, on="image")
    how = {"clusters": ["rater", "image"], "n_replicates": 100, "generator": np.random.default_rng(0)}
    replicates = mos.group_replicates(part, "generator", "score", **how)
    effect = study_ratings.effect_of_steps(replicates, mos.group_means(part, "generator", "score", replicates))
    assert effect["low"] < effect["change"] < effect["high"] < 0


def test_groups_of_raters_are_screened_for_themselves(rated):
    images, _, _, table = rated
    half = set(images["image"][:30])
    other = table.assign(rater="second " + table["rater"])
    both = pd.concat([table[table["image"].isin(half)], other[~other["image"].isin(half)]])
    groups = {rater: str(rater.startswith("second")) for rater in both["rater"].unique()}
    screened, _, means = study_ratings.scored(both, least_ratings=15, rater_groups=groups)
    assert (means["ratings"] <= 18).all() and len(screened) == 3 * 36
    alone = study_ratings.scored(table[table["image"].isin(half)], least_ratings=15)[2].set_index(
        ["dimension", "image"]
    )
    again = means.set_index(["dimension", "image"]).loc[alone.index]
    assert np.allclose(again["mos"], alone["mos"])


def test_triplets_have_three_two_and_one_point(rated):
    images, _, _, table = rated
    points = study_ratings.triplets(table, images)
    assert points["triplet"].nunique() == 20 and points.shape == (60, 2 + 5)
    assert (points.drop(columns="generator").groupby("triplet").sum() == 6).all().all()
    voted, agreed = agreement.points_by_majority(points.iloc[:, 2:], points["generator"])
    assert voted.set_index("model")["average"].idxmax() == "real, held out" and agreed > 0.8


def test_files_of_people_take_the_place_of_simulated_ones(tmp_path, rated):
    images, _, _, table = rated
    ids = {name: f"{number:08x}" for number, name in enumerate(images["image"])}
    key = pd.DataFrame({"id": ids.values(), "image": ids.keys(), "role": "rated"})
    with pytest.raises(StudyError, match=r"has no key\.csv"):
        study_ratings.of_people(tmp_path, images)
    key.to_csv(tmp_path / "key.csv", index=False)
    for rater, part in table.groupby("rater"):
        part.assign(image=part["image"].map(ids)).to_csv(tmp_path / f"{rater}.csv", index=False)
    found = study_ratings.of_people(tmp_path, images)
    assert set(found["image"]) == set(table["image"])
    assert found["rating"].sum() == pytest.approx(table["rating"].sum())
    with pytest.raises(StudyError, match="rated_images=61"):
        study_ratings.of_people(tmp_path, images.iloc[1:])
