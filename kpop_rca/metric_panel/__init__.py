"""Every metric of the survey in one registry, and which of them sees quality, which identity, and which neither (09)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "metric": ["Metric", "Needs", "Property", "measure"],
        "registry": ["METRICS"],
        "samples": ["Sample", "Seen"],
    },
)
