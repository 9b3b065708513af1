"""How far the estimators can be trusted: trials in which what a generator shows is known."""

from kpop_rca.validity.degraded import degradation_trial, findings, middle, retrained_on_blurred
from kpop_rca.validity.estimators import halves
from kpop_rca.validity.mixtures import (
    COVERAGE_WANTED,
    coverage_findings,
    mixture_size,
    mixture_trial,
    swap_patterns,
    trial_summary,
    worst_classes,
)
from kpop_rca.validity.sample_sizes import interval_widths, recommendation, with_own

__all__ = [
    "COVERAGE_WANTED",
    "coverage_findings",
    "degradation_trial",
    "findings",
    "halves",
    "interval_widths",
    "middle",
    "mixture_size",
    "mixture_trial",
    "recommendation",
    "retrained_on_blurred",
    "swap_patterns",
    "trial_summary",
    "with_own",
    "worst_classes",
]
