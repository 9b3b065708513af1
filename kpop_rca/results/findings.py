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
from kpop_rca.study import manifests, paths
from kpop_rca.system import files
from kpop_rca.system.html import number

REGION = re.compile(r"(<!-- findings: ([a-z-]+) -->\n).*?(<!-- end of findings -->)", re.S)
COMMAND = "make docs"
PEOPLE = {"idols": "avatars", "folder": "people", "lfw": "people"}  # whom a data source has
# Studies of one model that are committed, in the order in which the docs show them.
STUDIES = ("quick", "showcase", "lfw10-quick")


def metrics(study: str) -> dict[str, Any]:
    """`metrics.json` of a committed study, under today's names."""
    path = paths.committed_report(study) / manifests.METRICS
    if not path.is_file():
        raise StudyError(f"reports/{study}/{path.name} is not there; README and docs report it")
    return with_present_names(files.read_json(path))


def answer() -> str:
    """The result of the default study: the number, its interval, what it was measured on, what it is beside chance."""
    found = metrics("quick")
    ratio, people = found["rca"], PEOPLE[found["data"]["source"]]
    recipe = ratio.get("recipe", {})
    if recipe.get("value") is None:
        first = f"**RCA {number(ratio['global'])}** (95 % interval {_interval(ratio['ci95'])}), of one training"
    else:
        first = (
            f"**RCA {number(recipe['value'])}**, the mean of {recipe['n_trainings']} trainings under "
            f"{len(recipe['oracles'])} oracles (95 % interval, for other trainings and oracle seeds: "
            f"{_interval(recipe['ci95'])}).\nOne more training under these oracles is expected at "
            f"{_interval(recipe['next_training'])} (95 % prediction interval{_tried(recipe)})"
        )
    return "\n".join(
        [
            f"{first}.",
            f"A model that ignores the condition would have {number(ratio['chance'])}, images as recognisable as real "
            f"ones about {number(ratio.get('perfect', 1.0))}.",
            f"Measured on {number(found['generated']['n'])} generated faces, of all trainings together, of "
            f"{len(found['classes'])} {people} at {found['image_size']} px; the oracles were tested on "
            f"{number(found['real']['n'])} held-out faces.",
        ]
    )


def _tried(recipe: dict[str, Any]) -> str:
    """How many further trainings fell into the prediction interval; nothing where none was made."""
    further = recipe.get("further_trainings") or {}
    return f"; {further['n_within']} of {further['n']} that were tried fell into it" if further.get("n") else ""


def studies() -> str:
    """The committed studies side by side, as a table."""
    rows = [_row(study, metrics(study)) for study in STUDIES]
    return _table(pd.DataFrame(rows))


def _row(study: str, found: dict[str, Any]) -> dict[str, str]:
    """One line of the table of studies; a dash for what a study has not got."""
    ratio, corrected = found["rca"], found["confusion_corrected_accuracy"]
    recipe = ratio.get("recipe", {})
    several = recipe.get("value") is not None
    return {
        "study": f"`{study}`",
        "people": f"{len(found['classes'])} {PEOPLE[found['data']['source']]}, {found['image_size']} px",
        "RCA of the recipe": _with_interval(recipe["value"], recipe["ci95"]) if several else "– (one training)",
        "RCA of these images": _with_interval(ratio["global"], ratio["ci95"]),
        "chance": number(ratio["chance"]),
        "confusion-corrected accuracy": _with_interval(corrected["mean"], corrected.get("ci95")),
        "accuracy on real faces": f"{number(found['real']['accuracy'])} (n = {number(found['real']['n'])})",
        "generated": number(found["generated"]["n"]),
        "guidance": number(found["generated"]["guidance"], 1),
    }


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


FINDINGS: dict[str, Callable[[], str]] = {"answer": answer, "studies": studies, "trial": trial}


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
