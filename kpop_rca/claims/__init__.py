"""The paper's claims as controlled experiments: runs of a sweep, what is measured on them, and verdicts."""

from kpop_rca.claims.runs import collect, committed_runs
from kpop_rca.claims.verdicts import means_by_level, over_judges, shared_faces, shared_images, verdict_table
from kpop_rca.sweeps import RUNS

__all__ = [
    "RUNS",
    "collect",
    "committed_runs",
    "means_by_level",
    "over_judges",
    "shared_faces",
    "shared_images",
    "verdict_table",
]
