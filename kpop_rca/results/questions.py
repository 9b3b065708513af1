"""What the project asks beside its first question, and what the committed runs answer: a row per question."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kpop_rca import benchmarks, claims, diffusion, metric_panel, preferences, validity
from kpop_rca.diffusion.lengths import changes
from kpop_rca.preferences.benchmark import over_seeds
from kpop_rca.preferences.trials import BASE
from kpop_rca.preferences.tunings import HEADLINE
from kpop_rca.study import params, paths
from kpop_rca.system.html import number

STUDY = "quick"  # whose notebooks, and whose recipe, are meant
SHOWN_TRIALS = ["adaptive", "noise", "training steps"]
SAID = {  # of the gap in identity
    HEADLINE: "tuning in rounds closes",
    "identity, one round": "one round",
    "random pairs, one round": "one of random pairs",
    "real faces, one round": "one of fine-tuning on real faces",
    "best of 2 by identity": "the better of two images",
}


def asked_and_answered() -> pd.DataFrame:
    """question, answer and notebook, of each question that committed tables answer; the others are left out."""
    parts = (
        _claims(),
        _parts(),
        _guidance(),
        _metrics(),
        _training_length(),
        _record(),
        _recipes(),
        _scorers(),
        _tuning(),
    )
    return pd.DataFrame([row for part in parts for row in part], columns=["question", "answer", "notebook"])


def _claims() -> Iterator[tuple[str, str, str]]:
    path = paths.committed_report("claims") / "tables" / "08_verdicts.csv"
    if path.is_file():
        said = claims.about_explanations(pd.read_csv(path, dtype={"level": str, "reference": str}))
        yield "Which of the paper's explanations of a low RCA hold?", f"{'; '.join(said)}.".capitalize(), "08"


def _parts() -> Iterator[tuple[str, str, str]]:
    if (path := _table_of_the_study("07_parts")).is_file():
        said = " ".join(validity.about_parts(pd.read_csv(path)))
        yield "What does an oracle look at?", said.replace("%", " %"), "07"


def _guidance() -> Iterator[tuple[str, str, str]]:
    if (path := _table_of_the_study("05_guidance_rule")).is_file():
        table = pd.read_csv(path).set_index("guidance")
        none, most = table.index.min(), table.index.max()
        own = table.index[table["chosen"]][0]
        rows = [
            f"{number(row['rca'])} and {number(row['frechet'], 1)} at {number(weight, 1)}"
            for weight, row in table.loc[sorted({none, own, most})].iterrows()
        ]
        yield (
            "What does guidance buy, and what does it cost?",
            f"RCA and Fréchet distance by its weight, under validation oracles: {', '.join(rows)}.",
            "05",
        )


def _table_of_the_study(name: str) -> Path:
    return paths.committed_report(STUDY) / "tables" / f"{name}.csv"


def _metrics() -> Iterator[tuple[str, str, str]]:
    panel = metric_panel.committed()
    if panel is not None:
        able = panel.metrics[panel.metrics["sees"] != ""]
        n = able["sees"].value_counts()
        yield (
            "Which metrics of generated images see identity?",
            f"Of {len(able)} metrics, {n.get('quality', 0)} see quality and not identity, {n.get('both', 0)} both, "
            f"{n.get('identity', 0)} identity alone, {n.get('neither', 0)} neither. To see is to follow a series of "
            f"images of known order (Kendall's τ of {metric_panel.SEES:g} or more); the others have no series of "
            "identity.",
            "09",
        )


def _training_length() -> Iterator[tuple[str, str, str]]:
    parameters = params.of_notebook("03_ddpm_training", params.resolve(STUDY))
    curve, about = diffusion.committed_curve(parameters)
    if len(curve):
        own, longest = about["train_steps"], int(curve["steps"].max())
        further = changes(curve, own, longest)
        if further.isna().any(axis=None):  # of one training no interval is known
            return
        yield (
            "Would a longer training show more identity?",
            f"From {number(own)} to {number(longest)} steps RCA changes by {_change(further.loc['rca'])}, and the "
            f"loss by {_change(further.loc['loss'], digits=3)}.",
            "03",
        )


def _recipes() -> Iterator[tuple[str, str, str]]:
    rows = benchmarks.committed_recipes()
    changes = benchmarks.with_intervals(benchmarks.by_change(rows)) if len(rows) else rows
    if len(changes):
        said = "; ".join(f"{row.change} {row.rca}" for row in changes.itertuples())
        yield "Which part of the recipe brings identity early?", f"RCA at equal time, by one change each: {said}.", "90"


def _record() -> Iterator[tuple[str, str, str]]:
    rows = benchmarks.committed_record()
    if rows is not None:
        aim = f"RCA {benchmarks.LEAST_RCA:g} and Fréchet distance {benchmarks.LARGEST_FRECHET:g}"
        said = " ".join(benchmarks.in_words(benchmarks.ratios(rows)).splitlines())
        yield f"How long does a training take to {aim}?", said, "90"


def _scorers() -> Iterator[tuple[str, str, str]]:
    found = preferences.committed_fractions()
    if len(found):
        paper, own = (found.loc[name, SHOWN_TRIALS].map(number) for name in (preferences.PAPER, preferences.FACE_SCORE))
        yield (
            "Does a face score that passes on its own pairs order known qualities?",
            f"FaceScore's recipe orders {paper.iloc[0]} of its held-out pairs right, but {paper.iloc[1]} of the steps "
            f"of noise and {paper.iloc[2]} of those of training. The composite, `face_score`, "
            f"orders {own.iloc[0]} of the pairs right, {own.iloc[1]} of noise, which it was weighted on, and "
            f"{own.iloc[2]} of training.",
            "10",
        )


def _tuning() -> Iterator[tuple[str, str, str]]:
    table = preferences.committed_tunings()
    if len(table):
        found = over_seeds(table, by=["tuning"], value="gap_closed_held_out").set_index("tuning")
        percent = (100 * found[["mean", "low", "high"]]).map(lambda value: number(value, 0))
        rows = [
            f"{said} {row['mean']} % ({row['low']} to {row['high']} %)"
            for said, row in ((said, percent.loc[name]) for name, said in SAID.items() if name in found.index)
        ]
        changed, claim = preferences.committed_verdicts().set_index("claim"), f"change in Fréchet distance: {HEADLINE}"
        if claim not in changed.index:  # a run without the headline's tuning
            return
        cost, base = _change(changed.loc[claim]), number(table.loc[table["tuning"] == BASE, "frechet"].mean(), 1)
        yield (
            "What does preference tuning for identity buy, and what does it cost?",
            "Of the gap between the generator's RCA and that of real faces, under oracles that rewarded nothing: "
            f"{', '.join(rows)}. The Fréchet distance, {base} before, changes by {cost} in the rounds.",
            "10",
        )


def _change(row: pd.Series, *, digits: int = 2) -> str:
    return f"{row['mean']:+.{digits}f} ({row['low']:+.{digits}f} to {row['high']:+.{digits}f})"
