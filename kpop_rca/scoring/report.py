"""Scores written down: a page that needs no other file, `scores.json` for programs, tables as CSV.

The page holds counts and plots, and faces of avatars alone unless --publish-images is given. `scores.json` is
described by `scores.schema.json` beside this module.
"""

import io
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageOps

import kpop_rca
from kpop_rca.data.images import read_rgb
from kpop_rca.plots import charts
from kpop_rca.plots import scoring as plots
from kpop_rca.scoring import answer
from kpop_rca.scoring.inputs import neutralised
from kpop_rca.scoring.scores import CONFIDENCE, COPYING, HEADLINE, MEASURES, NUMBERS, REAL, Scores
from kpop_rca.system import files, html

PAGE, JSON, TABLES = "index.html", "scores.json", "tables"
SCHEMA = Path(__file__).with_name("scores.schema.json")
SCHEMA_NAME, SCHEMA_VERSION = "kpop-rca-scores", 1
HEADINGS = {"p_holm": "p (Holm)"}  # of columns whose name is not their heading
COMPARED = ("a", "b", "difference", "low", "high", "p_holm", "verdict")
P_VALUES, LEAST_P = frozenset({"p", "p_holm"}), 0.001
TILE = 96  # side in pixels of an image on the sheet of faces
SIDES = {"a": "generator", "b": "against"}  # headings of a comparison
MOST_INSTEAD = 12  # rows of the page's table of who is shown instead
MOST_PAIRS = 15  # of generators in one figure
DOTS = (
    "accuracy",
    HEADLINE,
    "rank_1",
    "tar_at_far_0.01",
    "open_set_match_rate",
    "similarity_fraction",
)
LABELS = {
    HEADLINE: "corrected\naccuracy",
    "tar_at_far_0.01": "TAR at\n1 % FAR",
    "open_set_match_rate": "matched,\nopen set",
    "similarity_fraction": "similarity",
}  # in figures
# The columns of the page's two tables of generators.
IDENTITY = ("images", "failures", "accuracy", "rca", HEADLINE, "copy_rate")
SIMILARITY = tuple(name for name in MEASURES if name not in IDENTITY)


def write(scores: Scores, folder: Path) -> Path:
    """Write the page, the JSON and the tables into a folder; returns the path of the page."""
    found = tables(scores)
    for name, table in found.items():
        with files.atomic(folder / TABLES / f"{name}.csv") as temporary:
            neutralised(table).to_csv(temporary, index=False, float_format="%.6g")
    for path in (folder / TABLES).glob("*.csv"):
        if path.stem not in found:  # of an earlier run
            path.unlink()
    files.write_json(folder / JSON, content(scores))
    with files.atomic(folder / PAGE) as temporary:
        temporary.write_text(page(scores), encoding="utf-8")
    return folder / PAGE


def tables(scores: Scores) -> dict[str, pd.DataFrame]:
    """The CSV tables by name; what there is nothing of has none."""
    found = {
        "generators": scores.table,
        "by_person": scores.by_person,
        "measures": scores.measures,
        "oracles": scores.oracles,
        "comparisons": scores.comparisons,
        "by_column": scores.columns,
        "oracle_fairness": scores.fairness,
        "agreement": scores.agreement,
        "controls": scores.gate,
        "images": scores.images,
        "shown_instead": answer.shown_instead(scores),
        "notes": pd.DataFrame({"note": scores.notes}),
    }
    return {name: table for name, table in found.items() if len(table)}


def content(scores: Scores) -> dict[str, Any]:
    """What `scores.json` holds."""
    return {
        "schema": SCHEMA_NAME,
        "schema_version": SCHEMA_VERSION,
        "version": kpop_rca.__version__,
        "usable": scores.usable,
        "answer": answer.lines(scores),
        "confidence": CONFIDENCE,
        "people": scores.people,
        "generators": scores.generators,
        "headline": {"oracle": scores.oracle, "measure": HEADLINE},
        "truth": scores.truth,
        "oracles": records(scores.oracles),
        "measures": records(scores.measures.assign(person=scores.measures["person"].replace("", None))),
        "comparisons": records(scores.comparisons),
        "by_column": records(scores.columns),
        "oracle_fairness": records(scores.fairness),
        "agreement": records(scores.agreement),
        "controls": records(scores.gate),
        "notes": scores.notes,
        "settings": scores.settings,
    }


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON has them: Python's own numbers, null for what there is not."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{name: cell.item() if hasattr(cell, "item") else cell for name, cell in row.items()} for row in rows]


def page(scores: Scores) -> str:
    """The page: what is wrong, the answer, the table of generators and one figure, then all else."""
    overall = scores.measures[scores.measures["person"] == ""]
    shown_tables = tables(scores) | {"pairs": compared(scores).rename(columns=SIDES), "groups": groups(scores)}
    shown_tables |= {"instead": answer.shown_instead(scores).head(MOST_INSTEAD)}
    missing = overall[overall["value"].isna() & (overall["reason"] != "")]
    return html.template("kpop_rca.scoring", "scores.html").render(
        scores=scores,
        warnings=list(answer.warnings(scores)),
        sentences=answer.sentences(scores),
        remarks=[*answer.incomplete(scores), *answer.copying(scores), *answer.ceilings(scores)],
        measures=MEASURES,
        numbers=NUMBERS,
        clipped=("x", HEADLINE),  # above 1 by noise alone
        identity=[name for name in IDENTITY if name in scores.table],
        similarity=[name for name in SIMILARITY if name in scores.table],
        rows=records(scores.table),
        ceiling=records(scores.oracles)[0],
        by_oracle=by_oracle(scores),
        by_person=by_person(scores),
        missing=list(dict.fromkeys(zip(missing["oracle"], missing["measure"], missing["reason"], strict=True))),
        tables={name: plain_table(table) for name, table in shown_tables.items() if len(table)},
        figures=figures(scores),
        differences=differences(scores),
        sheet=sheet(scores),
        real=REAL,
        copying=COPYING,
    )


def similarities(scores: Scores) -> pd.DataFrame:
    """The measures of similarity of each generator, without their intervals."""
    return scores.table[["generator", *(name for name in SIMILARITY if name in scores.table)]]


def by_oracle(scores: Scores) -> list[dict[str, Any]]:
    """The headline of each generator under each oracle."""
    names = scores.oracles["oracle"]
    return [row for name in names for row in records(scores.of_oracle(name))]


def by_person(scores: Scores) -> list[dict[str, Any]]:
    """One row per person: the accuracy of each generator, in the order of the generators."""
    rows = scores.by_person.set_index(["person", "generator"])
    measure = HEADLINE if HEADLINE in rows and rows[HEADLINE].notna().any() else "accuracy"
    found = []
    for person in scores.people:
        of_each = [rows.loc[(person, name)] if (person, name) in rows.index else {} for name in scores.generators]
        cells = [{end: row.get(f"{measure}{end}") for end in ("", "_low", "_high")} for row in of_each]
        found.append({"person": person, "measure": measure, "cells": cells})
    return found


def plain_table(table: pd.DataFrame) -> dict[str, Any]:
    """Headings and cells of any table as the page shows it, numbers rounded."""

    def shown(column: str, cell: Any) -> str:
        if column in P_VALUES and cell is not None and cell < LEAST_P:
            return f"< {LEAST_P}"
        if isinstance(cell, bool):
            return "yes" if cell else "no"
        if isinstance(cell, str):
            return cell
        return html.number(cell, 3) if cell is not None else "–"

    rows = [[(shown(*item), isinstance(item[1], str)) for item in row.items()] for row in records(table)]
    is_text = [any(text for _, text in cells) for cells in zip(*rows, strict=True)]
    names = [HEADINGS.get(name, str(name).replace("_", " ")) for name in table.columns]
    return {"columns": list(zip(names, is_text, strict=True)), "rows": rows}


def figures(scores: Scores) -> list[dict[str, str]]:
    """The figures of the page's first screen: address and alternative text of each."""
    charts.use_style()
    drawn = [forest(scores), dots(scores)]
    return [shown(*figure) for figure in drawn if figure is not None]


def shown(figure: Figure, alt: str) -> dict[str, str]:
    """A figure as a data address, and its alternative text; it is closed."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=192, metadata={"Software": None})
    plt.close(figure)
    return {"address": html.embedded(picture.getvalue()), "alt": alt}


def sheet(scores: Scores) -> list[dict[str, str]]:
    """A row of faces of the photographs, and one of each generator in their order: name, address, alternative text."""
    order = ["", *scores.generators] if scores.examples else []
    return [{"name": name or REAL} | _strip(scores.examples[name], name or REAL) for name in order]


def _strip(paths: list[str | None], name: str) -> dict[str, str]:
    """Images side by side, white where there is none."""
    strip = Image.new("RGB", (len(paths) * TILE, TILE), "white")
    for number, path in enumerate(paths):
        if path:
            strip.paste(ImageOps.fit(read_rgb(Path(path)), (TILE, TILE)), (number * TILE, 0))
    picture = io.BytesIO()
    strip.save(picture, format="png")
    alt = f"An image of each of {len(paths)} people from {name}."
    return {"address": html.embedded(picture.getvalue()), "alt": alt}


def forest(scores: Scores) -> tuple[Figure, str]:
    """How often each generator shows the requested person, with intervals, under every oracle."""
    overall = scores.measures[scores.measures["person"] == ""]
    measure = HEADLINE if overall.loc[overall["measure"] == HEADLINE, "value"].notna().any() else "accuracy"
    chosen = overall[overall["measure"] == measure]
    order = {name: number for number, name in enumerate(scores.generators)}
    chosen = chosen.sort_values("generator", key=lambda names: names.map(order), kind="stable")
    values = "; ".join(
        f"{row.generator} {answer.percent(row.value)} ({answer.points(row.low, row.high)}) under {row.oracle}"
        for row in chosen.dropna(subset=["value", "low"]).itertuples()
    )
    figure = plots.intervals(
        chosen.assign(value=chosen["value"].astype(float).clip(0, 1)).astype({"low": float, "high": float}),
        rows="generator",
        hue="oracle" if scores.oracles["oracle"].nunique() > 1 else None,
        title="How often is the requested\nperson shown?",
        xlabel=f"{LABELS.get(measure, measure)} (95 % interval)".replace("\n", " "),
        lines={"chance": 1 / len(scores.people)},
        limits=(-0.03, 1.03),
    )
    return figure, f"Forest plot of {MEASURES[measure]} with 95 % intervals: {values}."


def dots(scores: Scores) -> tuple[Figure, str] | None:
    """The measures of identity of each generator beside each other."""
    table = scores.table
    measures = {name: LABELS.get(name, MEASURES[name]) for name in DOTS if name in table and table[name].notna().any()}
    if not measures:
        return None
    figure = plots.dots(table, measures, title="Do the measures agree\non the order?")
    return figure, f"Dot plot of {', '.join(MEASURES[name] for name in measures)}, a mark for each generator."


def compared(scores: Scores) -> pd.DataFrame:
    """Every pair of generators by the headline's measure and oracle, the better one first."""
    if scores.comparisons.empty:
        return scores.comparisons
    pairs = [scores.compare(a, b) for a, b in combinations(scores.generators, 2)]
    table = pd.concat(pairs, ignore_index=True)
    table = table[table["oracle"].eq(scores.oracle) & table["difference"].notna()]
    measure = next((name for name in (HEADLINE, "accuracy") if name in set(table["measure"])), None)
    return table.loc[table["measure"].eq(measure), [name for name in COMPARED if name in table]]


def groups(scores: Scores) -> pd.DataFrame:
    """Accuracy by the values of the CSV's columns under the headline's oracle, as text."""
    table = scores.columns
    if table.empty:
        return table
    chosen = table["oracle"].eq(scores.oracle) & table["measure"].eq("accuracy") & table["column"].ne("person")
    rows = [
        {
            "generator": row.generator,
            "column": row.column,
            "value": str(row.group),
            "images": row.n_images,
            "accuracy": f"{answer.percent(row.value)} ({answer.points(row.low, row.high)})",
            "from the others, points": f"{100 * row.difference:+.0f}" if pd.notna(row.difference) else "–",
            "verdict": row.verdict,
            "may it be the oracle's?": row.due_to_oracle or "",
        }
        for row in table[chosen].itertuples()
    ]
    return pd.DataFrame(rows)


def differences(scores: Scores) -> dict[str, str] | None:
    """The figure of `compared`; none of a single generator, or of more pairs than a figure holds."""
    table = compared(scores)
    if table.empty or len(table) > MOST_PAIRS:
        return None
    values = "; ".join(
        f"{row.a} minus {row.b}: {100 * row.difference:.0f} points ({answer.points(row.low, row.high)})"
        for row in table.itertuples()
    )
    table = table.rename(columns={"difference": "value"}).assign(
        pair=[f"{row.a} −\n{row.b}" for row in table.itertuples()], what="difference"
    )
    figure = plots.intervals(
        table.astype({"value": float, "low": float, "high": float}),
        rows="pair",
        hue="what",
        title="Differences of the\ncorrected accuracy",
        xlabel="difference (95 % interval)",
        lines={"no difference": 0.0},
    )
    return shown(figure, f"Forest plot of differences with 95 % intervals: {values}.")
