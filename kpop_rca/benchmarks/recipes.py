"""Recipes of training at equal time: what is predicted, how timesteps are sampled, the optimiser and the stem.

    python -m kpop_rca.benchmarks.recipes --study record --recipe eps --recipe flow-muon --seed 0

Faces, network, frozen oracles and clock are those of `record`, at one guidance. One row per recipe and seed is added to
`reports/recipes/recipes.csv`; a row that is there is left as it is. The default study's recipe was chosen by
`search.csv` beside it, on avatars that `record` does not have.
"""

import argparse
import math
import sys
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca.benchmarks.record import Record, Table, clocked, last_measured, machine, ours, record_of
from kpop_rca.claims.verdicts import student_interval
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.errors import said_in_a_line
from kpop_rca.study import given, paths

REPORT, TABLE = "recipes", "recipes.csv"
RUN = ["study", "recipe", "guidance", "seed"]
COLUMNS = [*RUN, "step", "cpu_seconds", "seconds", "rca", "frechet", "machine"]
GUIDANCE = 1.0  # the largest at which a program of the record may arrive
EPS = {"prediction": "eps", "timestep_sampling": "uniform", "optimizer": "adamw", "stem": "pixels"}
FLOW = EPS | {"prediction": "flow", "timestep_sampling": "logit_normal"}
MUON = {"optimizer": "muon"}
# Steps in proportion to what one costs: Muon adds an eighth to a step, and a stem of patches halves it.
RECIPES: dict[str, dict[str, Any]] = {
    "flow-muon": FLOW | MUON | {"train_steps": 300},
    "eps": EPS | {"train_steps": 345},
    "flow": FLOW | {"train_steps": 345},
    "v-logit-normal": FLOW | {"prediction": "v", "train_steps": 345},
    "v": EPS | {"prediction": "v", "train_steps": 345},
    "eps-muon": EPS | MUON | {"train_steps": 300},
    "v-muon": FLOW | MUON | {"prediction": "v", "train_steps": 300},
    "flow-muon-stem": FLOW | MUON | {"stem": "space_to_depth", "train_steps": 570},
}
WORDS = {"eps": "noise", "v": "velocity v", "flow": "flow", "adamw": "AdamW", "muon": "Muon"} | {
    "uniform": "uniform",
    "logit_normal": "logit-normal",
    "pixels": "pixels",
    "space_to_depth": "patches of 2 x 2",
}


def compare(record: Record, recipe: str, *, seed: int) -> dict[str, float]:
    """Train by a recipe and score its images: the columns of a row that are not of the run."""
    changed = RECIPES[recipe]
    steps = changed["train_steps"]
    course = ours(record, seed, lengths=[steps], **changed)
    times, point = next(clocked(course, steps=[steps], cap=math.inf))
    forward = forward_process(record.parameters["noise_schedule"], changed["prediction"])
    (score,) = record.scores(point.network(), forward, seed=seed, guidances=[GUIDANCE])
    return times | score


CHANGES = {  # one thing changed: words to the recipes before and after
    "velocity v in place of noise": ("eps", "v"),
    "logit-normal timesteps in place of uniform": ("v", "v-logit-normal"),
    "flow in place of velocity v": ("v-logit-normal", "flow"),
    "Muon in place of AdamW, on flow": ("flow", "flow-muon"),
    "Muon in place of AdamW, on noise": ("eps", "eps-muon"),
    "Muon in place of AdamW, on velocity v": ("v-logit-normal", "v-muon"),
    "a stem of patches": ("flow-muon", "flow-muon-stem"),
}


def by_recipe(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, the largest RCA first.

    Args:
        rows: the table of COLUMNS, of one machine.

    Returns:
        recipe; predicts, timesteps, optimiser, stem, in words; n_seeds; step and cpu_seconds, means; rca and frechet,
        means, with <name>_low and <name>_high, the ends of a 95 % interval over seeds.
    """
    found = []
    for name, own in rows.groupby("recipe", sort=False):
        recipe = [WORDS[RECIPES[name][key]] for key in ("prediction", "timestep_sampling", "optimizer", "stem")]
        row = dict(zip(("recipe", "predicts", "timesteps", "optimiser", "stem"), (name, *recipe), strict=True))
        row |= {"n_seeds": len(own), "step": own["step"].mean(), "cpu_seconds": own["cpu_seconds"].mean()}
        for column in ("rca", "frechet"):
            low, high, _ = student_interval(own[column].to_numpy())
            row |= {column: own[column].mean(), f"{column}_low": low, f"{column}_high": high}
        found.append(row)
    return pd.DataFrame(found).sort_values("rca", ascending=False, ignore_index=True)


def by_change(rows: pd.DataFrame) -> pd.DataFrame:
    """What each of CHANGES does, seed by seed.

    Args:
        rows: as for `by_recipe`; a change of which a recipe is missing is left out.

    Returns:
        change; n_seeds; rca, the mean difference; frechet, the geometric mean of the ratios; <name>_low, <name>_high,
        the ends of their 95 % intervals over seeds.
    """
    wide = rows.pivot(index="seed", columns="recipe", values=["rca", "frechet"])
    found = []
    for change, (before, after) in CHANGES.items():
        if {before, after} <= set(rows["recipe"]):
            rca = (wide["rca"][after] - wide["rca"][before]).dropna().to_numpy()
            ratio = np.log(wide["frechet"][after] / wide["frechet"][before]).dropna().to_numpy()
            of_rca, of_ratio = ((own.mean(), *student_interval(own)[:2]) for own in (rca, ratio))
            found.append([change, len(rca), *of_rca, *np.exp(of_ratio)])
    ends = [f"{name}{end}" for name in ("rca", "frechet") for end in ("", "_low", "_high")]
    return pd.DataFrame(found, columns=["change", "n_seeds", *ends])


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The columns rca and frechet as text, "0.81 (0.70 to 0.92)", of one seed "0.81"; a change of RCA has its sign."""
    formats = ("{:+.2f}", "{:.2f}") if "change" in table else ("{:.2f}", "{:.1f}")
    table = table.copy()
    for name, written in zip(("rca", "frechet"), formats, strict=True):
        ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        said = ["" if math.isnan(low) else f" ({written.format(low)} to {written.format(high)})" for low, high in ends]
        table[name] = table[name].map(written.format) + said
    return table


def committed_recipes() -> pd.DataFrame:
    """The rows of all recipes, see `record.last_measured`; none where nothing was measured."""
    found = last_measured(REPORT, TABLE)
    return pd.DataFrame(columns=COLUMNS) if found is None else found


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.benchmarks.recipes", description=__doc__.split("\n")[0])
    parser.add_argument("--study", default="record", help="a study with faces")
    parser.add_argument("--recipe", action="append", choices=RECIPES, help="as often as need be; all by default")
    parser.add_argument("--seed", action="append", type=int, help="as often as need be; 0 to 2 by default")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    record = record_of(asked.study)
    table = Table(paths.report_folder(REPORT) / TABLE, machine=machine(), columns=COLUMNS)
    for recipe in asked.recipe or RECIPES:
        for seed in asked.seed or range(3):
            run = {"study": asked.study, "recipe": recipe, "guidance": GUIDANCE, "seed": seed}
            if not table.has(run):
                row = compare(record, recipe, seed=seed)
                table.put(run, [row])
                print(f"{recipe}, seed {seed}: " + ", ".join(f"{name} {value:g}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
