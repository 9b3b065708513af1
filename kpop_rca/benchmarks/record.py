"""Time to identity: how long a program trains until oracles that nothing was tuned on recognise whom it generates.

    python -m kpop_rca.benchmarks.record --study record

All programs train the same network on the same faces and are scored after the same numbers of steps, `record_steps`. A
program has arrived at the first of these at which, at one of the guidances, the mean RCA is high enough and the mean
Fréchet distance low enough. Ours needs to know its length beforehand: it trains anew for each number of steps, and the
time of a training that did not arrive counts as well. The baselines' learning rate, and the number of steps after which
a program is first scored, are chosen on a seed that is not reported: scoring takes as long as hundreds of steps.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from filelock import FileLock
from tqdm import tqdm

from kpop_rca.benchmarks.baselines import denoising
from kpop_rca.benchmarks.baselines import diffusers as documented
from kpop_rca.benchmarks.ours import NO_BAR
from kpop_rca.benchmarks.setting import NOISE_SCHEDULE, Setting, as_files
from kpop_rca.benchmarks.timing import OURS
from kpop_rca.diffusion.generation import GenerationPlan, generate_batch
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer
from kpop_rca.diffusion.unet import NETWORK, build_unet
from kpop_rca.errors import said_in_a_line
from kpop_rca.faces import crops
from kpop_rca.faces.splits import SPLITS
from kpop_rca.oracles import training
from kpop_rca.oracles.beside_real import OracleBesideReal, mean_rca_and_frechet
from kpop_rca.oracles.candidates import Candidate, Faces
from kpop_rca.study import given, manifests, params, paths
from kpop_rca.system import devices, seeds
from kpop_rca.system.files import atomic

DIFFUSERS, DENOISING = "diffusers' loop", "denoising-diffusion-pytorch"
BASELINES = {DIFFUSERS: documented.train, DENOISING: denoising.train}
PROGRAMS = (OURS, *BASELINES)
LEAST_RCA, LARGEST_FRECHET = 0.7, 6.0
TUNING_SEED = 100  # on which is chosen what a program may choose
FIRST_ORACLE = 100  # the number of an oracle; those of a study count from 0
REPORT, TABLE = "record", "record.csv"
RUN = ["program", "seed", "learning_rate"]
COLUMNS = [*RUN, "step", "cpu_seconds", "seconds", "guidance", "rca", "frechet", "machine"]


class Point(NamedTuple):
    """A training after so many steps, and what makes a network of its averaged weights."""

    step: int
    network: Callable[[], UNet2DModel]


class Record:
    """What all runs share: faces, and oracles that are trained before any generator, or read where they lie already."""

    def __init__(self, parameters: dict[str, Any], faces: dict[str, Faces], device: torch.device):
        self.parameters, self.faces, self.device = parameters, faces, device
        self.folder = paths.artifacts_folder(parameters["study"]) / "record"
        self.n_classes = int(faces["train"][1].max()) + 1
        numbers = range(FIRST_ORACLE, FIRST_ORACLE + parameters["oracle_seeds"])
        planned = [Candidate(name, k, "oracle") for name in parameters["architectures"] for k in numbers]
        folder, recipe = self.folder / "oracles", training.OracleRecipe.of(parameters)
        training.train_all(planned, faces, recipe=recipe, folder=folder, device=device, bar=tqdm)
        trained = [training.load_oracle(folder / candidate.name, device) for candidate in planned]
        self.oracles = [OracleBesideReal(oracle, faces["test"]) for oracle in trained]

    def unet(self, seed: int, **changed: Any) -> UNet2DModel:
        torch.manual_seed(seeds.number(seeds.Purpose.NETWORK, seed))
        named = {name: self.parameters[name] for name in NETWORK} | changed
        return build_unet(**named, n_classes=self.n_classes).to(self.device)

    def scores(
        self, network: UNet2DModel, forward: DDPMScheduler, *, seed: int, guidances: Sequence[float]
    ) -> Iterator[dict[str, float]]:
        """guidance, rca and frechet, for each guidance; images from the seed, and the means over the oracles."""
        for guidance in guidances:
            changed = {"guidance": guidance, "seed": seed, "trainings": 1}
            plan = GenerationPlan.of(self.parameters | changed, mixed_precision=self.parameters["mixed_precision"])
            batches = [(label, first) for label in range(self.n_classes) for first in plan.first_images]
            images = np.concatenate([generate_batch(network, forward, plan, batch) for batch in batches])
            labels = np.repeat(np.arange(self.n_classes), plan.images_per_identity)
            rca, frechet = mean_rca_and_frechet(self.oracles, (images, labels))
            yield {"guidance": guidance, "rca": round(rca, 4), "frechet": round(frechet, 3)}


def record_of(study: str) -> Record:
    """What all runs on the faces of a study share; 02 must be there."""
    parameters = params.resolve(study)
    folder, size = manifests.folder_of(study, "faces"), parameters["image_size"]
    faces = {split: crops.load_crops(folder, size=size, split=split) for split in SPLITS}
    return Record(parameters, faces, devices.choose(parameters["device"]))


def ours(record: Record, seed: int, *, lengths: Sequence[int], **changed: Any) -> Iterator[Point]:
    """The study's recipe, with some parameters changed, trained anew for each number of steps."""
    parameters = record.parameters | changed
    for steps in lengths:
        recipe = DiffusionRecipe.of(parameters | {"train_steps": steps, "seed": seed})
        unet = record.unet(seed, prediction=parameters["prediction"], stem=parameters["stem"])
        with TemporaryDirectory() as folder:
            trainer = Trainer(unet, recipe=recipe, folder=Path(folder), device=record.device)
            trainer.fit(*record.faces["train"], checkpoint_minutes=1e6, sample_grids=1, bar=NO_BAR)
        yield Point(steps, trainer.bare_unet.eval)


def baseline(record: Record, program: str, seed: int, *, learning_rate: float) -> Iterator[Point]:
    """A baseline after each of its steps: the study's network, predicting the noise, on a folder of PNG files.

    All that need not be done again for another training is done before the first step is taken.
    """
    unet, train = record.unet(seed, prediction="eps", stem="pixels"), BASELINES[program]
    setting, folder = Setting(record.parameters, record.device, record.folder), record.folder / "faces"
    as_files(*record.faces["train"], folder)
    loader = documented.flipped_faces(setting, folder)
    alike = {"cpu": record.device.type == "cpu", "label_dropout": record.parameters["label_dropout"]}
    course = train(unet, loader, learning_rate=learning_rate, **alike)
    return (Point(step, partial(_network, averaged, like=unet)) for step, averaged in enumerate(course, 1))


def _network(averaged: EMAModel | UNet2DModel, *, like: UNet2DModel) -> UNet2DModel:
    """The network of averaged weights, however a baseline keeps them."""
    if isinstance(averaged, UNet2DModel):
        return averaged.eval()
    network = UNet2DModel.from_config(like.config).to(like.device)
    averaged.copy_to(network.parameters())
    return network.eval()


def clocked(course: Iterator[Point], *, steps: Sequence[int], cap: float) -> Iterator[tuple[dict[str, float], Point]]:
    """The points of a course at some of its steps, and its last one: at the end of the steps, or beyond the cap.

    Only what the course itself does is timed: seconds, and cpu_seconds of all threads of this process.
    """
    cpu_seconds = seconds = 0.0
    while True:
        begun = time.process_time(), time.perf_counter()
        point = next(course)
        cpu_seconds += time.process_time() - begun[0]
        seconds += time.perf_counter() - begun[1]
        last = cpu_seconds >= cap or point.step >= steps[-1]
        if last or point.step in steps:
            yield {"step": point.step, "cpu_seconds": round(cpu_seconds, 2), "seconds": round(seconds, 2)}, point
        if last:
            return


def shortfall(rows: pd.DataFrame) -> pd.Series:
    """By how much the worse of both falls short of its target, as a logarithm of a ratio; 0 or less has arrived."""
    rca = np.log(LEAST_RCA / rows["rca"].clip(lower=1e-6))
    return np.maximum(rca, np.log(rows["frechet"].clip(lower=1e-6) / LARGEST_FRECHET))


def best_guidance(rows: pd.DataFrame) -> pd.DataFrame:
    """Of every run and step the guidance that comes nearest to both targets, with its `shortfall`."""
    found = rows.assign(shortfall=shortfall(rows))
    return found.loc[found.groupby([*RUN, "step"], sort=False)["shortfall"].idxmin()].reset_index(drop=True)


def arrivals(rows: pd.DataFrame) -> pd.DataFrame:
    """Of every run the row of its first step that has arrived, not interpolated; of one that never does, its last.

    Column arrived says which; where it is False the times are lower bounds.
    """
    found = best_guidance(rows).sort_values("step", kind="stable")
    found["arrived"] = found["shortfall"] <= 0
    return pd.concat(
        (run[run["arrived"]] if run["arrived"].any() else run.iloc[-1:]).iloc[:1]
        for _, run in found.groupby(RUN, sort=False)
    ).reset_index(drop=True)


def chosen(rows: pd.DataFrame, program: str) -> pd.Series:
    """How a program ended on the tuning seed, with the learning rate that comes nearest to both targets."""
    tried = arrivals(rows[(rows["program"] == program) & (rows["seed"] == TUNING_SEED)])
    return tried.loc[tried["shortfall"].idxmin()]


def reported(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs that count: those of the other seeds."""
    return rows[rows["seed"] != TUNING_SEED]


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Each baseline's time to identity over ours, of the means over the seeds.

    Returns:
        program, n, n_arrived, cpu_seconds, seconds (means), ratio (of cpu_seconds), bound: "at least" where a run of
        the baseline had not arrived, "at most" where one of ours had not, "none" where both, else "".
    """
    found = arrivals(reported(rows)).groupby("program", sort=False)
    table = found.agg(
        n=("seed", "size"),
        n_arrived=("arrived", "sum"),
        cpu_seconds=("cpu_seconds", "mean"),
        seconds=("seconds", "mean"),
    )
    late = table["n_arrived"] < table["n"]
    table["ratio"] = table["cpu_seconds"] / table.loc[OURS, "cpu_seconds"]
    bounds = ("none", "at most") if late[OURS] else ("at least", "")
    table["bound"] = np.where(late, *bounds)
    return table.reset_index()


def in_words(table: pd.DataFrame) -> str:
    """What `ratios` found, one sentence per program."""
    said = []
    for row in table.itertuples():
        mean = f"{row.cpu_seconds:.0f} CPU-seconds and {row.seconds:.0f} seconds"
        late = f"; {row.n - row.n_arrived} of {row.n} had not arrived by then" if row.n_arrived < row.n else ""
        ratio = "no ratio" if row.bound == "none" else f"{row.bound} {row.ratio:.1f} times ours".lstrip()
        said.append(f"{row.program}: {mean} (mean of {row.n}{late})" + ("." if row.program == OURS else f", {ratio}."))
    return "\n".join(said)


def last_measured(report: str, table: str) -> pd.DataFrame | None:
    """A table of runs that was measured here, or came with the project: the rows of the machine that was there last."""
    for path in (folder / table for folder in (paths.report_folder(report), paths.committed_report(report))):
        if path.is_file():
            found = pd.read_csv(path)
            return found[found["machine"] == found["machine"].iloc[-1]]
    return None


def committed_record() -> pd.DataFrame | None:
    """The record, see `last_measured`; None where there is none, or ours has not been measured."""
    found = last_measured(REPORT, TABLE)
    return found if found is not None and OURS in reported(found)["program"].unique() else None


class Table:
    """A table in reports, `record/record.csv` by its columns: rows of a run come together, and are added as it goes."""

    def __init__(self, path: Path, *, machine: str, columns: Sequence[str] = tuple(COLUMNS)):
        self.path, self.machine, self.columns = path, machine, list(columns)

    def read(self) -> pd.DataFrame:
        return pd.read_csv(self.path) if self.path.is_file() else pd.DataFrame(columns=self.columns)

    def of_this_machine(self) -> pd.DataFrame:
        found = self.read()
        return found[found["machine"] == self.machine]

    def has(self, run: dict[str, Any]) -> bool:
        """Whether there is a row of a run on this machine."""
        return bool(_is_of(self.of_this_machine(), run).any())

    def put(self, run: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """The rows of a run in place of those that it had."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            found = self.read()
            others = found[~_is_of(found, run | {"machine": self.machine})]
            added = pd.DataFrame([run | row | {"machine": self.machine} for row in rows], columns=self.columns)
            with atomic(self.path) as temporary:
                pd.concat([table for table in (others, added) if len(table)]).to_csv(temporary, index=False)


def _is_of(rows: pd.DataFrame, run: dict[str, Any]) -> pd.Series:
    return (rows[list(run)] == pd.Series(run)).all(axis=1)


def measure(record: Record, table: Table, run: dict[str, Any], *, steps: Sequence[int], cap: float) -> None:
    """A run until it arrives, or to its cap in CPU-seconds; one that the table has to its end is left as it is."""
    known = table.of_this_machine()
    known = known[_is_of(known, run)]
    if len(known) and (
        arrivals(known)["arrived"].item() or known["cpu_seconds"].max() >= cap or known["step"].max() >= steps[-1]
    ):
        return
    program, seed = run["program"], run["seed"]
    if program == OURS:
        course = ours(record, seed, lengths=steps)
        forward = forward_process(record.parameters["noise_schedule"], record.parameters["prediction"])
    else:
        course = baseline(record, program, seed, learning_rate=run["learning_rate"])
        forward = forward_process(NOISE_SCHEDULE if program == DIFFUSERS else denoising.NOISE_SCHEDULE)
    rows = []
    torch.manual_seed(seeds.number(seeds.Purpose.TRAINING_ORDER, seed))
    for times, point in clocked(course, steps=steps, cap=cap):
        how = {"seed": seed, "guidances": record.parameters["record_guidances"]}
        rows += [times | score for score in record.scores(point.network(), forward, **how)]
        table.put(run, rows)
        found = arrivals(pd.DataFrame([run | row for row in rows])).iloc[0]
        print(
            f"{program}, seed {seed}, learning rate {run['learning_rate']:g}: step {times['step']}, "
            f"{times['cpu_seconds']:.0f} CPU-seconds, RCA {found['rca']:.2f}, Fréchet {found['frechet']:.1f}"
        )
        if found["arrived"]:
            return


def measure_program(record: Record, table: Table, program: str, only: Sequence[int] | None = None) -> None:
    """What a program may choose on the tuning seed, then the seeds that are reported, all or `only` some.

    There ours trains until it arrives, and a baseline for equal time at each of its learning rates, scored at its end.
    """
    parameters, steps = record.parameters, record.parameters["record_steps"]
    rates = [parameters["learning_rate"]] if program == OURS else parameters["record_learning_rates"]
    for rate in rates:
        run = dict(zip(RUN, (program, TUNING_SEED, rate), strict=True))
        tried = steps if program == OURS else steps[-1:]
        measure(record, table, run, steps=tried, cap=parameters["record_tuning_seconds"])
    choice = chosen(table.of_this_machine(), program)
    if program == OURS or not choice["arrived"]:
        steps = [step for step in steps if step >= choice["step"]]
    for seed in range(parameters["record_seeds"]) if only is None else only:
        run = dict(zip(RUN, (program, seed, choice["learning_rate"]), strict=True))
        measure(record, table, run, steps=steps, cap=parameters["record_cap_seconds"])


def machine() -> str:
    """What the times depend on beside the code."""
    return f"{platform.machine()}, cores: {os.cpu_count()}, threads: {torch.get_num_threads()}"


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.benchmarks.record", description=__doc__.split("\n")[0])
    parser.add_argument("--study", default=REPORT, help="a study with faces")
    parser.add_argument("--program", action="append", choices=PROGRAMS, help="as often as need be; all by default")
    parser.add_argument("--seed", action="append", type=int, help="as often as need be; all by default")
    given.add_arguments(parser)
    asked = parser.parse_args(arguments)
    given.give(asked.set)
    record = record_of(asked.study)
    table = Table(paths.report_folder(REPORT) / TABLE, machine=machine())
    for program in asked.program or PROGRAMS:
        measure_program(record, table, program, asked.seed)
    found = table.of_this_machine()
    if OURS in reported(found)["program"].unique():
        print(in_words(ratios(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
