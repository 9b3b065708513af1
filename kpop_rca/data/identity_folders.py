"""Folders with one folder per identity, as which all images come in.

Three layouts are known, with `train` and `test` in small letters or capitals:

- KoIn: `normal_cases/train/<identity>/…`, `normal_cases/test/…`, `hard_cases/test/…`, `Group_cases/test/…`
- split: `train/<identity>/…`, `test/<identity>/…`
- flat: `<identity>/<file>`
"""

import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from kpop_rca.data import data_files
from kpop_rca.errors import StudyError

COLUMNS = ["path", "identity", "split", "part"]
PARTS = {"normal_cases": "normal", "hard_cases": "hard", "group_cases": "group"}
SPLITS_OF_A_FOLDER = ("train", "test")
# Names of splits in other data sets; whether they are to train or to test on is for the user to say.
LIKE_SPLITS = {"training", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "holdout"}
# Folders of which each identity may have some, and its images in them.
_BELOW_IDENTITY = "images image img imgs photos photo pictures pics faces dcim jpg jpeg png"
BELOW_IDENTITY = frozenset(_BELOW_IDENTITY.split())
NO_IDENTITY = "in no identity's folder"
LAYOUTS = "normal_cases/train/<identity>, train/<identity> or <identity>/"
SHOWN = 3  # names in a message; the others are counted


def natural_key(text: str) -> tuple:
    """Sort key in which 2.jpg comes before 10.jpg."""
    pieces = re.split(r"(\d+)", text)
    return tuple(int(p) if i % 2 else p.casefold() for i, p in enumerate(pieces)), text


class Contents(NamedTuple):
    """What a folder of identities holds."""

    images: pd.DataFrame  # one row per image in an identity's folder, in no order; columns as `scan` has them
    left_out: pd.DataFrame  # path and reason of all else, see `left_out`
    empty: list[str]  # identities whose folders hold no image
    missed: str  # what of `left_out` may stand for images that somebody misses, and what helps; or ""


def contents(root: Path) -> Contents:
    """Everything below a folder of identities, found by one walk.

    Raises:
        StudyError: the layout is none that is known.
    """
    found = data_files.found_in(root)
    images = _table(found.photographs, root=root)
    return Contents(images, _left_out(found), _empty(root, images), data_files.missed(found.others))


def _empty(root: Path, images: pd.DataFrame) -> list[str]:
    """Folders beside those of the identities with images, which hold none."""
    parts = [tuple(path.split("/")) for path in images["path"]]
    parents = {path[: len(path) - len(_place(path)[2])] for path in parts} or {()}
    beside = [folder for parent in parents for folder in root.joinpath(*parent).glob("*")]  # none where it is closed
    names = {unicodedata.normalize("NFC", folder.name) for folder in beside if data_files.may_hold_images(folder)}
    return sorted(names - set(images["identity"]), key=natural_key)


def scan(
    root: Path | str,
    *,
    n_identities: int = 0,
    max_per_identity: int = 0,
    min_per_identity: int = 0,
    exclude_identities: Sequence[str] = (),
) -> pd.DataFrame:
    """Every image file below a folder of identities; whether it can be read is not checked here.

    What is no photograph to read is passed over (`data_files.found_in`): what may be missed among it is named in a
    warning, and `left_out` lists it. Identities without a normal image are left out. A name in composed and in
    decomposed letters (é as one character or as two) is one identity.

    Args:
        root: the data folder.
        n_identities: keep the identities with the most normal images (ties by name); 0 keeps all.
        max_per_identity: keep the first so many images per identity, part and split; 0 keeps all.
        min_per_identity: leave out identities with fewer normal images.
        exclude_identities: names.

    Returns:
        One row per image, sorted by part, identity and path in natural order: path (posix, relative to `root`, as on
        the disk), identity (composed letters), split ("train", "test" or ""), part ("normal", "hard", "group").

    Raises:
        StudyError: the folder is missing or empty, mixes layouts, or holds fewer than two identities; or an identity to
            leave out is not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise StudyError(f"the data folder {root} does not exist; set data_root to one with a folder per identity")
    found, _, _, missed = contents(root)
    if missed:
        warnings.warn(f"not read in {root}: {missed}", stacklevel=2)
    if found.empty:
        raise StudyError(f"no images in {root}; set data_root to a folder laid out as {LAYOUTS}")
    who = {"n_identities": n_identities, "min_per_identity": min_per_identity, "excluded": exclude_identities}
    reasons = _why_left_out(found, **who, root=root)
    kept = in_natural_order(found[found["identity"].isin(reasons.index[reasons == ""])])
    if max_per_identity:
        kept = kept.groupby(["identity", "part", "split"], sort=False).head(max_per_identity)
    return kept.reset_index(drop=True)


def identities_left_out(
    root: Path | str, *, n_identities: int = 0, min_per_identity: int = 0, exclude_identities: Sequence[str] = ()
) -> pd.DataFrame:
    """The identities that `scan` leaves out, given the same arguments.

    Returns:
        One row per identity: identity, photographs (normal images), reason.
    """
    root = Path(root)
    found = _table(data_files.found_in(root).photographs, root=root)
    who = {"n_identities": n_identities, "min_per_identity": min_per_identity, "excluded": exclude_identities}
    reasons = _why_left_out(found, **who, root=root)
    reasons = reasons[reasons != ""]
    counts = found.loc[found["part"] == "normal", "identity"].value_counts().reindex(reasons.index, fill_value=0)
    return pd.DataFrame({"identity": reasons.index, "photographs": counts.to_numpy(), "reason": reasons.to_numpy()})


def left_out(root: Path | str) -> pd.DataFrame:
    """What `scan` passes over because of what it is or where it lies; hidden files and folders are not even listed.

    Returns:
        One row per file, link or folder that is not entered, in natural order: path (posix, relative to `root`; what is
        not UTF-8 in it escaped), reason.
    """
    return _left_out(data_files.found_in(Path(root)))


def _left_out(found: data_files.Found) -> pd.DataFrame:
    stray = [("/".join(parts), NO_IDENTITY) for parts in found.photographs if len(_place(parts)[2]) < 2]
    rows = sorted([*found.others, *stray], key=lambda row: natural_key(row[0]))
    return pd.DataFrame(rows, columns=["path", "reason"], dtype=object)


def _table(images: list[tuple[str, ...]], *, root: Path) -> pd.DataFrame:
    """One row per image in an identity's folder; columns as `scan` has them."""
    _refuse_mixed(images, root=root)
    _refuse_folders_beside_splits(images, root=root)
    rows, of_each = [], defaultdict(list)
    for parts in images:
        split, part, below = _place(parts)
        if len(below) < 2:  # beside the identities' folders, not in one
            continue
        of_each[parts[: len(parts) - len(below) + 1]].append(below)
        rows.append(("/".join(parts), unicodedata.normalize("NFC", below[0]), split, part))
    _refuse_one_level_off(of_each, root=root)
    _refuse_names_that_nearly_match(of_each, root=root)
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def _place(parts: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """(split, part, what is left: identity, …, file) of an image's path."""
    first, *below = parts
    if first.lower() in PARTS:
        return below[0].lower() if below else "", PARTS[first.lower()], parts[2:]
    if first.lower() in SPLITS_OF_A_FOLDER:
        return first.lower(), "normal", parts[1:]
    return "", "normal", parts


def _refuse_mixed(images: list[tuple[str, ...]], *, root: Path) -> None:
    """One layout at a time: parts, or splits, or identities, never side by side."""
    kinds: dict[str, list[str]] = {}
    for name in dict.fromkeys(parts[0] for parts in images if len(parts) > 1):
        kind = "parts" if name.lower() in PARTS else "splits" if name.lower() in SPLITS_OF_A_FOLDER else "identities"
        kinds.setdefault(kind, []).append(name)
    others = [name for name in kinds.get("identities", []) if name.lower() in LIKE_SPLITS]
    if others and len(kinds) > 1:
        raise StudyError(
            f"{root} has {some(others)} for a split; only train/ and test/ are read, and the study takes its "
            "validation images from train/: rename these folders, or move what they hold into those two"
        )
    if len(kinds) > 1:
        examples = " beside ".join(some(names) for names in kinds.values())
        raise StudyError(f"{root} mixes layouts ({examples}); use one of {LAYOUTS}")
    if {name.lower() for name in kinds.get("splits", [])} == {"test"}:
        raise StudyError(f"{root} has images in test/ but none in train/; add train/<identity>/ or remove test/")


def _refuse_folders_beside_splits(images: list[tuple[str, ...]], *, root: Path) -> None:
    """In KoIn's layout a part holds train/ and test/, and nothing else that has images."""
    deep = [parts[:2] for parts in images if parts[0].lower() in PARTS and len(parts) > 2]
    wrong = dict.fromkeys("/".join(parts) for parts in deep if parts[1].lower() not in SPLITS_OF_A_FOLDER)
    if wrong:
        part = next(iter(wrong)).partition("/")[0]
        raise StudyError(
            f"{root / part} should hold only train/ and test/, found {some(list(wrong))}; "
            f"use KoIn's layout, {part}/test/<identity>/"
        )


def _refuse_one_level_off(of_each: dict[tuple[str, ...], list[tuple[str, ...]]], *, root: Path) -> None:
    """Images only in folders below the identity's: most likely the data folder is one level too high."""
    deep = {
        identity: images
        for identity, images in of_each.items()
        if all(len(below) > 2 and below[1].lower() not in BELOW_IDENTITY for below in images)
    }
    if not deep:
        return
    first, images = next(iter(deep.items()))
    example = "/".join([*first, images[0][1]])
    raise StudyError(
        f"images in {root} are one level too deep ({some(['/'.join(identity) for identity in deep])}, as in "
        f"{plain(example)}/…); set data_root so that each folder in it is an identity, or train/ and test/, or "
        "move the images up"
    )


def _refuse_names_that_nearly_match(of_each: dict[tuple[str, ...], list[tuple[str, ...]]], *, root: Path) -> None:
    """A name in one split that is in no other as it is, but with other capitals or spaces: one person, most likely."""
    alike: dict[str, dict[str, list[tuple[str, ...]]]] = defaultdict(lambda: defaultdict(list))
    for folder in of_each:
        name = unicodedata.normalize("NFC", folder[-1])
        alike[name.casefold().strip(" .")][name].append(folder)
    pairs = []
    for of_name in alike.values():
        splits = [{folder[:-1] for folder in folders} for folders in of_name.values()]
        if len(of_name) > 1 and not set.intersection(*splits):
            pairs.append(" and ".join(repr("/".join(folders[0])) for folders in of_name.values()))
    if pairs:
        raise StudyError(
            f"identities of {root} differ only in capitals, spaces or dots at the ends, each in splits of its own "
            f"({some(pairs, sign='')}); give the folders of one person the same name"
        )


def some(names: list[str], *, sign: str = "/") -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(plain(name) + sign for name in names[:SHOWN]) + more


def plain(name: str) -> str:
    """A name whose line breaks and the like are escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def _why_left_out(
    found: pd.DataFrame, *, n_identities: int, min_per_identity: int, excluded: Sequence[str], root: Path
) -> pd.Series:
    """Why each identity is left out, "" for those that are kept; those with the most normal images come first."""
    counts = found.loc[found["part"] == "normal", "identity"].value_counts()
    counts = counts.reindex(found["identity"].unique(), fill_value=0)
    names = sorted(counts.index, key=lambda name: (-counts[name], natural_key(name)))
    reasons = pd.Series("", index=names, dtype=object)
    reasons[counts[names] == 0] = "no normal image"
    if n_identities > (reasons == "").sum():
        known = (reasons == "").sum()
        raise StudyError(f"n_identities is {n_identities}, but {root} has {known} identities; use 0 for all")
    reasons[_named(excluded, names, root=root)] = "in exclude_identities"
    reasons[(reasons == "") & (counts[names] < min_per_identity)] = f"fewer than {min_per_identity} (min_per_identity)"
    if n_identities:
        reasons[reasons.index[reasons == ""][n_identities:]] = f"not among the first {n_identities} (n_identities)"
    kept = reasons.index[reasons == ""]
    if len(kept) < 2:
        only = f"only the identity {kept[0]!r}" if len(kept) else "no identity with normal images"
        after = " after exclude_identities and min_per_identity" if len(excluded) or min_per_identity else ""
        raise StudyError(f"{only} in {root}{after}; a study needs two or more, laid out as {LAYOUTS}")
    return reasons


def _named(excluded: Sequence[str], names: list[str], *, root: Path) -> list[str]:
    """The identities that `exclude_identities` names, however their letters are composed."""
    known = {unicodedata.normalize("NFC", name): name for name in names}
    wanted = [unicodedata.normalize("NFC", name) for name in excluded]
    unknown = [repr(name) for name in wanted if name not in known]
    if unknown:
        raise StudyError(f"exclude_identities: no {', '.join(unknown)} in {root}; correct or remove these names")
    return [known[name] for name in wanted]


def in_natural_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Images by part, identity and path."""
    order = list(PARTS.values())
    keys = [
        (order.index(part), natural_key(identity), natural_key(path))
        for part, identity, path in zip(rows["part"], rows["identity"], rows["path"], strict=True)
    ]
    return rows.iloc[sorted(range(len(keys)), key=keys.__getitem__)]
