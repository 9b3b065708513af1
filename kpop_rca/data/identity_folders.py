"""The one door through which images come in: a folder with one folder per identity.

Three layouts are known:

- KoIn: `normal_cases/train/<identity>/…`, `normal_cases/test/…`, `hard_cases/test/…`, `Group_cases/test/…`
- split: `train/<identity>/…`, `test/<identity>/…`
- flat: `<identity>/<file>`
"""

import os
import re
import warnings
from pathlib import Path

import pandas as pd

from kpop_rca.data.images import ENDINGS
from kpop_rca.errors import StudyError

COLUMNS = ["path", "identity", "split", "part"]
PARTS = {"normal_cases": "normal", "hard_cases": "hard", "group_cases": "group"}
SPLITS = ("train", "test")
LAYOUTS = "normal_cases/train/<identity>, train/<identity> or <identity>/"


def natural_key(text: str) -> tuple:
    """Sort key in which 2.jpg comes before 10.jpg."""
    pieces = re.split(r"(\d+)", text)
    return tuple(int(p) if i % 2 else p.casefold() for i, p in enumerate(pieces)), text


def scan(root: Path | str, *, n_identities: int = 0, max_per_identity: int = 0) -> pd.DataFrame:
    """Every image file below a folder of identities; whether it can be read is not asked here.

    Hidden files and files without an image's ending are ignored; links that lead out of the folder are
    skipped with a warning. Identities without a normal image are left out: no class can be made of them.

    Args:
        root: the folder.
        n_identities: keep the identities with the most normal images (ties by name); 0 keeps all.
        max_per_identity: keep the first so many images per identity, part and split; 0 keeps all.

    Returns:
        One row per image, sorted by part (normal, hard, group), identity and path in natural order. Columns:
        path (str, posix, relative to `root`), identity (str), split ("train", "test" or ""), part ("normal",
        "hard", "group").

    Raises:
        StudyError: the folder is missing or empty, mixes layouts, or holds fewer than two identities.
    """
    root = Path(root)
    if not root.is_dir():
        raise StudyError(f"the data folder {root} does not exist; set data_root to one with a folder per identity")
    found = pd.DataFrame(_rows(root.resolve(), shown=root), columns=COLUMNS, dtype=object)
    if found.empty:
        raise StudyError(f"no images in {root}; set data_root to a folder laid out as {LAYOUTS}")
    kept = _choose_identities(found, n_identities=n_identities, root=root)
    kept = _sorted(kept)
    if max_per_identity:
        kept = kept.groupby(["identity", "part", "split"], sort=False).head(max_per_identity)
    return kept.reset_index(drop=True)


def _rows(root: Path, *, shown: Path) -> list[tuple[str, str, str, str]]:
    _refuse_mixed(root, shown=shown)
    rows, skipped = [], 0
    for folder, split, part in _folders_of_identities(root, shown=shown):
        for identity in _subfolders(folder):
            files, links = _images_below(identity, root=root)
            skipped += links
            _refuse_one_level_off(identity, files, shown=shown)
            rows += [(_relative(file, root), identity.name, split, part) for file in files]
        skipped += sum(p.is_symlink() and p.is_dir() for p in folder.iterdir())
    if skipped:
        warnings.warn(f"{skipped} links in {shown} lead elsewhere and were skipped", stacklevel=3)
    return rows


def _relative(file: Path, root: Path) -> str:
    path = file.relative_to(root).as_posix()
    try:
        path.encode()
    except UnicodeEncodeError:
        raise StudyError(f"the file name {path!r} in {root} is not UTF-8; rename the file") from None
    return path


def _subfolders(folder: Path) -> list[Path]:
    """Folders that are neither hidden nor links (a link may lead anywhere, even back up)."""
    folders = [p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()]
    return sorted((p for p in folders if not p.name.startswith((".", "__MACOSX"))), key=lambda p: natural_key(p.name))


def _images_below(folder: Path, *, root: Path) -> tuple[list[Path], int]:
    """Image files at any depth, and how many links lead out of `root`."""
    files, skipped = [], 0
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(parent, name)
            if name.startswith(".") or file.suffix.lower() not in ENDINGS or not file.is_file():
                continue
            inside = not file.is_symlink() or file.resolve().is_relative_to(root)
            skipped += not inside
            files += [file] if inside else []
    return files, skipped


def _refuse_mixed(root: Path, *, shown: Path) -> None:
    """One layout at a time: parts, or splits, or identities, never side by side."""
    kinds: dict[str, list[str]] = {}
    for folder in _subfolders(root):
        name = folder.name
        kind = "parts" if name.lower() in PARTS else "splits" if name in SPLITS else "identities"
        if _images_below(folder, root=root)[0]:
            kinds.setdefault(kind, []).append(name)
    if len(kinds) > 1:
        examples = " beside ".join(names[0] for names in kinds.values())
        raise StudyError(f"{shown} mixes layouts ({examples}); use one of {LAYOUTS}")
    if kinds.get("splits") == ["test"]:
        raise StudyError(f"{shown} has images in test/ but none in train/; add train/<identity>/ or remove test/")


def _folders_of_identities(root: Path, *, shown: Path) -> list[tuple[Path, str, str]]:
    """(folder that holds identities, split, part) for the layout found."""
    folders = _subfolders(root)
    parts = [folder for folder in folders if folder.name.lower() in PARTS]
    if parts:
        return [row for folder in parts for row in _splits_of_part(folder, root=root, shown=shown)]
    splits = [folder for folder in folders if folder.name in SPLITS]
    return [(folder, folder.name, "normal") for folder in splits] or [(root, "", "normal")]


def _splits_of_part(folder: Path, *, root: Path, shown: Path) -> list[tuple[Path, str, str]]:
    part = PARTS[folder.name.lower()]
    others = [p for p in _subfolders(folder) if p.name not in SPLITS and _images_below(p, root=root)[0]]
    if others:
        raise StudyError(
            f"{shown / folder.name} should hold only train/ and test/, found {others[0].name}/; "
            f"use KoIn's layout, {folder.name}/test/<identity>/"
        )
    return [(p, p.name, part) for p in _subfolders(folder) if p.name in SPLITS]


def _refuse_one_level_off(identity: Path, files: list[Path], *, shown: Path) -> None:
    """Images only in folders below the identity's: most likely the data folder is one level too high."""
    if files and all(file.parent != identity for file in files):
        below = files[0].relative_to(identity).parts[0]
        raise StudyError(
            f"images in {shown} are one level too deep ({identity.name}/{below}/…); "
            f"set data_root so that each folder in it is an identity, {shown / identity.name} perhaps"
        )


def _choose_identities(found: pd.DataFrame, *, n_identities: int, root: Path) -> pd.DataFrame:
    counts = found.loc[found["part"] == "normal", "identity"].value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], natural_key(name)))
    if n_identities > len(names):
        raise StudyError(f"n_identities is {n_identities}, but {root} has {len(names)} identities; use 0 for all")
    names = names[:n_identities] if n_identities else names
    if len(names) < 2:
        only = f"only the identity {names[0]!r}" if names else "no identity with normal images"
        raise StudyError(f"{only} in {root}; a study needs two or more, laid out as {LAYOUTS}")
    return found[found["identity"].isin(names)]


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    order = list(PARTS.values())
    keys = [
        (order.index(part), natural_key(identity), natural_key(path))
        for part, identity, path in zip(rows["part"], rows["identity"], rows["path"], strict=True)
    ]
    return rows.iloc[sorted(range(len(keys)), key=keys.__getitem__)]
