"""Every metric of the survey in one registry, and what each sees: quality, identity, both or neither (09)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "metric_of_metrics": ["SEES", "by_ladder"],
        "metric": ["measure"],
        "panel": ["committed", "run", "sentences"],
        "rated": ["of_each_image"],
        "restored_photographs": ["about_photographs"],
        "registry": ["METRICS"],
        "tools": ["of_study"],
    },
)
