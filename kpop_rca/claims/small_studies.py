"""The small studies of a sweep, each from photographs to measures: a core each, and resumable.

A small study is the study's own steps (render, audit, crop, train a generator and oracles, generate) at a small size.
It does not run the notebooks: their figures and their kernels would take longer than the work. What two levels of a
seed have in common is made once, in a folder that is named for the parameters behind it. A run that is measured is a
file of its own. All of these are named for the code as well: a stopped sweep goes on after the last run, and one of
other parameters or of other code takes nothing over.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from kpop_rca import data, faces
from kpop_rca.claims import flat_loss, measurements, runs
from kpop_rca.diffusion import generated_images, generation, trainer, trainings
from kpop_rca.errors import StudyError
from kpop_rca.oracles import candidates, predictions, training
from kpop_rca.study import fingerprint, params, sweeps
from kpop_rca.system import console, devices, files, parallel

AUDIT, CROPS, TRAINING, ORACLES, GENERATION = sweeps.NOTEBOOKS_OF_SMALL_STUDY
# Parameters that no result follows from.
ASIDE = {"study", "device", "publish_images", "checkpoint_minutes", "sample_grids"}
WHO = ("n_identities", "min_per_identity", "exclude_identities", "max_per_identity")
# What is tried first, and what last: the paper's explanations, the long trainings, what else a measure follows from.
TURNS = (("size", "alikeness", "dominance"), ("longer",), ("guidance", "jitter", "labels", "sampler"))
SILENT = partial(console.bar, disable=True)
ROWS, FIRST, WORK, COMPLETE = "rows", "first_images", "work-seed", "complete.json"
MODULE = "claims.small_studies"


def _values(parameters: dict[str, Any], *notebooks: str) -> dict[str, Any]:
    """The parameters of some notebooks that their results follow from."""
    found = {name: value for notebook in notebooks for name, value in params.of_notebook(notebook, parameters).items()}
    return {name: value for name, value in found.items() if name not in ASIDE}


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class SmallStudy:
    """One small study, and where what its seed makes lies.

    Attributes:
        parameters: all of them, resolved.
        until_flat: whether the generator is trained by `flat_loss`, not for `train_steps`.
        folder: of the seed's work.
    """

    parameters: dict[str, Any]
    until_flat: bool
    folder: Path
    device: torch.device

    def _once(self, what: str, make: Callable[[Path], None], *behind: Any) -> Path:
        """A folder, filled by `make` unless an earlier run did; it is named for all that it follows from."""
        folder = self.folder / f"{what}-{_digest(what, *behind)}"
        if not (folder / COMPLETE).is_file():
            make(folder)
            files.write_json(folder / COMPLETE, {"made": what})
        return folder

    @property
    def faces(self) -> Path:
        """The audited and cropped faces, as `artifacts/<study>/faces` has them."""
        return self._once("faces", self._make_faces, _values(self.parameters, AUDIT, CROPS))

    @property
    def oracles(self) -> Path:
        return self._once("oracles", self._train_oracles, self.faces.name, _values(self.parameters, ORACLES))

    @property
    def generator(self) -> Path:
        return self._once(
            "generator", self._train, self.faces.name, _values(self.parameters, TRAINING), self.until_flat
        )

    @property
    def images(self) -> Path:
        return self._once("images", self._generate, self.generator.name, _values(self.parameters, GENERATION))

    def split(self, name: str) -> candidates.Faces:
        return faces.load_crops(self.faces, size=self.parameters["image_size"], split=name)

    def _make_faces(self, folder: Path) -> None:
        known = self.parameters
        root = data.prepare(known, bar=SILENT)
        detections = faces.detect_faces(
            data.scan(root, **{name: known[name] for name in WHO}),
            root,
            min_face_size=known["min_face_size"],
            batch_size=known["detector_batch_size"],
            max_side=known["max_side"],
            device=self.device,
            workers=1,
        )
        thresholds = {name: known[name] for name in ("min_probability", "max_mismatch_score", "min_face_width", "seed")}
        flagged = faces.flag_images(detections, **thresholds)
        labels_file = params.hand_labels_file(known)
        if known["hand_labels"] or labels_file.is_file():
            flagged = faces.join_hand_labels(flagged, labels_file, root=root)
        left_out = {name: known[name] for name in ("exclude_flags", "exclude_hand_labels")}
        kept = flagged[faces.exclusion_reasons(flagged, **left_out) == ""].copy()
        fractions = {name: known[name] for name in ("oracle_fraction", "validation_fraction", "test_fraction")}
        kept["split"] = faces.assign_splits(kept, **fractions, seed=known["seed"])
        index = faces.make_index(kept)
        faces.check_classes(index, flagged, oracle_fraction=known["oracle_fraction"])
        used = kept.loc[index.index]
        crops = faces.crop_faces(used, root, margin=known["crop_margin"], sizes=known["face_sizes"])
        faces.save_crops(folder, crops, index)

    def _train_oracles(self, folder: Path) -> None:
        splits = {name: self.split(name) for name in faces.SPLITS[:4]}
        named = {"n_seeds": self.parameters["oracle_seeds"], "seen": self.parameters["seen_oracles"]}
        planned = candidates.list_candidates(
            self.parameters["architectures"], **named, apart=len(splits["oracle"][1]) > 0
        )
        recipe = training.OracleRecipe.of(self.parameters)
        training.train_all(planned, splits, recipe=recipe, folder=folder, device=self.device, bar=SILENT)

    def _train(self, folder: Path) -> None:
        images, labels = self.split("train")
        begun = trainings.begin(self.parameters, n_classes=self.n_classes, folder=folder, device=self.device)
        if self.until_flat:
            flat_loss.train(begun, (images, labels), self.split("validation"), seed=self.parameters["seed"])
        else:
            begun.fit(images, labels, checkpoint_minutes=np.inf, sample_grids=0, bar=SILENT)

    def _generate(self, folder: Path) -> None:
        plan = generation.GenerationPlan.of(self.parameters, mixed_precision=self.parameters["mixed_precision"])
        generation.generate(
            *trainer.load_trained(self.generator, self.device),
            replace(plan, trainings=1),
            n_classes=self.n_classes,
            folder=folder,
            progress=iter,
        )

    @property
    def n_classes(self) -> int:
        return int(self.split("test")[1].max()) + 1


def measured(made: SmallStudy, judged_by: SmallStudy) -> list[dict[str, Any]]:
    """The measures of one small study under each oracle of another, or its own, on whose real test faces they rest.

    Returns:
        One row per oracle: oracle, the entries of `measured_by_one` and of `shared_training_faces`; n_steps of the
        training, its seconds, and the held-out loss at its end; and `images`, a name that levels share where they have
        the same images.
    """
    size, real = made.parameters["image_size"], judged_by.split("test")
    generated = generated_images.load(made.images)
    groups = params.parse_groups(made.parameters["look_alike_groups"], judged_by.n_classes)
    log = pd.read_csv(made.generator / trainer.LOG)
    of_training = {
        "n_steps": int(log["step"].max()),
        "seconds": float(log["seconds"].max()),
        "held_out_loss": flat_loss.held_out_loss(
            *trainer.load_trained(made.generator, made.device), made.split("validation"), seed=made.parameters["seed"]
        ),
        "images": made.images.name,
    }
    rows = []
    for about in predictions.trained(judged_by.oracles).query("eligible").itertuples():
        oracle = training.load_oracle(judged_by.oracles / about.oracle, made.device)
        found = measurements.measured_by_one(oracle, real, generated, groups=groups)
        both = measurements.shared_training_faces(
            made.faces, judged_by.faces, size=size, oracle_trained_on=about.trained_on
        )
        rows.append({"oracle": about.oracle} | found | both | of_training)
    return rows


class Run(NamedTuple):
    """A small study of a sweep that is to be measured.

    Attributes:
        member: what it is.
        parameters: all of its own, resolved.
        oracles_parameters: those of the study whose oracles measure it.
        name: of its files.
    """

    member: sweeps.Member
    parameters: dict[str, Any]
    oracles_parameters: dict[str, Any]
    name: str

    @property
    def until_flat(self) -> bool:
        return self.member.experiment in sweeps.UNTIL_FLAT


def run_all(resolved: dict[str, Any], *, folder: Path, bar: Callable) -> pd.DataFrame:
    """Measure every small study of a sweep that an earlier, stopped run has not.

    On a CPU so many seeds run side by side as there are cores. The experiments of `TURNS` have their turns with every
    seed, one after the other, so that a sweep that is stopped early has whole experiments.

    Args:
        resolved: parameters of the sweep, all of them.
        folder: what is being made lies there until its seed is done; the measures stay.
        bar: makes a progress bar, `tqdm` for example, of the runs.

    Returns:
        One row per small study and oracle: experiment, level, seed, study, and the entries of `measured`.

    Raises:
        StudyError: a level is classified by the oracles of another that the sweep lacks.
    """
    planned = plan(resolved)
    turns: dict[tuple[int, int], list[Run]] = {}
    for run in planned:
        turn = next(number for number, names in enumerate(TURNS) if run.member.experiment in names)
        turns.setdefault((turn, run.member.seed), []).append(run)
    workers = parallel.cores() if devices.choose(resolved["device"]).type == "cpu" else 1
    work = partial(_run_turn, folder=folder, device=resolved["device"])
    with bar(total=len(planned), desc="small studies", unit="study") as shown:
        for n_runs in parallel.in_order(work, [turns[key] for key in sorted(turns)], workers=workers):
            shown.update(n_runs)
    for work in folder.glob(f"{WORK}*"):
        shutil.rmtree(work)
    return pd.concat([runs.read_runs(_rows_of(folder, run)) for run in planned], ignore_index=True)


def plan(resolved: dict[str, Any]) -> list[Run]:
    """The runs of a sweep, in its order."""
    members, code = sweeps.members(resolved), fingerprint.of_computing(MODULE)
    parameters = {member.study: params.resolve(member.study) for member in members}
    planned = []
    for member in members:
        both = parameters[member.study], parameters[_oracles_of(member, members)]
        key = _digest(code, *(_values(of_one, *sweeps.NOTEBOOKS_OF_SMALL_STUDY) for of_one in both))
        planned.append(Run(member, *both, f"{member.experiment}={member.level}-seed{member.seed}-{key}"))
    return planned


def _oracles_of(member: sweeps.Member, members: list[sweeps.Member]) -> str:
    """The study whose oracles and real faces measure a small study: its own, but for `sweeps.COMMON_ORACLE`."""
    level = sweeps.oracles_of(member.experiment, member.level)
    of_seed = {
        other.level: other.study
        for other in members
        if other.seed == member.seed and other.experiment == member.experiment
    }
    if level not in of_seed:
        raise StudyError(f"{member.study} is classified by the oracles of {level!r}, of which this seed has no run")
    return of_seed[level]


def _run_turn(turn: list[Run], *, folder: Path, device: str) -> int:
    """Measure the runs of one seed, one after the other, in one thread; their number."""
    where = devices.choose(device)
    with parallel.one_thread(where):
        for run in turn:
            if _rows_of(folder, run).is_file():
                continue
            member, work = run.member, {"folder": _work_of(folder, run.member.seed), "device": where}
            made = SmallStudy(run.parameters, run.until_flat, **work)
            own = run.oracles_parameters == run.parameters
            judged_by = made if own else SmallStudy(run.oracles_parameters, False, **work)
            about = {"experiment": member.experiment, "level": member.level, "seed": member.seed, "study": member.study}
            rows = pd.DataFrame([about | row for row in measured(made, judged_by)])
            images, labels = generated_images.load(made.images)
            with files.atomic(_first_of(folder, run)) as temporary:
                np.save(temporary, faces.first_of_each(images, labels, count=1)[:, 0], allow_pickle=False)
            with files.atomic(_rows_of(folder, run)) as temporary:
                rows.to_csv(temporary, index=False)
    return len(turn)


def first_images(resolved: dict[str, Any], *, folder: Path) -> Iterator[tuple[sweeps.Member, np.ndarray]]:
    """The first image of each person, uint8 (K, H, W, 3), of every run of the sweep's first seed."""
    for run in plan(resolved):
        if run.member.seed == 0:
            yield run.member, np.load(_first_of(folder, run), allow_pickle=False)


def _work_of(folder: Path, seed: int) -> Path:
    return folder / f"{WORK}{seed}-{fingerprint.of_computing(MODULE)}"


def _rows_of(folder: Path, run: Run) -> Path:
    return folder / ROWS / f"{run.name}.csv"


def _first_of(folder: Path, run: Run) -> Path:
    return folder / FIRST / f"{run.name}.npy"
