"""The runs behind the claims: every small study of a sweep as its oracles see it, or as it came with the project."""

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
from kpop_rca.study import manifests, params, paths, stages, staleness, sweeps
from kpop_rca.study.sweeps import RUNS
from kpop_rca.system import files


def collect(resolved: dict[str, Any], *, device: torch.device, progress: Callable) -> pd.DataFrame:
    """Oracle the images of every small study of a sweep.

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
    view = cache(lambda study, oracles: _view(study, oracles, group_text, device))
    rows = []
    for member in progress(members):
        about = {"experiment": member.experiment, "level": member.level, "seed": member.seed, "study": member.study}
        rows += [about | row for row in view(member.study, _oracles_of(member, members))]
    return pd.DataFrame(rows)


def _oracles_of(member: sweeps.Member, members: list[sweeps.Member]) -> str:
    """The study whose oracles and real faces a small study is held against: its own, but for `sweeps.COMMON_ORACLE`."""
    level = sweeps.oracles_of(member.experiment, member.level)
    of_seed = {
        other.level: other.study
        for other in members
        if other.seed == member.seed and other.experiment == member.experiment
    }
    if level not in of_seed:
        raise StudyError(f"{member.study} is classified as {level!r} is, of which this seed has no run")
    return of_seed[level]


def _view(study: str, predicted_as: str, group_text: str, device: torch.device) -> list[dict[str, Any]]:
    """What each oracle of `predicted_as` says of the images of `study` and of its own real test faces."""
    generated_folder = _made(study, "generated")
    images, asked = generated_images.load(generated_folder)
    made = manifests.identity(files.read_json(generated_folder / manifests.MANIFEST))
    size, oracle_faces, oracles_folder = images.shape[1], _made(predicted_as, "faces"), _made(predicted_as, "oracle")
    real = crops.load_crops(oracle_faces, size=size, split="test")
    groups = params.parse_groups(group_text, int(asked.max()) + 1)
    rows = []
    for about in predictions.trained(oracles_folder).query("eligible").itertuples():
        oracle = training.load_oracle(oracles_folder / about.oracle, device)
        found = measurements.measured_by_one(oracle, real, (images, asked), groups=groups)
        both = measurements.shared_training_faces(
            _made(study, "faces"), oracle_faces, size=size, oracle_trained_on=about.trained_on
        )
        rows.append({"oracle": about.oracle} | found | both | {"images": made})
    return rows


def _made(study: str, folder: str) -> Path:
    """Where artifacts of a small study lie, its own or borrowed, that were made with all of its parameters.

    Raises:
        StudyError: they are missing, and those of the base differ in what the level sets; see `staleness.require`.
    """
    staleness.require(study, folder, params.resolve(study))
    return manifests.folder_of(study, folder)


def committed_runs(study: str) -> pd.DataFrame:
    """The runs of a sweep that came with the project, `reports/<study>/tables/08_runs.csv`.

    Raises:
        StudyError: there is none.
    """
    path = paths.committed_report(study) / "tables" / f"{RUNS}.csv"
    if not path.is_file():
        known = paths.study_file(study).is_file()
        mending = f"run: {manifests.command_of_all(study, last=stages.CLAIMS)}" if known else "set runs_of to another"
        raise StudyError(f"reports/{study}/tables/{path.name} is not there; {mending}")
    return read_runs(path)


def read_runs(path: Path) -> pd.DataFrame:
    """Runs as they were saved; a level stays text, and columns have their present names."""
    return pd.read_csv(path, dtype={"level": str}).rename(columns=FORMER_KEYS)
