"""The paper's claims as controlled experiments: runs of a sweep, what is measured on them, and verdicts."""

from kpop_rca.claims.runs import collect, committed_runs
from kpop_rca.claims.verdicts import mean_over_oracles, means_by_level, shared_faces, shared_images, verdict_table
from kpop_rca.study.sweeps import RUNS

__all__ = [
    "RUNS",
    "collect",
    "committed_runs",
    "mean_over_oracles",
    "means_by_level",
    "shared_faces",
    "shared_images",
    "verdict_table",
]
