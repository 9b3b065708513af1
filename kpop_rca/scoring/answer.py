"""What was found, in a few computed sentences: what a page opens with, and what a terminal and a notebook print."""

from collections.abc import Iterator

import pandas as pd

from kpop_rca.scoring.scores import HEADLINE, MEASURES, WEAK, Scores

DO_NOT_USE = "Do not use these numbers."


def lines(scores: Scores) -> list[str]:
    """What is wrong first, then the answer in two sentences, then the ceiling of an oracle that errs."""
    return [*warnings(scores), *sentences(scores), *ceilings(scores)]


def warnings(scores: Scores) -> Iterator[str]:
    """A control that failed, and oracles that do not agree."""
    failed = scores.gate[scores.gate["passed"].eq(False)]
    if len(failed):
        names = "; ".join(f"{row.control} under {row.oracle}: {row.reason}" for row in failed.itertuples())
        yield f"{DO_NOT_USE} A generator whose truth is known was not scored as its truth ({names})."
    for row in scores.agreement.itertuples():
        if row.agree is False or row.agree == 0:
            yield (
                f"The oracles disagree on {row.generator}: its confusion-corrected accuracy is somewhere between "
                f"{percent(row.low)} and {percent(row.high)}."
            )


def sentences(scores: Scores) -> list[str]:
    """How often the best generator shows the requested person, and what sets it apart from the next."""
    table = scores.table
    best = table.iloc[0]
    measure = HEADLINE if pd.notna(best.get(HEADLINE)) else "accuracy"
    shown = f"{best.generator} shows the requested person in {with_interval(best, measure)} of its images"
    first = f"{shown}, by {MEASURES[measure]} under {scores.oracle}"
    if len(table) > 1:
        return [f"{first}, the most of {len(table)} generators.", _against_next(scores, best, table.iloc[1])]
    if pd.isna(best.get("rca")):
        return [f"{first}."]
    recognised = f"Its RCA, relative to photographs, is {with_interval(best, 'rca', as_percent=False)}"
    return [f"{first}.", f"{recognised}; a generator that ignores the request has {scores.chance_rca:.2f}."]


def _against_next(scores: Scores, best: pd.Series, second: pd.Series) -> str:
    rows = scores.compare(best.generator, second.generator)
    rows = rows[rows["oracle"] == scores.oracle]
    row = rows[rows["measure"] == HEADLINE] if "measure" in rows else rows
    row = rows if row.empty else row
    if row.empty or pd.isna(row["difference"].iloc[0]):
        return f"Whether it is better than {second.generator} can't be told here."
    found = row.iloc[0]
    gap = f"the difference is {100 * found.difference:.0f} points, 95 % interval {points(found.low, found.high)}"
    if found["better"] == best.generator:
        return f"It is better than the next, {second.generator}: {gap}."
    return f"It is not shown to be better than the next, {second.generator}: {gap}."


def ceilings(scores: Scores) -> Iterator[str]:
    """What an oracle recognises of photographs, where that is clearly less than all."""
    for row in scores.oracles.itertuples():
        if row.accuracy < WEAK:
            yield (
                f"{row.oracle} recognises {percent(row.accuracy)} of these photographs: that is the ceiling of its "
                "accuracy on generated images."
            )


def percent(fraction: float) -> str:
    """
    >>> percent(0.834)
    '83 %'
    """
    return "–" if pd.isna(fraction) else f"{100 * fraction:.0f} %"


def points(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f}"


def with_interval(row: pd.Series, measure: str, *, as_percent: bool = True) -> str:
    """A number of a generator with its interval, for a sentence."""
    value, low, high = (row.get(f"{measure}{end}", float("nan")) for end in ("", "_low", "_high"))
    shown = percent(value) if as_percent else f"{value:.2f}"
    if pd.isna(low):
        return shown
    return f"{shown} (95 % interval {points(low, high) if as_percent else f'{low:.2f} to {high:.2f}'})"
