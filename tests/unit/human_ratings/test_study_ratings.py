import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import agreement, mos, pairs, simulated, study_ratings
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
    rng = np.random.default_rng(1)
    seen = {"sharpness": rng.random(len(shown)), "likeness": rng.random(len(shown))}
    truth = study_ratings.known_qualities(images, **seen, seed=0)
    panel = simulated.Panel(raters=18, spammers=2)
    return images, seen, truth, study_ratings.simulated_ratings(shown, truth, panel, seed=0)


def test_truth_has_a_part_of_what_is_measured(rated):
    images, seen, truth, _ = rated
    assert images["group"].tolist()[:2] == [1, 2]
    assert set(truth) == {"quality", "authenticity", "id_fidelity"}
    assert np.corrcoef(truth["id_fidelity"], seen["likeness"])[0, 1] > 0.8
    for _, rows in images.groupby("generator").indices.items():
        if len(rows) > 2:
            assert np.corrcoef(truth["quality"][rows], seen["sharpness"][rows])[0, 1] > 0.3


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


def test_p910_stands_beside_the_mos_and_a_raters_bias_beside_the_screening(shown, rated):
    """Its quality is on the scale of the ratings; a rater who is a point too kind has that bias."""
    _, _, truth, table = rated
    kind = table.assign(rating=table["rating"].where(table["rater"] != "simulated-01", table["rating"] * 0.8 + 1))
    before, screened = (study_ratings.scored(part, least_ratings=15)[0] for part in (table, kind))
    bias = [part.set_index(["dimension", "rater"])["bias"] for part in (before, screened)]
    change = (bias[1] - bias[0]).xs("simulated-01", level="rater")
    assert (change > 0.3).all() and np.allclose(bias[1].groupby("dimension").mean(), 0)
    quality = study_ratings.scored(table, least_ratings=15)[2].query("dimension == 'quality'").set_index("image")
    found = quality.loc[[one.name for one in shown]]
    assert np.abs(found["p910"] - truth["quality"]).mean() < 0.25 and (found["p910_se"] > 0).all()
    assert found["p910"].corr(found["mos"]) > 0.99


def test_mos_of_each_person_and_attribute_have_intervals(rated):
    images, _, _, table = rated
    _, scores, _ = study_ratings.scored(table, least_ratings=15)
    names = images["image"]
    hats = pd.DataFrame(
        {"image": names, "attribute": "hat", "value": ["yes" if "real" in one else "no" for one in names]}
    )
    few = hats.assign(attribute="glasses", value=["yes"] + ["no"] * (len(names) - 1))  # of one image nothing is said
    how = {"n_replicates": 100, "generator": np.random.default_rng(0)}
    found = study_ratings.means_by_class(scores.merge(images, on="image"), pd.concat([hats, few]), **how)
    assert found["by"].unique().tolist() == ["person", "hat"] and found["dimension"].nunique() == 3
    assert (found["low"] < found["mean"]).all() and (found["mean"] < found["high"]).all()
    of = found.set_index(["dimension", "by", "value"])
    assert of.loc[("quality", "hat", "yes"), "low"] > of.loc[("quality", "hat", "no"), "high"]  # real faces wear hats
    by_hand = scores[scores["dimension"] == "quality"].merge(images, on="image").groupby("identity")["score"].mean()
    assert of.loc[("quality", "person", "ann"), "mean"] == pytest.approx(by_hand["ann"])


def test_attributes_are_those_of_the_test_face_and_hair_that_of_the_person():
    face = {"hair_colour": "brown", "long_hair": True, "smiling": False, "hat": False, "sunglasses": False}
    of_row = [face, face | {"hair_colour": "black", "hat": True}, face, {}]
    images = pd.DataFrame(
        {"image": ["real/held out/1", "generated/all steps/1", "bicubic/restored/2"], "identity": "ann"}
    )
    images.loc[3] = ["ddpm/restored photograph/0", "somebody"]
    found = study_ratings._told(images, of_row, ["ann"] * 4)
    wide = found.pivot(index="image", columns="attribute", values="value")
    assert wide["hair colour"].tolist() == ["brown"] * 3 and wide["long hair"].tolist() == ["yes"] * 3
    assert wide["hat"].fillna("").to_dict() == {
        "real/held out/1": "yes",
        "generated/all steps/1": "",
        "bicubic/restored/2": "no",
    }


def test_agreement_of_ranked_ratings_is_not_told_as_one_of_ranks(rated):
    images, _, _, table = rated
    points = study_ratings.triplets(table, images)
    said = [study_ratings.about_triplets(points, 0.995, who="raters", ranked=ranked) for ranked in (True, False)]
    assert said[0] == "20 triplets (raters): more than half agree on 99.5% of the images"
    assert "by the ratings of each image" in said[1]


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
    found, groups = study_ratings.of_people(tmp_path, images)
    assert groups is None
    assert set(found["image"]) == set(table["image"])
    assert found["rating"].sum() == pytest.approx(table["rating"].sum())
    with pytest.raises(StudyError, match="rated_images=61"):
        study_ratings.of_people(tmp_path, images.iloc[1:])


def test_raters_of_files_have_their_groups_under_their_pseudonyms(tmp_path, rated):
    images, _, _, table = rated
    key = pd.DataFrame({"id": images["image"], "image": images["image"], "role": "rated"})
    key.to_csv(tmp_path / "key.csv", index=False)
    first, second = (table[table["rater"] == name] for name in ("simulated-01", "simulated-02"))
    pd.concat([first, second]).to_csv(tmp_path / "two.csv", index=False)
    found, groups = study_ratings.of_people(tmp_path, images, rater_groups="simulated-02|simulated-01")
    own = found.drop_duplicates("rater").set_index("rater")
    assert sorted(groups.values()) == ["group 1", "group 2"] and set(groups) == set(own.index)
    of_first = found[found["rater"].map(groups) == "group 2"]  # simulated-01 is in the second group
    assert of_first["rating"].sum() == pytest.approx(first["rating"].sum())
    with pytest.raises(StudyError, match="each of simulated-01, simulated-02 once"):
        study_ratings.of_people(tmp_path, images, rater_groups="simulated-02")


def test_simulated_groups_share_the_images(shown, rated):
    images, _, truth, _ = rated
    panel = simulated.Panel(raters=4)
    groups = study_ratings.parse_groups("simulated-01,simulated-02|simulated-03,simulated-04", [*PANEL_OF_FOUR])
    table = study_ratings.simulated_ratings(shown, truth, panel, seed=0, groups=groups)
    assert (table.groupby(["image", "dimension", "trial"])["rater"].nunique() == 2).all()
    assert set(table["image"]) == set(images["image"])


PANEL_OF_FOUR = study_ratings.simulated_names(simulated.Panel(raters=4))


def test_more_ratings_needed_leave_fewer_images_with_narrower_intervals(rated):
    *_, table = rated
    few = table[~((table["rater"] > "simulated-10") & (table["image"].str.endswith("1")))]
    _, scores, _ = study_ratings.scored(few, least_ratings=2)
    found = study_ratings.valid_ratings(scores, least=(2, 12, 30))
    quality = found[found["dimension"] == "quality"]
    assert quality["images"].is_monotonic_decreasing and quality["images"].iloc[-1] == 0
    assert quality["half_width"].iloc[1] < quality["half_width"].iloc[0] and np.isnan(quality["half_width"].iloc[2])


def test_simulated_comparisons_put_generators_in_the_order_of_their_quality(shown, rated):
    pytest.importorskip("evalica")
    images, _, truth, _ = rated
    panel = simulated.Panel(raters=6)
    answers = study_ratings.simulated_comparisons(shown, truth["quality"], panel, seed=0)
    assert list(answers.columns) == pairs.COLUMNS and (answers["first"] != answers["second"]).all()
    found = pairs.compared(answers, n_replicates=20, generator=np.random.default_rng(0))
    known = pd.Series(truth["quality"]).groupby(images["generator"]).mean()
    assert found["generator"].tolist() == known[found["generator"]].sort_values(ascending=False).index.tolist()
    kept = pairs.order_and_repeats(answers)
    assert kept["repeats"] > 0 and kept["same"] > 0.5 and abs(kept["first_won"] - 0.5) < 0.1


def test_the_answer_is_computed(rated):
    ranking = pd.DataFrame({"generator": ["a", "b"]})
    agree = pd.DataFrame({"metric": ["m", "flat"], "srcc": [-0.5, None], "srcc_low": -0.6, "srcc_high": -0.4, "n": 9})
    said = list(study_ratings.sentences("people", {"quality": ranking}, {"quality": agree}, {"m": "M"}))
    assert said == [
        "Raters: people.",
        "quality: a is rated best; M agrees most, SRCC -0.50 [-0.60, -0.40] on 9 images.",
    ]
    tested = {"quality": pd.DataFrame({"p_holm": [0.01, 0.2]})}
    assert study_ratings.about_pairs(tested).endswith("1 of 2 on quality.")


def ranking(folder, rows):
    """What a rater of triplets sent back: image, points, trial."""
    table = pd.DataFrame(rows, columns=["image", "rating", "trial"])
    table.assign(rater="one", dimension="quality", seconds=1.0, triplet="t").to_csv(folder / "one.csv", index=False)


def test_triplets_that_people_ranked_are_found_among_the_studys_images(tmp_path, shown):
    names = [one.name for one in shown[:3]]
    key = pd.DataFrame({"id": list("abc"), "image": names, "generator": "g", "level": "l", "role": "rated"})
    key.to_csv(tmp_path / "key.csv", index=False)
    ranking(tmp_path, [("a", 1, 0), ("b", 3, 0), ("c", 2, 0), ("a", 3, 1), ("b", 2, 1), ("c", 1, 1)])
    images, found = study_ratings.ranked_by_people(tmp_path, shown)
    assert found.set_index("image")["points"].to_dict() == {0: 1, 1: 3, 2: 2}  # the repeat does not count
    assert images.shape == (len(shown), *shown[0].image.shape)
    with pytest.raises(StudyError, match="another sample; set rated_images"):
        study_ratings.ranked_by_people(tmp_path, shown[1:])


def test_pages_without_triplets_rank_nothing(tmp_path, shown):
    pd.DataFrame({"id": ["a"], "image": [shown[0].name], "role": "rated"}).to_csv(tmp_path / "key.csv", index=False)
    ranking(tmp_path, [("a", "", 0), ("b", "", 0), ("c", "", 0)])
    with pytest.raises(StudyError, match="nobody ranked a triplet"):
        study_ratings.ranked_by_people(tmp_path, shown)
