"""How fast the study is beside its baselines and beside what the machine can do, and how its cost grows (90).

A time alone means nothing on a shared machine: contenders at the same work take turns, repeat by repeat, together with
a large matrix product and a large copy; what is said of them are ratios within a repeat.
"""

from kpop_rca.benchmarks.collection import MACHINE, SCALING, committed, measure, metrics, summary
from kpop_rca.benchmarks.timing import OURS

__all__ = ["MACHINE", "OURS", "SCALING", "committed", "measure", "metrics", "summary"]
