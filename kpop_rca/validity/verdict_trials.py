"""How often the verdicts on people err, at the size of a study: real faces under its own oracles, with known truth.

    python -m kpop_rca.validity.verdict_trials --study quick

The images of a person are real test faces of that person, and in a known fraction those of others; both sides are drawn
with replacement, as many as the study has. Each draw has oracles of its own, resampled within architectures, and
trainings that differ by as much as the study's do, further ones among them. It reads the predictions that 06 left in
`reports/<study>/tables/` and writes `reports/verdicts/`. Where further trainings have been made, they are reruns of the
study itself.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca import rca
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.oracles import prediction_tables
from kpop_rca.rca.person_verdicts import Predicted, person_verdicts
from kpop_rca.study import paths
from kpop_rca.system import files, seeds
from kpop_rca.system.seeds import Purpose
from kpop_rca.validity.further_trainings import PREDICTIONS as FURTHER_PREDICTIONS
from kpop_rca.validity.further_trainings import REPORT as FURTHER

DRAWS, OF_FURTHER = 400, 10
REPORT = "verdicts"
ERRORS, RERUNS = "errors.csv", "reruns.csv"
PREDICTIONS = "06_predictions.csv.gz"
HALF, WHOLE = 0.5, 1.0


@dataclass(frozen=True)
class Population:
    """Real test faces as the study's oracles predict them, and how many images of what size a study has."""

    predicted: np.ndarray  # int (O, N)
    labels: np.ndarray  # int (N,)
    architectures: list[str]  # (O,)
    n_trainings: int
    n_each: int  # images of a person by one training

    @cached_property
    def pools(self) -> list[np.ndarray]:
        """The images of each person."""
        return [np.flatnonzero(self.labels == c) for c in range(self.labels.max() + 1)]

    @cached_property
    def recall(self) -> np.ndarray:
        """(K,), mean over oracles."""
        right = (self.predicted == self.labels).mean(axis=0)
        return np.array([right[pool].mean() for pool in self.pools])

    @cached_property
    def false_alarms(self) -> np.ndarray:
        """(K,), mean over oracles of the fraction of other people's images that are predicted as the person."""
        n = len(self.labels)
        found = [(self.predicted[:, np.setdiff1d(np.arange(n), pool)] == c).mean() for c, pool in enumerate(self.pools)]
        return np.array(found)

    def shown_for(self, class_rca: float | np.ndarray) -> np.ndarray:
        """(K,), fraction of images that show the requested person with which recall is so much of that on real."""
        return np.clip((class_rca * self.recall - self.false_alarms) / (self.recall - self.false_alarms), 0, 1)


def population(table: Path, headline_kind: str = "oracle") -> tuple[Population, pd.DataFrame, pd.DataFrame]:
    """The population of a study, with the long tables of both sides of its oracles of one kind.

    Args:
        table: as 06 leaves it.
        headline_kind: the split that the oracles were trained on.
    """
    if not table.is_file():
        raise StudyError(f"{table} is not there; run 06_rca_analysis")
    real, generated = (prediction_tables.read_long(table, side) for side in ("real", "generated"))
    real, generated = (side[side["trained_on"] == headline_kind] for side in (real, generated))
    names = real["oracle"].unique()
    wide = real.pivot(index="oracle", columns="image", values="predicted").loc[names]
    labels = real.drop_duplicates("image").sort_values("image")["label"].to_numpy()
    architectures = real.drop_duplicates("oracle")["architecture"].to_list()
    one = generated[generated["oracle"] == names[0]]
    n_trainings = int(one["training"].max()) + 1
    n_each = len(one) // n_trainings // (int(labels.max()) + 1)
    return Population(wide.to_numpy(), labels, architectures, n_trainings, n_each), real, generated


def scatter_of_trainings(generated: pd.DataFrame, further: pd.DataFrame | None = None) -> float:
    """Standard deviation between trainings of a person's recall, over people, without that of the images.

    Args:
        generated: long table of the study's images.
        further: the table of `further_trainings`, which count as well.
    """
    right = generated.assign(right=generated["label"] == generated["predicted"])
    scores = right.groupby(["label", "training", "image"])["right"].mean().reset_index()
    if further is not None:
        seen = further[generated["oracle"].unique()].eq(further["label"], axis=0).mean(axis=1)
        others = further[["label", "training"]].assign(right=seen)
        others["training"] += scores["training"].max() + 1
        scores = pd.concat([scores, others])
    cells = scores.groupby(["label", "training"])["right"].agg(["mean", "var", "size"])
    between = cells["mean"].groupby("label").var().mean() - (cells["var"] / cells["size"]).mean()
    return float(np.sqrt(max(between, 0.0)))


def draw(
    people: Population, shown: np.ndarray, *, scatter: float, generator: np.random.Generator
) -> tuple[Predicted, Predicted]:
    """A study: real images, and images of trainings of which a fraction of about `shown` (K,) show who is requested.

    Args:
        scatter: standard deviation of recall between trainings. The fraction shown scatters by more, since
            recall = shown (recall on real - false alarms) + false alarms.
    """
    pools, n_classes = people.pools, len(shown)
    real = np.concatenate([generator.choice(pool, len(pool)) for pool in pools])
    oracles = _resampled_oracles(people.architectures, generator)
    group, label, _ = np.indices((people.n_trainings, n_classes, people.n_each)).reshape(3, -1)
    gain = people.recall - people.false_alarms  # of who is not recognised at all recall has no scatter
    of_shown = np.divide(scatter * (shown < WHOLE), gain, out=np.zeros(n_classes), where=gain > 0)
    moved = shown + of_shown * generator.standard_normal((people.n_trainings, n_classes))
    is_shown = generator.random(len(label)) < moved[group, label]
    who = np.where(is_shown, label, (label + generator.integers(1, n_classes, len(label))) % n_classes)
    places = generator.integers(2**31, size=len(who))
    image = np.array([pools[c][place % len(pools[c])] for c, place in zip(who, places, strict=True)])
    chosen = people.predicted[oracles]
    on_real = Predicted(people.labels[real], chosen[:, real], np.full(len(real), -1))
    return on_real, Predicted(label, chosen[:, image], group)


def _resampled_oracles(architectures: Sequence[str], generator: np.random.Generator) -> np.ndarray:
    """Indices of as many oracles of each architecture, with replacement."""
    kinds = np.asarray(architectures)
    return np.array([generator.choice(np.flatnonzero(kinds == kind)) for kind in kinds])


def trial(people: Population, shown: np.ndarray, *, scatter: float, draws: int, setting: int) -> pd.DataFrame:
    """Verdicts of so many draws: one row per draw, one column per person."""
    classes, rows = [str(c) for c in range(len(shown))], []
    for number in range(draws):
        rng = seeds.generator(Purpose.VERDICT_TRIALS, setting, number)
        sides = draw(people, shown, scatter=scatter, generator=rng)
        rows.append(person_verdicts(*sides, people.architectures, classes=classes)["verdict"].to_list())
    return pd.DataFrame(rows, columns=classes)


def error_table(people: Population, *, scatter: float, draws: int = DRAWS) -> pd.DataFrame:
    """How often each verdict is given where the truth is known.

    Returns:
        One row per setting and part of the people: setting, shown (mean fraction of images that show who is requested),
        scatter, draws, fractions of the verdicts, and any_non_inferior and any_inferior (of draws in which somebody is
        called so).
    """
    k = len(people.recall)
    some = np.where(np.arange(k) < k // 2, HALF, WHOLE)
    settings = [
        ("real faces", np.full(k, WHOLE), 0.0),
        ("half of the images of half of the people swapped", some, 0.0),
        ("half of the images of half of the people swapped, trainings differ", some, scatter),
        ("half of all images swapped, trainings differ", np.full(k, HALF), scatter),
        ("everybody at the margin", people.shown_for(rca.NON_INFERIORITY_LIMIT), 0.0),
        ("everybody at the margin, trainings differ", people.shown_for(rca.NON_INFERIORITY_LIMIT), scatter),
    ]
    rows = []
    for number, (name, shown, of_trainings) in enumerate(settings):
        found = trial(people, shown, scatter=of_trainings, draws=draws, setting=number)
        for part in np.unique(shown >= WHOLE):
            of_part = (shown >= WHOLE) == part
            about = {"setting": name, "shown": float(shown[of_part].mean()), "scatter": of_trainings, "draws": draws}
            rows.append(about | _fractions(found.loc[:, of_part]))
    return pd.DataFrame(rows)


def _fractions(found: pd.DataFrame) -> dict[str, float]:
    verdicts = (rca.NON_INFERIOR, rca.INFERIOR, rca.NO_EFFECT, rca.INCONCLUSIVE, rca.NOT_MEASURABLE)
    fractions = {name: float((found == name).to_numpy().mean()) for name in verdicts}
    below = (found == rca.INFERIOR) | (found == rca.NO_EFFECT)
    anybody = {"any_non_inferior": (found == rca.NON_INFERIOR).any(axis=1), "any_inferior": below.any(axis=1)}
    return fractions | {name: float(rows.mean()) for name, rows in anybody.items()}


def compared(one: Sequence[str], other: Sequence[str]) -> dict[str, int]:
    """Verdicts of two runs beside each other: n people, equal, equal or inconclusive in one, and flipped."""
    pairs = list(zip(one, other, strict=True))
    either = [a == b or rca.INCONCLUSIVE in (a, b) for a, b in pairs]
    flipped = [{a, b} in ({rca.INFERIOR, rca.NON_INFERIOR}, {rca.NO_EFFECT, rca.NON_INFERIOR}) for a, b in pairs]
    return {
        "n": len(pairs),
        "equal": sum(a == b for a, b in pairs),
        "or_inconclusive": sum(either),
        "flipped": sum(flipped),
    }


def rerun_table(people: Population, generated: pd.DataFrame, *, scatter: float, draws: int = DRAWS) -> pd.DataFrame:
    """Verdicts of simulated studies beside those of their reruns, which have other trainings, oracles and real faces.

    Args:
        generated: long table of the study's images.

    Returns:
        One row per source and pair of runs, source being people as the study has them, or a class RCA of 0.3 to 1:
        source, run, n, equal, or_inconclusive, flipped.
    """
    recall = generated.assign(right=generated["label"] == generated["predicted"]).groupby("label")["right"].mean()
    sources = {
        "people as in this study": people.shown_for(recall.to_numpy() / people.recall),
        "class RCA from 0.3 to 1": people.shown_for(np.linspace(0.3, 1.0, len(recall))),
    }
    rows = []
    for number, (source, shown) in enumerate(sources.items(), start=100):
        found = trial(people, shown, scatter=scatter, draws=2 * draws, setting=number).to_numpy().tolist()
        pairs = zip(found[::2], found[1::2], strict=True)
        rows += [{"source": source, "run": run, **compared(*pair)} for run, pair in enumerate(pairs)]
    return pd.DataFrame(rows)


def further_reruns(
    real: pd.DataFrame, generated: pd.DataFrame, further: pd.DataFrame, *, n_trainings: int, draws: int
) -> pd.DataFrame:
    """The study's verdicts beside those from as many of its further trainings, chosen anew in each run.

    Args:
        real, generated: long tables of the study.
        further: the table of `further_trainings`.

    Returns:
        As `rerun_table`; no rows where there are fewer further trainings than the study has.
    """
    on_real, own = _as_arrays(real, "burst"), _as_arrays(generated, "training")
    names, numbers, rows = real["oracle"].unique(), further["training"].unique(), []
    architectures = real.drop_duplicates("oracle")["architecture"].to_list()
    how = {"classes": [str(c) for c in range(int(own.labels.max()) + 1)]}
    first = person_verdicts(on_real, own, architectures, **how)["verdict"].to_list()
    for run in range(draws if len(numbers) >= n_trainings else 0):
        chosen = seeds.generator(Purpose.VERDICT_RERUNS, 0, run).permutation(numbers)[:n_trainings]
        part = further[further["training"].isin(chosen)]
        group = np.unique(part["training"], return_inverse=True)[1]
        again = Predicted(part["label"].to_numpy(), part[names].to_numpy().T, group)
        verdicts = person_verdicts(on_real, again, architectures, **how)["verdict"]
        rows.append({"source": "further trainings of this study", "run": run, **compared(first, verdicts)})
    return pd.DataFrame(rows)


def _as_arrays(predictions: pd.DataFrame, group: str) -> Predicted:
    """A long table as arrays, oracles in its order, with one of its columns as the group."""
    wide = predictions.pivot(index="oracle", columns="image", values="predicted").loc[predictions["oracle"].unique()]
    of_images = predictions.drop_duplicates("image").set_index("image").loc[wide.columns]
    return Predicted(of_images["label"].to_numpy(), wide.to_numpy(), of_images[group].to_numpy())


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    name = "python -m kpop_rca.validity.verdict_trials"
    parser = argparse.ArgumentParser(prog=name, description=__doc__.split("\n")[0])
    parser.add_argument("--study", default="quick", help="a study of which 06 has run")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"of each setting; {DRAWS} by default")
    asked = parser.parse_args(arguments)
    people, real, generated = population(paths.report_folder(asked.study) / "tables" / PREDICTIONS)
    path = paths.report_folder(FURTHER) / FURTHER_PREDICTIONS
    further = pd.read_csv(path) if path.is_file() else None
    scatter = scatter_of_trainings(generated, further)
    reruns = [rerun_table(people, generated, scatter=scatter, draws=asked.draws)]
    if further is not None:
        how = {"n_trainings": people.n_trainings, "draws": OF_FURTHER}
        reruns.append(further_reruns(real, generated, further, **how))
    tables = {ERRORS: error_table(people, scatter=scatter, draws=asked.draws), RERUNS: _together(pd.concat(reruns))}
    for name, table in tables.items():
        with files.atomic(paths.report_folder(REPORT) / name) as temporary:
            table.round(4).to_csv(temporary, index=False)
        print(table.to_string(index=False))
    return 0


def _together(reruns: pd.DataFrame) -> pd.DataFrame:
    """One row per source: runs, n (verdicts), equal, or_inconclusive and flipped, and the least or_inconclusive."""
    groups = reruns.groupby("source", sort=False)
    table = groups[["n", "equal", "or_inconclusive", "flipped"]].sum()
    table.insert(0, "runs", groups.size())
    return table.assign(least_or_inconclusive=groups["or_inconclusive"].min()).reset_index()


if __name__ == "__main__":
    sys.exit(main())
