"""What was found, in a few computed sentences: what a page opens with, and what a terminal and a notebook print."""

from collections.abc import Iterator

import pandas as pd

from kpop_rca.data.identity_folders import some
from kpop_rca.scoring.scores import EXACT, HEADLINE, MEASURES, NUMBERS, WEAK, Scores
from kpop_rca.system import html

LEFT_OUT = "left out: "  # in a note on people
MOST_NAMED = 6  # generators in a sentence
FEW = 12  # photographs of a person, below which the errors of an oracle are little known
DO_NOT_USE = "Do not use these numbers."


def lines(scores: Scores) -> list[str]:
    """What is wrong first, then the answer in two or three sentences, then what limits it."""
    return [*warnings(scores), *sentences(scores), *incomplete(scores), *copying(scores), *ceilings(scores)]


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
    """Generators that repeat photographs: their accuracy is in part that of the photographs."""
    return [
        f"{row['generator']} repeats photographs: {with_interval(row, 'copy_rate')} of its images are copies"
        f"{_of_others(scores, row['generator'])}. What it would show of its own is not measured by these."
        for _, row in scores.table.iterrows()
        if row["generator"] in scores.copying
    ]


def _of_others(scores: Scores, generator: str) -> str:
    """How many of the copies are photographs of somebody who was not requested."""
    if "copied_person" not in scores.images:
        return ""
    copies = scores.images[scores.images["generator"].eq(generator) & scores.images["copied_person"].ne("")]
    others = int(copies["copied_person"].ne(copies["requested"]).sum())
    return f", {others} of these {len(copies)} of another person than the requested" if others else ""


def incomplete(scores: Scores) -> Iterator[str]:
    """What was left out, and generators that lack people: they are not compared on the same footing as the others."""
    yield from (f"Note: {note}" for note in scores.notes if LEFT_OUT in note)
    shown = scores.by_person
    for name in scores.generators:
        there = set(shown.loc[shown["generator"] == name, "person"])
        lacking = [person for person in scores.people if person not in there]
        if lacking:
            yield f"{name} has no images of {some(lacking, sign='')}: its numbers are of {len(there)} people."


def shown_instead(scores: Scores) -> pd.DataFrame:
    """Who is predicted in place of the requested person, where that is no single image: the most frequent first."""
    if scores.images.empty:
        return pd.DataFrame()
    images = scores.images.assign(of=1)
    of = images.groupby(["generator", "requested"])["of"].sum()
    wrong = images[images["predicted"].ne("") & images["predicted"].ne(images["requested"])]
    table = wrong.groupby(["generator", "requested", "predicted"], as_index=False)["of"].sum()
    table = table.rename(columns={"of": "images"}).query("images > 1")
    total = of.loc[list(zip(table["generator"], table["requested"], strict=True))].to_numpy() if len(table) else []
    order = {name: number for number, name in enumerate(scores.generators)}
    table = table.assign(**{"of its images": total, "order": table["generator"].map(order)})
    return table.sort_values(["order", "images"], ascending=[True, False], kind="stable").drop(columns="order")


def sentences(scores: Scores) -> list[str]:
    """How often each generator shows the requested person, and what sets the best apart from the next.

    Those that repeat photographs come last, whatever their accuracy.
    """
    table = scores.table
    best = table.iloc[0]
    measure = HEADLINE if pd.notna(best.get(HEADLINE)) else "accuracy"
    shown = f"{best.generator} shows the requested person in {with_interval(best, measure)} of its images"
    first = f"{shown}, by {MEASURES[measure]} under {scores.oracle}"
    if len(table) > 1:
        others = [f"{row.generator} in {cell(row, measure)}" for _, row in table.iloc[1:MOST_NAMED].iterrows()]
        others[0] = others[0].replace(" in ", " does in ", 1)
        more = f"; {len(table) - MOST_NAMED} more are in the table" if len(table) > MOST_NAMED else ""
        return [f"{first}.", f"{', '.join(others)}{more}.", _against_next(scores, best, table.iloc[1])]
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
        return f"Whether {best.generator} is better than {second.generator} can't be told here."
    found = row.iloc[0]
    gap = f"the difference is {100 * found.difference:.0f} points, 95 % interval {points(found.low, found.high)}"
    if found["better"] == best.generator:
        return f"{best.generator} is better than {second.generator}: {gap}."
    return f"{best.generator} is not shown to be better than {second.generator}: {gap}."


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
