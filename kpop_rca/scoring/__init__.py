"""Images of any generator scored against photographs of the people that they claim to show."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cross_fitting": ["CLASSIFIERS", "CrossFitted", "cross_fit"],
        "estimates": ["MEASURES", "Estimates", "estimate"],
        "planning": ["plan"],
    },
)
