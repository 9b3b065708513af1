"""What was found, in a few computed sentences: what a page opens with, and what a terminal and a notebook print."""

from collections.abc import Iterator

import pandas as pd

from kpop_rca.scoring.scores import EXACT, HEADLINE, MEASURES, NUMBERS, WEAK, Scores
from kpop_rca.system import html

FEW = 12  # photographs of a person, below which the errors of an oracle are little known
DO_NOT_USE = "Do not use these numbers."


def lines(scores: Scores) -> list[str]:
    """What is wrong first, then the answer in two sentences, then the ceiling of an oracle that errs."""
    return [*warnings(scores), *sentences(scores), *copying(scores), *ceilings(scores)]


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


def copying(scores: Scores) -> list[str]:
    """Generators that repeat photographs, of which no measure of identity says how well they do."""
    return [
        f"{row['generator']} repeats photographs: {with_interval(row, 'copy_rate')} of its images are copies, and none "
        "of its other numbers says that it can do more."
        for _, row in scores.table.iterrows()
        if row["generator"] in scores.copying
    ]


def sentences(scores: Scores) -> list[str]:
    """How often the best generator shows the requested person, and what sets it apart from the next.

    Generators that repeat photographs are left out, where there are others.
    """
    table = scores.table
    copying = scores.copying if len(scores.copying) < len(table) else set()
    table = table[~table["generator"].isin(copying)]
    best = table.iloc[0]
    measure = HEADLINE if pd.notna(best.get(HEADLINE)) else "accuracy"
    shown = f"{best.generator} shows the requested person in {with_interval(best, measure)} of its images"
    first = f"{shown}, by {MEASURES[measure]} under {scores.oracle}"
    if len(table) > 1:
        others = " that do not repeat photographs" if copying else ""
        return [f"{first}, the most of {len(table)} generators{others}.", _against_next(scores, best, table.iloc[1])]
    if pd.isna(best.get("rca")):
        return [f"{first}."]
    recognised = f"Its RCA, relative to photographs, is {with_interval(best, 'rca')}"
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
            if row.photographs < FEW * len(scores.people):
                yield (
                    f"{row.photographs} photographs leave {row.oracle}'s errors uncertain: intervals near 0 and 100 % "
                    "are wide, and images of look-alikes may count in part as the requested person."
                )


def summary(scores: Scores) -> pd.DataFrame:
    """The table of generators for reading: numbers as text, each with its interval."""
    rows = []
    for _, row in scores.table.iterrows():
        shown = {"generator": row["generator"]}
        if scores.truth:
            shown["truth"] = percent(row["truth"])
        shown |= {MEASURES[name]: f"{row[name]:.0f}" for name in EXACT}
        shown |= {MEASURES[name]: cell(row, name) for name in ("accuracy", "rca", HEADLINE, "copy_rate")}
        rows.append(shown)
    return pd.DataFrame(rows)


def percent(fraction: float) -> str:
    """A fraction for reading; one that noise took beyond 0 and 1 is brought back.

    >>> percent(0.834), percent(1.02), percent(float("nan"))
    ('83 %', '100 %', '–')
    """
    return "–" if pd.isna(fraction) else f"{100 * min(max(fraction, 0), 1):.0f} %"


def points(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f}"


def cell(row: pd.Series, measure: str, *, before: str = "") -> str:
    """A number of a generator with its interval."""
    value, low, high = (row.get(f"{measure}{end}", float("nan")) for end in ("", "_low", "_high"))
    if measure in NUMBERS:
        shown, interval = html.number(value), f"{html.number(low)} to {html.number(high)}"
    else:
        shown, interval = percent(value), points(low, high)
    return shown if pd.isna(low) else f"{shown} ({before}{interval})"


def with_interval(row: pd.Series, measure: str) -> str:
    """The same for a sentence."""
    return cell(row, measure, before="95 % interval ")
