"""The one door through which images come in: a folder with one folder per identity.

Three layouts are known:

- KoIn: `normal_cases/train/<identity>/…`, `normal_cases/test/…`, `hard_cases/test/…`, `Group_cases/test/…`
- split: `train/<identity>/…`, `test/<identity>/…`
- flat: `<identity>/<file>`
"""

import difflib
import errno
import os
import re
import stat
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kpop_rca.data.images import ENDINGS
from kpop_rca.errors import StudyError

COLUMNS = ["path", "identity", "split", "part"]
PARTS = {"normal_cases": "normal", "hard_cases": "hard", "group_cases": "group"}
SPLITS = ("train", "test")
LINK_OUT = "link out of the data folder"
LINK_TO_FOLDER = "link to a folder"
LINK_IN_A_CIRCLE = "link in a circle"
LINK_TO_NOTHING = "link to nothing"
LINKS = (LINK_OUT, LINK_TO_FOLDER, LINK_IN_A_CIRCLE, LINK_TO_NOTHING)
NO_IDENTITY = "in no identity's folder"
LAYOUTS = "normal_cases/train/<identity>, train/<identity> or <identity>/"


def natural_key(text: str) -> tuple:
    """Sort key in which 2.jpg comes before 10.jpg."""
    pieces = re.split(r"(\d+)", text)
    return tuple(int(p) if i % 2 else p.casefold() for i, p in enumerate(pieces)), text


def scan(
    root: Path | str,
    *,
    n_identities: int = 0,
    max_per_identity: int = 0,
    min_per_identity: int = 0,
    exclude_identities: Sequence[str] = (),
) -> pd.DataFrame:
    """Every image file below a folder of identities; whether it can be read is not asked here.

    Hidden files and files without an image's ending are ignored; links that lead out of the folder are
    skipped with a warning (`left_out` lists what was passed over). Identities without a normal image are left out:
    no class can be made of them.

    Args:
        root: the folder.
        n_identities: keep the identities with the most normal images (ties by name); 0 keeps all.
        max_per_identity: keep the first so many images per identity, part and split; 0 keeps all.
        min_per_identity: leave out identities with fewer normal images.
        exclude_identities: names of identities to leave out.

    Returns:
        One row per image, sorted by part (normal, hard, group), identity and path in natural order. Columns:
        path (str, posix, relative to `root`), identity (str), split ("train", "test" or ""), part ("normal",
        "hard", "group").

    Raises:
        StudyError: the folder is missing or empty, mixes layouts, or holds fewer than two identities; or an identity to
            leave out is not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise StudyError(f"the data folder {root} does not exist; set data_root to one with a folder per identity")
    images, others = _walk(root)
    links = sum(reason in LINKS for _, reason in others)
    if links:
        warnings.warn(f"{links} links in {root} lead elsewhere and were skipped", stacklevel=2)
    found = pd.DataFrame(_rows(images, shown=root), columns=COLUMNS, dtype=object)
    if found.empty:
        raise StudyError(f"no images in {root}; set data_root to a folder laid out as {LAYOUTS}")
    reasons = _why_left_out(
        found, n_identities=n_identities, min_per_identity=min_per_identity, excluded=exclude_identities, root=root
    )
    kept = found[found["identity"].isin(reasons.index[reasons == ""])]
    kept = _sorted(kept)
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
    found = pd.DataFrame(_rows(_walk(root)[0], shown=root), columns=COLUMNS, dtype=object)
    reasons = _why_left_out(
        found, n_identities=n_identities, min_per_identity=min_per_identity, excluded=exclude_identities, root=root
    )
    reasons = reasons[reasons != ""]
    counts = found.loc[found["part"] == "normal", "identity"].value_counts().reindex(reasons.index, fill_value=0)
    return pd.DataFrame({"identity": reasons.index, "photographs": counts.to_numpy(), "reason": reasons.to_numpy()})


def left_out(root: Path | str) -> pd.DataFrame:
    """What `scan` passes over because of what it is or where it lies; hidden files and folders are not even listed.

    Args:
        root: the folder.

    Returns:
        One row per file, link or folder that cannot be opened, in natural order: path (str, posix, relative to
        `root`; what is not UTF-8 in it escaped), reason (str).
    """
    images, others = _walk(Path(root))
    stray = [("/".join(parts), NO_IDENTITY) for parts in images if len(_place(parts)[2]) < 2]
    rows = sorted([*others, *stray], key=lambda row: natural_key(row[0]))
    return pd.DataFrame(rows, columns=["path", "reason"], dtype=object)


def _walk(root: Path) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """(parts of each image's path, (path, reason) of everything else) below a folder, without following links."""
    root, images, others = root.resolve(), [], []

    def relative(path: str | Path) -> str:
        return Path(path).relative_to(root).as_posix().encode(errors="backslashreplace").decode()

    def unopened(error: OSError) -> None:
        others.append((relative(error.filename), f"folder that cannot be opened: {error.strerror}"))

    for parent, folders, names in os.walk(root, onerror=unopened):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        linked = [name for name in folders if Path(parent, name).is_symlink()]  # which os.walk does not enter
        for name in sorted(name for name in names if not name.startswith(".")) + linked:
            file = Path(parent, name)
            reason = _why_not(file, root=root)
            if reason:
                others.append((relative(file), reason))
            else:
                images.append(file.relative_to(root).parts)
    return images, others


def _why_not(file: Path, *, root: Path) -> str:
    """Why a file is no image to be read from a data folder; "" where nothing speaks against it. Opens nothing."""
    try:
        str(file.relative_to(root)).encode()
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            if not file.resolve().is_relative_to(root):
                return LINK_OUT
            status = file.stat()
            if stat.S_ISDIR(status.st_mode):
                return LINK_TO_FOLDER
    except UnicodeEncodeError:
        return "file name that is not UTF-8; rename it"
    except (OSError, RuntimeError) as error:
        return LINK_IN_A_CIRCLE if getattr(error, "errno", errno.ELOOP) == errno.ELOOP else LINK_TO_NOTHING
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    return "" if file.suffix.lower() in ENDINGS else "file without an image's ending"


def _rows(images: list[tuple[str, ...]], *, shown: Path) -> list[tuple[str, str, str, str]]:
    _refuse_mixed(images, shown=shown)
    _refuse_folders_beside_splits(images, shown=shown)
    rows, of_each = [], defaultdict(list)
    for parts in images:
        split, part, below = _place(parts)
        if len(below) < 2:  # beside the identities' folders, not in one
            continue
        of_each[parts[: len(parts) - len(below) + 1]].append(below)
        rows.append(("/".join(parts), below[0], split, part))
    _refuse_one_level_off(of_each, shown=shown)
    return rows


def _place(parts: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """(split, part, what is left: identity, …, file) of an image's path."""
    if parts[0].lower() in PARTS:
        return parts[1] if len(parts) > 1 else "", PARTS[parts[0].lower()], parts[2:]
    if parts[0] in SPLITS:
        return parts[0], "normal", parts[1:]
    return "", "normal", parts


def _refuse_mixed(images: list[tuple[str, ...]], *, shown: Path) -> None:
    """One layout at a time: parts, or splits, or identities, never side by side."""
    kinds: dict[str, list[str]] = {}
    for name in dict.fromkeys(parts[0] for parts in images if len(parts) > 1):
        kind = "parts" if name.lower() in PARTS else "splits" if name in SPLITS else "identities"
        kinds.setdefault(kind, []).append(name)
    if len(kinds) > 1:
        examples = " beside ".join(names[0] for names in kinds.values())
        raise StudyError(f"{shown} mixes layouts ({examples}); use one of {LAYOUTS}")
    if kinds.get("splits") == ["test"]:
        raise StudyError(f"{shown} has images in test/ but none in train/; add train/<identity>/ or remove test/")


def _refuse_folders_beside_splits(images: list[tuple[str, ...]], *, shown: Path) -> None:
    """In KoIn's layout a part holds train/ and test/, and nothing else that has images."""
    for parts in images:
        if parts[0].lower() in PARTS and len(parts) > 2 and parts[1] not in SPLITS:
            raise StudyError(
                f"{shown / parts[0]} should hold only train/ and test/, found {parts[1]}/; "
                f"use KoIn's layout, {parts[0]}/test/<identity>/"
            )


def _refuse_one_level_off(of_each: dict[tuple[str, ...], list[tuple[str, ...]]], *, shown: Path) -> None:
    """Images only in folders below the identity's: most likely the data folder is one level too high."""
    for identity, images in of_each.items():
        if all(len(below) > 2 for below in images):
            raise StudyError(
                f"images in {shown} are one level too deep ({identity[-1]}/{images[0][1]}/…); "
                f"set data_root so that each folder in it is an identity, {shown.joinpath(*identity)} perhaps"
            )


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
    asked = [unicodedata.normalize("NFC", name) for name in excluded]
    unknown = [name for name in asked if name not in known]
    if unknown:
        close = {name: difflib.get_close_matches(name, list(known), n=3, cutoff=0.4) for name in unknown}
        said = [
            f"{name!r} (close: {', '.join(map(repr, near))})" if near else repr(name) for name, near in close.items()
        ]
        raise StudyError(
            f"exclude_identities names who is not in {root}: {', '.join(said)}; mend or remove these names"
        )
    return [known[name] for name in asked]


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    order = list(PARTS.values())
    keys = [
        (order.index(part), natural_key(identity), natural_key(path))
        for part, identity, path in zip(rows["part"], rows["identity"], rows["path"], strict=True)
    ]
    return rows.iloc[sorted(range(len(keys)), key=keys.__getitem__)]
