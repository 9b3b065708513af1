"""What was found about the images of some generators: the object that a user holds, as tables.

One long table, `measures`, has every number with its interval, or the reason why there is none; the other views follow.
"""

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from kpop_rca.errors import StudyError

HEADLINE = "confusion_corrected_accuracy"
# Each number of a generator, as tables and pages name it.
MEASURES = {
    "images": "images",
    "failures": "no single face",
    "accuracy": "accuracy",
    "rca": "RCA",
    HEADLINE: "confusion-corrected accuracy",
    "open_set_match_rate": "matched, open set",
    "rank_1": "rank-1",
    "tar_at_far_0.01": "TAR at 1 % FAR",
    "tar_at_far_0.001": "TAR at 0.1 % FAR",
    "equal_error_rate": "EER",
    "similarity_fraction": "mated similarity, fraction of real",
    "diversity_fraction": "diversity within a person, fraction of real",
    "copy_rate": "copies of reference photographs",
}
REAL = "photographs"  # the row of the oracle's ceiling
COPYING = 0.05  # of the images, from which on a generator is said to copy
WEAK = 0.97  # an oracle that recognises fewer photographs than this needs its ceiling said in words
CONFIDENCE = 0.95
EXACT = ("images", "failures")  # counts
NUMBERS = frozenset({"rca"})  # that are read as they are; all other measures are in percent


@dataclass(frozen=True)
class Scores:
    """Generators scored on photographs.

    Attributes:
        people: names, in the order of their numbers.
        measures: oracle, generator, person ("" for all of them together), measure, value, low, high, reason.
        oracles: one row per oracle: oracle, photographs, accuracy, low, high (on photographs, cross-fitted), licence,
            note. The first is the headline's.
        comparisons: one row per oracle and pair of generators, see `scoring.comparison`.
        columns: scores by the values of the CSV's columns, see `scoring.by_column`; empty without any.
        fairness: the oracle's own errors by the same columns.
        agreement: one row per generator: whether the oracles agree, see `oracles.agreement`.
        gate: one row per control and oracle, see `scoring.gate`.
        images: one row per generated image: generator, path, face (see `found.Found`), requested, predicted (by the
            first oracle; "" without a face), copied_person and copied_path (of the photograph that it copies, or "").
        notes: what was odd in the images, and what was done, a line each.
        settings: how the numbers were made: seed, size, versions, seconds.
        truth: the fraction of images that really show the requested person, where that is known.
        examples: paths of images for a sheet of faces: a photograph of each of some people ("") and an image of each by
            every generator, None where there is none. They are shown on request alone.
    """

    people: list[str]
    measures: pd.DataFrame
    oracles: pd.DataFrame
    comparisons: pd.DataFrame
    columns: pd.DataFrame
    fairness: pd.DataFrame
    agreement: pd.DataFrame
    gate: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, float] = field(default_factory=dict)
    images: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: dict[str, list[str | None]] = field(default_factory=dict)

    @property
    def oracle(self) -> str:
        """The oracle of the headline: the first."""
        return self.oracles["oracle"].iloc[0]

    @cached_property
    def generators(self) -> list[str]:
        """Names, the one that shows the requested person most often first; those that copy photographs come last."""
        overall = self.measures[(self.measures["person"] == "") & (self.measures["oracle"] == self.oracle)]
        known = overall[overall["measure"].isin((HEADLINE, "accuracy"))]
        ranked = known.pivot(index="generator", columns="measure", values="value").sort_values(
            [HEADLINE, "accuracy"], ascending=False, kind="stable", na_position="last"
        )
        return sorted(ranked.index, key=self.copying.__contains__)

    @cached_property
    def copying(self) -> set[str]:
        """Generators that repeat photographs, under the first oracle."""
        rows = self.measures[(self.measures["person"] == "") & (self.measures["oracle"] == self.oracle)]
        copies = rows[(rows["measure"] == "copy_rate") & (rows["low"].astype(float) > COPYING)]
        return set(copies["generator"])

    @property
    def usable(self) -> bool:
        """Whether no control failed."""
        return not (self.gate["passed"] == False).any()  # noqa: E712 - None is a control that could not be run

    @property
    def chance_rca(self) -> float:
        """RCA of a generator that ignores the request, under the headline's oracle."""
        return 1 / len(self.people) / float(self.ceiling(self.oracle)["accuracy"])

    @property
    def summary(self) -> pd.DataFrame:
        """`table` for reading: its main columns as text, each number with its interval."""
        from kpop_rca.scoring import answer

        return answer.summary(self)

    def lines(self, *, anonymise: bool = False) -> list[str]:
        """The answer in a few sentences, what is wrong first."""
        from kpop_rca.scoring import answer

        return answer.lines(self.anonymised() if anonymise else self)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per generator, as the first oracle has it, the best first; an interval is two columns more."""
        return self.of_oracle(self.oracle)

    def of_oracle(self, oracle: str) -> pd.DataFrame:
        """`table`, as another oracle has it."""
        if oracle not in set(self.oracles["oracle"]):
            raise StudyError(f"no oracle {oracle!r} was used; there are {', '.join(self.oracles['oracle'])}")
        chosen = self.measures[(self.measures["oracle"] == oracle) & (self.measures["person"] == "")]
        found = wide(chosen, rows=["generator"]).set_index("generator").loc[self.generators].reset_index()
        if self.truth:
            found.insert(1, "truth", found["generator"].map(self.truth))
        return found.assign(oracle=oracle, ceiling=float(self.ceiling(oracle)["accuracy"]))

    def ceiling(self, oracle: str) -> pd.Series:
        """The row of an oracle: its accuracy on photographs, above which none of its numbers can be read."""
        return self.oracles.set_index("oracle").loc[oracle]

    @property
    def by_person(self) -> pd.DataFrame:
        """One row per generator and person, as the first oracle has it."""
        chosen = self.measures[(self.measures["oracle"] == self.oracle) & (self.measures["person"] != "")]
        return wide(chosen, rows=["generator", "person"])

    def by(self, column: str) -> pd.DataFrame:
        """The scores by the values of a column of the CSV, one row per oracle, generator, value and measure."""
        known = list(dict.fromkeys(self.columns["column"])) if len(self.columns) else []
        if column not in known:
            there = ", ".join(known) or "none; name some when you score"
            raise StudyError(f"nothing was scored by the column {column!r}; there are {there}")
        return self.columns[self.columns["column"] == column].reset_index(drop=True)

    def compare(self, a: str, b: str) -> pd.DataFrame:
        """How two generators differ, one row per oracle and measure: a minus b."""
        for name in (a, b):
            if name not in self.generators:
                raise StudyError(f"there is no generator {name!r}; there are {', '.join(self.generators)}")
        return comparison_of(self.comparisons, a, b)

    def anonymised(self) -> "Scores":
        """The same with numbers in place of people's names, wherever one is written."""
        from kpop_rca.scoring.anonymous import renamer, without_names

        rename = renamer(self.people)
        held = {part.name: getattr(self, part.name) for part in fields(self)}
        held["images"] = self.images.drop(columns=["path", "copied_path"], errors="ignore")
        tables = {name: table.map(rename) for name, table in held.items() if isinstance(table, pd.DataFrame)}
        return replace(
            self,
            **tables,
            people=[rename(name) for name in self.people],
            notes=[rename(without_names(note)) for note in self.notes],
            examples={},
        )

    def report(self, folder: Path | str, *, anonymise: bool = False, publish_images: bool = False) -> Path:
        """Write `index.html`, `scores.json` and CSV tables into a folder; returns the page.

        No face of a real person is among them unless `publish_images`; avatars are shown.
        """
        from kpop_rca.scoring import report  # not above: figures take seconds to load

        shown = replace(self, examples=self.examples if publish_images or self.truth else {})
        return report.write(shown.anonymised() if anonymise else shown, Path(folder))


def wide(measures: pd.DataFrame, *, rows: list[str]) -> pd.DataFrame:
    """One row per value of `rows`, one column per measure, and two more, `<measure>_low` and `_high`, for intervals."""
    measures = measures.assign(**{column: measures[column].astype(float) for column in ("value", "low", "high")})
    keys = measures[rows].drop_duplicates()
    parts = [keys.set_index(rows)]
    for name in [name for name in MEASURES if name in set(measures["measure"])]:
        one = measures[measures["measure"] == name].set_index(rows)
        known = ["value", "low", "high"] if one[["low", "high"]].notna().any(axis=None) else ["value"]
        parts.append(one[known].rename(columns={"value": name, "low": f"{name}_low", "high": f"{name}_high"}))
    return pd.concat(parts, axis=1).reset_index()


def unranked(comparisons: pd.DataFrame, copying: set[str]) -> pd.DataFrame:
    """Comparisons in which a generator that repeats photographs is measured and not ranked: its images are not its own.

    >>> table = pd.DataFrame({"a": ["gan"], "b": ["sdxl"], "better": ["gan"], "verdict": ["gan is better than sdxl"]})
    >>> unranked(table, {"gan"})[["better", "verdict"]].values.tolist()
    [['', 'not ranked: gan repeats photographs']]
    """
    table = comparisons.copy()
    for name in sorted(copying) if len(table) else ():
        with_it = table["a"].eq(name) | table["b"].eq(name)
        table.loc[with_it, ["better", "verdict"]] = "", f"not ranked: {name} repeats photographs"
    return table


def comparison_of(comparisons: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """The rows of two generators, turned where they were compared the other way round."""
    forward = comparisons[(comparisons["a"] == a) & (comparisons["b"] == b)]
    if len(forward):
        return forward.reset_index(drop=True)
    back = comparisons[(comparisons["a"] == b) & (comparisons["b"] == a)]
    turned = {"a": a, "b": b, "difference": -back["difference"], "low": -back["high"], "high": -back["low"]}
    return back.assign(**turned).reset_index(drop=True)
