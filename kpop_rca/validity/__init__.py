"""How far the estimators can be trusted: trials in which what a generator shows is known."""

from kpop_rca.validity.controls import class_blind_by_oracle, control_trial, copy_trial, disguise_trial
from kpop_rca.validity.degraded import degradation_trial, middle, missed_levels, retrained_on_blurred
from kpop_rca.validity.estimators import halves
from kpop_rca.validity.mixtures import (
    COVERAGE_WANTED,
    coverage_findings,
    mixture_trial,
    trial_summary,
    worst_classes,
)
from kpop_rca.validity.sample_sizes import balanced_generated, interval_widths, recommendation, with_own

__all__ = [
    "COVERAGE_WANTED",
    "balanced_generated",
    "class_blind_by_oracle",
    "control_trial",
    "copy_trial",
    "coverage_findings",
    "degradation_trial",
    "disguise_trial",
    "halves",
    "interval_widths",
    "middle",
    "missed_levels",
    "mixture_trial",
    "recommendation",
    "retrained_on_blurred",
    "trial_summary",
    "with_own",
    "worst_classes",
]
