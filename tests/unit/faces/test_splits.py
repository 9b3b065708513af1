import numpy as np
import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.faces import splits

FLAGS = ["unreadable", "no_face", "non_facial", "small_face", "identity_mismatch", "cross_identity_duplicate"]
FRACTIONS = {"oracle_fraction": 0.5, "validation_fraction": 0.2, "test_fraction": 0.25}


def table(n=40, identities=("a", "b"), **columns):
    """An audit table of n photographs of each identity, none flagged, none a duplicate."""
    rows = pd.DataFrame(
        {
            "path": [f"{name}/{k}.jpg" for name in identities for k in range(n)],
            "identity": np.repeat(identities, n),
            "split": "",
            "part": "normal",
            "duplicate_group": -1,
            "hand_label": "",
            "n_faces": 1,
        }
    )
    return rows.assign(**({f"flag_{flag}": False for flag in FLAGS} | columns))


def split(rows, **settings):
    fractions = {"oracle_fraction": 0.0, "validation_fraction": 0.2, "test_fraction": 0.25}
    return splits.assign_splits(rows, **(fractions | {"seed": 0} | settings))


def reasons_of(rows, flags=(), labels=("wrong_person", "not_a_face")):
    return splits.exclusion_reasons(rows, exclude_flags=list(flags), exclude_hand_labels=list(labels))


def test_the_first_reason_counts_and_some_always_do():
    rows = table(n=2)
    rows.loc[0, ["flag_no_face", "flag_non_facial"]] = True
    rows.loc[1, "flag_non_facial"] = True
    assert reasons_of(rows, ["non_facial"]).tolist() == ["no_face", "non_facial", "", ""]
    assert reasons_of(rows).tolist() == ["no_face", "", "", ""]


def test_a_label_by_hand_leaves_out_and_keeps():
    """Flags: all of them everywhere. `fine` overrides them; other labels answer who is shown, not how large."""
    labels = ["", "fine", "hard_case", "contextual_artifact", "wrong_person", "not_a_face", "fine"]
    rows = table(n=len(labels), identities=("a",), hand_label=labels, flag_identity_mismatch=True)
    rows.loc[6, "flag_no_face"] = True
    by_hand = ["labelled_wrong_person", "labelled_not_a_face", "no_face"]
    assert reasons_of(rows, ["identity_mismatch"]).tolist() == ["identity_mismatch", "", "", "", *by_hand]
    rows["flag_small_face"] = True
    small = ["small_face", "", "small_face", "small_face"]
    assert reasons_of(rows, ["small_face"]).tolist() == [*small, *by_hand]
    chosen = reasons_of(rows, labels=["contextual_artifact"])
    assert chosen.tolist() == ["", "", "", "labelled_contextual_artifact", "", "", "no_face"]


def test_a_label_by_hand_counts_in_the_folders_own_test_too():
    rows = table(n=2, hand_label=["", "wrong_person"] * 2).assign(split="test")
    assert reasons_of(rows).tolist() == ["", "labelled_wrong_person"] * 2


def test_of_copies_under_two_names_the_one_that_is_labelled_fine_stays():
    rows = table(n=2)
    rows.loc[[0, 2], "duplicate_group"] = 0
    rows.loc[[0, 2], "flag_cross_identity_duplicate"] = True
    out = "cross_identity_duplicate"
    assert reasons_of(rows, [out]).tolist() == [out, "", out, ""]
    rows.loc[2, "hand_label"] = "fine"
    assert reasons_of(rows, [out]).tolist() == [out, "", "", ""]


def any_folder(seed, *, layout):
    """Four identities with bursts, and copies across identities, parts and the folder's own splits."""
    rng = np.random.default_rng(seed)
    rows = table(n=40, identities=("a", "b", "c", "d"))
    if layout != "flat":
        rows["part"] = rng.choice(["normal", "hard", "group"], len(rows), p=[0.86, 0.08, 0.06])
        own = rng.random(len(rows)) < (0.25 if layout == "own test" else 0)
        rows["split"] = np.where((rows["part"] == "normal") & ~own, "train", "test")
    members = rng.permutation(len(rows))[:60]
    rows.loc[members, "duplicate_group"] = np.arange(60) // rng.integers(2, 5)
    return rows


@pytest.mark.parametrize("layout", ["flat", "hard", "own test"])
def test_no_group_lies_on_two_sides(layout):
    """Over sixty folders: within an identity and across, hard cases included; what a twin costs is counted."""
    for seed in range(60):
        rows = any_folder(seed, layout=layout)
        reasons = reasons_of(rows)
        kept = rows[reasons == ""].copy()
        kept["split"] = splits.assign_splits(kept, seed=seed, **FRACTIONS)
        assert set(kept["split"]) <= set(splits.SPLITS)  # none is dropped without a reason
        grouped = kept[kept["duplicate_group"] >= 0]
        assert (grouped.groupby("duplicate_group")["split"].nunique() == 1).all(), seed
        trained_on = set(kept.loc[kept["split"].isin(["train", "oracle", "validation"]), "duplicate_group"]) - {-1}
        assert not trained_on & set(rows.loc[rows["part"] != "normal", "duplicate_group"]), seed
        assert set(rows.index[rows["part"] == "hard"]) <= set(kept.index)
        counts = splits.exclusion_table(rows, reasons)
        assert (counts["kept"] + counts["left out"] == 40).all()


def test_twins_of_hard_cases_leave_training_and_are_counted():
    rows = table(n=12)
    rows.loc[0, "part"], rows.loc[1, "part"], rows.loc[2, "split"] = "hard", "group", "test"
    rows.loc[[0, 3, 15], "duplicate_group"] = 0  # one of them of the other identity
    rows.loc[[1, 4], "duplicate_group"], rows.loc[[2, 5], "duplicate_group"] = 1, 2
    reasons = reasons_of(rows)
    named = {1: "group_case", 3: "twin_of_hard_case", 15: "twin_of_hard_case", 4: "twin_of_group_case"}
    assert reasons[reasons != ""].to_dict() == named | {5: "twin_of_test"}
    counts = splits.exclusion_table(rows, reasons)
    assert counts.loc["a", "twin_of_hard_case"] == counts.loc["b", "twin_of_hard_case"] == 1


def test_a_split_follows_from_paths_and_seed_alone():
    """What an oracle was trained on in one study, no generator is trained on in the next: the split stays."""
    rows = table(n=12)
    rows["duplicate_group"] = np.where(np.arange(24) % 12 < 4, np.arange(24) // 2, -1)
    assigned = splits.assign_splits(rows, seed=3, **FRACTIONS)
    letters = assigned.map({"train": "t", "oracle": "j", "validation": "v", "test": "e"})
    assert "".join(letters) == "jjtttteevejvtteejtevtvje"


def test_a_classifiers_flag_does_not_clean_the_test_split():
    rows = table(n=2, flag_identity_mismatch=True)
    rows["split"] = ["train", "test"] * 2
    reasons = reasons_of(rows, ["identity_mismatch"])
    assert reasons.tolist() == ["identity_mismatch", ""] * 2


def test_the_table_adds_up():
    rows = table(n=4)
    reasons = pd.Series(["", "no_face", "non_facial", "", "", "", "", "no_face"])
    counts = splits.exclusion_table(rows, reasons)
    assert counts.loc["a"].to_dict() == {"kept": 2, "no_face": 1, "non_facial": 1, "left out": 2, "photographs": 4}
    assert counts.loc["b", "kept"] == 3


def test_the_split_is_stratified():
    counts = pd.crosstab((rows := table(n=80))["identity"], split(rows))
    assert (counts["test"] == 20).all()
    assert (counts["validation"] == 12).all()
    assert (counts["train"] == 48).all()


def test_the_oracles_share_is_of_what_is_left_to_learn_from():
    """Of 80: 20 to test, 12 to validate; of the 48 left a quarter, and the other splits stay as they were."""
    rows = table(n=80)
    without, with_oracle = split(rows), split(rows, oracle_fraction=0.25)
    counts = pd.crosstab(rows["identity"], with_oracle)
    assert (counts["oracle"] == 12).all()
    assert (counts["train"] == 36).all()
    assert "oracle" not in set(without)
    assert without.equals(with_oracle.replace("oracle", "train"))


def test_of_an_odd_number_the_generator_has_the_odd_one():
    """Of 39: 10 to test, 6 to validate. Of the 23 left it has 12: oracles that see them can learn as many as others."""
    rows = table(n=39)
    counts = pd.crosstab(rows["identity"], split(rows, oracle_fraction=0.5))
    assert (counts["test"] + counts["validation"] == 16).all()
    assert (counts["oracle"] == 11).all()
    assert (counts["train"] == 12).all()


def test_most_images_stay_on_their_side_when_others_come_and_go():
    """A tenth left out moves the border between two sides, and only what lies at the border."""
    rows = table(n=200, identities=("a", "b", "c"))
    before = split(rows, oracle_fraction=0.5)
    left = rows.drop(rows.sample(frac=0.1, random_state=0).index)
    after = split(left, oracle_fraction=0.5)
    stayed = (after == before[left.index]).mean()
    assert stayed > 0.9  # by chance it would be a third
    of_oracle = before[left.index] == "oracle"
    assert (after[of_oracle] == "train").mean() < 0.05  # by chance a third; of what an oracle was trained on


def test_the_split_follows_from_paths_and_seed_in_any_order_of_the_rows():
    rows = table(n=60)
    shuffled = rows.sample(frac=1, random_state=0)
    assert split(shuffled).sort_index().equals(split(rows))
    assert not split(rows, seed=1).equals(split(rows))


def test_near_duplicates_stay_on_one_side():
    rows = table(n=60)
    rows["duplicate_group"] = np.arange(len(rows)) // 3
    assigned = split(rows, oracle_fraction=0.5)
    assert set(assigned) == {"train", "oracle", "validation", "test"}
    assert (assigned.groupby(rows["duplicate_group"]).nunique() == 1).all()


def test_a_large_fraction_leaves_one_for_the_other_side():
    assigned = split(table(n=6), oracle_fraction=0.99, validation_fraction=0.9)
    assert pd.crosstab(table(n=6)["identity"], assigned)[["test", "validation", "train"]].eq([2, 3, 1]).all(axis=None)


def test_the_folders_own_test_is_used_and_its_twins_are_not_trained_on():
    rows = table(n=20)
    rows["split"] = (["train"] * 15 + ["test"] * 5) * 2
    rows.loc[[0, 16], "duplicate_group"] = 9  # one in train, one in test
    assigned = split(rows)
    assert (assigned[rows["split"] == "test"] == "test").all()
    assert assigned[0] == ""
    assert set(assigned[rows["split"] == "train"].drop(0)) == {"train", "validation"}


def test_parts_have_their_own_fate():
    rows = table(n=12)
    rows.loc[0, "part"], rows.loc[1, "part"] = "hard", "group"
    assigned = split(rows)
    assert assigned[0] == "hard"
    assert assigned[1] == ""


def test_the_split_follows_the_seed():
    rows = table()
    assert split(rows).equals(split(rows))
    assert not split(rows).equals(split(rows, seed=1))


def test_the_oracle_split_is_demanded_where_one_is_wanted():
    rows = table(n=5)
    index = splits.make_index(rows.assign(split=["train", "validation", "test", "test", "test"] * 2))
    splits.check_classes(index, rows, oracle_fraction=0.0)
    with pytest.raises(StudyError, match=r'"a" \(5 of 5 photographs with a face: 0 in oracle\); "b"') as raised:
        splits.check_classes(index, rows, oracle_fraction=0.1)
    assert "exclude_identities" not in str(raised.value)  # nobody would be left
    sizes = splits.split_sizes(index.assign(split=index["split"].replace("validation", "oracle")))
    assert sizes.columns.tolist() == ["train", "oracle", "test"]


def test_all_identities_with_too_few_faces_are_named_at_once_with_what_helps():
    """a and e have enough; b two test faces, c no face at all, d nothing but a training face."""
    rows = table(n=6, identities=("a", "b", "c", "d", "e"))
    rows.loc[rows["identity"] == "c", "n_faces"] = 0
    enough = {
        "a": ["train", "oracle", "validation", *["test"] * 3],
        "b": ["train", "oracle", "validation", "test", "test"],
    }
    of_each = enough | {"c": [], "d": ["train"], "e": enough["a"]}
    rows["split"] = [split for name in "abcde" for split in [*of_each[name], *[""] * 6][:6]]
    with pytest.raises(StudyError) as raised:
        splits.check_classes(splits.make_index(rows), rows, oracle_fraction=0.5)
    said = str(raised.value)
    assert '"b" (6 of 6 photographs with a face: 2 in test); "c" (0 of 6 photographs with a face: 0 in train, ' in said
    assert '"d" (6 of 6 photographs with a face: 0 in oracle, 0 in validation, 0 in test)' in said
    assert 'exclude_identities: ["b", "c", "d"], or add' in said and "lower min_face_size" in said and '"a"' not in said
    assert len(said.splitlines()) == 2


def test_labels_follow_the_order_of_identities():
    rows = table(n=1, identities=("b", "a", "c")).assign(split=["train", "test", ""])
    index = splits.make_index(rows)
    assert index["label"].tolist() == [0, 1]
    assert index["identity"].tolist() == ["b", "a"]
