"""Every metric of the survey in one registry, and what each sees: quality, identity, both or neither (09)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ladders": ["build", "generator_of"],
        "metric_of_metrics": ["SEES", "climb", "control", "what_is_seen"],
        "metric": ["Metric", "Needs", "Property", "measure"],
        "registry": ["METRICS"],
        "samples": ["Sample", "Seen"],
        "tables": ["by_ladder", "declared", "panel"],
        "tools": ["of_study"],
    },
)
