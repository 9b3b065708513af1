"""One folder per identity, in the layouts that people have."""

import os
import unicodedata
from pathlib import Path

import pytest

from kpop_rca.data import identity_folders
from kpop_rca.errors import StudyError


def _touch(root: Path, *files: str) -> Path:
    """Empty files: scanning does not open them."""
    for name in files:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def test_koin_layout_in_order(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "Group_cases/test/0001/0.jpg",
        "hard_cases/test/0000/1.jpg",
        "normal_cases/test/0000/3.jpg",
        "normal_cases/train/0001/0.jpg",
        "normal_cases/train/0000/10.jpg",
        "normal_cases/train/0000/2.jpg",
    )
    table = identity_folders.scan(tmp_path)
    assert list(table.columns) == ["path", "identity", "split", "part"]
    assert table.to_numpy().tolist() == [
        ["normal_cases/test/0000/3.jpg", "0000", "test", "normal"],
        ["normal_cases/train/0000/2.jpg", "0000", "train", "normal"],
        ["normal_cases/train/0000/10.jpg", "0000", "train", "normal"],
        ["normal_cases/train/0001/0.jpg", "0001", "train", "normal"],
        ["hard_cases/test/0000/1.jpg", "0000", "test", "hard"],
        ["Group_cases/test/0001/0.jpg", "0001", "test", "group"],
    ]


def test_flat_and_split_layouts(tmp_path: Path) -> None:
    flat = identity_folders.scan(_touch(tmp_path / "flat", "B/1.png", "A/2.JPG", "A/10.jpg", "A/more/3.webp"))
    assert flat["path"].tolist() == ["A/2.JPG", "A/10.jpg", "A/more/3.webp", "B/1.png"]
    assert set(flat["split"]) == {""} and set(flat["part"]) == {"normal"}
    split = identity_folders.scan(_touch(tmp_path / "split", "train/A/1.png", "test/A/1.png", "train/B/1.png"))
    assert split["split"].tolist() == ["test", "train", "train"]


def test_identities_with_the_most_images_are_kept(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"{name}/{i}.jpg" for name, n in [("a", 1), ("b", 3), ("c10", 2), ("c9", 2)] for i in range(n)))
    assert identity_folders.scan(tmp_path, n_identities=2)["identity"].unique().tolist() == ["b", "c9"]
    capped = identity_folders.scan(tmp_path, max_per_identity=2)
    assert capped["path"].tolist() == [
        "a/0.jpg",
        "b/0.jpg",
        "b/1.jpg",
        "c9/0.jpg",
        "c9/1.jpg",
        "c10/0.jpg",
        "c10/1.jpg",
    ]


def test_what_is_no_image_is_ignored(tmp_path: Path) -> None:
    _touch(tmp_path, "A/1.jpg", "A/.2.jpg", "A/notes.txt", ".cache/3.jpg", "B/1.jpg", "C/readme.md", "truth.csv")
    (tmp_path / "A" / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "A" / "pipe.jpg")
    assert identity_folders.scan(tmp_path)["path"].tolist() == ["A/1.jpg", "B/1.jpg"]


def test_links_out_of_the_folder_are_skipped_and_reported(tmp_path: Path) -> None:
    outside = _touch(tmp_path / "outside", "secret.jpg")
    root = _touch(tmp_path / "root", "A/1.jpg", "B/1.jpg")
    (root / "A" / "2.jpg").symlink_to(outside / "secret.jpg")
    (root / "A" / "3.jpg").symlink_to(root / "B" / "1.jpg")
    (root / "C").symlink_to(outside)
    with pytest.warns(UserWarning, match=r"followed \(2: 'A/2\.jpg', 'C'\): copy the folder with cp -rL"):
        table = identity_folders.scan(root)
    assert table["path"].tolist() == ["A/1.jpg", "A/3.jpg", "B/1.jpg"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no images"),
        (["A/1.jpg"], "only the identity 'A'"),
        (["normal_cases/train/A/1.jpg", "B/1.jpg"], "mixes layouts"),
        (["train/A/1.jpg", "C/1.jpg", "D/1.jpg"], r"mixes layouts \(C/, D/ beside train/\)"),
        (["test/A/1.jpg", "test/B/1.jpg"], "none in train/"),
        (["normal_cases/A/1.jpg", "normal_cases/B/1.jpg"], "only train/ and test/"),
        (["faces/A/1.jpg", "faces/B/1.jpg"], "one level too deep"),
        (["hard_cases/test/A/1.jpg", "hard_cases/test/B/1.jpg"], "no identity with normal images"),
    ],
)
def test_bad_folders_are_refused_with_advice(tmp_path: Path, files: list[str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        identity_folders.scan(_touch(tmp_path, *files))


def test_missing_folder_and_too_many_identities(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="does not exist; set data_root"):
        identity_folders.scan(tmp_path / "nowhere")
    _touch(tmp_path, "A/1.jpg", "B/1.jpg")
    with pytest.raises(StudyError, match=r"n_identities is 3.* has 2 identities"):
        identity_folders.scan(tmp_path, n_identities=3)


def _people(root: Path, **photographs: int) -> Path:
    return _touch(root, *[f"{name}/{k}.jpg" for name, n in photographs.items() for k in range(n)])


def test_identities_are_left_out_by_name_and_by_their_few_photographs_and_are_listed(tmp_path: Path) -> None:
    _people(tmp_path, Ada=9, Bo=8, Cy=7, Di=6, Eva=2)
    who = {"exclude_identities": ["Bo"], "min_per_identity": 3, "n_identities": 2}
    assert identity_folders.scan(tmp_path, **who)["identity"].unique().tolist() == ["Ada", "Cy"]
    assert identity_folders.identities_left_out(tmp_path, **who).to_numpy().tolist() == [
        ["Bo", 8, "in exclude_identities"],
        ["Di", 6, "not among the first 2 (n_identities)"],
        ["Eva", 2, "fewer than 3 (min_per_identity)"],
    ]
    assert identity_folders.identities_left_out(tmp_path).empty


def test_a_name_that_is_composed_otherwise_is_the_same_name(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD")]
    _people(tmp_path, Ada=2, Bo=2, **{names[1]: 2})
    found = identity_folders.scan(tmp_path, exclude_identities=names[:1])
    assert found["identity"].unique().tolist() == ["Ada", "Bo"]


def test_all_unknown_names_are_refused_at_once(tmp_path: Path) -> None:
    _people(tmp_path, Jisoo=2, Jennie=2, Rose=2)
    with pytest.raises(StudyError, match=r"no 'Jiso', 'Xx' in .*; correct or remove these names"):
        identity_folders.scan(tmp_path, exclude_identities=["Jiso", "Rose", "Xx"])


def test_what_leaves_fewer_than_two_says_by_which_parameters(tmp_path: Path) -> None:
    _people(tmp_path, Ada=9, Bo=2)
    with pytest.raises(StudyError, match=r"only the identity 'Ada' .* after exclude_identities and min_per_identity"):
        identity_folders.scan(tmp_path, min_per_identity=5)
