"""Images of any generator scored on a user's own photographs (00)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "by_column": ["by_group", "oracle_by_group"],
        "comparison": ["compare"],
        "cross_fitting": ["CLASSIFIERS", "CrossFitted", "cross_fit"],
        "estimates": ["MEASURES", "Estimates", "estimate"],
        "gate": ["run_controls"],
        "similarity": ["calibrate", "measure"],
    },
)
