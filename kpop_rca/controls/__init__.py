"""Generators whose truth is known: real faces play one that errs as we choose, or one that copies."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "copies": ["DIFFUSED_LEVELS", "JPEG_QUALITY", "diffused", "disguised"],
        "known_truth": ["control_conditions", "most_confused"],
        "mixtures": ["draw_mixture", "mixture_size", "swap_patterns"],
    },
)
