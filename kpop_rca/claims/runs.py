"""The runs behind the claims: every small study of a sweep under each of its oracles, or as committed."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from kpop_rca.claims import measurements
from kpop_rca.diffusion import generated_images
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops
from kpop_rca.oracles import predictions, training
from kpop_rca.rca.former_names import FORMER_KEYS
from kpop_rca.study import given, manifests, params, paths, sweeps
from kpop_rca.study.sweeps import RUNS


def collect(resolved: dict[str, Any], *, device: torch.device, progress: Callable) -> pd.DataFrame:
    """Measure every small study of a sweep under each of its oracles.

    Args:
        resolved: parameters of the sweep, all of them.
        progress: wraps the list of small studies, `tqdm` for example.

    Returns:
        One row per small study and oracle: experiment, level, seed, study, oracle, the entries of `measured_by_one` and
        of `shared_training_faces`, and `images`, the identity of the images' manifest.

    Raises:
        StudyError: a small study was not run.
    """
    members = sweeps.members(resolved)
    group_text = resolved["look_alike_groups"]
    measured = cache(lambda study, oracles_of: _measured(study, oracles_of, group_text, device))
    rows = []
    for member in progress(members):
        about = {"experiment": member.experiment, "level": member.level, "seed": member.seed, "study": member.study}
        rows += [about | row for row in measured(member.study, _oracles_of(member, members))]
    return pd.DataFrame(rows)


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


def _measured(study: str, oracles_of: str, group_text: str, device: torch.device) -> list[dict[str, Any]]:
    """The measures of `study` under each oracle of the study `oracles_of`, on whose real test faces they are based."""
    generated_folder = made_by(study, "generated")
    images, requested = generated_images.load(generated_folder)
    made = manifests.identity(manifests.read(generated_folder))
    size, oracle_faces, oracles_folder = images.shape[1], made_by(oracles_of, "faces"), made_by(oracles_of, "oracle")
    real = crops.load_crops(oracle_faces, size=size, split="test")
    groups = params.parse_groups(group_text, int(requested.max()) + 1)
    rows = []
    for about in predictions.trained(oracles_folder).query("eligible").itertuples():
        oracle = training.load_oracle(oracles_folder / about.oracle, device)
        found = measurements.measured_by_one(oracle, real, (images, requested), groups=groups)
        both = measurements.shared_training_faces(
            made_by(study, "faces"), oracle_faces, size=size, oracle_trained_on=about.trained_on
        )
        rows.append({"oracle": about.oracle} | found | both | {"images": made})
    return rows


def made_by(study: str, folder: str) -> Path:
    """Where artifacts of a small study lie, its own or borrowed, that were made with all of its parameters.

    Raises:
        StudyError: they are missing, and those of the base differ in what the level sets; see `manifests.require`.
    """
    manifests.require(study, folder, params.resolve(study))
    return manifests.folder_of(study, folder)


def committed_runs(study: str) -> pd.DataFrame:
    """The runs of a sweep that came with the project, `reports/<study>/tables/08_runs.csv`.

    Raises:
        StudyError: there is none.
    """
    path = paths.committed_report(study) / "tables" / f"{RUNS}.csv"
    if not path.is_file():
        defined = paths.study_file(study).is_file()
        mending = (
            f"run: {paths.python()} -m kpop_rca.studies --study {study}{given.arguments()}"
            if defined
            else "set runs_of to another"
        )
        raise StudyError(f"reports/{study}/tables/{path.name} is not there; {mending}")
    return read_runs(path)


def read_runs(path: Path) -> pd.DataFrame:
    """Runs as they were saved; a level stays text, and columns have their present names."""
    return pd.read_csv(path, dtype={"level": str}).rename(columns=FORMER_KEYS)
