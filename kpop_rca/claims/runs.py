"""The runs of a sweep that came with the project."""

from pathlib import Path

import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.rca.former_names import FORMER_KEYS
from kpop_rca.study import given, paths
from kpop_rca.study.sweeps import RUNS


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
