"""Ratings as raters give them: many files into one tidy table, and that into one matrix, images by raters."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError

NEEDED = ("rater", "image", "dimension", "rating")
COLUMNS = (*NEEDED, "trial", "seconds")  # trial: 0, and 1, 2, … where a rater sees an image again
SCALE = (0.0, 5.0)  # of the rating page's sliders
TEXT = ("rater", "image", "dimension", "first", "second", "answer", "triplet")  # an id may look like a number
KEY = "key.csv"  # of the pages: which image is which; not a file of a rater


def read_folder(folder: Path, *, scale: tuple[float, float] = SCALE) -> pd.DataFrame:
    """All raters' files of a folder, `*.csv` and `*.json`, as one checked table; see `checked`.

    A JSON file has its rows under "ratings". Whatever else a file holds, a rater's name among it, is not read.
    """
    tables = [checked(table, source=path.name, scale=scale) for path, table in tables_of(folder)]
    table = pd.concat(tables, ignore_index=True)
    # A rater sends the same answers as CSV and as JSON.
    table = table.drop_duplicates([*table.columns.drop("seconds")], ignore_index=True)
    _refuse_twice(table, source=str(folder))
    return table


def tables_of(folder: Path) -> list[tuple[Path, pd.DataFrame]]:
    """Every file of a rater in a folder, `*.csv` and `*.json`, as it is; see `read_folder`."""
    files = sorted(path for path in Path(folder).glob("*") if path.suffix in (".csv", ".json") and path.name != KEY)
    if not files:
        raise StudyError(f"{folder} holds no .csv or .json of a rater; name the folder with the files sent back")
    return [(path, _read(path)) for path in files]


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
        return pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["ratings"])
    except (ValueError, KeyError, TypeError, pd.errors.ParserError) as error:
        raise StudyError(f"{path.name} is no file of ratings ({error}); ask the rater to send it again") from None


def read_key(folder: Path) -> pd.DataFrame:
    """The key of the pages in a folder, all text: id, image, generator, level, identity, role, beside, page."""
    path = Path(folder) / KEY
    if not path.is_file():
        raise StudyError(f"{folder} has no {KEY}, which kpop-rca rate writes beside the pages; put it there")
    return pd.read_csv(path, dtype=str)


def checked(table: pd.DataFrame, *, source: str, scale: tuple[float, float] = SCALE) -> pd.DataFrame:
    """The columns `COLUMNS` of a table, checked: text, numbers on the scale, and no answer given twice.

    >>> plain = pd.DataFrame({"rater": [7], "image": ["a.png"], "dimension": ["quality"], "rating": ["2.5"]})
    >>> checked(plain, source="seven.csv").to_dict("records")
    [{'rater': '7', 'image': 'a.png', 'dimension': 'quality', 'rating': 2.5, 'trial': 0, 'seconds': nan}]
    """
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise StudyError(f"{source} has no column {missing[0]!r}; a file of ratings has {', '.join(NEEDED)}")
    table = table.reindex(columns=list(COLUMNS))
    for name in ("rater", "image", "dimension"):
        if table[name].isna().any():
            raise StudyError(f"{source}, row {first_row(table[name].isna())}: {name} is empty")
        table[name] = table[name].astype(str)
    table["trial"] = pd.to_numeric(table["trial"], errors="coerce").fillna(0).astype(int)
    table["seconds"] = pd.to_numeric(table["seconds"], errors="coerce")
    ratings = pd.to_numeric(table["rating"], errors="coerce")
    wrong = ~ratings.between(*scale)
    if wrong.any():
        row = first_row(wrong)
        said = f"rating {table['rating'].iloc[row - 1]} is no number from {scale[0]:g} to {scale[1]:g}"
        raise StudyError(f"{source}, row {row}: {said}")
    table["rating"] = ratings.astype(float)
    _refuse_twice(table, source=source)
    return table


def first_row(wrong: pd.Series) -> int:
    """The row, from 1, of the first thing that is wrong."""
    return int(np.flatnonzero(wrong)[0]) + 1


def _refuse_twice(table: pd.DataFrame, *, source: str) -> None:
    twice = table.duplicated(["rater", "image", "dimension", "trial"])
    if twice.any():
        row = table[twice].iloc[0]
        said = f"rater {row['rater']} rates {row['dimension']} of {row['image']} twice in trial {row['trial']}"
        raise StudyError(f"{source}: {said}; a file sent twice counts once, and repeats have trial 1, 2, …")


def pseudonymous(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with raters called r01, r02, … in the order of their names' SHA-256, which tells nothing."""
    known = sorted(table["rater"].unique(), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    names = {name: f"r{number:02d}" for number, name in enumerate(known, start=1)}
    return table.assign(rater=table["rater"].map(names))


def matrix(table: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """Ratings of one dimension, images by raters, both sorted; repeats averaged, NaN where there is none."""
    of_dimension = table[table["dimension"] == dimension]
    if of_dimension.empty:
        known = ", ".join(sorted(table["dimension"].unique()))
        raise StudyError(f"nobody rated {dimension!r}; the ratings are of {known}")
    return of_dimension.pivot_table(index="image", columns="rater", values="rating", aggfunc="mean")


def self_consistency(table: pd.DataFrame) -> pd.DataFrame:
    """How far a rater's repeats lie from the first answer: rater, dimension, repeats, mean_change, on the scale."""
    keys = ["rater", "dimension", "image"]
    first = table[table["trial"] == 0].set_index(keys)["rating"]
    again = table[table["trial"] > 0].set_index(keys)["rating"]
    change = (again - first.reindex(again.index)).abs().dropna()
    return change.groupby(level=["rater", "dimension"]).agg(repeats="size", mean_change="mean").reset_index()
