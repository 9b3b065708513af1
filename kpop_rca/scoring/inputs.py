"""What a user gives, as folders or CSVs: photographs of people, and generated images that claim to show them."""

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.data import identity_folders
from kpop_rca.data.identity_folders import natural_key, plain, some
from kpop_rca.errors import StudyError

NEARLY = 0.8  # likeness, of at most 1, from which on two names may be one person
MIN_PHOTOGRAPHS = 3  # of a person: one to be predicted, two from which its prediction can be wrong
NEEDED = ("path", "person")
ADDED = ("face", "face_size", "cluster", "reason")  # columns that `found` writes
DELIMITERS = ",;\t"  # which a spreadsheet chooses by the country that it was sold in
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a cell begins that a spreadsheet computes
LAYOUTS = "one folder per person, or a CSV with the columns path and person"
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Inputs:
    """What there is to score.

    Attributes:
        people: K names in natural order, composed letters (NFC); all others refer to them by number.
        generators: in the order in which they were given.
        images: one row per image, photographs first: path (absolute), person (int), generator ("" for a photograph),
            and the further columns of CSVs as text, "" where an image has none.
        notes: a line each: what was odd, and what was done.
    """

    people: list[str]
    generators: list[str]
    images: pd.DataFrame
    notes: list[str]


def read(real: Path | str, generated: Mapping[str, Path | str] | Path | str) -> Inputs:
    """List photographs and generated images; no image is opened, and what is left out has a note.

    A folder has one folder per person, in a layout of `identity_folders`. A CSV has the columns path (relative to its
    own folder, which it must not leave), person, and any others. Its column generator, where it has one, chooses: rows
    without a generator are photographs, and a generator's images are the rows with its name. People are those with
    photographs and with images of at least one generator.

    Args:
        real: folder or CSV.
        generated: a folder or CSV for each generator by name; or one CSV with a column generator.

    Raises:
        StudyError: nothing that can be scored was given; says where and what helps.
    """
    notes: list[str] = []
    rows_of = cache(partial(_rows, notes=notes))  # a CSV may be that of several
    photographs = _photographs(Path(real), rows_of)
    of_each = _generators(generated, rows_of, notes)
    _refuse_shared(photographs, of_each, notes)
    people = _people(photographs, of_each, notes)
    tables = [rows.assign(generator=name) for name, rows in {"": photographs, **of_each}.items()]
    images = pd.concat([_ordered(rows[rows["person"].isin(people)]) for rows in tables], ignore_index=True)
    images["person"] = images["person"].map({name: number for number, name in enumerate(people)}).astype(np.int64)
    further = [name for name in images if name not in (*NEEDED, "generator")]
    if further:
        notes.append(f"further columns, by which scores can be compared: {', '.join(map(plain, further))}")
    images = images.reindex(columns=[*NEEDED, "generator", *further]).fillna("")
    return Inputs(people, list(of_each), images, list(dict.fromkeys(notes)))


def neutralised(table: pd.DataFrame) -> pd.DataFrame:
    """A table to write as CSV: text that a spreadsheet would compute gets an apostrophe in front; numbers stay.

    >>> neutralised(pd.DataFrame({"prompt": ["=1+1", "-0.5", "a face"]}))["prompt"].tolist()
    ["'=1+1", '-0.5', 'a face']
    """
    table = table.copy()
    table.columns = [_neutral(name) for name in table.columns]
    texts = [number for number, kind in enumerate(table.dtypes) if not pd.api.types.is_numeric_dtype(kind)]
    for number in texts:
        table.isetitem(number, table.iloc[:, number].map(_neutral))
    return table


def _neutral(cell: object) -> object:
    computed = isinstance(cell, str) and cell.startswith(FORMULA) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if computed else cell


def _photographs(real: Path, rows_of: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    rows = rows_of(real)
    if "generator" not in rows:
        return rows
    return _of_generator(rows, "", where=f"{real} names a generator in each row; leave it empty for photographs")


def _generators(
    generated: Mapping[str, Path | str] | Path | str, rows_of: Callable[[Path], pd.DataFrame], notes: list[str]
) -> dict[str, pd.DataFrame]:
    """The rows of each generator, by its name."""
    if not isinstance(generated, Mapping):
        rows = rows_of(Path(generated))
        if "generator" not in rows:
            raise StudyError(f"{generated} names no generators; give it with a name, as sdxl={generated}")
        names = [name for name in dict.fromkeys(rows["generator"]) if name]
        generated = dict.fromkeys(names, generated)
    if not generated:
        raise StudyError("no generator was given; name one with its images, as sdxl=gen/sdxl")
    of_each = {}
    for given, path in generated.items():
        name, rows = _composed(given), rows_of(Path(path))
        if not name or name in of_each:
            raise StudyError(f"the generator of {path} needs a name of its own, as sdxl={path}")
        if "generator" in rows:
            _note_others(rows["generator"], [*map(_composed, generated)], path, notes)
            rows = _of_generator(
                rows, name, where=f"{path} has no row of the generator {plain(name)}; correct the name"
            )
        of_each[name] = rows
    return of_each


def _of_generator(rows: pd.DataFrame, name: str, *, where: str) -> pd.DataFrame:
    rows = rows[rows["generator"] == name].drop(columns="generator")
    if rows.empty:
        raise StudyError(where)
    return rows


def _note_others(generators: pd.Series, names: list[str], path: Path | str, notes: list[str]) -> None:
    counts = generators[~generators.isin(names)].replace("", "no generator: photographs").value_counts(sort=False)
    if len(counts):
        others = some([f"{name} ({count})" for name, count in counts.items()], sign="")
        notes.append(f"{path}: rows that are of no generator that is scored: {others}")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _rows(path: Path, *, notes: list[str]) -> pd.DataFrame:
    """One row per image of a folder or CSV: path (absolute), person, and the further columns of a CSV."""
    path = path.expanduser()
    if path.is_dir():
        rows = _of_folder(path.resolve(), notes)
    elif path.is_file():
        rows = _of_csv(path, notes)
    else:
        raise StudyError(f"{path} is not there; name {LAYOUTS}")
    if rows.empty:
        raise StudyError(f"no images in {path}; name {LAYOUTS}")
    return rows


def _of_folder(root: Path, notes: list[str]) -> pd.DataFrame:
    found = identity_folders.contents(root)
    for reason, names in found.left_out.groupby("reason", sort=False)["path"]:
        notes.append(f"{root}: not read ({len(names)}: {some(list(names), sign='')}): {reason}")
    if found.empty:
        notes.append(f"{root}: no image in the folders of {len(found.empty)} people: {some(found.empty, sign='')}")
    images = found.images
    others = images[images["part"] != "normal"]
    if len(others):
        notes.append(f"{root}: {len(others)} images of hard cases and groups are not used")
    images = images[images["part"] == "normal"]
    return pd.DataFrame({"path": [str(root / path) for path in images["path"]], "person": images["identity"].to_list()})


def _of_csv(file: Path, notes: list[str]) -> pd.DataFrame:
    header, records = _cells(file)
    header = _checked_header(header, file, notes)
    long = [number for number, cells in records if any(cells[len(header) :])]
    _refuse_rows(long, file, "more cells than the header; put quotation marks around cells that hold the delimiter")
    columns = {
        name: [cells[place].strip() if place < len(cells) else "" for _, cells in records]
        for place, name in enumerate(header)
        if name
    }
    rows = pd.DataFrame(columns, index=[number for number, _ in records], dtype=object)
    for name in NEEDED:
        _refuse_rows(rows.index[rows[name] == ""], file, f"no {name}; fill it in")
    for name in {"person", "generator"} & {*rows}:
        rows[name] = rows[name].map(_composed)
    rows["path"] = _within(rows["path"], file)
    return _named_once(rows, file, notes).reset_index(drop=True)


def _cells(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV, and each row with its number in a spreadsheet; empty rows are none."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"{file} is not UTF-8; save it as CSV UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        records = [(number, cells) for number, cells in enumerate(reader, start=1) if any(map(str.strip, cells))]
    except csv.Error as error:
        raise StudyError(f"{file} is not a CSV ({error}); save it as CSV UTF-8") from None
    return (records[0][1] if records else []), records[1:]


def _checked_header(header: list[str], file: Path, notes: list[str]) -> list[str]:
    """Names of the columns, "" for those that are left out."""
    names = [_composed(name) for name in header]
    known = (*NEEDED, "generator")
    names = [name.lower() if name.lower() in known else name for name in names]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise StudyError(f"{file} has no column {' or '.join(missing)}; its first row must name path and person")
    twice = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    taken = [name for name in names if name in ADDED]
    if twice or taken:
        why = "name two columns each" if twice else "are names that scoring uses itself"
        raise StudyError(f"{file}: {some(twice or taken, sign='')} {why}; rename them")
    if "" in names:
        notes.append(f"{file}: {names.count('')} columns without a name are left out")
    return names


def _within(paths: pd.Series, file: Path) -> list[str]:
    """Absolute paths of a CSV's images, which lie in its folder, also behind links."""
    root = file.resolve().parent
    found = {number: _resolved(root, cell) for number, cell in paths.items()}
    outside = [number for number, path in found.items() if path is None or not path.is_relative_to(root)]
    _refuse_rows(outside, file, "a path that leaves the folder of the CSV; put the images beside it")
    absent = [number for number, path in found.items() if not _is_file(path)]
    _refuse_rows(absent, file, "no such file; correct the path or remove the row")
    return [str(path) for path in found.values()]


def _resolved(root: Path, cell: str) -> Path | None:
    """Where a path leads, in whatever composition of letters the disk has its name; None where it is no path."""
    forms = dict.fromkeys((cell, *(unicodedata.normalize(form, cell) for form in ("NFC", "NFD"))))
    try:
        candidates = [(root / form).resolve() for form in forms]
    except (OSError, RuntimeError, ValueError):  # a circle of links, or a character that no path holds
        return None
    return next(filter(_is_file, candidates), candidates[0])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that is closed
        return False


def _named_once(rows: pd.DataFrame, file: Path, notes: list[str]) -> pd.DataFrame:
    """Rows less those that name an image again; for another person, they are refused."""
    image = [name for name in ("path", "generator") if name in rows]
    people = rows.groupby(image)["person"].transform("nunique")
    _refuse_rows(rows.index[people > 1], file, "one image for several people; keep the right row")
    again = rows.duplicated(image)
    if again.any():
        notes.append(f"{file}: {_numbers(rows.index[again])} name an image again and are left out")
    return rows[~again]


def _refuse_rows(numbers: Iterable[int], file: Path, why: str) -> None:
    numbers = list(numbers)
    if numbers:
        raise StudyError(f"{file}, {_numbers(numbers)}: {why}")


def _numbers(numbers: Iterable[int]) -> str:
    numbers = list(map(str, numbers))
    return f"row{'s' * (len(numbers) > 1)} {some(numbers, sign='')}"


def _refuse_shared(photographs: pd.DataFrame, of_each: dict[str, pd.DataFrame], notes: list[str]) -> None:
    """No file is both photograph and generated; a generator with another's files alone is refused, a part is noted."""
    files = {name: {*rows["path"]} for name, rows in of_each.items()}
    real = {*photographs["path"]}
    for name, own in files.items():
        if own & real:
            raise StudyError(
                f"{len(own & real)} images of {name} are files of the photographs; give its own images "
                "(held-out photographs are scored as a control anyway)"
            )
    for one, other in _pairs(files):
        shared = files[one] & files[other]
        if shared and shared in (files[one], files[other]):
            raise StudyError(f"{one} and {other} have the same files; name another folder for one of them")
        if shared:
            notes.append(f"{one} and {other} share {len(shared)} files, which count for both")


def _pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    names = list(names)
    return ((one, other) for place, one in enumerate(names) for other in names[place + 1 :])


def _people(photographs: pd.DataFrame, of_each: dict[str, pd.DataFrame], notes: list[str]) -> list[str]:
    """Who can be scored: those with photographs and generated images; each other name is in a note."""
    counts = photographs["person"].value_counts()
    claimed = {name: set(rows["person"]) for name, rows in of_each.items()}
    everybody = set().union(*claimed.values())
    _refuse_near_names(set(counts.index), everybody)
    people = sorted(everybody & set(counts.index), key=natural_key)
    if len(people) < 2:
        given = "; ".join(f"{what}: {_people_named(names)}" for what, names in _by_source(counts.index, claimed))
        raise StudyError(f"fewer than two people have both photographs and generated images ({given})")
    _refuse_few(counts[people])
    alone = sorted(set(counts.index) - everybody, key=natural_key)
    if alone:
        notes.append(f"photographs but no generated images, left out: {_people_named(alone)}")
    for name, rows in of_each.items():
        _note_counterparts(name, rows["person"].value_counts(), people, notes, photographed=list(counts.index))
    return people


def _meant(unknown: list[str], photographed: list[str]) -> str:
    """A question for each unknown name that is nearly one with photographs."""
    close = {name: difflib.get_close_matches(name, photographed, n=1, cutoff=NEARLY) for name in unknown}
    asked = [f"{plain(name)} for {plain(found[0])}" for name, found in close.items() if found]
    return f"; is it {' and '.join(asked)}?" if asked else ""


def _note_counterparts(
    name: str, counts: pd.Series, people: list[str], notes: list[str], *, photographed: list[str]
) -> None:
    unknown = sorted(set(counts.index) - set(people), key=natural_key)
    if unknown:
        left_out = f"{counts[unknown].sum()} images of {plain(name)} left out"
        notes.append(f"no photographs, so {left_out}: {_people_named(unknown)}{_meant(unknown, photographed)}")
    missing = [person for person in people if person not in counts]
    if len(missing) == len(people):
        raise StudyError(f"{name} has no images of anyone with photographs; give its folders the people's names")
    if missing:
        notes.append(f"{plain(name)} has no images of {_people_named(missing)}; its scores are of the others")


def _by_source(real: Iterable[str], claimed: dict[str, set[str]]) -> Iterator[tuple[str, list[str]]]:
    for what, names in {"photographs": real, **claimed}.items():
        yield plain(what), sorted(names, key=natural_key)


def _people_named(names: list[str]) -> str:
    return f"{len(names)} {'person' if len(names) == 1 else 'people'} ({some(names, sign='')})"


def _refuse_few(counts: pd.Series) -> None:
    few = [f"{name} ({count})" for name, count in counts.items() if count < MIN_PHOTOGRAPHS]
    if few:
        raise StudyError(
            f"too few photographs: {some(few, sign='')}; the minimum is three of each person: add some, "
            "or leave out their generated images"
        )


def _refuse_near_names(real: set[str], claimed: set[str]) -> None:
    """A claimed name that nobody has, but with other capitals, spaces or signs: one person, most likely."""
    known = {_key(name): name for name in real}
    near = [f"{name!r} and {known[_key(name)]!r}" for name in sorted(claimed - real) if _key(name) in known]
    if near:
        raise StudyError(
            f"names of generated images differ from those of photographs only in capitals, spaces or signs "
            f"({some(near, sign='')}); give one person one name"
        )


def _key(name: str) -> str:
    return re.sub(r"[\s_.-]+", " ", name.casefold()).strip()


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """By person and path, so that the order of a CSV's rows changes nothing."""
    keys = [(natural_key(person), natural_key(path)) for person, path in zip(rows["person"], rows["path"], strict=True)]
    return rows.iloc[sorted(range(len(keys)), key=keys.__getitem__)]
