"""Data folders as cameras, storage boxes, hubs and three operating systems leave them: one matrix.

Of each is said which photographs are read, under which names, what is listed as left out, what a fingerprint counts.
"""

import os
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kpop_rca.data import identity_folders
from kpop_rca.errors import StudyError
from kpop_rca.data import data_files as files

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Zoë 김") for form in ("NFC", "NFD"))
BASE = ("ada/1.jpg", "bo/1.jpg")
STRANGE = (
    "{ada}",
    "{0!r}",
    'it\'s "me"',
    "two\nlines",
    "100%s",
    "\u202e\u0645\u0631\u062d\u0628\u0627",
    "🙂",
    "$(id)",
    "-rf",
    "x. ",
)


@dataclass(frozen=True)
class Case:
    """A data folder and what is said of it.

    Attributes:
        photographs: files that are read, with their identities.
        linked: links that are read like them.
        others: files beside them.
        listed: what `left_out` lists, with the reason's first words.
        warned: parts of the warning; none where nothing may be missed.
        also: makes what is no file.
    """

    photographs: dict[str, str] = field(default_factory=lambda: {name: name.partition("/")[0] for name in BASE})
    linked: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    listed: dict[str, str] = field(default_factory=dict)
    warned: tuple[str, ...] = ()
    also: Callable[[Path], None] = lambda root: None


def links(root: Path) -> None:
    (root / "cy").symlink_to(root.parent / "elsewhere")
    (root / "di").symlink_to(root / "ada")
    (root / "bo" / "9.jpg").symlink_to(root.parent / "elsewhere" / "secret.jpg")
    (root / "bo" / "gone.jpg").symlink_to("nothing.jpg")
    (root / "bo" / "1 again.jpg").symlink_to("1.jpg")


def not_text(root: Path) -> None:
    (root / os.fsdecode(b"z\xff")).mkdir()
    (root / os.fsdecode(b"z\xff") / "1.jpg").write_bytes(b"1")


def of_splits(train: str = "train", test: str = "test", **more: str) -> dict[str, str]:
    return {f"{split}/{name}/1.jpg": name for split in (train, test) for name in ("ada", "bo")} | more


MATRIX = {
    "plain": Case(),
    "Synology": Case(
        others=("ada/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg", "@eaDir/x.jpg", "#recycle/ada/old.jpg"),
        listed={
            "#recycle": files.OF_A_MACHINE,
            "@eaDir": files.OF_A_MACHINE,
            "ada/@eaDir": files.OF_A_MACHINE,
        },
    ),
    "QNAP": Case(others=("ada/.@__thumb/1.jpg", "@Recycle/ada/2.jpg"), listed={"@Recycle": files.OF_A_MACHINE}),
    "Windows": Case(
        others=(*(f"ada/{name}" for name in ("Thumbs.db", "desktop.ini", "ehthumbs.db")), "$RECYCLE.BIN/S-1/2.jpg"),
        listed={"$RECYCLE.BIN": files.OF_A_MACHINE},
    ),
    "a Mac": Case(
        others=(".DS_Store", "ada/.DS_Store", "ada/._1.jpg", "__MACOSX/ada/._1.jpg", "ada/.2.heic.icloud"),
        listed={"__MACOSX": files.OF_A_MACHINE, "ada/.2.heic.icloud": files.IN_THE_CLOUD},
        warned=("photographs that are not on this disk (1: 'ada/.2.heic.icloud'): download them",),
    ),
    "Linux": Case(
        others=("lost+found/2.jpg", ".Trash-1000/files/2.jpg", ".thumbnails/1.jpg"),
        listed={"lost+found": files.OF_A_MACHINE},
    ),
    "a photograph manager": Case(
        others=("ada/1.xmp", "ada/1.jpg.json", "ada/thumbnails/1.jpg", "ada/2.NEF", "ada/3.dng"),
        listed={
            "ada/1.jpg.json": files.NO_ENDING,
            "ada/1.xmp": files.NO_ENDING,
            "ada/2.NEF": files.UNKNOWN_KIND,
            "ada/3.dng": files.UNKNOWN_KIND,
            "ada/thumbnails": files.OF_A_MACHINE,
        },
        warned=("photographs of a kind that is not read (2: 'ada/2.NEF', 'ada/3.dng'): save them as JPEG or PNG",),
    ),
    "a hub": Case(
        others=("README.md", "metadata.csv", ".gitattributes", ".cache/huggingface/x.jpg", "cy.zip"),
        listed={"README.md": files.NO_ENDING, "metadata.csv": files.NO_ENDING, "cy.zip": files.ARCHIVE},
        warned=("archives (1: 'cy.zip'): unpack them",),
    ),
    "JupyterLab": Case(others=("ada/.ipynb_checkpoints/1-checkpoint.jpg",)),
    "people as links": Case(
        linked={"bo/1 again.jpg": "bo"},
        listed={
            "bo/9.jpg": files.LINK_OUT,
            "bo/gone.jpg": files.LINK_TO_NOTHING,
            "cy": files.LINK_OUT,
            "di": files.LINK_TO_FOLDER,
        },
        warned=(
            "followed (3: 'bo/9.jpg', 'cy', 'di'): copy the folder with cp -rL",
            "nowhere (1: 'bo/gone.jpg'): remove or repair",
        ),
        also=links,
    ),
    "names that are no text": Case(
        listed={"z\\udcff": files.NO_TEXT},
        warned=("names that are not UTF-8 (1: 'z\\\\udcff'): rename",),
        also=not_text,
    ),
    "capitals": Case(photographs=of_splits("Train", "TEST")),
    "KoIn in capitals": Case(
        photographs={f"Normal_Cases/{split}/{name}/1.jpg": name for split in ("Train", "Test") for name in ("a", "b")}
    ),
    "two systems": Case(
        photographs=of_splits(**{f"train/{COMPOSED}/1.jpg": COMPOSED, f"test/{DECOMPOSED}/1.jpg": COMPOSED})
    ),
    "one name twice in a split": Case(
        photographs={"ada/1.jpg": "ada", f"{COMPOSED}/1.jpg": COMPOSED, f"{DECOMPOSED}/2.jpg": COMPOSED}
    ),
    "two people but for capitals": Case(photographs={"ada/1.jpg": "ada", "Ada/1.jpg": "Ada", "bo/1.jpg": "bo"}),
    "a folder below each": Case(photographs={"ada/images/1.jpg": "ada", "bo/DCIM/100CANON/1.jpg": "bo"}),
    "strange names": Case(photographs={f"{name}/1 {name}.jpg": name for name in STRANGE}),
}


def built(root: Path, names: list[str] | tuple[str, ...]) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{number}".encode())
    return root


@pytest.mark.parametrize("name", MATRIX)
def test_what_is_read_and_what_is_said_of_the_rest(tmp_path: Path, name: str) -> None:
    case = MATRIX[name]
    built(tmp_path / "elsewhere", ["secret.jpg"])
    root = built(tmp_path / "data", list(case.photographs))
    clean = files.fingerprint(root)
    built(root, case.others)
    case.also(root)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = identity_folders.scan(root)
    assert dict(zip(table["path"], table["identity"], strict=True)) == case.photographs | case.linked
    said = "".join(str(warning.message) for warning in caught)
    assert bool(said) == bool(case.warned) and all(part in said for part in case.warned), said
    listed = dict(identity_folders.left_out(root).itertuples(index=False))
    assert listed == case.listed
    if not case.linked:
        assert files.fingerprint(root) == clean
    assert files.fingerprint(root).startswith(f"{len(table)} files")


@pytest.mark.parametrize(
    ("photographs", "message"),
    [
        (["train/Ada/1.jpg", "train/bo/1.jpg", "test/ada/1.jpg"], "'test/ada' and 'train/Ada'"),
        (["train/a/1.jpg", "train/bo/1.jpg", "test/a /1.jpg", "test/bo./1.jpg"], "'test/a ' and .*, 'test/bo.' and "),
        (["Train/a/1.jpg", "val/a/1.jpg", "Test/a/1.jpg"], "has val/ for a split; .* rename these folders"),
        (["training/a/1.jpg", "training/b/1.jpg", "testing/a/1.jpg"], "each folder in it is an identity, or train/"),
        (["one\ntwo/a/1.jpg", "three/b/1.jpg"], r"one\\ntwo/, three/, as in one\\ntwo/a/"),
        (["one/a/1.jpg", "two/b/1.jpg"], "as in one/a/….*or move the images up"),
        (["images/Train/a/1.jpg", "images/Test/a/1.jpg"], "set data_root so that each folder in it"),
        (["normal_cases/val/a/1.jpg", "normal_cases/dev/a/1.jpg"], "found normal_cases/dev/, normal_cases/val/"),
        (["a.zip", "b.zip"], "no images in .*; set data_root"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_with_what_helps(tmp_path: Path, photographs: list[str], message: str) -> None:
    root = built(tmp_path / "data", photographs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(StudyError, match=message) as caught:
            identity_folders.scan(root)
    assert len(str(caught.value).splitlines()) == 1


def test_people_that_are_missing_for_being_links_are_named_where_there_are_too_few(tmp_path: Path) -> None:
    root = built(tmp_path / "data", ["ada/1.jpg"])
    (built(tmp_path / "elsewhere", ["1.jpg"]), (root / "bo").symlink_to(tmp_path / "elsewhere"))
    with (
        pytest.warns(UserWarning, match=r"\(1: 'bo'\): copy"),
        pytest.raises(StudyError, match="only the identity 'ada'"),
    ):
        identity_folders.scan(root)


def test_many_of_a_kind_are_counted(tmp_path: Path) -> None:
    root = built(tmp_path / "data", [*BASE, *(f"ada/{n}.nef" for n in range(9))])
    with pytest.warns(UserWarning, match=r"photographs .* \(9: 'ada/0.nef', .*'ada/4.nef' and 4 more\)"):
        identity_folders.scan(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every folder")
def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    root = built(tmp_path / "data", [*BASE, "cy/1.jpg"])
    (root / "cy").chmod(0)
    with pytest.warns(UserWarning, match=r"folders that cannot be opened \(1: 'cy'\): get permission"):
        identity_folders.scan(root)
    (root / "cy").chmod(0o755)


def test_a_folder_that_cannot_be_opened_is_one_of_what_may_be_missed() -> None:
    said = files.missed([("cy", f"{files.UNOPENED}: Permission denied"), ("notes.txt", files.NO_ENDING)])
    assert said == "folders that cannot be opened (1: 'cy'): get permission to read them (chmod u+rx)"


def test_a_touch_a_move_of_times_and_a_copy_change_nothing(tmp_path: Path) -> None:
    root = built(tmp_path / "data", [*BASE, "ada/notes.txt"])
    before = files.fingerprint(root)
    for path in (*root.rglob("*"), root):
        os.utime(path)
    (root / "ada" / "notes.txt").write_text("other")
    (root / "ada" / "1.jpg").chmod(0o600)
    assert files.fingerprint(root) == before
    assert files.fingerprint(root.rename(tmp_path / "moved")) == before
