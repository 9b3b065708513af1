"""Studies side by side, and pages of reports that are tables: comparisons, benchmarks, trials."""

from typing import Any

import pandas as pd

from kpop_rca.rca.former_names import FORMER_VERDICTS
from kpop_rca.results import answers, layout, pages
from kpop_rca.study import paths, stages
from kpop_rca.system import html

ROWS = 40  # of a table shown; all of them are in its file
DIGITS = 3  # significant ones
# What else a report without an answer of its own holds: title, and what its tables compare.
TITLES = {
    "recipes": ("Training recipes at equal time", "RCA and Fréchet distance of recipes that trained equally long."),
    "scoring-lfw": ("Scoring on photographs", "Trials of scoring on photographs of LFW, in which the truth is known."),
    "arcface": ("An angular margin", "Oracles trained with ArcFace's loss, and generators with an identity loss."),
    "guidance": ("The guidance weight", "RCA and Fréchet distance at every weight, and the one that the rule takes."),
    "preferences": ("Preference tuning", "What generators tuned by preferences gain in identity, and what it costs."),
    "panel": ("The panel of metrics", "Every metric on ladders of known quality and identity, and on a study."),
    "ratings": ("Learned ratings", "Networks trained on ratings, on other people; photographs that a model restored."),
    "verdicts": ("The verdicts on people, on trial", "How often they err in simulations, where the truth is known."),
    "further_trainings": ("Further trainings", "Predictions for the images of more trainings of one recipe."),
    "training_length": ("Shorter and longer trainings", "Loss, RCA and Fréchet distance by the length of a training."),
    "record": ("Time to identity", "CPU-seconds until images of one quality show the requested identity."),
}


def answer(study: str) -> dict[str, Any]:
    """The result of a study of one model: its number with interval, and sentences."""
    found = pages.metrics(study)
    ratio = found["rca"]
    recipe = ratio.get("recipe") or {}
    whole = recipe if recipe.get("value") is not None else {"value": ratio["global"], "ci95": ratio["ci95"]}
    said = [answers.about_recipe(found)] if recipe else []
    return {"study": study, "whole": whole, "chance": ratio["chance"], "said": [*said, *answers.about_identity(found)]}


def side_by_side(studies: list[str]) -> list[dict[str, Any]]:
    """A row for each study of one model."""
    rows = []
    for study in studies:
        if pages.is_tables_alone(study) or pages.alone_in(study):
            continue
        found = pages.metrics(study)
        recipe = found["rca"].get("recipe") or {}
        rows.append(
            {
                "study": study,
                "images": f"{found['generated']['n']:,} of {len(found['classes'])} "
                f"{'avatars' if found['data']['source'] == 'idols' else 'people'}, {found['image_size']} px",
                "recipe": recipe.get("value"),
                "recipe_interval": recipe.get("ci95"),
                "rca": found["rca"]["global"],
                "interval": found["rca"]["ci95"],
                "chance": found["rca"]["chance"],
                "accuracy_real": found["real"]["accuracy"],
                "corrected": found["confusion_corrected_accuracy"],
                "assumption": answers.assumption_in_short(found.get("assumption")),
            }
        )
    return rows


def comparisons(studies: list[str]) -> list[dict[str, str]]:
    """A row for each report of comparisons or of tables alone."""
    rows = []
    for study in studies:
        if pages.is_tables_alone(study):
            rows.append({"study": study, "said": TITLES.get(study, ("", "Tables."))[1]})
        elif alone := pages.alone_in(study):
            rows.append({"study": study, "said": verdicts_in_words(study, alone)})
    return rows


def verdicts_in_words(study: str, alone: tuple[stages.Stage, str, str]) -> str:
    """How many comparisons came to which verdict."""
    return counted(_read(study, f"{alone[-1]}.csv"))


def counted(table: pd.DataFrame) -> str:
    """The verdicts of a table of comparisons, counted; of benchmarks first the ratio of speeds.

    >>> counted(pd.DataFrame({"verdict": ["supported", "undecided", "supported", None]}))
    '3 comparisons: 2 supported, 1 inconclusive.'
    >>> row = {"task": "training", "who": "diffusers", "ratio": 1.5, "low": 1.4, "high": 1.6, "verdict": "met"}
    >>> counted(pd.DataFrame([row]))
    '1.50 times as fast as diffusers in training (1.40 to 1.60); targets: 1 met.'
    """
    counts = table["verdict"].replace(FORMER_VERDICTS).value_counts()
    verdicts = ", ".join(f"{n} {name}" for name, n in counts.items())
    if "ratio" not in table:
        return f"{counts.sum()} comparisons: {verdicts}."
    first = table.iloc[0]
    speed = f"{first['ratio']:.2f} times as fast as {first['who']} in {first['task']}"
    return f"{speed} ({first['low']:.2f} to {first['high']:.2f}); targets: {verdicts}."


def comparison(study: str, alone: tuple[stages.Stage, str, str]) -> str:
    """The body of the page of a study that compares: its verdicts, figures, and the notebook that explains them."""
    stage, title, table = alone
    figures = sorted((paths.report_folder(study) / "figures").glob("*.png"))
    return html.template(layout.TEMPLATES, "comparison.html").render(
        study=study,
        title=title,
        said=verdicts_in_words(study, alone),
        table=shown(_answer_first(_read(study, f"{table}.csv"))),
        notebook=stage.notebook,
        figures=[(in_words(path.stem), html.embedded(path.read_bytes())) for path in figures],
    )


def _answer_first(table: pd.DataFrame) -> pd.DataFrame:
    """What a row is about, what came out, and then the numbers behind it."""
    first = [table.columns[0], "verdict"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def page_of(study: str) -> str:
    """The body of the page of a report of tables alone."""
    title, said = TITLES.get(study, (study, ""))
    tables = [(path, shown(pd.read_csv(path))) for path in _files(study)]
    return html.template(layout.TEMPLATES, "tables.html").render(title=title, said=said, tables=tables, rows=ROWS)


def links_to(study: str) -> str:
    """A section with a link to each table of a report."""
    names = [path.relative_to(paths.report_folder(study)).as_posix() for path in _files(study)]
    items = "".join(f'<li><a href="{name}">{in_words(name)}</a></li>' for name in names)
    return (
        f'<h2 id="tables">All tables</h2>\n<details><summary>{len(names)} CSV files</summary><ul>{items}</ul></details>'
    )


def shown(table: pd.DataFrame) -> str:
    """The first rows of a table as HTML, its names in words, its numbers rounded."""
    table = table.head(ROWS).rename(columns=lambda name: str(name).replace("_", " "))
    return table.to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.{DIGITS}g}")


def in_words(name: str) -> str:
    """The name of a figure or table, without its number's underscore and its ending."""
    return name.rsplit("/", 1)[-1].removesuffix(".csv").replace("_", " ")


def _files(study: str) -> list:
    folder = paths.report_folder(study)
    return sorted([*folder.glob("*.csv"), *folder.glob("tables/*.csv")])


def _read(study: str, name: str) -> pd.DataFrame:
    return pd.read_csv(paths.report_folder(study) / "tables" / name)
