"""Comparisons of two or three images as raters send them back, and one score per generator: Bradley-Terry with ties."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings import raw_ratings

WINNERS = ("first", "second", "tie")
NO_FACE = "none"  # the page's answer where no image has a face; such an answer compares nothing
OUTCOMES = ("win", "tie", "lose")
COLUMNS = ["rater", "question", "first", "second", "winner", "trial"]
POINT_COLUMNS = ["rater", "triplet", "image", "points", "trial"]
OUTCOME_OF = (("first", "second"), ("tie", "tie"), ("second", "first"))  # winner, where one is first, or second
LEAST_STRENGTH = 1e-6  # of an alternative that lost every comparison of a resample
POINTS = (1.0, 2.0, 3.0)  # of the images of a triplet, the best last


def read_comparisons(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All raters' files of pairs and of triplets in a folder, `*.csv` and `*.json`, each answer once.

    Returns:
        pairs (rater, question, first, second, winner, trial; three from each triplet), images by the ids of the pages;
        and the triplets' points (rater, triplet, image, points, trial), 3 for the best. "none" (no face in any image)
        is a winner that compares nothing, and has no points.

    Raises:
        StudyError: no such file is there, one is of another kind, or a question is answered twice in one trial.
    """
    pairs, points = [], []
    for path, table in raw_ratings.tables_of(folder):
        if {"first", "second", "answer"} <= {*table}:
            pairs.append(_of_pairs(table, source=path.name))
        elif "triplet" in table:
            points.append(_of_triplets(table, source=path.name))
        else:
            raise StudyError(
                f"{path.name} is no file of pairs or triplets, as pages of --mode pairwise or triplet save them"
            )
    points = pd.concat([pd.DataFrame(columns=POINT_COLUMNS), *points]).drop_duplicates(ignore_index=True)
    pairs = pd.concat([pd.DataFrame(columns=COLUMNS), *pairs]).drop_duplicates(ignore_index=True)
    _refuse_twice(points, ["rater", "triplet", "image", "trial"], folder)
    _refuse_twice(pairs, ["rater", "question", "trial"], folder)
    return pd.concat([pairs, pairs_of_triplets(points)], ignore_index=True), points


def _of_pairs(table: pd.DataFrame, *, source: str) -> pd.DataFrame:
    _require_text(table, ("rater", "first", "second", "answer"), source=source)
    wrong = ~table["answer"].isin([*WINNERS, NO_FACE])
    if wrong.any():
        said = f"answer {table['answer'][wrong].iloc[0]!r} is none of {', '.join([*WINNERS, NO_FACE])}"
        raise StudyError(f"{source}, row {raw_ratings.first_row(wrong)}: {said}")
    ends = np.sort(table[["first", "second"]].astype(str).to_numpy(), axis=1)
    found = table.assign(question=["-".join(pair) for pair in ends], winner=table["answer"], trial=_trials(table))
    return found[COLUMNS]


def _of_triplets(table: pd.DataFrame, *, source: str) -> pd.DataFrame:
    _require_text(table, ("rater", "image", "triplet"), source=source)
    points = pd.to_numeric(table["rating"], errors="coerce")
    wrong = ~(points.isin(POINTS) | table["rating"].isna() | table["rating"].eq(""))
    if wrong.any():
        said = f"rating {table['rating'][wrong].iloc[0]} is none of 1, 2, 3 and empty"
        raise StudyError(f"{source}, row {raw_ratings.first_row(wrong)}: {said}")
    found = table.assign(points=points, trial=_trials(table))[POINT_COLUMNS]
    for (rater, triplet, trial), part in found.groupby(["rater", "triplet", "trial"]):
        given = tuple(sorted(part["points"].dropna()))
        if len(part) != len(POINTS) or given not in (POINTS, ()):
            raise StudyError(f"{source}: {rater} gives triplet {triplet}, trial {trial}, no ranks from 1 to 3")
    return found


def _require_text(table: pd.DataFrame, names: tuple[str, ...], *, source: str) -> None:
    for name in names:
        if name not in table:
            raise StudyError(f"{source} has no column {name!r}; ask the rater to send the file again")
        if table[name].isna().any():
            raise StudyError(f"{source}, row {raw_ratings.first_row(table[name].isna())}: {name} is empty")


def _trials(table: pd.DataFrame) -> pd.Series:
    trials = table["trial"] if "trial" in table else pd.Series(0, index=table.index)
    return pd.to_numeric(trials, errors="coerce").fillna(0).astype(int)


def _refuse_twice(table: pd.DataFrame, keys: list[str], folder: Path) -> None:
    twice = table.duplicated(keys)
    if twice.any():
        row = table[twice].iloc[0]
        raise StudyError(
            f"{folder}: rater {row['rater']} answers {row[keys[1]]} twice in trial {row['trial']}; "
            "a file sent twice counts once, so keep one of the two"
        )


def pairs_of_triplets(points: pd.DataFrame) -> pd.DataFrame:
    """The three pairs of each ranked triplet, as `read_comparisons` has pairs; the question is the triplet.

    >>> ranked = pd.DataFrame({"rater": "r", "triplet": "t", "image": list("abc"), "points": [2, 1, 3], "trial": 0})
    >>> pairs_of_triplets(ranked)[["first", "second", "winner"]].to_numpy().tolist()
    [['a', 'b', 'first'], ['a', 'c', 'second'], ['b', 'c', 'second']]
    """
    rows = []
    for (rater, triplet, trial), part in points.groupby(["rater", "triplet", "trial"], sort=False):
        for (one, ahead), (other, behind) in combinations(zip(part["image"], part["points"], strict=True), 2):
            winner = NO_FACE if np.isnan(ahead) else "first" if ahead > behind else "second"
            rows.append((rater, triplet, one, other, winner, trial))
    return pd.DataFrame(rows, columns=COLUMNS)


def of_folder(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """What raters sent back, by the generators that key.csv names; raters are pseudonymous.

    Returns:
        pairs as `read_comparisons` has them, where first and second are "generator, level"; the triplets' points with
        a column model, "generator, level", no rows where there are none; and how many answers found no face, which are
        in neither.

    Raises:
        StudyError: the key is missing, or an image is not in it.
    """
    key, (pairs, points) = raw_ratings.read_key(folder), read_comparisons(folder)
    generator = (key["generator"] + ", " + key["level"]).set_axis(key["id"])
    if strange := sorted({*pairs["first"], *pairs["second"]} - {*generator.index}):
        raise StudyError(f"image {strange[0]} is not in {raw_ratings.KEY}; put the key of these pages beside the files")
    faceless = pairs["winner"] == NO_FACE
    pairs = raw_ratings.pseudonymous(pairs[~faceless].reset_index(drop=True))
    pairs = pairs.assign(first=pairs["first"].map(generator), second=pairs["second"].map(generator))
    points = points.assign(model=points["image"].map(generator)).dropna(subset="points", ignore_index=True)
    return pairs, raw_ratings.pseudonymous(points), int(faceless.sum())


def bradley_terry(pairs: pd.DataFrame, *, weights: np.ndarray | None = None) -> pd.DataFrame:
    """Alternatives with their strengths by Newman's iteration for Bradley-Terry with ties, best first.

    Args:
        pairs: first, second (names of the alternatives) and winner ("first", "second", "tie").
        weights: of each pair, float (N,); all 1 if None.

    Source: Newman (2023), "Efficient computation of rankings from pairwise comparisons"; ties as Rao and Kupper's.
    """
    try:
        import evalica
    except ImportError:
        raise StudyError("answers on pairs need evalica; install it: pip install 'kpop-rca[ratings]'") from None
    unknown = sorted(set(pairs["winner"]) - set(WINNERS))
    if unknown:
        raise StudyError(f"winner {unknown[0]!r} of a pair is none of {', '.join(WINNERS)}")
    won = dict(zip(WINNERS, (evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw), strict=True))
    found = evalica.newman(pairs["first"], pairs["second"], pairs["winner"].map(won), weights=weights, limit=1000)
    strengths = found.scores.rename_axis("alternative").rename("strength")
    return strengths.sort_values(ascending=False, kind="stable").reset_index()


def compared(pairs: pd.DataFrame, *, n_replicates: int, generator: np.random.Generator) -> pd.DataFrame:
    """Generators by their comparisons, best first, each number with `_low` and `_high`, its 95 % interval.

    Intervals are from a bootstrap over raters and questions at once. A repeated question (trial 1 and above) and two
    images of one generator count for nothing.

    Args:
        pairs: rater, question, first, second (generators), winner and trial.

    Returns:
        generator, n (comparisons), log_strength (of Bradley and Terry's model with ties, mean 0 over the generators),
        win, tie and lose (fractions of the n).
    """
    pairs = pairs[(pairs["first"] != pairs["second"]) & (pairs["trial"] == 0)].reset_index(drop=True)
    cells = ["first", "second", "winner"]
    cell = pairs.groupby(cells, sort=True).ngroup().to_numpy()
    kinds = pairs[cells].drop_duplicates().sort_values(cells, ignore_index=True)  # by the number of their cell
    weights = np.ones((n_replicates + 1, len(pairs)))  # the first is the sample itself
    for unit in ("rater", "question"):
        codes, names = pd.factorize(pairs[unit], sort=True)
        drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_replicates)
        weights[1:] *= drawn[:, codes]
    counts = weights @ np.eye(len(kinds))[cell]
    value, *replicates = [_numbers(kinds, count) for count in counts]
    low, high = np.nanpercentile(np.stack([each.to_numpy() for each in replicates]), [2.5, 97.5], axis=0)
    found = pd.concat([pairs["first"], pairs["second"]]).value_counts().rename("n").to_frame()
    for k, name in enumerate(value.columns):
        at = {"": value[name], "_low": low[:, k], "_high": high[:, k]}
        for end, values in at.items():
            found[f"{name}{end}"] = pd.Series(values, index=value.index)
    return found.sort_values("log_strength", ascending=False).rename_axis("generator").reset_index()


def _numbers(kinds: pd.DataFrame, counts: np.ndarray) -> pd.DataFrame:
    """log_strength, win, tie and lose of each generator, sorted by name.

    Args:
        kinds: first, second and winner, each combination once.
        counts: how often each was answered, float (N,).
    """
    names = sorted({*kinds["first"], *kinds["second"]})
    strength = bradley_terry(kinds, weights=counts).set_index("alternative")["strength"].reindex(names)
    log = np.log(strength.clip(LEAST_STRENGTH, 1 / LEAST_STRENGTH))
    sides = [(kinds[side].to_numpy()[None] == np.array(names)[:, None]) * counts for side in ("first", "second")]
    total = sum(side.sum(axis=1) for side in sides)
    found, winner = {"log_strength": log - log.mean()}, kinds["winner"].to_numpy()
    for outcome, winners in zip(OUTCOMES, OUTCOME_OF, strict=True):
        counted = sum((side * (winner == which)).sum(axis=1) for side, which in zip(sides, winners, strict=True))
        found[outcome] = np.divide(counted, total, out=np.full(len(names), np.nan), where=total > 0)
    return pd.DataFrame(found, index=names)


def by_annotator(points: pd.DataFrame) -> pd.DataFrame:
    """The triplets' points of `of_folder`, one row per image: triplet, generator, and a column per rater, NaN for none.

    A repeated triplet (trial 1 and above) is left out.
    """
    first = points[points["trial"] == 0].astype({"points": float})
    wide = first.pivot(index=["triplet", "image", "model"], columns="rater", values="points")
    return wide.rename_axis(columns=None).reset_index().drop(columns="image").rename(columns={"model": "generator"})


def order_and_repeats(pairs: pd.DataFrame) -> dict[str, float]:
    """How far raters follow the side, and themselves: decided, first_won (of these), repeats, same (of these).

    NaN where there is nothing to count.
    """
    decided = pairs[(pairs["winner"] != "tie") & (pairs["trial"] == 0)]
    keys = ["rater", "question"]
    better = np.where(
        pairs["winner"] == "tie", "tie", pairs["first"].where(pairs["winner"] == "first", pairs["second"])
    )
    answers = pairs.assign(better=better)
    again = answers[answers["trial"] > 0].merge(answers[answers["trial"] == 0], on=keys, suffixes=("", "_before"))
    same = again["better"] == again["better_before"]
    return {
        "decided": len(decided),
        "first_won": float((decided["winner"] == "first").mean()),
        "repeats": len(again),
        "same": float(same.mean()),
    }
