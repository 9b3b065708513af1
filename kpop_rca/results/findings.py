"""What README and docs say of results, filled in from `reports/`: python -m kpop_rca.results.findings [--check].

A page marks where a finding stands; what lies between the marks is written by this module:

    <!-- findings: answer -->
    …
    <!-- end of findings -->
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.rca.former_names import with_present_names
from kpop_rca.rca.ratio import INFERIOR, NON_INFERIOR
from kpop_rca.results import answers, report_tables, tables
from kpop_rca.results.questions import asked_and_answered
from kpop_rca.study import manifests, paths
from kpop_rca.system import files
from kpop_rca.system.html import number

REGION = re.compile(r"(<!-- findings: ([a-z-]+) -->\n).*?(<!-- end of findings -->)", re.S)
COMMAND = "make docs"
PEOPLE = {"idols": "avatars", "folder": "people", "lfw": "people"}  # whom a data source has
# Studies of one model that are committed, in the order in which the docs show them.
STUDIES = ("quick", "showcase", "lfw10-quick")
COMPARING = {"claims": "08_verdicts.csv", "benchmarks-cpu": "90_ratios.csv"}  # studies that compare, and their verdicts


def metrics(study: str) -> dict[str, Any]:
    """`metrics.json` of a committed study, under today's names."""
    path = paths.committed_report(study) / manifests.METRICS
    if not path.is_file():
        raise StudyError(f"reports/{study}/{path.name} is not there; README and docs report it")
    return with_present_names(files.read_json(path))


def answer() -> str:
    """The result of the default study: the number, its intervals, who is shown, and what it was measured on."""
    found = metrics("quick")
    ratio, n, people = found["rca"], len(found["classes"]), PEOPLE[found["data"]["source"]]
    made, trained = found["generated"], ratio.get("recipe", {}).get("n_trainings", 1)
    points = [
        [*_of_recipe(ratio, guidance=number(made["guidance"], 1), people=f"{n} {people}")],
        [
            f"A model that ignores the condition would have {number(ratio['chance'])}, images as recognisable as real "
            f"ones about {number(ratio.get('perfect', 1.0))}."
        ],
        answers.about_fraction(found),
        [_verdicts(found)],
        [
            f"Measured at {found['image_size']} px on {number(made['n'])} generated faces in all, "
            f"{number(made['n'] / n, 0)} of each person, made by {_counted(trained, 'training')}.",
            f"The oracles were tested on {number(found['real']['n'])} held-out faces.",
        ],
    ]
    return "\n".join(f"- {' '.join(sentences)}" for sentences in points)


def _of_recipe(ratio: dict[str, Any], *, guidance: str, people: str) -> list[str]:
    """RCA and its intervals; of one training, where no more were made."""
    recipe = ratio.get("recipe", {})
    if recipe.get("value") is None:
        interval = _interval(ratio["ci95"])
        return [
            f"**RCA {number(ratio['global'])}** (95 % interval {interval}), of one training at guidance {guidance}."
        ]
    low, high = map(number, recipe["next_training"])
    return [
        f"**RCA {number(recipe['value'])}** (95 % interval {_interval(recipe['ci95'])}), the mean of "
        f"{recipe['n_trainings']} trainings under {len(recipe['oracles'])} oracles, at guidance {guidance}.",
        f"The interval is for other trainings and other seeds of the oracles. The {people} are fixed: it says nothing "
        "of other people.",
        f"One more training will lie between {low} and {high} with 95 % probability{_tried(recipe)}.",
    ]


def _tried(recipe: dict[str, Any]) -> str:
    """How many further trainings fell into the prediction interval; nothing where none was made."""
    further = recipe.get("further_trainings") or {}
    return f"; {further['n_within']} of {further['n']} further trainings did" if further.get("n") else ""


def _verdicts(found: dict[str, Any]) -> str:
    """On how many people there is which verdict."""
    counts = tables.identities_by_verdict(found).set_index("verdict")["n"].to_dict()
    first = (NON_INFERIOR, INFERIOR)
    said = ", ".join(f"{counts.get(name, 0)} {name}" for name in (*first, *(n for n in counts if n not in first)))
    return f"Verdicts on the {len(found['classes'])} people: {said}."


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n > 1 else ''}"


def showcase() -> str:
    """The caption of README's figure, with the number of its study."""
    found = metrics("showcase")
    ratio, n, people = found["rca"], len(found["classes"]), PEOPLE[found["data"]["source"]]
    return (
        f"*{n} {people}, a row each: real faces left, generated ones right. This is the study `showcase` at "
        f"{found['image_size']} px, and not the default study, `quick`. `make study STUDY=showcase` generates them "
        "from [weights](weights/showcase/MODEL_CARD.md) in this repository. Their RCA is "
        f"{number(ratio['global'])} (95 % interval {_interval(ratio['ci95'])}), by one training and one oracle.*"
    )


def studies() -> str:
    """The committed studies side by side, as a table."""
    rows = [_row(study, metrics(study)) for study in STUDIES]
    return _table(pd.DataFrame(rows))


def _row(study: str, found: dict[str, Any]) -> dict[str, str]:
    """One line of the table of studies; a dash for what a study has not got."""
    ratio, corrected, made = found["rca"], found["confusion_corrected_accuracy"], found["generated"]
    recipe = ratio.get("recipe", {})
    several = recipe.get("value") is not None
    oracle = found["oracles"][found["headline_oracle"]]
    shared = "; oracle trained on the generator's faces" if oracle["trained_on"] == "train" else ""
    return {
        "study": f"`{study}`",
        "images": f"{number(made['n'])} of {len(found['classes'])} {PEOPLE[found['data']['source']]}, "
        f"{found['image_size']} px, guidance {number(made['guidance'], 1)}{shared}",
        "accuracy on real faces": f"{number(found['real']['accuracy'])} (n = {number(found['real']['n'])})",
        "chance": number(ratio["chance"]),
        "RCA of the recipe": _with_interval(recipe["value"], recipe["ci95"]) if several else "– (one training)",
        "RCA of these images": _with_interval(ratio["global"], ratio["ci95"]),
        "confusion-corrected accuracy": _with_interval(corrected["mean"], corrected.get("ci95")),
        "its assumption": answers.assumption_in_short(found.get("assumption")),
    }


def comparisons() -> str:
    """What the studies that compare came to, as a table."""
    rows = [
        {"study": f"`{study}`", "result": report_tables.counted(pd.read_csv(_tables_of(study) / name))}
        for study, name in COMPARING.items()
    ]
    return _table(pd.DataFrame(rows))


def _tables_of(study: str) -> Path:
    return paths.committed_report(study) / "tables"


def questions() -> str:
    """What was asked beside the first question, and what the committed runs answer, as a table."""
    return _table(asked_and_answered())


def trial() -> str:
    """How near `kpop-rca score` comes to a known truth on photographs of LFW, as a table."""
    found = pd.read_csv(paths.committed_report("scoring-lfw") / "trial.csv")
    found = found[found["oracle"].isin(["dlib", "dlib, 32 px"])]
    shown = {
        "oracle": found["oracle"],
        "photographs per person": found["references"],
        "truth": found["truth"].map("{:.1f}".format),
        "mean error": found["error"].map("{:+.4f}".format),
        "95 % interval covers": found["coverage"].map("{:.1%}".format),
        "its width": found["width"].map("{:.3f}".format),
        "trials": found["n"],
    }
    return _table(pd.DataFrame(shown))


FINDINGS: dict[str, Callable[[], str]] = {
    "answer": answer,
    "showcase": showcase,
    "studies": studies,
    "comparisons": comparisons,
    "questions": questions,
    "trial": trial,
}


def _interval(ends: list[float]) -> str:
    return f"{number(ends[0])} to {number(ends[1])}"


def _with_interval(value: float | None, ends: list[float] | None) -> str:
    return number(value) if value is None or ends is None else f"{number(value)} ({_interval(ends)})"


def _table(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def filled(text: str, *, where: str) -> str:
    """A page with every finding as the reports have it today.

    Raises:
        StudyError: a region asks for what is no finding, or has no end.
    """

    def written(region: re.Match) -> str:
        if region[2] not in FINDINGS:
            raise StudyError(f"{where} asks for the finding {region[2]!r}; there are {', '.join(FINDINGS)}")
        return f"{region[1]}{FINDINGS[region[2]]()}\n{region[3]}"

    if text.count("<!-- findings:") != len(REGION.findall(text)):
        raise StudyError(f"{where} has a finding without <!-- end of findings --> behind it")
    return REGION.sub(written, text)


def pages() -> list[Path]:
    """README and the pages of docs/."""
    return [paths.project_root() / "README.md", *sorted((paths.project_root() / "docs").glob("*.md"))]


def stale() -> dict[Path, str]:
    """The pages that do not say what the reports have, with what they should hold."""
    texts = {path: path.read_text(encoding="utf-8") for path in pages()}
    due = {path: filled(text, where=path.name) for path, text in texts.items()}
    return {path: text for path, text in due.items() if text != texts[path]}


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status, 1 where a page was stale and `--check` was given."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.results.findings", description="Fill README and docs.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a page is stale")
    checked = parser.parse_args(arguments).check
    for path, text in stale().items():
        print(f"{path.relative_to(paths.project_root())} {f'is stale; run: {COMMAND}' if checked else 'was filled in'}")
        if not checked:
            with files.atomic(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return int(checked and bool(stale()))


if __name__ == "__main__":
    sys.exit(main())
